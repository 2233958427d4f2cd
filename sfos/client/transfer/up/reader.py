"""Reading what is to be sent: files into blocks, divided where they lie (`pieces`) and named.

A second thread, the companion, reads on into the next block while this one names the pieces of the last, then names
the last of them. Cutting holds Python's lock, reading and hashing do not: so those two overlap. Of what one thread
takes for 1 GiB (read 0.15 s, cut 0.33, name 0.28), that hides a quarter. Of a file that takes an earlier version's
place little is cut: `known_chunks`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from sfos.client.errors import Cancelled, FileChanged
from sfos.client.local.chunking import Cutter, SourceFile, open_source, read_small
from sfos.client.transfer.events import ItemState
from sfos.client.transfer.known_chunks import KnownChunks
from sfos.client.transfer.pieces import Divider, bytes_of
from sfos.client.transfer.up.block import LARGE_BLOCK_BYTES, Block
from sfos.client.transfer.up.files import FileToSend, SendingFile, time_to_send_ns
from sfos.client.transfer.up.queue import SendQueue
from sfos.client.transfer.up.sending import Sending
from sfos.protocol import (
    MAX_CHUNK_BYTES,
    MAX_TIME_NS,
    MIN_CHUNK_BYTES,
    ChunkRecord,
    SfosError,
    TooMuch,
    chunk_id,
    content_id,
    pack_records,
)

_MOST_WAITING = 20_000  # files, of 1 KB each with all that is known of it
_MOST_RECORDS = 200_000  # of one file: its list must fit a commit's body
_WORTH_WAITING_BYTES = 256 * 1024 * 1024
_ANSWER_S = 0.02  # as long as cutting 50 MiB takes
_BLOCK_LINGER_S = 0.5  # small files wait so long for company while a large one is read


class Reader:
    """Reads files into blocks. In the job's own thread."""

    def __init__(self, sending: Sending, queue: SendQueue, *, follow_symlinks: bool) -> None:
        self._files = sending.files
        self._blocks = sending.blocks
        self._ledger = sending.ledger
        self._queue = queue
        self._switch = sending.switch
        self._follow = follow_symlinks
        self._key = sending.space.chunk_key
        self._empty = content_id(self._key, b"")
        self._waiting: deque[FileToSend] = deque()
        self._small: Block | None = None
        self._small_since = 0.0
        self._large: Block | None = None
        self._companion = ThreadPoolExecutor(1, "transfer-reader")
        self._divider = Divider(Cutter(sending.space.cut_seed), self._key, self._companion)

    def take(self, files: Iterable[FileToSend]) -> None:
        """Take files that are to be read, to which more will be added; read of them what needs no waiting.

        So the server has work while the rest is planned; planning itself comes first, or no time left can be told: as
        long as not too many are waiting, for each of them costs memory. Raises: Cancelled.
        """
        waiting = self._waiting
        waiting.extend(files)
        while waiting and self._blocks.has_room and self._read_small(waiting[0]):
            waiting.popleft()
        while len(waiting) > _MOST_WAITING:
            self._read_next()

    def read_all(self) -> None:
        """Read all that were taken; returns when they are committed or given up. Raises: Cancelled."""
        try:
            while self._waiting:
                self._read_next()
            while self._ended():
                for file in self._files.take_again():
                    self._switch.wait_open()
                    self._read(file)
                    self._flush_lonely()
        finally:
            self._companion.shutdown()

    def _read_next(self) -> None:
        todo = self._waiting.popleft()
        self._switch.wait_open()
        if not self._read_small(todo):
            self._read(SendingFile(todo))
        self._flush_lonely()

    def _ended(self) -> bool:
        """All has been read; whether something has to be read again. Blocks until that is known."""
        self._flush_small()
        self._flush_large()
        return self._queue.reading_ended()

    def _flush_lonely(self) -> None:
        if self._small is not None and time.monotonic() - self._small_since > _BLOCK_LINGER_S:
            self._flush_small()

    def _read_small(self, todo: FileToSend) -> bool:
        """The short way for most files: whether it went."""
        local = todo.local
        stamp = local.stamp
        size = stamp.size
        if size > MIN_CHUNK_BYTES or local.kind != "file" or todo.row.state is ItemState.FAILED:
            return False
        block = self._small
        if block is None or not block.takes(size):
            block = self._small_block(size)
        space = block.free(size + 1)
        if not read_small(local.text, stamp, space, follow_symlinks=self._follow, exactly=todo.if_unchanged):
            return False
        file = SendingFile(todo)
        file.size, file.mtime_ns = size, self._time_of(todo, stamp.mtime_ns)
        self._add_small(block, file, space[:size])
        return True

    def _read(self, file: SendingFile) -> None:
        if file.todo.row.state is ItemState.FAILED:
            return
        try:
            try:
                self._read_once(file)
            except FileChanged:
                again = self._files.afresh(file)
                if again is None:
                    return
                file = again
                self._read_once(file)
        except Cancelled:
            raise
        except SfosError as error:
            self._files.fail(file, error)

    def _read_once(self, file: SendingFile) -> None:
        todo = file.todo
        if todo.local.kind == "symlink":
            file.mtime_ns = self._time_of(todo, todo.local.stamp.mtime_ns)
            self._small_block(0).add_file(file, None)
            return
        with open_source(todo.local.path, follow_symlinks=self._follow) as source:
            if todo.if_unchanged:
                source.check_is(todo.local.stamp)
            file.size, file.mtime_ns = source.stamp.size, self._time_of(todo, source.stamp.mtime_ns)
            self._ledger.resize(todo.row, file.size)
            if source.stamp.size <= MIN_CHUNK_BYTES:
                block = self._small_block(file.size)
                count, _ = source.fill(block.free(file.size + 1))
                source.check_unchanged()
                self._add_small(block, file, block.free(count))
            else:
                self._read_large(file, source)

    def _time_of(self, todo: FileToSend, mtime_ns: int) -> int:
        if -MAX_TIME_NS <= mtime_ns <= MAX_TIME_NS:
            return mtime_ns
        return time_to_send_ns(self._ledger, todo.row, mtime_ns)

    def _small_block(self, size: int) -> Block:
        """A block of small files in which there is room for so many bytes more."""
        block = self._small
        if block is not None and not block.takes(size):
            self._flush_small()
            block = None
        if block is None:
            self._queue.expect(0)
            block = self._small = self._blocks.take(small=True)
            self._small_since = time.monotonic()
        return block

    def _add_small(self, block: Block, file: SendingFile, content: memoryview) -> None:
        if content:
            file.content = chunk_id(self._key, content)
            block.add_file(file, ChunkRecord(file.content, len(content)))
        else:
            file.content = self._empty
            block.add_file(file, None)

    def _read_large(self, file: SendingFile, source: SourceFile) -> None:
        self._ledger.begin(file.todo.row)
        self._queue.expect(file.size)
        if self._large is not None and self._large.room < min(file.size, MAX_CHUNK_BYTES):
            self._flush_large()
        self._switch.wait_open()
        block = self._large = self._large or self._blocks.take(small=False)
        earlier = file.todo.earlier
        earlier_bytes = earlier.size if earlier is not None and not file.tries else 0
        if earlier is not None and earlier_bytes > LARGE_BLOCK_BYTES:
            self._queue.ask_known(file, earlier)
        count, ended = source.fill(block.free())
        if earlier_bytes > _WORTH_WAITING_BYTES:
            self._files.wait_for_known(file, _ANSWER_S)
        while not ended and not file.over:
            self._switch.wait_open()
            block, count, ended = self._divide_and_read_on(block, count, file, source)
        if file.over:  # a lane gave it up: what was read of it belongs to no chunk, and is forgotten
            return
        self._add(block, file, self._divider.divide(block.free(count), file.known or KnownChunks(), ended=True))
        source.check_unchanged()
        if len(file.records) > _MOST_RECORDS:
            raise TooMuch("This file is too large for one commit.", subject=str(file.todo.local.path))
        file.content = content_id(self._key, pack_records(file.records))
        self._files.read_to_end(file)

    def _divide_and_read_on(
        self, block: Block, count: int, file: SendingFile, source: SourceFile
    ) -> tuple[Block, int, bool]:
        """Divide the `count` bytes at the end of a full block, and name the chunks while the next one is filled.

        That next block, how many bytes of the file are at its `free()`, and whether the file has ended.
        """
        data, known = block.free(count), file.known or KnownChunks()
        lengths = self._divider.foretell(data, known)
        records = [] if lengths is not None else self._divider.divide(data, known, ended=False)
        rest = data[sum(lengths.each) if lengths is not None else bytes_of(records) :]
        following = self._blocks.take(small=False)
        reading = self._read_behind(rest, following, source)
        try:
            if lengths is not None:
                records = self._divider.name(data, lengths, known)
                if len(records) < len(lengths.each) and reading.exception() is None:
                    # Guessed wrong: what was read goes behind another rest.
                    source.step_back(reading.result()[0] - len(rest))
                    records += self._divider.divide(data[bytes_of(records) :], known, ended=False)
                    reading = self._read_behind(data[bytes_of(records) :], following, source)
            self._add(block, file, records)
            self._flush_large()
            self._large = following
        finally:
            available, ended = reading.result()  # whatever happens: nobody may read from a file that is closed
        return following, available, ended

    def _read_behind(self, rest: memoryview, block: Block, source: SourceFile) -> Future[tuple[int, bool]]:
        """Fill an empty block, beginning with `rest`: how many bytes will be in it, and whether the file ended."""
        space = block.free()
        space[: len(rest)] = rest

        def fill() -> tuple[int, bool]:
            count, ended = source.fill(space[len(rest) :])
            return len(rest) + count, ended

        return self._companion.submit(fill)

    def _add(self, block: Block, file: SendingFile, records: Sequence[ChunkRecord]) -> None:
        for record in records:
            if block.add_chunk(file, record):
                self._files.block_opened(file)

    def _flush_small(self) -> None:
        block, self._small = self._small, None
        if block is not None:
            self._queue.put(block)

    def _flush_large(self) -> None:
        block, self._large = self._large, None
        if block is not None:
            self._queue.put(block)
