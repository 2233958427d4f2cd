"""A bounded piece of an upload: chunks of large files, or whole small files, in one buffer."""

from __future__ import annotations

from collections.abc import Iterator, Set

from sfos.client.transfer.up.plan import UploadFile
from sfos.protocol import ChunkRecord

MOST_SMALL_FILES = 1_000  # of a block: as many results as one reply should hold
Place = tuple[ChunkRecord, int]  # a chunk, and where in the buffer it begins


class Block:
    """One thread at a time: the reader fills it, then a lane sends what the server lacks of it."""

    def __init__(self, buffer: bytearray, capacity: int, *, small: bool) -> None:
        """`buffer`: at least `capacity` bytes; of a small block one more, by which a file shows that it has grown."""
        self.small = small
        self.buffer = buffer
        self.files: list[UploadFile] = []  # which have something in it, each once
        self.chunks: list[tuple[UploadFile, ChunkRecord, int]] = []
        self._data = memoryview(buffer)
        self._capacity = capacity
        self._size = 0
        self.all_known = not small  # whether earlier versions have all chunks in it, so that the server should too

    def takes(self, count: int) -> bool:
        """Whether another small file of so many bytes may be put in."""
        return self._size + count <= self._capacity and len(self.files) < MOST_SMALL_FILES

    @property
    def room(self) -> int:
        """How many more bytes may be put in."""
        return self._capacity - self._size

    def free(self, count: int | None = None) -> memoryview:
        """The part of the buffer that holds no chunk yet, or its first `count` bytes."""
        return self._data[self._size : self._capacity if count is None else self._size + count]

    def add_file(self, file: UploadFile, record: ChunkRecord | None) -> None:
        """A whole small file, whose only chunk the bytes at `free()` are; None: it has no bytes."""
        self.files.append(file)
        if record is not None:
            file.records = [record]
            self.chunks.append((file, record, self._size))
            self._size += record.length

    def add_chunk(self, file: UploadFile, record: ChunkRecord) -> bool:
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

    def places(self, lacking: Set[bytes]) -> list[Place]:
        """Where the chunks of these names are, each once, in order."""
        first: dict[bytes, Place] = {}
        for _, record, start in self.chunks:
            if record.chunk_id in lacking:
                first.setdefault(record.chunk_id, (record, start))
        return list(first.values())

    def pieces(self, places: list[Place]) -> Iterator[memoryview]:
        """The data at `places`, in as few pieces as lie together."""
        begin = end = places[0][1] if places else 0
        for record, start in places:
            if start != end:
                yield self._data[begin:end]
                begin = start
            end = start + record.length
        if end > begin:
            yield self._data[begin:end]
