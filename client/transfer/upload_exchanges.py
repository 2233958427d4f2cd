"""The three requests of an upload: have, put_chunks, commit; each knows what its answer means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from client.api import new_op_id
from client.connection import Answer, Connection
from client.transfer.events import ItemState
from client.transfer.feed import Exchange
from client.transfer.lane import PASSING
from client.transfer.ledger import Ledger
from client.transfer.upload_plan import UploadFile
from protocol import (
    CHUNK_ID_BYTES,
    MAX_BODY,
    RECORD,
    AccessError,
    ChunkRecord,
    HaveReply,
    HaveRequest,
    ItemsReply,
    MissingChunks,
    PutChunksReply,
    PutChunksRequest,
    QuotaExceeded,
    RemoteProtocolError,
    SfosError,
    StorageFailed,
    StorageFull,
    from_info,
    pack_commit,
    pack_ids,
    pack_records,
    unpack_results,
)

# What the body of one put_chunks holds beside its records.
LARGE_BLOCK_BYTES = MAX_BODY - 64 * 1024
# What concerns every file that is still to come: trying them one by one would only repeat it.
_GENERAL = (*PASSING, AccessError, StorageFull, QuotaExceeded, StorageFailed)
_HEADER_BYTES = 256  # about what a request's own JSON takes
_PUT_REPLY_BYTES = 256
_RESULT_BYTES = 4096  # an item's result at the most: its error's sentence and name, escaped
_SHOWN_AT_ONCE = 8


class Work(Protocol):
    """What exchanges tell of their end: `UploadWork`."""

    ledger: Ledger

    def block_done(self, block: Block) -> None:
        """Its memory is free again."""

    def commit_done(self) -> None:
        """Another commit may begin."""

    def read_again(self, file: UploadFile, error: SfosError) -> None:
        """The server lacks parts of it."""

    def fail(self, file: UploadFile, error: SfosError) -> None:
        """It is given up."""


class Block:
    """A bounded piece of work: chunks of large files in one buffer, or whole small files."""

    def __init__(self, work: Work, *, small: bool, buffer: bytearray | None, capacity: int) -> None:
        self.work = work
        self.small = small
        self.buffer = buffer
        self.carried = 0  # bytes at `free()` that were read before, and belong to no chunk yet
        self._capacity = capacity
        self._size = 0
        self.chunks: list[tuple[UploadFile, ChunkRecord, int]] = []
        self.small_files: list[tuple[UploadFile, bytes | None]] = []

    def fits(self, count: int) -> bool:
        """Whether so many more bytes may be put in."""
        return self._size + count <= self._capacity

    @property
    def room(self) -> int:
        """How many more bytes may be put in."""
        return self._capacity - self._size

    def free(self) -> memoryview:
        """The part of the buffer that holds no chunk yet."""
        assert self.buffer is not None
        return memoryview(self.buffer)[self._size :]

    def carry(self, rest: memoryview) -> None:
        """Put in what was read already, before anything else."""
        self.free()[: len(rest)] = rest
        self.carried = len(rest)

    def add_chunk(self, file: UploadFile, record: ChunkRecord) -> None:
        """The bytes at `free()` are this chunk."""
        if not self.chunks or self.chunks[-1][0] is not file:
            file.blocks_open += 1  # chunks of a file come one after the other, so a block sees it once
        start, self._size = self._size, self._size + record.length
        self.chunks.append((file, record, start))

    def add_file(self, file: UploadFile, content: bytes | None) -> None:
        """Put a whole small file in, or a symlink, which has no content."""
        self._size += len(content or b"")
        self.small_files.append((file, content))

    def files(self) -> Iterator[UploadFile]:
        """The files that have something in it, each once."""
        last: UploadFile | None = None
        for file, _, _ in self.chunks:
            if file is not last:
                yield file
            last = file
        for file, _ in self.small_files:
            yield file

    def ids(self) -> list[bytes]:
        """The chunks in it, each once, in order."""
        names = dict.fromkeys(record.chunk_id for _, record, _ in self.chunks)
        names.update(dict.fromkeys(record.chunk_id for file, _ in self.small_files for record in file.records))
        return list(names)

    def first_step(self) -> Exchange:
        """What to send first."""
        return HaveBlock(self) if self.ids() else CommitFiles(self.work, list(self.files()), self, frozenset())


def _check(error: SfosError | None) -> None:
    if isinstance(error, _GENERAL):
        raise error


class HaveBlock:
    """Which chunks of the block does the server lack?"""

    def __init__(self, block: Block) -> None:
        self.block = block
        self.first_lane_only = block.small
        self._ids = block.ids()
        self.request_bytes = len(self._ids) * CHUNK_ID_BYTES + _HEADER_BYTES
        self.most_reply_bytes = len(self._ids) + _HEADER_BYTES

    def send(self, connection: Connection) -> None:
        """See `Exchange`."""
        connection.send("have", HaveRequest(ids=len(self._ids)), pack_ids(self._ids))

    def answered(self, answer: Answer) -> Sequence[Exchange]:
        """Send what is lacking."""
        _check(answer.error)
        block = self.block
        if answer.error is not None:
            return _give_up(block, answer.error)
        answer.expect(HaveReply)
        if len(answer.body) != len(self._ids):
            raise RemoteProtocolError("The server answered for another number of parts than was asked for.")
        lacking = frozenset(name for name, there in zip(self._ids, answer.body, strict=True) if not there)
        if block.small:
            return [CommitFiles(block.work, list(block.files()), block, lacking)]
        for file, record, _ in block.chunks:
            if record.chunk_id not in lacking:
                _count(block.work, file, record)
        if lacking:
            return [PutBlock(block, lacking)]
        block.work.block_done(block)
        return []


def _count(work: Work, file: UploadFile, record: ChunkRecord) -> None:
    file.bytes_there += record.length
    work.ledger.advance(file.row, file.bytes_there)


def _give_up(block: Block, error: SfosError) -> list[Exchange]:
    for file in block.files():
        block.work.fail(file, error)
    block.work.block_done(block)
    return []


class PutBlock:
    """Send the chunks that are lacking."""

    first_lane_only = False

    def __init__(self, block: Block, lacking: frozenset[bytes]) -> None:
        self.block = block
        self._lacking = lacking
        first: dict[bytes, tuple[ChunkRecord, int]] = {}
        for _, record, start in block.chunks:
            if record.chunk_id in lacking:
                first.setdefault(record.chunk_id, (record, start))
        self._places = list(first.values())
        self.request_bytes = sum(record.length + RECORD.size for record, _ in self._places) + _HEADER_BYTES
        self.most_reply_bytes = _PUT_REPLY_BYTES

    def send(self, connection: Connection) -> None:
        """See `Exchange`."""
        records = pack_records(record for record, _ in self._places)
        connection.send("put_chunks", PutChunksRequest(chunks=len(self._places)), records, *self._pieces())

    def _pieces(self) -> Iterator[memoryview]:
        """The data, in as few pieces as lie together."""
        assert self.block.buffer is not None
        data = memoryview(self.block.buffer)
        begin = end = self._places[0][1]
        for record, start in self._places:
            if start != end:
                yield data[begin:end]
                begin = start
            end = start + record.length
        yield data[begin:end]

    def answered(self, answer: Answer) -> Sequence[Exchange]:
        """The chunks are durable."""
        _check(answer.error)
        block = self.block
        if answer.error is not None:
            return _give_up(block, answer.error)
        answer.expect(PutChunksReply)
        for file, record, _ in block.chunks:
            if record.chunk_id in self._lacking:
                _count(block.work, file, record)
        block.work.block_done(block)
        return []


class CommitFiles:
    """Put files in place. With `block`, small ones whose lacking contents travel in the same request."""

    first_lane_only = True

    def __init__(
        self, work: Work, files: list[UploadFile], block: Block | None = None, lacking: frozenset[bytes] = frozenset()
    ) -> None:
        self._work = work
        self._files = files
        self._block = block
        self._op_id = new_op_id()
        self._inline: dict[bytes, tuple[ChunkRecord, bytes]] = {}
        for file, content in block.small_files if block is not None else ():
            for record in file.records:
                if record.chunk_id in lacking and content is not None:
                    self._inline.setdefault(record.chunk_id, (record, content))
        records = sum(len(file.records) for file in files)
        inline = sum(record.length + RECORD.size for record, _ in self._inline.values())
        self.request_bytes = inline + records * RECORD.size + len(files) * _HEADER_BYTES
        self.most_reply_bytes = len(files) * _RESULT_BYTES + records * CHUNK_ID_BYTES

    def send(self, connection: Connection) -> None:
        """The same request each time, under the same op_id: it is applied once."""
        for file in self._files[:_SHOWN_AT_ONCE]:
            self._work.ledger.begin(file.row)
        request, body = pack_commit(
            self._op_id,
            [file.item() for file in self._files],
            [record for file in self._files for record in file.records],
            list(self._inline.values()),
        )
        connection.send("commit", request, body)

    def answered(self, answer: Answer) -> Sequence[Exchange]:
        """Each file is there, or has its reason."""
        _check(answer.error)
        errors: list[SfosError | None] = [answer.error] * len(self._files)
        if answer.error is None:
            results, _ = unpack_results(answer.expect(ItemsReply), answer.body)
            if len(results) != len(self._files):
                raise RemoteProtocolError("The server answered for another number of files than were sent.")
            errors = [from_info(result.error) if result.error is not None else None for result in results]
        for file, error in zip(self._files, errors, strict=True):
            if error is None:
                self._work.ledger.end(file.row, ItemState.DONE)
            elif isinstance(error, MissingChunks):
                self._work.read_again(file, error)
            else:
                self._work.fail(file, error)
        if self._block is not None:
            self._work.block_done(self._block)
        else:
            self._work.commit_done()
        return []
