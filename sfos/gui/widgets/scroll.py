"""A scroll bar that is there only while there is something to scroll; and scrolling by what is held at an edge."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from tkinter import ttk
from typing import Any, Literal

from sfos.gui.look import styles


class AutoScrollbar(ttk.Scrollbar):
    """Takes its place in a grid while the content is longer than its widget, and gives it up otherwise."""

    def __init__(
        self, parent: tk.Misc, orient: Literal["vertical", "horizontal"], command: Callable[..., Any],
        style: str | None = None, **grid: Any,
    ) -> None:  # fmt: skip
        style = style or (styles.SCROLL_V if orient == "vertical" else styles.SCROLL_H)
        super().__init__(parent, orient=orient, command=command, style=style, takefocus=False)
        self._grid = grid
        self._shown = False

    def set(self, first: float | str, last: float | str) -> None:
        """Tk calls this with the visible part, 0 to 1."""
        needed = float(first) > 0.0 or float(last) < 1.0
        if needed != self._shown:
            self._shown = needed
            if needed:
                self.grid(**self._grid)
            else:
                self.grid_remove()
        super().set(first, last)


def is_inside(widget: tk.Misc, x_root: int, y_root: int) -> bool:
    """Whether this place of the screen is in `widget` or in a child of it, with nothing of another over it."""
    if not widget.winfo_ismapped():
        return False
    x, y = x_root - widget.winfo_rootx(), y_root - widget.winfo_rooty()
    return 0 <= x < widget.winfo_width() and 0 <= y < widget.winfo_height()


def scroll_at_edge(tree: ttk.Treeview, x_root: int, y_root: int, edge: int) -> None:
    """Scroll `tree` by a row, if this place of the screen is within `edge` of its upper or lower end."""
    if not is_inside(tree, x_root, y_root):
        return
    y = y_root - tree.winfo_rooty()
    if y < edge:
        tree.yview_scroll(-1, "units")
    elif y >= tree.winfo_height() - edge:
        tree.yview_scroll(1, "units")
