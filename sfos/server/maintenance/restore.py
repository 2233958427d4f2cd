"""A backup put back into an empty home. Every space gets a new epoch, so that clients resync and are not misled."""

from __future__ import annotations

import contextlib
import secrets
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from sqlalchemy import bindparam, update

from sfos.server.catalog.chunk_rows import ALL_CHUNKS, ChunkRow, mark_hurt
from sfos.server.catalog.engine import Catalog
from sfos.server.catalog.head import Head, write_head
from sfos.server.catalog.migrations import migrate
from sfos.server.catalog.schema import spaces
from sfos.server.catalog.space_row import read_space_row, set_store_mark
from sfos.server.catalog.statement import Statement
from sfos.server.chunks.local import CHUNKS_DIRECTORY, SMALL_FILE
from sfos.server.chunks.small import SmallStore
from sfos.server.chunks.small_files import copy_small
from sfos.server.disk.durable_files import sync_directory
from sfos.server.disk.storage_faults import StorageFault
from sfos.server.maintenance.backup_layout import (
    ACCOUNTS_FILE,
    LOSSES_FILE,
    STORES,
    NoBackup,
    copy_durably,
    small_file,
    snapshots_in,
)
from sfos.server.maintenance.backup_marker import MARKER, check_format
from sfos.server.maintenance.catalog_pages import catalog_pages, read_image
from sfos.server.maintenance.chunk_files import copy_chunk_files
from sfos.server.maintenance.named_chunks import NamedChunks, named_chunks
from sfos.server.maintenance.progress import Progress, silent
from sfos.server.spaces.directory import CATALOG_FILE, is_space_id
from sfos.server.spaces.restore_mark import clear_mark, read_mark, set_mark
from sfos.server.vault.keyring import KEYS_FILE, SpaceKeys, read_keys
from sfos.server.vault.locks import master_kept
from sfos.server.vault.master import LiveMasterKey, MasterKey
from sfos.server.vault.rows import RowAuthenticator

_LOOKED_AT_ONCE = 1_000
_HALF_DONE = "space-restored-"  # of a name that the server clears away
_SET_EPOCH = Statement(update(spaces).where(spaces.c.space == bindparam("space")), columns=["epoch", "digest"])


class HomeNotEmpty(StorageFault):
    """A backup is restored into an empty home only; nothing was changed."""


@dataclass(slots=True)
class Restored:
    """Result of a restoration. `losses`: a sentence for each thing that the backup did not have or could not give
    back."""

    snapshot: Path
    spaces: int = 0
    chunks: int = 0
    accounts: bool = False
    losses: list[str] = field(default_factory=list)


def find_snapshot(directory: Path, name: str | None) -> Path:
    """The complete snapshot of that name, or the newest. Raises: NoBackup, BackupTooNew, NotForBackups."""
    if (directory / MARKER).is_file():
        check_format(directory)
    found = snapshots_in(directory)
    if name is not None:
        found = [path for path in found if path.name == name]
    if not found:
        raise NoBackup(str(directory / name) if name else str(directory))
    return found[-1]


def restore(
    directory: Path,
    snapshot: Path,
    storage_dir: Path,
    temp_dir: Path,
    accounts: Path,
    live: LiveMasterKey,
    progress: Callable[[str], Progress] = lambda _: silent,
) -> Restored:
    """Put `snapshot` of the backups in `directory` in place, durably. The caller holds the home's lock.

    All of it, or nothing: cut off anywhere, it leaves a mark by which servers refuse to start, and the next restoration
    begins anew in its place. Accounts come last, and never over others. `progress` gives who hears how far it is with a
    space. Raises: HomeNotEmpty, MasterKeyWrong, KeysDamaged, BackupDamaged, CatalogTooNew, CatalogUnreadable, OSError,
    DatabaseError.
    """
    ids = sorted(path.name for path in snapshot.iterdir() if is_space_id(path.name))
    _read_keys(snapshot, ids, live.current())  # before anything is written
    for path in (storage_dir, temp_dir):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    done = Restored(snapshot)
    with contextlib.suppress(FileNotFoundError):
        done.losses += (snapshot / LOSSES_FILE).read_text().splitlines()
    with master_kept(storage_dir):
        keys = _read_keys(snapshot, ids, live.current())
        _take_away(storage_dir, temp_dir, read_mark(storage_dir) or [])
        if any(is_space_id(path.name) for path in storage_dir.iterdir()):
            raise HomeNotEmpty(str(storage_dir))
        set_mark(storage_dir, ids)
        try:
            _put_in_place(directory, snapshot, storage_dir, temp_dir, keys, done, progress)
        except BaseException:
            _take_away(storage_dir, temp_dir, ids)
            clear_mark(storage_dir)
            raise
    if (snapshot / ACCOUNTS_FILE).is_file() and not accounts.exists():
        accounts.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        copy_durably(snapshot / ACCOUNTS_FILE, accounts)
        sync_directory(accounts.parent)
        done.accounts = True
    clear_mark(storage_dir)
    return done


