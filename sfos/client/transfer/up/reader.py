"""Reading what is to be sent: files into blocks, divided where they lie (`pieces`) and named.

A second thread, the companion, reads on into the next block while this one names the pieces of the last, then names
the last of them. Cutting holds Python's lock, reading and hashing do not: so those two overlap. Of what one thread
takes for 1 GiB (read 0.15 s, cut 0.33, name 0.28), that hides a quarter. Of a file that takes an earlier version's
place little is cut: `known_chunks`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

from sfos.client.errors import Cancelled, FileChanged
from sfos.client.local.chunking import Cutter, SourceFile, open_source, read_small
from sfos.client.transfer.events import ItemState
from sfos.client.transfer.known_chunks import KnownChunks
from sfos.client.transfer.pieces import Divider, bytes_of
from sfos.client.transfer.switch import Switch
from sfos.client.transfer.up.block import Block
from sfos.client.transfer.up.exchanges import LARGE_BLOCK_BYTES
from sfos.client.transfer.up.plan import UploadFile
from sfos.client.transfer.up.source import UploadWork
from sfos.protocol import (
    MAX_CHUNK_BYTES,
    MIN_CHUNK_BYTES,
    ChunkRecord,
    SfosError,
    TooMuch,
    chunk_id,
    content_id,
    pack_records,
)

_MOST_RECORDS = 200_000  # of one file: its list must fit a commit's body
_WORTH_WAITING_BYTES = 256 * 1024 * 1024
_BLOCK_LINGER_S = 0.5  # small files wait so long for company while a large one is read


class Reader:
    """Reads the files of a plan into blocks. In the job's own thread."""

    def __init__(self, work: UploadWork, switch: Switch, *, follow_symlinks: bool) -> None:
        self._work = work
        self._switch = switch
        self._follow = follow_symlinks
        self._key = work.space.chunk_key
        self._empty = content_id(self._key, b"")
        self._at = 0  # how many of the planned files have been read
        self._small: Block | None = None
        self._small_since = 0.0
        self._large: Block | None = None
        self._companion = ThreadPoolExecutor(1, "transfer-reader")
        self._divider = Divider(Cutter(work.space.cut_seed), self._key, self._companion)

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
            self._companion.shutdown()

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
        earlier_bytes = file.earlier.size if file.earlier is not None and not file.tries else 0
        if file.earlier is not None and earlier_bytes > LARGE_BLOCK_BYTES:
            self._work.ask_known(file, file.earlier)
        count, ended = source.fill(block.free())
        if earlier_bytes > _WORTH_WAITING_BYTES:
            self._work.wait_for_known(file)
        while not ended and not file.over:
            self._switch.wait_open()
            block, count, ended = self._divide_and_read_on(block, count, file, source)
        if file.over:  # a lane gave it up: what was read of it belongs to no chunk, and is forgotten
            return
        self._add(block, file, self._divider.divide(block.free(count), file.known or KnownChunks(), ended=True))
        source.check_unchanged()
        if len(file.records) > _MOST_RECORDS:
            raise TooMuch("This file is too large for one commit.", subject=str(file.local.path))
        file.content = content_id(self._key, pack_records(file.records))
        self._work.file_read(file)

    def _divide_and_read_on(
        self, block: Block, count: int, file: UploadFile, source: SourceFile
    ) -> tuple[Block, int, bool]:
        """Divide the `count` bytes at the end of a full block, and name the chunks while the next one is filled.

        That next block, how many bytes of the file are at its `free()`, and whether the file has ended.
        """
        data, known = block.free(count), file.known or KnownChunks()
        lengths = self._divider.foretell(data, known)
        records = [] if lengths is not None else self._divider.divide(data, known, ended=False)
        rest = data[sum(lengths.each) if lengths is not None else bytes_of(records) :]
        following = self._work.new_block(small=False)
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

    def _add(self, block: Block, file: UploadFile, records: Sequence[ChunkRecord]) -> None:
        for record in records:
            if block.add_chunk(file, record):
                self._work.block_opened(file)

    def _flush_small(self) -> None:
        block, self._small = self._small, None
        if block is not None:
            self._work.put_block(block)

    def _flush_large(self) -> None:
        block, self._large = self._large, None
        if block is not None:
            self._work.put_block(block)
