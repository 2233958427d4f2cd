"""Keys are rotated: nothing is rewritten, everything opens at every moment, and an interrupted rotation is ended."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from sfos import config
from sfos.programs import manage as manage_storage
from sfos.protocol import DataDamaged
from sfos.server.catalog.chunk_rows import HURT
from sfos.server.catalog.schema import chunks, contents
from sfos.server.disk.durable_files import sync_directory
from sfos.server.disk.storage_faults import MasterKeyWrong
from sfos.server.home import open_spaces
from sfos.server.maintenance import rotate as rotate_module
from sfos.server.maintenance.rotate import NoNewKey, OldKeysNeeded, drop_old_keys, rotate_keys
from sfos.server.maintenance.verify import verify_space
from sfos.server.process.home_lock import HomeLock
from sfos.server.spaces import directory as space_directory
from sfos.server.spaces import registry as spaces_module
from sfos.server.spaces.operations.context import SpaceContext
from sfos.server.spaces.registry import SpaceRegistry
from sfos.server.spaces.space import Space
from sfos.server.vault.keyring import SpaceKeys, read_keys, read_keys_now, wrapped_under, write_keys
from sfos.server.vault.master import LiveMasterKey, MasterKey
from tests.storage.conftest import SPACE_ID
from tests.storage.desk import Desk

SPACES = (SPACE_ID, "a" * 32, "b" * 32)
Trees = dict[str, dict[str, bytes | None]]


def open_registry(home: Path) -> SpaceRegistry:
    return open_spaces(config.load(environ={"SFOS_STORAGE_FREE_SPACE_FLOOR_BYTES": "0"}, home=home))


@pytest.fixture(autouse=True)
def no_key_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SFOS_MASTER_KEY", raising=False)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "secrets" / "master.key"


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    return tmp_path / "server_storage"


@pytest.fixture
def trees(tmp_path: Path) -> Trees:
    """Three spaces, closed again, and what is in them."""
    registry = open_registry(tmp_path)
    found: Trees = {}
    for space_id in SPACES:
        with registry.lease(space_id) as space:
            desk = Desk(space)
            desk.put("/big", os.urandom(250_000))
            desk.put("/small", b"small")
            found[space_id] = desk.tree()
    registry.close()
    return found


@pytest.fixture
def rotate(storage: Path, key_file: Path) -> Callable[[], int]:
    """How many spaces a rotation did."""
    return lambda: rotate_keys(storage, live(key_file), lambda _: None).spaces


def live(key_file: Path) -> LiveMasterKey:
    return LiveMasterKey.load(key_file, None, may_create=False)


def assert_all_opens(home: Path, trees: Trees) -> None:
    registry = open_registry(home)
    try:
        for space_id, tree in trees.items():
            with registry.lease(space_id, create=False) as space:
                assert Desk(space).tree() == tree
            with registry.inspect(space_id) as context:
                assert verify_space(context, full=True).findings == []
    finally:
        registry.close()


def chunk_bytes(storage: Path) -> dict[Path, tuple[int, bytes]]:
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in storage.glob("*/chunks/*/*")}


def test_a_rotation_rewrites_no_chunk_and_everything_opens(
    tmp_path: Path, trees: Trees, storage: Path, key_file: Path, rotate: Callable[[], int]
) -> None:
    old = key_file.read_text()
    before = chunk_bytes(storage)
    assert rotate() == 3
    assert chunk_bytes(storage) == before
    new = key_file.read_text().split()
    assert new[1:] == old.split()
    assert key_file.stat().st_mode & 0o777 == 0o600
    for space_id in SPACES:
        keys = read_keys(storage / space_id, bytes.fromhex(space_id), MasterKey.parse(new[0]))
        assert keys.current == 2
        with pytest.raises(MasterKeyWrong):
            read_keys(storage / space_id, bytes.fromhex(space_id), MasterKey.parse(old))
    assert_all_opens(tmp_path, trees)


def test_what_is_sealed_after_a_rotation_is_sealed_under_the_new_data_key(
    tmp_path: Path, trees: Trees, rotate: Callable[[], int]
) -> None:
    rotate()
    registry = open_registry(tmp_path)
    with registry.lease(SPACE_ID) as space:
        Desk(space).put("/later", os.urandom(250_000))
    with registry.inspect(SPACE_ID) as context, context.catalog.core() as connection:
        for table, counts in ((chunks, (4, 3)), (contents, (1, 1))):
            numbers = [number for (number,) in connection.execute(select(table.c.key_no))]
            assert (numbers.count(1), numbers.count(2)) == counts
    registry.close()
    rotate()
    registry = open_registry(tmp_path)
    with registry.inspect(SPACE_ID) as context:
        assert context.sealer.key_no == 3
        assert verify_space(context, full=True).findings == []
    registry.close()


def hurt_chunks(context: SpaceContext) -> int:
    with context.catalog.core() as connection:
        return len(connection.execute(select(chunks.c.id).where(chunks.c.offset == HURT)).all())


def test_who_read_the_keys_before_a_rotation_opens_what_was_sealed_after_it(
    tmp_path: Path, trees: Trees, rotate: Callable[[], int]
) -> None:
    """A verification or a request that began before: chunks on the disk, in the database, and lists of chunks."""
    with (
        closing(open_registry(tmp_path)) as early,
        closing(open_registry(tmp_path)) as late,
        early.inspect(SPACE_ID) as verifying,
        early.inspect(SPACE_ID) as reading,
    ):
        rotate()
        with late.lease(SPACE_ID) as space:
            Desk(space).put("/large", os.urandom(150_000))
            Desk(space).put("/tiny", b"tiny")
            expected = Desk(space).tree()
        assert Desk(Space(reading)).tree() == expected
        assert verify_space(verifying, full=True).findings == []
        assert verifying.sealer.key_no == 1
        assert hurt_chunks(verifying) == 0


def test_keys_are_durable_in_their_place_before_anything_is_sealed_under_them(
    tmp_path: Path, trees: Trees, storage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process may open a space and find a keys file that a rotation has renamed into place, and not synced
    yet."""
    seen: list[str] = []
    read, sync = read_keys_now, sync_directory

    def reading(directory: Path, space: bytes, live: LiveMasterKey) -> SpaceKeys:
        seen.append(f"read {directory.name}")
        return read(directory, space, live)

    def syncing(directory: Path) -> None:
        seen.append(f"sync {directory.name}")
        sync(directory)

    with closing(open_registry(tmp_path)) as registry:
        monkeypatch.setattr(space_directory, "read_keys_now", reading)
        monkeypatch.setattr(space_directory, "sync_directory", syncing)
        with registry.lease(SPACE_ID):
            assert seen == [f"read {SPACE_ID}", f"sync {SPACE_ID}"]


