"""Feed of the lanes of a transfer: the order of the work, and when they are to connect."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from sfos.client.errors import Cancelled
from sfos.client.local.scan import LocalEntry, look_at
from sfos.client.local.writing import Destination
from sfos.client.net.connection import Answer, Connection
from sfos.client.options import ConnectionOptions
from sfos.client.transfer.down.plan import DownloadFile
from sfos.client.transfer.down.source import DownloadWork
from sfos.client.transfer.events import ItemState
from sfos.client.transfer.ledger import Ledger
from sfos.client.transfer.switch import Switch
from sfos.client.transfer.up.block import Block
from sfos.client.transfer.up.exchanges import LARGE_BLOCK_BYTES, CommitFiles, HaveBlock
from sfos.client.transfer.up.plan import UploadFile
from sfos.client.transfer.up.reader import Reader
from sfos.client.transfer.up.source import UploadWork
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


@pytest.fixture
def switch() -> Switch:
    return Switch()


@pytest.fixture
def work(switch: Switch) -> UploadWork:
    return UploadWork(SPACE, Ledger(1), switch, blocks=4, block_bytes=MIN_CHUNK_BYTES)


def put_small_file(work: UploadWork, path: Path) -> None:
    path.write_bytes(b"small")
    local = look_at(path)
    assert isinstance(local, LocalEntry)
    block = work.new_block(small=True)
    file = UploadFile(work.ledger.add(path, "/small", "file", 5), local, 1, "small", None)
    block.add_file(file, ChunkRecord(b"c" * 32, 5))
    work.put_block(block)


def test_small_files_go_over_one_connection_unless_the_server_is_far(work: UploadWork, tmp_path: Path) -> None:
    put_small_file(work, tmp_path / "small")
    assert work.next(1, block=False) is None
    work.took(0.2)
    assert work.wanted(1)
    exchange = work.next(1, block=False)
    assert exchange is not None
    work.give_back([exchange])
    work.took(0.001)
    assert work.next(1, block=False) is None, "the shortest time is how far away the server is"
    assert work.next(0, block=False) is exchange


def test_a_lane_connects_as_soon_as_something_is_expected_for_it(work: UploadWork) -> None:
    with ThreadPoolExecutor(2) as threads:
        first, second = (threads.submit(work.wanted, lane) for lane in (0, 1))
        work.expect(10)
        assert first.result(10)
        work.expect(MIN_CHUNK_BYTES + 1)
        assert second.result(10)


def test_a_lane_for_which_nothing_comes_never_connects(work: UploadWork) -> None:
    with ThreadPoolExecutor(2) as threads:
        lanes = [threads.submit(work.wanted, lane) for lane in (0, 1)]
        assert not work.reading_ended()
        assert [lane.result(10) for lane in lanes] == [False, False]


def test_a_lane_that_waits_to_connect_hears_of_cancelling(work: UploadWork, switch: Switch) -> None:
    with ThreadPoolExecutor(1) as threads, switch.breaking(work.wake):
        lane = threads.submit(work.wanted, 0)
        switch.cancel()
        with pytest.raises(Cancelled):
            lane.result(10)


def test_a_lane_that_asks_for_work_during_a_pause_gets_it_afterwards(
    work: UploadWork, switch: Switch, tmp_path: Path, wait_until: Callable[..., None]
) -> None:
    with ThreadPoolExecutor(1) as threads, switch.breaking(work.wake):
        try:
            lane = threads.submit(work.next, 0, block=True)
            wait_until(lambda: work._changed._waiters)  # type: ignore[attr-defined]
            switch.pause()
            put_small_file(work, tmp_path / "small")
            wait_until(lambda: work._changed._waiters or switch._changed._waiters)  # type: ignore[attr-defined]
            switch.resume()
            assert lane.result(10) is not None
        finally:
            switch.cancel()


class GivingUpTheFirst(UploadWork):
    """As if a lane had the first block at once, and the server refused it."""

    refused: UploadFile | None = None

    def put_block(self, block: Block) -> None:
        if self.refused is None:
            (self.refused,) = block.files
            self.fail(self.refused, QuotaExceeded())
            self.block_done(block)
        else:
            super().put_block(block)


def test_a_file_that_is_given_up_is_not_read_again_nor_gets_into_the_next(switch: Switch, tmp_path: Path) -> None:
    work = GivingUpTheFirst(SPACE, Ledger(1), switch, blocks=4, block_bytes=MIN_CHUNK_BYTES)
    size = LARGE_BLOCK_BYTES + 2 * MIN_CHUNK_BYTES
    first, second = large_file(work, tmp_path / "first", size), large_file(work, tmp_path / "second", size)
    with ThreadPoolExecutor(1) as threads:
        reading = threads.submit(Reader(work, switch, follow_symlinks=False).run, [first, second])
        asked = [work.next(1, block=True) for _ in range(2)]
        switch.cancel()
        work.wake()
        with pytest.raises(Cancelled):
            reading.result(10)
    assert work.refused is first
    assert first.row.state is ItemState.FAILED
    assert [exchange._block.files for exchange in asked if isinstance(exchange, HaveBlock)] == [[second], [second]]
    assert sum(record.length for record in second.records) == size
    assert second.read


def test_an_attempt_that_was_replaced_does_not_fail_the_new_one(work: UploadWork, tmp_path: Path) -> None:
    old = large_file(work, tmp_path / "file", 2 * MIN_CHUNK_BYTES)
    block = work.new_block(small=False)
    if block.add_chunk(old, ChunkRecord(b"c" * 32, MIN_CHUNK_BYTES)):
        work.block_opened(old)
    work.put_block(block)
    exchange = work.next(1, block=False)
    assert exchange is not None
    new = work.afresh(old)
    assert new is not None
    assert work.afresh(old) is None
    exchange.answered(Answer(1, None, BadChunk(), memoryview(b"")))
    assert not new.over
    assert new.row.state is ItemState.WAITING
    work.fail(new, BadChunk())
    assert new.row.state is ItemState.FAILED


class Watched(UploadFile):
    """Sees to it that what several threads count is counted under the lock."""

    work: UploadWork | None = None

    def __setattr__(self, name: str, value: object) -> None:
        if self.work is not None and name in ("blocks_open", "bytes_there"):
            assert self.work._changed._is_owned(), name  # type: ignore[attr-defined]
        super().__setattr__(name, value)


def test_what_several_threads_count_of_a_file_is_counted_under_the_lock(
    work: UploadWork, switch: Switch, tmp_path: Path
) -> None:
    size = LARGE_BLOCK_BYTES + 2 * MIN_CHUNK_BYTES
    plain = large_file(work, tmp_path / "file", size)
    file = Watched(plain.row, plain.local, 1, "file", None, work=work)
    with ThreadPoolExecutor(1) as threads, switch.breaking(work.wake):
        reading = threads.submit(Reader(work, switch, follow_symlinks=False).run, [file])
        reading.add_done_callback(lambda _: switch.cancel())  # if it fails, nothing more comes
        for _ in range(2):
            have = work.next(1, block=True)
            assert isinstance(have, HaveBlock)
            lacking = have._ids[1:]
            reply = memoryview(bytes([1, *[0] * len(lacking)]))  # the first is there
            (put,) = have.answered(Answer(1, HaveReply(), None, reply))
            work.answered([put])
            work.answered(put.answered(Answer(2, PutChunksReply(stored=len(lacking)), None, memoryview(b""))))
        commit = work.next(0, block=True)
        assert isinstance(commit, CommitFiles)
        assert file.bytes_there == file.row.bytes_done == size
        switch.cancel()
        with pytest.raises(Cancelled):
            reading.result(10)


def large_file(work: UploadWork, path: Path, size: int) -> UploadFile:
    path.write_bytes(random.Random(path.name).randbytes(size))
    local = look_at(path)
    assert isinstance(local, LocalEntry)
    return UploadFile(work.ledger.add(path, f"/{path.name}", "file", size), local, 1, path.name, None)


def test_blocks_of_both_kinds_share_the_memory_there_is(work: UploadWork) -> None:
    for small in (True, False, True):
        blocks = [work.new_block(small=small) for _ in range(4)]
        assert not work.has_room
        assert len({id(block.buffer) for block in blocks}) == 4
        assert work._small_buffers == work._large_buffers == []
        for block in blocks:
            work.block_done(block)
        assert work.has_room


def small_files(ledger: Ledger, count: int, size: int) -> list[DownloadFile]:
    entry = Entry(node=2, parent=1, name="f", kind="file", revision="r", size=size, content=b"c" * 32)
    rows = ledger.add_files(Path("/to"), "/", [(f"f{number}", f"f{number}", size) for number in range(count)])
    return [DownloadFile(row, entry, b"c" * 32, (), row.leaf, replace=False) for row in rows]


@pytest.fixture
def fetching(switch: Switch, tmp_path: Path) -> Iterator[DownloadWork]:
    with closing(Destination(tmp_path)) as destination:
        yield DownloadWork(SPACE, Ledger(1), switch, destination, fsync_small=False)


def test_very_small_files_come_over_one_connection(fetching: DownloadWork) -> None:
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
    fetching: DownloadWork, size: int, handshake_s: float
) -> None:
    fetching.expect()
    fetching.add(small_files(Ledger(1), 1_000, size))
    with ScriptedServer() as server, Connection.open(server.address, ConnectionOptions()) as connection:
        assert connection.handshake_s > 0
        connection.handshake_s = handshake_s
        fetching.connected(connection)
    assert fetching.wanted(1)
    assert fetching.next(1, block=False) is not None
