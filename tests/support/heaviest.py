"""The heaviest legal request of each command: as much as its limits allow, of what costs most.

For the test that holds the bound on work, and for the torture. A new command belongs here as well.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sfos.protocol import (
    MAX_ATTRIBUTES_ITEMS,
    MAX_COMMIT_ITEMS,
    MAX_DELETE_ITEMS,
    MAX_DEPTH,
    MAX_HAVE_IDS,
    MAX_LIST_FOLDERS,
    MAX_PAGE_ENTRIES,
    MAX_WANTS,
    AccountsRequest,
    AnySessionsRequest,
    AttributesItem,
    AuditTailRequest,
    ChangesRequest,
    ChunkRecord,
    ChunkWant,
    CommitItem,
    CommitRequest,
    CopyRequest,
    DeleteItem,
    DeleteRequest,
    GetChunksRequest,
    HaveRequest,
    ListRequest,
    MakeFolderRequest,
    ManifestRequest,
    MoveRequest,
    PenaltiesRequest,
    PutChunksRequest,
    Ref,
    Request,
    SessionsRequest,
    SetAttributesRequest,
    StatRequest,
    Target,
    UsageRequest,
    WatchRequest,
    chunk_id,
    content_id,
    pack_commit,
    pack_records,
    pack_wants,
)

Ask = Callable[[Request[Any], bytes], object]
DEEP = "/d" * (MAX_DEPTH - 2)
_MANY = 2_000  # what is in the trees that are copied, moved and deleted


@dataclass(frozen=True)
class Heavy:
    """A request with its body. `units`: rows that it changes, and what it returns, at the most."""

    request: Request[Any]
    body: bytes
    units: int


@dataclass
class Scene:
    """Things that the requests are about, in a space whose chunks have names under `key`.

    `first`: a cursor from before all of it.
    """

    key: bytes
    first: str
    node: int = 0
    content: bytes = b""

    def record(self, data: bytes) -> ChunkRecord:
        """The chunk of these data."""
        return ChunkRecord(chunk_id(self.key, data), len(data))

    def build(self, ask: Ask) -> None:
        """Make a deep folder, and trees."""
        ask(MakeFolderRequest(op_id=os.urandom(16), target=Target(path=DEEP), parents=True), b"")
        for name in ("copied", "moved", "deleted"):
            items = [CommitItem(target=Target(path=f"/{name}/{at}"), kind="folder") for at in range(_MANY)]
            ask(*pack_commit(os.urandom(16), items, []))
        pieces = [bytes([at % 251, at // 251]) for at in range(1_000)]
        records = [self.record(piece) for piece in pieces]
        self.content = content_id(self.key, pack_records(records))
        item = CommitItem(target=Target(path="/many"), size=2_000, content=self.content, chunks=len(records))
        ask(*pack_commit(os.urandom(16), [item], records, list(zip(records, pieces, strict=True))))


def _stat(_: Scene) -> Heavy:
    return Heavy(StatRequest(ref=Ref(path=DEEP)), b"", 1)


def _list(_: Scene) -> Heavy:
    folders = tuple(Ref(path=DEEP[: 2 * (MAX_DEPTH - 2 - at % 200)]) for at in range(MAX_LIST_FOLDERS - 2))
    return Heavy(
        ListRequest(folders=(*folders, Ref(path="/copied"), Ref(path="/moved")), limit=MAX_PAGE_ENTRIES),
        b"",
        MAX_PAGE_ENTRIES,
    )


def _manifest(_: Scene) -> Heavy:
    return Heavy(ManifestRequest(ref=Ref(path="/many"), limit=200_000), b"", 1_000)


def _get_chunks(scene: Scene) -> Heavy:
    wants = [ChunkWant(scene.node, scene.content, at % 1_000, 1) for at in range(MAX_WANTS)]
    return Heavy(GetChunksRequest(wants=MAX_WANTS, max_bytes=8 * 2**20), pack_wants(wants), MAX_WANTS)


def _changes(scene: Scene) -> Heavy:
    return Heavy(ChangesRequest(since=scene.first, limit=MAX_PAGE_ENTRIES), b"", MAX_PAGE_ENTRIES)


def _have(_: Scene) -> Heavy:
    return Heavy(HaveRequest(ids=MAX_HAVE_IDS), os.urandom(32 * MAX_HAVE_IDS), MAX_HAVE_IDS)


def _put_chunks(scene: Scene) -> Heavy:
    pieces = [os.urandom(8) for _ in range(10_000)]
    body = pack_records([scene.record(piece) for piece in pieces]) + b"".join(pieces)
    return Heavy(PutChunksRequest(chunks=len(pieces)), body, len(pieces))


def _commit(scene: Scene) -> Heavy:
    name = os.urandom(4).hex()
    pieces = [os.urandom(8) for _ in range(MAX_COMMIT_ITEMS)]
    records = [scene.record(piece) for piece in pieces]
    items = [
        CommitItem(target=Target(path=f"/{name}/{at % 100}/{at}"), size=8, content=record.chunk_id, chunks=1)
        for at, record in enumerate(records)
    ]
    packed = pack_commit(os.urandom(16), items, records, list(zip(records, pieces, strict=True)))
    return Heavy(*packed, 2 * MAX_COMMIT_ITEMS + 101)


def _make_folder(_: Scene) -> Heavy:
    target = Target(path=f"/{os.urandom(4).hex()}" + "/e" * (MAX_DEPTH - 2))
    return Heavy(MakeFolderRequest(op_id=os.urandom(16), target=target, parents=True), b"", MAX_DEPTH)


def _move(_: Scene) -> Heavy:
    target = Target(path=f"{DEEP[:-4]}/{os.urandom(4).hex()}")
    return Heavy(MoveRequest(op_id=os.urandom(16), source=Ref(path="/moved"), target=target), b"", 1)


def _copy(_: Scene) -> Heavy:
    target = Target(path=f"/{os.urandom(4).hex()}")
    return Heavy(CopyRequest(op_id=os.urandom(16), source=Ref(path="/copied"), target=target), b"", _MANY + 1)


def _delete(_: Scene) -> Heavy:
    items = (Ref(path="/deleted"), *[Ref(path=f"{DEEP}/{at}") for at in range(MAX_DELETE_ITEMS - 1)])
    request = DeleteRequest(op_id=os.urandom(16), items=tuple(DeleteItem(ref=ref) for ref in items))
    return Heavy(request, b"", _MANY + MAX_DELETE_ITEMS)


def _set_attributes(_: Scene) -> Heavy:
    now_ns = time.time_ns()
    items = tuple(AttributesItem(node=2 + at, mtime_ns=now_ns) for at in range(MAX_ATTRIBUTES_ITEMS))
    return Heavy(SetAttributesRequest(op_id=os.urandom(16), items=items), b"", MAX_ATTRIBUTES_ITEMS)


HEAVIEST: Mapping[type[Request[Any]], Callable[[Scene], Heavy]] = MappingProxyType(
    {
        StatRequest: _stat,
        ListRequest: _list,
        ManifestRequest: _manifest,
        GetChunksRequest: _get_chunks,
        ChangesRequest: _changes,
        WatchRequest: lambda scene: Heavy(WatchRequest(since=scene.first), b"", 1),
        UsageRequest: lambda _: Heavy(UsageRequest(), b"", 1),
        HaveRequest: _have,
        PutChunksRequest: _put_chunks,
        CommitRequest: _commit,
        MakeFolderRequest: _make_folder,
        MoveRequest: _move,
        CopyRequest: _copy,
        DeleteRequest: _delete,
        SetAttributesRequest: _set_attributes,
        SessionsRequest: lambda _: Heavy(SessionsRequest(), b"", 64),
        AccountsRequest: lambda _: Heavy(AccountsRequest(), b"", 1_000),
        AnySessionsRequest: lambda _: Heavy(AnySessionsRequest(), b"", 1_000),
        PenaltiesRequest: lambda _: Heavy(PenaltiesRequest(), b"", 1_000),
        AuditTailRequest: lambda _: Heavy(AuditTailRequest(lines=1_000), b"", 1_000),
    }
)
