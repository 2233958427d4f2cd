"""Columns of the list of files: headings that sort, and fewer of them where there is little room."""

from __future__ import annotations

from collections.abc import Callable
from tkinter import ttk

from sfos.gui.files.row_look import INSET
from sfos.gui.look.theme import Theme
from sfos.gui.model import Sort, SortColumn

_COLUMNS: tuple[tuple[SortColumn, str], ...] = (
    ("name", "\u2002Name"),  # above the icons, which stand a little away from the edge
    ("size", "Size\u2003"),  # the space keeps numbers away from the next column
    ("modified", "Modified"),
    ("type", "Type"),
)
_WIDEST = {"size": "999.9 MB\u2003", "modified": "2026-12-28 23:59", "type": "reStructuredText"}
NAMES = tuple(_WIDEST)  # of all but the first
_MIN_NAME = 180


class Columns:
    """Headings of `tree`, and the widths of its columns."""

    def __init__(self, tree: ttk.Treeview, theme: Theme, on_sort: Callable[[SortColumn], None]) -> None:
        self._tree, self._theme, self._on_sort = tree, theme, on_sort
        self._sort = Sort()
        self._shown = list(NAMES)
        self.renew()

    def show_sort(self, sort: Sort) -> bool:
        """Show by which column the rows are sorted; whether it was another one."""
        is_other = sort != self._sort
        if is_other:
            self._sort = sort
            self.renew()
        return is_other

    def renew(self) -> None:
        """Take colours and letters as the theme has them now."""
        theme, tree = self._theme, self._tree
        arrow = theme.icon("caret-down-fill" if self._sort.descending else "caret-up-fill", theme.palette.muted, 9)
        for column, label in _COLUMNS:
            tree.heading(
                "#0" if column == "name" else column,
                text=label,
                anchor="e" if column == "size" else "w",
                image=arrow if column == self._sort.column else "",
                command=lambda chosen=column: self._on_sort(chosen),
            )
            if column == "name":
                tree.column("#0", anchor="w", stretch=True, minwidth=theme.px(_MIN_NAME))
            else:
                tree.column(
                    column, anchor="e" if column == "size" else "w", width=self._needed(column),
                    minwidth=theme.px(60), stretch=False,
                )  # fmt: skip

    def _needed(self, column: str) -> int:
        return self._theme.measure(_WIDEST[column]) + self._theme.px(24)

    def fit(self) -> None:
        """Give columns up in a narrow window, least needed first."""
        width = self._tree.winfo_width()
        least = self._theme.px(_MIN_NAME)
        shown = list(NAMES)
        while shown and width - sum(map(self._needed, shown)) < least:
            shown.pop()
        if shown != self._shown:
            self._shown = shown
            self._tree.configure(displaycolumns=tuple(shown) or "")
            self._tree.column("#0", width=max(least, width - sum(map(self._needed, shown))))

    @property
    def name_room(self) -> int:
        """Pixels for a name."""
        return int(self._tree.column("#0", "width")) - self._theme.px(INSET + 10)
