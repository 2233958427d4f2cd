"""The rows of chunks and of contents' lists: what is stored, where, and what it belongs to.

A chunk is live once a commit has referred to it, and pending (`pending_since`, `pending_by`) before that; pending ones
count for the caller who put them, and go after 24 hours.

One whose token was found damaged or gone bears HURT as its offset: it counts as not there, so that whoever has its data
sends them again, and the new token takes its place in the row, for every file that refers to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

from sqlalchemy import and_, bindparam, delete, func, or_, select, update

from sfos.server.catalog.engine import Transaction
from sfos.server.catalog.schema import chunks, content_chunks, contents
from sfos.server.catalog.statement import Insert, InStatement, Statement
from sfos.server.catalog.weights import LIST_BYTES, REFERENCE_BYTES

HURT = -1


class ChunkRow(NamedTuple):
    """A stored chunk. `length`: of its data; `sealed_len`: of its token; `offset`: 0 (until chunks share a location),
    or HURT.
    """

    id: bytes
    key_no: int
    location: str
    offset: int
    sealed_len: int
    length: int


PlainChunkRow: TypeAlias = tuple[bytes, int, str, int, int, int]  # a ChunkRow, made at an eighth of the cost


class ListRow(NamedTuple):
    """The sealed list of a content of several chunks. `ids`: each of its chunks once."""

    content: bytes
    chunks: int
    key_no: int
    sealed: bytes
    ids: frozenset[bytes]


CHUNK_COLUMNS = tuple(chunks.c[name] for name in ChunkRow._fields)

FIND_CHUNK = Statement(
    select(*CHUNK_COLUMNS).where(chunks.c.space == bindparam("space"), chunks.c.id == bindparam("id"))
)
ALL_CHUNKS = Statement(select(*CHUNK_COLUMNS).where(chunks.c.space == bindparam("space")))
USABLE = InStatement(
    lambda names: select(chunks.c.id, chunks.c.length, chunks.c.pending_since).where(
        chunks.c.space == bindparam("space"),
        chunks.c.id.in_([bindparam(name) for name in names]),
        or_(chunks.c.pending_since.is_(None), chunks.c.pending_by == bindparam("actor")),
        chunks.c.offset != HURT,
    )
)
_ROWS = InStatement(
    lambda names: select(*CHUNK_COLUMNS).where(
        chunks.c.space == bindparam("space"), chunks.c.id.in_([bindparam(name) for name in names])
    )
)
_MARK_HURT = Statement(
    update(chunks)
    .where(
        chunks.c.space == bindparam("space"),
        chunks.c.id == bindparam("chunk"),
        chunks.c.location == bindparam("lies_at"),
    )
    .values(offset=bindparam("mark"))
)
_REPLACE = Statement(
    update(chunks)
    .where(
        chunks.c.space == bindparam("space"),
        chunks.c.id == bindparam("chunk"),
        chunks.c.location == bindparam("lies_at"),
    )
    .values(
        key_no=bindparam("new_key_no"),
        location=bindparam("new_location"),
        offset=bindparam("new_offset"),
        sealed_len=bindparam("new_sealed_len"),
    )
)
_INSERT_LIVE = Insert(chunks, ChunkRow._fields, or_ignore=True)
_INSERT_PENDING = Insert(chunks, (*ChunkRow._fields, "pending_since", "pending_by"), or_ignore=True)
_KEEP = InStatement(
    lambda names: (
        update(chunks)
        .where(
            chunks.c.space == bindparam("space"),
            chunks.c.id.in_([bindparam(name) for name in names]),
            chunks.c.pending_since.is_not(None),
        )
        .values(pending_since=bindparam("since"), pending_by=bindparam("actor"))
    )
)
_FIND_LIST = Statement(
    select(contents.c.chunks, contents.c.key_no, contents.c.list).where(
        contents.c.space == bindparam("space"), contents.c.content == bindparam("content")
    )
)
_KNOWN_LISTS = InStatement(
    lambda names: select(contents.c.content).where(
        contents.c.space == bindparam("space"), contents.c.content.in_([bindparam(name) for name in names])
    )
)
_INSERT_LIST = Insert(contents, ("content", "chunks", "key_no", "list"))
_DELETE_LIST = Statement(
    delete(contents)
    .where(contents.c.space == bindparam("space"), contents.c.content == bindparam("content"))
    .returning(func.length(contents.c.list))
)
_DELETE_LIST_CHUNKS = Statement(
    delete(content_chunks).where(
        content_chunks.c.space == bindparam("space"), content_chunks.c.content == bindparam("content")
    )
)
# A reference can outlive a list that someone took out; what a content consists of never changes.
_INSERT_LIST_CHUNK = Insert(content_chunks, ("content", "chunk"), or_ignore=True)
DELETE_UNUSED = Statement(
    delete(chunks)
    .where(
        chunks.c.space == bindparam("space"),
        and_(chunks.c.id == bindparam("id"), chunks.c.pending_since < bindparam("before")),
    )
    .returning(chunks.c.location, chunks.c.sealed_len)
)


def find_chunk(tx: Transaction, chunk_id: bytes) -> ChunkRow | None:
    """The chunk's row."""
    row = tx.one(FIND_CHUNK, id=chunk_id)
    return None if row is None else ChunkRow(*row)


