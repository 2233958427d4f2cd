"""A database of small chunks that is gone, or older than its catalog: found when the space is opened.

Tokens are durable in small.db before the catalog registers them, so that file may be ahead of the catalog's mark after
a crash, and never behind it. One that is behind was lost or put back from an older copy. What it lacks is marked as
hurt, so that `have` does not promise it and whoever has the data sends them again; then the file goes on from where the
newer one was, so that this is said once and no location comes twice.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from itertools import islice

from sqlalchemy import bindparam, select

from protocol import SfosError
from server.catalog.chunk_rows import HURT, ChunkRow, mark_hurt
from server.catalog.engine import Catalog
from server.catalog.schema import chunks
from server.catalog.statement import Statement
from server.chunks.small import SmallStore
from server.storage_faults import SmallChunksLost, SmallChunksRolledBack, StorageFault

_log = logging.getLogger(__name__)

_BATCH = 1_000
_FRONT = "small:"

_IN_SMALL_STORE = Statement(
    select(*(chunks.c[name] for name in ChunkRow._fields)).where(
        chunks.c.space == bindparam("space"), chunks.c.location.like(f"{_FRONT}%"), chunks.c.offset != HURT
    )
)


def find_lost_small_chunks(catalog: Catalog, small: SmallStore, small_mark: int) -> StorageFault | None:
    """What is wrong with the file, if it lacks what it should have; logged, and marked in the catalog.

    `small_mark`: the catalog's, read before this is called, for a running server moves both, the file first.
    Costs one look-up where all is well. Raises: sqlite3.Error.
    """
    highest = small.highest_location()
    if highest >= small_mark:
        return None
    with catalog.read() as tx:
        rows = [ChunkRow(*columns) for columns in tx.all(_IN_SMALL_STORE)]
    lost = list(_lost(rows, small))
    fault = (SmallChunksRolledBack if highest else SmallChunksLost)(f"{small.path}: {len(lost)} chunks are not there")
    _log.error("%s", fault)
    try:
        with catalog.write() as tx:
            for row in lost:
                mark_hurt(tx, row)
        small.go_on_above(small_mark)
    except (SfosError, OSError, sqlite3.Error, StorageFault) as error:  # it is found again at the next opening
        _log.warning("%s: what is lost could not be marked: %s", small.path, error)
    return fault


def _lost(rows: list[ChunkRow], small: SmallStore) -> Iterator[ChunkRow]:
    rest = iter(rows)
    while batch := list(islice(rest, _BATCH)):
        try:
            there = small.which_are_there([row.location.removeprefix(_FRONT) for row in batch])
        except sqlite3.DatabaseError:  # unreadable there: each is found when it is read
            continue
        yield from (row for row in batch if row.location.removeprefix(_FRONT) not in there)
