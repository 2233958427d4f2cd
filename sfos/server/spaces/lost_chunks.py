"""A database of small chunks that is gone, or older than its catalog: found when the space is opened.

Tokens are durable in small.db before the catalog registers them, so that file may be ahead of the catalog's mark after
a crash, and never behind it. One that is behind was lost or put back from an older copy. What it lacks is marked as
hurt, so that `have` does not promise it and whoever has the data sends them again; then the file goes on from where the
newer one was, so that this is said once and no location comes twice.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

from sqlalchemy import bindparam, select

from sfos.protocol import SfosError
from sfos.server.catalog.chunk_rows import HURT, ChunkRow, mark_hurt
from sfos.server.catalog.engine import Catalog
from sfos.server.catalog.schema import chunks
from sfos.server.catalog.statement import Statement
from sfos.server.chunks.small import SmallStore
from sfos.server.disk.sqlite import DatabaseError
from sfos.server.disk.storage_faults import CatalogUnreadable, SmallChunksLost, SmallChunksRolledBack, StorageFault

_log = logging.getLogger(__name__)

_BATCH = 1_000
_FRONT = "small:"
# The mark is a plain number that anybody can change who can write the file. Locations grow with the time of day and are
# below this until long after the year 2200; to go on above one at the end of what SQLite counts would end all writing.
_BEYOND = 2**62

_IN_SMALL_STORE = Statement(
    select(*(chunks.c[name] for name in ChunkRow._fields))
    .where(
        chunks.c.space == bindparam("space"),
        chunks.c.id > bindparam("after"),
        chunks.c.location.like(f"{_FRONT}%"),
        chunks.c.offset != HURT,
    )
    .order_by(chunks.c.id)
    .limit(_BATCH)
)


def find_lost_small_chunks(catalog: Catalog, small: SmallStore, small_mark: int) -> StorageFault | None:
    """What is wrong with the file, if it lacks what it should have; logged, and marked in the catalog.

    `small_mark`: the catalog's, read before this is called, for a running server moves both, the file first.
    Costs one look-up where all is well. Raises: CatalogUnreadable, DatabaseError.
    """
    if small_mark >= _BEYOND:
        raise CatalogUnreadable(f"{catalog.path}: {small_mark} is no location that was ever given out in {small.path}")
    highest = small.highest_location()
    if highest >= small_mark:
        return None
    kind = SmallChunksRolledBack if highest else SmallChunksLost
    count = 0
    try:
        for lost in _lost(catalog, small):
            count += len(lost)
            with catalog.write() as tx:
                for row in lost:
                    mark_hurt(tx, row)
        small.go_on_above(small_mark)
    except (SfosError, OSError, DatabaseError, StorageFault) as error:
        # The file's number stays below the mark, so it is found again at the next opening, and the rest with it.
        fault = kind(f"{small.path}: at least {count} chunks are not there")
        _log.warning("%s: not all that is lost could be marked: %s", small.path, error)
    else:
        fault = kind(f"{small.path}: {count} chunks are not there")
    _log.error("%s", fault)
    return fault


def _lost(catalog: Catalog, small: SmallStore) -> Iterator[list[ChunkRow]]:
    """The rows whose tokens are not there, some at a time. Raises: SfosError, DatabaseError."""
    after = b""
    while True:
        with catalog.read() as tx:
            rows = [ChunkRow(*columns) for columns in tx.all(_IN_SMALL_STORE, after=after)]
        if not rows:
            return
        after = rows[-1].id
        try:
            there = small.which_are_there([row.location.removeprefix(_FRONT) for row in rows])
        except DatabaseError as error:
            if not error.is_damaged():
                raise
            continue  # unreadable there: each is found when it is read
        if lost := [row for row in rows if row.location.removeprefix(_FRONT) not in there]:
            yield lost
