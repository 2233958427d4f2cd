"""A one-line field that says what it is for while it is empty."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from tkinter import ttk

from sfos.gui.look import styles
from sfos.gui.look.theme import Theme


class SearchBox(ttk.Frame):
    """Reports every change of its text; Escape empties it."""

    def __init__(self, parent: tk.Misc, theme: Theme, *, placeholder: str, on_change: Callable[[str], None]) -> None:
        super().__init__(parent, style=styles.SURFACE)
        self._theme = theme
        self._on_change = on_change
        self._value = tk.StringVar(self)
        self.entry = ttk.Entry(self, style=styles.ENTRY, textvariable=self._value, width=4)
        self.entry.pack(fill="both", expand=True)
        self._placeholder = placeholder
        self._hint = tk.Label(self, text=placeholder, anchor="w", cursor="xterm", borderwidth=0, padx=0, pady=0)
        self._hint.bind("<Button-1>", lambda _event: self.entry.focus_set())
        self._value.trace_add("write", self._changed)
        self.entry.bind("<Escape>", self._escape)
        self.bind("<Configure>", lambda event: self._fit(event.width))
        self._colours()
        theme.on_change(self._colours)
        self._place_hint()

    def show(self, text: str) -> None:
        """Put `text` there, if something else is."""
        if self._value.get() != text:
            self._value.set(text)

    def take_focus(self) -> None:
        """Put the keyboard into the field, its text selected."""
        self.entry.focus_set()
        self.entry.selection_range(0, "end")

    def _changed(self, *_args: object) -> None:
        self._place_hint()
        self._on_change(self._value.get())

    def _place_hint(self) -> None:
        if self._value.get():
            self._hint.place_forget()
        else:
            px = self._theme.px
            self._hint.place(in_=self.entry, x=px(10), rely=0.5, anchor="w", relwidth=1.0, width=-px(16))

    def _fit(self, width: int) -> None:
        room = width - self._theme.px(22)
        hints = (self._placeholder, "Search…", "")
        self._hint.configure(text=next(hint for hint in hints if self._theme.measure(hint) <= max(0, room)))

    def _escape(self, _event: object) -> str:
        self._value.set("")
        self.event_generate("<<SearchDone>>")
        return "break"

    def _colours(self) -> None:
        palette = self._theme.palette
        self._hint.configure(background=palette.field, foreground=palette.muted, font="TkDefaultFont")