def usable_chunks(tx: Transaction, ids: Iterable[bytes], actor: str) -> dict[bytes, tuple[int, bool]]:
    """(Length, whether it is pending) of each of `ids` that is live, or pending and put by `actor`."""
    found = tx.all_in(USABLE, ids, actor=actor)
    return {chunk_id: (length, pending is not None) for chunk_id, length, pending in found}


def chunk_rows(tx: Transaction, ids: Iterable[bytes]) -> dict[bytes, ChunkRow]:
    """The rows of those of `ids` that have one, whoever put them, the hurt ones included."""
    return {row.id: row for row in map(ChunkRow._make, tx.all_in(_ROWS, ids))}


def mark_hurt(tx: Transaction, row: ChunkRow) -> None:
    """Note that the token of `row` is damaged or gone; nothing happens if it has been replaced meanwhile."""
    tx.run(_MARK_HURT, chunk=row.id, lies_at=row.location, mark=HURT)


def replace_chunk(tx: Transaction, old: ChunkRow, new: ChunkRow) -> bool:
    """Let the row say where the new token lies; False if it is not `old` any more. Pending stays pending."""
    return bool(
        tx.run(
            _REPLACE,
            chunk=old.id,
            lies_at=old.location,
            new_key_no=new.key_no,
            new_location=new.location,
            new_offset=new.offset,
            new_sealed_len=new.sealed_len,
        )
    )


def insert_live(tx: Transaction, rows: Sequence[PlainChunkRow]) -> int:
    """New rows of chunks that a commit refers to; how many of them there were not, for the others stay as they are."""
    return tx.insert(_INSERT_LIVE, rows)


def insert_pending(tx: Transaction, rows: Sequence[PlainChunkRow], *, since_ms: int, actor: str) -> int:
    """Insert rows of chunks that nothing refers to yet; the number of them that were not there before."""
    return tx.insert(_INSERT_PENDING, [(*row, since_ms, actor) for row in rows])


def make_live(tx: Transaction, ids: Iterable[bytes]) -> None:
    """A commit refers to these pending chunks now."""
    tx.run_in(_KEEP, ids, since=None, actor=None)


def keep_pending(tx: Transaction, ids: Iterable[bytes], *, since_ms: int, actor: str) -> None:
    """Let the 24 hours of pending chunks among `ids` begin anew: they were put again."""
    tx.run_in(_KEEP, ids, since=since_ms, actor=actor)


def find_list(tx: Transaction, content: bytes) -> tuple[int, int, bytes] | None:
    """(How many chunks, key number, sealed list) of a content of several chunks."""
    found = tx.one(_FIND_LIST, content=content)
    if found is None:
        return None
    chunks_in_it, key_no, sealed = found
    return chunks_in_it, key_no, sealed


def known_lists(tx: Transaction, ids: Iterable[bytes]) -> set[bytes]:
    """Contents out of `ids` that have a list."""
    return {content for (content,) in tx.all_in(_KNOWN_LISTS, ids)}


def replace_list(tx: Transaction, row: ListRow) -> None:
    """Let the content have this list, and references to just its chunks."""
    delete_list(tx, row.content)
    insert_lists(tx, [row])


def delete_list(tx: Transaction, content: bytes) -> int:
    """Take the list of a content away, with its references; how many bytes they took."""
    references = tx.run(_DELETE_LIST_CHUNKS, content=content)
    lists = tx.all(_DELETE_LIST, content=content)
    return REFERENCE_BYTES * references + sum(LIST_BYTES + int(length) for (length,) in lists)


def insert_lists(tx: Transaction, rows: Iterable[ListRow]) -> int:
    """New lists, with the references by which garbage collection knows their chunks; how many bytes they take."""
    rows = list(rows)
    tx.insert(_INSERT_LIST, [(row.content, row.chunks, row.key_no, row.sealed) for row in rows])
    pairs = [(row.content, chunk) for row in rows for chunk in sorted(row.ids)]
    references = tx.insert(_INSERT_LIST_CHUNK, pairs)
    return sum([weight_of_list(row) for row in rows]) - REFERENCE_BYTES * (len(pairs) - references)


def weight_of_list(row: ListRow) -> int:
    """Bytes that a new list takes with its references."""
    return LIST_BYTES + len(row.sealed) + REFERENCE_BYTES * len(row.ids)
