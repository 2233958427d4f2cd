"""A backup of everything that is stored, consistent while the server runs. Needs no key: what is stored is sealed.

For each space, in this order: a snapshot of its catalog (SQLite's backup, one state of it), the chunks that this
snapshot names, and last the keys, so that they open all of it. Garbage collection is held off from before the snapshot
to after the last chunk. Chunks and pages of catalogs that the backup has already are not kept again.
"""

from __future__ import annotations

import datetime as dt
import errno
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sfos.server.catalog.head import HEAD_FILE, Head
from sfos.server.chunks.local import CHUNKS_DIRECTORY, SMALL_FILE
from sfos.server.chunks.small_files import add_small
from sfos.server.disk.durable_files import sync_directory, write_durably
from sfos.server.disk.refusals import told
from sfos.server.disk.sqlite import DatabaseError, open_database
from sfos.server.maintenance.backup_layout import (
    ACCOUNTS_FILE,
    LOSSES_FILE,
    SNAPSHOTS,
    STORES,
    NoBackup,
    copy_durably,
    small_file,
    snapshots_in,
)
from sfos.server.maintenance.backup_marker import marked
from sfos.server.maintenance.catalog_pages import BackupDamaged, CatalogPages, catalog_pages, write_image
from sfos.server.maintenance.chunk_files import copy_chunk_files
from sfos.server.maintenance.lease import backup_lease
from sfos.server.maintenance.named_chunks import NamedChunks, named_chunks
from sfos.server.maintenance.progress import Progress, silent
from sfos.server.maintenance.prune import prune_backups
from sfos.server.spaces.directory import CATALOG_FILE, is_space_id
from sfos.server.spaces.restore_mark import check_restored
from sfos.server.vault.keyring import KEYS_FILE

_PARTIAL = ".partial"
_COPY = ".catalog.db"  # of the catalog, within a partial snapshot, until its pages are kept
_PAGES_AT_ONCE = 4_096


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
    progress: Callable[[str], Progress] = lambda _: silent,
) -> BackedUp:
    """Add a snapshot of all spaces to the backups in `directory`; durable, and visible only when whole.

    Safe beside a running server, and beside everything else. `said` hears of each space that is done, and `progress`
    gives who hears how far it is with one. `keep`: so many snapshots stay, this one included, provided that it lacks
    nothing; None is all.
    Raises: NotForBackups, BackupTooNew, BackupRunning, RestoreUnfinished, OSError, DatabaseError.
    """
    check_restored(storage_dir)
    with marked(storage_dir, directory):
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
                here = progress(source.name)
                if _back_up_space(source, directory / STORES / source.name, partial / source.name, done, here):
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


def _back_up_space(source: Path, store: Path, snapshot: Path, done: BackedUp, progress: Progress) -> bool:
    """Whether it is in the snapshot now. Raises: OSError for the backup's own disk."""
    losses: list[str] = []
    try:
        store.mkdir(mode=0o700, parents=True, exist_ok=True)
        sync_directory(store.parent)
        snapshot.mkdir(mode=0o700)
        copy = snapshot / _COPY
        with backup_lease(source), catalog_pages(store, create=True) as pages:
            _copy_catalog(source / CATALOG_FILE, copy, progress)
            with named_chunks(copy) as named:
                copied = _copy_chunks(source, store, named, pages, losses, progress)
            write_image(snapshot, pages.add(copy, progress))
        copy.unlink()
        copy_durably(source / KEYS_FILE, snapshot / KEYS_FILE)
        write_durably(snapshot / HEAD_FILE, Head(named.epoch, named.seq, named.digest).to_line(), mode=0o600)
        sync_directory(store)
    except (DatabaseError, FileNotFoundError, NoBackup, BackupDamaged) as error:
        # This space is hurt, or was removed meanwhile; a full or broken disk of the backup is no matter of one space.
        if isinstance(error, DatabaseError) and error.path.parent != source and error.is_full():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(error.path)) from error
        if snapshot.is_dir():
            shutil.rmtree(snapshot)
        done.losses.append(f"space {source.name}: not backed up: {told(error)}")
        return False
    done.spaces += 1
    done.chunks += copied
    done.kept += named.small + named.on_disk - copied - len(losses)
    done.losses += [f"space {source.name}: {loss}" for loss in losses]
    return True


def _copy_chunks(
    source: Path, store: Path, named: NamedChunks, pages: CatalogPages, losses: list[str], progress: Progress
) -> int:
    """Copy what the catalog names and the backup lacks; how many chunks."""
    small = add_small(
        source / SMALL_FILE,
        store / small_file(named.epoch),
        named.each_small(),
        pages.next_generation(),
        losses,
        lambda looked: progress("small chunks", looked, named.small),
    )
    return small + copy_chunk_files(
        source / CHUNKS_DIRECTORY,
        store / CHUNKS_DIRECTORY,
        named.each_on_disk(),
        losses,
        lambda looked: progress("chunk files", looked, named.on_disk),
        pages.note_files,
    )


def _copy_catalog(source: Path, target: Path, progress: Progress) -> None:
    """One state of the catalog, as a file on its own; not durable. Raises: FileNotFoundError, DatabaseError."""
    if not source.is_file():
        raise FileNotFoundError(f"{source} is not there")
    target.touch(mode=0o600)
    with open_database(source, "rw") as reading, open_database(target, "rw") as writing:
        writing.execute("PRAGMA synchronous = OFF")
        # A transaction that sees one state: writers of a write-ahead log are not held up by it, and it not by them.
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM sqlite_master").fetchone()
        reading.backup(
            writing,
            pages=_PAGES_AT_ONCE,
            progress=lambda _, left, total: progress("copy of the catalog", total - left, total),
        )
        writing.execute("PRAGMA journal_mode = DELETE")
