"""Choosing one of a few values: all beside each other, or behind a button."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable, Sequence
from tkinter import ttk
from typing import Generic, TypeVar

from sfos.gui.look import styles
from sfos.gui.look.theme import Theme
from sfos.gui.widgets.menus import Menu, below, popup

T = TypeVar("T")


class Segments(ttk.Frame, Generic[T]):
    """Buttons beside each other, of which one is on: it bears a tick as well as a colour."""

    def __init__(
        self, parent: tk.Misc, theme: Theme, values: Sequence[tuple[T, str]], value: T, on_choice: Callable[[T], object]
    ) -> None:
        super().__init__(parent, style=styles.SURFACE)
        self._theme, self._on_choice, self.value = theme, on_choice, value
        self.buttons: dict[T, ttk.Button] = {}
        for column, (each, label) in enumerate(values):
            button = ttk.Button(self, text=label, compound="left", command=lambda chosen=each: self._choose(chosen))  # type: ignore[misc]
            button.grid(row=0, column=column, padx=(0, theme.px(6)))
            self.buttons[each] = button
        theme.on_change(self._draw)
        self._draw()

    def show(self, value: T) -> None:
        """Show which one is on."""
        self.value = value
        self._draw()

    def _choose(self, value: T) -> None:
        self.show(value)
        self._on_choice(value)

    def _draw(self) -> None:
        theme = self._theme
        for value, button in self.buttons.items():
            here = value == self.value
            icon = theme.icon("check-lg", theme.palette.on_primary, 12, pad_right=6) if here else ""
            button.configure(style=styles.PRIMARY if here else styles.BUTTON, image=icon)


class PickButton(ttk.Button, Generic[T]):
    """A button that says the value, and opens a menu of those there are."""

    def __init__(
        self,
        parent: tk.Misc,
        theme: Theme,
        values: Callable[[], Sequence[tuple[T, str]]],
        value: T,
        on_choice: Callable[[T], object],
    ) -> None:
        """`values`: asked when the menu opens, and for the label of `value`."""
        super().__init__(parent, style=styles.BUTTON, compound="right", command=self._open)
        self._theme, self._values, self._on_choice, self.value = theme, values, on_choice, value
        self.bind("<Down>", lambda _event: self._open())
        theme.on_change(self._draw)
        self._draw()

    def show(self, value: T) -> None:
        """Show the value."""
        self.value = value
        self._draw()

    def _draw(self) -> None:
        label = next((label for value, label in self._values() if value == self.value), str(self.value))
        image = self._theme.icon("chevron-down", self._theme.palette.muted, 12, pad_left=8)
        self.configure(text=label, image=image)

    def _open(self) -> None:
        menu = Menu(self, self._theme)
        for value, label in self._values():
            icon = "check-lg" if value == self.value else ""
            menu.add_row(label, lambda chosen=value: self._choose(chosen), icon=icon)  # type: ignore[misc]
        popup(menu, *below(self, self._theme))

    def _choose(self, value: T) -> None:
        self.show(value)
        self._on_choice(value)
