"""Choosing rows of the list: which are selected, and where the keyboard is; told to whoever listens."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from sfos.gui.files.chosen import Chosen
from sfos.gui.files.visible_rows import VisibleRows
from sfos.gui.nodes import NodeKey
from sfos.gui.rows import Rows
from sfos.protocol import Entry

_SMALL = 1_000  # selected rows of which entries are made at once


class RowChoice:
    """Rows that are shown, and those of them that are selected. `on_change`: something of it is another now."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self.rows = Rows.of(())
        self._chosen = Chosen()
        self._tree: VisibleRows | None = None

    def show_with(self, tree: VisibleRows) -> None:
        """Scroll `tree` to where the keyboard goes."""
        self._tree = tree

    # --- what is shown ---------------------------------------------------------------------------------------------

    def replace(self, rows: Rows, *, keep: bool) -> None:
        """Take these for the rows; `keep`: what was selected stays so, as far as it is among them."""
        old, self.rows = self.rows, rows
        self._chosen = self._chosen.carried(old, rows) if keep else Chosen(len(rows))

    def is_selected(self, position: int) -> bool:
        """Whether the row there is selected."""
        return position in self._chosen

    @property
    def selected_count(self) -> int:
        """How many rows are selected."""
        return len(self._chosen)

    @property
    def focus(self) -> int | None:
        """Position of the row with the keyboard."""
        return self._chosen.focus

    def selected(self) -> Sequence[Entry]:
        """Selected entries in the order of the list."""
        rows = self._chosen.rows(self.rows)
        return tuple(rows) if len(rows) <= _SMALL else rows

    def focused(self) -> Entry | None:
        """The entry under the keyboard."""
        return self.rows[self._chosen.focus] if self._chosen.focus is not None else None

    # --- choosing --------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def page(self) -> int:
        """How many rows are seen at once."""
        return self._tree.fitting if self._tree is not None else 1

    def find_typed(self, typed: str, start: int) -> int | None:
        """Position of the next name that begins with `typed`."""
        return self.rows.find_typed(typed, start)

    def select_nodes(self, nodes: Collection[NodeKey]) -> None:
        """Select these, as far as they are here; the first of them has the keyboard."""
        places = self.rows.positions(nodes)
        self._chosen.set(places.values())
        first = next((places[node] for node in nodes if node in places), None)
        if first is not None:
            self._chosen.anchor = first
            self._go(first)
        else:
            self._on_change()

    def select(self, position: int) -> None:
        """Select the row there alone, and put the keyboard on it."""
        self._chosen.set((position,))
        self._chosen.anchor = position
        self._go(position)

    def extend(self, position: int) -> None:
        """Select all from where a range begins to the row there."""
        chosen = self._chosen
        if chosen.anchor is None:
            chosen.anchor = chosen.focus if chosen.focus is not None else position
        chosen.set_range(chosen.anchor, position)
        self._go(position)

    def toggle(self, position: int) -> None:
        """Select the row there, or do so no longer."""
        self._chosen.toggle(position)
        self._chosen.anchor = position
        self._go(position)

    def put_focus(self, position: int) -> None:
        """Put the keyboard on the row there, and leave the selection as it is."""
        self._go(position)

    def select_all(self) -> None:
        """Select every row."""
        if len(self.rows):
            self._chosen.set_range(0, len(self.rows) - 1)
            self._on_change()

    def select_none(self) -> None:
        """Select nothing."""
        self._chosen.set(())
        self._on_change()

    def _go(self, position: int) -> None:
        self._chosen.focus = position
        if self._tree is not None:
            self._tree.reveal(position)
        self._on_change()
