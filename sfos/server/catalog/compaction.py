"""Catalogs that give the file system back what was deleted from them.

New ones are made with `auto_vacuum = INCREMENTAL`: pages that are free can be cut off the end of the file, some at a
time, while others write in between. One of an earlier version has to be written anew once for that, as a whole, under
the lock of its writers and with room for two of it: maintenance at a terminal does that (`manage gc`), never an
opening, nor a server.
"""

from __future__ import annotations

from sfos.server.catalog.engine import Catalog

_STEP = "PRAGMA incremental_vacuum(500)"  # pages: 2 MiB, some 10 ms
# Where somebody reads for long, as much as can be had: writers wait for it.
_CHECKPOINT = "PRAGMA busy_timeout = 100; PRAGMA wal_checkpoint(TRUNCATE)"
_LEAST_PAGES = 256  # that many may stay free, or a twentieth of the file: the next changes need some
_WORTH_IT = 20
_INCREMENTAL = 2


def give_back(catalog: Catalog, room_bytes: int) -> int:
    """Give free pages back; how many bytes the file is shorter. Safe beside a running server.

    `room_bytes`: how much a catalog of an earlier version may take in addition while it is written anew; 0 leaves such
    a one as it is. Raises: SfosError.
    """
    before = _file_bytes(catalog)
    if _mode(catalog) != _INCREMENTAL:
        if 2 * before > room_bytes:
            return 0
        catalog.outside_transactions("VACUUM")
    while _is_worth_it(catalog):
        left = _free_pages(catalog)
        catalog.outside_transactions(_STEP)
        if _free_pages(catalog) >= left:
            break
    after = _file_bytes(catalog)
    if after < before:
        catalog.outside_transactions(_CHECKPOINT)
    return before - after


def _is_worth_it(catalog: Catalog) -> bool:
    free = _free_pages(catalog)
    return free > _LEAST_PAGES and free * _WORTH_IT > _pragma(catalog, "PRAGMA page_count")


def _free_pages(catalog: Catalog) -> int:
    return _pragma(catalog, "PRAGMA freelist_count")


def _mode(catalog: Catalog) -> int:
    return _pragma(catalog, "PRAGMA auto_vacuum")


def _file_bytes(catalog: Catalog) -> int:
    return _pragma(catalog, "PRAGMA page_count") * _pragma(catalog, "PRAGMA page_size")


def _pragma(catalog: Catalog, sql: str) -> int:
    with catalog.read() as tx:
        return int(tx.execute(sql)[0][0])
