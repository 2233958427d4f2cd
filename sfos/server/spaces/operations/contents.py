"""The chunks of a content: a sealed list for one of several, none for one of a single chunk or of nothing."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from sfos.protocol import CHUNK_ID_BYTES, MAX_CHUNK_BYTES, RECORD, Buffer, chunk_id
from sfos.server.catalog.chunk_rows import ChunkRow, ListRow, find_chunk, find_list, known_lists, replace_list
from sfos.server.catalog.engine import Transaction
from sfos.server.catalog.space_row import mend_rows_bytes
from sfos.server.disk.storage_faults import CodecUnknown, TokenDamaged
from sfos.server.spaces.operations.context import SpaceContext
from sfos.server.vault.sealing import TokenType

_log = logging.getLogger(__name__)


def empty_content(context: SpaceContext) -> bytes:
    """The content id of an empty file."""
    return chunk_id(context.keys.chunk_id, b"")


def seal_list(context: SpaceContext, content: bytes, records: Buffer) -> ListRow:
    """The row of a content of several chunks. Binds the content, the order and the lengths of its chunks."""
    packed = bytes(records)
    ids = frozenset(packed[at : at + CHUNK_ID_BYTES] for at in range(0, len(packed), RECORD.size))
    sealed = context.sealer.seal(TokenType.LIST, content, packed)
    return ListRow(content, len(packed) // RECORD.size, context.sealer.key_no, sealed, ids)


def heal_lists(context: SpaceContext, packed: Mapping[bytes, bytes], known: Iterable[bytes]) -> None:
    """Replace those lists of the contents `known` that are damaged: every file that has such a content is whole again.

    `packed`: the records by content, which has been found to be the hash over them. A transaction of its own, for the
    records are right whatever becomes of the request. Costs a look at a list that is there already.
    """
    damaged: list[bytes] = []
    with context.catalog.read() as tx:
        for content in known:
            found = find_list(tx, content)
            if found is not None and not _is_sound(context, content, packed[content], *found):
                damaged.append(content)
    if not damaged:
        return
    with context.catalog.write() as tx:
        for content in known_lists(tx, damaged):
            replace_list(tx, seal_list(context, content, packed[content]))
        mend_rows_bytes(tx)
    _log.warning("space %s: %d damaged lists of contents were sent again", context.space_id, len(damaged))


def _is_sound(context: SpaceContext, content: bytes, packed: bytes, count: int, key_no: int, sealed: bytes) -> bool:
    try:
        return context.sealer.open(sealed, TokenType.LIST, content, count * RECORD.size, key_no) == packed
    except CodecUnknown:
        return True  # a newer version's, which this one leaves as it is
    except TokenDamaged:
        return False


def packed_records(context: SpaceContext, tx: Transaction, content: bytes, size: int) -> bytes:
    """The 36-byte records of a file's content, `size` bytes long. Raises: TokenDamaged."""
    if size == 0:
        return b""
    if size <= MAX_CHUNK_BYTES and single_chunk(tx, content, size) is not None:
        return RECORD.pack(content, size)
    return listed_records(context, tx, content)


def single_chunk(tx: Transaction, content: bytes, size: int) -> ChunkRow | None:
    """The one chunk that is the whole of a content; None if it has several."""
    row = find_chunk(tx, content) if size <= MAX_CHUNK_BYTES else None
    return row if row is not None and row.length == size else None


def listed_records(context: SpaceContext, tx: Transaction, content: bytes) -> bytes:
    """The records of a content of several chunks. Raises: TokenDamaged."""
    kept = context.lists.get(content)
    if kept is not None:
        return kept
    found = find_list(tx, content)
    if found is None:
        raise TokenDamaged(f"the catalog has no list of the content {content.hex()[:16]}…")
    count, key_no, sealed = found
    records = context.sealer.open(sealed, TokenType.LIST, content, count * RECORD.size, key_no)
    context.lists.put(content, records)
    return records
