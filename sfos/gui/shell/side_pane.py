"""The left pane: the places of the window where there are several, what pages keep there, and how much is stored."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable, Sequence
from tkinter import ttk

from sfos.gui.account.usage_meter import UsageMeter
from sfos.gui.look import styles
from sfos.gui.look.theme import Theme
from sfos.gui.page import Page
from sfos.gui.widgets.focus_ring import FocusRing

_PLACES, _PAGE, _USAGE = range(3)


class SidePane(ttk.Frame):
    """A row for each page above the rest; a single page needs none."""

    def __init__(self, parent: tk.Misc, theme: Theme, *, on_page: Callable[[Page], None]) -> None:
        super().__init__(parent, style=styles.SIDE)
        self._theme, self._on_page = theme, on_page
        self._pages: tuple[Page, ...] = ()
        self._shown: Page | None = None
        px = theme.px
        self.places = ttk.Treeview(self, style=styles.FOLDERS, show="tree", selectmode="browse")
        self.ring = FocusRing(self.places, theme)
        self.places.grid(row=_PLACES, column=0, sticky="ew", padx=(px(6), px(4)), pady=(px(6), 0))
        self.places.bind("<<TreeviewSelect>>", self._selected)
        self.usage = UsageMeter(self, theme)
        self.usage.grid(row=_USAGE, column=0, sticky="ew", padx=px(12), pady=(px(4), px(8)))
        self.rowconfigure(_PAGE, weight=1)
        self.columnconfigure(0, weight=1)
        theme.on_change(self._draw)

    def keep(self, widget: tk.Widget) -> None:
        """Give `widget`, whose parent this is, the room in the middle."""
        widget.grid(row=_PAGE, column=0, sticky="nsew")

    def show_pages(self, pages: Sequence[Page]) -> None:
        """Offer these."""
        self._pages = tuple(pages)
        self._draw()

    def show_page(self, page: Page | None) -> None:
        """Mark the one that is shown."""
        self._shown = page
        item = str(self._pages.index(page)) if page in self._pages else ""
        if item and self.places.exists(item) and self.places.selection() != (item,):
            self.places.selection_set((item,))
            self.places.focus(item)

    def _draw(self) -> None:
        theme, tree = self._theme, self.places
        tree.delete(*tree.get_children())
        if len(self._pages) < 2:
            tree.grid_remove()
            return
        for index, page in enumerate(self._pages):
            icon = str(theme.icon(page.icon, theme.palette.accent, 16, pad_right=8))
            tree.insert("", "end", iid=str(index), text=page.title, image=icon)
        tree.configure(height=len(self._pages))
        tree.grid()
        self.show_page(self._shown)

    def _selected(self, _event: object) -> None:
        chosen = self.places.selection()
        if chosen and self._pages[int(chosen[0])] is not self._shown:
            self._on_page(self._pages[int(chosen[0])])
