"""A line round a list, a text or a picture that has the keyboard; buttons and fields have their own."""

from __future__ import annotations

import tkinter as tk

from sfos.gui.look.theme import Theme

_THICK = 2  # design pixels


class FocusRing:
    """Shows where the keyboard is, unless the mouse has put it there: who clicks knows. Make it before other bindings
    of the widget's buttons, which may take the click for themselves."""

    def __init__(self, widget: tk.Widget, theme: Theme) -> None:
        self._widget, self._theme = widget, theme
        self._by_mouse = False
        self._lines = tuple(tk.Frame(widget.master) for _ in range(4))
        self.shown = False
        for button in ("<Button-1>", "<Button-2>", "<Button-3>"):
            widget.bind(button, self._clicked, add="+")
        widget.bind("<FocusIn>", lambda _event: self._focus_in(), add="+")
        widget.bind("<FocusOut>", lambda _event: self._hide(), add="+")
        widget.bind("<Unmap>", lambda _event: self._hide(), add="+")
        theme.on_change(self._recolour)
        self._recolour()

    def _clicked(self, _event: object) -> None:
        self._by_mouse = True
        self._hide()

    def _focus_in(self) -> None:
        by_mouse, self._by_mouse = self._by_mouse, False
        if not by_mouse and not self.shown:
            self.shown = True
            thick = self._theme.px(_THICK)
            top, bottom, left, right = self._lines
            top.place(in_=self._widget, x=0, y=0, relwidth=1, height=thick)
            bottom.place(in_=self._widget, x=0, rely=1, y=-thick, relwidth=1, height=thick)
            left.place(in_=self._widget, x=0, y=0, relheight=1, width=thick)
            right.place(in_=self._widget, relx=1, x=-thick, y=0, relheight=1, width=thick)
            for line in self._lines:
                line.lift()

    def _hide(self) -> None:
        if self.shown:
            self.shown = False
            for line in self._lines:
                line.place_forget()

    def _recolour(self) -> None:
        if self._lines[0].winfo_exists():
            for line in self._lines:
                line.configure(background=self._theme.palette.accent)
