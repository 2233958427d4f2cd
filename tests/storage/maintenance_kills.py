"""Maintenance that is killed in the middle: what each command begins with, does, and must have left afterwards."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from sfos.server.chunks.files import LocalFiles
from sfos.server.disk.storage_faults import KeysDamaged, MasterKeyWrong
from sfos.server.maintenance.backup import back_up
from sfos.server.maintenance.backup_layout import snapshots_in
from sfos.server.maintenance.expire import expire_history
from sfos.server.maintenance.restore import find_snapshot, restore
from sfos.server.maintenance.rotate import drop_old_keys
from sfos.server.maintenance.shred import shred_space
from sfos.server.maintenance.verify import verify_space
from sfos.server.spaces.restore_mark import RestoreUnfinished
from sfos.server.vault.keyring import read_keys
from sfos.server.vault.master import LiveMasterKey
from tests.storage.after_crash import KEPT, SPACES, check_rotation, prepare_spaces
from tests.storage.crashing import DAY_MS, Acknowledge, open_registry, rotate
from tests.storage.desk import Desk

BACKUPS = "backups"
ACCOUNTS = b"the accounts of this home"
OLD_DAYS = 200

Tree = dict[str, bytes | None]


@dataclass(frozen=True)
class Command:
    """A command to be killed: the home that it begins with, what it does, and what must hold however it ended."""

    name: str
    prepare: Callable[[Path], None]
    script: Callable[[Path, Acknowledge, LocalFiles | None], None]
    check: Callable[[Path, int], None]


def live(home: Path) -> LiveMasterKey:
    return LiveMasterKey.load(home / "master.key", None, may_create=False)


def trees(home: Path, *, ahead_ms: int = 0) -> dict[str, Tree]:
    """Trees of all spaces; each has to verify clean."""
    found: dict[str, Tree] = {}
    with closing(open_registry(home, ahead_ms=ahead_ms)) as registry:
        for space_id in registry.space_ids():
            with registry.lease(space_id, create=False) as space, registry.inspect(space_id) as context:
                assert verify_space(context, full=True).findings == []
                found[space_id] = Desk(space).tree()
    return found


# --- expire ---------------------------------------------------------------------------------------------------------


def prepare_history(home: Path) -> None:
    """A file with many versions and deleted ones beside it."""
    prepare_spaces(home)
    with closing(open_registry(home)) as registry, registry.lease(SPACES[0]) as space:
        desk = Desk(space)
        for number in range(4):
            desk.put("/versions", b"version %d" % number)
            desk.put(f"/gone/{number}", b"deleted")
        desk.delete("/gone")


def expire(home: Path, acknowledge: Acknowledge, files: LocalFiles | None = None) -> None:
    """Forget all history, 200 days later."""
    registry = open_registry(home, ahead_ms=OLD_DAYS * DAY_MS, files=files)
    with closing(registry), registry.inspect(SPACES[0]) as context:
        expire_history(context, 90 * DAY_MS)
    acknowledge(0)


def check_expiry(home: Path, acknowledged: int) -> None:
    assert trees(home)[SPACES[0]] == {"/kept": KEPT, "/versions": b"version 3"}
    registry = open_registry(home, ahead_ms=OLD_DAYS * DAY_MS)
    with closing(registry), registry.inspect(SPACES[0]) as context:
        again = expire_history(context, 90 * DAY_MS)
        assert not (acknowledged and again.states)
        assert verify_space(context, full=True).states == 3  # the root and two files


# --- the old master key dropped -----------------------------------------------------------------------------------


def prepare_rotated(home: Path) -> None:
    prepare_spaces(home)
    rotate(home, lambda _: None)


def drop_old(home: Path, acknowledge: Acknowledge, _: LocalFiles | None = None) -> None:
    drop_old_keys(home / "server_storage", live(home))
    acknowledge(0)


def check_dropped(home: Path, acknowledged: int) -> None:
    expected: dict[str, Tree] = {space_id: {"/kept": KEPT} for space_id in SPACES}
    assert trees(home) == expected
    drop_old(home, lambda _: None)
    assert len((home / "master.key").read_text().split()) == 1
    assert trees(home) == expected


# --- backup -------------------------------------------------------------------------------------------------------


def prepare_backed_up(home: Path) -> None:
    """A home with a backup, and something new since."""
    prepare_spaces(home)
    (home / "credentials.json").write_bytes(ACCOUNTS)
    backup(home, lambda _: None)
    with closing(open_registry(home)) as registry, registry.lease(SPACES[0]) as space:
        Desk(space).put("/kept", b"another version")
        Desk(space).put("/new", KEPT[::-1])


def backup(home: Path, acknowledge: Acknowledge, _: LocalFiles | None = None) -> None:
    """Add a snapshot, and let the older ones go."""
    now = dt.datetime.now(dt.UTC)
    done = back_up(
        home / "server_storage", home / "credentials.json", home / BACKUPS, lambda: now, lambda _: None, keep=1
    )
    assert done.losses == []
    acknowledge(0)


def check_backup(home: Path, acknowledged: int) -> None:
    """Whatever looks like a snapshot is a whole one, the newest or the one before; the next backup is as any."""
    before: dict[str, Tree] = {space_id: {"/kept": KEPT} for space_id in SPACES}
    now = trees(home)
    for snapshot in snapshots_in(home / BACKUPS):
        assert restored(home, snapshot) in (before, now)
    assert snapshots_in(home / BACKUPS)
    backup(home, lambda _: None)
    (snapshot,) = snapshots_in(home / BACKUPS)
    assert restored(home, snapshot) == now


def restored(home: Path, snapshot: Path) -> dict[str, Tree]:
    """Trees of a snapshot, restored into a home of its own."""
    other = home / "elsewhere"
    shutil.rmtree(other, ignore_errors=True)
    other.mkdir()
    shutil.copy(home / "master.key", other)
    _restore(home / BACKUPS, snapshot, other)
    return trees(other)


# --- restore --------------------------------------------------------------------------------------------------------


def prepare_lost(home: Path) -> None:
    """A backup, and nothing else."""
    prepare_backed_up(home)
    backup(home, lambda _: None)
    shutil.rmtree(home / "server_storage")
    (home / "credentials.json").unlink()


def bring_back(home: Path, acknowledge: Acknowledge, _: LocalFiles | None = None) -> None:
    _restore(home / BACKUPS, find_snapshot(home / BACKUPS, None), home)
    acknowledge(0)


def _restore(backups: Path, snapshot: Path, home: Path) -> None:
    done = restore(backups, snapshot, home / "server_storage", home / "temp", home / "credentials.json", live(home))
    assert done.losses == []


def check_restored(home: Path, acknowledged: int) -> None:
    """Nothing is to be had before all is; then it can be run again, and all is there."""
    whole: dict[str, Tree] = {space_id: {"/kept": KEPT} for space_id in SPACES}
    whole[SPACES[0]] = {"/kept": b"another version", "/new": KEPT[::-1]}
    try:
        found = trees(home)
    except RestoreUnfinished:
        found = {}
        with pytest.raises(RestoreUnfinished):
            backup(home, lambda _: None)
    if not found:
        assert not acknowledged
        bring_back(home, lambda _: None)
        found = trees(home)
    assert found == whole
    assert (home / "credentials.json").read_bytes() == ACCOUNTS
    assert list((home / "temp").iterdir()) == []


# --- shred ----------------------------------------------------------------------------------------------------------


def shred(home: Path, acknowledge: Acknowledge, _: LocalFiles | None = None) -> None:
    shred_space(home / "server_storage" / SPACES[0])
    acknowledge(0)


def check_shredded(home: Path, acknowledged: int) -> None:
    """Untouched, or unreadable for good; again, and it is gone. The others never notice."""
    directory = home / "server_storage" / SPACES[0]
    if directory.is_dir():
        assert not acknowledged
        try:
            read_keys(directory, bytes.fromhex(SPACES[0]), live(home).current())
        except (KeysDamaged, MasterKeyWrong):
            pass
        else:
            assert trees(home)[SPACES[0]] == {"/kept": KEPT}
        shred(home, lambda _: None)
    assert trees(home) == {space_id: {"/kept": KEPT} for space_id in SPACES[1:]}


COMMANDS = (
    Command("expire", prepare_history, expire, check_expiry),
    Command("rotate", prepare_spaces, rotate, check_rotation),
    Command("drop-old", prepare_rotated, drop_old, check_dropped),
    Command("backup", prepare_backed_up, backup, check_backup),
    Command("restore", prepare_lost, bring_back, check_restored),
    Command("shred", prepare_spaces, shred, check_shredded),
)
