"""Reading file contents from a server that is not trusted to send the right bytes: each chunk is checked by its name.

A manifest is checked whole (its records make up the content id that the entry bears), then each chunk against its
record: so what is read is what the entry names, or an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate

from sfos.client.commands import Caller
from sfos.client.errors import KindUnknown
from sfos.protocol import (
    MAX_CHUNK_BYTES,
    MIN_CHUNK_BYTES,
    OTHER_KIND,
    BadChunk,
    ChunkRecord,
    ChunkWant,
    Entry,
    GetChunksReply,
    GetChunksRequest,
    IsAFolder,
    ManifestReply,
    ManifestRequest,
    Ref,
    RemoteProtocolError,
    SpaceInfo,
    TreeError,
    chunk_ids,
    content_id,
    from_info,
    pack_records,
    pack_wants,
    unpack_lengths,
    unpack_records,
)

MANIFEST_PAGE = 100_000
# What a reply with chunks may hold: a chunk of the largest size and its length at the least.
REPLY_BYTES = 4 * 1024 * 1024 + 4096


def check_is_file(entry: Entry) -> bytes:
    """The content's id. Raises: IsAFolder, KindUnknown, TreeError for what is no file."""
    if entry.kind == "folder":
        raise IsAFolder(subject=entry.path or entry.name)
    if entry.kind == OTHER_KIND:
        raise KindUnknown(subject=entry.path or entry.name)
    if entry.kind != "file" or entry.content is None:
        raise TreeError("This is not a file.", subject=entry.path or entry.name)
    return entry.content


def single_chunk(entry: Entry) -> list[ChunkRecord] | None:
    """The records of a content that needs no manifest: its own id is its only chunk's. None for larger files."""
    if entry.size > MIN_CHUNK_BYTES or entry.content is None:
        return None
    return [ChunkRecord(entry.content, entry.size)] if entry.size else []


def check_manifest(space: SpaceInfo, entry: Entry, records: Sequence[ChunkRecord]) -> None:
    """Return if the records are the content of `entry`. Raises: BadChunk."""
    whole = sum(record.length for record in records)
    if whole != entry.size or content_id(space.chunk_key, pack_records(records)) != entry.content:
        raise BadChunk("The list of this file's parts is not the one that belongs to it.", subject=entry.name)


def most_chunks(size: int) -> int:
    """Most chunks that a content of `size` bytes can have: each but the last has the smallest length at the least."""
    return -(-size // MIN_CHUNK_BYTES)


def manifest_page(entry: Entry, reply: ManifestReply, first: int, body: memoryview) -> list[ChunkRecord]:
    """The records from `first` on, as many as were asked for or are left: a server that dribbles could do so for ever.

    Raises: RemoteProtocolError.
    """
    page = unpack_records(body)
    if not page or len(page) != min(MANIFEST_PAGE, reply.chunks - first) or reply.chunks > most_chunks(entry.size):
        raise RemoteProtocolError("The server sent a wrong number of parts.", subject=entry.name)
    return page


def fetch_manifest(caller: Caller, space: SpaceInfo, entry: Entry) -> list[ChunkRecord]:
    """The chunks of a file, checked. Raises: BadChunk, RemoteProtocolError, what the server reports."""
    content = check_is_file(entry)
    known = single_chunk(entry)
    if known is not None:
        return known
    records: list[ChunkRecord] = []
    while True:
        request = ManifestRequest(ref=Ref(space=space.space, node=entry.node), first=len(records), limit=MANIFEST_PAGE)
        reply, body = caller.call(request)
        if reply.content != content:
            raise TreeError("The file was changed in the meantime; look again.", subject=entry.name)
        records += manifest_page(entry, reply, len(records), body)
        if len(records) >= reply.chunks:
            break
    check_manifest(space, entry, records)
    return records


def unpack_chunks(
    space: SpaceInfo, reply: GetChunksReply, body: memoryview, wanted: Sequence[tuple[bytes, int]]
) -> Iterator[memoryview]:
    """The chunks of a reply, checked one by one as they are asked for: the first `reply.chunks` of `wanted`, records of
    chunks.

    Raises: BadChunk; RemoteProtocolError for more than was asked for; what stopped the server when nothing came.
    """
    if reply.chunks == 0:
        raise from_info(reply.stopped) if reply.stopped else RemoteProtocolError("The server sent nothing.")
    if reply.chunks > len(wanted):
        raise RemoteProtocolError("The server sent more than was asked for.")
    lengths, data = unpack_lengths(body, reply.chunks)
    pieces = [data[end - length : end] for length, end in zip(lengths, accumulate(lengths), strict=True)]
    found = chunk_ids(space.chunk_key, pieces)
    for (name, size), piece, found_name in zip(wanted, pieces, found, strict=False):
        if len(piece) != size or found_name != name:
            raise BadChunk
        yield piece


def read_pieces(caller: Caller, space: SpaceInfo, entry: Entry, offset: int, length: int) -> Iterator[memoryview]:
    """The bytes from `offset` on, in pieces of at most one chunk. Raises: as `fetch_manifest`; DataDamaged;
    ContentClosed.
    """
    content = check_is_file(entry)
    end = min(offset + length, entry.size)
    if offset >= end:
        return
    _ = space.chunk_key  # before anything is asked for that could not be checked
    records = fetch_manifest(caller, space, entry)
    ordinal, start = 0, 0
    while start + records[ordinal].length <= offset:
        start += records[ordinal].length
        ordinal += 1
    while start < end:
        count = _fitting(records, ordinal, end - start)
        want = pack_wants([ChunkWant(entry.node, content, ordinal, count)])
        request = GetChunksRequest(space=space.space, wants=1, max_bytes=REPLY_BYTES)
        reply, body = caller.call(request, want)
        for piece in unpack_chunks(space, reply, body, records[ordinal : ordinal + count]):
            yield piece[max(0, offset - start) : max(0, end - start)]
            start += len(piece)
            ordinal += 1


def _fitting(records: Sequence[ChunkRecord], ordinal: int, needed: int) -> int:
    """Number of chunks to ask for from `ordinal` on: those needed, but not more than one reply holds; at least one."""
    count = total = 0
    for record in records[ordinal:]:
        if count and (total >= needed or total + record.length > MAX_CHUNK_BYTES):
            break
        total += record.length
        count += 1
    return count
