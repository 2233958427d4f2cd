"""Old snapshots taken out of a backup directory, and the chunks that none of the others names."""

from __future__ import annotations

import shutil
from pathlib import Path

from sfos.server.chunks.local import CHUNKS_DIRECTORY
from sfos.server.chunks.small_files import prune_small
from sfos.server.disk.durable_files import sync_directory
from sfos.server.maintenance.backup_layout import (
    SNAPSHOTS,
    STORES,
    Named,
    read_named,
    small_file,
    snapshots_in,
)
from sfos.server.spaces.directory import CATALOG_FILE, is_space_id

_GOING = ".going-"


def prune_backups(directory: Path, keep: int) -> int:
    """Keep the newest `keep` snapshots (at least 1) of the backups in `directory`; how many chunks went.

    The caller holds the directory's lock. A snapshot is gone, durably, before the first of its chunks is; interrupted,
    the next run takes what is left over. Raises: DatabaseError, NoBackup, OSError (then no chunk has gone).
    """
    assert keep >= 1
    root = directory / SNAPSHOTS
    for path in snapshots_in(directory)[:-keep]:
        path.rename(root / f"{_GOING}{path.name}")
    sync_directory(root)
    for path in root.glob(f"{_GOING}*"):
        shutil.rmtree(path)
    named = _all_named(directory)
    count = 0
    for store in sorted((directory / STORES).iterdir()):
        if is_space_id(store.name):
            count += _prune_store(store, named.get(store.name, []))
    return count


def _all_named(directory: Path) -> dict[str, list[Named]]:
    """Chunks that the snapshots there name, by space."""
    found: dict[str, list[Named]] = {}
    for snapshot in snapshots_in(directory):
        for path in sorted(snapshot.iterdir()):
            if is_space_id(path.name):
                found.setdefault(path.name, []).append(read_named(path / CATALOG_FILE))
    return found


def _prune_store(store: Path, named: list[Named]) -> int:
    on_disk = {path for one in named for path in one.on_disk}
    count = 0
    root = store / CHUNKS_DIRECTORY
    for path in root.glob("*/*"):
        if f"{path.parent.name}/{path.name}" not in on_disk:
            path.unlink()
            count += 1
    small: dict[str, set[int]] = {}
    for one in named:
        small.setdefault(small_file(one.epoch), set()).update(one.small)
    for path in store.glob("small-*.db"):
        count += prune_small(path, small.get(path.name, set()))
    return count
