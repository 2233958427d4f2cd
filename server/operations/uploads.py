"""Chunks coming in: which are there already, and storing those that are not.

A chunk is hashed, sealed and made durable before any transaction begins. The row comes after the bytes, so a crash
leaves bytes without a row, never a row without bytes.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from protocol import (
    RECORD,
    BadChunk,
    Buffer,
    ChunkRecord,
    HaveReply,
    HaveRequest,
    MalformedMessage,
    PutChunksReply,
    PutChunksRequest,
    QuotaExceeded,
    StorageFull,
    chunk_id,
    split_data,
    unpack_ids,
    unpack_records,
)
from server.catalog.chunk_rows import (
    HURT,
    ChunkRow,
    chunk_rows,
    insert_chunks,
    keep_pending,
    make_live,
    replace_chunk,
    usable_chunks,
)
from server.catalog.engine import Transaction
from server.catalog.space_row import add_stored_bytes, read_space_row
from server.chunks.tiered import highest_small
from server.operations.context import Caller, SpaceContext
from server.storage_faults import TokenDamaged
from server.vault.sealing import TokenType, sealed_size

_log = logging.getLogger(__name__)

Pieces = Mapping[bytes, memoryview]  # data by chunk id


def have(context: SpaceContext, caller: Caller, request: HaveRequest, body: Buffer) -> tuple[HaveReply, bytes]:
    """A byte for each id: whether a commit may refer to it. Raises: MalformedMessage."""
    ids = unpack_ids(body)
    if len(ids) != request.ids:
        raise MalformedMessage("A list of chunk ids is not as long as its header says.")
    with context.catalog.read() as tx:
        usable = usable_chunks(tx, ids, caller.actor)
    return HaveReply(), bytes(one in usable for one in ids)


def put_chunks(context: SpaceContext, caller: Caller, request: PutChunksRequest, body: memoryview) -> PutChunksReply:
    """Durable when this returns. Raises: BadChunk, StorageFull, QuotaExceeded, MalformedMessage."""
    front = request.chunks * RECORD.size
    if len(body) < front:
        raise MalformedMessage("A body is shorter than its records say.")
    pieces = check_pieces(context, split_data(unpack_records(body[:front]), body[front:]))
    stored = 0
    absent = set(pieces)
    while absent:  # again only if a chunk that was there at first was collected, or found damaged, in between
        with context.catalog.read() as tx:
            known = chunk_rows(tx, pieces)
        absent -= {one for one, row in known.items() if _is_sound(context, row)}
        upload = store_pieces(context, caller, {one: pieces[one] for one in absent})
        now_ms = context.now_ms()
        with upload.gone_if_refused(context), context.catalog.write() as tx:
            stored += upload.register(tx, caller, live=frozenset(), pending_since_ms=now_ms)
            there = {one for one, row in chunk_rows(tx, pieces).items() if row.offset != HURT}
            keep_pending(tx, there, since_ms=now_ms, actor=caller.actor)
        upload.discard_rest(context)
        absent = pieces.keys() - there
    return PutChunksReply(stored=stored)


def check_pieces(context: SpaceContext, split: Iterable[tuple[ChunkRecord, memoryview]]) -> Pieces:
    """The data by chunk id, each hashed and found to be what its id says. Raises: BadChunk, MalformedMessage."""
    pieces: dict[bytes, memoryview] = {}
    for record, data in split:
        if record.chunk_id in pieces and len(pieces[record.chunk_id]) == len(data):
            continue
        if chunk_id(context.keys.chunk_id, data) != record.chunk_id:
            raise BadChunk
        pieces[record.chunk_id] = data
    return pieces


@dataclass(slots=True)
class Upload:
    """Chunks that are durable, and whose rows are not written yet."""

    rows: dict[bytes, ChunkRow]
    _registered: set[bytes] = field(default_factory=set)
    _healed: set[bytes] = field(default_factory=set)

    def heal(self, context: SpaceContext) -> None:
        """Let these tokens take the place of damaged ones: every file that has such a chunk is whole again.

        A transaction of its own, for the data are what the ids say whatever becomes of the request.
        """
        with context.catalog.read() as tx:
            known = chunk_rows(tx, self.rows)
        hurt = [row for row in known.values() if not _is_sound(context, row)]
        if not hurt:
            return
        with context.catalog.write() as tx:
            healed = [old for old in hurt if replace_chunk(tx, old, self.rows[old.id])]
            more = sum(self.rows[old.id].sealed_len - old.sealed_len for old in healed)
            add_stored_bytes(tx, more, highest_small(self.rows[old.id].location for old in healed))
        self._healed = {old.id for old in healed}
        self._registered |= self._healed
        context.store.delete([old.location for old in healed])
        _log.warning("space %s: %d damaged chunks were uploaded again and are whole", context.space_id, len(healed))

    def register(
        self,
        tx: Transaction,
        caller: Caller,
        *,
        live: frozenset[bytes] | set[bytes],
        pending_since_ms: int,
    ) -> int:
        """Write the rows: those in `live` as live ones, the others as pending ones; how many were new.

        Raises: QuotaExceeded.
        """
        there = chunk_rows(tx, self.rows).keys()
        new = [row for row in self.rows.values() if row.id not in there]
        more = sum(row.sealed_len for row in new)
        if more:
            _check_quota(caller, tx, more)
        insert_chunks(tx, (row for row in new if row.id in live), since_ms=None, actor=None)
        pending = (row for row in new if row.id not in live)
        insert_chunks(tx, pending, since_ms=pending_since_ms, actor=caller.actor)
        make_live(tx, live & there)
        add_stored_bytes(tx, more, highest_small(row.location for row in new))
        self._registered |= {row.id for row in new}
        return len(new)

    @contextlib.contextmanager
    def gone_if_refused(self, context: SpaceContext) -> Iterator[None]:
        """Around the transaction: over a quota it is undone for certain, and what came for it is removed at once.

        Left to garbage collection, what is refused again and again would fill the disk past every quota.
        """
        try:
            yield
        except QuotaExceeded:
            self._registered = set(self._healed)
            self.discard_rest(context)
            raise

    def discard_rest(self, context: SpaceContext) -> None:
        """Remove what has no row, after the transaction: stored by another request at the same time, or not wanted.

        Where the transaction failed this is not called. Nobody knows then what became of it, and bytes without a row
        are left to garbage collection.
        """
        unused = [row.location for row in self.rows.values() if row.id not in self._registered]
        if unused:
            context.store.delete(unused)


def store_pieces(context: SpaceContext, caller: Caller, pieces: Pieces) -> Upload:
    """Seal `pieces` and make them durable. Raises: StorageFull, QuotaExceeded."""
    if not pieces:
        return Upload({})
    more = sum(sealed_size(len(data)) for data in pieces.values())
    if context.store.free_bytes() - more < context.limits.free_floor_bytes:
        raise StorageFull
    if caller.quota_bytes is not None:
        with context.catalog.read() as tx:
            _check_quota(caller, tx, more)
    lengths: list[int] = []
    with context.scratch.lend() as scratch, context.store.batch() as batch:
        for one, data in pieces.items():
            length = context.sealer.seal_into(scratch, TokenType.CHUNK, one, data)
            if context.limits.verify_after_seal:
                _check_fresh(context, one, data, scratch[:length])
            batch.add(one, scratch[:length])
            lengths.append(length)
        locations = batch.finish()
    key_no = context.sealer.key_no
    upload = Upload(
        {
            one: ChunkRow(one, key_no, location, 0, sealed_len, len(data))
            for (one, data), location, sealed_len in zip(pieces.items(), locations, lengths, strict=True)
        }
    )
    upload.heal(context)
    return upload


def _check_quota(caller: Caller, tx: Transaction, more: int) -> None:
    """That `more` bytes may be stored. Raises: QuotaExceeded."""
    if caller.quota_bytes is not None and read_space_row(tx).bytes_stored + more > caller.quota_bytes:
        raise QuotaExceeded(
            "Your quota of stored bytes, earlier versions included, is used up; delete something or ask the"
            " administrator."
        )


def _is_sound(context: SpaceContext, row: ChunkRow) -> bool:
    """Whether the chunk is there as far as one can tell without reading it: what is answered as stored has to be."""
    return row.offset != HURT and context.store.holds(row.location, row.sealed_len)


def _check_fresh(context: SpaceContext, chunk: bytes, data: memoryview, token: memoryview) -> None:
    """That what was just sealed opens to the same data: finds faulty memory (restic#4681). Raises: TokenDamaged."""
    opened = context.sealer.open(token, TokenType.CHUNK, chunk, len(data), context.sealer.key_no)
    if opened != data:
        raise TokenDamaged("freshly sealed data opens to something else: the memory of this machine may be faulty")
