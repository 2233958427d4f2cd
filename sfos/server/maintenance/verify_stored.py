"""Verification of what is stored: rows of chunks beside the chunk store's listing, both in the order of locations.

With `check_tokens` every chunk is opened too, in the order in which it lies. Chunks that are damaged or gone are marked
in the catalog, some at a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Protocol, TypeVar

from sqlalchemy import bindparam, func, select

from sfos.protocol import MAX_CHUNK_BYTES, chunk_id
from sfos.server.catalog.chunk_rows import CHUNK_COLUMNS, ChunkRow, chunk_rows
from sfos.server.catalog.engine import Transaction
from sfos.server.catalog.schema import chunks
from sfos.server.catalog.space_row import SpaceRow, commit_time_ms
from sfos.server.catalog.statement import Statement
from sfos.server.chunks.store import StoredChunk
from sfos.server.disk.refusals import refusal, told
from sfos.server.disk.sqlite import DatabaseError
from sfos.server.disk.storage_faults import CodecUnknown, TokenDamaged
from sfos.server.maintenance.findings import Findings
from sfos.server.maintenance.progress import Progress
from sfos.server.maintenance.verify_age import check_age
from sfos.server.spaces.operations.context import SpaceContext
from sfos.server.spaces.operations.downloads import mark_as_hurt, open_chunk
from sfos.server.vault.tokens import OPEN_SLACK

_BY_LOCATION = Statement(  # as the store lists them: small ones, by their numbers; then files
    select(*CHUNK_COLUMNS)
    .where(chunks.c.space == bindparam("space"))
    .order_by(func.length(chunks.c.location), chunks.c.location)
)
_HOW_MANY = Statement(select(func.count()).select_from(chunks).where(chunks.c.space == bindparam("space")))
_LOCATION = re.compile(r"small:[1-9][0-9]{0,18}|disk:[0-9a-f]{2}/[0-9a-f]{64}-[0-9a-f]{8}")
_AT_ONCE = 1_000

T = TypeVar("T")


class Counts(Protocol):
    """Where to say how much was looked at, and what was found without a row."""

    chunks: int
    bytes_stored: int
    opened: int
    orphans: int
    newer: int
    packed: int


def check_stored(
    context: SpaceContext,
    tx: Transaction,
    row: SpaceRow,
    findings: Findings,
    counts: Counts,
    progress: Progress,
    *,
    vouched: bool,
) -> None:
    """Compare the rows of `tx` with what the store lists now. `vouched`: whether there is a HEAD file."""
    found = tx.one(_HOW_MANY)
    total = 0 if found is None else int(found[0])
    check = _Check(context, findings, counts, commit_time_ms(tx, row.seq))
    listed = check.placed(context.store.list_stored())
    there = next(listed, None)
    for looked, chunk in enumerate(ChunkRow(*columns) for columns in tx.each(_BY_LOCATION)):
        if looked % _AT_ONCE == 0:
            progress("what is stored", looked, total)
        counts.chunks += 1
        counts.bytes_stored += chunk.sealed_len
        if not _is_place(chunk.location):
            check.lacks(chunk, f"{chunk.location!r} is no place of a chunk")
            continue
        while there is not None and _order(there) < _order(chunk):
            check.without_row(there)
            there = next(listed, None)
        if there is not None and (there.location, there.chunk_id) == (chunk.location, chunk.id):
            check.both(chunk, there)
            there = next(listed, None)
        else:
            check.lacks(chunk, f"{chunk.location} is not there")
    while there is not None:
        check.without_row(there)
        there = next(listed, None)
    check.finish(row.seq, vouched=vouched)
    if counts.bytes_stored != row.bytes_stored:
        findings.add("counters", f"stored bytes are {counts.bytes_stored}, and counted as {row.bytes_stored}")


def check_tokens(context: SpaceContext, findings: Findings, counts: Counts, progress: Progress) -> None:
    """Open all chunks that rows know, and compute their ids."""
    done = 0
    for stored in _batches(context.store.list_stored()):
        with context.catalog.read() as tx:
            rows = chunk_rows(tx, [one.chunk_id for one in stored if one.chunk_id is not None])
        for one in stored:
            chunk = rows.get(one.chunk_id) if one.chunk_id is not None else None
            if chunk is not None and chunk.location == one.location:
                counts.opened += _opens(context, chunk, findings, counts)
                done += 1
        progress("chunks", min(done, counts.chunks), counts.chunks)
    progress("chunks", counts.chunks, counts.chunks)


class _Check:
    """One pass over rows and listing. `known_ms`: how late what the catalog knows was stored."""

    def __init__(self, context: SpaceContext, findings: Findings, counts: Counts, known_ms: int) -> None:
        self._context = context
        self._findings = findings
        self._counts = counts
        self._known_ms = known_ms
        self._latest_ms = 0
        self._lacking: list[tuple[ChunkRow, str]] = []

    def placed(self, listed: Iterable[StoredChunk]) -> Iterator[StoredChunk]:
        """Those out of a listing that a row may name."""
        for stored in listed:
            if stored.chunk_id is not None and _is_place(stored.location):
                yield stored
            else:
                self.without_row(stored)

    def both(self, chunk: ChunkRow, stored: StoredChunk) -> None:
        """A row, and what it says is there."""
        self._known_ms = max(self._known_ms, stored.stored_ms)
        if stored.sealed_len != chunk.sealed_len:
            self.lacks(chunk, f"{stored.location} has {stored.sealed_len} bytes, not {chunk.sealed_len}")

    def lacks(self, chunk: ChunkRow, why: str) -> None:
        """A row without its chunk, if the row still says so in the end."""
        self._lacking.append((chunk, why))
        if len(self._lacking) >= _AT_ONCE:
            self._say_lacking()

    def without_row(self, stored: StoredChunk) -> None:
        """A chunk without its row."""
        self._counts.orphans += 1
        if stored.chunk_id is not None:
            self._latest_ms = max(self._latest_ms, stored.stored_ms)

    def finish(self, seq: int, *, vouched: bool) -> None:
        """Say what is left to be said."""
        self._say_lacking()
        if self._latest_ms > self._known_ms:
            self._counts.newer = check_age(self._context, seq, self._known_ms, self._findings, vouched=vouched)

    def _say_lacking(self) -> None:
        """Garbage collection may have run since the snapshot, so the rows are asked once more."""
        lacking, self._lacking = self._lacking, []
        with self._context.catalog.read() as tx:
            now = chunk_rows(tx, [chunk.id for chunk, _ in lacking])
        hurt = [(chunk, why) for chunk, why in lacking if _is_same(now.get(chunk.id), chunk)]
        for chunk, why in hurt:
            self._findings.add_chunk(chunk.id, why)
        mark_as_hurt(self._context, [chunk for chunk, _ in hurt])


def _is_place(location: object) -> bool:
    return isinstance(location, str) and _LOCATION.fullmatch(location) is not None


def _order(one: ChunkRow | StoredChunk) -> tuple[int, str]:
    return len(one.location), one.location


def _is_same(now: ChunkRow | None, chunk: ChunkRow) -> bool:
    return now is not None and now.location == chunk.location


def _opens(context: SpaceContext, chunk: ChunkRow, findings: Findings, counts: Counts) -> bool:
    """Open the chunk and compute its id."""
    try:
        if not 0 < chunk.length <= MAX_CHUNK_BYTES:
            raise TokenDamaged(f"chunk {chunk.id.hex()[:16]}… cannot be {chunk.length} bytes long")
        data = memoryview(bytearray(chunk.length + OPEN_SLACK))
        with context.scratch.lend() as scratch:
            open_chunk(context, chunk, scratch, data)
        if chunk_id(context.keys.chunk_id, data[: chunk.length]) != chunk.id:
            raise TokenDamaged(f"chunk {chunk.id.hex()[:16]}… at {chunk.location}: its data are not those of its id")
    except CodecUnknown:
        counts.packed += 1
        return False
    except (TokenDamaged, OSError, DatabaseError) as error:
        refused = refusal(error)
        with context.catalog.read() as tx:
            now = chunk_rows(tx, [chunk.id]).get(chunk.id)
        if _is_same(now, chunk):
            why = f"chunk {chunk.id.hex()[:16]}… at {chunk.location}: {told(refused)}" if refused else ""
            why = why or (error.detail if isinstance(error, TokenDamaged) else str(error))
            findings.add_chunk(chunk.id, why, unread=refused is not None)
        return False
    return True


def _batches(rows: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(rows)
    while batch := list(islice(rest, _AT_ONCE)):
        yield batch
