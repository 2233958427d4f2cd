"""A scroll bar that is there only while there is something to scroll; and scrolling by what is held at an edge."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from tkinter import ttk
from typing import Any, Literal

from sfos.gui.look import styles

_LEAST = 3  # times as long as it is wide a thumb is at the least, so that it can be seen and taken


class AutoScrollbar(ttk.Scrollbar):
    """Takes its place in a grid while the content is longer than its widget, and gives it up otherwise.

    However long the content, its thumb can be taken: it is longer then than the part that is seen.
    """

    def __init__(
        self, parent: tk.Misc, orient: Literal["vertical", "horizontal"], command: Callable[..., Any],
        style: str | None = None, **grid: Any,
    ) -> None:  # fmt: skip
        style = style or (styles.SCROLL_V if orient == "vertical" else styles.SCROLL_H)
        super().__init__(parent, orient=orient, command=self._scroll, style=style, takefocus=False)
        self._command, self._is_vertical = command, orient == "vertical"
        self._grid = grid
        self._shown = False
        self._seen = 0.0, 1.0
        self._ratio = 1.0  # of where the thumb begins, and where the part that is seen does
        self.bind("<Configure>", lambda _event: self._draw())

    def set(self, first: float | str, last: float | str) -> None:
        """Tk calls this with the visible part, 0 to 1."""
        self._seen = float(first), float(last)
        needed = self._seen[0] > 0.0 or self._seen[1] < 1.0
        if needed != self._shown:
            self._shown = needed
            if needed:
                self.grid(**self._grid)
            else:
                self.grid_remove()
        self._draw()

    def _draw(self) -> None:
        first, last = self._seen
        part = last - first
        width, length = self.winfo_width(), self.winfo_height()
        if not self._is_vertical:
            width, length = length, width
        thumb = max(part, min(1.0, _LEAST * width / max(1, length)))
        self._ratio = (1 - thumb) / (1 - part) if part < 1 else 1.0
        super().set(first * self._ratio, first * self._ratio + thumb)

    def _scroll(self, *arguments: Any) -> None:
        """Take what the person does with the thumb for the part that is to be seen."""
        if arguments[0] == "moveto" and self._ratio > 0:
            arguments = ("moveto", float(arguments[1]) / self._ratio)
        self._command(*arguments)


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
