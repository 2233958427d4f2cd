"""Whether the chunk store holds what is newer than the catalog: so it does under a catalog that was put back.

The HEAD file tells that a catalog is older than it was, unless an old HEAD was put back with it. The chunk store then
still has what came after it, as tokens without a row. An upload that a crash cut off leaves such tokens as well, but
only those of one moment: tokens are stored in the course of a request, and their rows written at its end.
"""

from __future__ import annotations

import datetime as dt

from sfos.server.maintenance.findings import Findings
from sfos.server.spaces.operations.context import SpaceContext
from sfos.server.spaces.unknown_chunks import newer_than

# Between a token and its row lie a sync, and a wait for the catalog's other writers: 30 s at the most as it is set.
_ONE_MOMENT_MS = 60_000


def check_age(context: SpaceContext, seq: int, known_ms: int, findings: Findings, *, vouched: bool) -> int:
    """How many tokens without a row are newer than all that the catalog knows.

    `known_ms`: when its last commit was made, or the newest token that it has a row for was stored (milliseconds since
    1970). Tokens of more than a moment are a finding, and any are where no HEAD file vouches for the catalog.
    """
    newer = newer_than(context.catalog, context.store, known_ms)
    if newer is None:
        return 0
    if not vouched or newer.last_ms - newer.first_ms > _ONE_MOMENT_MS:
        findings.add(
            "catalog",
            f"it is older than what the chunk store holds: it ends with commit {seq}, of {_time(known_ms)}, and"
            f" {newer.chunks} chunks without a row were stored from {_time(newer.first_ms)} to {_time(newer.last_ms)}:"
            " an old catalog was put back"
            f"{' together with its HEAD file' if vouched else ''}, or none of these uploads came to its end",
        )
    return newer.chunks


def _time(ms: int) -> str:
    return f"{dt.datetime.fromtimestamp(ms / 1_000, dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
