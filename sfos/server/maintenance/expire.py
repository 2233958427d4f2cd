"""History older than the policy goes: states that ended before then, a batch a commit, and the horizon moves past them.

Each batch is a commit like any other, with a number of its own: the digest over all rows, the HEAD file and the waking
of watchers need no second way. Whoever asks for changes since before the horizon has to list everything anew. Garbage
collection frees what nothing refers to any more. The commits' own rows stay: live states were begun by some of them.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from sqlalchemy import bindparam, delete, func, select, update

from sfos.protocol import Reply
from sfos.server.catalog.engine import Transaction
from sfos.server.catalog.schema import past, spaces
from sfos.server.catalog.space_row import commit_time_ms, read_space_row
from sfos.server.catalog.statement import Statement
from sfos.server.catalog.weights import STATE_BYTES
from sfos.server.maintenance.progress import Progress, silent
from sfos.server.spaces.operations.change import Change, apply_change
from sfos.server.spaces.operations.context import Caller, IdempotencyKey, SpaceContext
from sfos.server.spaces.stored_answers import PlainForm

ACTOR = "maintenance"  # no account's id is like that
_BATCH = 2_000  # some 30 ms, for which other writers of the space wait

_ENDED_UNTIL = Statement(
    select(
        past.c.node,
        past.c.seq_from,
        past.c.seq_to,
        past.c.ended_as,
        past.c.mac,
        func.length(past.c.name) + func.coalesce(func.length(past.c.attrs), 0),
    )
    .where(past.c.space == bindparam("space"), past.c.seq_to <= bindparam("seq"))
    .order_by(past.c.seq_to)
    .limit(bindparam("limit"))
)
_DELETE = Statement(
    delete(past).where(
        past.c.space == bindparam("space"), past.c.node == bindparam("node"), past.c.seq_from == bindparam("seq_from")
    )
)
_HOW_MANY = Statement(
    select(func.count()).select_from(past).where(past.c.space == bindparam("space"), past.c.seq_to <= bindparam("seq"))
)
_MOVE_HORIZON = Statement(update(spaces).where(spaces.c.space == bindparam("space")), columns=["horizon"])


class BatchExpired(Reply, frozen=True):
    """Result of one batch."""

    states: int


_ANSWERS = PlainForm(BatchExpired)


@dataclass(slots=True)
class Expired:
    """Result of an expiry in one space. `horizon`: the oldest commit from which `changes` can still start."""

    states: int = 0
    horizon: int = 0


def expire_history(
    context: SpaceContext,
    kept_ms: int,
    stopping: Callable[[], bool] = lambda: False,
    progress: Progress = silent,
) -> Expired:
    """Forget the states that ended more than `kept_ms` ago. Safe beside a running server.

    Ends early, between two batches, once `stopping` says so. Raises: SfosError, TokenDamaged.
    """
    with context.catalog.read() as tx:
        last = _last_commit_before(tx, read_space_row(tx).seq, context.now_ms() - kept_ms)
        found = tx.one(_HOW_MANY, seq=last) if progress is not silent else None
    total = 0 if found is None else int(found[0])
    done = Expired()
    while not stopping():
        progress("history", done.states, total)
        key = IdempotencyKey(secrets.token_bytes(16))
        work = partial(_expire_batch, context, last)
        batch = apply_change(context, Caller(ACTOR), key, _ANSWERS, work, takes_away=True)
        done.states += batch.states
        if batch.states < _BATCH:
            break
    with context.catalog.read() as tx:
        done.horizon = read_space_row(tx).horizon
    return done


def _expire_batch(context: SpaceContext, last: int, change: Change) -> BatchExpired:
    rows = change.tx.all(_ENDED_UNTIL, seq=last, limit=_BATCH)
    if not rows:
        change.abandoned = True
        return BatchExpired(states=0)
    change.tx.run_many(_DELETE, ("node", "seq_from"), ((node, seq_from) for node, seq_from, *_ in rows))
    # A commit whose states go in two batches is behind the horizon from the first one on: nothing may start from it.
    _, _, newest, _, _, _ = rows[-1]
    change.tx.run(_MOVE_HORIZON, horizon=newest)
    change.tree.digest_delta -= context.rows.ended((mac, seq_to, end) for _, _, seq_to, end, mac, _ in rows)
    change.count_rows(-sum([STATE_BYTES + length for *_, length in rows]))
    change.tree.is_empty = False
    return BatchExpired(states=len(rows))


def _last_commit_before(tx: Transaction, newest: int, before_ms: int) -> int:
    """The number of the last commit that was made before then, or 0. Times never decrease, so halving finds it."""
    low, high = 0, newest
    while low < high:
        middle = (low + high + 1) // 2
        if commit_time_ms(tx, middle) < before_ms:
            low = middle
        else:
            high = middle - 1
    return low
