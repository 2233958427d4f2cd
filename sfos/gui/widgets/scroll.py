"""A scroll bar that is there only while there is something to scroll."""

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
