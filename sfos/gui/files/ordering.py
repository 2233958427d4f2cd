"""The order of a file list, kept while single rows come, change and go. Pure."""

from __future__ import annotations

import heapq
import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence

from sfos.gui.look import kinds
from sfos.gui.model import Sort
from sfos.gui.nodes import HOME, NodeKey, key_of
from sfos.protocol import Entry

Key = tuple[object, ...]

_DIGITS = re.compile(r"\d+")
_SLICE = 2_000  # sorting that many takes some 2 ms, during which no other Python code runs


def natural(name: str) -> str:
    """A key by which `file2` comes before `file10`, ignoring case: numbers are led by how long they are."""
    folded = name.casefold()
    if folded.isalpha():
        return folded
    return _DIGITS.sub(_number, folded)


def _number(match: re.Match[str]) -> str:
    digits = match.group().lstrip("0") or "0"
    return f"{len(digits):03}{digits}"


def sort_key(entry: Entry, sort: Sort) -> Key:
    """Key that places `entry` among its like; node and space last, so that no two keys are equal."""
    name = natural(entry.name)
    if sort.column == "size" and entry.kind != "folder":
        return entry.size, name, entry.node, entry.space or HOME
    if sort.column == "modified":
        return entry.mtime_ns, name, entry.node, entry.space or HOME
    if sort.column == "type":
        return kinds.kind_of(entry).label, name, entry.node, entry.space or HOME
    return name, entry.node, entry.space or HOME


class SortedRows:
    """Entries in order, folders first. Making one takes its time (in a thread); changing a row takes microseconds."""

    def __init__(self, entries: Iterable[Entry], sort: Sort) -> None:
        self.sort = sort
        self._folders = _Half(sort)
        self._files = _Half(sort)
        self.by_key: dict[NodeKey, Entry] = {}
        halves: tuple[list[Entry], list[Entry]] = ([], [])
        for entry in entries:
            self.by_key[key_of(entry)] = entry
            halves[entry.kind != "folder"].append(entry)
        self._folders.fill(halves[0])
        self._files.fill(halves[1])

    def __len__(self) -> int:
        return len(self.by_key)

    def rows(self, wanted: str = "") -> tuple[Entry, ...]:
        """All entries in order; with `wanted`, those in whose name it occurs, ignoring case."""
        both = (*self._folders.rows(), *self._files.rows())
        if not wanted:
            return both
        folded = wanted.casefold()
        return tuple(entry for entry in both if folded in entry.name.casefold())

    def put(self, entry: Entry) -> None:
        """Add `entry`, or let it take the place of what the node was before."""
        key = key_of(entry)
        self.remove(key)
        self.by_key[key] = entry
        self._half(entry).add(entry)

    def remove(self, key: NodeKey) -> bool:
        """Take the entry of `key` out; whether there was one."""
        old = self.by_key.pop(key, None)
        if old is None:
            return False
        self._half(old).discard(old)
        return True

    def _half(self, entry: Entry) -> _Half:
        return self._folders if entry.kind == "folder" else self._files


class _Half:
    """The folders, or the files: always ascending inside."""

    def __init__(self, sort: Sort) -> None:
        self._sort = sort
        self._keys: list[Key] = []
        self._entries: list[Entry] = []

    def fill(self, entries: Sequence[Entry]) -> None:
        pairs = [(sort_key(entry, self._sort), entry) for entry in entries]
        slices = [sorted(pairs[start : start + _SLICE], key=_first) for start in range(0, len(pairs), _SLICE)]
        for key, entry in heapq.merge(*slices, key=_first):
            self._keys.append(key)
            self._entries.append(entry)

    def rows(self) -> Iterable[Entry]:
        return reversed(self._entries) if self._sort.descending else self._entries

    def add(self, entry: Entry) -> None:
        key = sort_key(entry, self._sort)
        at = bisect_left(self._keys, key)
        self._keys.insert(at, key)
        self._entries.insert(at, entry)

    def discard(self, entry: Entry) -> None:
        at = bisect_left(self._keys, sort_key(entry, self._sort))
        if at < len(self._entries) and key_of(self._entries[at]) == key_of(entry):
            del self._keys[at], self._entries[at]


def _first(pair: tuple[Key, Entry]) -> Key:
    return pair[0]
