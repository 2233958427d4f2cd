"""A row of tabs; which pane belongs to one is the owner's affair."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable, Sequence
from tkinter import ttk

from sfos.gui.look import styles
from sfos.gui.look.theme import Theme


class Tabs(ttk.Frame):
    """Buttons of which one is marked by weight and a line; ← and → walk through them."""

    def __init__(
        self, parent: tk.Misc, theme: Theme, tabs: Sequence[tuple[str, str]], on_open: Callable[[str], None]
    ) -> None:
        """`tabs`: the name and the label of each."""
        super().__init__(parent, style=styles.SURFACE)
        self._theme, self._on_open = theme, on_open
        self._names = tuple(name for name, _ in tabs)
        self.current = self._names[0]
        px = theme.px
        self.buttons: dict[str, ttk.Button] = {}
        self._marks: dict[str, tk.Frame] = {}
        for column, (name, label) in enumerate(tabs):
            button = ttk.Button(self, text=label, style=styles.TAB, command=lambda chosen=name: self.open(chosen))  # type: ignore[misc]
            button.grid(row=0, column=column, sticky="ew", padx=(0, px(4)))
            # As wide as when it is open: going to another tab must not push its neighbours about.
            self.columnconfigure(column, minsize=theme.measure(label, "SfBoldFont") + px(22))
            for key, step in (("<Left>", -1), ("<Right>", 1)):
                button.bind(key, lambda _event, by=step: self._walk(by))  # type: ignore[misc]
            mark = tk.Frame(self, height=px(2))
            mark.grid(row=1, column=column, sticky="ew", padx=px(8))
            self.buttons[name], self._marks[name] = button, mark
        theme.on_change(self._draw)
        self._draw()

    def open(self, name: str) -> None:
        """Mark the tab `name`, and tell of it."""
        self.mark(name)
        self._on_open(name)

    def mark(self, name: str) -> None:
        """Mark the tab `name` as open."""
        self.current = name
        self._draw()

    def _walk(self, step: int) -> str:
        name = self._names[(self._names.index(self.current) + step) % len(self._names)]
        self.open(name)
        self.buttons[name].focus_set()
        return "break"

    def _draw(self) -> None:
        palette = self._theme.palette
        for name, button in self.buttons.items():
            here = name == self.current
            button.configure(style=styles.TAB_HERE if here else styles.TAB)
            self._marks[name].configure(background=palette.accent if here else palette.surface)
