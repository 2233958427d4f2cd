"""A short message at the lower edge that goes away by itself: what was done, and what can be done about it."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from tkinter import ttk

from sfos.gui.look import styles
from sfos.gui.look.palette import palette_for
from sfos.gui.look.theme import Theme
from sfos.gui.model import Notice

_SHOWN_MS = 4_000
_LONGER_MS = 8_000  # for what went wrong, and what offers something: it takes longer to read and to reach
_ICONS = {"info": "info-circle", "success": "check-circle", "warning": "exclamation-triangle", "error": "x-octagon"}
_COLOURS = {"info": "accent", "success": "success", "warning": "warning", "error": "danger"}


class Toast:
    """One message at a time, placed over `parent`; a click sends it away."""

    def __init__(self, parent: tk.Misc, theme: Theme) -> None:
        self._parent = parent
        self._theme = theme
        self._after: str | None = None
        self._box: tk.Frame | None = None
        self._words: ttk.Label | None = None
        self._buttons: dict[str, ttk.Button] = {}
        self._shown: Notice | None = None
        self.text = ""

    def show(
        self, notice: Notice, *, act: Callable[[], object] | None = None, other: Callable[[], object] | None = None
    ) -> None:
        """Show `notice` in place of the one before it. `act` is behind its action, `other` behind its other one."""
        if self._words is not None and self._is_same_work(notice):
            self._words.configure(text=notice.text)  # counting on: the button under the mouse stays
            self._shown, self.text = notice, notice.text
            return
        self.hide()
        theme, palette = self._theme, self._theme.palette
        px = theme.px
        # The other palette's surface stands out from anything below it.
        other_palette = palette_for("dark" if palette.mode == "light" else "light")
        self._box = tk.Frame(self._parent, background=palette.text, borderwidth=0)
        icon = theme.icon(_ICONS[notice.severity], getattr(other_palette, _COLOURS[notice.severity]), 15)
        picture = ttk.Label(self._box, image=icon, background=palette.text)
        picture.pack(side="left", padx=(px(14), px(10)), pady=px(10))
        for label, command in ((notice.other, other), (notice.action, act)):
            if label and command:
                self._button(label, command)
        room = self._parent.winfo_width() - px(120) - sum(each.winfo_reqwidth() for each in self._buttons.values())
        self._words = ttk.Label(
            self._box, text=notice.text, background=palette.text, foreground=palette.surface,
            wraplength=min(px(560), max(px(180), room)),
        )  # fmt: skip
        self._words.pack(side="left", padx=(0, px(16)), pady=px(9))
        for widget in (self._box, picture, self._words):
            widget.bind("<Button-1>", lambda _event: self.hide())
        self._box.place(relx=0.5, rely=1.0, y=-px(44), anchor="s")
        self._box.lift()
        self._shown, self.text = notice, notice.text
        if not notice.lasting:
            longer = notice.severity in ("error", "warning") or self._buttons
            self._after = self._parent.after(_LONGER_MS if longer else _SHOWN_MS, self.hide)

    def _is_same_work(self, notice: Notice) -> bool:
        shown = self._shown
        return shown is not None and shown.lasting and notice.lasting and shown.action == notice.action

    def _button(self, label: str, command: Callable[[], object]) -> None:
        def pressed() -> None:
            self.hide()
            command()

        button = ttk.Button(self._box, text=label, style=styles.TOAST_LINK, command=pressed)
        button.pack(side="right", padx=(0, self._theme.px(8)), pady=self._theme.px(5))
        self._buttons[label] = button

    def button(self, label: str) -> ttk.Button:
        """The button called so."""
        return self._buttons[label]

    def hide(self) -> None:
        """Send it away."""
        if self._after is not None:
            self._parent.after_cancel(self._after)
            self._after = None
        if self._box is not None:
            self._box.destroy()
            self._box = None
        self._words, self._buttons, self._shown = None, {}, None
        self.text = ""
