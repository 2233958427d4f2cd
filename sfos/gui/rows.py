"""Some rows of a folder's table, in an order: whoever has them sees them as they were then."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Collection, Container, Iterable, Iterator, Sequence
from functools import cached_property
from typing import overload

from sfos.client.entry_table import FEW, EntryTable
from sfos.gui.nodes import NodeKey, key_of, parent_of
from sfos.protocol import FILE_KIND, FOLDER_KIND, Entry

_ORDINAL = struct.Struct("=I")
_DENSE = 16  # bytes that a node may cost in a table of flags, before a set is smaller
_FEW_NEW = 20  # rows that are looked for one by one


class Rows(Sequence[Entry]):
    """Some rows of a table, in an order. Entries are made of those that are asked for."""

    def __init__(self, table: EntryTable, order: array[int], end: int | None = None) -> None:
        """`order`: ordinals; nobody changes it afterwards. `end`: those below it tell the latest states, no others."""
        self.table, self.order = table, order
        self._end = len(table) if end is None else end

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Rows:
        """These entries, in this order."""
        table = EntryTable()
        return cls(table, array("I", [table.append(entry) for entry in entries]))

    def __len__(self) -> int:
        return len(self.order)

    @overload
    def __getitem__(self, at: int) -> Entry: ...
    @overload
    def __getitem__(self, at: slice) -> Rows: ...
    def __getitem__(self, at: int | slice) -> Entry | Rows:
        if isinstance(at, slice):
            return self.pick(self.order[at])
        return self.table.entry(self.order[at])

    def __iter__(self) -> Iterator[Entry]:
        return map(self.table.entry, self.order)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, NodeKey) and self.position(key) is not None

    def pick(self, order: array[int]) -> Rows:
        """Rows of these ordinals."""
        return Rows(self.table, order, self._end)

    # --- looking, without an Entry ---------------------------------------------------------------------------------

    def name(self, position: int) -> str:
        """Name of the row there."""
        return self.table.names[self.order[position]]

    def key(self, position: int) -> NodeKey:
        """Key of the node there."""
        return self.table.key(self.order[position])

    def is_folder(self, position: int) -> bool:
        """Whether the row there is a folder."""
        return self.table.kinds[self.order[position]] == FOLDER_KIND

    def place_of(self, ordinal: int) -> int | None:
        """Position of the row of that ordinal; None if it is not among these."""
        order, wanted = self.order.tobytes(), _ORDINAL.pack(ordinal)
        at = order.find(wanted)
        while at >= 0 and at % _ORDINAL.size:
            at = order.find(wanted, at + 1)
        return at // _ORDINAL.size if at >= 0 else None

    def position(self, key: NodeKey) -> int | None:
        """Position of a node; None if it is not among these."""
        ordinal = self.table.find(key, self._end)
        return self.place_of(ordinal) if ordinal is not None else None

    def positions(self, keys: Collection[NodeKey]) -> dict[NodeKey, int]:
        """Positions of many nodes; of those that are among these."""
        ordinals = self.table.find_all(keys, self._end)
        if len(ordinals) <= FEW:
            places = {key: self.place_of(at) for key, at in ordinals.items()}
            return {key: place for key, place in places.items() if place is not None}
        wanted = set(ordinals.values())
        places_of = {at: place for place, at in enumerate(self.order) if at in wanted}
        return {key: places_of[at] for key, at in ordinals.items() if at in places_of}

    def find_typed(self, typed: str, start: int) -> int | None:
        """Position of the next name that begins with `typed`, ignoring case, from `start` on and round the end."""
        flags = self.table.named_from(typed.casefold())
        for begin, end in ((start, len(self)), (0, start)):
            place = bytes(map(flags.__getitem__, self.order[begin:end])).find(1)
            if place >= 0:
                return begin + place
        return None

    def get(self, key: NodeKey) -> Entry | None:
        """Entry of a node among these."""
        position = self.position(key)
        return self[position] if position is not None else None

    def where(self, flags: Sequence[int]) -> Rows:
        """Those of them for whose ordinals there is a flag."""
        return self.pick(array("I", filter(flags.__getitem__, self.order)))

    def flags_of(self, others: Rows, of: Rows) -> bytearray:
        """For each position, whether its node is among `others`, which are some rows `of` the list, or all."""
        table = self.table
        if table is of.table and self._end - of._end <= _FEW_NEW:
            return self._flags_of_old(others, of)
        space = table.one_space
        if space is None or space != others.table.one_space:
            keys = {others.key(position) for position in range(len(others))}
            return bytearray(self.key(position) in keys for position in range(len(self)))
        return _NodesOfSpace(space, others.node_numbers).flags_of(self.node_numbers)

    def _flags_of_old(self, others: Rows, of: Rows) -> bytearray:
        """Flags where most rows are those of the list before, with the ordinals that they had."""
        if others._is_all:
            chosen = bytearray(b"\1") * self._end
        else:
            chosen = bytearray(self._end)
            for ordinal in others.order:
                chosen[ordinal] = 1
        for ordinal in range(of._end, self._end):
            before = self.table.find(self.table.key(ordinal), of._end)
            chosen[ordinal] = before is not None and chosen[before]
        return bytearray(map(chosen.__getitem__, self.order))

    def at(self, positions: Iterable[int]) -> Rows:
        """Those at these positions."""
        return self.pick(array("I", map(self.order.__getitem__, positions)))

    def next_file(self, position: int, step: int) -> int | None:
        """Position of the nearest file behind that one, or before it: `step` 1 or -1."""
        kinds, order = self.table.kinds, self.order
        ahead = range(position + step, len(order) if step > 0 else -1, step)
        return next((at for at in ahead if kinds[order[at]] == FILE_KIND), None)

    def kind_count(self, number: int) -> int:
        """How many are of a kind, see KINDS_BY_NUMBER."""
        return self._kinds.count(number)

    @cached_property
    def _kinds(self) -> bytes:
        """Kinds of all, in whatever order."""
        kinds = self.table.kinds
        return bytes(kinds[: self._end] if self._is_all else map(kinds.__getitem__, self.order))

    @cached_property
    def size_bytes(self) -> int:
        """Bytes of all files."""
        sizes = self.table.sizes
        return sum(sizes[: self._end] if self._is_all else map(sizes.__getitem__, self.order))

    @property
    def _is_all(self) -> bool:
        """Whether each row that the table had then is here."""
        return len(self.order) == self._end

    @property
    def nodes(self) -> Container[NodeKey]:
        """Keys of all of them, to be asked for one at a time."""
        space = self.table.one_space
        return _NodesOfSpace(space, self.node_numbers) if space is not None else {*map(self.table.key, self.order)}

    @property
    def node_numbers(self) -> array[int]:
        """Nodes without their space, in this order."""
        return array("q", map(self.table.nodes.__getitem__, self.order))


class _NodesOfSpace(Container[NodeKey]):
    """Some nodes of one space. Where they are as dense as those of a folder mostly are, one costs a few bytes."""

    def __init__(self, space: str, nodes: array[int]) -> None:
        self._space = space
        self._low, self._high = min(nodes, default=0), max(nodes, default=0)
        self._flags, self._sparse = bytearray(), frozenset[int]()
        if self._high - self._low <= _DENSE * len(nodes):
            self._flags = bytearray(self._high - self._low + 1)
            low = self._low
            for node in nodes:
                self._flags[node - low] = 1
        else:
            self._sparse = frozenset(nodes)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, NodeKey) and key.space == self._space and bool(self.flags_of((key.node,))[0])

    def flags_of(self, nodes: Iterable[int]) -> bytearray:
        """For each node, whether it is here."""
        if self._sparse:
            return bytearray(map(self._sparse.__contains__, nodes))
        flags, low, high = self._flags, self._low, self._high
        return bytearray([flags[node - low] if low <= node <= high else 0 for node in nodes])


def kept(entries: Sequence[Entry]) -> Sequence[Entry]:
    """These entries as they are now: nothing changes them any more."""
    return entries if isinstance(entries, Rows) else tuple(entries)


def nodes_of(entries: Sequence[Entry]) -> Container[NodeKey]:
    """Keys of their nodes."""
    return entries.nodes if isinstance(entries, Rows) else frozenset(map(key_of, entries))


def has_any(entries: Sequence[Entry], keys: Collection[NodeKey]) -> bool:
    """Whether one of these nodes is among `entries`."""
    if isinstance(entries, Rows):
        return bool(entries.positions(keys))
    return any(key_of(entry) in keys for entry in entries)


def in_one_folder(entries: Sequence[Entry], folder: NodeKey) -> bool:
    """Whether all of `entries` are in that folder."""
    if isinstance(entries, Rows) and entries.table.one_folder is not None:
        return entries.table.one_folder == folder
    return all(parent_of(entry) == folder for entry in entries)


def picked(entries: Sequence[Entry], positions: Sequence[int]) -> Sequence[Entry]:
    """Those of `entries` at these positions."""
    return entries.at(positions) if isinstance(entries, Rows) else tuple(map(entries.__getitem__, positions))


def size_of(entries: Sequence[Entry]) -> int:
    """Bytes of the files among `entries`; folders count nothing here."""
    return entries.size_bytes if isinstance(entries, Rows) else sum(entry.size for entry in entries)


def folders_among(entries: Sequence[Entry]) -> int:
    """How many of `entries` are folders."""
    if isinstance(entries, Rows):
        return entries.kind_count(FOLDER_KIND)
    return sum(entry.kind == "folder" for entry in entries)


def files_among(entries: Sequence[Entry]) -> int:
    """How many of `entries` are files: neither folders nor symlinks."""
    if isinstance(entries, Rows):
        return entries.kind_count(FILE_KIND)
    return sum(entry.kind == "file" for entry in entries)
