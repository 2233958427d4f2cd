"""Whether the chunk store holds what is newer than the catalog: so it does under a catalog that was put back.

The HEAD file tells that a catalog is older than it was, unless an old HEAD was put back with it. The chunk store then
still has what came after it, as tokens without a row. An upload that a crash cut off leaves such tokens as well, but
only those of one moment: tokens are stored in the course of a request, and their rows written at its end.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from sfos.server.catalog.chunk_rows import chunk_rows
from sfos.server.chunks.store import StoredChunk
from sfos.server.maintenance.findings import Findings
from sfos.server.spaces.operations.context import SpaceContext

# Between a token and its row lie a sync, and a wait for the catalog's other writers: 30 s at the most as it is set.
_ONE_MOMENT_MS = 60_000
_AT_ONCE = 1_000


class Newer(NamedTuple):
    """Tokens without a row that are newer than the catalog. The times: milliseconds since 1970."""

    chunks: int
    first_ms: int
    last_ms: int


def newer_than(context: SpaceContext, known_ms: int) -> Newer | None:
    """Tokens that no row knows and that were stored after `known_ms`; None if there are none. Lists the whole store."""
    count = first_ms = last_ms = 0
    for some in _batches(stored for stored in context.store.list_stored() if stored.stored_ms > known_ms):
        for stored in _without_row(context, some):  # a server at work may have written some rows since
            first_ms = min(first_ms, stored.stored_ms) if count else stored.stored_ms
            last_ms = max(last_ms, stored.stored_ms)
            count += 1
    return Newer(count, first_ms, last_ms) if count else None


def check_age(context: SpaceContext, seq: int, known_ms: int, findings: Findings) -> int:
    """How many tokens without a row are newer than all that the catalog knows.

    `known_ms`: when its last commit was made, or the newest token that it has a row for was stored (milliseconds since
    1970). Tokens of more than a moment are a finding.
    """
    newer = newer_than(context, known_ms)
    if newer is None:
        return 0
    if newer.last_ms - newer.first_ms > _ONE_MOMENT_MS:
        findings.add(
            "catalog",
            f"it is older than what the chunk store holds: it ends with commit {seq}, of {_time(known_ms)}, and"
            f" {newer.chunks} chunks without a row were stored from {_time(newer.first_ms)} to {_time(newer.last_ms)}:"
            " an old catalog was put back together with its HEAD file, or none of these uploads came to its end",
        )
    return newer.chunks


def _without_row(context: SpaceContext, stored: list[StoredChunk]) -> list[StoredChunk]:
    with context.catalog.read() as tx:
        rows = chunk_rows(tx, {one.chunk_id for one in stored if one.chunk_id is not None})
    known = {row.location for row in rows.values()}
    return [one for one in stored if one.chunk_id is not None and one.location not in known]


def _batches(stored: Iterator[StoredChunk]) -> Iterator[list[StoredChunk]]:
    while some := list(islice(stored, _AT_ONCE)):
        yield some


def _time(ms: int) -> str:
    return f"{dt.datetime.fromtimestamp(ms / 1_000, dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