@pytest.mark.allows_errors("what cannot be read is logged")
@pytest.mark.parametrize("unreadable", ["keys", "master.key"])
def test_new_keys_that_the_system_does_not_let_be_read_are_taken_over_at_the_next_look_and_said_once(
    tmp_path: Path,
    trees: Trees,
    rotate: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    unreadable: str,
) -> None:
    monkeypatch.setattr(spaces_module, "_LOOK_AT_KEYS_S", 0.0)
    real = Path.read_text

    def fail(path: Path, *arguments: str) -> str:
        if path.name == unreadable:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return real(path, *arguments)

    def key_no() -> int:
        with registry.lease(SPACE_ID) as space:
            return space._context.sealer.key_no

    with closing(open_registry(tmp_path)) as registry:
        assert key_no() == 1
        rotate()
        with monkeypatch.context() as patched:
            patched.setattr(Path, "read_text", fail)
            assert [key_no() for _ in range(4)] == [1] * 4
        assert key_no() == 2
    said = [record.message for record in caplog.records if record.levelname == "ERROR"]
    assert sum("goes on with the keys that it has" in line for line in said) == 1
    assert len(said) == (1 if unreadable == "keys" else 2)


@pytest.mark.allows_errors("what cannot be opened is logged")
def test_what_needs_a_key_that_an_older_keys_file_lacks_is_not_marked_and_opens_with_the_right_one(
    tmp_path: Path, trees: Trees, storage: Path, rotate: Callable[[], int]
) -> None:
    keys_file = storage / SPACE_ID / "keys"
    older = keys_file.read_bytes()
    rotate()
    with closing(open_registry(tmp_path)) as registry, registry.lease(SPACE_ID) as space:
        Desk(space).put("/large", os.urandom(150_000))
        Desk(space).put("/tiny", b"tiny")
        expected = Desk(space).tree()
    right = keys_file.read_bytes()
    keys_file.write_bytes(older)
    with closing(open_registry(tmp_path)) as registry, registry.inspect(SPACE_ID) as context:
        said = [finding.detail for finding in verify_space(context, full=True).findings]
        assert any("sealed under key 2" in detail for detail in said)
        for path in ("/large", "/tiny"):
            with pytest.raises(DataDamaged):
                Desk(Space(context)).read(path)
        assert hurt_chunks(context) == 0
        keys_file.write_bytes(b"damaged")
        assert not verify_space(context, full=True).clean
        assert hurt_chunks(context) == 0
        keys_file.write_bytes(right)
        assert Desk(Space(context)).tree() == expected
        assert verify_space(context, full=True).findings == []


