"""Chunk store of one space on a local disk: a directory of files, and a database of those that are short."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sfos.server.chunks.disk import DiskStore
from sfos.server.chunks.files import LocalFiles
from sfos.server.chunks.small import SmallStore
from sfos.server.chunks.tiered import TieredStore
from sfos.server.disk.storage_faults import StorageMisplaced

SMALL_FILE = "small.db"
CHUNKS_DIRECTORY = "chunks"


def open_local_store(
    directory: Path,
    temp_dir: Path,
    now_ms: Callable[[], int],
    syncing: ThreadPoolExecutor,
    files: LocalFiles,
    *,
    small_token_bytes: int,
    busy_timeout_s: float,
    mark: int,
) -> TieredStore:
    """The store in `directory`, made at need. `mark`: up to there it has given out locations, says the catalog.

    Raises: StorageMisplaced, SmallChunksUnreadable, OSError, DatabaseError.
    """
    root = directory / CHUNKS_DIRECTORY
    try:
        root.mkdir(mode=0o700, exist_ok=True)
    except FileExistsError:
        raise StorageMisplaced(f"{root} is no directory") from None
    small = SmallStore(directory / SMALL_FILE, now_ms, busy_timeout_s=busy_timeout_s, files=files, above=mark)
    return TieredStore(small, DiskStore(root, temp_dir, syncing, files=files), small_token_bytes)
