"""Chunks coming in: which are there already, and storing those that are not.

A chunk is hashed, sealed and made durable before any transaction begins. The row comes after the bytes, so a crash
leaves bytes without a row, never a row without bytes.
"""

from __future__ import annotations

import contextlib
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sfos.protocol import (
    BadChunk,
    Buffer,
    PlainRecord,
    chunk_ids,
    split_data,
)
from sfos.server.catalog.chunk_rows import (
    HURT,
    ChunkRow,
    PlainChunkRow,
    chunk_rows,
    insert_live,
    insert_pending,
    keep_pending,
    make_live,
    replace_chunk,
    usable_chunks,
)
from sfos.server.catalog.engine import Transaction
from sfos.server.catalog.space_row import add_stored_bytes
from sfos.server.catalog.weights import CHUNK_BYTES
from sfos.server.chunks.store import Batch
from sfos.server.disk.sqlite import DatabaseError
from sfos.server.disk.storage_faults import StorageFault, TokenDamaged
from sfos.server.spaces.operations.context import Caller, SpaceContext
from sfos.server.spaces.operations.quotas import check_bytes
from sfos.server.vault.sealing import TokenType, sealed_size

_log = logging.getLogger(__name__)

Pieces = Mapping[bytes, memoryview]  # data by chunk id

# Up to here tokens are sealed many at once in memory of their own, longer ones one after the other in one buffer.
_SHORT_BYTES = 32 * 1024


def have(context: SpaceContext, caller: Caller, ids: Sequence[bytes]) -> list[bool]:
    """For each id: whether a commit may refer to it."""
    with context.catalog.read() as tx:
        usable = usable_chunks(tx, ids, caller.actor)
    return [one in usable for one in ids]


def put_chunks(context: SpaceContext, caller: Caller, records: Iterable[PlainRecord], data: memoryview) -> int:
    """See Space.put_chunks."""
    pieces = check_pieces(context, records, data)
    stored = 0
    absent = set(pieces)
    while absent:  # again only if a chunk that was there at first was collected, or found damaged, in between
        with context.catalog.read() as tx:
            known = chunk_rows(tx, pieces)
        absent -= {one for one, row in known.items() if _is_sound(context, row)}
        now_ms = context.now_ms()
        missing = {one: pieces[one] for one in absent}
        with stored_pieces(context, caller, missing) as upload, context.catalog.write() as tx:
            stored += upload.register(context, tx, caller, live=frozenset(), pending_since_ms=now_ms)
            there = {one for one, row in chunk_rows(tx, pieces).items() if row.offset != HURT}
            keep_pending(tx, there, since_ms=now_ms, actor=caller.actor)
        absent = pieces.keys() - there
    return stored


def check_pieces(context: SpaceContext, records: Iterable[PlainRecord], data: memoryview) -> Pieces:
    """The data by chunk id, each hashed and found to be what its id says. Raises: BadChunk, MalformedMessage."""
    split = list(split_data(records, data))
    ids = list(chunk_ids(context.keys.chunk_id, [piece for _, piece in split]))
    if ids != [claimed for (claimed, _), _ in split]:
        raise BadChunk
    return {one: piece for one, (_, piece) in zip(ids, split, strict=True)}


@dataclass(slots=True)
class Upload:
    """Chunks that are durable, and whose rows are not written yet."""

    rows: dict[bytes, PlainChunkRow]
    _registered: set[bytes] = field(default_factory=set)
    _healed: set[bytes] = field(default_factory=set)
    _tx: Transaction | None = None  # the last one that wrote rows of these chunks

    def heal(self, context: SpaceContext) -> None:
        """Let these tokens take the place of damaged ones: every file that has such a chunk is whole again.

        A transaction of its own, for the data are what the ids say whatever becomes of the request.
        """
        with context.catalog.read() as tx:
            known = chunk_rows(tx, self.rows)
        hurt = [(row, ChunkRow(*self.rows[row.id])) for row in known.values() if not _is_sound(context, row)]
        if not hurt:
            return
        with context.catalog.write() as tx:
            self._tx = tx
            healed = [(old, new) for old, new in hurt if replace_chunk(tx, old, new)]
            more = sum(new.sealed_len - old.sealed_len for old, new in healed)
            add_stored_bytes(tx, more, context.store.mark_of(new.location for _, new in healed))
        self._healed = {old.id for old, _ in healed}
        self._registered |= self._healed
        context.store.delete([old.location for old, _ in healed])
        _log.warning("space %s: %d damaged chunks were uploaded again and are whole", context.space_id, len(healed))

    def register(
        self,
        context: SpaceContext,
        tx: Transaction,
        caller: Caller,
        *,
        live: frozenset[bytes] | set[bytes],
        pending_since_ms: int,
    ) -> int:
        """Write the rows: those in `live` as live ones, the others as pending ones; how many were new.

        Raises: QuotaExceeded.
        """
        self._tx = tx
        inserted = insert_live(tx, [row for one, row in self.rows.items() if one in live])
        waiting = [row for one, row in self.rows.items() if one not in live]
        inserted += insert_pending(tx, waiting, since_ms=pending_since_ms, actor=caller.actor)
        new = self.rows
        if inserted < len(new):  # some have a row already: an older one, or ours of a chunk that was healed
            known = chunk_rows(tx, self.rows)
            there = {one for one, row in known.items() if row.location != ChunkRow(*self.rows[one]).location}
            there |= self._healed
            new = {one: row for one, row in self.rows.items() if one not in there}
            make_live(tx, live & there)
        more = sum([sealed_len for _, _, _, _, sealed_len, _ in new.values()])
        rows = CHUNK_BYTES * len(new)
        if new:
            check_bytes(context, caller, tx, more + rows)
        mark = context.store.mark_of([location for _, _, location, _, _, _ in new.values()])
        add_stored_bytes(tx, more, mark, rows=rows)
        self._registered.update(new)
        return len(new)

    def discard_rest(self, context: SpaceContext) -> None:
        """Remove what has no row, after the transaction: stored by another request at the same time, or not wanted.

        What cannot be removed is left to garbage collection: the transaction is done, whatever the disk says now.
        """
        unused = [ChunkRow(*row).location for one, row in self.rows.items() if one not in self._registered]
        if not unused:
            return
        try:
            context.reserve.through(lambda: context.store.delete(unused))
        except (OSError, StorageFault, DatabaseError) as error:
            _log.warning("space %s: %d chunks without a row stay for now: %s", context.space_id, len(unused), error)

    def discard_all(self, context: SpaceContext) -> None:
        """Remove all that came, for the transaction failed: left to garbage collection, what is refused again and again
        would fill the disk past every quota.

        Only where nobody knows what became of the transaction, as the disk failed within its end, bytes stay.
        """
        if self._tx is not None and self._tx.is_in_doubt:
            _log.warning("space %s: %d chunks stay, with or without a row", context.space_id, len(self.rows))
            return
        self._registered = set(self._healed)
        self.discard_rest(context)


