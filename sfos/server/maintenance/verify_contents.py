"""Verification of contents: every one that a state has can be put together from chunks whose rows are there."""

from __future__ import annotations

from sqlalchemy import bindparam, select

from sfos.protocol import RECORD, content_id
from sfos.server.catalog.engine import Transaction
from sfos.server.catalog.schema import chunks, content_chunks, contents
from sfos.server.catalog.statement import Statement
from sfos.server.disk.storage_faults import CodecUnknown, TokenDamaged
from sfos.server.maintenance.findings import Findings
from sfos.server.spaces.operations.contents import empty_content
from sfos.server.spaces.operations.context import SpaceContext
from sfos.server.vault.sealing import TokenType

_ALL_LENGTHS = Statement(
    select(chunks.c.id, chunks.c.length, chunks.c.pending_since).where(chunks.c.space == bindparam("space"))
)
_ALL_LISTS = Statement(
    select(contents.c.content, contents.c.chunks, contents.c.key_no, contents.c.list).where(
        contents.c.space == bindparam("space")
    )
)
_ALL_REFERENCES = Statement(
    select(content_chunks.c.content, content_chunks.c.chunk)
    .where(content_chunks.c.space == bindparam("space"))
    .order_by(content_chunks.c.content)
)


def check_contents(context: SpaceContext, tx: Transaction, sizes: dict[bytes, int], findings: Findings) -> int:
    """The number of lists that a newer version has packed, and nobody here can look into. `sizes`: by content."""
    packed: set[bytes] = set()
    lengths: dict[bytes, int] = {}
    pending: set[bytes] = set()
    for chunk, length, since in tx.each(_ALL_LENGTHS):
        lengths[chunk] = length
        if since is not None:
            pending.add(chunk)
    listed: dict[bytes, set[bytes]] = {}
    for content, count, key_no, sealed in tx.each(_ALL_LISTS):
        try:
            records = context.sealer.open(sealed, TokenType.LIST, content, count * RECORD.size, key_no)
        except CodecUnknown:
            packed.add(content)
            continue
        except TokenDamaged as error:
            findings.add_content("list", f"the list of {content.hex()[:16]}…: {error.detail}", content)
            listed[content] = set()
            continue
        if content_id(context.keys.chunk_id, records) != content:
            findings.add_content("list", f"the list of {content.hex()[:16]}… is of another content", content)
        listed[content] = _check_list(content, records, sizes.get(content), lengths, findings)
    _check_references(tx, listed, packed, findings)
    empty = empty_content(context)
    for content, size in sizes.items():
        if content in listed or content in packed or (size == 0 and content == empty):
            continue
        if lengths.get(content) != size:
            findings.add_content("list", f"nothing says what {content.hex()[:16]}… is made of", content)
    used = set().union(*listed.values()) | sizes.keys()
    for chunk in pending & used:
        findings.add_chunk(chunk, f"chunk {chunk.hex()[:16]}… is in use, and marked as if it were not")
    return len(packed)


def _check_list(
    content: bytes, records: bytes, size: int | None, lengths: dict[bytes, int], findings: Findings
) -> set[bytes]:
    """Compare a list with the chunks' rows; the chunks in it."""
    found: set[bytes] = set()
    total = 0
    for chunk, length in RECORD.iter_unpack(records):
        found.add(chunk)
        total += length
        if lengths.get(chunk) != length:
            findings.add_content("list", f"chunk {chunk.hex()[:16]}… has no row of that length", content)
    if size is not None and total != size:
        findings.add_content("list", f"the parts of {content.hex()[:16]}… are {total} bytes, not {size}", content)
    return found


def _check_references(tx: Transaction, listed: dict[bytes, set[bytes]], packed: set[bytes], findings: Findings) -> None:
    """Check that garbage collection knows all chunks that the lists refer to."""
    references: dict[bytes, set[bytes]] = {}
    for content, chunk in tx.each(_ALL_REFERENCES):
        references.setdefault(content, set()).add(chunk)
    for content in (listed.keys() | references.keys()) - packed:
        if listed.get(content, set()) and listed[content] != references.get(content):
            findings.add_content("list", f"the chunks of {content.hex()[:16]}… are not those referred to", content)
