"""Chunks: how contents are cut into pieces and how pieces and contents are named. No I/O.

    chunk id    = BLAKE3(key = the space's chunk-id key, data)                                   32 bytes
    record      = chunk id | uint32 length                                                       36 bytes
    content id  = the chunk id, for a content of one chunk; the id of b"" for an empty one;
                  else BLAKE3(key = list key, all records)                                       32 bytes

The content id is a hash over the list, not over the bytes: so the server checks it at commit without reading any
data, and whoever checks each chunk against its id and the list against the content id has checked the whole.
The list key is derived, so that no chunk whose bytes look like a list has the list's id.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias, TypeVar

from blake3 import blake3

from sfos.wire.errors import LocalProtocolError, MalformedMessage
from sfos.wire.frames import Buffer

__all__ = [
    "AVERAGE_CHUNK_BYTES",
    "CHUNK_ID_BYTES",
    "LENGTH",
    "MAX_CHUNK_BYTES",
    "MIN_CHUNK_BYTES",
    "RECORD",
    "WANT",
    "ChunkRecord",
    "ChunkWant",
    "PlainRecord",
    "chunk_id",
    "chunk_ids",
    "content_id",
    "pack_ids",
    "pack_lengths",
    "pack_records",
    "pack_wants",
    "plain_records",
    "split_data",
    "unpack_ids",
    "unpack_lengths",
    "unpack_records",
    "unpack_wants",
]

CHUNK_ID_BYTES = 32
# Content-defined boundaries (FastCDC); frozen by the first stored byte of a space.
MIN_CHUNK_BYTES = 256 * 1024
AVERAGE_CHUNK_BYTES = 1024 * 1024
MAX_CHUNK_BYTES = 4 * 1024 * 1024

RECORD = struct.Struct(">32sI")
WANT = struct.Struct(">Q32sII")
LENGTH = struct.Struct(">I")

_LIST_KEY_CONTEXT = "secure file orchestration 2026 content list v1"


class ChunkRecord(NamedTuple):
    """One chunk of a content: its id and its plain length in bytes."""

    chunk_id: bytes
    length: int


# A ChunkRecord of which there are so many that a plain tuple, at a sixth of the cost, is worth while.
PlainRecord: TypeAlias = tuple[bytes, int]
R = TypeVar("R", bound=PlainRecord)


class ChunkWant(NamedTuple):
    """A run of a content's chunks, as `get_chunks` asks for them: `chunks` of them from ordinal `first` on."""

    node: int
    content: bytes
    first: int
    chunks: int


def chunk_id(key: bytes, data: Buffer) -> bytes:
    """The name of a chunk under the space's chunk-id key (32 bytes). Releases the GIL for large data."""
    return blake3(data, key=key).digest()


def chunk_ids(key: bytes, pieces: Iterable[Buffer]) -> Iterator[bytes]:
    """The names of many chunks, as they are asked for. One hasher names all: an eighth less for 4 KiB."""
    hasher = blake3(key=key)
    for data in pieces:
        hasher.reset()
        hasher.update(data)
        yield hasher.digest()


def content_id(key: bytes, records: Buffer) -> bytes:
    """The name of the content whose packed records are `records`. Raises: MalformedMessage."""
    if len(records) % RECORD.size:
        raise MalformedMessage("A list of chunks has a broken record.")
    if len(records) == 0:
        return chunk_id(key, b"")
    if len(records) == RECORD.size:
        return bytes(memoryview(records)[:CHUNK_ID_BYTES])
    list_key = blake3(key, derive_key_context=_LIST_KEY_CONTEXT).digest()
    return blake3(records, key=list_key).digest()


def pack_records(records: Iterable[PlainRecord]) -> bytes:
    """The records in their 36-byte form, one after the other."""
    return b"".join(RECORD.pack(*record) for record in records)


def plain_records(packed: Buffer) -> list[PlainRecord]:
    """The records of a packed list. Raises: MalformedMessage for a broken record or an impossible length."""
    if len(packed) % RECORD.size:
        raise MalformedMessage("A list of chunks has a broken record.")
    records: list[PlainRecord] = list(RECORD.iter_unpack(packed))
    lengths = [length for _, length in records]
    if lengths and not 0 < min(lengths) <= max(lengths) <= MAX_CHUNK_BYTES:
        raise MalformedMessage("A chunk's length is outside of what is allowed.")
    return records


def unpack_records(packed: Buffer) -> list[ChunkRecord]:
    """Records of a packed list, with names for the fields. Raises: as `plain_records`."""
    return [ChunkRecord(*fields) for fields in plain_records(packed)]


def split_data(records: Iterable[R], data: memoryview) -> Iterator[tuple[R, memoryview]]:
    """Each record with its bytes out of `data`, which holds them one after the other. Raises: MalformedMessage."""
    at = 0
    for record in records:
        end = at + record[1]
        if end > len(data):
            raise MalformedMessage("A body is shorter than its records say.")
        yield record, data[at:end]
        at = end
    if at != len(data):
        raise MalformedMessage("A body is longer than its records say.")


def pack_wants(wants: Iterable[ChunkWant]) -> bytes:
    """The body of a `get_chunks` request."""
    return b"".join(WANT.pack(*want) for want in wants)


def unpack_wants(packed: Buffer) -> list[ChunkWant]:
    """Chunks that a `get_chunks` request asks for. Raises: MalformedMessage."""
    if len(packed) % WANT.size:
        raise MalformedMessage("A list of wanted chunks has a broken record.")
    return [ChunkWant(*fields) for fields in WANT.iter_unpack(packed)]


def pack_lengths(lengths: Iterable[int]) -> bytes:
    """The front of a `get_chunks` reply's body: the plain length of each chunk that follows."""
    return b"".join(LENGTH.pack(length) for length in lengths)


def unpack_lengths(body: memoryview, count: int) -> tuple[list[int], memoryview]:
    """The lengths of `count` chunks and the data after them. Raises: MalformedMessage."""
    end = count * LENGTH.size
    if count < 0 or end > len(body):
        raise MalformedMessage("A reply with chunks is too short.")
    lengths = [length for (length,) in LENGTH.iter_unpack(body[:end])]
    data = body[end:]
    if sum(lengths) != len(data):
        raise MalformedMessage("A reply with chunks does not match its lengths.")
    return lengths, data


def pack_ids(ids: Iterable[bytes]) -> bytes:
    """Chunk ids one after the other. Raises: LocalProtocolError for one that is not 32 bytes."""
    packed = list(ids)
    if any(len(one) != CHUNK_ID_BYTES for one in packed):
        raise LocalProtocolError("a chunk id is not 32 bytes")
    return b"".join(packed)


def unpack_ids(packed: Buffer) -> list[bytes]:
    """The ids of a body of ids. Raises: MalformedMessage."""
    if len(packed) % CHUNK_ID_BYTES:
        raise MalformedMessage("A list of chunk ids has a broken id.")
    data = bytes(packed)
    return [data[at : at + CHUNK_ID_BYTES] for at in range(0, len(data), CHUNK_ID_BYTES)]
