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

from sfos.protocol import AnswerForgotten, Cursor, MalformedMessage, OpIdReused, QuotaExceeded, StorageFull
from sfos.server.catalog.changeset import ChangeSet
from sfos.server.catalog.engine import Transaction
from sfos.server.catalog.head import Head, write_head
from sfos.server.catalog.schema import commits
from sfos.server.catalog.space_row import (
    SpaceRow,
    begin_commit,
    commit_time_ms,
    end_commit,
    mend_rows_bytes,
    read_space_row,
)
from sfos.server.catalog.statement import Row, Statement
from sfos.server.catalog.weights import COMMIT_BYTES
from sfos.server.spaces.operations.context import FINGERPRINT_BYTES, Caller, IdempotencyKey, SpaceContext
from sfos.server.spaces.operations.entries import cursor_after
from sfos.server.spaces.operations.quotas import check_bytes, check_entries
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
# Without room, of the answer to what takes away: so much, and so much for each entry that goes.
_ANSWER_BYTES = 1_024
_ANSWER_BYTES_OF_ONE = 256


class Change:
    """A change at work: its rows, and what its reply needs to know."""

    def __init__(
        self,
        context: SpaceContext,
        caller: Caller,
        tx: Transaction,
        row: SpaceRow,
        before: Cursor,
        *,
        takes_away: bool,
    ) -> None:
        self.context = context
        self._takes_away = takes_away
        self._caller = caller
        self._more_rows = 0
        self.tx = tx
        self.row = row
        self._before = before
        time_ms = max(
            context.now_ms(), commit_time_ms(tx, row.seq - 1)
        )  # times never decrease, whatever the clock does
        self.tree = ChangeSet(tx, row, time_ms, context.rows, context.names)
        self.abandoned = False  # set by work that decides to change nothing after all
        self.heals = False  # set by work that puts rows in place which were lost, and were counted

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

    @property
    def rows_bytes(self) -> int:
        """How many bytes more its rows take until now, but for those of chunks, which are counted when they come."""
        return self.tree.rows_delta + self._more_rows

    def count_rows(self, more: int) -> None:
        """Count bytes of rows that came, or went if negative, and are no states."""
        self._more_rows += more

    def flush(self) -> None:
        """Write what has been collected, unless it is more than the caller may have, or the disk has room for.

        Raises: QuotaExceeded, StorageFull.
        """
        self.tree.flush()
        self._check(self.rows_bytes)

    def finish(self, answer: bytes) -> bytes | None:
        """Write the rest; the sealed `answer` as it is to be kept. Raises: as `flush`.

        What takes away is never refused, so without room no answer is kept that is long beside what it takes away: a
        thousand errors about things that are not there would be another way to fill the disk.
        """
        self.tree.flush()
        more = self.rows_bytes + COMMIT_BYTES + len(answer)
        if not self._takes_away:
            self._check(more)
        elif len(answer) > _ANSWER_BYTES - self.tree.entries_delta * _ANSWER_BYTES_OF_ONE:
            try:
                self._check(more)
            except (QuotaExceeded, StorageFull):
                return None
        return answer

    def _check(self, more: int) -> None:
        check_entries(self._caller, self.row, self.tree.entries_delta)
        check_bytes(self.context, self._caller, self.tx, more)
        self.context.check_room(2 * more)  # in the write-ahead log, and in its place


def apply_change(
    context: SpaceContext,
    caller: Caller,
    key: IdempotencyKey,
    form: AnswerForm[A],
    work: Callable[[Change], A],
    *,
    takes_away: bool = False,
) -> A:
    """Carry out `work` as one commit; its answer, or the one that is kept under `key`, in `form`.

    What raises changes nothing. Work that changes nothing makes no commit, and is done again if repeated.
    `takes_away`: it only ends states or forgets some, so it is done on a full disk too, out of the reserve if need be.
    Raises: what `work` raises; OpIdReused, AnswerForgotten, QuotaExceeded, StorageFull.
    """
    if not takes_away:
        return _apply(context, caller, key, form, work, takes_away=False)
    return context.reserve.through(lambda: _apply(context, caller, key, form, work, takes_away=True))


def _apply(
    context: SpaceContext,
    caller: Caller,
    key: IdempotencyKey,
    form: AnswerForm[A],
    work: Callable[[Change], A],
    *,
    takes_away: bool,
) -> A:
    seq: int | None = None
    with context.catalog.exclusively():
        with context.catalog.write() as tx:
            stored = tx.one(_FIND_REPLY, op_id=key.op_id)
            if stored is not None:
                return _replayed(context, key, stored, form)
            if not takes_away:
                context.check_room()
            before = cursor_after(read_space_row(tx))
            change = Change(context, caller, tx, begin_commit(tx), before, takes_away=takes_away)
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
    header, body = answer
    reply = change.finish(
        context.names.seal_reply(
            key.op_id, _REPLY_FRONT.pack(_BEARS_REQUEST | len(header)) + key.fingerprint + header + body
        )
    )
    code = context.rows.commit_code(row.seq, tree.time_ms, caller.actor, key.op_id)
    digest = context.rows.open_digest(row.digest, row.epoch, row.seq - 1)
    digest = digest + tree.digest_delta + context.rows.commits([code])
    sealed = context.rows.seal_digest(digest, row.epoch, row.seq)
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
        change.rows_bytes + COMMIT_BYTES + len(reply or b""),
    )
    if change.heals:
        mend_rows_bytes(change.tx)
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
