"""Rows that a request for contents needs of many nodes, by one statement: their states now, and the chunks of those
whose content is one chunk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Select, and_, bindparam, column, select, values

from sfos.server.catalog.chunk_rows import CHUNK_COLUMNS, ChunkRow
from sfos.server.catalog.engine import Transaction
from sfos.server.catalog.schema import chunks, nodes
from sfos.server.catalog.statement import InStatement, Row, Statement
from sfos.server.catalog.states import LIVE_COLUMNS, STATE_FIELDS, State
from sfos.server.disk.number_runs import runs_of

_chunk_of_node: ColumnElement[bool] = and_(chunks.c.space == nodes.c.space, chunks.c.id == nodes.c.content)
_both: Select[tuple[object, ...]] = select(*LIVE_COLUMNS, *CHUNK_COLUMNS).where(nodes.c.space == bindparam("space"))


def _among(names: list[str]) -> Select[tuple[object, ...]]:
    # Not `node IN (…)`: for that the planner takes the primary key, which is to read the whole table.
    wanted = (
        values(column("node", BigInteger), name="wanted").data([(bindparam(name),) for name in names]).cte("wanted")
    )
    joined = wanted.join(nodes, nodes.c.node == wanted.c.node).outerjoin(chunks, _chunk_of_node)
    return _both.select_from(joined)


_AMONG = InStatement(_among)
_BETWEEN = Statement(
    _both.select_from(nodes.outerjoin(chunks, _chunk_of_node)).where(
        nodes.c.node.between(bindparam("low"), bindparam("high"))
    )
)


_GAP = 4  # folders lie between files that came together
_NODE = STATE_FIELDS.index("node")
_WIDTH = len(STATE_FIELDS)
_NO_CHUNK = (None,) * len(ChunkRow._fields)


class Wanted(NamedTuple):
    """Rows found, by node and by content; those that are not there are missing."""

    states: dict[int, State]
    chunks: dict[bytes, ChunkRow]


def find_wanted(tx: Transaction, ids: Sequence[int]) -> Wanted:
    """The states now of those nodes, and the chunks that are the whole content of one."""
    found = Wanted({}, {})
    for row in _rows(tx, ids):
        state, columns = State._make(row[:_WIDTH]), row[_WIDTH:]
        found.states[state.node] = state
        if columns != _NO_CHUNK:
            chunk = ChunkRow._make(columns)
            found.chunks[chunk.id] = chunk
    return found


def _rows(tx: Transaction, ids: Sequence[int]) -> list[Row]:
    runs = runs_of(ids, gap=_GAP)
    if runs is None:
        return tx.all_in(_AMONG, ids)
    wanted = set(ids)
    return [row for low, high in runs for row in tx.each(_BETWEEN, low=low, high=high) if row[_NODE] in wanted]
