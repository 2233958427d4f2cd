"""Folders that were shown before, as they were then: shown at once when one comes back, and then read anew."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection

from sfos.gui.files.ordering import SortedRows
from sfos.gui.nodes import NodeKey, key_of, parent_of
from sfos.protocol import Change

_FOLDERS = 50
MOST_ROWS = 1_200_000  # in all of them: some 120 MB
_MOST_NODES = 10_000


class KnownFolders:
    """Rows of folders, those that were looked at last. A folder that has changed since is not known any more."""

    def __init__(self) -> None:
        self._rows: OrderedDict[NodeKey, tuple[SortedRows, int]] = OrderedDict()  # with how many nodes had changed then
        self._changed: list[NodeKey] = []

    def __contains__(self, folder: NodeKey) -> bool:
        return folder in self._rows

    def keep(self, folder: NodeKey, rows: SortedRows) -> None:
        """Keep the rows of `folder`."""
        self._rows[folder] = rows, len(self._changed)
        self._rows.move_to_end(folder)
        self.make_room(0)

    def make_room(self, rows: int) -> None:
        """Let go of those looked at longest ago, until there is room for so many rows more; the last one stays."""
        held = sum(known.size for known, _ in self._rows.values())
        while len(self._rows) > 1 and (len(self._rows) > _FOLDERS or held + rows > MOST_ROWS):
            held -= self._rows.popitem(last=False)[1][0].size

    def get(self, folder: NodeKey) -> SortedRows | None:
        """Rows of `folder`, if they are known."""
        known = self._rows.get(folder)
        if known is None:
            return None
        rows, since = known
        # What was moved out of it is told of with the folder where it is now.
        if rows.here(self._changed[since:]):
            self.forget(folder)
            return None
        return rows

    def forget(self, folder: NodeKey) -> None:
        """Forget it."""
        self._rows.pop(folder, None)

    def clear(self) -> None:
        """Forget all."""
        self._rows.clear()
        self._changed.clear()

    def take(self, changes: Collection[Change], shown: NodeKey) -> None:
        """Hear of changes; what the folder shown becomes by them is kept by whoever shows it."""
        self._changed += [key_of(change.entry) for change in changes]
        for parent in {parent_of(change.entry) for change in changes} - {shown}:
            self.forget(parent)
        if len(self._changed) > _MOST_NODES:
            self.clear()
