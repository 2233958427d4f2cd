"""Sending files: one thread reads, cuts and names (`upload_reader`); lanes ask what the server lacks, send that, and
commit.

    small files    block of up to 4 MiB ─▶ have ─▶ commit, with what is lacking inline
    larger files   block of 8 MiB       ─▶ have ─▶ put_chunks ─▶ … ─▶ commit, when all blocks of a file are there

A block is a bounded piece of memory out of a fixed number: when all are under way, reading waits. Large files are read
into their blocks and cut where they lie, without a copy but of what is left at a block's end; while the pieces are
named, a companion reads on into the next block. Lane 0 alone commits and carries small files (one writer on the server,
no convoy: measured 20 % faster), unless the server is far away and each commit costs a wait: then all lanes do. All
lanes carry blocks of chunks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from sfos.client.transfer.events import ItemState
from sfos.client.transfer.feed import FAR_S, Exchange, Feed
from sfos.client.transfer.ledger import Ledger
from sfos.client.transfer.switch import Switch
from sfos.client.transfer.up.block import Block
from sfos.client.transfer.up.exchanges import LARGE_BLOCK_BYTES, AskKnown, CommitFiles, first_step
from sfos.client.transfer.up.plan import UploadFile
from sfos.protocol import MIN_CHUNK_BYTES, Entry, SfosError, SpaceInfo

_ANSWER_S = 0.02  # as long as cutting 50 MiB takes
_COMMIT_FILES = 500
_COMMIT_RECORDS = 100_000
_LEAST_BLOCKS = 3  # one of small files that waits for company, and two of a large one: cut, and read on into


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

    def ask_known(self, file: UploadFile, earlier: Entry) -> None:
        """Let the chunks of an earlier version be asked for; `file.known` is of them once the answer has come."""
        with self._changed:
            self._large.append(AskKnown(self, file, earlier))
            self._changed.notify_all()

    def wait_for_known(self, file: UploadFile) -> None:
        """Wait a little for that answer: where it comes at once, nothing need be cut."""
        with self._changed:
            self._changed.wait_for(lambda: self._switch.cancelled or file.known is not None, _ANSWER_S)

    def put_block(self, block: Block) -> None:
        """It is full: let it be sent, but for what the server has anyway. Should it not, its commit will say so."""
        if block.all_known:
            for file, record, _ in block.chunks:
                self.chunks_there(file, record.length)
            self.block_done(block)
            return
        with self._changed:
            (self._small if block.small else self._large).append(first_step(self, block))
            self._changed.notify_all()

    def file_read(self, file: UploadFile) -> None:
        """A large file has been read to its end; it is committed once its blocks are there."""
        with self._changed:
            file.read = True
            file.known = None
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
        return self._round_trip_s is not None and self._round_trip_s > FAR_S

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
