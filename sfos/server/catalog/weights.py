"""Bytes that a row takes on the disk with its share of the indexes, as quotas count it.

Measured with SQLite's dbstat on a space of 15,000 entries, pages as full as they were. What differs from row to row is
counted as it is: the sealed name and attributes of a state, the kept answer of a commit, the sealed list of a content.
A state weighs the same in `nodes` and in `past`, so that to end one changes no sum.

The sums are kept in `spaces.bytes_rows`: other weights are another version of the schema, with a recount.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, Table, bindparam, func, select

from sfos.server.catalog.schema import chunks, commits, content_chunks, contents, nodes, past
from sfos.server.catalog.states import State

STATE_BYTES = 240  # measured: 231 in nodes (three trees), 235 to 260 in past (three to four)
COMMIT_BYTES = 160  # 146
CHUNK_BYTES = 192  # 105 with a short location, 160 with a long one; and what the chunk store keeps beside the token
LIST_BYTES = 128
REFERENCE_BYTES = 104  # of a list to one of its chunks: 103


def weight_of(states: Iterable[State]) -> int:
    """Bytes that the rows of these states take."""
    return sum([STATE_BYTES + len(state.name) + len(state.attrs or b"") for state in states])


def _sum_of(table: Table, row_bytes: int, *counted_as_it_is: str) -> ColumnElement[int]:
    total = func.count() * row_bytes
    for name in counted_as_it_is:
        total = total + func.coalesce(func.sum(func.length(table.c[name])), 0)
    return select(total).select_from(table).where(table.c.space == bindparam("space")).scalar_subquery()


ALL_ROWS_BYTES: ColumnElement[int] = (
    _sum_of(nodes, STATE_BYTES, "name", "attrs")
    - STATE_BYTES  # the root of a space is nobody's doing
    + _sum_of(past, STATE_BYTES, "name", "attrs")
    + _sum_of(commits, COMMIT_BYTES, "reply")
    + _sum_of(contents, LIST_BYTES, "list")
    + _sum_of(content_chunks, REFERENCE_BYTES)
    + _sum_of(chunks, CHUNK_BYTES)
)
"""The sum over all rows of a space. Reads whole tables."""
