"""Backups: consistent while others write, incremental, never complete by half, and whole again when restored."""

from __future__ import annotations

import datetime as dt
import errno
import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

import manage_storage
from protocol import ResyncRequired
from server.durable_files import sync_directory
from server.home_lock import HomeLock
from server.maintenance import backup
from server.maintenance import restore as restore_module
from server.maintenance.backup import BackedUp, BackupRunning, NotForBackups, back_up
from server.maintenance.backup_layout import NoBackup, snapshots_in
from server.maintenance.gc import collect_garbage
from server.maintenance.lease import HeldOff, backup_lease
from server.maintenance.restore import HomeNotEmpty, Restored, find_snapshot, restore
from server.maintenance.verify import verify_space
from server.operations.context import SpaceContext
from server.restore_mark import MARK_FILE, RestoreUnfinished
from server.spaces import SpaceRegistry
from server.storage_faults import MasterKeyWrong
from server.vault.master import LiveMasterKey, MasterKey
from tests.storage import child, maintenance_kills
from tests.storage.after_crash import SPACES
from tests.storage.conftest import SPACE_ID
from tests.storage.crashing import open_registry
from tests.storage.desk import Desk
from tests.storage.kill_points import KillPoints

NewRegistry = Callable[..., SpaceRegistry]


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    return tmp_path / "server_storage"


@pytest.fixture
def accounts(tmp_path: Path) -> Path:
    path = tmp_path / "credentials.json"
    path.write_text("accounts of this test")
    return path


@pytest.fixture
def backups(tmp_path: Path) -> Path:
    return tmp_path / "backups"


