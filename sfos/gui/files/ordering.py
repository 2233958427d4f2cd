"""The order of a file list: found anew for many rows, and kept while some come, change and go. Pure."""

from __future__ import annotations

import unicodedata
from array import array
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import compress
from typing import Any

from sfos.client.entry_table import EntryTable
from sfos.gui.files.sorting import Sorter, natural, naturals
from sfos.gui.look import kinds
from sfos.gui.model import Sort, SortColumn
from sfos.gui.nodes import NodeKey, key_of
from sfos.gui.rows import Rows
from sfos.protocol import FOLDER_KIND, KINDS_BY_NUMBER, Entry, FolderEntries, fold_name

_PART = 5_000  # rows whose keys are made together
_FOLDER = bytes(number == FOLDER_KIND for number in range(256))
_FILE = bytes(number != FOLDER_KIND for number in range(256))


class SortedRows:
    """Rows of a folder in order, folders first. Never changes: what differs from it is another one, of the same table.

    Order among equals is that of the names, and among equal names that of the nodes.
    """

    def __init__(self, table: EntryTable, halves: tuple[_Half, _Half], sort: Sort, end: int) -> None:
        """`halves`: the folders and the files. `end`: those below it tell the latest states, no others."""
        self.table, self.sort = table, sort
        self._halves, self._end = halves, end

    @classmethod
    def of(cls, entries: Iterable[Entry], sort: Sort) -> SortedRows:
        """These entries."""
        arriving = ArrivingRows()
        for entry in entries:
            arriving.add_one(entry)
        return arriving.rows(sort)

    def __len__(self) -> int:
        return sum(map(len, self._halves))

    @property
    def size(self) -> int:
        """Number of rows that the table has, those of earlier states among them."""
        return len(self.table)

    def rows(self, wanted: str = "") -> Rows:
        """All rows in order; with `wanted`, those in whose name it occurs, ignoring case."""
        order = array("I")
        for half in self._halves:
            order += half.shown[::-1] if self.sort.descending else half.shown
        rows = Rows(self.table, order, self._end)
        return rows.where(self.table.named(wanted.casefold())) if wanted else rows

    @property
    def folders(self) -> Rows:
        """Those that are folders."""
        return Rows(self.table, self._halves[0].shown, self._end)

    def get(self, key: NodeKey) -> Entry | None:
        """Entry of a node, if it is here."""
        at = self.table.find(key, self._end)
        return self.table.entry(at) if at is not None and self._half(at).has(at) else None

    def here(self, keys: Collection[NodeKey]) -> set[NodeKey]:
        """Those of `keys` whose nodes are here."""
        return {key for key, at in self.table.find_all(keys, self._end).items() if self._half(at).has(at)}

    def has_name(self, name: str) -> bool:
        """Whether something is called `name`, ignoring case."""
        return any(half.has_name(name) for half in self._halves)

    def sorted_by(self, sort: Sort) -> SortedRows:
        """Sorted otherwise. Takes its time."""
        if sort.column == self.sort.column:
            halves = self._halves
        else:
            folders, files = (half.sorted_by(sort.column) for half in self._halves)
            halves = folders, files
        return SortedRows(self.table, halves, sort, self._end)

    def changed(self, changes: Mapping[NodeKey, Entry | None]) -> SortedRows:
        """With these nodes as they are now; None: not here any more. These themselves, if that changes nothing."""
        gone: tuple[list[int], list[int]] = ([], [])
        come: tuple[list[int], list[int]] = ([], [])
        for at in self.table.find_all(changes, self._end).values():
            if self._half(at).has(at):
                gone[self._is_file(at)].append(at)
        for entry in changes.values():
            if entry is not None:
                at = self.table.append(entry)
                come[self._is_file(at)].append(at)
        if not any((*gone, *come)):
            return self
        folders, files = (half.changed(*lists) for half, *lists in zip(self._halves, gone, come, strict=True))
        return SortedRows(self.table, (folders, files), self.sort, len(self.table))

    def put(self, entry: Entry) -> SortedRows:
        """With `entry`, in the place of what its node was before."""
        return self.changed({key_of(entry): entry})

    def _is_file(self, at: int) -> bool:
        return self.table.kinds[at] != FOLDER_KIND

    def _half(self, at: int) -> _Half:
        return self._halves[self._is_file(at)]


