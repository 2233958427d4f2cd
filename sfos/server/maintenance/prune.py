"""Old snapshots taken out of a backup directory, and what none of the others needs: chunks, and pages of catalogs.

Each backup has noted what was not named any more. Snapshots go from the oldest on, so whatever was noted up to the
generation of the oldest one that stays is needed by none.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from sfos.server.catalog.head import read_head
from sfos.server.chunks.local import CHUNKS_DIRECTORY
from sfos.server.chunks.small_files import count_small, prune_small
from sfos.server.disk.durable_files import sync_directory
from sfos.server.maintenance.backup_layout import SNAPSHOTS, STORES, NoBackup, small_file, snapshots_in
from sfos.server.maintenance.catalog_pages import CATALOGS_FILE, catalog_pages, read_image
from sfos.server.spaces.directory import is_space_id

_GOING = ".going-"


@dataclass(frozen=True, slots=True)
class _Kept:
    """Part of a space that the snapshots that stay have. `oldest`: generation of its catalog; 0 where it is a file."""

    oldest: int
    small_files: frozenset[str]


def prune_backups(directory: Path, keep: int) -> int:
    """Keep the newest `keep` snapshots (at least 1) of the backups in `directory`; how many chunks went.

    The caller holds the directory's lock. A snapshot is gone, durably, before the first of its chunks is; interrupted,
    the next run takes what is left over. Raises: DatabaseError, NoBackup, BackupDamaged, OSError.
    """
    assert keep >= 1
    root = directory / SNAPSHOTS
    for path in snapshots_in(directory)[:-keep]:
        path.rename(root / f"{_GOING}{path.name}")
    sync_directory(root)
    for path in root.glob(f"{_GOING}*"):
        shutil.rmtree(path)
    stores = [store for store in sorted((directory / STORES).iterdir()) if is_space_id(store.name)]
    kept = {store: _kept(directory, store.name) for store in stores}  # all read before the first chunk goes
    return sum(_prune_store(store, one) for store, one in kept.items())


def _kept(directory: Path, space_id: str) -> _Kept | None:
    """None if no snapshot has this space."""
    parts = [path / space_id for path in snapshots_in(directory) if (path / space_id).is_dir()]
    if not parts:
        return None
    names: set[str] = set()
    for part in parts:
        try:
            head = read_head(part)
        except ValueError as error:
            raise NoBackup(f"{part}: its HEAD cannot be read: {error}") from error
        if head is None:
            raise NoBackup(f"{part}: its HEAD is not there")
        names.add(small_file(head.epoch))
    images = [read_image(part) for part in parts]
    return _Kept(min(0 if image is None else image.generation for image in images), frozenset(names))


def _prune_store(store: Path, kept: _Kept | None) -> int:
    count = 0
    for path in store.glob("small-*.db"):
        if kept is not None and path.name in kept.small_files:
            count += prune_small(path, kept.oldest)
        else:
            count += count_small(path)
            path.unlink()
    root = store / CHUNKS_DIRECTORY
    if kept is None:
        count += sum(1 for _ in root.glob("*/*"))
        shutil.rmtree(store)
        return count
    if not (store / CATALOGS_FILE).is_file():
        return count
    with catalog_pages(store, create=False) as pages:
        for gone in pages.gone_files(kept.oldest):
            (root / gone).unlink(missing_ok=True)
            count += 1
        pages.prune(kept.oldest)
    return count
