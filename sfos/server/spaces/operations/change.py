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
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from blake3 import blake3
from sqlalchemy import bindparam, insert, select

from sfos.protocol import AnswerForgotten, Buffer, Cursor, OpIdReused, QuotaExceeded, Reply, Request, decoder_of
from sfos.server.catalog.changeset import ChangeSet
from sfos.server.catalog.engine import Transaction
from sfos.server.catalog.head import Head, write_head
from sfos.server.catalog.schema import commits
from sfos.server.catalog.space_row import SpaceRow, begin_commit, commit_time_ms, end_commit, read_space_row
from sfos.server.catalog.statement import Statement
from sfos.server.spaces.operations.context import Caller, SpaceContext
from sfos.server.spaces.operations.entries import cursor_after

_log = logging.getLogger(__name__)

R = TypeVar("R", bound=Reply)

_FIND_REPLY = Statement(
    select(commits.c.reply).where(commits.c.space == bindparam("space"), commits.c.op_id == bindparam("op_id"))
)
_INSERT_COMMIT = Statement(insert(commits))
# A stored reply: the length of its header; with the highest bit set, what it answers (`identify`); header; body.
_REPLY_FRONT = struct.Struct(">I")
_BEARS_REQUEST = 1 << 31
_ASKED_BYTES = 16

_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Outcome:
    """Answer of a change. `body`: bytes beside the reply."""

    reply: Reply
    body: bytes = b""


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


def identify(caller: Caller, request: Request[Any], body: Buffer = b"") -> bytes:
    """Digest that tells a request sent again from another one with the same op_id: kept with its reply."""
    asked = _encoder.encode((type(request).__name__, caller.actor, request))
    hasher = blake3(len(asked).to_bytes(4, "big") + asked)
    hasher.update(bytes(body))
    return hasher.digest(length=_ASKED_BYTES)


def apply_change(
    context: SpaceContext,
    caller: Caller,
    op_id: bytes,
    kind: type[R],
    work: Callable[[Change], Outcome],
    *,
    asked: bytes = bytes(_ASKED_BYTES),
) -> tuple[R, bytes]:
    """Carry out `work` as one commit; its reply and body, or those stored under `op_id`.

    `asked`: see `identify`; left out where no client asked for the change.
    What raises changes nothing. Work that changes nothing makes no commit, and is done again if repeated.
    Raises: what `work` raises; OpIdReused, AnswerForgotten, QuotaExceeded.
    """
    seq: int | None = None
    with context.catalog.exclusively():
        with context.catalog.write() as tx:
            stored = tx.one(_FIND_REPLY, op_id=op_id)
            if stored is not None:
                return _replayed(context, op_id, asked, stored[0], kind)
            before = cursor_after(read_space_row(tx))
            change = Change(context, caller, tx, begin_commit(tx), before)
            outcome = work(change)
            assert isinstance(outcome.reply, kind)
            if change.changes_nothing:
                tx.undo()
            else:
                head = _finish(context, caller, op_id, asked, change, outcome)
                seq = head.seq
        if seq is not None:
            _note_head(context, head)
    if seq is not None:
        context.commit_feed.committed(context.space_id)
    return outcome.reply, outcome.body


def stored_reply(context: SpaceContext, op_id: bytes, asked: bytes, kind: type[R]) -> tuple[R, bytes] | None:
    """Answer given to `op_id`, if there was one: looked up before costly preparations.

    Raises: OpIdReused, AnswerForgotten.
    """
    with context.catalog.read() as tx:
        stored = tx.one(_FIND_REPLY, op_id=op_id)
    return None if stored is None else _replayed(context, op_id, asked, stored[0], kind)


def _finish(
    context: SpaceContext, caller: Caller, op_id: bytes, asked: bytes, change: Change, outcome: Outcome
) -> Head:
    row, tree = change.row, change.tree
    change.flush()
    code = context.rows.commit_code(row.seq, tree.time_ms, caller.actor, op_id)
    digest = context.rows.open_digest(row.digest, row.epoch, row.seq - 1)
    digest = digest + tree.digest_delta + context.rows.commits([code])
    sealed = context.rows.seal_digest(digest, row.epoch, row.seq)
    header = _encoder.encode(outcome.reply)
    reply = context.names.seal_reply(
        op_id, _REPLY_FRONT.pack(_BEARS_REQUEST | len(header)) + asked + header + outcome.body
    )
    change.tx.run(_INSERT_COMMIT, seq=row.seq, time_ms=tree.time_ms, actor=caller.actor, op_id=op_id, reply=reply)
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


def _replayed(
    context: SpaceContext, op_id: bytes, asked: bytes, sealed: bytes | None, kind: type[R]
) -> tuple[R, bytes]:
    if sealed is None:
        raise AnswerForgotten
    plain = context.names.open_reply(op_id, sealed)
    (length,) = _REPLY_FRONT.unpack_from(plain)
    front = _REPLY_FRONT.size
    if length & _BEARS_REQUEST:  # replies of the first version's beginnings do not
        length &= ~_BEARS_REQUEST
        if not hmac.compare_digest(plain[front : front + _ASKED_BYTES], asked):
            raise OpIdReused
        front += _ASKED_BYTES
    try:
        return decoder_of(kind).decode(plain[front : front + length]), plain[front + length :]
    except msgspec.MsgspecError as error:
        raise OpIdReused from error
