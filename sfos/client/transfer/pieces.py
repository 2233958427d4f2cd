"""Dividing a large file into named chunks: cut, or guessed from an earlier version and proven by their names."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from sfos.client.local.chunking import Cutter
from sfos.client.transfer.known_chunks import KnownChunks
from sfos.protocol import ChunkRecord, chunk_id


class Lengths(NamedTuple):
    """Lengths of the chunks that some data begins with. `guessed`: the names will tell whether they are right."""

    each: list[int]
    guessed: bool


class Divider:
    """Divides what is given to it, file by file and front to end. A companion helps with the names. In one thread."""

    def __init__(self, cutter: Cutter, key: bytes, companion: ThreadPoolExecutor) -> None:
        self._cutter = cutter
        self._key = key
        self._companion = companion

    def foretell(self, data: memoryview, known: KnownChunks) -> Lengths | None:
        """Lengths of the next chunks of `data`, where they can be told before the chunks are named; None: `divide` it.

        More data follows.
        """
        expected = known.lengths(len(data), ended=False)
        if expected is None:
            return Lengths(self._cutter.cut_front(data, ended=False), guessed=False)
        return Lengths(expected, guessed=True) if known.is_sure else None

    def name(self, data: memoryview, lengths: Lengths, known: KnownChunks) -> list[ChunkRecord]:
        """The chunks of these lengths that `data` begins with; of guessed ones those before the first that is wrong."""
        pieces = []
        for length in lengths.each:
            pieces.append(data[:length])
            data = data[length:]
        records: list[ChunkRecord] = []
        for name, length in zip(name_pieces(self._key, pieces, self._companion), lengths.each, strict=True):
            if not known.expects(name) and lengths.guessed:
                break
            known.came(name)
            records.append(ChunkRecord(name, length))
        return records

    def divide(self, data: memoryview, known: KnownChunks, *, ended: bool) -> list[ChunkRecord]:
        """The chunks that `data` begins with: of all of it if the file `ended`, else as far as they can be told."""
        records: list[ChunkRecord] = []
        while data:
            expected = known.lengths(len(data), ended=ended)
            if expected is None:
                return records + self._cut(data, known, ended=ended)
            if not expected:
                break
            found = self.name(data, Lengths(expected, guessed=True), known)
            if len(found) < len(expected):  # something else took the place of what was known: look where that ends
                changed = data[bytes_of(found) :]
                first = self._cut(changed, known, ended=ended, most=1)
                if not first:
                    return records + found
                found += first
            records += found
            data = data[bytes_of(found) :]
        return records

    def _cut(self, data: memoryview, known: KnownChunks, *, ended: bool, most: int | None = None) -> list[ChunkRecord]:
        lengths = self._cutter.cut_front(data, ended=ended, most=most)
        return self.name(data, Lengths(lengths, guessed=False), known)


def bytes_of(records: Sequence[ChunkRecord]) -> int:
    """Bytes that the chunks hold."""
    return sum(record.length for record in records)


def name_pieces(key: bytes, pieces: Sequence[memoryview], companion: ThreadPoolExecutor) -> list[bytes]:
    """The chunk ids of `pieces`. The companion names the last of them, unless it has something else to do."""
    names: dict[int, bytes] = {}
    todo = deque(enumerate(pieces))

    def name(take: Callable[[], tuple[int, memoryview]]) -> None:
        while todo:
            try:
                at, piece = take()
            except IndexError:  # the other one was faster
                return
            names[at] = chunk_id(key, piece)

    beside = companion.submit(lambda: name(todo.pop)) if len(pieces) > 1 else None
    name(todo.popleft)
    if beside is not None and len(names) < len(pieces):  # else it is not waited for: it may still be reading
        beside.result()
    return [names[at] for at in range(len(pieces))]
