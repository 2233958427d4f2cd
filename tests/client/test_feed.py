"""Feed of the lanes of a transfer: the order of the work, and when they are to connect."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import cast

import pytest

from sfos.client.api import Api
from sfos.client.commands import Caller
from sfos.client.errors import Cancelled
from sfos.client.local.destination import Destination
from sfos.client.local.scan import LocalEntry, look_at
from sfos.client.local.writing import NOTHING
from sfos.client.net.connection import Answer, Connection
from sfos.client.options import ConnectionOptions
from sfos.client.transfer.down.arrivals import Arrivals
from sfos.client.transfer.down.files import FileToFetch
from sfos.client.transfer.down.queue import FetchQueue
from sfos.client.transfer.events import ItemState
from sfos.client.transfer.ledger import Ledger
from sfos.client.transfer.switch import Switch
from sfos.client.transfer.up import reader as reader_module
from sfos.client.transfer.up.block import LARGE_BLOCK_BYTES, Block
from sfos.client.transfer.up.exchanges import CommitFiles, HaveBlock
from sfos.client.transfer.up.files import FileToSend, SendingFile
from sfos.client.transfer.up.queue import SendQueue
from sfos.client.transfer.up.reader import Reader
from sfos.client.transfer.up.sending import Sending
from sfos.protocol import (
    MIN_CHUNK_BYTES,
    BadChunk,
    ChunkRecord,
    Entry,
    HaveReply,
    PutChunksReply,
    QuotaExceeded,
    SpaceInfo,
)
from tests.client.scripted_server import ScriptedServer

SPACE = SpaceInfo(space="0" * 32, given_chunk_key=b"k" * 32, given_cut_seed=1, cursor="c")
API = Api(cast("Caller", None), lambda: SPACE)  # of which nothing is asked


def somebody_waits(condition: threading.Condition) -> bool:
    return bool(condition._waiters)  # type: ignore[attr-defined]


@pytest.fixture
def switch() -> Switch:
    return Switch()


@pytest.fixture
def sending(switch: Switch) -> Sending:
    return Sending(API, Ledger(1), switch, blocks=4, block_bytes=MIN_CHUNK_BYTES)


@pytest.fixture
def queue(sending: Sending) -> SendQueue:
    return SendQueue(sending)


def put_small_file(sending: Sending, queue: SendQueue, path: Path) -> None:
    path.write_bytes(b"small")
    local = look_at(path)
    assert isinstance(local, LocalEntry)
    block = sending.blocks.take(small=True)
    todo = FileToSend(sending.ledger.add(path, "/small", "file", 5), local, 1, "small", None)
    block.add_file(SendingFile(todo), ChunkRecord(b"c" * 32, 5))
    queue.put(block)


def test_small_files_go_over_one_connection_unless_the_server_is_far(
    sending: Sending, queue: SendQueue, tmp_path: Path
) -> None:
    put_small_file(sending, queue, tmp_path / "small")
    assert queue.next(1, block=False) is None
    sending.took(0.2)
    assert queue.wanted(1)
    exchange = queue.next(1, block=False)
    assert exchange is not None
    queue.give_back([exchange])
    sending.took(0.001)
    assert queue.next(1, block=False) is None, "the shortest time is how far away the server is"
    assert queue.next(0, block=False) is exchange


def test_a_lane_connects_as_soon_as_something_is_expected_for_it(queue: SendQueue) -> None:
    with ThreadPoolExecutor(2) as threads:
        first, second = (threads.submit(queue.wanted, lane) for lane in (0, 1))
        queue.expect(10)
        assert first.result(10)
        queue.expect(MIN_CHUNK_BYTES + 1)
        assert second.result(10)


def test_a_lane_for_which_nothing_comes_never_connects(queue: SendQueue) -> None:
    with ThreadPoolExecutor(2) as threads:
        lanes = [threads.submit(queue.wanted, lane) for lane in (0, 1)]
        assert not queue.reading_ended()
        assert [lane.result(10) for lane in lanes] == [False, False]


def test_a_lane_that_waits_to_connect_hears_of_cancelling(queue: SendQueue, switch: Switch) -> None:
    with ThreadPoolExecutor(1) as threads, switch.breaking(queue.wake):
        lane = threads.submit(queue.wanted, 0)
        switch.cancel()
        with pytest.raises(Cancelled):
            lane.result(10)


def test_a_lane_that_asks_for_work_during_a_pause_gets_it_afterwards(
    sending: Sending, queue: SendQueue, switch: Switch, tmp_path: Path, wait_until: Callable[..., None]
) -> None:
    with ThreadPoolExecutor(1) as threads, switch.breaking(queue.wake):
        try:
            lane = threads.submit(queue.next, 0, block=True)
            wait_until(lambda: somebody_waits(sending.changed))
            switch.pause()
            put_small_file(sending, queue, tmp_path / "small")
            wait_until(lambda: somebody_waits(sending.changed) or somebody_waits(switch._changed))
            switch.resume()
            assert lane.result(10) is not None
        finally:
            switch.cancel()


class GivingUpTheFirst(SendQueue):
    """As if a lane had the first block at once, and the server refused it."""

    refused: SendingFile | None = None

    def put(self, block: Block) -> None:
        if self.refused is None:
            (self.refused,) = block.files
            self._sending.files.fail(self.refused, QuotaExceeded())
            self._sending.block_done(block)
        else:
            super().put(block)


def read(sending: Sending, queue: SendQueue, *files: FileToSend) -> None:
    reader = Reader(sending, queue, follow_symlinks=False)
    reader.take(files)
    reader.read_all()


def test_a_file_that_is_given_up_is_not_read_again_nor_gets_into_the_next(
    sending: Sending, switch: Switch, tmp_path: Path
) -> None:
    queue = GivingUpTheFirst(sending)
    size = LARGE_BLOCK_BYTES + 2 * MIN_CHUNK_BYTES
    first, second = (large_file(sending, tmp_path / name, size) for name in ("first", "second"))
    with ThreadPoolExecutor(1) as threads:
        reading = threads.submit(read, sending, queue, first, second)
        asked = [queue.next(1, block=True) for _ in range(2)]
        switch.cancel()
        queue.wake()
        with pytest.raises(Cancelled):
            reading.result(10)
    assert queue.refused is not None
    assert queue.refused.todo is first
    assert first.row.state is ItemState.FAILED
    (sent,), (same,) = (exchange._block.files for exchange in asked if isinstance(exchange, HaveBlock))
    assert sent is same
    assert sent.todo is second
    assert sum(record.length for record in sent.records) == size
    assert sent.read


def test_an_attempt_that_was_replaced_does_not_fail_the_new_one(
    sending: Sending, queue: SendQueue, tmp_path: Path
) -> None:
    old = SendingFile(large_file(sending, tmp_path / "file", 2 * MIN_CHUNK_BYTES))
    block = sending.blocks.take(small=False)
    if block.add_chunk(old, ChunkRecord(b"c" * 32, MIN_CHUNK_BYTES)):
        sending.files.block_opened(old)
    queue.put(block)
    exchange = queue.next(1, block=False)
    assert exchange is not None
    new = sending.files.afresh(old)
    assert new is not None
    assert sending.files.afresh(old) is None
    exchange.answered(Answer(1, None, BadChunk(), memoryview(b"")))
    assert not new.over
    assert new.todo.row.state is ItemState.WAITING
    sending.files.fail(new, BadChunk())
    assert new.todo.row.state is ItemState.FAILED


class Watched(SendingFile):
    """Sees to it that what several threads count is counted under the lock."""

    sending: Sending | None = None

    def __setattr__(self, name: str, value: object) -> None:
        if self.sending is not None and name in ("blocks_open", "bytes_there"):
            assert self.sending.changed._is_owned(), name  # type: ignore[attr-defined]
        super().__setattr__(name, value)


def test_what_several_threads_count_of_a_file_is_counted_under_the_lock(
    sending: Sending, queue: SendQueue, switch: Switch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_module, "SendingFile", partial(Watched, sending=sending))
    size = LARGE_BLOCK_BYTES + 2 * MIN_CHUNK_BYTES
    todo = large_file(sending, tmp_path / "file", size)
    with ThreadPoolExecutor(1) as threads, switch.breaking(queue.wake):
        reading = threads.submit(read, sending, queue, todo)
        reading.add_done_callback(lambda _: switch.cancel())  # if it fails, nothing more comes
        for _ in range(2):
            have = queue.next(1, block=True)
            assert isinstance(have, HaveBlock)
            lacking = have._ids[1:]
            reply = memoryview(bytes([1, *[0] * len(lacking)]))  # the first is there
            (put,) = have.answered(Answer(1, HaveReply(), None, reply))
            queue.answered([put])
            queue.answered(put.answered(Answer(2, PutChunksReply(stored=len(lacking)), None, memoryview(b""))))
        commit = queue.next(0, block=True)
        assert isinstance(commit, CommitFiles)
        (file,) = commit._files
        assert isinstance(file, Watched)
        assert file.bytes_there == todo.row.bytes_done == size
        switch.cancel()
        with pytest.raises(Cancelled):
            reading.result(10)


def large_file(sending: Sending, path: Path, size: int) -> FileToSend:
    path.write_bytes(random.Random(path.name).randbytes(size))
    local = look_at(path)
    assert isinstance(local, LocalEntry)
    return FileToSend(sending.ledger.add(path, f"/{path.name}", "file", size), local, 1, path.name, None)


def test_blocks_of_both_kinds_share_the_memory_there_is(sending: Sending) -> None:
    memory = sending.blocks
    for small in (True, False, True):
        blocks = [memory.take(small=small) for _ in range(4)]
        assert not memory.has_room
        assert len({id(block.buffer) for block in blocks}) == 4
        assert memory._small_buffers == memory._large_buffers == []
        for block in blocks:
            memory.give_back(block)
        assert memory.has_room


def small_files(ledger: Ledger, count: int, size: int) -> list[FileToFetch]:
    entry = Entry(node=2, parent=1, name="f", kind="file", revision="r", size=size, content=b"c" * 32)
    rows = ledger.add_files(Path("/to"), "/", [(f"f{number}", f"f{number}", size) for number in range(count)])
    return [FileToFetch(row, entry, (), row.leaf, NOTHING) for row in rows]


@pytest.fixture
def fetching(switch: Switch, tmp_path: Path) -> Iterator[FetchQueue]:
    with closing(Destination(tmp_path)) as destination:
        yield FetchQueue(Arrivals(API, Ledger(1), switch, destination, fsync_small=False), switch)


def test_very_small_files_come_over_one_connection(fetching: FetchQueue) -> None:
    with ThreadPoolExecutor(1) as threads:
        second = threads.submit(fetching.wanted, 1)
        fetching.expect()
        fetching.add(small_files(Ledger(1), 1_000, 4_096))
        fetching.planned()
        assert fetching.wanted(0)
        assert fetching.next(1, block=False) is None
        while (exchange := fetching.next(0, block=False)) is not None:
            fetching.answered([])
            assert exchange.most_reply_bytes > 4_096
        assert not second.result(10), "it never connects"


@pytest.mark.parametrize(("size", "handshake_s"), [(4_096, 0.2), (100_000, 0.001)])
def test_all_connections_fetch_small_files_from_a_far_server_and_those_that_are_not_very_small(
    fetching: FetchQueue, size: int, handshake_s: float
) -> None:
    fetching.expect()
    fetching.add(small_files(Ledger(1), 1_000, size))
    with ScriptedServer() as server, Connection.open(server.address, ConnectionOptions()) as connection:
        assert connection.handshake_s > 0
        connection.handshake_s = handshake_s
        fetching.connected(connection)
    assert fetching.wanted(1)
    assert fetching.next(1, block=False) is not None
