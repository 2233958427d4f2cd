"""The files' part of the toolbar: where one is, what is searched for, and uploading."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from tkinter import ttk
from typing import NamedTuple

from sfos.gui.files.breadcrumb import Breadcrumb
from sfos.gui.files.search_box import SearchBox
from sfos.gui.look import styles
from sfos.gui.look.theme import Theme
from sfos.gui.model import FolderPath, Listing
from sfos.gui.widgets.menus import below
from sfos.gui.widgets.tooltip import Tooltip

_NARROW, _PATH_LEAST, _SEARCH_LEAST, _SEARCH_NARROW = 1000, 190, 150, 96  # design pixels
_TINY, _PATH_TINY, _SEARCH_TINY = 840, 130, 84  # here the button for uploading loses its word as well
_ONE_FIELD = 720  # here the search field takes the place of the path while it is in use, and has none otherwise


class BarKeys(NamedTuple):
    """Keys that the bar tells of."""

    search: str
    upload: str


class FilesBar(ttk.Frame):
    """The breadcrumb, the search field and the button for uploading. `parent` is the toolbar."""

    def __init__(
        self,
        parent: tk.Misc,
        theme: Theme,
        *,
        on_go: Callable[[FolderPath], None],
        on_path: Callable[[str], None],
        on_filter: Callable[[str], None],
        on_upload_menu: Callable[[int, int], None],
        keys: BarKeys,
    ) -> None:
        px = theme.px
        super().__init__(parent, style=styles.SURFACE)
        self._theme = theme
        self.breadcrumb = Breadcrumb(self, theme, on_go=on_go, on_path=on_path)
        self.rowconfigure(0, weight=1)
        self.breadcrumb.grid(row=0, column=0, sticky="nsew", padx=(px(6), px(12)))
        self.columnconfigure(0, weight=4)
        hint = f"Search this folder…  ({keys.search})"
        self.search = SearchBox(self, theme, placeholder=hint, on_change=on_filter)
        self.search.grid(row=0, column=1, sticky="nsew", padx=(0, px(10)))
        self.search.entry.bind("<FocusOut>", lambda _event: self._end_search(), add="+")
        self._one_field = self._searching = False
        self.columnconfigure(1, weight=1)
        parent.bind("<Configure>", lambda event: self._share(event.width), add="+")
        self.upload = ttk.Button(self, text=" Upload", style=styles.PRIMARY, compound="left")
        self.upload.configure(command=lambda: on_upload_menu(*below(self.upload, theme)))
        self.upload.grid(row=0, column=2, sticky="ns", padx=(0, px(8)))
        Tooltip(self.upload, theme, f"Upload files or a folder ({keys.upload})")
        self._icons()
        theme.on_change(self._icons)

    def _share(self, width: int) -> None:
        """Share out the width: in a narrow window the search field and words give way to the path, which says where one
        is."""
        px = self._theme.px
        narrow, tiny = width < px(_NARROW), width < px(_TINY)
        self._one_field = width < px(_ONE_FIELD)
        self._arrange_fields()
        search = 0 if self._one_field else _SEARCH_TINY if tiny else _SEARCH_NARROW if narrow else _SEARCH_LEAST
        self.upload.configure(text="" if tiny else " Upload", width=0 if tiny else -8)
        self.columnconfigure(0, minsize=px(_PATH_TINY if tiny else _PATH_LEAST))
        self.columnconfigure(1, minsize=px(search))
        self.columnconfigure(1, weight=0 if narrow else 1)

    def take_search(self) -> None:
        """Put the keyboard into the search field."""
        self._searching = True
        self._arrange_fields()
        self.search.take_focus()

    def _end_search(self) -> None:
        if not self.search.entry.get():
            self._searching = False
            self._arrange_fields()

    def _arrange_fields(self) -> None:
        """Show both fields, or where there is room for one only, the one that is needed."""
        px = self._theme.px
        if not self._one_field:
            self.breadcrumb.grid()
            self.search.grid(row=0, column=1, padx=(0, px(10)))
        elif self._searching or self.search.entry.get():
            self.breadcrumb.grid_remove()
            self.search.grid(row=0, column=0, padx=(px(6), px(12)))
        else:
            self.search.grid_remove()
            self.breadcrumb.grid()

    def _icons(self) -> None:
        self.upload.configure(image=self._theme.icon_states("upload", 15, self._theme.palette.on_primary))

    def show(self, listing: Listing) -> None:
        """Show where `listing` is, and what it is filtered by."""
        self.breadcrumb.show(listing.folder)
        self.search.show(listing.filter)
        self._arrange_fields()