def _read_keys(snapshot: Path, ids: list[str], master: MasterKey) -> dict[str, SpaceKeys]:
    return {space_id: read_keys(snapshot / space_id, bytes.fromhex(space_id), master) for space_id in ids}


def _put_in_place(
    directory: Path,
    snapshot: Path,
    storage_dir: Path,
    temp_dir: Path,
    keys: dict[str, SpaceKeys],
    done: Restored,
    progress: Callable[[str], Progress],
) -> None:
    half_done = temp_dir / f"{_HALF_DONE}{secrets.token_hex(4)}"
    half_done.mkdir(mode=0o700)
    for space_id, own in keys.items():
        store = directory / STORES / space_id
        _restore_space(snapshot / space_id, store, half_done / space_id, own, done, progress(space_id))
    for space_id in keys:
        (half_done / space_id).rename(storage_dir / space_id)
        done.spaces += 1
    sync_directory(storage_dir)
    half_done.rmdir()


def _take_away(storage_dir: Path, temp_dir: Path, space_ids: Iterable[str]) -> None:
    """Remove what a restoration that came to no end has put there: no server has ever served it."""
    for path in [*temp_dir.glob(f"{_HALF_DONE}*"), *(storage_dir / space_id for space_id in space_ids)]:
        if path.is_dir():
            shutil.rmtree(path)
    sync_directory(storage_dir)


def _restore_space(
    snapshot: Path, store: Path, target: Path, keys: SpaceKeys, done: Restored, progress: Progress
) -> None:
    losses: list[str] = []
    (target / CHUNKS_DIRECTORY).mkdir(mode=0o700, parents=True)
    copy_durably(snapshot / KEYS_FILE, target / KEYS_FILE)
    _restore_catalog(snapshot, store, target / CATALOG_FILE, progress)
    with named_chunks(target / CATALOG_FILE) as named:
        done.chunks += copy_chunk_files(
            store / CHUNKS_DIRECTORY,
            target / CHUNKS_DIRECTORY,
            named.each_on_disk(),
            losses,
            lambda looked: progress("chunk files", looked, named.on_disk),
        )
        done.chunks += copy_small(
            store / small_file(named.epoch),
            target / SMALL_FILE,
            named.each_small(),
            losses,
            lambda looked: progress("small chunks", looked, named.small),
        )
        small = SmallStore(target / SMALL_FILE, lambda: 0)
        # A backup has what its snapshot names, and not the highest that there was: from here on that is the highest.
        small_mark = small.highest_location()
        lacking = set(_lacking(target, named, small)) if losses else set()
        small.close()
    _begin_epoch(target, keys, small_mark, lacking)
    sync_directory(target)
    done.losses += [f"space {target.name}: {loss}" for loss in losses]


def _restore_catalog(snapshot: Path, store: Path, target: Path, progress: Progress) -> None:
    image = read_image(snapshot)
    if image is None:
        copy_durably(snapshot / CATALOG_FILE, target)
        return
    with catalog_pages(store, create=False) as pages:
        pages.write(image, target, progress)


def _lacking(target: Path, named: NamedChunks, small: SmallStore) -> Iterator[str]:
    """The locations of chunks that the catalog names and the backup could not give."""
    for path, _ in named.each_on_disk():
        if not (target / CHUNKS_DIRECTORY / path).is_file():
            yield f"disk:{path}"
    rest = (str(one.number) for one in named.each_small())
    while numbers := list(islice(rest, _LOOKED_AT_ONCE)):
        there = small.which_are_there(numbers)
        yield from (f"small:{number}" for number in numbers if number not in there)


def _begin_epoch(directory: Path, keys: SpaceKeys, small_mark: int, lacking: Collection[str]) -> None:
    """`lacking`: locations whose chunks are marked, so that whoever has their data is asked for them again."""
    rows = RowAuthenticator(keys)
    with contextlib.closing(Catalog(directory / CATALOG_FILE, keys.space)) as catalog:
        migrate(catalog)
        with catalog.write() as tx:
            row = read_space_row(tx)
            epoch = secrets.token_bytes(16)
            digest = rows.seal_digest(rows.open_digest(row.digest, row.epoch, row.seq), epoch, row.seq)
            tx.run(_SET_EPOCH, epoch=epoch, digest=digest)
            set_store_mark(tx, small_mark)
            known = (ChunkRow(*columns) for columns in tx.each(ALL_CHUNKS)) if lacking else iter(())
            for chunk in [one for one in known if one.location in lacking]:
                mark_hurt(tx, chunk)
    write_head(directory, Head(epoch, row.seq, digest))
