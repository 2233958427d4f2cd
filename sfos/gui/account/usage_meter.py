"""Meter of what is stored, at the bottom of the left pane."""

from __future__ import annotations

import tkinter as tk
from tkinter import ttk

from sfos.gui.account.usage import history_share, usage_text, used_share
from sfos.gui.look import styles
from sfos.gui.look.theme import Theme
from sfos.gui.model import Usage


class UsageMeter(ttk.Frame):
    """A line or two, and where there is a quota a bar."""

    def __init__(self, parent: tk.Misc, theme: Theme) -> None:
        super().__init__(parent, style=styles.SIDE)
        self._theme = theme
        self._state: Usage | None = None
        self._text = ttk.Label(self, style=styles.SIDE_MUTED, anchor="w")
        self._text.pack(fill="x")
        self._bar = tk.Canvas(self, height=theme.px(7), highlightthickness=0, borderwidth=0)
        self._bar.bind("<Configure>", lambda _event: self._draw())
        theme.on_change(self._draw)
        self._draw()

    def show(self, usage: Usage | None) -> None:
        """Show how much is stored; None hides it."""
        self._state = usage
        self._draw()

    def _draw(self) -> None:
        theme, palette = self._theme, self._theme.palette
        self._bar.configure(background=palette.side)
        self._bar.delete("all")
        usage = self._state
        if usage is None:
            self._text.configure(text="")
            return
        self._text.configure(text=usage_text(usage))
        share = used_share(usage)
        if share is None:  # without a limit there is nothing that a bar could be full of
            self._bar.pack_forget()
            return
        self._bar.pack(fill="x", pady=(theme.px(6), 0))
        width, thick = self._bar.winfo_width(), theme.px(7)
        theme.bar(self._bar, 0, width, thick // 2, thick, palette.usage_trough)
        if share:
            colour = palette.danger if share >= 0.9 else palette.primary
            held = history_share(usage)
            if held:  # what history holds lies behind what the files of now do
                theme.bar(self._bar, 0, int(width * share), thick // 2, thick, palette.usage_history)
            if share > held:
                theme.bar(self._bar, 0, int(width * (share - held)), thick // 2, thick, colour)
