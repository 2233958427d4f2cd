"""What the bodies of frames hold, packed and taken apart. No I/O. The layouts stand with the messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

import msgspec

from wire.chunks import (
    CHUNK_ID_BYTES,
    RECORD,
    ChunkRecord,
    PlainRecord,
    pack_ids,
    pack_records,
    plain_records,
    unpack_ids,
)
from wire.envelopes import decoder_of
from wire.errors import MalformedMessage, TooMuch
from wire.frames import Buffer
from wire.messages import (
    MAX_COMMIT_ITEMS,
    MAX_PAGE_ENTRIES,
    Change,
    CommitItem,
    CommitRequest,
    Entry,
    ItemResult,
    ItemsReply,
    ListReply,
    NamesIn,
)

T = TypeVar("T")

_encoder = msgspec.json.Encoder()


def _decode(kind: type[list[T]], body: Buffer, most: int, what: str) -> list[T]:
    if len(body) == 0:
        return []
    try:
        decoded = decoder_of(kind).decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedMessage(f"A list of {what} cannot be read: {error}") from error
    if len(decoded) > most:
        raise TooMuch(f"A list of {len(decoded)} {what}, where at most {most} are allowed.")
    return decoded


def encode_array(values: Sequence[Entry] | Sequence[Change] | Sequence[CommitItem] | Sequence[ItemResult]) -> bytes:
    """The JSON array of `values`."""
    return _encoder.encode(values)


def decode_entries(body: Buffer) -> list[Entry]:
    """The entries of a `list` reply. Raises: MalformedMessage, TooMuch."""
    return _decode(list[Entry], body, MAX_PAGE_ENTRIES, "entries")


class FolderNames(NamedTuple):
    """Names in the folder of the node `folder`. `folders`: the nodes of those that are folders, by their ordinals."""

    folder: int
    names: Sequence[str]
    folders: dict[int, int]


def pack_names(found: Iterable[tuple[NamesIn, Sequence[bytes]]]) -> tuple[int, bytes]:
    """(`names_at`, the body) of a `list` reply that bears names alone. The names are in UTF-8."""
    runs: list[NamesIn] = []
    names: list[bytes] = []
    for run, own in found:
        runs.append(run)
        names += own
    encoded = _encoder.encode(runs)
    return len(encoded), encoded + b"/".join(names)


def unpack_names(reply: ListReply, body: memoryview) -> list[FolderNames]:
    """The same taken apart. Raises: MalformedMessage, TooMuch."""
    if not 0 <= reply.names_at <= len(body):
        raise MalformedMessage("A list of names does not match its header.")
    runs = _decode(list[NamesIn], body[: reply.names_at], MAX_PAGE_ENTRIES, "folders")
    joined = bytes(body[reply.names_at :])
    try:
        names = joined.decode().split("/") if joined else []
    except UnicodeDecodeError as error:
        raise MalformedMessage(f"A list of names cannot be read: {error}") from error
    if len(names) > MAX_PAGE_ENTRIES:
        raise TooMuch(f"A list of {len(names)} names, where at most {MAX_PAGE_ENTRIES} are allowed.")
    if any(run.count < 0 for run in runs) or sum(run.count for run in runs) != len(names) or "" in names:
        raise MalformedMessage("A list of names does not match what it says of them.")
    found = []
    at = 0
    for run in runs:
        if any(not 0 <= ordinal < run.count for ordinal, _ in run.folders):
            raise MalformedMessage("A list of names speaks of folders that are not in it.")
        found.append(FolderNames(run.folder, names[at : at + run.count], dict(run.folders)))
        at += run.count
    return found


def decode_changes(body: Buffer) -> list[Change]:
    """The changes of a `changes` reply or a watch event. Raises: MalformedMessage, TooMuch."""
    return _decode(list[Change], body, MAX_PAGE_ENTRIES, "changes")


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
    items = _decode(list[CommitItem], body[:at], MAX_COMMIT_ITEMS, "items")
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
    return _decode(list[ItemResult], body[:at], MAX_COMMIT_ITEMS, "results"), unpack_ids(body[at:])
