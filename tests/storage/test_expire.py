"""History older than the policy goes, and nothing else does; the server sees to it by itself."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from sfos import config
from sfos.programs import manage as manage_storage
from sfos.protocol import ResyncRequired
from sfos.server.catalog.schema import past
from sfos.server.catalog.space_row import read_space_row
from sfos.server.maintenance import expire
from sfos.server.maintenance.expire import expire_history
from sfos.server.maintenance.gc import collect_garbage
from sfos.server.maintenance.lease import backup_lease
from sfos.server.maintenance.upkeep import Chore, Upkeep, chores_of
from sfos.server.maintenance.verify import verify_space
from sfos.server.spaces.operations import change
from sfos.server.spaces.operations.context import SpaceContext
from sfos.server.spaces.registry import SpaceRegistry
from sfos.server.spaces.space import Space
from tests.storage.clock import Clock
from tests.storage.conftest import SPACE_ID
from tests.storage.desk import Desk

DAY_MS = 86_400_000


@pytest.fixture
def registry(new_registry: Callable[..., SpaceRegistry], clock: Clock) -> SpaceRegistry:
    return new_registry(now_ms=clock)


def ends(context: SpaceContext) -> list[int]:
    with context.catalog.core() as connection:
        return sorted(seq for (seq,) in connection.execute(select(past.c.seq_to)))


def horizon(context: SpaceContext) -> int:
    with context.catalog.read() as tx:
        return read_space_row(tx).horizon


def test_what_ended_before_the_policy_goes_and_everything_younger_stays(
    desk: Desk, context: SpaceContext, clock: Clock
) -> None:
    desk.put("/file", b"first")  # 1
    desk.put("/file", b"second")  # 2
    desk.put("/gone", b"gone")  # 3
    desk.delete("/gone")  # 4
    clock.ahead_ms = 91 * DAY_MS
    old = desk.space.cursor()
    desk.put("/file", b"third")  # 5: the state of 91 days ago ends today
    recent = desk.space.cursor()
    desk.put("/file", b"fourth")  # 6
    done = expire_history(context, 90 * DAY_MS)
    assert (done.states, done.horizon) == (2, 4)
    assert ends(context) == [5, 6]
    assert [change.entry.name for change in desk.changes(recent)[0]] == ["file"]
    assert [change.entry.name for change in desk.changes(old)[0]] == ["file"]
    assert desk.tree() == {"/file": b"fourth"}


def test_changes_since_before_the_horizon_need_a_resync(desk: Desk, context: SpaceContext, clock: Clock) -> None:
    cursors = [desk.space.cursor()]
    for data in (b"1", b"2", b"3"):
        desk.put("/file", data)
        cursors.append(desk.space.cursor())
    clock.ahead_ms = 91 * DAY_MS
    assert expire_history(context, 90 * DAY_MS).horizon == 3
    for cursor in cursors[:3]:
        with pytest.raises(ResyncRequired):
            desk.changes(cursor)
    assert desk.changes(cursors[3])[0] == []


def test_nothing_to_expire_makes_no_commit(desk: Desk, context: SpaceContext, clock: Clock) -> None:
    desk.put("/file", b"1")
    desk.put("/file", b"2")
    before = desk.space.cursor()
    assert expire_history(context, 90 * DAY_MS).states == 0
    clock.ahead_ms = 91 * DAY_MS
    assert expire_history(context, 92 * DAY_MS).states == 0
    assert desk.space.cursor() == before
    assert expire_history(context, 90 * DAY_MS).states == 1
    after = desk.space.cursor()
    assert after != before
    assert expire_history(context, 90 * DAY_MS).states == 0
    assert desk.space.cursor() == after


def test_a_big_deletion_goes_in_batches_each_with_its_horizon(
    desk: Desk, context: SpaceContext, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.put_many({f"/folder/{number}": b"data" for number in range(95)})
    start = desk.space.cursor()
    desk.delete("/folder")
    monkeypatch.setattr(expire, "_BATCH", 10)
    clock.ahead_ms = 91 * DAY_MS
    rounds = 0

    def stopping() -> bool:
        nonlocal rounds
        rounds += 1
        return rounds > 3

    assert expire_history(context, 90 * DAY_MS, stopping).states == 30
    assert horizon(context) == 2
    assert verify_space(context, full=True).findings == []
    with pytest.raises(ResyncRequired):
        desk.changes(start)
    assert expire_history(context, 90 * DAY_MS).states == 96 - 30
    assert ends(context) == []


def test_a_batch_that_fails_changes_nothing(
    desk: Desk, context: SpaceContext, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.put("/file", b"1")
    desk.put("/file", b"2")
    clock.ahead_ms = 91 * DAY_MS
    with monkeypatch.context() as patched:

        def die(*_: object) -> None:
            raise KeyboardInterrupt

        patched.setattr(change, "end_commit", die)
        with pytest.raises(KeyboardInterrupt):
            expire_history(context, 90 * DAY_MS)
    assert (ends(context), horizon(context)) == ([2], 0)
    assert verify_space(context, full=True).findings == []


def test_collection_frees_what_only_the_history_referred_to(
    desk: Desk, space: Space, context: SpaceContext, clock: Clock
) -> None:
    desk.put("/file", os.urandom(250_000))
    desk.put("/file", b"small now")
    clock.ahead_ms = 91 * DAY_MS
    assert collect_garbage(context, DAY_MS).marked == 0
    expire_history(context, 90 * DAY_MS)
    assert collect_garbage(context, DAY_MS).marked == 3
    clock.ahead_ms += 2 * DAY_MS
    assert collect_garbage(context, DAY_MS).chunks == 3
    assert len(list(context.store.list_stored())) == 1
    assert desk.read("/file") == b"small now"


def test_expiry_beside_writers_loses_nothing(desk: Desk, registry: SpaceRegistry, context: SpaceContext) -> None:
    failed: list[Exception] = []

    def write(number: int) -> None:
        try:
            for turn in range(25):
                desk.put(f"/{number}", f"{turn}".encode())
        except Exception as error:
            failed.append(error)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        expire_history(context, 0)
    for writer in writers:
        writer.join()
    assert failed == []
    expire_history(context, -DAY_MS)
    assert ends(context) == []
    assert desk.tree() == {f"/{number}": b"24" for number in range(3)}


def test_the_upkeep_expires_and_collects_and_ends_when_told(
    desk: Desk, registry: SpaceRegistry, context: SpaceContext, clock: Clock, wait_until: Callable[..., None]
) -> None:
    desk.put("/file", os.urandom(250_000))
    desk.put("/file", b"small")
    clock.ahead_ms = 91 * DAY_MS
    stopping = threading.Event()
    settings = config.Storage(gc_every_s=0.01, expire_every_s=0.01, gc_grace_s=0)
    upkeep = Upkeep(registry, chores_of(settings, stopping.is_set), stopping)
    upkeep.start()
    try:
        wait_until(lambda: len(list(context.store.list_stored())) == 1)
    finally:
        stopping.set()
        upkeep.join()
    assert not any(thread.name == "upkeep" for thread in threading.enumerate())


def test_the_upkeep_goes_on_where_a_space_is_held_off(
    desk: Desk, registry: SpaceRegistry, context: SpaceContext, wait_until: Callable[..., None]
) -> None:
    desk.put("/file", b"data")
    with registry.lease("a" * 32):
        pass
    stopping = threading.Event()
    seen: list[str] = []

    def collect(one: SpaceContext) -> str:
        collect_garbage(one, 0)
        seen.append(one.space_id)
        return "done"

    upkeep = Upkeep(registry, [Chore("collection", 0.01, collect), Chore("never", 0, collect)], stopping)
    with backup_lease(context.directory):
        upkeep.start()
        wait_until(lambda: len(seen) >= 2)
        assert SPACE_ID not in seen
    wait_until(lambda: SPACE_ID in seen)
    stopping.set()
    upkeep.join()


def test_an_upkeep_that_never_started_or_has_nothing_to_do_can_be_joined(registry: SpaceRegistry) -> None:
    stopping = threading.Event()
    idle = Upkeep(registry, chores_of(config.Storage(gc_every_s=0, expire_every_s=0), stopping.is_set), stopping)
    idle.start()
    for upkeep in (idle, Upkeep(registry, chores_of(config.Storage(), stopping.is_set), stopping)):
        upkeep.join()


def test_the_script_expires_what_the_setting_says(
    desk: Desk,
    context: SpaceContext,
    tmp_path: Path,
    master_text: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SFOS_MASTER_KEY", master_text)
    desk.put("/file", b"1")
    desk.put("/file", b"2")
    home = ["--home", str(tmp_path)]
    assert manage_storage.main([*home, "expire"]) == 0
    assert f"{SPACE_ID}: 0 states that ended over 90 days ago" in capsys.readouterr().out
    monkeypatch.setenv("SFOS_STORAGE_HISTORY_KEPT_S", "0")
    assert manage_storage.main([*home, "expire"]) == 0
    assert f"{SPACE_ID}: 1 state " in capsys.readouterr().out
