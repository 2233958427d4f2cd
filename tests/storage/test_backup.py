"""Backups: consistent while others write, incremental, never complete by half, and whole again when restored."""

from __future__ import annotations

import datetime as dt
import errno
import os
import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from sfos.programs import manage as manage_storage
from sfos.protocol import ResyncRequired
from sfos.server.disk.durable_files import sync_directory
from sfos.server.disk.storage_faults import MasterKeyWrong
from sfos.server.maintenance import backup
from sfos.server.maintenance import restore as restore_module
from sfos.server.maintenance.backup import back_up
from sfos.server.maintenance.backup_layout import NoBackup, snapshots_in
from sfos.server.maintenance.backup_marker import BackupRunning, NotForBackups
from sfos.server.maintenance.gc import collect_garbage
from sfos.server.maintenance.lease import HeldOff, backup_lease
from sfos.server.maintenance.restore import HomeNotEmpty, find_snapshot
from sfos.server.process.home_lock import HomeLock
from sfos.server.spaces.operations.context import SpaceContext
from sfos.server.spaces.registry import SpaceRegistry
from sfos.server.spaces.restore_mark import MARK_FILE, RestoreUnfinished
from sfos.server.vault.master import MasterKey
from tests.storage import child, maintenance_kills
from tests.storage.after_crash import SPACES
from tests.storage.backing_up import Backups
from tests.storage.conftest import SPACE_ID
from tests.storage.crashing import open_registry
from tests.storage.desk import Desk
from tests.storage.kill_points import KillPoints


def test_what_was_backed_up_comes_back_and_verifies(desk: Desk, backups: Backups) -> None:
    desk.put("/docs/big", os.urandom(350_000))
    desk.put("/docs/small", b"small")
    desk.put("/docs/small", b"small, again")
    desk.upload(os.urandom(120_000))  # not committed yet
    before = desk.tree()
    cursor = desk.space.cursor()
    done = backups.make()
    assert (done.losses, done.spaces) == ([], 1)
    desk.put("/later", b"not in the backup")
    restored = backups.bring_back()
    assert restored.losses == []
    assert restored.accounts
    assert (backups.home / "secrets" / "credentials.json").read_text() == "accounts of this test"
    assert backups.tree() == before
    with backups.new_registry(home=backups.home).lease(SPACE_ID) as space:
        other = Desk(space)
        with pytest.raises(ResyncRequired):  # a new epoch
            other.changes(cursor)
        other.put("/works", b"on")
        assert other.read("/works") == b"on"


def test_a_second_backup_copies_only_what_is_new(desk: Desk, backups: Backups) -> None:
    desk.put("/big", os.urandom(350_000))
    desk.put_many({f"/small/{number}": os.urandom(100) for number in range(20)})
    assert backups.make().chunks == 24
    desk.put("/more", b"one more")
    done = backups.make()
    assert (done.chunks, done.kept) == (1, 24)
    assert len(snapshots_in(backups.place)) == 2
    assert (backups.make().chunks, backups.make().chunks) == (0, 0)


def test_an_older_snapshot_can_be_restored_too(desk: Desk, backups: Backups) -> None:
    desk.put("/file", b"first")
    first = backups.make()
    desk.put("/file", b"second")
    backups.make()
    assert backups.bring_back(first.snapshot.name).losses == []
    assert backups.tree() == {"/file": b"first"}


def test_a_backup_beside_writers_and_collections_is_one_state_that_verifies(
    desk: Desk, backups: Backups, registry: SpaceRegistry
) -> None:
    written = 0
    failed: list[Exception] = []
    stop = threading.Event()
    begun = threading.Event()

    def work() -> None:
        nonlocal written
        try:
            while not stop.is_set():
                desk.put("/big", written.to_bytes(4, "big") * 60_000)
                desk.put("/small", written.to_bytes(4, "big"))
                desk.delete("/small")
                written += 1
                if written > 3:
                    begun.set()
                with registry.inspect(SPACE_ID) as context:
                    try:
                        collect_garbage(context, 0)
                    except HeldOff:
                        continue
        except Exception as error:
            failed.append(error)
            begun.set()

    writer = threading.Thread(target=work)
    writer.start()
    try:
        assert begun.wait(30)
        results = [backups.make() for _ in range(3)]
    finally:
        stop.set()
        writer.join()
    assert failed == []
    assert [done.losses for done in results] == [[], [], []]
    assert backups.bring_back().losses == []
    big = backups.tree()["/big"]
    assert big is not None
    assert big == big[:4] * 60_000


def test_garbage_collection_waits_for_another_day_while_a_backup_runs(desk: Desk, context: SpaceContext) -> None:
    desk.put("/file", b"data")
    with backup_lease(context.directory), backup_lease(context.directory), pytest.raises(HeldOff):
        collect_garbage(context, 0)
    collect_garbage(context, 0)


