"""A small sentence beside the mouse: what a button does, or the whole of a shortened name."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from tkinter import ttk

from sfos.gui.look.theme import Theme

_DELAY_MS = 500


class Tooltip:
    """Shows `text` (or what it returns for a point in the widget; None: nothing) while the mouse rests on `widget`."""

    def __init__(self, widget: tk.Widget, theme: Theme, text: str | Callable[[int, int], str | None]) -> None:
        self._widget = widget
        self._theme = theme
        self.text = text
        self._after: str | None = None
        self._window: tk.Toplevel | None = None
        for event in (
            "<Leave>",
            "<ButtonPress>",
            "<Destroy>",
            "<KeyPress>",
            "<MouseWheel>",
            "<Button-4>",
            "<Button-5>",
        ):
            widget.bind(event, self._hide, add="+")
        widget.bind("<Motion>", self._moved, add="+")

    def _moved(self, event: tk.Event[tk.Widget]) -> None:
        if self._window is not None and isinstance(self.text, str):
            return
        self._hide()
        self._after = self._widget.after(_DELAY_MS, self._show, event.x, event.y, event.x_root, event.y_root)

    def _show(self, x: int, y: int, x_root: int, y_root: int) -> None:
        self._after = None
        text = self.text if isinstance(self.text, str) else self.text(x, y)
        if not text:
            return
        theme, palette = self._theme, self._theme.palette
        window = tk.Toplevel(self._widget, background=palette.border)
        window.withdraw()
        window.overrideredirect(True)
        label = ttk.Label(
            window,
            text=text,
            font="SfSmallFont",
            foreground=palette.surface,
            background=palette.text,
            padding=(theme.px(8), theme.px(4)),
            wraplength=theme.px(480),
        )
        label.pack()
        window.update_idletasks()
        left = min(x_root + theme.px(10), window.winfo_screenwidth() - window.winfo_reqwidth())
        top = y_root + theme.px(18)
        if top + window.winfo_reqheight() > window.winfo_screenheight():
            top = y_root - window.winfo_reqheight() - theme.px(8)
        window.geometry(f"+{max(0, left)}+{max(0, top)}")
        window.deiconify()
        self._window = window

    def _hide(self, _event: object = None) -> None:
        if self._after is not None:
            self._widget.after_cancel(self._after)
            self._after = None
        if self._window is not None:
            self._window.destroy()
            self._window = None
