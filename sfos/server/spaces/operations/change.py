"""One numbered commit, from its op_id to the waking of watchers.

take the space's writer lock → BEGIN IMMEDIATE → is the op_id known? then its stored reply is the answer
→ take the next sequence number → do the work → write rows, counters, digest and reply → COMMIT (durable)
→ HEAD file → give the lock back → tell the listeners
"""

from __future__ import annotations

import hmac
import logging
import struct
from collections.abc import Callable
from typing import TypeVar

import msgspec
from sqlalchemy import bindparam, insert, select

from sfos.protocol import AnswerForgotten, Cursor, MalformedMessage, OpIdReused, QuotaExceeded
from sfos.server.catalog.changeset import ChangeSet
from sfos.server.catalog.engine import Transaction
from sfos.server.catalog.head import Head, write_head
from sfos.server.catalog.schema import commits
from sfos.server.catalog.space_row import SpaceRow, begin_commit, commit_time_ms, end_commit, read_space_row
from sfos.server.catalog.statement import Row, Statement
from sfos.server.spaces.operations.context import FINGERPRINT_BYTES, Caller, IdempotencyKey, SpaceContext
from sfos.server.spaces.operations.entries import cursor_after
from sfos.server.spaces.stored_answers import AnswerForm

_log = logging.getLogger(__name__)

A = TypeVar("A")

_FIND_REPLY = Statement(
    select(commits.c.reply).where(commits.c.space == bindparam("space"), commits.c.op_id == bindparam("op_id"))
)
_INSERT_COMMIT = Statement(insert(commits))
# A stored reply: the length of its header; with the highest bit set, the fingerprint of what it answers; header; body.
_REPLY_FRONT = struct.Struct(">I")
_BEARS_REQUEST = 1 << 31


class Change:
    """A change at work: its rows, and what its reply needs to know."""

    def __init__(self, context: SpaceContext, caller: Caller, tx: Transaction, row: SpaceRow, before: Cursor) -> None:
        self.context = context
        self._quota_files = caller.quota_files
        self.tx = tx
        self.row = row
        self._before = before
        time_ms = max(
            context.now_ms(), commit_time_ms(tx, row.seq - 1)
        )  # times never decrease, whatever the clock does
        self.tree = ChangeSet(tx, row, time_ms, context.rows, context.names)
        self.abandoned = False  # set by work that decides to change nothing after all

    @property
    def changes_nothing(self) -> bool:
        """Whether there is nothing to commit."""
        return self.abandoned or self.tree.is_empty

    @property
    def commit(self) -> int | None:
        """The number of the commit that this becomes; None if it changes nothing."""
        return None if self.changes_nothing else self.row.seq

    @property
    def cursor(self) -> Cursor:
        """Where the history stands once this is done."""
        return self._before if self.changes_nothing else cursor_after(self.row)

    def flush(self) -> None:
        """Write what has been collected, unless it is more than the caller may have.

        What takes entries away is never too much, even above the quota. Raises: QuotaExceeded.
        """
        self.tree.flush()
        more = self.tree.entries_delta
        if self._quota_files is not None and more > 0 and self.row.entries_current + more > self._quota_files:
            raise QuotaExceeded(
                f"Your quota of {self._quota_files:,} files and folders is used up; delete some or ask the"
                " administrator."
            )


def apply_change(
    context: SpaceContext, caller: Caller, key: IdempotencyKey, form: AnswerForm[A], work: Callable[[Change], A]
) -> A:
    """Carry out `work` as one commit; its answer, or the one that is kept under `key`, in `form`.

    What raises changes nothing. Work that changes nothing makes no commit, and is done again if repeated.
    Raises: what `work` raises; OpIdReused, AnswerForgotten, QuotaExceeded.
    """
    seq: int | None = None
    with context.catalog.exclusively():
        with context.catalog.write() as tx:
            stored = tx.one(_FIND_REPLY, op_id=key.op_id)
            if stored is not None:
                return _replayed(context, key, stored, form)
            before = cursor_after(read_space_row(tx))
            change = Change(context, caller, tx, begin_commit(tx), before)
            answer = work(change)
            if change.changes_nothing:
                tx.undo()
            else:
                head = _finish(context, caller, key, change, form.encode(answer))
                seq = head.seq
        if seq is not None:
            _note_head(context, head)
    if seq is not None:
        context.commit_feed.committed(context.space_id)
    return answer


def stored_answer(context: SpaceContext, key: IdempotencyKey, form: AnswerForm[A]) -> A | None:
    """Answer kept under `key`, if there is one: looked up before costly preparations.

    Raises: OpIdReused, AnswerForgotten.
    """
    with context.catalog.read() as tx:
        stored = tx.one(_FIND_REPLY, op_id=key.op_id)
    return None if stored is None else _replayed(context, key, stored, form)


def _finish(
    context: SpaceContext, caller: Caller, key: IdempotencyKey, change: Change, answer: tuple[bytes, bytes]
) -> Head:
    row, tree = change.row, change.tree
    change.flush()
    code = context.rows.commit_code(row.seq, tree.time_ms, caller.actor, key.op_id)
    digest = context.rows.open_digest(row.digest, row.epoch, row.seq - 1)
    digest = digest + tree.digest_delta + context.rows.commits([code])
    sealed = context.rows.seal_digest(digest, row.epoch, row.seq)
    header, body = answer
    reply = context.names.seal_reply(
        key.op_id, _REPLY_FRONT.pack(_BEARS_REQUEST | len(header)) + key.fingerprint + header + body
    )
    change.tx.run(_INSERT_COMMIT, seq=row.seq, time_ms=tree.time_ms, actor=caller.actor, op_id=key.op_id, reply=reply)
    end_commit(
        change.tx,
        row._replace(
            next_node=tree.next_node,
            bytes_current=row.bytes_current + tree.bytes_delta,
            files_current=row.files_current + tree.files_delta,
            entries_current=row.entries_current + tree.entries_delta,
            digest=sealed,
        ),
    )
    return Head(row.epoch, row.seq, sealed)


def _note_head(context: SpaceContext, head: Head) -> None:
    try:
        write_head(context.directory, head)
    except OSError as error:  # it may lag, and the commit stands
        _log.warning("%s: the HEAD file could not be written: %s", context.directory, error)


def _replayed(context: SpaceContext, key: IdempotencyKey, stored: Row, form: AnswerForm[A]) -> A:
    (sealed,) = stored
    if sealed is None:
        raise AnswerForgotten
    plain = context.names.open_reply(key.op_id, sealed)
    (length,) = _REPLY_FRONT.unpack_from(plain)
    front = _REPLY_FRONT.size
    if length & _BEARS_REQUEST:  # replies of the first version's beginnings do not
        length &= ~_BEARS_REQUEST
        if not hmac.compare_digest(plain[front : front + FINGERPRINT_BYTES], key.fingerprint):
            raise OpIdReused
        front += FINGERPRINT_BYTES
    try:
        return form.decode(plain[front : front + length], plain[front + length :])
    except (msgspec.MsgspecError, MalformedMessage) as error:
        raise OpIdReused from error
