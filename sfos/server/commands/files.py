"""Looking at files and changing them: each command is one method of `Space`, found by the session's rights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from sfos.protocol import (
    CHUNK_ID_BYTES,
    LENGTH,
    MAX_BODY,
    RECORD,
    ChangesReply,
    ChangesRequest,
    CommitRequest,
    CopyRequest,
    DeleteRequest,
    GetChunksReply,
    GetChunksRequest,
    HaveReply,
    HaveRequest,
    ListReply,
    ListRequest,
    MakeFolderRequest,
    MalformedMessage,
    ManifestReply,
    ManifestRequest,
    MoveRequest,
    NodeReply,
    PutChunksReply,
    PutChunksRequest,
    SetAttributesRequest,
    StatReply,
    StatRequest,
    UsageRequest,
    encode_array,
    pack_entries,
    pack_lengths,
    pack_names,
    pack_records,
    plain_records,
    unpack_commit,
    unpack_ids,
    unpack_wants,
)
from sfos.server.commands.calls import Answer, Call, Handler, Handlers
from sfos.server.commands.repetition import commit_key, idempotency_key
from sfos.server.commands.rights import caller, space_of
from sfos.server.net.reply_buffers import BUFFER_BYTES
from sfos.server.spaces.operations.guard import SHOWN_AS_DAMAGE, raise_explained
from sfos.server.spaces.operations.listing import EntriesPage, NamesPage
from sfos.server.spaces.space import Space
from sfos.server.spaces.stored_answers import ItemsDone, pack_items_done

# What an entry or a change takes as a rule; only memory is reserved by it, nothing is cut.
_LISTED_BYTES = 160
_CHANGE_BYTES = 512
_RESULT_BYTES = 128
_NOTHING = memoryview(b"")


@contextmanager
def _opened(call: Call[Any]) -> Iterator[Space]:
    """The space that the request names. Values that no program of ours writes are damage also when they are packed."""
    with call.services.spaces.lease(space_of(call), create=False) as space:
        try:
            yield space
        except SHOWN_AS_DAMAGE as error:
            raise_explained(error, space)


# --- reading ------------------------------------------------------------------------------------------------------


def stat(call: Call[StatRequest]) -> Answer:
    with _opened(call) as space, call.turn:
        return Answer(StatReply(entry=space.stat(call.args.ref)))


def list_folders(call: Call[ListRequest]) -> Answer:
    args = call.args
    with _opened(call) as space:
        if args.names_only:
            reply, body = pack_name_page(space.list_names(args.folders, limit=args.limit, cursor=args.cursor))
        else:
            reply, body = pack_page(
                space.list_entries(args.folders, limit=args.limit, cursor=args.cursor, brief=args.brief)
            )
    return Answer(reply, (body,))


def pack_page(page: EntriesPage) -> tuple[ListReply, bytes]:
    """The reply that says it, and its body."""
    columns = page.columns
    head_bytes, body = pack_entries(
        columns.head,
        nodes=columns.nodes,
        sizes=columns.sizes,
        mtimes_ns=columns.mtimes_ns,
        revisions=columns.revisions,
        attrs=columns.attrs,
        kinds=columns.kinds,
        contents=columns.contents,
    )
    return ListReply(at=page.at, folders=page.folders, next=page.next, head_bytes=head_bytes), body


def pack_name_page(page: NamesPage) -> tuple[ListReply, bytes]:
    """The reply that says it, and its body."""
    head_bytes, body = pack_names(page.names)
    return ListReply(at=page.at, folders=page.folders, next=page.next, head_bytes=head_bytes), body


def manifest(call: Call[ManifestRequest]) -> Answer:
    with _opened(call) as space:
        found = space.manifest(call.args.ref, first=call.args.first, limit=call.args.limit)
    reply = ManifestReply(
        node=found.node,
        revision=found.revision,
        content=found.content,
        size=found.size,
        chunks=found.chunks,
        first=found.first,
    )
    return Answer(reply, (pack_records(found.records),))


def get_chunks(call: Call[GetChunksRequest]) -> Answer:
    body = _NOTHING

    def take_memory(chunks: int, size_bytes: int) -> memoryview:
        """Room for the data, behind that for the lengths."""
        nonlocal body
        front = chunks * LENGTH.size
        body = call.room.take(front + size_bytes)
        return body[front:]

    with _opened(call) as space:
        wants = unpack_wants(call.body)
        if len(wants) != call.args.wants:
            raise MalformedMessage("A list of wanted chunks is not as long as its header says.")
        found = space.get_chunks(wants, call.args.max_bytes, take_memory)
    lengths = pack_lengths(found.lengths)
    if found.stopped is not None:  # perhaps fewer than were chosen, so that their lengths do not fill the front
        reply = GetChunksReply(chunks=len(found.lengths), stopped=found.stopped.info())
        return Answer(reply, (lengths, found.data))
    body[: len(lengths)] = lengths
    return Answer(GetChunksReply(chunks=len(found.lengths)), (body[: len(lengths) + len(found.data)],))


def changes(call: Call[ChangesRequest]) -> Answer:
    with _opened(call) as space:
        page = space.changes(call.args.since, call.args.limit)
    return Answer(ChangesReply(cursor=page.cursor, more=page.more), (encode_array(page.changes),))


def usage(call: Call[UsageRequest]) -> Answer:
    with _opened(call) as space, call.turn:
        return Answer(space.usage(caller(call)))


def have(call: Call[HaveRequest]) -> Answer:
    with _opened(call) as space:
        ids = unpack_ids(call.body)
        if len(ids) != call.args.ids:
            raise MalformedMessage("A list of chunk ids is not as long as its header says.")
        return Answer(HaveReply(), (bytes(space.have(caller(call), ids)),))


# --- changing -----------------------------------------------------------------------------------------------------


def put_chunks(call: Call[PutChunksRequest]) -> Answer:
    front = call.args.chunks * RECORD.size
    with _opened(call) as space:
        if len(call.body) < front:
            raise MalformedMessage("A body is shorter than its records say.")
        stored = space.put_chunks(caller(call), plain_records(call.body[:front]), call.body[front:])
    return Answer(PutChunksReply(stored=stored))


def commit(call: Call[CommitRequest]) -> Answer:
    args, who = call.args, caller(call)
    key = commit_key(who, args, call.body)
    with _opened(call) as space:
        new = unpack_commit(args, call.body)
        done = space.put_items(who, key, new.items, new.records, new.inline, new.data, atomic=args.atomic)
    return _items_answer(done)


def make_folder(call: Call[MakeFolderRequest]) -> Answer:
    args, who = call.args, caller(call)
    with _opened(call) as space:
        return Answer(
            space.make_folder(
                who,
                idempotency_key(who, args),
                args.target,
                parents=args.parents,
                mtime_ns=args.mtime_ns,
                attrs=args.attrs,
            )
        )


def move(call: Call[MoveRequest]) -> Answer:
    with _opened(call) as space:
        return Answer(_put_elsewhere(call, space.move))


def copy(call: Call[CopyRequest]) -> Answer:
    with _opened(call) as space:
        return Answer(_put_elsewhere(call, space.copy))


def _put_elsewhere(call: Call[MoveRequest] | Call[CopyRequest], put: Callable[..., NodeReply]) -> NodeReply:
    args, who = call.args, caller(call)
    key = idempotency_key(who, args)
    return put(who, key, args.source, args.target, replace=args.replace, if_revision=args.if_revision)


def delete(call: Call[DeleteRequest]) -> Answer:
    args, who = call.args, caller(call)
    with _opened(call) as space:
        return _items_answer(space.delete(who, idempotency_key(who, args), args.items, atomic=args.atomic))


def set_attributes(call: Call[SetAttributesRequest]) -> Answer:
    args, who = call.args, caller(call)
    with _opened(call) as space:
        return _items_answer(space.set_attributes(who, idempotency_key(who, args), args.items))


def _items_answer(done: ItemsDone) -> Answer:
    reply, body = pack_items_done(done)
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


def _results_bytes(args: DeleteRequest | SetAttributesRequest) -> int:
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
        DeleteRequest: Handler(delete, _results_bytes),
        SetAttributesRequest: Handler(set_attributes, _results_bytes),
    }
)