class ArrivingRows:
    """Rows of a folder as they arrive, page by page. For a thread of its own: sorting takes its time."""

    def __init__(self) -> None:
        self._table = EntryTable()
        self._by_name = tuple(Sorter[str](_second(self._table)) for _ in range(2))

    def add(self, page: FolderEntries) -> None:
        """Take in a page. Raises: MalformedMessage."""
        self._take(self._table.extend(page))

    def add_one(self, entry: Entry) -> None:
        """Take in one."""
        at = self._table.append(entry)
        self._take(range(at, at + 1))

    def _take(self, ordinals: range) -> None:
        keys = naturals(self._table.names.part(ordinals.start, ordinals.stop))
        kind = self._table.kinds[ordinals.start : ordinals.stop]
        for sorter, those in zip(self._by_name, (_FOLDER, _FILE), strict=True):
            chosen = kind.translate(those)
            sorter.add(list(compress(ordinals, chosen)), list(compress(keys, chosen)))

    def __len__(self) -> int:
        return len(self._table)

    def rows(self, sort: Sort) -> SortedRows:
        """All that have arrived so far."""
        end = len(self._table)
        folders, files = (
            _Half(self._table, is_folders, by_name.order()).sorted_by(sort.column)
            for is_folders, by_name in zip((True, False), self._by_name, strict=True)
        )
        return SortedRows(self._table, (folders, files), sort, end)


def _second(table: EntryTable) -> Callable[[int], tuple[int, str]]:
    """Key that places rows of equal names."""

    def second(at: int) -> tuple[int, str]:
        key = table.key(at)
        return key.node, key.space

    return second


class _Half:
    """The folders, or the files, ascending: by name, and by the column that is shown (the same if that is the name)."""

    def __init__(
        self,
        table: EntryTable,
        is_folders: bool,
        by_name: array[int],
        column: SortColumn = "name",
        shown: array[int] | None = None,
    ) -> None:
        self._table, self._is_folders, self._by_name = table, is_folders, by_name
        self._column = column
        self.shown = by_name if shown is None else shown

    def __len__(self) -> int:
        return len(self.shown)

    def sorted_by(self, column: SortColumn) -> _Half:
        value = self._value_of(column)
        shown = self._by_name if value is None else _sorted_by(self._by_name, value)
        return _Half(self._table, self._is_folders, self._by_name, column, shown)

    def _value_of(self, column: SortColumn) -> Callable[[int], Any] | None:
        """Value of a row in a column; None where the name is all that counts."""
        table = self._table
        if column == "size" and not self._is_folders:
            return table.sizes.__getitem__
        if column == "modified":
            return table.mtimes_ns.__getitem__
        if column == "type" and not self._is_folders:
            return lambda at: kinds.label_of(KINDS_BY_NUMBER[table.kinds[at]], table.names[at])
        return None

    def _by_names(self) -> Callable[[int], Any]:
        second = _second(self._table)
        return lambda at: (natural(self._table.names[at]), second(at))

    def _by_shown(self) -> Callable[[int], Any]:
        value, by_names = self._value_of(self._column), self._by_names()
        return by_names if value is None else lambda at: (value(at), by_names(at))

    def has(self, at: int) -> bool:
        """Whether the row of that ordinal is here."""
        return _place(self._by_name, at, self._by_names()) is not None

    def has_name(self, name: str) -> bool:
        """Whether something here is called `name`, ignoring case and how its letters are composed."""
        return any(self._has_key(natural(form), fold_name(name)) for form in _forms(name))

    def _has_key(self, key: str, folded: bytes) -> bool:
        names = self._table.names
        at = bisect_left(self._by_name, key, key=lambda at: natural(names[at]))
        while at < len(self._by_name) and natural(names[self._by_name[at]]) == key:
            if fold_name(names[self._by_name[at]]) == folded:
                return True
            at += 1
        return False

    def changed(self, gone: Sequence[int], come: Sequence[int]) -> _Half:
        """Without the rows of the ordinals `gone`, and with those that have `come`."""
        if not gone and not come:
            return self
        by_name = _edited(self._by_name, gone, come, self._by_names())
        shown = None if self.shown is self._by_name else _edited(self.shown, gone, come, self._by_shown())
        return _Half(self._table, self._is_folders, by_name, self._column, shown)


def _forms(name: str) -> set[str]:
    """Ways in which systems write `name`; what mixes them the server finds."""
    return {name, unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name)}


def _sorted_by(by_name: array[int], value: Callable[[int], Any]) -> array[int]:
    sorter = Sorter[Any]()
    for start in range(0, len(by_name), _PART):
        part = by_name[start : start + _PART]
        sorter.add(part, list(map(value, part)))
    return sorter.order()


def _place(order: array[int], ordinal: int, key: Callable[[int], Any]) -> int | None:
    at = bisect_left(order, key(ordinal), key=key)
    return at if at < len(order) and order[at] == ordinal else None


def _edited(order: array[int], gone: Iterable[int], come: Iterable[int], key: Callable[[int], Any]) -> array[int]:
    """`order` without some and with others, put together from its pieces."""
    places = [_place(order, at, key) for at in gone]
    steps: list[tuple[int, bool, Any, int]] = [(at, True, (), 0) for at in places if at is not None]
    steps += [(bisect_left(order, own, key=key), False, own, at) for at in come for own in (key(at),)]
    edited = array("I")
    reached = 0
    for place, is_gone, _, at in sorted(steps):
        edited += order[reached:place]
        reached = place + is_gone
        if not is_gone:
            edited.append(at)
    return edited + order[reached:]
