"""Sending files: one thread reads, cuts and names; lanes ask what the server lacks, send that, and commit.

    small files    block of up to 4 MiB ─▶ have ─▶ commit, with what is lacking inline
    larger files   block of 8 MiB       ─▶ have ─▶ put_chunks ─▶ … ─▶ commit, when all blocks of a file are there

A block is a bounded piece of memory out of a fixed number: when all are under way, reading waits. Large files are read
into their blocks and cut where they lie, without a copy but of what is left at a block's end; while the pieces are
named, a companion reads on into the next block. Lane 0 alone commits and carries small files (one writer on the server,
no convoy: measured 20 % faster), unless the server is far away and each commit costs a wait: then all lanes do. All
lanes carry blocks of chunks.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice

from client.chunking import Cutter, SourceFile, open_source, read_small
from client.errors import Cancelled, FileChanged
from client.transfer.companion import Companion, name_pieces
from client.transfer.events import ItemState
from client.transfer.feed import Exchange, Feed
from client.transfer.ledger import Ledger
from client.transfer.switch import Switch
from client.transfer.upload_block import Block
from client.transfer.upload_exchanges import LARGE_BLOCK_BYTES, CommitFiles, first_step
from client.transfer.upload_plan import UploadFile
from protocol import (
    MAX_CHUNK_BYTES,
    MIN_CHUNK_BYTES,
    ChunkRecord,
    SfosError,
    SpaceInfo,
    TooMuch,
    chunk_id,
    content_id,
    pack_records,
)

_COMMIT_FILES = 500
_COMMIT_RECORDS = 100_000
_MOST_RECORDS = 200_000  # of one file: its list must fit a commit's body
_FAR_S = 0.04  # a round trip, with the little that the server does for "have"; on one machine that is a quarter of it
_BLOCK_LINGER_S = 0.5  # small files wait so long for company while a large one is read
_LEAST_BLOCKS = 4


class UploadWork(Feed):
    """The feed of an upload's lanes, and where its reader puts things. Thread-safe."""

    def __init__(self, space: SpaceInfo, ledger: Ledger, switch: Switch, blocks: int, block_bytes: int) -> None:
        super().__init__(switch)
        self.space = space
        self.ledger = ledger
        self._small_bytes = max(block_bytes, MIN_CHUNK_BYTES)
        self._free_blocks = max(blocks, _LEAST_BLOCKS)
        self._small_buffers: list[bytearray] = []
        self._large_buffers: list[bytearray] = []
        self._small: deque[Exchange] = deque()
        self._large: deque[Exchange] = deque()
        self._ready: deque[UploadFile] = deque()
        self._commits = 0
        self._reading = True
        self._expects_any = self._expects_large = False
        self._round_trip_s: float | None = None
        self._again: deque[UploadFile] = deque()

    # ── for the plan ────────────────────────────────────────────────────────────────────────────────────────────────

    def expect(self, size: int) -> None:
        """A file of so many bytes will come: time to connect."""
        if self._expects_large or (size <= MIN_CHUNK_BYTES and self._expects_any):
            return  # asked for every file
        with self._changed:
            self._expects_any = True
            self._expects_large = size > MIN_CHUNK_BYTES
            self._changed.notify_all()

    @property
    def has_room(self) -> bool:
        """Whether a block could be had without waiting, and another one remain."""
        return self._free_blocks > 1

    # ── for the reader ──────────────────────────────────────────────────────────────────────────────────────────

    def new_block(self, *, small: bool) -> Block:
        """An empty block, once there is memory for it. Blocks. Raises: Cancelled."""
        with self._changed:
            self._changed.wait_for(lambda: self._switch.cancelled or self._free_blocks > 0)
            self._switch.check()
            self._free_blocks -= 1
            buffers, others = self._small_buffers, self._large_buffers
            if not small:
                buffers, others = others, buffers
            used = buffers.pop() if buffers else None
            if used is None and others:
                others.pop()  # for the new one: both kinds together are no more than there may be blocks
        capacity = self._small_bytes if small else LARGE_BLOCK_BYTES
        return Block(used or bytearray(capacity + small), capacity, small=small)

    def block_opened(self, file: UploadFile) -> None:
        """Another block holds something of a large file, which waits for it."""
        with self._changed:
            file.blocks_open += 1

    def put_block(self, block: Block) -> None:
        """It is full: let it be sent."""
        with self._changed:
            (self._small if block.small else self._large).append(first_step(self, block))
            self._changed.notify_all()

    def file_read(self, file: UploadFile) -> None:
        """A large file has been read to its end; it is committed once its blocks are there."""
        with self._changed:
            file.read = True
            self._check_ready(file)

    def reading_ended(self) -> bool:
        """Nothing more comes unless a file has to be read again; whether that is so. Blocks until it is known."""
        with self._changed:
            self._reading = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._switch.cancelled or self._again or self._idle())
            self._switch.check()
            self._reading = bool(self._again)
            return self._reading

    def files_to_read_again(self) -> Iterator[UploadFile]:
        """What the server turned out to lack after all."""
        with self._changed:
            files, self._again = self._again, deque()
        return iter(files)

    def fail(self, file: UploadFile, error: SfosError) -> None:
        """This file is given up, unless it is over: then what failed was an attempt that another has replaced."""
        with self._changed:
            if not file.over:
                file.over = True
                self.ledger.end(file.row, ItemState.FAILED, error)

    def afresh(self, file: UploadFile) -> UploadFile | None:
        """The same, to be read from its beginning; None if it has been given up."""
        with self._changed:
            return None if file.over else file.afresh()

    # ── for the exchanges ───────────────────────────────────────────────────────────────────────────────────────

    def block_done(self, block: Block) -> None:
        """All of a block is on the server (or given up): its memory is free again."""
        with self._changed:
            self._free_blocks += 1
            (self._small_buffers if block.small else self._large_buffers).append(block.buffer)
            if not block.small:
                for file in block.files:
                    file.blocks_open -= 1
                    self._check_ready(file)
            self._changed.notify_all()

    def chunks_there(self, file: UploadFile, size: int) -> None:
        """So many bytes more of a large file are on the server. Two lanes may say so at once."""
        with self._changed:
            file.bytes_there += size
            there = file.bytes_there
        self.ledger.advance(file.row, there)

    def commit_done(self) -> None:
        """Another commit may begin."""
        with self._changed:
            self._commits -= 1
            self._changed.notify_all()

    def took(self, seconds: float) -> None:
        """A question was answered after so long: the shortest time tells how far away the server is."""
        with self._changed:
            self._round_trip_s = min(seconds, self._round_trip_s or seconds)
            self._changed.notify_all()

    def read_again(self, file: UploadFile, error: SfosError) -> None:
        """The server lacks parts of it, which it had before. Once: then it fails."""
        if file.tries:
            self.fail(file, error)
            return
        with self._changed:
            self._again.append(file.afresh())
            self._changed.notify_all()

    def _check_ready(self, file: UploadFile) -> None:
        if file.read and file.blocks_open == 0 and not file.over:
            self._ready.append(file)
            self._changed.notify_all()

    # ── for the lanes (Feed) ────────────────────────────────────────────────────────────────────────────────────

    def _wants(self, lane: int) -> bool:
        if self._ended():
            return False
        if lane == 0:
            return self._expects_any or bool(self._again)
        return self._expects_large or (self._is_far and bool(self._small))

    @property
    def _is_far(self) -> bool:
        return self._round_trip_s is not None and self._round_trip_s > _FAR_S

    def _pick(self, lane: int) -> Exchange | None:
        if lane == 0 and self._ready and not self._commits:
            self._commits += 1
            return self._commit()
        if self._small and (lane == 0 or self._is_far):
            return self._small.popleft()
        return self._large.popleft() if self._large else None

    def _commit(self) -> CommitFiles:
        files: list[UploadFile] = []
        records = 0
        while self._ready and len(files) < _COMMIT_FILES:
            records += len(self._ready[0].records)
            if files and records > _COMMIT_RECORDS:
                break
            files.append(self._ready.popleft())
        return CommitFiles(self, files)

    def _idle(self) -> bool:
        return not (self._active or self._small or self._large or self._ready or self._again)

    def _ended(self) -> bool:
        return not self._reading and self._idle()

    def _put_back(self, exchange: Exchange) -> None:
        (self._small if exchange.first_lane_only else self._large).appendleft(exchange)


