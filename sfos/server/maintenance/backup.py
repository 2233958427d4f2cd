"""A backup of everything that is stored, consistent while the server runs. Needs no key: what is stored is sealed.

For each space, in this order: a snapshot of its catalog (SQLite's backup, one state of it), the chunks that this
snapshot names, and last the keys, so that they open all of it. Garbage collection is held off from before the snapshot
to after the last chunk. Chunks that the backup has already are not copied again.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sfos.server.catalog.head import HEAD_FILE, Head
from sfos.server.chunks.local import CHUNKS_DIRECTORY, SMALL_FILE
from sfos.server.chunks.small_files import copy_small
from sfos.server.disk.durable_files import sync_directory, write_durably
from sfos.server.disk.locks import LockTaken, locked
from sfos.server.disk.sqlite import DatabaseError, open_database
from sfos.server.disk.storage_faults import StorageFault
from sfos.server.maintenance.backup_layout import (
    ACCOUNTS_FILE,
    LOSSES_FILE,
    MARKER,
    SNAPSHOTS,
    STORES,
    NoBackup,
    copy_chunks,
    copy_durably,
    read_named,
    small_file,
    snapshots_in,
)
from sfos.server.maintenance.lease import backup_lease
from sfos.server.maintenance.prune import prune_backups
from sfos.server.spaces.directory import CATALOG_FILE, is_space_id
from sfos.server.spaces.restore_mark import check_restored
from sfos.server.vault.keyring import KEYS_FILE

_PARTIAL = ".partial"


class NotForBackups(StorageFault):
    """A backup needs a directory of its own: an empty one, or one with backups in it."""


class BackupRunning(StorageFault):
    """Another backup into this directory is running."""


@dataclass(slots=True)
class BackedUp:
    """Result of a backup. `snapshot`: where it can be found. `losses`: a sentence for each thing that could not be
    backed up."""

    snapshot: Path
    spaces: int = 0
    chunks: int = 0
    kept: int = 0
    pruned: int = 0
    losses: list[str] = field(default_factory=list)


def back_up(
    storage_dir: Path,
    accounts: Path,
    directory: Path,
    now: Callable[[], dt.datetime],
    said: Callable[[str], None],
    *,
    keep: int | None = None,
) -> BackedUp:
    """Add a snapshot of all spaces to the backups in `directory`; durable, and visible only when whole.

    Safe beside a running server, and beside everything else. `said` hears of each space that is done.
    `keep`: so many snapshots stay, this one included, provided that it lacks nothing; None is all.
    Raises: NotForBackups, BackupRunning, RestoreUnfinished, OSError, DatabaseError (of `directory`'s own databases).
    """
    check_restored(storage_dir)
    with _opened(storage_dir, directory):
        partial = directory / SNAPSHOTS / _PARTIAL
        if partial.exists():  # of a backup that was interrupted; its chunks are of use all the same
            shutil.rmtree(partial)
        partial.mkdir(mode=0o700)
        older = snapshots_in(directory)
        number = int(older[-1].name.partition("-")[0]) + 1 if older else 1
        name = f"{number:06}-{now().astimezone(dt.UTC):%Y%m%dT%H%M%SZ}"
        done = BackedUp(directory / SNAPSHOTS / name)
        for source in sorted(storage_dir.iterdir()):
            if is_space_id(source.name) and source.is_dir():
                _back_up_space(source, directory / STORES / source.name, partial / source.name, done)
                said(source.name)
        if accounts.is_file():
            copy_durably(accounts, partial / ACCOUNTS_FILE)
        else:
            done.losses.append(f"the accounts: {accounts} is not there")
        if done.losses:
            write_durably(partial / LOSSES_FILE, "".join(f"{loss}\n" for loss in done.losses).encode(), mode=0o600)
        sync_directory(partial)
        partial.rename(done.snapshot)
        sync_directory(done.snapshot.parent)
        if keep is not None and not done.losses:  # an older snapshot may have what this one could not get
            done.pruned = prune_backups(directory, keep)
        return done


def _back_up_space(source: Path, store: Path, snapshot: Path, done: BackedUp) -> None:
    losses: list[str] = []
    try:
        store.mkdir(mode=0o700, parents=True, exist_ok=True)
        sync_directory(store.parent)
        snapshot.mkdir(mode=0o700)
        with backup_lease(source):
            _copy_catalog(source / CATALOG_FILE, snapshot / CATALOG_FILE)
            named = read_named(snapshot / CATALOG_FILE)
            copied = copy_chunks(source / CHUNKS_DIRECTORY, store / CHUNKS_DIRECTORY, named.on_disk, losses)
            copied += copy_small(source / SMALL_FILE, store / small_file(named.epoch), named.small, losses)
        copy_durably(source / KEYS_FILE, snapshot / KEYS_FILE)
        write_durably(snapshot / HEAD_FILE, Head(named.epoch, named.seq, named.digest).to_line(), mode=0o600)
        sync_directory(store)
    except (DatabaseError, FileNotFoundError, NoBackup) as error:
        # This space is hurt, or was removed meanwhile; a full or broken disk of the backup is no matter of one space.
        if snapshot.is_dir():
            shutil.rmtree(snapshot)
        done.losses.append(f"space {source.name}: not backed up: {error}")
        return
    done.spaces += 1
    done.chunks += copied
    done.kept += len(named.on_disk) + len(named.small) - copied - len(losses)
    done.losses += [f"space {source.name}: {loss}" for loss in losses]


def _copy_catalog(source: Path, target: Path) -> None:
    """One state of the catalog, as a file on its own, durable. Raises: FileNotFoundError, DatabaseError."""
    if not source.is_file():
        raise FileNotFoundError(f"{source} is not there")
    target.touch(mode=0o600)
    with open_database(source, "rw") as reading, open_database(target, "rw") as writing:
        reading.backup(writing)  # all pages in one step: writers of a write-ahead log are not held up by it
        writing.execute("PRAGMA journal_mode = DELETE")
    descriptor = os.open(target, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _opened(storage_dir: Path, directory: Path) -> Iterator[None]:
    """The backup directory, made at need, for one backup at a time."""
    place = directory.resolve()
    if place.is_relative_to(storage_dir.resolve()) or storage_dir.resolve().is_relative_to(place):
        raise NotForBackups(f"{directory} is in {storage_dir}, or around it")
    if not storage_dir.is_dir():
        raise FileNotFoundError(f"{storage_dir} is not there")
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    marker = directory / MARKER
    if not marker.is_file():
        if any(directory.iterdir()):
            raise NotForBackups(str(directory))
        write_durably(marker, b"sfos-backup-1\n", mode=0o600)
    for name in (STORES, SNAPSHOTS):
        (directory / name).mkdir(mode=0o700, exist_ok=True)
    sync_directory(directory)
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(locked(marker, wait=False))
        except LockTaken as error:
            raise BackupRunning(str(directory)) from error
        yield
