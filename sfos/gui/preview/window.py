"""A large preview in a window of its own: Space opens and closes it, ← and → go through the list, ↑ ↓ scroll."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from tkinter import ttk

from sfos.gui.look import styles
from sfos.gui.look.theme import Theme
from sfos.gui.preview.area import PreviewArea


class PreviewWindow(tk.Toplevel):
    """Shows what it is given; `on_step` asks for the next or previous file, `on_close` is called once."""

    def __init__(
        self,
        parent: tk.Misc,
        theme: Theme,
        *,
        on_page: Callable[[int], None],
        on_step: Callable[[int], None],
        on_download: Callable[[], None],
        on_close: Callable[[], None],
    ) -> None:
        super().__init__(parent, background=theme.palette.border)
        self.withdraw()
        self._theme = theme
        self._on_step, self._on_close = on_step, on_close
        px = theme.px
        inner = ttk.Frame(self, style=styles.SURFACE)
        inner.pack(fill="both", expand=True, padx=max(1, px(1)), pady=max(1, px(1)))
        head = ttk.Frame(inner, style=styles.SURFACE, padding=(px(16), px(10), px(10), px(8)))
        head.pack(fill="x")
        self._heading = ttk.Label(head, style=styles.BOLD)
        self._heading.pack(side="left")
        self._name = ""
        head.bind("<Configure>", lambda _event: self._fit())
        self._about = ttk.Label(head, style=styles.SMALL)
        self._about.pack(side="left", padx=px(12))
        self._download = ttk.Button(head, text=" Download", style=styles.BUTTON, compound="left", command=on_download)
        self._download.pack(side="right")
        ttk.Frame(inner, style=styles.LINE, height=max(1, px(1))).pack(fill="x")
        self.preview = PreviewArea(inner, theme, on_page=on_page)
        self.preview.pack(fill="both", expand=True)
        self.protocol("WM_DELETE_WINDOW", self.close)
        for key in ("<Escape>", "<space>"):
            self.bind(key, lambda _event: self.close())
        for key, step in (("<Left>", -1), ("<Right>", 1)):
            self.bind(key, lambda _event, by=step: on_step(by))  # type: ignore[misc]
        for key, step in (("<Up>", -1), ("<Down>", 1)):
            self.bind(key, lambda _event, by=step: self._up_or_down(by))  # type: ignore[misc]
        for key, step in (("<Prior>", -1), ("<Next>", 1)):
            self.bind(key, lambda _event, by=step: self._page(by))  # type: ignore[misc]
        for key, step in (("<Home>", -1), ("<End>", 1)):
            self.bind(key, lambda _event, by=step: self.preview.scroll(by, "ends"))  # type: ignore[misc]
        theme.on_change(self._recolour)
        self._recolour()

    def _up_or_down(self, step: int) -> None:
        """Scroll what can be scrolled; else go to another file."""
        if not self.preview.scroll(step, "units"):
            self._on_step(step)

    def _page(self, step: int) -> None:
        if not self.preview.scroll(step, "pages"):
            self.preview.turn(step)

    def open(self) -> None:
        """Show it over the middle of the main window, somewhat smaller."""
        parent = self.master.winfo_toplevel()
        width = max(self._theme.px(480), int(parent.winfo_width() * 0.7))
        height = max(self._theme.px(360), int(parent.winfo_height() * 0.8))
        x = parent.winfo_rootx() + (parent.winfo_width() - width) // 2
        y = parent.winfo_rooty() + (parent.winfo_height() - height) // 2
        self.geometry(f"{width}x{height}+{max(0, x)}+{max(0, y)}")
        self.transient(parent)
        self.deiconify()
        self.lift()
        self.after(20, self.focus_force)

    def describe(self, heading: str, about: str) -> None:
        """Show the name, and what is known of the file."""
        self._name = heading
        self._about.configure(text=about)
        self.title(heading)
        self._fit()

    def _fit(self) -> None:
        """Shorten the name, if the window is too narrow for it."""
        taken = self._about.winfo_reqwidth() + self._download.winfo_reqwidth() + self._theme.px(70)
        room = max(self._theme.px(80), self.winfo_width() - taken)
        self._heading.configure(text=self._theme.elide(self._name, room, "SfBoldFont"))

    def close(self) -> None:
        """Close it."""
        parent = self.master
        self.destroy()
        parent.focus_set()
        self._on_close()

    def _recolour(self) -> None:
        self.configure(background=self._theme.palette.border)
        self._download.configure(image=self._theme.icon("download", None, 15))
