"""Bodies of frames, packed and taken apart. No I/O. The layouts stand with the messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

import msgspec

from sfos.wire.chunks import (
    CHUNK_ID_BYTES,
    RECORD,
    ChunkRecord,
    PlainRecord,
    pack_ids,
    pack_records,
    plain_records,
    unpack_ids,
)
from sfos.wire.envelopes import DECODE_ERRORS, decoder_of, message_encoder
from sfos.wire.errors import MalformedMessage, TooMuch
from sfos.wire.frames import Buffer
from sfos.wire.messages import (
    MAX_COMMIT_ITEMS,
    MAX_PAGE_ENTRIES,
    Change,
    CommitItem,
    CommitRequest,
    ItemResult,
    ItemsReply,
)

__all__ = [
    "CommitBody",
    "decode_changes",
    "encode_array",
    "pack_commit",
    "pack_results",
    "unpack_commit",
    "unpack_results",
]

T = TypeVar("T")

_encoder = message_encoder()


# A list is decoded whole, and what is in it takes up to forty times as much memory as its text. So its brackets and
# commas are counted first: for one of so many elements as may be, no more than these, whatever a newer side adds.
_SHORT_BYTES = 64 * 1024  # not worth the look
_BRACKETS_EACH = 8
_COMMAS_EACH = 40
_QUOTE, _COMMA = b'",'


def check_length(body: Buffer, most: int, what: str) -> None:
    """Check, before it is decoded, that a JSON text can hold no more than `most` elements by far. Raises: TooMuch."""
    if len(body) <= _SHORT_BYTES:
        return
    text = bytes(body)
    brackets, commas = most * _BRACKETS_EACH, most * _COMMAS_EACH
    if text.count(b"{") + text.count(b"[") <= brackets and text.count(b",") <= commas:
        return
    import re  # only now: programs that never get here start without it

    # Texts may be full of them, and are passed over.
    for found in re.finditer(rb'"(?:[^"\\]++|\\.)*+"|[{\[]|,', text, re.DOTALL):
        first = text[found.start()]
        if first == _COMMA:
            commas -= 1
        elif first != _QUOTE:
            brackets -= 1
        if commas < 0 or brackets < 0:
            raise TooMuch(f"A list has far more {what} than the {most} that are allowed.")


def decode_list(kind: type[list[T]], body: Buffer, most: int, what: str) -> list[T]:
    """The JSON array of at most so many. Raises: MalformedMessage, TooMuch."""
    if len(body) == 0:
        return []
    check_length(body, most, what)
    try:
        decoded = decoder_of(kind).decode(body)
    except DECODE_ERRORS as error:
        raise MalformedMessage(f"A list of {what} cannot be read: {error}") from error
    if len(decoded) > most:
        raise TooMuch(f"A list of {len(decoded)} {what}, where at most {most} are allowed.")
    return decoded


def encode_array(values: Sequence[Change] | Sequence[CommitItem] | Sequence[ItemResult]) -> bytes:
    """The JSON array of `values`."""
    return _encoder.encode(values)


def decode_changes(body: Buffer) -> list[Change]:
    """The changes of a `changes` reply or a watch event. Raises: MalformedMessage, TooMuch."""
    return decode_list(list[Change], body, MAX_PAGE_ENTRIES, "changes")


class CommitBody(msgspec.Struct, frozen=True):
    """A commit's body, taken apart: `records` for all items one after the other, `inline` with their `data`."""

    items: list[CommitItem]
    records: list[PlainRecord]
    inline: list[PlainRecord]
    data: memoryview


def pack_commit(
    op_id: bytes,
    items: Sequence[CommitItem],
    records: Sequence[ChunkRecord],
    inline: Sequence[tuple[ChunkRecord, Buffer]] = (),
    *,
    space: str | None = None,
    atomic: bool = False,
) -> tuple[CommitRequest, bytes]:
    """The request and the body of a commit."""
    encoded = _encoder.encode(items)
    request = CommitRequest(
        op_id=op_id, space=space, items_bytes=len(encoded), records=len(records), inline=len(inline), atomic=atomic
    )
    front = (encoded, pack_records(records), pack_records(record for record, _ in inline))
    return request, b"".join((*front, *(data for _, data in inline)))


def unpack_commit(request: CommitRequest, body: memoryview) -> CommitBody:
    """Raises: MalformedMessage, TooMuch."""
    at = request.items_bytes
    records_end = at + request.records * RECORD.size
    inline_end = records_end + request.inline * RECORD.size
    if inline_end > len(body):
        raise MalformedMessage("A commit's body is shorter than its header says.")
    items = decode_list(list[CommitItem], body[:at], MAX_COMMIT_ITEMS, "items")
    records = plain_records(body[at:records_end])
    inline = plain_records(body[records_end:inline_end])
    data = body[inline_end:]
    if sum([length for _, length in inline]) != len(data):
        raise MalformedMessage("A commit's body does not match its records.")
    if sum([item.chunks for item in items]) != len(records):
        raise MalformedMessage("A commit's items do not match its records.")
    return CommitBody(items, records, inline, data)


def pack_results(results: Sequence[ItemResult], missing: Iterable[bytes] = ()) -> tuple[int, int, bytes]:
    """(`results_bytes`, `missing`, the body) of an ItemsReply."""
    encoded = _encoder.encode(results)
    ids = pack_ids(missing)
    return len(encoded), len(ids) // CHUNK_ID_BYTES, encoded + ids


def unpack_results(reply: ItemsReply, body: memoryview) -> tuple[list[ItemResult], list[bytes]]:
    """The results of a commit or delete, and the ids of the chunks that were missing. Raises: MalformedMessage."""
    at = reply.results_bytes
    if not 0 <= at <= len(body) or len(body) - at != reply.missing * CHUNK_ID_BYTES:
        raise MalformedMessage("A list of results does not match its header.")
    return decode_list(list[ItemResult], body[:at], MAX_COMMIT_ITEMS, "results"), unpack_ids(body[at:])
