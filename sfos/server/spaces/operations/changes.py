"""Where a space stands, and what changed since a cursor.

`changes` gives each changed node once, in its latest state, and of a deletion its root. Three indexes serve it: live
rows by the commit they began with; closed rows that are roots of deletions; and closed rows that were moved. The last
are needed for nodes that were moved into a folder and then deleted with it: whoever saw neither would otherwise keep
them in their old place, for the deleted folder is all that they are told of.
"""

from __future__ import annotations

from operator import itemgetter
from typing import NamedTuple

from sqlalchemy import bindparam, exists, literal_column, select, tuple_

from sfos.protocol import MAX_BODY, Change, Cursor, SpaceInfo, UsageReply
from sfos.server.catalog.engine import Transaction
from sfos.server.catalog.schema import nodes, past
from sfos.server.catalog.space_row import SpaceRow, read_space_row
from sfos.server.catalog.statement import Statement
from sfos.server.catalog.states import LIVE_CHANGED, PAST_COLUMNS, EndedAs, State
from sfos.server.spaces.operations.context import Caller, SpaceContext
from sfos.server.spaces.operations.entries import (
    Position,
    cursor_after,
    encoded_bytes,
    read_cursor,
    to_entries,
    write_cursor,
)
from sfos.server.spaces.operations.quotas import history_bytes

_MOST_BODY_BYTES = MAX_BODY - 64 * 1024
_MOST_LOOKED_AT = 20_000  # closed states that a page passes over, for their nodes are there; some 60 ms
_MOST_AT_ONCE = 1_000


def _ended(end: EndedAs) -> Statement:
    """Closed states with whether the node is there again, which is no condition: any number would be passed over."""
    there = exists(select(nodes.c.node).where(nodes.c.space == bindparam("space"), nodes.c.node == past.c.node))
    # The number stands in the text, or the planner cannot know that the partial index will do.
    return Statement(
        select(past.c.seq_to, there, *PAST_COLUMNS)
        .where(
            past.c.space == bindparam("space"),
            past.c.ended_as == literal_column(str(int(end))),
            tuple_(past.c.seq_to, past.c.node) > tuple_(bindparam("seq"), bindparam("after")),
        )
        .order_by(past.c.seq_to, past.c.node)
        .limit(bindparam("limit"))
    )


class ChangesPage(NamedTuple):
    """Changes, each node once, and how far they go. `more`: there are more after `cursor`."""

    changes: list[Change]
    cursor: Cursor
    more: bool


ENDED = (_ended(EndedAs.DELETED), _ended(EndedAs.MOVED))


def info(context: SpaceContext) -> SpaceInfo:
    """Facts of the space that its clients share, and the cursor of now."""
    return SpaceInfo(
        space=context.space_id,
        given_chunk_key=context.keys.chunk_id,
        given_cut_seed=context.keys.cut_seed,
        cursor=now(context),
    )


def now(context: SpaceContext) -> Cursor:
    """The cursor of now."""
    with context.catalog.read() as tx:
        return cursor_after(read_space_row(tx))


def usage(context: SpaceContext, caller: Caller) -> UsageReply:
    """Bytes and files kept, and the caller's quota."""
    with context.catalog.read(at_once=True) as tx:
        row = read_space_row(tx)
    after_s = context.limits.history_kept_s
    return UsageReply(
        bytes_current=row.bytes_current,
        files_current=row.files_current,
        bytes_stored=row.bytes_kept,
        quota_bytes=caller.quota_bytes,
        entries_current=row.entries_current,
        quota_files=caller.quota_files,
        bytes_rows=row.bytes_rows,
        bytes_history=history_bytes(row),
        history_kept_s=None if after_s is None else round(after_s),
    )


def changes(context: SpaceContext, since: Cursor, limit: int) -> ChangesPage:
    """A page of what changed after `since`. Raises: ResyncRequired."""
    with context.catalog.read() as tx:
        row = read_space_row(tx)
        position = read_cursor(row, since)
        if position.seq > row.seq:
            return ChangesPage([], cursor_after(row), more=False)
        found, reached = _changed_since(tx, position, limit + 1)
    page, more = _cut(found, limit)
    end = _position_of(page[-1]) if more else reached
    latest = {state.node: (state, deleted) for _, state, deleted in page}
    entries = to_entries(context, [state for state, _ in latest.values()])
    gone = [deleted for _, deleted in latest.values()]
    found_changes = [Change(entry=entry, deleted=one) for entry, one in zip(entries, gone, strict=True)]
    return ChangesPage(found_changes, _cursor_at(row, end), more=end is not None)


_Found = tuple[Position, State, bool]  # a state that began there, or, if the last is true, ended
_position_of = itemgetter(0)


def _changed_since(tx: Transaction, since: Position, limit: int) -> tuple[list[_Found], Position | None]:
    """(The first `limit` changes, in order, or fewer; how far all were looked at: None, to the end)."""
    found: list[_Found] = []
    for row in tx.all(LIVE_CHANGED, seq=since.seq, after=since.node, limit=limit):
        state = State(*row)
        found.append((Position(state.seq_from, state.node), state, False))
    ends: list[Position] = []
    for statement in ENDED:
        gone, reached = _gone_since(tx, statement, since, limit)
        found += gone
        if reached is not None:
            ends.append(reached)
    end = min(ends, default=None)
    if end is not None:
        found = [one for one in found if _position_of(one) <= end]
    found.sort(key=_position_of)
    return found[:limit], end


def _gone_since(
    tx: Transaction, statement: Statement, since: Position, limit: int
) -> tuple[list[_Found], Position | None]:
    """(`limit` ends of nodes that are not there, or fewer; how far was looked: None, to the end)."""
    found: list[_Found] = []
    at, at_once, left = since, limit, _MOST_LOOKED_AT
    while True:
        rows = tx.all(statement, seq=at.seq, after=at.node, limit=at_once)
        for seq_to, is_there, *columns in rows:
            if not is_there:
                state = State(*columns)
                found.append((Position(seq_to, state.node), state, True))
        if len(rows) < at_once:
            return found, None
        seq_to, _, *columns = rows[-1]
        at = Position(seq_to, State(*columns).node)
        left -= len(rows)
        if len(found) >= limit or left <= 0:
            return found, at
        at_once = min(2 * at_once, max(limit, _MOST_AT_ONCE))


def _cut(found: list[_Found], limit: int) -> tuple[list[_Found], bool]:
    """As many as were asked for and fit a body, at least one; whether there are more."""
    size = 0
    for count, entry_bytes in enumerate(encoded_bytes([state for _, state, _ in found])):
        size += entry_bytes
        if count == limit or (count and size > _MOST_BODY_BYTES):
            return found[:count], True
    return found, False


def _cursor_at(row: SpaceRow, end: Position | None) -> Cursor:
    return cursor_after(row) if end is None else write_cursor(row.epoch, end)
