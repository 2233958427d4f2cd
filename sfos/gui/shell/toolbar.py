"""The top row: where to go, the page's own part, and what to do most often."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable, Collection
from tkinter import ttk

from sfos.gui.commands import AnyCommand, MenuName, Offers
from sfos.gui.look import styles
from sfos.gui.look.theme import Theme
from sfos.gui.widgets.menus import below
from sfos.gui.widgets.tooltip import Tooltip

_ICON = 17


class Toolbar(ttk.Frame):
    """Buttons of the menus `go` and `tools`; between them what the page brings, whose parent this is."""

    def __init__(
        self,
        parent: tk.Misc,
        theme: Theme,
        *,
        run: Callable[[AnyCommand], object],
        on_settings_menu: Callable[[int, int], None],
    ) -> None:
        px = theme.px
        super().__init__(parent, style=styles.SURFACE, padding=(px(12), px(8), px(10), px(8)))
        self._theme = theme
        self._run = run
        self._buttons: dict[AnyCommand, ttk.Button] = {}
        self._go = ttk.Frame(self, style=styles.SURFACE)
        self._go.grid(row=0, column=0)
        self._bar: tk.Widget | None = None
        self.columnconfigure(1, weight=1)
        self._tools = ttk.Frame(self, style=styles.SURFACE)
        self._tools.grid(row=0, column=2)
        self.settings = ttk.Button(self, style=styles.TOOL)
        self.settings.configure(command=lambda: on_settings_menu(*below(self.settings, theme)))
        self.settings.grid(row=0, column=3)
        Tooltip(self.settings, theme, "Settings, account and help")
        self._icons()
        theme.on_change(self._icons)

    def arrange(self, offers: Offers, bar: tk.Widget | None) -> None:
        """Show the buttons of `offers`, and `bar` between them."""
        rows: tuple[tuple[ttk.Frame, MenuName, int], ...] = ((self._go, "go", 4), (self._tools, "tools", 2))
        for frame, menu, gap in rows:
            for button in frame.grid_slaves():
                button.grid_remove()
            commands = [command for command in offers.of_menu(menu) if command is not None]
            for column, command in enumerate(commands):
                button = self._button(frame, command)
                button.grid(row=0, column=column, padx=(0, self._theme.px(gap)))
                button.lift()  # Tab goes from left to right
        if self._bar is not bar:
            if self._bar is not None:
                self._bar.grid_remove()
            self._bar = bar
        if bar is not None:
            bar.grid(row=0, column=1, sticky="nsew")
        for part in (self._go, bar, self._tools, self.settings):
            if part is not None:
                part.lift()

    def _button(self, frame: ttk.Frame, command: AnyCommand) -> ttk.Button:
        button = self._buttons.get(command)
        if button is None:
            button = ttk.Button(frame, style=styles.TOOL, command=lambda: self._run(command))
            Tooltip(button, self._theme, command.tip)
            assert command.icon is not None, command.id
            button.configure(image=self._theme.icon_states(command.icon, _ICON))
            self._buttons[command] = button
        return button

    def button(self, command: AnyCommand) -> ttk.Button:
        """The button of a command that has one."""
        return self._buttons[command]

    def _icons(self) -> None:
        theme = self._theme
        for command, button in self._buttons.items():
            assert command.icon is not None
            button.configure(image=theme.icon_states(command.icon, _ICON))
        self.settings.configure(image=theme.icon("gear", None, _ICON))

    def show(self, possible: Collection[AnyCommand], switched_on: Collection[AnyCommand]) -> None:
        """Show what can be done, and what is switched on."""
        for command, button in self._buttons.items():
            button.state(["!disabled" if command in possible else "disabled"])
            button.configure(style=styles.TOOL_ON if command in switched_on else styles.TOOL)
