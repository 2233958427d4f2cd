"""Looking at files and changing them: each command is one method of `Space`, found by the session's rights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from sfos.protocol import (
    CHUNK_ID_BYTES,
    LENGTH,
    MAX_BODY,
    RECORD,
    ChangesRequest,
    CommitRequest,
    CopyRequest,
    DeleteRequest,
    GetChunksRequest,
    HaveRequest,
    ListRequest,
    MakeFolderRequest,
    ManifestRequest,
    MoveRequest,
    PutChunksRequest,
    StatRequest,
    UsageRequest,
)
from sfos.server.commands.calls import Answer, Call, Handler, Handlers
from sfos.server.commands.rights import caller, space_of
from sfos.server.net.reply_buffers import BUFFER_BYTES
from sfos.server.spaces.space import Space

# What an entry or a change takes as a rule; only memory is reserved by it, nothing is cut.
_LISTED_BYTES = 160
_CHANGE_BYTES = 512
_RESULT_BYTES = 128


@contextmanager
def _opened(call: Call[Any]) -> Iterator[Space]:
    with call.services.spaces.lease(space_of(call), create=False) as space:
        yield space


# --- reading ------------------------------------------------------------------------------------------------------


def stat(call: Call[StatRequest]) -> Answer:
    with _opened(call) as space, call.turn:
        return Answer(space.stat(call.args))


def list_folders(call: Call[ListRequest]) -> Answer:
    with _opened(call) as space:
        reply, body = space.list_folders(call.args)
    return Answer(reply, (body,))


def manifest(call: Call[ManifestRequest]) -> Answer:
    with _opened(call) as space:
        reply, body = space.manifest(call.args)
    return Answer(reply, (body,))


def get_chunks(call: Call[GetChunksRequest]) -> Answer:
    with _opened(call) as space:
        reply, body = space.get_chunks(call.args, call.body, call.room.take)
    return Answer(reply, (body,))


def changes(call: Call[ChangesRequest]) -> Answer:
    with _opened(call) as space:
        reply, body = space.changes(call.args)
    return Answer(reply, (body,))


def usage(call: Call[UsageRequest]) -> Answer:
    with _opened(call) as space, call.turn:
        return Answer(space.usage(caller(call)))


def have(call: Call[HaveRequest]) -> Answer:
    with _opened(call) as space:
        reply, body = space.have(caller(call), call.args, call.body)
    return Answer(reply, (body,))


# --- changing -----------------------------------------------------------------------------------------------------


def put_chunks(call: Call[PutChunksRequest]) -> Answer:
    with _opened(call) as space:
        return Answer(space.put_chunks(caller(call), call.args, call.body))


def commit(call: Call[CommitRequest]) -> Answer:
    with _opened(call) as space:
        reply, body = space.commit(caller(call), call.args, call.body)
    return Answer(reply, (body,))


def make_folder(call: Call[MakeFolderRequest]) -> Answer:
    with _opened(call) as space:
        return Answer(space.make_folder(caller(call), call.args))


def move(call: Call[MoveRequest]) -> Answer:
    with _opened(call) as space:
        return Answer(space.move(caller(call), call.args))


def copy(call: Call[CopyRequest]) -> Answer:
    with _opened(call) as space:
        return Answer(space.copy(caller(call), call.args))


def delete(call: Call[DeleteRequest]) -> Answer:
    with _opened(call) as space:
        reply, body = space.delete(caller(call), call.args)
    return Answer(reply, (body,))


# --- how much memory the replies take -----------------------------------------------------------------------------


def _list_bytes(args: ListRequest) -> int:
    return min(MAX_BODY, args.limit * _LISTED_BYTES)


def _changes_bytes(args: ChangesRequest) -> int:
    return min(MAX_BODY, args.limit * _CHANGE_BYTES)


def _manifest_bytes(args: ManifestRequest) -> int:
    return min(MAX_BODY, args.limit * RECORD.size)


def _chunks_bytes(args: GetChunksRequest) -> int:
    # However little is asked for, one chunk is sent, and any but the shortest replies are made in such a buffer.
    return max(BUFFER_BYTES, min(MAX_BODY, args.max_bytes + args.wants * LENGTH.size))


def _commit_bytes(args: CommitRequest) -> int:
    return min(MAX_BODY, args.items_bytes + args.records * CHUNK_ID_BYTES)


def _delete_bytes(args: DeleteRequest) -> int:
    return len(args.items) * _RESULT_BYTES


def _have_bytes(args: HaveRequest) -> int:
    return args.ids


FILES: Handlers = MappingProxyType(
    {
        StatRequest: Handler(stat, short=True),
        ListRequest: Handler(list_folders, _list_bytes),
        ManifestRequest: Handler(manifest, _manifest_bytes),
        GetChunksRequest: Handler(get_chunks, _chunks_bytes),
        ChangesRequest: Handler(changes, _changes_bytes),
        UsageRequest: Handler(usage, short=True),
        HaveRequest: Handler(have, _have_bytes),
        PutChunksRequest: Handler(put_chunks),
        CommitRequest: Handler(commit, _commit_bytes),
        MakeFolderRequest: Handler(make_folder),
        MoveRequest: Handler(move),
        CopyRequest: Handler(copy),
        DeleteRequest: Handler(delete, _delete_bytes),
    }
)
