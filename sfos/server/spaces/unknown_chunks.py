"""Chunks in a store that no row of its catalog knows, and that are newer: so the store looks under an old catalog.

An upload that a crash cut off leaves some too. Where no HEAD file vouches for the catalog, nobody can tell the two
apart, and a space that is served as it looks would hide what it lacks behind the next commit, and let garbage
collection remove what belongs to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from sfos.server.catalog.chunk_rows import chunk_rows
from sfos.server.catalog.engine import Catalog
from sfos.server.catalog.space_row import SpaceRow, commit_time_ms
from sfos.server.chunks.store import ChunkStore, StoredChunk
from sfos.server.disk.storage_faults import CatalogUnvouched

_AT_ONCE = 1_000


class Newer(NamedTuple):
    """Chunks without a row that are newer than the catalog. The times: milliseconds since 1970."""

    chunks: int
    first_ms: int
    last_ms: int


def newer_than(catalog: Catalog, store: ChunkStore, known_ms: int) -> Newer | None:
    """Chunks that no row knows and that were stored after `known_ms`; None if there are none. Lists the whole store.

    Raises: SfosError, OSError, DatabaseError.
    """
    count = first_ms = last_ms = 0
    for some in _batches(stored for stored in store.list_stored() if stored.stored_ms > known_ms):
        for stored in _without_row(catalog, some):  # a server at work may have written some rows since
            first_ms = min(first_ms, stored.stored_ms) if count else stored.stored_ms
            last_ms = max(last_ms, stored.stored_ms)
            count += 1
    return Newer(count, first_ms, last_ms) if count else None


def check_vouched(catalog: Catalog, store: ChunkStore, row: SpaceRow) -> None:
    """Refuse a catalog without a HEAD file that does not look like the newest one.

    Raises: CatalogUnvouched, SfosError, OSError, DatabaseError.
    """
    if row.seq == 0:  # each space is made with its HEAD: nothing was ever lost so soon
        raise CatalogUnvouched(f"{catalog.path} is empty")
    with catalog.read() as tx:
        known_ms = commit_time_ms(tx, row.seq)
    newer = newer_than(catalog, store, known_ms)
    if newer is not None:
        raise CatalogUnvouched(f"{catalog.path} ends with commit {row.seq}, and {newer.chunks} chunks came after it")


def _without_row(catalog: Catalog, stored: list[StoredChunk]) -> list[StoredChunk]:
    with catalog.read() as tx:
        rows = chunk_rows(tx, {one.chunk_id for one in stored if one.chunk_id is not None})
    known = {row.location for row in rows.values()}
    return [one for one in stored if one.chunk_id is not None and one.location not in known]


def _batches(stored: Iterator[StoredChunk]) -> Iterator[list[StoredChunk]]:
    while some := list(islice(stored, _AT_ONCE)):
        yield some
