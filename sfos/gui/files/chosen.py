"""Selection in a list and the row with the keyboard, by their positions. Pure."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from itertools import compress

from sfos.gui.rows import Rows

_FEW = 8  # rows that are looked for one by one


class Chosen:
    """Selected rows of a list of `count`. `focus`: the row with the keyboard; `anchor`: where a range begins."""

    def __init__(self, count: int = 0) -> None:
        self._flags = bytearray(count)
        self.focus: int | None = None
        self.anchor: int | None = None

    def __len__(self) -> int:
        return self._flags.count(1)

    def __contains__(self, position: int) -> bool:
        return bool(self._flags[position])

    def __iter__(self) -> Iterator[int]:
        at = self._flags.find(1)
        while at >= 0:
            yield at
            at = self._flags.find(1, at + 1)

    def set(self, positions: Iterable[int]) -> None:
        """Select these and no others."""
        self._flags = bytearray(len(self._flags))
        for position in positions:
            self._flags[position] = 1

    def set_range(self, one: int, other: int) -> None:
        """Select the rows from one to the other, and no others."""
        low, high = sorted((one, other))
        count = len(self._flags)
        self._flags = bytearray(low) + bytearray(b"\1") * (high + 1 - low) + bytearray(count - high - 1)

    def toggle(self, position: int) -> None:
        """Select the row there, or do so no longer."""
        self._flags[position] ^= 1

    def rows(self, rows: Rows) -> Rows:
        """Selected ones of `rows`, in their order."""
        count = len(self)
        if count == len(rows):
            return rows
        return rows.pick(array("I", compress(rows.order, self._flags))) if count > _FEW else rows.at(self)

    def carried(self, old: Rows, new: Rows) -> Chosen:
        """Selection of the same nodes in other rows of the folder."""
        carried = Chosen(len(new))
        count = len(self)
        ends = [position for position in (self.focus, self.anchor) if position is not None]
        few = [*self] if count <= _FEW else []
        places = new.positions({old.key(position) for position in (*few, *ends)})

        def place(position: int | None) -> int | None:
            return places.get(old.key(position)) if position is not None else None

        carried.focus, carried.anchor = place(self.focus), place(self.anchor)
        if few:
            carried.set(at for at in map(place, few) if at is not None)
        elif count:
            carried._flags = new.flags_of(self.rows(old), old)
        return carried