@pytest.fixture
def back(storage: Path, accounts: Path, backups: Path) -> Callable[..., BackedUp]:
    def backs(keep: int | None = None) -> BackedUp:
        now = dt.datetime.now(dt.UTC)
        return back_up(storage, accounts, backups, lambda: now, lambda _: None, keep=keep)

    return backs


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with nothing in it."""
    return tmp_path / "second home"


@pytest.fixture
def bring_back(backups: Path, home: Path, master: MasterKey) -> Callable[..., Restored]:
    def bring(name: str | None = None, key: MasterKey = master) -> Restored:
        snapshot, live = find_snapshot(backups, name), LiveMasterKey(key)
        return restore(
            backups, snapshot, home / "server_storage", home / "temp", home / "secrets" / "credentials.json", live
        )

    return bring


def tree_of(new_registry: NewRegistry, home: Path) -> dict[str, bytes | None]:
    """All files of the space in `home`, which has to verify clean."""
    registry = new_registry(home=home)
    with registry.inspect(SPACE_ID) as context:
        assert verify_space(context, full=True).findings == []
    with registry.lease(SPACE_ID, create=False) as space:
        return Desk(space).tree()


def test_what_was_backed_up_comes_back_and_verifies(
    desk: Desk,
    new_registry: NewRegistry,
    home: Path,
    back: Callable[..., BackedUp],
    bring_back: Callable[..., Restored],
) -> None:
    desk.put("/docs/big", os.urandom(350_000))
    desk.put("/docs/small", b"small")
    desk.put("/docs/small", b"small, again")
    desk.upload(os.urandom(120_000))  # not committed yet
    before = desk.tree()
    cursor = desk.space.cursor()
    done = back()
    assert (done.losses, done.spaces) == ([], 1)
    desk.put("/later", b"not in the backup")
    restored = bring_back()
    assert restored.losses == []
    assert restored.accounts
    assert (home / "secrets" / "credentials.json").read_text() == "accounts of this test"
    assert tree_of(new_registry, home) == before
    with new_registry(home=home).lease(SPACE_ID) as space:
        other = Desk(space)
        with pytest.raises(ResyncRequired):  # a new epoch
            other.changes(cursor)
        other.put("/works", b"on")
        assert other.read("/works") == b"on"


def test_a_second_backup_copies_only_what_is_new(desk: Desk, back: Callable[..., BackedUp], backups: Path) -> None:
    desk.put("/big", os.urandom(350_000))
    desk.put_many({f"/small/{number}": os.urandom(100) for number in range(20)})
    assert back().chunks == 24
    desk.put("/more", b"one more")
    done = back()
    assert (done.chunks, done.kept) == (1, 24)
    assert len(snapshots_in(backups)) == 2
    assert (back().chunks, back().chunks) == (0, 0)


def test_an_older_snapshot_can_be_restored_too(
    desk: Desk,
    new_registry: NewRegistry,
    home: Path,
    back: Callable[..., BackedUp],
    bring_back: Callable[..., Restored],
) -> None:
    desk.put("/file", b"first")
    first = back()
    desk.put("/file", b"second")
    back()
    assert bring_back(first.snapshot.name).losses == []
    assert tree_of(new_registry, home) == {"/file": b"first"}


def test_a_backup_beside_writers_and_collections_is_one_state_that_verifies(
    desk: Desk,
    registry: SpaceRegistry,
    new_registry: NewRegistry,
    home: Path,
    back: Callable[..., BackedUp],
    bring_back: Callable[..., Restored],
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
        results = [back() for _ in range(3)]
    finally:
        stop.set()
        writer.join()
    assert failed == []
    assert [done.losses for done in results] == [[], [], []]
    assert bring_back().losses == []
    big = tree_of(new_registry, home)["/big"]
    assert big is not None
    assert big == big[:4] * 60_000


def test_garbage_collection_waits_for_another_day_while_a_backup_runs(desk: Desk, context: SpaceContext) -> None:
    desk.put("/file", b"data")
    with backup_lease(context.directory), backup_lease(context.directory), pytest.raises(HeldOff):
        collect_garbage(context, 0)
    collect_garbage(context, 0)


@pytest.mark.parametrize("step", ["_copy_catalog", "copy_chunks", "copy_small", "copy_durably", "write_durably"])
def test_an_interrupted_backup_never_looks_complete(
    step: str,
    desk: Desk,
    new_registry: NewRegistry,
    home: Path,
    back: Callable[..., BackedUp],
    bring_back: Callable[..., Restored],
    backups: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk.put("/file", os.urandom(150_000))
    before = desk.tree()
    back()
    desk.put("/file", os.urandom(150_000))
    with monkeypatch.context() as patched:

        def die(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        patched.setattr(backup, step, die)
        with pytest.raises(KeyboardInterrupt):
            back()
    assert len(snapshots_in(backups)) == 1
    bring_back()
    assert tree_of(new_registry, home) == before
    assert back().losses == []


def test_a_chunk_that_was_only_half_copied_is_copied_again(
    desk: Desk,
    new_registry: NewRegistry,
    home: Path,
    back: Callable[..., BackedUp],
    bring_back: Callable[..., Restored],
    backups: Path,
) -> None:
    desk.put("/file", os.urandom(150_000))
    back()
    path = next(backups.glob("stores/*/chunks/*/*"))
    path.write_bytes(path.read_bytes()[:-40])
    assert back().chunks == 1
    bring_back()
    assert tree_of(new_registry, home) == desk.tree()


@pytest.mark.leaves_damage
def test_what_is_damaged_is_said_and_everything_else_is_backed_up(
    desk: Desk,
    registry: SpaceRegistry,
    storage: Path,
    back: Callable[..., BackedUp],
    bring_back: Callable[..., Restored],
) -> None:
    desk.put("/file", os.urandom(150_000))
    next(storage.glob("*/chunks/*/*")).unlink()
    with registry.lease("a" * 32):
        pass
    (storage / ("b" * 32)).mkdir()
    done = back()
    assert done.spaces == 2
    assert [loss.split(":")[0] for loss in done.losses] == [f"space {SPACE_ID}", f"space {'b' * 32}"]
    again = bring_back()
    assert again.spaces == 2
    assert set(done.losses) <= set(again.losses)


@pytest.mark.parametrize("small_too", ["its row is gone", "its database is gone"])
def test_what_a_backup_lacks_is_asked_for_again_after_its_restoration(
    desk: Desk,
    new_registry: NewRegistry,
    home: Path,
    back: Callable[..., BackedUp],
    bring_back: Callable[..., Restored],
    backups: Path,
    small_too: str,
) -> None:
    files = {"/large": os.urandom(90_000), "/small": b"a small content", "/other": os.urandom(90_001)}
    for path, data in files.items():
        desk.put(path, data)
    back()
    for lost in backups.glob("stores/*/chunks/*/*"):
        if lost.name.startswith(desk.cut(files["/large"])[0][0].chunk_id.hex()):
            lost.unlink()
    (database,) = backups.glob("stores/*/small-*.db")
    if small_too == "its row is gone":
        with closing(sqlite3.connect(database)) as connection, connection:
            assert connection.execute("DELETE FROM tokens").rowcount == 1
    else:
        database.unlink()
    assert len(bring_back().losses) == 2
    with new_registry(home=home).lease(SPACE_ID, create=False) as space:
        restored = Desk(space)
        ids = [restored.cut(data)[0][0].chunk_id for data in files.values()]
        assert restored.have(ids) == [False, False, True]
        restored.put_many({"/large": files["/large"], "/small": files["/small"]})
        assert restored.tree() == files
    tree_of(new_registry, home)


def test_a_backup_goes_into_a_directory_of_its_own(
    desk: Desk, back: Callable[..., BackedUp], backups: Path, storage: Path, accounts: Path
) -> None:
    backups.mkdir()
    (backups / "holiday.jpg").touch()
    with pytest.raises(NotForBackups):
        back()
    for place in (storage, storage / "backups", storage.parent):
        with pytest.raises(NotForBackups):
            back_up(storage, accounts, place, lambda: dt.datetime.now(dt.UTC), lambda _: None)


def test_one_backup_at_a_time_goes_into_a_directory(
    desk: Desk, back: Callable[..., BackedUp], storage: Path, accounts: Path, backups: Path
) -> None:
    refused: list[str] = []

    def second(_: str) -> None:
        with pytest.raises(BackupRunning):
            back()
        refused.append("yes")

    desk.put("/file", b"data")
    back_up(storage, accounts, backups, lambda: dt.datetime.now(dt.UTC), second)
    assert refused == ["yes"]


def test_nothing_is_restored_over_anything_or_under_a_wrong_key(
    desk: Desk, home: Path, back: Callable[..., BackedUp], bring_back: Callable[..., Restored], backups: Path
) -> None:
    with pytest.raises(NoBackup):
        bring_back()
    desk.put("/file", b"data")
    back()
    with pytest.raises(MasterKeyWrong):
        bring_back(key=MasterKey.parse("A" * 43 + "="))
    assert not home.exists()
    bring_back()
    with pytest.raises(HomeNotEmpty):
        bring_back()
    with pytest.raises(NoBackup):
        find_snapshot(backups, "000099-20260101T000000Z")


def test_a_backup_of_a_restored_home_into_the_same_directory_mixes_nothing_up(
    desk: Desk,
    new_registry: NewRegistry,
    tmp_path: Path,
    home: Path,
    back: Callable[..., BackedUp],
    bring_back: Callable[..., Restored],
    backups: Path,
    accounts: Path,
    master: MasterKey,
) -> None:
    """Small chunks are numbered, and after a restoration the same numbers mean others."""
    desk.put("/one", b"1")
    first = back()
    desk.put("/two", b"the second of the old epoch")
    back()
    bring_back(first.snapshot.name)
    with new_registry(home=home).lease(SPACE_ID) as space:
        Desk(space).put("/two", b"the second of the new epoch")
    again = back_up(home / "server_storage", accounts, backups, lambda: dt.datetime.now(dt.UTC), lambda _: None)
    assert again.losses == []
    third = tmp_path / "third home"
    restore(
        backups,
        again.snapshot,
        third / "server_storage",
        third / "temp",
        third / "credentials.json",
        LiveMasterKey(master),
    )
    assert tree_of(new_registry, third) == {"/one": b"1", "/two": b"the second of the new epoch"}


def test_the_script_backs_up_and_restores_but_not_under_a_running_server(
    desk: Desk,
    tmp_path: Path,
    home: Path,
    backups: Path,
    master_text: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SFOS_MASTER_KEY", master_text)
    desk.put("/file", b"data")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "credentials.json").write_text("accounts")
    assert manage_storage.main(["--home", str(tmp_path), "backup", str(backups)]) == 0
    assert "1 spaces; 1 chunks copied" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        manage_storage.main(["--home", str(tmp_path), "backup", str(backups), "--keep", "0"])
    assert "'0' is no whole number from 1" in capsys.readouterr().err
    home.mkdir()
    lock = HomeLock(home)
    assert manage_storage.main(["--home", str(home), "restore", str(backups)]) == 1
    assert "another server" in capsys.readouterr().err
    lock.release()
    assert manage_storage.main(["--home", str(home), "restore", str(backups)]) == 0
    assert manage_storage.main(["--home", str(home), "verify", "--full"]) == 0


def test_pruning_keeps_what_the_kept_snapshots_name_and_nothing_else(
    desk: Desk,
    context: SpaceContext,
    new_registry: NewRegistry,
    home: Path,
    back: Callable[..., BackedUp],
    bring_back: Callable[..., Restored],
    backups: Path,
) -> None:
    desk.put("/kept", os.urandom(150_000))
    desk.upload(os.urandom(250_000) + b"small and never committed")
    assert back().chunks == 5
    collect_garbage(context, -1_000)  # grace of less than nothing: what is not committed goes at once
    desk.put("/new", b"new")
    before = desk.tree()
    assert back(keep=2).pruned == 0
    done = back(keep=1)
    assert (done.losses, done.pruned) == ([], 3)
    assert snapshots_in(backups) == [done.snapshot]
    assert back(keep=1).pruned == 0
    bring_back()
    assert tree_of(new_registry, home) == before


@pytest.mark.leaves_damage
def test_a_backup_with_losses_prunes_nothing(
    desk: Desk, back: Callable[..., BackedUp], backups: Path, storage: Path
) -> None:
    back()
    desk.put("/file", os.urandom(150_000))
    next(storage.glob("*/chunks/*/*")).unlink()
    assert back(keep=1).losses
    assert len(snapshots_in(backups)) == 2


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
    """What it names is taken away, so a damaged one must not name the storage, what is above it, or a place at all."""
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
