"""Base of all dialogs: over the window's middle, in its colours, closed by Escape, never waited for."""

from __future__ import annotations

import contextlib
import tkinter as tk
from collections.abc import Callable
from tkinter import ttk
from typing import Literal

from sfos.gui.look import styles
from sfos.gui.look.theme import Theme

_MARGIN = 24
_EDGE = 32  # kept free of the screen, where that is small


class Dialog(tk.Toplevel):
    """A dialog in the making: fill `body`, add buttons, then `open_over` the window.

    It never blocks: what the person decides reaches the callbacks of its buttons. `on_cancel` is behind Escape and
    the window's own cross. Closed, it gives the keyboard back to who had it.
    `modal`: keep mouse and keyboard; never for a question that a background job asks.
    """

    def __init__(
        self, parent: tk.Misc, theme: Theme, title: str, *, width: float = 400, modal: bool = True,
        on_cancel: Callable[[], None] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(parent, background=theme.palette.border)
        self.withdraw()
        self.title(title)
        self._theme = theme
        self.modal = modal
        self._on_cancel = on_cancel
        self._closed = False
        # Tk's own answer to who had the keyboard: a window without focus now remembers it as well.
        self._before = parent.winfo_toplevel().focus_lastfor()
        px = theme.px
        self.width = min(px(width), self.winfo_screenwidth() - px(2 * _MARGIN + _EDGE))
        # A thin edge of its own: without a window manager's frame, white on white has none.
        inner = ttk.Frame(self, style=styles.SURFACE)
        inner.pack(fill="both", expand=True, padx=max(1, px(1)), pady=max(1, px(1)))
        self.body = ttk.Frame(inner, style=styles.SURFACE, padding=(px(_MARGIN), px(22), px(_MARGIN), px(8)))
        ttk.Frame(self.body, style=styles.SURFACE, width=self.width, height=1).pack()
        self._buttons = ttk.Frame(inner, style=styles.SURFACE, padding=(px(_MARGIN), px(10), px(_MARGIN), px(20)))
        # Before the body: what is too high for the screen loses its end, and never its buttons.
        self._buttons.pack(fill="x", side="bottom")
        self.body.pack(fill="both", expand=True)
        self.protocol("WM_DELETE_WINDOW", self.cancel)
        self.bind("<Escape>", lambda _event: self.cancel())
        theme.on_change(self._recolour)

    def _recolour(self) -> None:
        self.configure(background=self._theme.palette.border)

    # --- content ---------------------------------------------------------------------------------------------------

    def add_label(self, text: str, style: str = styles.TEXT, *, below: float = 0) -> ttk.Label:
        """A paragraph across the dialog."""
        label = ttk.Label(self.body, text=text, style=style, wraplength=self.width, justify="left")
        label.pack(fill="x", anchor="w", pady=(0, self._theme.px(below)))
        return label

    def add_entry(self, label: str, value: str = "") -> ttk.Entry:
        """A field under its label."""
        px = self._theme.px
        ttk.Label(self.body, text=label, style=styles.TEXT).pack(anchor="w", pady=(px(4), px(4)))
        entry = ttk.Entry(self.body, style=styles.ENTRY)
        entry.insert(0, value)
        entry.pack(fill="x")
        return entry

    def add_button(
        self, text: str, command: Callable[[], None], style: str = styles.BUTTON, *, default: bool = False,
        side: Literal["right", "left"] = "right",
    ) -> ttk.Button:  # fmt: skip
        """A button in the row at the bottom; the first one added stands outermost. `default`: what Return does."""
        button = ttk.Button(self._buttons, text=text, command=command, style=style)
        gap = self._theme.px(8)
        button.pack(side=side, padx=(gap, 0) if side == "right" else (0, gap))
        if default:
            self.bind("<Return>", lambda _event: _invoke(button))
        return button

    # --- opening and closing ---------------------------------------------------------------------------------------

    def open_over(self, focus: tk.Misc | None = None) -> None:
        """Show it over the middle of its parent, with the keyboard in `focus`."""
        parent = self.master.winfo_toplevel()
        self.transient(parent)
        self.resizable(False, False)
        self._place()
        self.deiconify()
        self.lift()
        target = focus or self
        # A grab on a window that is not yet on the screen fails; so does the focus without a window manager.
        self._when_visible(lambda: self._take_over(target))

    def _place(self) -> None:
        parent = self.master.winfo_toplevel()
        self.update_idletasks()
        width, height = max(self.winfo_reqwidth(), self.width), self.winfo_reqheight()
        x = parent.winfo_rootx() + (parent.winfo_width() - width) // 2
        y = parent.winfo_rooty() + max(0, (parent.winfo_height() - height) // 3)
        x = min(max(0, x), max(0, self.winfo_screenwidth() - width))
        y = min(max(0, y), max(0, self.winfo_screenheight() - height))
        most = self.winfo_screenheight()
        self.geometry(f"{width}x{most}+{x}+0" if height > most else f"+{x}+{y}")

    def fit(self) -> None:
        """Take the place that its content needs now, while it is open."""
        self.geometry("")
        self._place()

    def _when_visible(self, action: Callable[[], None]) -> None:
        if self._closed:
            return
        if self.winfo_viewable():
            action()
        else:
            self.after(10, self._when_visible, action)

    def _take_over(self, target: tk.Misc) -> None:
        if self.modal:
            with contextlib.suppress(tk.TclError):  # another program holds a grab, such as a screen locker
                self.grab_set()
        target.focus_force()

    def cancel(self) -> None:
        """Close without a decision."""
        on_cancel = self._on_cancel
        self.close()
        if on_cancel is not None:
            on_cancel()

    def close(self) -> None:
        """Close; `on_cancel` is not called any more."""
        if self._closed:
            return
        self._closed = True
        self._on_cancel = None
        self.grab_release()
        self.destroy()
        if self._before is not None:
            with contextlib.suppress(tk.TclError):  # it may have gone in the meantime
                self._before.focus_set()


def _invoke(button: ttk.Button) -> str:
    button.invoke()
    return "break"
