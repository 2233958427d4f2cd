"""Verification of contents: every one that a state has can be put together from chunks whose rows are there.

What states have, lists and chunks are read side by side in the order of their ids, so that none of it is in memory as a
whole.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import bindparam, func, select, union_all

from sfos.protocol import RECORD, content_id
from sfos.server.catalog.engine import Transaction
from sfos.server.catalog.schema import chunks, content_chunks, contents, nodes, past
from sfos.server.catalog.statement import InStatement, Row, Statement
from sfos.server.disk.storage_faults import CodecUnknown, TokenDamaged
from sfos.server.maintenance.findings import Findings
from sfos.server.maintenance.progress import Progress
from sfos.server.spaces.operations.contents import empty_content
from sfos.server.spaces.operations.context import SpaceContext
from sfos.server.vault.sealing import TokenType

_states = union_all(
    *(
        select(table.c.content, table.c.size).where(table.c.space == bindparam("space"), table.c.content.is_not(None))
        for table in (nodes, past)
    )
).subquery()
_SIZES = Statement(
    select(_states.c.content, func.min(_states.c.size), func.max(_states.c.size))
    .group_by(_states.c.content)
    .order_by(_states.c.content)
)
_LISTS = Statement(
    select(contents.c.content, contents.c.chunks, contents.c.key_no, contents.c.list)
    .where(contents.c.space == bindparam("space"))
    .order_by(contents.c.content)
)
_LENGTHS = Statement(
    select(chunks.c.id, chunks.c.length, chunks.c.pending_since)
    .where(chunks.c.space == bindparam("space"))
    .order_by(chunks.c.id)
)
_LENGTHS_OF = InStatement(
    lambda names: select(chunks.c.id, chunks.c.length, chunks.c.pending_since).where(
        chunks.c.space == bindparam("space"), chunks.c.id.in_([bindparam(name) for name in names])
    )
)
_REFERENCES = Statement(
    select(content_chunks.c.chunk).where(
        content_chunks.c.space == bindparam("space"), content_chunks.c.content == bindparam("content")
    )
)
_LISTS_AT_ONCE = 8  # of some MB each, at the most
_SHOWN_EVERY = 1_000


def check_contents(context: SpaceContext, tx: Transaction, findings: Findings, progress: Progress) -> int:
    """The number of lists that a newer version has packed, and nobody here can look into."""
    with tx.beside() as lists, tx.beside() as lengths, tx.beside() as asking:
        check = _Check(context, asking, findings)
        check.look(
            tx.each(_SIZES), _Ordered(lists.each(_LISTS, at_once=_LISTS_AT_ONCE)), lengths.each(_LENGTHS), progress
        )
        return check.packed


class _Ordered:
    """Rows in the order of their first column, for keys that are asked for in that order."""

    def __init__(self, rows: Iterator[Row]) -> None:
        self._rows = rows
        self._next = next(rows, None)

    def before(self, key: bytes | None) -> Iterator[Row]:
        """Rows of smaller keys, which go; None: all that are left."""
        while self._next is not None and (key is None or self._next[0] < key):
            passed, self._next = self._next, next(self._rows, None)
            yield passed

    def at(self, key: bytes) -> Row | None:
        """The row of this key, which goes."""
        if self._next is None or self._next[0] != key:
            return None
        found, self._next = self._next, next(self._rows, None)
        return found


class _Check:
    """One pass over all contents."""

    def __init__(self, context: SpaceContext, asking: Transaction, findings: Findings) -> None:
        self._context = context
        self._asking = asking
        self._findings = findings
        self.packed = 0

    def look(self, sizes: Iterator[Row], lists: _Ordered, lengths: Iterator[Row], progress: Progress) -> None:
        empty = empty_content(self._context)
        known = _Ordered(lengths)
        for looked, (content, least, most) in enumerate(sizes):
            if looked % _SHOWN_EVERY == 0:  # ids are random, so they say how much of all is done
                progress("contents", int.from_bytes(content[:2], "big"), 1 << 16)
            if least != most:
                self._add("row", content, f"the states with {content.hex()[:16]}… say different sizes of it")
            size = least if least == most else None
            for unused in lists.before(content):
                self._check_list(unused, None)
            found = lists.at(content)
            if found is not None:
                self._check_list(found, size)
            elif content != empty or size != 0:
                for _ in known.before(content):
                    pass
                self._check_single(content, size, known.at(content))
        for unused in lists.before(None):
            self._check_list(unused, None)

    def _check_single(self, content: bytes, size: int | None, chunk: Row | None) -> None:
        """Check a content without a list: it is the one chunk of that id."""
        if chunk is None or chunk[1] != size:
            self._add("list", content, f"nothing says what {content.hex()[:16]}… is made of")
        if chunk is not None and chunk[2] is not None:
            self._in_use(content)

    def _check_list(self, row: Row, size: int | None) -> None:
        """Compare a list with the chunks' rows, and with the references by which garbage collection knows them."""
        content, count, key_no, sealed = row
        try:
            records = self._context.sealer.open(sealed, TokenType.LIST, content, count * RECORD.size, key_no)
        except CodecUnknown:
            self.packed += 1
            return
        except TokenDamaged as error:
            self._add("list", content, f"the list of {content.hex()[:16]}…: {error.detail}")
            return
        if content_id(self._context.keys.chunk_id, records) != content:
            self._add("list", content, f"the list of {content.hex()[:16]}… is of another content")
        parts = list(RECORD.iter_unpack(records))
        ids = {chunk for chunk, _ in parts}
        known = {chunk: (length, since) for chunk, length, since in self._asking.all_in(_LENGTHS_OF, ids)}
        for chunk, length in parts:
            if chunk not in known or known[chunk][0] != length:
                self._add("list", content, f"chunk {chunk.hex()[:16]}… has no row of that length")
        total = sum(length for _, length in parts)
        if size is not None and total != size:
            self._add("list", content, f"the parts of {content.hex()[:16]}… are {total} bytes, not {size}")
        for chunk, (_, since) in known.items():
            if since is not None:
                self._in_use(chunk)
        referred = {chunk for (chunk,) in self._asking.all(_REFERENCES, content=content)}
        if ids and referred != ids:
            self._add("list", content, f"the chunks of {content.hex()[:16]}… are not those referred to")

    def _in_use(self, chunk: bytes) -> None:
        self._findings.add_chunk(chunk, f"chunk {chunk.hex()[:16]}… is in use, and marked as if it were not")

    def _add(self, about: str, content: bytes, detail: str) -> None:
        self._findings.add_content(about, detail, content)
