"""Catalogs that give the file system back what was deleted from them.

SQLite keeps the pages of deleted rows for later ones. To give them back it writes the file anew, as a whole, under the
lock of its writers and with room for two of it: maintenance at a terminal does that (`manage gc`), where it is worth
it; never an opening, nor a server by itself. (`auto_vacuum` does it page by page, for 1.2 % of what a commit of small
files takes.)
"""

from __future__ import annotations

from sfos.server.catalog.engine import Catalog

_LEAST_BYTES = 2**20
_LEAST_SHARE = 4  # a quarter of the file

# Where somebody reads for long, as much as can be had: writers wait for it.
_CHECKPOINT = "PRAGMA busy_timeout = 100; PRAGMA wal_checkpoint(TRUNCATE)"


def give_back(catalog: Catalog, room_bytes: int) -> int:
    """Write the catalog anew if much of it is free; how many bytes it is shorter. Safe beside a running server.

    `room_bytes`: how much it may take in addition meanwhile. Raises: SfosError.
    """
    page_bytes = _pragma(catalog, "PRAGMA page_size")
    pages, free = _pragma(catalog, "PRAGMA page_count"), _pragma(catalog, "PRAGMA freelist_count")
    if free * page_bytes < _LEAST_BYTES or free * _LEAST_SHARE < pages:
        return 0
    if 2 * (pages - free) * page_bytes > room_bytes:  # a copy, and the write-ahead log by which it gets into its place
        return 0
    catalog.outside_transactions("VACUUM")
    catalog.outside_transactions(_CHECKPOINT)
    return (pages - _pragma(catalog, "PRAGMA page_count")) * page_bytes


def _pragma(catalog: Catalog, sql: str) -> int:
    with catalog.read() as tx:
        return int(tx.execute(sql)[0][0])
