"""Keys: made once, never lost by a mistake, and wrong ones refused before anything is written."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from sfos import config
from sfos.protocol import StorageFailed
from sfos.server.disk.storage_faults import (
    KeysDamaged,
    MasterKeyMissing,
    MasterKeyUnreadable,
    MasterKeyWrong,
    StorageMisplaced,
)
from sfos.server.home import open_spaces
from sfos.server.spaces.registry import SpaceRegistry
from sfos.server.vault.keyring import SpaceKeys, read_keys, wrapped_under, write_keys
from sfos.server.vault.master import LiveMasterKey, MasterKey, load_master_key
from tests.storage.conftest import SPACE_ID
from tests.storage.desk import Desk

SPACE = bytes.fromhex(SPACE_ID)


def tree_of(home: Path) -> dict[str, bytes]:
    return {str(path.relative_to(home)): path.read_bytes() for path in sorted(home.rglob("*")) if path.is_file()}


def test_the_master_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "master.key"
    made = load_master_key(path, None, may_create=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = load_master_key(path, None, may_create=True)
    assert again.unwrap(made.wrap(b"x")) == b"x"


def test_no_new_master_key_is_made_where_spaces_are_stored(tmp_path: Path) -> None:
    with pytest.raises(MasterKeyMissing, match="put the key file back"):
        load_master_key(tmp_path / "master.key", None, may_create=False)
    assert not list(tmp_path.iterdir())


def test_a_key_from_the_environment_comes_before_the_file(tmp_path: Path) -> None:
    given = Fernet.generate_key().decode()
    key = load_master_key(tmp_path / "master.key", given, may_create=True)
    assert key.unwrap(Fernet(given).encrypt(b"x")) == b"x"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["", "not a key", "AAAA", "K0RH9hioBoROj3N_i2iBdl_5SSuRu5Oc43mr4THGaNU= short"])
def test_an_unreadable_master_key_says_so_without_showing_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "master.key"
    path.write_text(text)
    with pytest.raises(MasterKeyUnreadable) as caught:
        load_master_key(path, None, may_create=True)
    assert str(path) in str(caught.value)
    assert not text or text not in str(caught.value)


def test_of_several_master_keys_the_first_wraps_and_all_unwrap() -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    wrapped = MasterKey.parse(old).wrap(b"x")
    both = MasterKey.parse(f"{new},{old}")
    assert both.unwrap(wrapped) == b"x"
    assert MasterKey.parse(new).unwrap(both.wrap(b"y")) == b"y"
    assert MasterKey.parse(new).unwrap(wrapped) is None


def test_a_wrong_master_key_is_one_clear_error_and_nothing_is_written(
    tmp_path: Path, new_registry: Callable[..., SpaceRegistry]
) -> None:
    registry = new_registry()
    with registry.lease(SPACE_ID) as space:
        Desk(space).put("/a.txt", b"data")
    registry.close()
    before = tree_of(tmp_path)
    with pytest.raises(MasterKeyWrong, match="not made under this master key"):
        new_registry(key=MasterKey([Fernet.generate_key().decode()]))
    assert tree_of(tmp_path) == before


def test_the_registry_of_a_configuration_makes_its_key_and_keeps_it(tmp_path: Path) -> None:
    settings = config.load(environ={}, home=tmp_path)
    for _ in range(2):
        registry = open_spaces(settings)
        with registry.lease(SPACE_ID) as space:
            assert space.info().space == SPACE_ID
        registry.close()
    settings.storage.master_key_file.unlink()
    with pytest.raises(MasterKeyMissing):
        open_spaces(settings)


def test_the_registry_takes_the_key_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = config.load(environ={"SFOS_STORAGE_MASTER_KEY_SOURCE": "environment"}, home=tmp_path)
    with pytest.raises(MasterKeyMissing, match="SFOS_MASTER_KEY"):
        open_spaces(settings)
    monkeypatch.setenv("SFOS_MASTER_KEY", Fernet.generate_key().decode())
    registry = open_spaces(settings)
    with registry.lease(SPACE_ID):
        pass
    registry.close()
    assert not settings.storage.master_key_file.exists()


def test_the_keys_file_survives_a_round_trip_and_hides_every_key(tmp_path: Path, master: MasterKey) -> None:
    keys = SpaceKeys.generate(SPACE)
    write_keys(tmp_path, keys, master)
    assert read_keys(tmp_path, SPACE, master) == keys
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o600
    stored = (tmp_path / "keys").read_bytes()
    for secret in (keys.name, keys.chunk_id, keys.catalog, keys.data[1]):
        assert secret not in stored
    assert "data-1" not in repr(keys)


def test_the_keys_of_another_space_are_refused(tmp_path: Path, master: MasterKey) -> None:
    write_keys(tmp_path, SpaceKeys.generate(bytes(16)), master)
    with pytest.raises(KeysDamaged, match="belongs to space"):
        read_keys(tmp_path, SPACE, master)


@pytest.mark.parametrize("damage", ["cut", "flip", "gone", "other"])
def test_a_damaged_keys_file_is_told_from_a_wrong_master_key(tmp_path: Path, master: MasterKey, damage: str) -> None:
    write_keys(tmp_path, SpaceKeys.generate(SPACE), master)
    path = tmp_path / "keys"
    text = path.read_text()
    if damage == "gone":
        path.unlink()
    else:
        path.write_text({"cut": text[:60], "flip": text[:-9] + "AAAA" + text[-5:], "other": "x y z"}[damage])
    with pytest.raises(KeysDamaged):
        read_keys(tmp_path, SPACE, master)


@pytest.mark.allows_errors("the damaged keys are logged")
def test_one_space_with_damaged_keys_does_not_stop_the_others(
    tmp_path: Path, new_registry: Callable[..., SpaceRegistry]
) -> None:
    registry = new_registry()
    for number in range(2):
        with registry.lease(f"{number:032x}") as space:
            Desk(space).put("/a", b"data")
    registry.close()
    (tmp_path / "server_storage" / f"{0:032x}" / "keys").write_text("garbage")
    with new_registry().lease(f"{1:032x}") as space:
        assert Desk(space).read("/a") == b"data"


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="only on Linux: needs a second device")
def test_temp_on_another_device_is_refused_at_the_start(tmp_path: Path, master: MasterKey) -> None:
    elsewhere = Path("/dev/shm") / f"sfos-{os.getpid()}"
    try:
        with pytest.raises(StorageMisplaced, match="same device"):
            SpaceRegistry(tmp_path / "server_storage", elsewhere, master)
    finally:
        elsewhere.rmdir()


@pytest.mark.allows_errors("what cannot be read is logged")
def test_keys_that_cannot_be_read_now_are_not_called_damaged(
    tmp_path: Path, new_registry: Callable[..., SpaceRegistry], caplog: pytest.LogCaptureFixture
) -> None:
    registry = new_registry()
    with registry.lease(SPACE_ID):
        pass
    registry.close()
    keys = tmp_path / "server_storage" / SPACE_ID / "keys"
    kept = keys.rename(keys.with_name("kept"))
    keys.mkdir()  # reading it is an error of the system, not damage
    registry = new_registry()
    with pytest.raises(StorageFailed), registry.lease(SPACE_ID):
        pass
    assert "restore it from a backup" not in caplog.text
    keys.rmdir()
    kept.rename(keys)
    with registry.lease(SPACE_ID):
        pass


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only on accounts that may give files away")
def test_what_root_rotates_the_server_can_still_read(tmp_path: Path, master: MasterKey) -> None:
    keys = SpaceKeys.generate(SPACE)
    write_keys(tmp_path, keys, master)
    os.chown(tmp_path / "keys", 65_534, 65_534)
    write_keys(tmp_path, keys.with_new_data_key(), master)
    found = (tmp_path / "keys").stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (65_534, 65_534, 0o600)


def test_a_master_key_file_is_read_again_when_it_changes_and_kept_while_it_is_away(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "master.key"
    live = LiveMasterKey.load(path, None, may_create=True)
    first = live.current()
    assert live.current() is first
    rotated = first.with_new_key()
    rotated.write(path)
    assert live.current().fingerprints() == rotated.fingerprints()
    path.rename(tmp_path / "on a stick")
    assert live.current().fingerprints() == rotated.fingerprints()
    (tmp_path / "on a stick").rename(path)
    rotated.newest_only().write(path)
    assert live.current().fingerprints() == rotated.fingerprints()[:1]


@pytest.mark.allows_errors("the unreadable key is logged")
def test_a_master_key_file_that_is_spoilt_beside_a_server_changes_nothing_for_it(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    live = LiveMasterKey.load(path, None, may_create=True)
    before = live.current()
    path.write_text("half a k")
    assert live.current() is before


@pytest.mark.allows_errors("the unreadable key is logged")
@pytest.mark.parametrize("code", [errno.EMFILE, errno.EIO])
def test_a_master_key_that_the_system_does_not_let_be_read_is_read_at_the_next_look_and_nothing_wrapped_until_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    path = tmp_path / "master.key"
    live = LiveMasterKey.load(path, None, may_create=True)
    before = live.current()
    rotated = before.with_new_key()
    rotated.write(path)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_text", failing(code))
        for _ in range(3):
            assert live.current() is before
            with pytest.raises(MasterKeyUnreadable):
                live.newest()
    assert sum("stays in use" in record.message for record in caplog.records) == 1
    assert live.newest().fingerprints() == rotated.fingerprints()
    assert live.current() is live.newest()


@pytest.mark.allows_errors("the unreadable key is logged")
def test_no_space_is_made_under_a_master_key_that_is_known_to_be_an_older_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its keys would not open once the old master key is dropped."""
    path = tmp_path / "secrets" / "master.key"
    loaded = config.load(environ={"SFOS_STORAGE_FREE_SPACE_FLOOR_BYTES": "0"}, home=tmp_path)
    with closing(open_spaces(loaded)) as registry:
        rotated = MasterKey.parse(path.read_text()).with_new_key()
        rotated.write(path)
        with monkeypatch.context() as patched:
            patched.setattr(Path, "read_text", failing(errno.EMFILE))
            with pytest.raises(StorageFailed), registry.lease(SPACE_ID):
                pass
        assert registry.space_ids() == []
        assert list((tmp_path / "temp").iterdir()) == []
        with registry.lease(SPACE_ID):
            pass
        assert wrapped_under(tmp_path / "server_storage" / SPACE_ID) == rotated.fingerprints()[0]


def failing(code: int) -> Callable[..., str]:
    def read_text(*_: object, **__: object) -> str:
        raise OSError(code, os.strerror(code))

    return read_text


def test_keys_extend_others_if_they_open_all_that_those_opened() -> None:
    keys = SpaceKeys.generate(SPACE)
    more = keys.with_new_data_key()
    assert more.extends(keys)
    assert keys.extends(keys)
    assert not keys.extends(more)
    assert not keys.with_new_data_key().extends(more), "another key of the same number"
    assert not SpaceKeys.generate(SPACE).extends(keys)
