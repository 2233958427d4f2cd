"""A list of which only the rows that are seen are made: a Treeview with as many items as fit, whatever the list holds.

Rows are named by their positions in the list, from 0 on. An item stands for a place in the window; which row it shows,
scrolling decides.
"""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from tkinter import ttk
from typing import Any, Protocol

from sfos.gui.look import styles

_WHEEL_ROWS = 5  # as other lists scroll by a click of the wheel, where that is a button
_NOTCH = 120  # what a click of it is elsewhere


class Drawn(Protocol):
    """Look of the rows."""

    def options_of(self, position: int) -> tuple[object, ...]:
        """Options of an item that shows the row there, as Tcl takes them."""

    def is_selected(self, position: int) -> bool:
        """Whether the row there is selected."""

    @property
    def focus_row(self) -> int | None:
        """Position of the row with the keyboard."""


class VisibleRows(ttk.Treeview):
    """Shows rows of `drawn`, and scrolls as any other widget. What Tk's own bindings would do to items is left to
    `on_press`, which hears of clicks into the rows and below them; the headings are still theirs."""

    def __init__(
        self,
        parent: tk.Misc,
        drawn: Drawn,
        *,
        columns: tuple[str, ...],
        on_press: Callable[[tk.Event[ttk.Treeview]], None],
        on_scrolled: Callable[[float, float], None],
    ) -> None:
        super().__init__(parent, style=styles.FILES, columns=columns, show="tree headings", selectmode="none")
        self._drawn, self._on_press, self._on_scrolled = drawn, on_press, on_scrolled
        self.count = self.top = 0
        self._items: list[str] = []
        self._bind_own()

    def _bind_own(self) -> None:
        own = f"Rows{self}"  # comes between the bindings of the widget and those of its class
        first, *others = self.bindtags()
        self.bindtags((first, own, *others))
        self.bind_class(own, "<Button-1>", self._pressed)
        notch = 1 if str(self.tk.call("tk", "windowingsystem")) == "aqua" else _NOTCH
        self.bind_class(own, "<MouseWheel>", lambda event: self._turned(int(-event.delta / notch)))
        self.bind_class(own, "<Button-4>", lambda _event: self._turned(-_WHEEL_ROWS))
        self.bind_class(own, "<Button-5>", lambda _event: self._turned(_WHEEL_ROWS))
        self.bind_class(own, "<Configure>", lambda _event: self.redraw())

    def _pressed(self, event: tk.Event[Any]) -> str | None:
        if self.identify_region(event.x, event.y) in ("heading", "separator"):
            return None
        self._on_press(event)
        return "break"

    def _turned(self, rows: int) -> str:
        self.yview_scroll(rows, "units")
        return "break"

    # --- drawing ---------------------------------------------------------------------------------------------------

    def show(self, count: int, top: int) -> None:
        """Show a list of `count` rows, that at `top` first."""
        self.count = count
        self.scroll_to(top)

    def scroll_to(self, top: int) -> None:
        """Show the row at `top` first, or as many as there are behind it."""
        self.top = max(0, min(top, self.count - self.fitting))
        self.redraw()

    def redraw(self) -> None:
        """Draw what is seen anew."""
        fitting = self.fitting
        self.top = max(0, min(self.top, self.count - fitting))
        self._make(min(fitting + 1, self.count - self.top))  # the last one may be seen in part
        call, path = self.tk.call, str(self)
        for position, item in enumerate(self._items, self.top):
            # Straight to Tcl: the wrapper's formatting of options costs several times the change itself.
            call(path, "item", item, *self._drawn.options_of(position))
        self.mark()
        self._on_scrolled(*self.yview())

    def _make(self, count: int) -> None:
        for number in range(len(self._items), count):
            self._items.append(self.insert("", "end", iid=f"row{number}"))
        if count < len(self._items):
            self.delete(*self._items[count:])
            del self._items[count:]

    def mark(self) -> None:
        """Show which rows are selected, and where the keyboard is."""
        is_selected = self._drawn.is_selected
        selected = tuple(item for position, item in enumerate(self._items, self.top) if is_selected(position))
        if self.selection() != selected:
            self.selection_set(selected)
        focus = self._drawn.focus_row
        self.focus((focus is not None and self._item(focus)) or "")

    def _item(self, position: int) -> str | None:
        place = position - self.top
        return self._items[place] if 0 <= place < len(self._items) else None

    # --- where the rows are ----------------------------------------------------------------------------------------

    @property
    def fitting(self) -> int:
        """How many rows are seen whole."""
        row = int(ttk.Style(self).lookup(styles.FILES, "rowheight") or 1)
        headings = self.winfo_reqheight() - int(str(self.cget("height"))) * row
        return max(1, (self.winfo_height() - headings) // row)

    def sees(self, position: int | None) -> bool:
        """Whether the row there is seen whole."""
        return position is not None and self.top <= position < self.top + self.fitting

    def row_at(self, y: int) -> int | None:
        """Position of the row at that height; None where there is none."""
        item = self.identify_row(y)
        return self.top + self._items.index(item) if item else None

    def is_row(self, x: int, y: int) -> bool:
        """Whether there is a row."""
        return self.identify_region(x, y) in ("tree", "cell")

    def box_of(self, position: int, column: str | None = None) -> tuple[int, int, int, int] | None:
        """Where the row there is seen, or its cell in a column; None if it is not."""
        item = self._item(position)
        return (self.bbox(item, column) or None) if item is not None else None

    def reveal(self, position: int) -> None:
        """Scroll no more than is needed to see the row there."""
        if position < self.top:
            self.scroll_to(position)
        elif position >= self.top + self.fitting:
            self.scroll_to(position - self.fitting + 1)

    # --- scrolling, as scroll bars ask for it ----------------------------------------------------------------------

    def yview(self, *arguments: Any) -> Any:
        """Part of the list that is seen, from 0 to 1; or scroll as the arguments say."""
        if not arguments:
            count = max(1, self.count)
            return self.top / count, min(1.0, (self.top + self.fitting) / count)
        if arguments[0] == "moveto":
            self.yview_moveto(float(arguments[1]))
        else:
            self.yview_scroll(int(arguments[1]), arguments[2])
        return None

    def yview_moveto(self, fraction: float) -> None:
        self.scroll_to(round(fraction * self.count))

    def yview_scroll(self, number: Any, what: Any) -> None:
        step = self.fitting if str(what).startswith("p") else 1
        if number:
            self.scroll_to(self.top + int(number) * step)
