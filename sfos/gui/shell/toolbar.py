"""The top row: where to go, where one is, and what to do most often."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable, Collection
from tkinter import ttk

from sfos.gui.commands import COMMANDS, Command, shown_keys
from sfos.gui.files.breadcrumb import Breadcrumb
from sfos.gui.files.search_box import SearchBox
from sfos.gui.look import styles
from sfos.gui.look.theme import Theme
from sfos.gui.model import Listing, Place
from sfos.gui.widgets.tooltip import Tooltip

_GO = (Command.BACK, Command.FORWARD, Command.UP, Command.REFRESH)
_DO = (Command.NEW_FOLDER, Command.DOWNLOAD, Command.DELETE)
_ICON = 17
_NARROW, _PATH_LEAST, _SEARCH_LEAST, _SEARCH_NARROW = 1000, 190, 150, 96  # design pixels
_TINY, _PATH_TINY, _SEARCH_TINY = 840, 130, 84  # here the button for uploading loses its word as well


class Toolbar(ttk.Frame):
    """Buttons for commands, the breadcrumb and the search field."""

    def __init__(
        self,
        parent: tk.Misc,
        theme: Theme,
        *,
        run: Callable[[Command], None],
        on_go: Callable[[Place], None],
        on_path: Callable[[str], None],
        on_filter: Callable[[str], None],
        on_upload_menu: Callable[[int, int], None],
        on_settings_menu: Callable[[int, int], None],
    ) -> None:
        px = theme.px
        super().__init__(parent, style=styles.SURFACE, padding=(px(12), px(8), px(10), px(8)))
        self._theme = theme
        self._run = run
        self._buttons: dict[Command, ttk.Button] = {}
        column = 0
        for command in _GO:
            self._tool(command).grid(row=0, column=column, padx=(0, px(4)))
            column += 1
        self.breadcrumb = Breadcrumb(self, theme, on_go=on_go, on_path=on_path)
        self.breadcrumb.grid(row=0, column=column, sticky="nsew", padx=(px(6), px(12)))
        self._path_column = column
        self.columnconfigure(column, weight=4)
        self.search = SearchBox(self, theme, placeholder=self._search_hint(), on_change=on_filter)
        self.search.grid(row=0, column=column + 1, sticky="nsew", padx=(0, px(10)))
        self.columnconfigure(column + 1, weight=1)
        self.bind("<Configure>", lambda event: self._share(event.width))
        self.upload = ttk.Button(self, text=" Upload", style=styles.PRIMARY, compound="left", takefocus=True)
        self.upload.configure(command=lambda: self._menu_under(self.upload, on_upload_menu))
        self.upload.grid(row=0, column=column + 2, sticky="ns", padx=(0, px(8)))
        column += 3
        for command in _DO:
            self._tool(command).grid(row=0, column=column, padx=(0, px(2)))
            column += 1
        self._tool(Command.DETAILS_PANE).grid(row=0, column=column, padx=(0, px(2)))
        self.settings = ttk.Button(self, style=styles.TOOL, takefocus=True)
        self.settings.configure(command=lambda: self._menu_under(self.settings, on_settings_menu))
        self.settings.grid(row=0, column=column + 1)
        Tooltip(self.settings, theme, "Settings, account and help")
        Tooltip(self.upload, theme, f"Upload files or a folder ({shown_keys(Command.UPLOAD_FILES)})")
        self._icons()
        theme.on_change(self._icons)

    def _share(self, width: int) -> None:
        """In a narrow window the search field and words give way to the path, which says where one is."""
        px = self._theme.px
        narrow, tiny = width < px(_NARROW), width < px(_TINY)
        search = _SEARCH_TINY if tiny else _SEARCH_NARROW if narrow else _SEARCH_LEAST
        self.upload.configure(text="" if tiny else " Upload", width=0 if tiny else -8)
        self.columnconfigure(self._path_column, minsize=px(_PATH_TINY if tiny else _PATH_LEAST))
        self.columnconfigure(self._path_column + 1, minsize=px(search))
        self.columnconfigure(self._path_column + 1, weight=0 if narrow else 1)

    def _search_hint(self) -> str:
        return f"Search this folder…  ({shown_keys(Command.SEARCH)})"

    def _tool(self, command: Command) -> ttk.Button:
        button = ttk.Button(self, style=styles.TOOL, command=lambda: self._run(command), takefocus=True)
        keys = shown_keys(command)
        Tooltip(button, self._theme, COMMANDS[command].label.rstrip("…") + (f" ({keys})" if keys else ""))
        self._buttons[command] = button
        return button

    def _menu_under(self, button: ttk.Button, menu: Callable[[int, int], None]) -> None:
        menu(button.winfo_rootx(), button.winfo_rooty() + button.winfo_height() + self._theme.px(2))

    def _icons(self) -> None:
        theme = self._theme
        for command, button in self._buttons.items():
            name = COMMANDS[command].icon
            assert name is not None
            button.configure(image=theme.icon_states(name, _ICON))
        self.upload.configure(image=theme.icon_states("upload", 15, theme.palette.on_primary))
        self.settings.configure(image=theme.icon("gear", None, _ICON))

    def show(self, listing: Listing, enabled: Collection[Command], *, details_shown: bool) -> None:
        """Show where `listing` is, and what can be done there."""
        for command, button in self._buttons.items():
            button.state(["!disabled" if command in enabled else "disabled"])
        self.upload.state(["!disabled" if Command.UPLOAD_FILES in enabled else "disabled"])
        pane = self._buttons[Command.DETAILS_PANE]
        pane.configure(style=styles.TOOL_ON if details_shown else styles.TOOL)
        self.breadcrumb.show(listing.place)
        self.search.show(listing.filter)
