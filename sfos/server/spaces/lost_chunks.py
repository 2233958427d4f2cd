"""A chunk store that is gone, or older than its catalog: found when the space is opened.

Tokens are durable in the store before the catalog registers them, so it may be ahead of the catalog's mark after a
crash, and never behind it. One that is behind was lost or put back from an older copy. What it lacks is marked as
hurt, so that `have` does not promise it and whoever has the data sends them again; then the store goes on from where
the newer one was, so that this is said once and no location comes twice.
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
from sfos.server.chunks.store import ChunkStore
from sfos.server.disk.sqlite import DatabaseError
from sfos.server.disk.storage_faults import CatalogUnreadable, StorageFault

_log = logging.getLogger(__name__)

_BATCH = 1_000

_MAYBE_LOST = Statement(
    select(*(chunks.c[name] for name in ChunkRow._fields))
    .where(
        chunks.c.space == bindparam("space"),
        chunks.c.id > bindparam("after"),
        chunks.c.location.like(bindparam("front")),
        chunks.c.offset != HURT,
    )
    .order_by(chunks.c.id)
    .limit(_BATCH)
)


def find_lost_chunks(catalog: Catalog, store: ChunkStore, mark: int) -> StorageFault | None:
    """The fault to tell of, if the store lacks what it should have; logged, and marked in the catalog.

    `mark`: the catalog's, read before this is called, for a running server moves both, the store first.
    Costs one look-up where all is well. Raises: CatalogUnreadable, DatabaseError.
    """
    behind = store.behind(mark)
    if behind is None:
        return None
    if not behind.possible:
        raise CatalogUnreadable(f"{catalog.path}: {mark} is no location that was ever given out in {behind.path}")
    count = 0
    try:
        for lost in _lost(catalog, store, behind.front):
            count += len(lost)
            with catalog.write() as tx:
                for row in lost:
                    mark_hurt(tx, row)
        store.go_on_above(mark)
    except (SfosError, OSError, DatabaseError, StorageFault) as error:
        # The file's number stays below the mark, so it is found again at the next opening, and the rest with it.
        fault = behind.fault(f"{behind.path}: at least {count} chunks are not there")
        _log.warning("%s: not all that is lost could be marked: %s", behind.path, error)
    else:
        fault = behind.fault(f"{behind.path}: {count} chunks are not there")
    _log.error("%s", fault)
    return fault


def _lost(catalog: Catalog, store: ChunkStore, front: str) -> Iterator[list[ChunkRow]]:
    """The rows whose tokens are not there, some at a time. Raises: SfosError, DatabaseError."""
    after = b""
    while True:
        with catalog.read() as tx:
            rows = [ChunkRow(*columns) for columns in tx.all(_MAYBE_LOST, after=after, front=f"{front}%")]
        if not rows:
            return
        after = rows[-1].id
        try:
            there = store.which_are_there([row.location for row in rows])
        except DatabaseError as error:
            if not error.is_damaged():
                raise
            continue  # unreadable there: each is found when it is read
        if lost := [row for row in rows if row.location not in there]:
            yield lost
