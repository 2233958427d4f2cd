"""Whether the chunk store holds what is newer than the catalog: so it does under a catalog that was put back.

The HEAD file tells that a catalog is older than it was, unless an old HEAD was put back with it. The chunk store then
still has what came after it, as tokens without a row. An upload that a crash cut off leaves such tokens as well, but
only those of one moment: tokens are stored in the course of a request, and their rows written at its end.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from sfos.server.catalog.chunk_rows import chunk_rows
from sfos.server.chunks.store import StoredChunk
from sfos.server.maintenance.findings import Findings
from sfos.server.spaces.operations.context import SpaceContext

# Between a token and its row lie a sync, and a wait for the catalog's other writers: 30 s at the most as it is set.
_ONE_MOMENT_MS = 60_000


def check_age(
    context: SpaceContext, seq: int, known_ms: int, without_row: Sequence[StoredChunk], findings: Findings
) -> int:
    """How many of the tokens that had no row are newer than all that the catalog knows.

    `known_ms`: when its last commit was made, or the newest token that it has a row for was stored (milliseconds since
    1970). Tokens of more than a moment are a finding.
    """
    newer = _still_without_row(context, [stored for stored in without_row if stored.stored_ms > known_ms])
    if not newer:
        return 0
    first, last = min(stored.stored_ms for stored in newer), max(stored.stored_ms for stored in newer)
    if last - first > _ONE_MOMENT_MS:
        findings.add(
            "catalog",
            f"it is older than what the chunk store holds: it ends with commit {seq}, of {_time(known_ms)}, and"
            f" {len(newer)} chunks without a row were stored from {_time(first)} to {_time(last)}: an old catalog was"
            " put back together with its HEAD file, or none of these uploads came to its end",
        )
    return len(newer)


def _still_without_row(context: SpaceContext, stored: Sequence[StoredChunk]) -> list[StoredChunk]:
    """Chunks that still have no row: a server at work may have written some rows since."""
    with context.catalog.read() as tx:
        rows = chunk_rows(tx, {one.chunk_id for one in stored if one.chunk_id is not None})
    known = {row.location for row in rows.values()}
    return [one for one in stored if one.chunk_id is not None and one.location not in known]


def _time(ms: int) -> str:
    return f"{dt.datetime.fromtimestamp(ms / 1_000, dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