@contextlib.contextmanager
def stored_pieces(context: SpaceContext, caller: Caller, pieces: Pieces) -> Iterator[Upload]:
    """Seal `pieces` and make them durable for the block, which gives them rows; what has none after it is gone.

    Raises: StorageFull, QuotaExceeded.
    """
    upload = store_pieces(context, caller, pieces)
    try:
        upload.heal(context)
        yield upload
    except BaseException:
        upload.discard_all(context)
        raise
    upload.discard_rest(context)


def store_pieces(context: SpaceContext, caller: Caller, pieces: Pieces) -> Upload:
    """Seal `pieces` and make them durable; no row says so yet. Raises: StorageFull, QuotaExceeded."""
    if not pieces:
        return Upload({})
    context.catalog.refuse_if_stopped()  # which would be found out when the bytes lie there
    more = sum(sealed_size(length) * count for length, count in Counter(map(len, pieces.values())).items())
    context.check_room(more)
    if caller.quota_bytes is not None:
        with context.catalog.read() as tx:
            check_bytes(context, caller, tx, more + CHUNK_BYTES * len(pieces))
    short = [(one, data) for one, data in pieces.items() if len(data) <= _SHORT_BYTES]
    long = [(one, data) for one, data in pieces.items() if len(data) > _SHORT_BYTES]
    with context.store.batch() as batch:
        lengths = [*_seal_short(context, batch, short), *_seal_long(context, batch, long)]
        locations = batch.finish()
    key_no = context.sealer.key_no
    return Upload(
        {
            one: (one, key_no, location, 0, sealed_len, len(data))
            for (one, data), location, sealed_len in zip([*short, *long], locations, lengths, strict=True)
        }
    )


def _seal_short(context: SpaceContext, batch: Batch, pieces: Sequence[tuple[bytes, memoryview]]) -> list[int]:
    """Seal many at once, for the batch to keep; how long their tokens are."""
    tokens = context.sealer.seal_short(TokenType.CHUNK, pieces)
    if context.limits.verify_after_seal:
        for (one, data), token in zip(pieces, tokens, strict=True):
            _check_fresh(context, one, data, token)
    batch.add_short([(one, token) for (one, _), token in zip(pieces, tokens, strict=True)])
    return [len(token) for token in tokens]


def _seal_long(context: SpaceContext, batch: Batch, pieces: Sequence[tuple[bytes, memoryview]]) -> list[int]:
    """Seal long pieces one after the other in one buffer, for the batch to write out; the lengths of the tokens."""
    if not pieces:
        return []
    lengths: list[int] = []
    with context.scratch.lend() as scratch:
        for one, data in pieces:
            length = context.sealer.seal_into(scratch, TokenType.CHUNK, one, data)
            if context.limits.verify_after_seal:
                _check_fresh(context, one, data, scratch[:length])
            batch.add(one, scratch[:length])
            lengths.append(length)
    return lengths


def _is_sound(context: SpaceContext, row: ChunkRow) -> bool:
    """Whether the chunk is there as far as one can tell without reading it: what is answered as stored has to be."""
    return row.offset != HURT and context.store.holds(row.location, row.sealed_len)


def _check_fresh(context: SpaceContext, chunk: bytes, data: memoryview, token: Buffer) -> None:
    """Check that data just sealed opens to the same: finds faulty memory (restic#4681). Raises: TokenDamaged."""
    opened = context.sealer.open(token, TokenType.CHUNK, chunk, len(data), context.sealer.key_no)
    if opened != data:
        raise TokenDamaged("freshly sealed data opens to something else: the memory of this machine may be faulty")
