"""A client without a network: what tests do to a space, in one line each."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from sfos.protocol import (
    MAX_CHUNK_BYTES,
    Attributes,
    Change,
    ChunkRecord,
    ChunkWant,
    CommitItem,
    CommitRequest,
    CopyRequest,
    Cursor,
    DeleteItem,
    Entry,
    ItemResult,
    Kind,
    MakeFolderRequest,
    MoveRequest,
    NodeReply,
    Ref,
    Revision,
    Target,
    chunk_id,
    content_id,
    from_info,
    pack_commit,
    pack_records,
    unpack_commit,
)
from sfos.server.commands.files import pack_page
from sfos.server.commands.repetition import commit_key, idempotency_key
from sfos.server.spaces.operations.listing import EntriesPage
from sfos.server.spaces.space import Caller, IdempotencyKey, Space
from sfos.server.spaces.stored_answers import ItemsDone
from tests.support.entry_lists import unpacked

CUT_BYTES = 100_000  # far below what clients cut, so that small tests have files of several chunks


def new_op() -> bytes:
    return os.urandom(16)


def fresh_memory(_chunks: int, size_bytes: int) -> memoryview:
    """Memory for the data of chunks; a server lends what it uses again."""
    return memoryview(bytearray(size_bytes))


def entries_of(page: EntriesPage) -> list[Entry]:
    """The entries of a page, as a client would read them."""
    return unpacked(*pack_page(page))


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
            data = b"".join(piece for _, piece in pieces)
            self.space.put_chunks(self.caller, [record for record, _ in pieces], memoryview(data))
        return [record for record, _ in pieces]

    def have(self, ids: Sequence[bytes]) -> list[bool]:
        return self.space.have(self.caller, ids)

    def bytes_of_chunks(self) -> int:
        """Bytes that all sealed chunks of the space take, without the rows about them."""
        usage = self.space.usage(self.caller)
        return usage.bytes_stored - usage.bytes_rows

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
        done = self.send_commit(request, body)
        return done.results, done.missing

    def send_commit(self, request: CommitRequest, body: bytes) -> ItemsDone:
        """Commit what is packed, under the key that the server would give it."""
        new = unpack_commit(request, memoryview(body))
        key = commit_key(self.caller, request, body)
        return self.space.put_items(
            self.caller, key, new.items, new.records, new.inline, new.data, atomic=request.atomic
        )

    def send(self, request: MakeFolderRequest | MoveRequest | CopyRequest) -> NodeReply:
        """Ask for a change whose request has no body, under the key that the server would give it."""
        key = idempotency_key(self.caller, request)
        if isinstance(request, MakeFolderRequest):
            return self.space.make_folder(
                self.caller,
                key,
                request.target,
                parents=request.parents,
                mtime_ns=request.mtime_ns,
                attrs=request.attrs,
            )
        put = self.space.move if isinstance(request, MoveRequest) else self.space.copy
        return put(
            self.caller, key, request.source, request.target, replace=request.replace, if_revision=request.if_revision
        )

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
        return self.send(MakeFolderRequest(op_id=self.new_op(), target=Target(path=path), parents=parents))

    def move(
        self, source: str, target: str, *, replace: bool = False, if_revision: Revision | None = None
    ) -> NodeReply:
        return self.send(
            MoveRequest(
                op_id=self.new_op(),
                source=Ref(path=source),
                target=Target(path=target),
                replace=replace,
                if_revision=if_revision,
            )
        )

    def copy(self, source: str, target: str, *, replace: bool = False) -> NodeReply:
        return self.send(
            CopyRequest(op_id=self.new_op(), source=Ref(path=source), target=Target(path=target), replace=replace)
        )

    def delete_all(self, paths: Sequence[str], *, atomic: bool = False) -> list[ItemResult]:
        items = [DeleteItem(ref=Ref(path=path)) for path in paths]
        return self.space.delete(self.caller, IdempotencyKey(self.new_op()), items, atomic=atomic).results

    def delete(self, path: str, *, if_revision: Revision | None = None) -> ItemResult:
        items = [DeleteItem(ref=Ref(path=path), if_revision=if_revision)]
        return _one(self.space.delete(self.caller, IdempotencyKey(self.new_op()), items).results)

    # --- reading ----------------------------------------------------------------------------------------------

    def stat(self, path: str) -> Entry:
        return self.space.stat(Ref(path=path))

    def exists(self, path: str) -> bool:
        parent, _, name = path.rpartition("/")
        return name in self.entries(parent or "/")

    def entries(self, path: str, limit: int = 1_000) -> dict[str, Entry]:
        """Entries of a folder, by name."""
        found: dict[str, Entry] = {}
        cursor = None
        while True:
            page = self.space.list_entries([Ref(path=path)], limit=limit, cursor=cursor)
            if page.folders and page.folders[0].error:
                raise from_info(page.folders[0].error)
            for entry in entries_of(page):
                assert entry.name not in found, "an entry came twice"
                found[entry.name] = entry
            cursor = page.next
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
        found = self.space.manifest(Ref(path=path))
        records = [ChunkRecord(*record) for record in found.records]
        assert content_id(self.key, pack_records(records)) == found.content
        assert found.chunks == len(records)
        data = b"".join(self.get(found.node, found.content, records))
        assert len(data) == found.size
        return data

    def get(self, node: int, content: bytes, records: Sequence[ChunkRecord]) -> list[bytes]:
        """All chunks of a content, in as many requests as it takes."""
        found: list[bytes] = []
        while len(found) < len(records):
            want = ChunkWant(node, content, len(found), len(records) - len(found))
            part = self.space.get_chunks([want], MAX_CHUNK_BYTES, fresh_memory)
            at = 0
            for length in part.lengths:
                piece = bytes(part.data[at : at + length])
                assert chunk_id(self.key, piece) == records[len(found)].chunk_id
                found.append(piece)
                at += length
        return found

    def changes(self, since: Cursor, limit: int = 1_000) -> tuple[list[Change], Cursor]:
        """All changes since a cursor, page by page, and the cursor after them."""
        found: list[Change] = []
        while True:
            page = self.space.changes(since, limit)
            assert len(page.changes) <= limit
            found += page.changes
            since = page.cursor
            if not page.more:
                return found, since


def _one(results: Sequence[ItemResult]) -> ItemResult:
    (result,) = results
    if result.error is not None:
        raise from_info(result.error)
    return result