def test_wherever_a_rotation_stops_everything_opens_and_the_next_run_ends_it(
    tmp_path: Path,
    trees: Trees,
    storage: Path,
    key_file: Path,
    rotate: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Stopped before and after each of the files that it writes: the master key's and three keys files."""
    real = os.fsync
    rounds = 0
    stopped = True
    while stopped:
        left = rounds
        rounds += 1

        def sync(descriptor: int) -> None:
            nonlocal left
            if left == 0:
                raise KeyboardInterrupt
            left -= 1
            real(descriptor)

        keys_before = len(key_file.read_text().split())
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", sync)
            try:
                rotate()
                stopped = False
            except KeyboardInterrupt:
                stopped = True
        assert_all_opens(tmp_path, trees)
        if stopped and len(key_file.read_text().split()) > keys_before:
            rotate()
            # A stop behind the very last step leaves nothing to end, so that run may have begun another.
            assert len(key_file.read_text().split()) - keys_before in (1, 2)
        newest = MasterKey.parse(key_file.read_text()).fingerprints()[0]
        assert {wrapped_under(storage / space_id) for space_id in SPACES} == {newest}
    assert rounds == 2 * 4 + 1  # a file and its directory are synced for each of the four


def test_old_keys_go_once_nothing_needs_them(
    tmp_path: Path, trees: Trees, storage: Path, key_file: Path, rotate: Callable[[], int]
) -> None:
    first = MasterKey.parse(key_file.read_text())
    rotate()
    rotated = MasterKey.parse(key_file.read_text())
    saved = (storage / SPACE_ID / "keys").read_bytes()
    (storage / SPACE_ID / "keys").write_bytes(b"damaged")
    with pytest.raises(OldKeysNeeded):
        drop_old_keys(storage, live(key_file))
    (storage / SPACE_ID / "keys").write_bytes(saved)
    with pytest.raises(OldKeysNeeded, match="not there"):
        drop_old_keys(storage, live(key_file), ["d" * 32])
    assert drop_old_keys(storage, live(key_file)) == 1
    assert key_file.read_text().split() == [key_file.read_text().strip()]
    assert MasterKey.parse(key_file.read_text()).fingerprints() == rotated.fingerprints()[:1] != first.fingerprints()
    assert_all_opens(tmp_path, trees)


def test_a_damaged_keys_file_is_said_and_the_other_spaces_are_done(trees: Trees, storage: Path, key_file: Path) -> None:
    (storage / SPACES[1] / "keys").write_bytes(b"damaged")
    done = rotate_keys(storage, live(key_file), lambda _: None)
    assert done.spaces == 2
    (loss,) = done.losses
    assert SPACES[1] in loss
    assert (storage / SPACES[1] / "keys").read_bytes() == b"damaged"


def test_a_key_from_the_environment_is_never_made_up(trees: Trees, storage: Path, key_file: Path) -> None:
    master = MasterKey.parse(key_file.read_text())
    with pytest.raises(NoNewKey):
        rotate_keys(storage, LiveMasterKey(master), lambda _: None)
    assert rotate_keys(storage, LiveMasterKey(master.with_new_key()), lambda _: None).spaces == 3


def test_a_link_to_the_key_on_another_device_stays_a_link(
    tmp_path: Path, trees: Trees, key_file: Path, rotate: Callable[[], int]
) -> None:
    elsewhere = tmp_path / "stick"
    key_file.rename(elsewhere)
    key_file.symlink_to(elsewhere)
    rotate()
    assert key_file.is_symlink()
    assert len(elsewhere.read_text().split()) == 2
    assert_all_opens(tmp_path, trees)


def test_the_script_rotates_beside_a_server_that_sees_the_key_change_and_no_other(
    tmp_path: Path,
    trees: Trees,
    key_file: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home = ["--home", str(tmp_path)]
    lock = HomeLock(tmp_path, key_file)
    assert manage_storage.main([*home, "rotate-key"]) == 0
    assert "3 spaces" in capsys.readouterr().out
    assert manage_storage.main([*home, "rotate-key", "--drop-old"]) == 0
    assert "1 old" in capsys.readouterr().out
    lock.release()
    for elsewhere in (None, tmp_path / "a copy that the service was given"):
        lock = HomeLock(tmp_path, elsewhere)
        before = key_file.read_text()
        assert manage_storage.main([*home, "rotate-key"]) == 1
        assert "stop it" in capsys.readouterr().err
        assert key_file.read_text() == before
        lock.release()
    lock = HomeLock(tmp_path, key_file)
    monkeypatch.setenv("SFOS_MASTER_KEY", key_file.read_text())
    assert manage_storage.main([*home, "rotate-key"]) == 1
    lock.release()
    monkeypatch.delenv("SFOS_MASTER_KEY")
    assert_all_opens(tmp_path, trees)


def is_free(directory: Path, how: int = fcntl.LOCK_EX) -> bool:
    """Whether somebody else could have the lock on it, alone (or, with LOCK_SH, beside others)."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def test_no_two_rotations_give_a_space_a_new_data_key_at_once(
    trees: Trees, storage: Path, rotate: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would be two keys of one number, and what one of them has sealed by then would open no more."""
    real = write_keys
    written: list[str] = []

    def write(directory: Path, keys: SpaceKeys, master: MasterKey) -> None:
        assert not is_free(directory)
        written.append(directory.name)
        real(directory, keys, master)

    monkeypatch.setattr(rotate_module, "write_keys", write)
    assert rotate() == 3
    assert sorted(written) == sorted(SPACES)
    assert all(is_free(storage / space_id) for space_id in SPACES)


def test_no_master_key_goes_while_a_space_is_made_under_it(
    tmp_path: Path, storage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = write_keys
    held: list[bool] = []

    def write(directory: Path, keys: SpaceKeys, master: MasterKey) -> None:
        held.append(not is_free(storage))
        real(directory, keys, master)

    monkeypatch.setattr(space_directory, "write_keys", write)
    registry = open_registry(tmp_path)
    with registry.lease(SPACE_ID):
        pass
    registry.close()
    assert held == [True]
    assert is_free(storage)


def test_no_space_is_made_while_a_master_key_comes_or_goes(
    trees: Trees, storage: Path, key_file: Path, rotate: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the look at what is there to the change of the file: a space made in between would be under neither look."""
    held: list[bool] = []
    look, replace = rotate_module._sorted, LiveMasterKey.replace

    def looking(*arguments: Any) -> tuple[list[Path], list[Path]]:
        held.append(not is_free(storage, fcntl.LOCK_SH))
        return look(*arguments)

    def replacing(self: LiveMasterKey, master: MasterKey) -> None:
        held.append(not is_free(storage, fcntl.LOCK_SH))
        replace(self, master)

    monkeypatch.setattr(rotate_module, "_sorted", looking)
    monkeypatch.setattr(LiveMasterKey, "replace", replacing)
    assert rotate() == 3
    assert held == [True, True]
    assert drop_old_keys(storage, live(key_file)) == 1
    assert held == [True] * 4
    assert is_free(storage)
