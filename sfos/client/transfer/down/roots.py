"""Things that a download was asked for, and the way by which each row of its job can be tried again."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from operator import itemgetter

import msgspec

from sfos.client.transfer.ledger import Row
from sfos.protocol import Entry


class Root(msgspec.Struct, frozen=True):
    """One thing to download: into which local folder, under which name. `row`: when it is tried again."""

    entry: Entry
    folder: tuple[str, ...] = ()
    name: str | None = None
    row: Row | None = None


class Roots:
    """The ways by which each row of a job can be tried again."""

    def __init__(self) -> None:
        self._single: dict[int, Root] = {}
        self._runs: list[tuple[int, array[int], tuple[str, ...]]] = []  # the first row, the nodes, the local folder

    def add(self, row: Row, root: Root) -> None:
        """One row."""
        self._single[row.number] = root

    def add_run(self, first: Row, entries: Sequence[Entry], folder: tuple[str, ...]) -> None:
        """The row `first` and those that follow it: these entries, under their own names. No more is kept of each than
        its node, for few will fail."""
        self._runs.append((first.number, array("q", [entry.node for entry in entries]), folder))

    def forget(self, row: Row) -> None:
        """A row that will not be tried again."""
        self._single.pop(row.number, None)

    def get(self, row: Row) -> Root | None:
        """How to try this row again."""
        found = self._single.get(row.number)
        place = bisect_right(self._runs, row.number, key=itemgetter(0)) - 1
        if found is not None or place < 0:
            return found
        first, nodes, folder = self._runs[place]
        if row.number - first >= len(nodes):
            return None
        known = Entry(node=nodes[row.number - first], parent=0, name=row.leaf, kind="file", revision="")
        return Root(known, folder)
