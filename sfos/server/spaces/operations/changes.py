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


def _ended(end: EndedAs) -> Statement:
    # The number stands in the text, or the planner cannot know that the partial index will do.
    return Statement(
        select(past.c.seq_to, *PAST_COLUMNS)
        .where(
            past.c.space == bindparam("space"),
            past.c.ended_as == literal_column(str(int(end))),
            tuple_(past.c.seq_to, past.c.node) > tuple_(bindparam("seq"), bindparam("after")),
            ~exists(select(nodes.c.node).where(nodes.c.space == bindparam("space"), nodes.c.node == past.c.node)),
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
    with context.catalog.read() as tx:
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
        found = _changed_since(tx, position, limit + 1)
    page, more = _cut(found, limit)
    latest = {state.node: (state, deleted) for _, state, deleted in page}
    entries = to_entries(context, [state for state, _ in latest.values()])
    gone = [deleted for _, deleted in latest.values()]
    found_changes = [Change(entry=entry, deleted=one) for entry, one in zip(entries, gone, strict=True)]
    return ChangesPage(found_changes, _cursor_at_end(row, page, more), more=more)


_Found = tuple[Position, State, bool]  # a state that began there, or, if the last is true, ended
_position_of = itemgetter(0)


def _changed_since(tx: Transaction, since: Position, limit: int) -> list[_Found]:
    """The first `limit` changes, in order."""
    where = {"seq": since.seq, "after": since.node, "limit": limit}
    found: list[_Found] = []
    for row in tx.all(LIVE_CHANGED, **where):
        state = State(*row)
        found.append((Position(state.seq_from, state.node), state, False))
    for statement in ENDED:
        for seq_to, *columns in tx.all(statement, **where):
            state = State(*columns)
            found.append((Position(seq_to, state.node), state, True))
    found.sort(key=_position_of)
    return found[:limit]


def _cut(found: list[_Found], limit: int) -> tuple[list[_Found], bool]:
    """As many as were asked for and fit a body, at least one; whether there are more."""
    size = 0
    for count, entry_bytes in enumerate(encoded_bytes([state for _, state, _ in found])):
        size += entry_bytes
        if count == limit or (count and size > _MOST_BODY_BYTES):
            return found[:count], True
    return found, False


def _cursor_at_end(row: SpaceRow, page: list[_Found], more: bool) -> Cursor:
    if not more:
        return cursor_after(row)
    last, _, _ = page[-1]
    return write_cursor(row.epoch, last)