@pytest.mark.parametrize(
    "step", ["_copy_catalog", "copy_chunk_files", "add_small", "write_image", "copy_durably", "write_durably"]
)
def test_an_interrupted_backup_never_looks_complete(
    backups: Backups, step: str, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.put("/file", os.urandom(150_000))
    before = desk.tree()
    backups.make()
    desk.put("/file", os.urandom(150_000))
    with monkeypatch.context() as patched:

        def die(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        patched.setattr(backup, step, die)
        with pytest.raises(KeyboardInterrupt):
            backups.make()
    assert len(snapshots_in(backups.place)) == 1
    backups.bring_back()
    assert backups.tree() == before
    assert backups.make().losses == []


def test_a_chunk_that_was_only_half_copied_is_copied_again(desk: Desk, backups: Backups) -> None:
    desk.put("/file", os.urandom(150_000))
    backups.make()
    path = next(backups.place.glob("stores/*/chunks/*/*"))
    path.write_bytes(path.read_bytes()[:-40])
    assert backups.make().chunks == 1
    backups.bring_back()
    assert backups.tree() == desk.tree()


@pytest.mark.leaves_damage
def test_what_is_damaged_is_said_and_everything_else_is_backed_up(
    desk: Desk, backups: Backups, registry: SpaceRegistry
) -> None:
    desk.put("/file", os.urandom(150_000))
    next(backups.storage.glob("*/chunks/*/*")).unlink()
    with registry.lease("a" * 32):
        pass
    (backups.storage / ("b" * 32)).mkdir()
    done = backups.make()
    assert done.spaces == 2
    assert [loss.split(":")[0] for loss in done.losses] == [f"space {SPACE_ID}", f"space {'b' * 32}"]
    again = backups.bring_back()
    assert again.spaces == 2
    assert set(done.losses) <= set(again.losses)


@pytest.mark.parametrize("small_too", ["its row is gone", "its database is gone"])
def test_what_a_backup_lacks_is_asked_for_again_after_its_restoration(
    desk: Desk, backups: Backups, small_too: str
) -> None:
    files = {"/large": os.urandom(90_000), "/small": b"a small content", "/other": os.urandom(90_001)}
    for path, data in files.items():
        desk.put(path, data)
    backups.make()
    for lost in backups.place.glob("stores/*/chunks/*/*"):
        if lost.name.startswith(desk.cut(files["/large"])[0][0].chunk_id.hex()):
            lost.unlink()
    (database,) = backups.place.glob("stores/*/small-*.db")
    if small_too == "its row is gone":
        with closing(sqlite3.connect(database)) as connection, connection:
            assert connection.execute("DELETE FROM tokens").rowcount == 1
    else:
        database.unlink()
    assert len(backups.bring_back().losses) == 2
    with backups.new_registry(home=backups.home).lease(SPACE_ID, create=False) as space:
        restored = Desk(space)
        ids = [restored.cut(data)[0][0].chunk_id for data in files.values()]
        assert restored.have(ids) == [False, False, True]
        restored.put_many({"/large": files["/large"], "/small": files["/small"]})
        assert restored.tree() == files
    backups.tree()


def test_a_backup_goes_into_a_directory_of_its_own(desk: Desk, backups: Backups) -> None:
    backups.place.mkdir()
    (backups.place / "holiday.jpg").touch()
    with pytest.raises(NotForBackups):
        backups.make()
    for place in (backups.storage, backups.storage / "backups", backups.storage.parent):
        with pytest.raises(NotForBackups):
            back_up(backups.storage, backups.accounts, place, lambda: dt.datetime.now(dt.UTC), lambda _: None)


def test_one_backup_at_a_time_goes_into_a_directory(desk: Desk, backups: Backups) -> None:
    refused: list[str] = []

    def second(_: str) -> None:
        with pytest.raises(BackupRunning):
            backups.make()
        refused.append("yes")

    desk.put("/file", b"data")
    back_up(backups.storage, backups.accounts, backups.place, lambda: dt.datetime.now(dt.UTC), second)
    assert refused == ["yes"]


def test_nothing_is_restored_over_anything_or_under_a_wrong_key(desk: Desk, backups: Backups) -> None:
    with pytest.raises(NoBackup):
        backups.bring_back()
    desk.put("/file", b"data")
    backups.make()
    with pytest.raises(MasterKeyWrong):
        backups.bring_back(key=MasterKey.parse("A" * 43 + "="))
    assert not backups.home.exists()
    backups.bring_back()
    with pytest.raises(HomeNotEmpty):
        backups.bring_back()
    with pytest.raises(NoBackup):
        find_snapshot(backups.place, "000099-20260101T000000Z")


def test_a_backup_of_a_restored_home_into_the_same_directory_mixes_nothing_up(
    desk: Desk, backups: Backups, tmp_path: Path
) -> None:
    """Small chunks are numbered, and after a restoration the same numbers mean others."""
    desk.put("/one", b"1")
    first = backups.make()
    desk.put("/two", b"the second of the old epoch")
    backups.make()
    backups.bring_back(first.snapshot.name)
    with backups.new_registry(home=backups.home).lease(SPACE_ID) as space:
        Desk(space).put("/two", b"the second of the new epoch")
    assert replace(backups, storage=backups.home / "server_storage").make().losses == []
    third = replace(backups, home=tmp_path / "third home")
    third.bring_back()
    assert third.tree() == {"/one": b"1", "/two": b"the second of the new epoch"}


def test_the_script_backs_up_and_restores_but_not_under_a_running_server(
    desk: Desk,
    backups: Backups,
    tmp_path: Path,
    master_text: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SFOS_MASTER_KEY", master_text)
    desk.put("/file", b"data")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "credentials.json").write_text("accounts")
    assert manage_storage.main(["--home", str(tmp_path), "backup", str(backups.place)]) == 0
    assert "1 space; 1 chunk copied" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        manage_storage.main(["--home", str(tmp_path), "backup", str(backups.place), "--keep", "0"])
    assert "'0' is no whole number from 1" in capsys.readouterr().err
    backups.home.mkdir()
    lock = HomeLock(backups.home)
    assert manage_storage.main(["--home", str(backups.home), "restore", str(backups.place)]) == 1
    assert "stop it first" in capsys.readouterr().err
    lock.release()
    assert manage_storage.main(["--home", str(backups.home), "restore", str(backups.place)]) == 0
    assert manage_storage.main(["--home", str(backups.home), "verify", "--full"]) == 0


def test_pruning_keeps_what_the_kept_snapshots_name_and_nothing_else(
    desk: Desk, backups: Backups, context: SpaceContext
) -> None:
    desk.put("/kept", os.urandom(150_000))
    desk.upload(os.urandom(250_000) + b"small and never committed")
    assert backups.make().chunks == 5
    collect_garbage(context, -1_000)  # grace of less than nothing: what is not committed goes at once
    desk.put("/new", b"new")
    before = desk.tree()
    assert backups.make(keep=2).pruned == 0
    done = backups.make(keep=1)
    assert (done.losses, done.pruned) == ([], 3)
    assert snapshots_in(backups.place) == [done.snapshot]
    assert backups.make(keep=1).pruned == 0
    backups.bring_back()
    assert backups.tree() == before


@pytest.mark.leaves_damage
def test_a_backup_with_losses_prunes_nothing(desk: Desk, backups: Backups) -> None:
    backups.make()
    desk.put("/file", os.urandom(150_000))
    next(backups.storage.glob("*/chunks/*/*")).unlink()
    assert backups.make(keep=1).losses
    assert len(snapshots_in(backups.place)) == 2


@pytest.mark.parametrize("moved", [0, 1, 2])
def test_a_restoration_cut_off_between_two_spaces_is_not_served_and_can_be_run_again(
    tmp_path: Path, moved: int
) -> None:
    """Killed with so many of three spaces in place."""
    home = tmp_path / "home"
    maintenance_kills.prepare_lost(home)

    def task(_: child.Say) -> None:
        KillPoints(moved, ["rename"], commits=False).install()
        maintenance_kills.bring_back(home, lambda _: None)

    assert child.run(task).killed
    with pytest.raises(RestoreUnfinished, match="restoration was cut off"):
        open_registry(home)
    assert len([path for path in (home / "server_storage").iterdir() if path.is_dir()]) == moved
    maintenance_kills.check_restored(home, 0)


def test_a_restoration_that_fails_leaves_nothing_and_can_be_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    maintenance_kills.prepare_lost(home)
    with monkeypatch.context() as patched:
        failed: list[Path] = []

        def sync(directory: Path) -> None:
            if not failed and directory == home / "server_storage" and (directory / SPACES[0]).exists():
                failed.append(directory)
                raise OSError(errno.EIO, "the disk failed")
            sync_directory(directory)

        patched.setattr(restore_module, "sync_directory", sync)
        with pytest.raises(OSError, match="the disk failed"):
            maintenance_kills.bring_back(home, lambda _: None)
    assert failed
    assert [path.name for path in (home / "server_storage").iterdir()] == []
    maintenance_kills.check_restored(home, 0)


@pytest.mark.parametrize("line", ["", "..", "/precious"])
def test_a_mark_that_names_anything_but_spaces_removes_nothing(tmp_path: Path, line: str) -> None:
    """All that a mark names is taken away, so a damaged one must not name the storage, anything above it, or no place
    at all."""
    home = tmp_path / "home"
    maintenance_kills.prepare_lost(home)
    precious = [tmp_path / "precious" / "file", home / "server_storage" / "file"]
    for path in precious:
        path.parent.mkdir()
        path.write_bytes(b"not ours")
    named = line.replace("/precious", str(tmp_path / "precious"))
    mark = home / "server_storage" / MARK_FILE
    mark.write_text(f"sfos-restoring-1\n{SPACES[0]}\n{named}\n")
    with pytest.raises(RestoreUnfinished, match="cannot be read"):
        maintenance_kills.bring_back(home, lambda _: None)
    assert [path.read_bytes() for path in precious] == [b"not ours"] * 2
    assert mark.exists()
