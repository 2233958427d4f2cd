"""A client without a network: what tests do to a space, in one line each."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from sfos.protocol import (
    Attributes,
    Change,
    ChangesRequest,
    ChunkRecord,
    ChunkWant,
    CommitItem,
    CopyRequest,
    Cursor,
    DeleteItem,
    DeleteRequest,
    Entry,
    GetChunksRequest,
    HaveRequest,
    ItemResult,
    Kind,
    ListRequest,
    MakeFolderRequest,
    ManifestRequest,
    MoveRequest,
    NodeReply,
    PutChunksRequest,
    Ref,
    Revision,
    StatRequest,
    Target,
    chunk_id,
    content_id,
    decode_changes,
    from_info,
    pack_commit,
    pack_ids,
    pack_records,
    pack_wants,
    unpack_lengths,
    unpack_records,
    unpack_results,
)
from sfos.server.spaces.space import Caller, Space
from tests.support.entry_lists import unpacked

CUT_BYTES = 100_000  # far below what clients cut, so that small tests have files of several chunks


def new_op() -> bytes:
    return os.urandom(16)


def fresh_memory(size_bytes: int) -> memoryview:
    """For the body of a reply; a server lends memory that it uses again."""
    return memoryview(bytearray(size_bytes))


class Desk:
    """Someone at work in a space."""

    def __init__(self, space: Space, actor: str = "u1", quota_bytes: int | None = None) -> None:
        self.space = space
        self.caller = Caller(actor, quota_bytes)
        self.key = space.info().chunk_key
        self.new_op: Callable[[], bytes] = new_op  # replaced by who wants to send a request again

    # --- chunks -----------------------------------------------------------------------------------------------

    def cut(self, data: bytes, cut_bytes: int = CUT_BYTES) -> list[tuple[ChunkRecord, bytes]]:
        pieces = [data[at : at + cut_bytes] for at in range(0, len(data), cut_bytes)]
        return [(ChunkRecord(chunk_id(self.key, piece), len(piece)), piece) for piece in pieces]

    def upload(self, data: bytes, cut_bytes: int = CUT_BYTES) -> list[ChunkRecord]:
        """Put all chunks of `data`; their records."""
        pieces = self.cut(data, cut_bytes)
        if pieces:
            body = pack_records(record for record, _ in pieces) + b"".join(piece for _, piece in pieces)
            self.space.put_chunks(self.caller, PutChunksRequest(chunks=len(pieces)), memoryview(body))
        return [record for record, _ in pieces]

    def have(self, ids: Sequence[bytes]) -> list[bool]:
        _, body = self.space.have(self.caller, HaveRequest(ids=len(ids)), pack_ids(ids))
        return [bool(one) for one in body]

    # --- changing ---------------------------------------------------------------------------------------------

    def item(
        self,
        path: str | Target,
        records: Sequence[ChunkRecord] = (),
        *,
        kind: Kind = "file",
        if_revision: Revision | None = None,
        mtime_ns: int = 0,
        attrs: Attributes | None = None,
    ) -> CommitItem:
        return CommitItem(
            target=Target(path=path) if isinstance(path, str) else path,
            kind=kind,
            size=sum(record.length for record in records),
            content=content_id(self.key, pack_records(records)) if kind == "file" else None,
            chunks=len(records),
            mtime_ns=mtime_ns,
            attrs=attrs,
            if_revision=if_revision,
        )

    def commit(
        self,
        items: Sequence[CommitItem],
        records: Sequence[ChunkRecord] = (),
        inline: Sequence[tuple[ChunkRecord, bytes]] = (),
        *,
        op_id: bytes | None = None,
        atomic: bool = False,
    ) -> tuple[list[ItemResult], list[bytes]]:
        """Commit the items: a result for each, and the ids of missing chunks."""
        request, body = pack_commit(op_id or self.new_op(), items, records, inline, atomic=atomic)
        reply, results = self.space.commit(self.caller, request, memoryview(body))
        return unpack_results(reply, memoryview(results))

    def put(self, path: str, data: bytes, *, if_revision: Revision | None = None, mtime_ns: int = 0) -> ItemResult:
        """Upload and commit one file. Raises: the item's error."""
        records = self.upload(data)
        item = self.item(path, records, if_revision=if_revision, mtime_ns=mtime_ns)
        return _one(self.commit([item], records)[0])

    def put_many(self, files: dict[str, bytes]) -> list[ItemResult]:
        """Commit small files that bring their chunks along."""
        pieces = {path: self.cut(data) for path, data in files.items()}
        items = [self.item(path, [record for record, _ in own]) for path, own in pieces.items()]
        records = [record for own in pieces.values() for record, _ in own]
        inline = list({record.chunk_id: (record, piece) for own in pieces.values() for record, piece in own}.values())
        results, missing = self.commit(items, records, inline)
        assert not missing
        return [_one([result]) for result in results]

    def make_folder(self, path: str, *, parents: bool = False) -> NodeReply:
        return self.space.make_folder(
            self.caller, MakeFolderRequest(op_id=self.new_op(), target=Target(path=path), parents=parents)
        )

    def move(
        self, source: str, target: str, *, replace: bool = False, if_revision: Revision | None = None
    ) -> NodeReply:
        return self.space.move(
            self.caller,
            MoveRequest(
                op_id=self.new_op(),
                source=Ref(path=source),
                target=Target(path=target),
                replace=replace,
                if_revision=if_revision,
            ),
        )

    def copy(self, source: str, target: str, *, replace: bool = False) -> NodeReply:
        return self.space.copy(
            self.caller,
            CopyRequest(op_id=self.new_op(), source=Ref(path=source), target=Target(path=target), replace=replace),
        )

    def delete_all(self, paths: Sequence[str], *, atomic: bool = False) -> list[ItemResult]:
        items = tuple(DeleteItem(ref=Ref(path=path)) for path in paths)
        reply, body = self.space.delete(self.caller, DeleteRequest(op_id=self.new_op(), items=items, atomic=atomic))
        return unpack_results(reply, memoryview(body))[0]

    def delete(self, path: str, *, if_revision: Revision | None = None) -> ItemResult:
        items = (DeleteItem(ref=Ref(path=path), if_revision=if_revision),)
        reply, body = self.space.delete(self.caller, DeleteRequest(op_id=self.new_op(), items=items))
        return _one(unpack_results(reply, memoryview(body))[0])

    # --- reading ----------------------------------------------------------------------------------------------

    def stat(self, path: str) -> Entry:
        return self.space.stat(StatRequest(ref=Ref(path=path))).entry

    def exists(self, path: str) -> bool:
        parent, _, name = path.rpartition("/")
        return name in self.entries(parent or "/")

    def entries(self, path: str, limit: int = 1_000) -> dict[str, Entry]:
        """Entries of a folder, by name."""
        found: dict[str, Entry] = {}
        cursor = None
        while True:
            reply, body = self.space.list_folders(ListRequest(folders=(Ref(path=path),), limit=limit, cursor=cursor))
            if reply.folders and reply.folders[0].error:
                raise from_info(reply.folders[0].error)
            for entry in unpacked(reply, body):
                assert entry.name not in found, "an entry came twice"
                found[entry.name] = entry
            cursor = reply.next
            if cursor is None:
                return found

    def tree(self) -> dict[str, bytes | None]:
        """Every path with its content (None for folders), read in full."""
        found: dict[str, bytes | None] = {}
        waiting = [("/", "")]
        while waiting:
            path, prefix = waiting.pop()
            for name, entry in self.entries(path).items():
                own = f"{prefix}/{name}"
                if entry.kind == "folder":
                    waiting.append((own, own))
                    found[own] = None
                else:
                    found[own] = self.read(own) if entry.kind == "file" else b""
        return found

    def read(self, path: str) -> bytes:
        """The content of a file, every chunk and the whole checked against their ids."""
        reply, packed = self.space.manifest(ManifestRequest(ref=Ref(path=path)))
        records = unpack_records(packed)
        assert content_id(self.key, packed) == reply.content
        assert reply.chunks == len(records)
        data = b"".join(self.get(reply.node, reply.content, records))
        assert len(data) == reply.size
        return data

    def get(self, node: int, content: bytes, records: Sequence[ChunkRecord]) -> list[bytes]:
        """All chunks of a content, in as many requests as it takes."""
        found: list[bytes] = []
        while len(found) < len(records):
            want = ChunkWant(node, content, len(found), len(records) - len(found))
            reply, body = self.space.get_chunks(GetChunksRequest(wants=1), pack_wants([want]), fresh_memory)
            lengths, data = unpack_lengths(memoryview(body), reply.chunks)
            at = 0
            for length in lengths:
                piece = bytes(data[at : at + length])
                assert chunk_id(self.key, piece) == records[len(found)].chunk_id
                found.append(piece)
                at += length
        return found

    def changes(self, since: Cursor, limit: int = 1_000) -> tuple[list[Change], Cursor]:
        """All changes since a cursor, page by page, and the cursor after them."""
        found: list[Change] = []
        while True:
            reply, body = self.space.changes(ChangesRequest(since=since, limit=limit))
            page = decode_changes(body)
            assert len(page) <= limit
            found += page
            since = reply.cursor
            if not reply.more:
                return found, since


def _one(results: Sequence[ItemResult]) -> ItemResult:
    (result,) = results
    if result.error is not None:
        raise from_info(result.error)
    return result
