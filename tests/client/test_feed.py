"""What the lanes of an upload are given to do, and when they are to connect."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from client.errors import Cancelled
from client.local_scan import LocalEntry, look_at
from client.transfer.ledger import Ledger
from client.transfer.switch import Switch
from client.transfer.upload import UploadWork
from client.transfer.upload_plan import UploadFile
from protocol import MIN_CHUNK_BYTES, ChunkRecord, SpaceInfo

SPACE = SpaceInfo(space="0" * 32, chunk_key=b"k" * 32, cut_seed=1, cursor="c")


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


def test_blocks_of_both_kinds_share_the_memory_there_is(work: UploadWork) -> None:
    for small in (True, False, True):
        blocks = [work.new_block(small=small) for _ in range(4)]
        assert not work.has_room
        assert len({id(block.buffer) for block in blocks}) == 4
        assert work._small_buffers == work._large_buffers == []
        for block in blocks:
            work.block_done(block)
        assert work.has_room
