"""The memory of an upload: a fixed number of blocks, each with chunks of large files, or whole small files, in it.

When all of them are under way, reading waits.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Set

from sfos.client.transfer.switch import Switch
from sfos.client.transfer.up.files import SendingFile
from sfos.protocol import MAX_BODY, MIN_CHUNK_BYTES, ChunkRecord

# What the body of one put_chunks holds beside its records.
LARGE_BLOCK_BYTES = MAX_BODY - 64 * 1024

MOST_SMALL_FILES = 1_000  # of a block: as many results as one reply should hold
_LEAST_BLOCKS = 3  # one of small files that waits for company, and two of a large one: cut, and read on into
ChunkAt = tuple[ChunkRecord, int]  # a chunk, and where in the buffer it begins


class Block:
    """One thread at a time: the reader fills it, then a lane sends what the server lacks of it."""

    def __init__(self, buffer: bytearray, capacity: int, *, small: bool) -> None:
        """`buffer`: at least `capacity` bytes; of a small block one more, by which a file shows that it has grown."""
        self.small = small
        self.buffer = buffer
        self.files: list[SendingFile] = []  # which have something in it, each once
        self.chunks: list[tuple[SendingFile, ChunkRecord, int]] = []
        self._data = memoryview(buffer)
        self._capacity = capacity
        self._size = 0
        self.all_known = not small  # whether earlier versions have all chunks in it, so that the server should too

    def takes(self, count: int) -> bool:
        """Whether another small file of so many bytes may be put in."""
        return self._size + count <= self._capacity and len(self.files) < MOST_SMALL_FILES

    @property
    def room(self) -> int:
        """Bytes that may still be put in."""
        return self._capacity - self._size

    def free(self, count: int | None = None) -> memoryview:
        """The part of the buffer that holds no chunk yet, or its first `count` bytes."""
        return self._data[self._size : self._capacity if count is None else self._size + count]

    def add_file(self, file: SendingFile, record: ChunkRecord | None) -> None:
        """A whole small file, whose only chunk the bytes at `free()` are; None: it has no bytes."""
        self.files.append(file)
        if record is not None:
            file.records = [record]
            self.chunks.append((file, record, self._size))
            self._size += record.length

    def add_chunk(self, file: SendingFile, record: ChunkRecord) -> bool:
        """The bytes at `free()` are the next chunk of a large file; whether it is the first one in here."""
        is_first = not self.files or self.files[-1] is not file  # chunks of a file come one after the other
        if is_first:
            self.files.append(file)
        file.records.append(record)
        self.all_known = self.all_known and file.known is not None and file.known.has(record.chunk_id)
        self.chunks.append((file, record, self._size))
        self._size += record.length
        return is_first

    def ids(self) -> list[bytes]:
        """The chunks in it, each once, in order."""
        return list(dict.fromkeys([record.chunk_id for _, record, _ in self.chunks]))

    def places(self, lacking: Set[bytes]) -> list[ChunkAt]:
        """Places of the chunks of these names, each once, in order."""
        first: dict[bytes, ChunkAt] = {}
        for _, record, start in self.chunks:
            if record.chunk_id in lacking:
                first.setdefault(record.chunk_id, (record, start))
        return list(first.values())

    def pieces(self, places: list[ChunkAt]) -> Iterator[memoryview]:
        """The data at `places`, in as few pieces as lie together."""
        begin = end = places[0][1] if places else 0
        for record, start in places:
            if start != end:
                yield self._data[begin:end]
                begin = start
            end = start + record.length
        if end > begin:
            yield self._data[begin:end]


class Blocks:
    """All blocks of an upload. Thread-safe."""

    def __init__(self, switch: Switch, changed: threading.Condition, count: int, small_bytes: int) -> None:
        """At most `count` at a time; those of small files hold `small_bytes`, or one file of the largest such size."""
        self._switch = switch
        self._changed = changed
        self._small_bytes = max(small_bytes, MIN_CHUNK_BYTES)
        self.free = max(count, _LEAST_BLOCKS)
        self._small_buffers: list[bytearray] = []
        self._large_buffers: list[bytearray] = []

    @property
    def has_room(self) -> bool:
        """Whether a block could be had without waiting, and another one remain."""
        return self.free > 1

    def take(self, *, small: bool) -> Block:
        """An empty block, once there is memory for it. Blocks. Raises: Cancelled."""
        with self._changed:
            self._changed.wait_for(lambda: self._switch.cancelled or self.free > 0)
            self._switch.check()
            self.free -= 1
            buffers, others = self._small_buffers, self._large_buffers
            if not small:
                buffers, others = others, buffers
            used = buffers.pop() if buffers else None
            if used is None and others:
                others.pop()  # for the new one: both kinds together are no more than there may be blocks
        capacity = self._small_bytes if small else LARGE_BLOCK_BYTES
        return Block(used or bytearray(capacity + small), capacity, small=small)

    def give_back(self, block: Block) -> None:
        """Take back a block: nobody needs what is in it any more."""
        with self._changed:
            self.free += 1
            (self._small_buffers if block.small else self._large_buffers).append(block.buffer)
            self._changed.notify_all()
