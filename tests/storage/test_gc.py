"""Garbage collection: exactly what nothing refers to goes, after its day of grace, also beside running uploads."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import delete

from sfos.server.catalog.schema import past
from sfos.server.maintenance.expire import expire_history
from sfos.server.maintenance.gc import MIN_ORPHAN_AGE_MS, collect_garbage, remove_old_half_written
from sfos.server.maintenance.verify import verify_space
from sfos.server.spaces.operations.context import SpaceContext, StoreLimits
from sfos.server.spaces.registry import SpaceRegistry, wall_clock_ms
from sfos.server.spaces.space import Space
from tests.storage.clock import Clock
from tests.storage.conftest import SPACE_ID
from tests.storage.desk import Desk

DAY_MS = 86_400_000


@pytest.fixture
def registry(new_registry: Callable[..., SpaceRegistry], clock: Clock) -> SpaceRegistry:
    return new_registry(now_ms=clock)


@pytest.fixture
def files_stored(context: SpaceContext) -> Callable[[], int]:
    return lambda: len(list(context.store.list_stored()))


def forget_history(context: SpaceContext) -> None:
    """Remove the whole history as an expiry does, but without its horizon; the digest is left behind."""
    with context.catalog.core() as connection:
        connection.execute(delete(past))


def test_what_a_day_old_upload_left_behind_goes(
    desk: Desk, space: Space, context: SpaceContext, clock: Clock, files_stored: Callable[[], int]
) -> None:
    desk.upload(os.urandom(250_000) + b"small")
    kept = os.urandom(250_000)
    desk.put("/kept", kept)
    before = files_stored()
    assert collect_garbage(context, DAY_MS).chunks == 0
    clock.ahead_ms = DAY_MS + 1_000
    done = collect_garbage(context, DAY_MS)
    assert done.chunks == 3
    assert files_stored() == before - 3
    assert desk.read("/kept") == kept
    assert desk.bytes_of_chunks() == sum(one.sealed_len for one in context.store.list_stored())
    assert collect_garbage(context, DAY_MS).chunks == 0


def catalog_bytes(context: SpaceContext) -> int:
    return sum(path.stat().st_size for path in context.directory.glob("catalog.db*") if "shm" not in path.name)


@pytest.fixture
def furnished(desk: Desk, context: SpaceContext, clock: Clock) -> int:
    """Six thousand names that were there and are forgotten; the bytes that the catalog takes."""
    for part in range(3):
        desk.put_many({f"/{part}/{number:0200}": b"" for number in range(2_000)})
        desk.delete(f"/{part}")
    clock.ahead_ms = 10 * DAY_MS
    expire_history(context, 0)
    return catalog_bytes(context)


def test_a_catalog_gives_back_what_was_deleted_from_it_where_maintenance_at_a_terminal_asks_for_it(
    desk: Desk, context: SpaceContext, furnished: int
) -> None:
    desk.put("/kept", b"kept")
    assert collect_garbage(context, DAY_MS).given_back == 0, "a server does not let its writers wait for that"
    assert catalog_bytes(context) > furnished // 2
    done = collect_garbage(context, DAY_MS, compact=True)
    assert done.given_back > 1_000_000
    assert catalog_bytes(context) < furnished // 3
    desk.put("/new", b"new")
    assert desk.tree() == {"/kept": b"kept", "/new": b"new"}
    assert collect_garbage(context, DAY_MS, compact=True).given_back == 0, "it is not worth it again"


def test_a_catalog_gives_back_beside_somebody_who_reads_it_all_the_while(
    desk: Desk, context: SpaceContext, furnished: int
) -> None:
    """The file itself is shorter once nobody reads what was there before."""
    desk.put("/kept", b"kept")
    with context.catalog.read() as tx:
        before = tx.execute("SELECT count(*) FROM commits")
        assert collect_garbage(context, DAY_MS, compact=True).given_back > 1_000_000
        desk.put("/new", b"new")
        assert tx.execute("SELECT count(*) FROM commits") == before
    assert desk.tree() == {"/kept": b"kept", "/new": b"new"}
    context.catalog.outside_transactions("PRAGMA wal_checkpoint(TRUNCATE)")
    assert catalog_bytes(context) < furnished // 3


@pytest.mark.usefixtures("furnished")
@pytest.mark.leaves_damage
def test_a_catalog_is_not_written_anew_where_there_is_no_room_for_that(
    new_registry: Callable[..., SpaceRegistry], clock: Clock
) -> None:
    narrow = new_registry(limits=StoreLimits(free_floor_bytes=2**60), now_ms=clock)
    with narrow.inspect(SPACE_ID) as inner:
        before = catalog_bytes(inner)
        assert collect_garbage(inner, DAY_MS, compact=True).given_back == 0
        assert catalog_bytes(inner) >= before // 2


def test_a_chunk_put_again_gets_a_new_day(desk: Desk, context: SpaceContext, clock: Clock) -> None:
    (record,) = desk.upload(b"pending")
    clock.ahead_ms = DAY_MS - 1_000
    desk.upload(b"pending")
    clock.ahead_ms = DAY_MS + 1_000
    assert collect_garbage(context, DAY_MS).chunks == 0
    assert desk.have([record.chunk_id]) == [True]


def test_what_only_the_history_has_is_kept(desk: Desk, context: SpaceContext, clock: Clock) -> None:
    desk.put("/a", os.urandom(250_000))
    desk.put("/b", b"old")
    desk.put("/b", b"new")
    desk.delete("/a")
    clock.ahead_ms = 10 * DAY_MS
    done = collect_garbage(context, DAY_MS)
    assert (done.lists, done.marked, done.chunks) == (0, 0, 0)


@pytest.mark.leaves_damage
def test_what_no_state_has_any_more_is_marked_and_goes_a_day_later(
    desk: Desk, context: SpaceContext, clock: Clock, files_stored: Callable[[], int]
) -> None:
    shared = os.urandom(100_000)
    desk.put("/gone", shared + os.urandom(150_000))
    desk.put("/gone too", b"small")
    kept = shared + os.urandom(250_000)
    desk.put("/kept", kept)
    desk.delete_all(["/gone", "/gone too"])
    forget_history(context)
    done = collect_garbage(context, DAY_MS)
    assert (done.lists, done.marked, done.chunks) == (1, 3, 0)
    clock.ahead_ms = DAY_MS + 1_000
    done = collect_garbage(context, DAY_MS)
    assert (done.lists, done.marked, done.chunks) == (0, 0, 3)
    assert files_stored() == 4
    assert desk.read("/kept") == kept
    found = {finding.about for finding in verify_space(context, full=True).findings}
    assert found == {"digest"}, "only the history was taken out by hand"


@pytest.mark.leaves_damage
def test_a_marked_chunk_that_is_used_again_in_time_stays(desk: Desk, context: SpaceContext, clock: Clock) -> None:
    data = os.urandom(250_000)
    desk.put("/a", data)
    desk.delete("/a")
    forget_history(context)
    assert collect_garbage(context, DAY_MS).marked == 3
    records = [record for record, _ in desk.cut(data)]
    assert desk.have([record.chunk_id for record in records]) == [False] * 3
    desk.put("/b", data)  # the client sends again; what lies there still is taken
    clock.ahead_ms = 3 * DAY_MS
    assert collect_garbage(context, DAY_MS).chunks == 0
    assert desk.read("/b") == data


def test_files_without_a_row_go_when_no_upload_can_be_about_to_write_one(
    desk: Desk, context: SpaceContext, clock: Clock, files_stored: Callable[[], int]
) -> None:
    desk.put("/a", os.urandom(90_000))
    with context.store.batch() as batch:
        for number in range(3):
            batch.add(bytes([number]) * 32, memoryview(b"x" * 100_000))
            batch.add(bytes([number]) * 32, memoryview(b"x" * 1_000))
        batch.finish()
    assert verify_space(context, full=False).orphans == 6
    assert collect_garbage(context, 0).orphans == 0
    clock.ahead_ms = MIN_ORPHAN_AGE_MS + 1_000
    assert collect_garbage(context, 0).orphans == 6
    assert files_stored() == 1


def test_half_written_files_of_long_ago_go(registry: SpaceRegistry, tmp_path: Path, desk: Desk) -> None:
    temp = tmp_path / "temp"
    (temp / "chunk-0011").write_bytes(b"half")
    (temp / "space-00-11").mkdir()
    (temp / "notes.txt").write_text("not ours")
    assert remove_old_half_written(temp, wall_clock_ms() - DAY_MS) == 0
    assert remove_old_half_written(temp, wall_clock_ms() + 1_000) == 2
    (temp / "chunk-0012").write_bytes(b"half")
    assert registry.remove_half_written() == 1
    assert [path.name for path in temp.iterdir()] == ["notes.txt"]


def test_stored_replies_are_forgotten_after_a_week(desk: Desk, context: SpaceContext, clock: Clock) -> None:
    desk.put("/a", b"1")
    clock.ahead_ms = 8 * DAY_MS
    desk.put("/a", b"2")
    assert collect_garbage(context, DAY_MS).replies == 1


def test_collection_beside_uploads_of_the_same_chunks_loses_nothing(
    new_registry: Callable[..., SpaceRegistry], clock: Clock
) -> None:
    """No grace at all, so that every pending chunk is fair game: a commit then says what is missing, and never lands
    on a chunk that is gone."""
    registry = new_registry(now_ms=clock)
    pool = [os.urandom(70_000) if number % 2 else os.urandom(500) for number in range(6)]
    stop = threading.Event()
    failures: list[BaseException] = []

    def collect() -> None:
        try:
            with registry.inspect(SPACE_ID) as context:
                while not stop.is_set():
                    collect_garbage(context, -1)
        except BaseException as error:
            failures.append(error)

    def upload(number: int) -> None:
        try:
            with registry.lease(SPACE_ID) as space:
                desk = Desk(space)
                for round_ in range(12):
                    data = pool[(number + round_) % len(pool)]
                    _put_patiently(desk, f"/f{number}", data)
                    assert desk.read(f"/f{number}") == data
        except BaseException as error:
            failures.append(error)

    with registry.lease(SPACE_ID):
        pass
    threads = [threading.Thread(target=upload, args=(number,)) for number in range(3)]
    collector = threading.Thread(target=collect)
    for thread in [collector, *threads]:
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    collector.join()
    assert not failures
    with registry.inspect(SPACE_ID) as context:
        assert verify_space(context, full=True).findings == []


def _put_patiently(desk: Desk, path: str, data: bytes) -> None:
    """As a client does: send what is missing, until the commit finds all of it."""
    while True:
        records = desk.upload(data, cut_bytes=len(data))
        results, missing = desk.commit([desk.item(path, records)], records)
        if not missing:
            assert results[0].error is None
            return