class Reader:
    """Reads the files of a plan into blocks. In the job's own thread."""

    def __init__(self, work: UploadWork, switch: Switch, *, follow_symlinks: bool) -> None:
        self._work = work
        self._switch = switch
        self._follow = follow_symlinks
        self._cutter = Cutter(work.space.cut_seed)
        self._key = work.space.chunk_key
        self._empty = content_id(self._key, b"")
        self._at = 0  # how many of the planned files have been read
        self._small: Block | None = None
        self._small_since = 0.0
        self._large: Block | None = None
        self._companion = Companion("transfer-reader")

    def read_ahead(self, files: Sequence[UploadFile]) -> None:
        """Read what can be read without waiting of files to which more will be added; the first ones are small.

        So the server has work while the rest is planned; planning itself comes first, or no time left can be told.
        """
        while self._at < len(files) and self._work.has_room and self._read_small(files[self._at]):
            self._at += 1

    def run(self, files: Sequence[UploadFile]) -> None:
        """Read them all; returns when all are committed or given up. Raises: Cancelled."""
        try:
            self._read_all(islice(files, self._at, None))
        finally:
            self._companion.close()

    def _read_all(self, todo: Iterator[UploadFile]) -> None:
        while True:
            for file in todo:
                self._switch.wait_open()
                if not self._read_small(file):
                    self._read(file)
                if self._small is not None and time.monotonic() - self._small_since > _BLOCK_LINGER_S:
                    self._flush_small()
            self._flush_small()
            self._flush_large()
            if not self._work.reading_ended():
                return
            todo = self._work.files_to_read_again()

    def _read_small(self, file: UploadFile) -> bool:
        """The short way for most files: whether it went."""
        local = file.local
        facts = local.facts
        size = facts.size
        if size > MIN_CHUNK_BYTES or local.kind != "file" or file.tries or file.row.state is ItemState.FAILED:
            return False
        block = self._small
        if block is None or not block.takes(size):
            block = self._small_block(size)
        space = block.free(size + 1)
        if not read_small(local.text, facts, space, follow_symlinks=self._follow):
            return False
        file.size, file.mtime_ns = size, facts.mtime_ns
        self._add_small(block, file, space[:size])
        return True

    def _read(self, file: UploadFile) -> None:
        if file.row.state is ItemState.FAILED:
            return
        try:
            try:
                self._read_once(file)
            except FileChanged:
                again = self._work.afresh(file)
                if again is None:
                    return
                file = again
                self._read_once(file)
        except Cancelled:
            raise
        except SfosError as error:
            self._work.fail(file, error)

    def _read_once(self, file: UploadFile) -> None:
        if file.local.kind == "symlink":
            file.mtime_ns = file.local.facts.mtime_ns
            self._small_block(0).add_file(file, None)
            return
        with open_source(file.local.path, follow_symlinks=self._follow) as source:
            file.size, file.mtime_ns = source.facts.size, source.facts.mtime_ns
            self._work.ledger.resize(file.row, file.size)
            if source.facts.size <= MIN_CHUNK_BYTES:
                block = self._small_block(file.size)
                count, _ = source.fill(block.free(file.size + 1))
                source.check_unchanged()
                self._add_small(block, file, block.free(count))
            else:
                self._read_large(file, source)

    def _small_block(self, size: int) -> Block:
        """A block of small files in which there is room for so many bytes more."""
        block = self._small
        if block is not None and not block.takes(size):
            self._flush_small()
            block = None
        if block is None:
            block = self._small = self._work.new_block(small=True)
            self._small_since = time.monotonic()
        return block

    def _add_small(self, block: Block, file: UploadFile, content: memoryview) -> None:
        if content:
            file.content = chunk_id(self._key, content)
            block.add_file(file, ChunkRecord(file.content, len(content)))
        else:
            file.content = self._empty
            block.add_file(file, None)

    def _read_large(self, file: UploadFile, source: SourceFile) -> None:
        self._work.ledger.begin(file.row)
        if self._large is not None and self._large.room < min(file.size, MAX_CHUNK_BYTES):
            self._flush_large()
        self._switch.wait_open()
        block = self._large = self._large or self._work.new_block(small=False)
        count, ended = source.fill(block.free())
        while not ended and not file.over:
            self._switch.wait_open()
            block, count, ended = self._cut_and_read_on(block, count, file, source)
        if file.over:  # a lane gave it up: what was read of it belongs to no chunk, and is forgotten
            return
        pieces, _ = self._cut(block.free(count), ended=True)
        self._add(block, file, pieces, name_pieces(self._key, pieces, None))
        source.check_unchanged()
        if len(file.records) > _MOST_RECORDS:
            raise TooMuch("This file is too large for one commit.", subject=str(file.local.path))
        file.content = content_id(self._key, pack_records(file.records))
        self._work.file_read(file)

    def _cut_and_read_on(
        self, block: Block, count: int, file: UploadFile, source: SourceFile
    ) -> tuple[Block, int, bool]:
        """Cut the `count` bytes at the end of a full block, and name the pieces while the next one is filled.

        That next block, how many bytes of the file are at its `free()`, and whether the file has ended.
        """
        pieces, rest = self._cut(block.free(count), ended=False)
        following = self._work.new_block(small=False)
        following.free()[: len(rest)] = rest
        ahead = self._companion.begin(lambda: source.fill(following.free()[len(rest) :]))
        try:
            self._add(block, file, pieces, name_pieces(self._key, pieces, self._companion))
            self._flush_large()
            self._large = following
        finally:
            more, ended = ahead.result()  # whatever happens: nobody may read from a file that is closed
        return following, len(rest) + more, ended

    def _cut(self, data: memoryview, *, ended: bool) -> tuple[list[memoryview], memoryview]:
        """The pieces of `data`, and what is no whole one yet."""
        pieces: list[memoryview] = []
        for length in self._cutter.cut_front(data, ended=ended):
            pieces.append(data[:length])
            data = data[length:]
        return pieces, data

    def _add(self, block: Block, file: UploadFile, pieces: list[memoryview], names: list[bytes]) -> None:
        for name, piece in zip(names, pieces, strict=True):
            if block.add_chunk(file, ChunkRecord(name, len(piece))):
                self._work.block_opened(file)

    def _flush_small(self) -> None:
        block, self._small = self._small, None
        if block is not None:
            self._work.put_block(block)

    def _flush_large(self) -> None:
        block, self._large = self._large, None
        if block is not None:
            self._work.put_block(block)
