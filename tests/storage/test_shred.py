"""A shredded space is gone for good, and nothing else is touched."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sfos import config
from sfos.programs import manage as manage_storage
from sfos.protocol import MIN_ITERATIONS, make_verifier
from sfos.server.disk.storage_faults import KeysDamaged
from sfos.server.home import open_spaces
from sfos.server.identity.credential_file import CredentialFile
from sfos.server.maintenance.recover import recover_space
from sfos.server.maintenance.shred import shred_space
from sfos.server.maintenance.whole_home import shred_user
from sfos.server.process.home_lock import HomeLock
from sfos.server.spaces.known_spaces import KNOWN_FILE, KnownSpaces
from sfos.server.spaces.registry import SpaceRegistry
from sfos.server.vault.master import MasterKey
from tests.storage import child
from tests.storage.conftest import SPACE_ID
from tests.storage.desk import Desk
from tests.storage.kill_points import KillPoints

OTHER = "a" * 32


@pytest.fixture
def stored(new_registry: Callable[..., SpaceRegistry], tmp_path: Path) -> Path:
    registry = new_registry()
    for space_id in (SPACE_ID, OTHER):
        with registry.lease(space_id) as space:
            Desk(space).put("/file", os.urandom(150_000))
    registry.close()
    return tmp_path / "server_storage" / SPACE_ID


def test_the_keys_are_overwritten_before_anything_is_removed(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second name for the file (or a look at the disk's blocks) shows no token in it."""
    second = stored.parent.parent / "second name"
    second.hardlink_to(stored / "keys")
    before = second.read_bytes()
    present: list[bool] = []
    real = shutil.rmtree

    def remove(path: Path) -> None:
        present.append((path / "keys").exists())
        real(path)

    monkeypatch.setattr(shutil, "rmtree", remove)
    shred_space(stored)
    assert present == [False]
    assert len(second.read_bytes()) == len(before)
    assert b"sfos-keys" not in second.read_bytes()
    assert not stored.exists()
    assert (stored.parent / OTHER / "keys").is_file()


def test_an_interrupted_shredding_has_destroyed_the_keys_and_can_be_ended(
    stored: Path, tmp_path: Path, master: MasterKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:

        def die(_: Path) -> None:
            raise KeyboardInterrupt

        patched.setattr(shutil, "rmtree", die)
        with pytest.raises(KeyboardInterrupt):
            shred_space(stored)
    with pytest.raises(KeysDamaged):
        recover_space(stored, SPACE_ID, master, tmp_path / "out")
    shred_space(stored)
    assert not stored.exists()


def test_the_script_asks_for_the_name_and_shreds_only_that(
    stored: Path,
    tmp_path: Path,
    master_text: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SFOS_MASTER_KEY", master_text)
    (tmp_path / "secrets").mkdir()
    accounts = CredentialFile(tmp_path / "secrets" / "credentials.json")
    alice = accounts.add("alice", make_verifier("a password for alice", bytes(16), MIN_ITERATIONS))
    directory = stored.rename(stored.with_name(alice.user_id))
    known = KnownSpaces(tmp_path / "secrets" / KNOWN_FILE)
    known.add(alice.user_id, OTHER, "b" * 32)
    home = ["--home", str(tmp_path)]
    for typed in ("alic\n", ""):
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        assert manage_storage.main([*home, "shred", "alice"]) == 1
        assert "nothing was shredded" in capsys.readouterr().err
    lock = HomeLock(tmp_path)
    assert manage_storage.main([*home, "shred", "alice", "--yes"]) == 1
    lock.release()
    assert directory.is_dir()
    monkeypatch.setattr("sys.stdin", io.StringIO("alice\n"))
    assert manage_storage.main([*home, "shred", "alice"]) == 0
    assert not directory.exists()
    assert manage_storage.main([*home, "shred", "alice", "--yes"]) == 1
    assert manage_storage.main([*home, "shred", OTHER, "--yes"]) == 0
    assert list((tmp_path / "server_storage").iterdir()) == []
    # What was shredded is missed by nobody; what is away for another reason still is.
    assert (tmp_path / "secrets" / KNOWN_FILE).read_text() == "b" * 32 + "\n"


@pytest.mark.allows_errors("a server that meets half-shredded keys says that they are damaged")
@pytest.mark.parametrize("restarted", [False, True])
def test_a_shredding_that_is_killed_anywhere_is_ended_by_the_next_and_nobody_misses_the_space(
    stored: Path, tmp_path: Path, master_text: str, monkeypatch: pytest.MonkeyPatch, restarted: bool
) -> None:
    """`restarted`: a server has found the home as it was left in between."""
    monkeypatch.setenv("SFOS_MASTER_KEY", master_text)
    template, home = tmp_path / "template", tmp_path / "home"
    (template / "secrets").mkdir(parents=True)
    accounts = CredentialFile(template / "secrets" / "credentials.json")
    alice = accounts.add("alice", make_verifier("a password for alice", bytes(16), MIN_ITERATIONS))
    stored.parent.rename(template / "server_storage")
    (template / "server_storage" / SPACE_ID).rename(template / "server_storage" / alice.user_id)
    KnownSpaces(template / "secrets" / KNOWN_FILE).add(alice.user_id, OTHER)
    loaded = config.load(environ={"SFOS_STORAGE_FREE_SPACE_FLOOR_BYTES": "0"}, home=home)

    def shredded(at: int) -> bool:
        """Whether it came to its end."""

        def task(_: child.Say) -> None:
            KillPoints(at).install()
            shred_user(loaded, "alice", sure=True)

        return not child.run(task).killed

    kills, done = 0, False
    while not done:
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(template, home)
        done = shredded(kills)
        if restarted:
            open_spaces(loaded).close()
        if (home / "server_storage" / alice.user_id).exists():
            assert not done
            assert shred_user(loaded, "alice", sure=True)
        assert [path.name for path in (home / "server_storage").iterdir()] == [OTHER]
        assert (home / "secrets" / KNOWN_FILE).read_text() == f"{OTHER}\n"
        kills += not done
    assert kills >= 10
