"""Garbage collection: chunks that no state refers to go after a day, and so do files that no row knows.

The order makes it exact and safe beside uploads: first rows, in a transaction in which a commit would have to see the
chunk; then just the locations of those rows. A chunk that is put again meanwhile lies in a new location.

What is referred to is found by set operations within SQLite on a snapshot, which holds up no writer; states that began
after the snapshot are asked again in the transaction that marks or deletes.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from sqlalchemy import and_, bindparam, except_, func, select, update

from sfos.server.catalog.chunk_rows import DELETE_UNUSED, delete_list
from sfos.server.catalog.compaction import give_back
from sfos.server.catalog.engine import Transaction
from sfos.server.catalog.schema import chunks, commits, content_chunks, contents, nodes, past
from sfos.server.catalog.space_row import add_stored_bytes, miscounted_rows, read_space_row
from sfos.server.catalog.statement import InStatement, Statement
from sfos.server.catalog.weights import CHUNK_BYTES
from sfos.server.chunks.store import StoredChunk
from sfos.server.maintenance.lease import collecting
from sfos.server.maintenance.progress import Progress, silent
from sfos.server.spaces.operations.context import SpaceContext

_log = logging.getLogger(__name__)

# A file whose row is about to be written must not be taken for an orphan, however short the grace is set.
MIN_ORPHAN_AGE_MS = 15 * 60 * 1_000
REPLIES_KEPT_MS = 7 * 24 * 3_600 * 1_000  # a client that repeats a request after a week has other problems
_BATCH = 500

_of_nodes = select(nodes.c.content).where(nodes.c.space == bindparam("space"), nodes.c.content.is_not(None))
_of_past = select(past.c.content).where(past.c.space == bindparam("space"), past.c.content.is_not(None))
_UNUSED_LISTS = Statement(
    except_(select(contents.c.content).where(contents.c.space == bindparam("space")), _of_nodes, _of_past)
)
_UNUSED_CHUNKS = Statement(
    except_(
        select(chunks.c.id).where(chunks.c.space == bindparam("space"), chunks.c.pending_since.is_(None)),
        _of_nodes,
        _of_past,
        select(content_chunks.c.chunk).where(content_chunks.c.space == bindparam("space")),
    )
)
_NEW_LIVE = Statement(_of_nodes.where(nodes.c.seq_from > bindparam("seq")))
_NEW_PAST = Statement(_of_past.where(past.c.seq_to > bindparam("seq")))
_CHUNKS_OF = Statement(
    select(content_chunks.c.chunk).where(
        content_chunks.c.space == bindparam("space"), content_chunks.c.content == bindparam("content")
    )
)
_MARK = Statement(
    update(chunks).where(
        chunks.c.space == bindparam("space"),
        chunks.c.id == bindparam("chunk"),
        chunks.c.pending_since.is_(None),
    ),
    columns=["pending_since"],
)
_OVERDUE = Statement(
    select(chunks.c.id)
    .where(chunks.c.space == bindparam("space"), chunks.c.pending_since < bindparam("before"))
    .limit(bindparam("limit"))
)
_HOW_MANY = Statement(select(func.count()).select_from(chunks).where(chunks.c.space == bindparam("space")))
_HOW_MANY_OVERDUE = Statement(
    select(func.count())
    .select_from(chunks)
    .where(chunks.c.space == bindparam("space"), chunks.c.pending_since < bindparam("before"))
)
_LOCATIONS = InStatement(
    lambda names: select(chunks.c.location).where(
        chunks.c.space == bindparam("space"), chunks.c.id.in_([bindparam(name) for name in names])
    )
)
_old_replies = and_(
    commits.c.space == bindparam("space"), commits.c.time_ms < bindparam("before"), commits.c.reply.is_not(None)
)
_REPLIES_BYTES = Statement(select(func.coalesce(func.sum(func.length(commits.c.reply)), 0)).where(_old_replies))
_FORGET_REPLIES = Statement(update(commits).where(_old_replies), columns=["reply"])


@dataclass(slots=True)
class Collected:
    """Result of a collection in one space."""

    lists: int = 0
    chunks: int = 0
    bytes: int = 0
    orphans: int = 0
    marked: int = 0
    replies: int = 0
    given_back: int = 0  # bytes by which the catalog is shorter


def collect_garbage(
    context: SpaceContext,
    grace_ms: int,
    stopping: Callable[[], bool] = lambda: False,
    progress: Progress = silent,
    *,
    compact: bool = False,
) -> Collected:
    """Remove what nothing has referred to for `grace_ms`; less of it once `stopping` says so.

    `compact`: write the catalog anew, if much of it is free and the disk has room for that; writers wait meanwhile.

    Raises: HeldOff, SfosError, OSError.
    """
    done = Collected()
    through = context.reserve.through  # each step can be done again where the disk was too full for it
    with collecting(context.directory):
        now_ms = context.now_ms()
        progress("looking for what nothing refers to", 0, 0)
        done.lists = through(lambda: _delete_unused_lists(context))
        done.marked = through(lambda: _mark_unused_chunks(context, now_ms))
        through(lambda: _delete_overdue_chunks(context, now_ms - grace_ms, done, stopping, progress))
        before_ms = now_ms - max(grace_ms, MIN_ORPHAN_AGE_MS)
        done.orphans = through(lambda: _delete_orphans(context, before_ms, stopping, progress))
        done.replies = through(lambda: _forget_replies(context, now_ms - REPLIES_KEPT_MS))
        through(lambda: _count_anew(context))
        through(context.store.compact)
        if compact:
            done.given_back = give_back(context.catalog, _room_bytes(context))
    return done


def remove_old_half_written(temp_dir: Path, before_ms: int) -> int:
    """Remove half-written files and spaces that were last touched before then; how many there were."""
    count = 0
    for path in temp_dir.iterdir() if temp_dir.is_dir() else ():
        with contextlib.suppress(FileNotFoundError):
            if path.name.startswith(("chunk-", "space-")) and path.stat().st_mtime_ns // 1_000_000 < before_ms:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
                count += 1
    return count


def _delete_unused_lists(context: SpaceContext) -> int:
    with context.catalog.read() as tx:
        seq = read_space_row(tx).seq
        unused = {content for (content,) in tx.each(_UNUSED_LISTS)}
    if not unused:
        return 0
    with context.catalog.write() as tx:
        unused -= _begun_since(tx, seq)
        add_stored_bytes(tx, 0, rows=-sum([delete_list(tx, content) for content in unused]))
    return len(unused)


def _mark_unused_chunks(context: SpaceContext, now_ms: int) -> int:
    """Start the day of grace of live chunks to which nothing refers any more."""
    with context.catalog.read() as tx:
        seq = read_space_row(tx).seq
        unused = {chunk for (chunk,) in tx.each(_UNUSED_CHUNKS)}
    if not unused:
        return 0
    with context.catalog.write() as tx:
        begun = _begun_since(tx, seq)
        unused -= begun
        for content in begun:
            unused -= {chunk for (chunk,) in tx.all(_CHUNKS_OF, content=content)}
        tx.run_many(_MARK, ("chunk", "pending_since"), ((chunk, now_ms) for chunk in unused))
    return len(unused)


def _begun_since(tx: Transaction, seq: int) -> set[bytes]:
    """The contents of all states that began after `seq`, also of those that have ended since."""
    return {content for statement in (_NEW_LIVE, _NEW_PAST) for (content,) in tx.all(statement, seq=seq)}


def _delete_overdue_chunks(
    context: SpaceContext, before_ms: int, done: Collected, stopping: Callable[[], bool], progress: Progress
) -> None:
    total = _count(context, _HOW_MANY_OVERDUE, before=before_ms) if progress is not silent else 0
    while not stopping():
        progress("unused chunks", done.chunks, total)
        locations: list[str] = []
        freed = 0
        with context.catalog.write() as tx:
            for (chunk,) in tx.all(_OVERDUE, before=before_ms, limit=_BATCH):
                for location, sealed_len in tx.all(DELETE_UNUSED, id=chunk, before=before_ms):
                    locations.append(location)
                    freed += sealed_len
            add_stored_bytes(tx, -freed, rows=-CHUNK_BYTES * len(locations))
        if not locations:
            return
        # After the transaction: a crash here leaves orphans, which go some other day.
        context.reserve.through(partial(context.store.delete, locations))
        done.chunks += len(locations)
        done.bytes += freed


def _delete_orphans(context: SpaceContext, before_ms: int, stopping: Callable[[], bool], progress: Progress) -> int:
    count = looked = 0
    total = _count(context, _HOW_MANY) if progress is not silent else 0
    for stored in _batches(one for one in context.store.list_stored() if one.stored_ms < before_ms):
        if stopping():
            break
        progress("what is stored", looked, total)
        looked += len(stored)
        orphans = orphans_among(context, stored)
        context.store.delete([one.location for one in orphans])
        count += len(orphans)
    return count


def _forget_replies(context: SpaceContext, before_ms: int) -> int:
    with context.catalog.write() as tx:
        found = tx.one(_REPLIES_BYTES, before=before_ms)
        count = tx.run(_FORGET_REPLIES, reply=None, before=before_ms)
        add_stored_bytes(tx, 0, rows=-int(found[0]) if found else 0)
        return count


def _room_bytes(context: SpaceContext) -> int:
    """How much may be taken for a while: what is free above the floor."""
    return max(0, context.store.free_bytes() - context.limits.free_floor_bytes)


def _count_anew(context: SpaceContext) -> None:
    """Mend the sum of rows, where some were lost: on a snapshot, for what others add meanwhile is counted as it is."""
    with context.catalog.read() as tx:
        more = miscounted_rows(tx)
    if more:
        with context.catalog.write() as tx:
            add_stored_bytes(tx, 0, rows=more)
        _log.warning("space %s: the rows took %d bytes more than were counted", context.space_id, more)


def _count(context: SpaceContext, statement: Statement, **parameters: object) -> int:
    with context.catalog.read() as tx:
        found = tx.one(statement, **parameters)
    return 0 if found is None else int(found[0])


def orphans_among(context: SpaceContext, stored: list[StoredChunk]) -> list[StoredChunk]:
    """Chunks out of `stored` that no row knows now."""
    with context.catalog.read() as tx:
        ids = [one.chunk_id for one in stored if one.chunk_id is not None]
        known = {location for (location,) in tx.all_in(_LOCATIONS, ids)}
    return [one for one in stored if one.location not in known]


def _batches(stored: Iterable[StoredChunk]) -> Iterator[list[StoredChunk]]:
    rest = iter(stored)
    while batch := list(islice(rest, _BATCH)):
        yield batch
