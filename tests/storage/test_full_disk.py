"""A disk that is full: nothing that grows is taken, and whoever reads, deletes or looks after the store goes on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sfos.protocol import StorageFull
from sfos.server.disk.reserve import Reserve
from sfos.server.maintenance.expire import expire_history
from sfos.server.maintenance.gc import collect_garbage
from sfos.server.maintenance.verify import verify_space
from sfos.server.spaces.operations.context import StoreLimits
from sfos.server.spaces.registry import SpaceRegistry
from sfos.server.vault.master import MasterKey
from tests.storage.clock import Clock
from tests.storage.conftest import SPACE_ID
from tests.storage.desk import Desk
from tests.support.small_disk import fill, free_bytes, needs_a_small_disk, registry_on, small_disk

MIB = 2**20


def mkdir_below(desk: Desk) -> None:
    desk.make_folder("/new/in/there", parents=True)


def put_a_known_content(desk: Desk) -> None:
    """No chunk comes along: the list and the row alone are new."""
    records = [record for record, _ in desk.cut(CONTENT)]
    results, _ = desk.commit([desk.item("/again", [*records, *records])], [*records, *records])
    assert results[0].error is None


CONTENT = bytes(range(256)) * 600  # two chunks
GROWS: dict[str, Callable[[Desk], object]] = {
    "put_chunks": lambda desk: desk.upload(b"new"),
    "commit that brings its chunks": lambda desk: desk.put_many({"/new": b"new"}),
    "commit of what is known": put_a_known_content,
    "commit of an empty file": lambda desk: desk.put("/empty", b""),
    "overwriting": lambda desk: desk.put("/docs/a", b""),
    "make_folder": lambda desk: desk.make_folder("/new"),
    "make_folder with parents": mkdir_below,
    "copy": lambda desk: desk.copy("/docs", "/docs2"),
    "move": lambda desk: desk.move("/docs/a", "/docs/b"),
}


def furnish(desk: Desk) -> dict[str, bytes | None]:
    desk.put("/docs/a", CONTENT)
    desk.put_many({f"/many/{number}": b"%d" % number for number in range(20)})
    desk.put("/old", b"1")
    desk.put("/old", b"2")
    return desk.tree()


@pytest.mark.parametrize("what", GROWS)
def test_below_the_floor_nothing_that_grows_is_taken_whatever_it_grows(
    new_registry: Callable[..., SpaceRegistry], what: str
) -> None:
    with new_registry().lease(SPACE_ID) as space:
        before = furnish(Desk(space))
    with new_registry(limits=StoreLimits(free_floor_bytes=2**60)).lease(SPACE_ID) as space:
        desk = Desk(space)
        with pytest.raises(StorageFull):
            GROWS[what](desk)
        assert desk.tree() == before
        desk.delete("/docs")
        assert "/docs/a" not in desk.tree()


def test_a_request_that_was_carried_out_is_answered_below_the_floor_too(
    new_registry: Callable[..., SpaceRegistry],
) -> None:
    op_id = os.urandom(16)
    answers = []
    for limits in (StoreLimits(free_floor_bytes=0), StoreLimits(free_floor_bytes=2**60)):
        with new_registry(limits=limits).lease(SPACE_ID) as space:
            desk = Desk(space)
            pieces = desk.cut(b"data")
            item = desk.item("/a", [record for record, _ in pieces])
            answers.append(desk.commit([item], [record for record, _ in pieces], pieces, op_id=op_id))
    assert answers[0] == answers[1]


# --- 0 bytes free -------------------------------------------------------------------------------------------------


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 64 * MIB) as mounted:
        yield mounted


@pytest.fixture
def reopen(disk: Path, master: MasterKey, clock: Clock) -> Iterator[Callable[[], SpaceRegistry]]:
    """Opens the store on that disk, as a server that has been started anew does."""
    opened: list[SpaceRegistry] = []

    def make() -> SpaceRegistry:
        registry = registry_on(disk, master, clock, 8 * MIB)
        opened.append(registry)
        return registry

    yield make
    for registry in opened:
        registry.close()


@needs_a_small_disk
@pytest.mark.parametrize("restarted", [False, True], ids=["while the server runs", "after a restart"])
def test_at_0_bytes_free_one_reads_and_deletes_and_nothing_is_lost(
    reopen: Callable[[], SpaceRegistry], disk: Path, restarted: bool
) -> None:
    with closing(reopen()) as registry, registry.lease(SPACE_ID) as space:
        desk = Desk(space)
        before = furnish(desk)
        if not restarted:
            fill(disk)
            refused_and_deleting(desk, before)
    if restarted:
        fill(disk)  # once the write-ahead logs are gone, which the server takes with it
    with closing(reopen()) as registry, registry.lease(SPACE_ID) as space:
        desk = Desk(space)
        if restarted:
            refused_and_deleting(desk, before)
        assert desk.tree() == {"/many": None, "/many/7": b"7", "/old": b"2"}
        with registry.inspect(SPACE_ID) as context:
            assert verify_space(context, full=True).findings == []


def refused_and_deleting(desk: Desk, before: dict[str, bytes | None]) -> None:
    assert desk.tree() == before
    for grow in GROWS.values():
        with pytest.raises(StorageFull):
            grow(desk)
    assert desk.tree() == before
    desk.delete("/docs")
    for number in range(20):
        if number != 7:
            desk.delete(f"/many/{number}")


@needs_a_small_disk
def test_at_0_bytes_free_maintenance_goes_on_and_makes_room(
    reopen: Callable[[], SpaceRegistry], disk: Path, clock: Clock
) -> None:
    with closing(reopen()) as registry, registry.lease(SPACE_ID) as space:
        desk = Desk(space)
        for number in range(20):
            desk.put(f"/{number}", os.urandom(MIB))
        fill(disk)
        desk.delete_all([f"/{number}" for number in range(19)])
        clock.ahead_ms += 1_000
        with registry.inspect(SPACE_ID) as context:
            assert expire_history(context, 0).states == 19
            collect_garbage(context, 0)
            clock.ahead_ms += 1_000
            assert collect_garbage(context, 0).chunks > 100
        assert free_bytes(disk) > 15 * MIB
        desk.put("/new", b"there is room again")
        with registry.inspect(SPACE_ID) as context:
            assert verify_space(context, full=True).findings == []


@needs_a_small_disk
def test_a_folder_of_thousands_is_deleted_at_0_bytes_free(reopen: Callable[[], SpaceRegistry], disk: Path) -> None:
    with closing(reopen()) as registry, registry.lease(SPACE_ID) as space:
        desk = Desk(space)
        for part in range(5):
            desk.put_many({f"/many/{part}-{number}": b"" for number in range(1_000)})
        fill(disk)
        desk.delete("/many")
        assert desk.tree() == {}


# --- the reserve --------------------------------------------------------------------------------------------------


def blocks_of(path: Path) -> int:
    return path.stat().st_blocks * 512 if path.exists() else 0


def test_the_reserve_takes_real_blocks_and_gives_them_back_a_piece_at_a_time(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "reserve", 8 * MIB)
    assert not reserve.give_back(MIB)
    reserve.prepare()
    assert blocks_of(tmp_path / "reserve") >= 8 * MIB
    assert reserve.lacking() == 0
    assert reserve.give_back(MIB)
    assert (reserve.lacking(), blocks_of(tmp_path / "reserve")) == (MIB, 7 * MIB)
    assert reserve.give_back(100 * MIB)
    assert reserve.lacking() == 8 * MIB
    assert not reserve.give_back(MIB)
    reserve.prepare()
    assert (reserve.lacking(), blocks_of(tmp_path / "reserve")) == (0, 8 * MIB)


def test_a_reserve_of_another_size_becomes_that_size_and_none_at_all_is_none(tmp_path: Path) -> None:
    path = tmp_path / "reserve"
    for size in (2 * MIB, MIB, 0):
        reserve = Reserve(path, size)
        reserve.prepare()
        assert (blocks_of(path), reserve.lacking()) == (size, 0)
    assert not path.exists()


@needs_a_small_disk
def test_what_lies_on_another_disk_takes_nothing_from_the_reserve(disk: Path, tmp_path: Path) -> None:
    reserve = Reserve(disk / "storage" / "reserve", MIB)
    assert reserve.beside(disk / "secrets" / "not there yet") is reserve
    assert reserve.beside(tmp_path / "logs" / "audit.log") is None


@needs_a_small_disk
def test_the_reserve_takes_half_of_what_is_free_and_no_more(disk: Path) -> None:
    Reserve(disk / "reserve", 100 * MIB).prepare()
    assert abs(free_bytes(disk) - blocks_of(disk / "reserve")) <= 8_192


@needs_a_small_disk
def test_what_the_reserve_lacks_is_not_free_for_who_stores(reopen: Callable[[], SpaceRegistry], disk: Path) -> None:
    with closing(reopen()) as registry, registry.lease(SPACE_ID) as space:
        desk = Desk(space)
        fill(disk)
        reserve = registry.reserve
        assert reserve.give_back(2 * MIB)
        with pytest.raises(StorageFull):
            desk.put("/a", b"")
        (disk / "filled by something else").unlink()
        desk.put("/a", b"")
        reserve.prepare()
        assert reserve.lacking() == 0


def test_who_finds_the_disk_full_tries_again_with_one_piece_after_the_other(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "reserve", 8 * MIB)
    reserve.prepare()
    held: list[int] = []

    def work() -> str:
        held.append((tmp_path / "reserve").stat().st_size // MIB)
        reserve.prepare()  # the server's own chore, at the worst moment
        if len(held) < 3:
            raise StorageFull
        return "done"

    assert reserve.through(work) == "done"
    assert held == [8, 7, 5]
    with pytest.raises(StorageFull):
        reserve.through(lambda: (_ for _ in ()).throw(StorageFull()))
    assert (tmp_path / "reserve").stat().st_size == 0
