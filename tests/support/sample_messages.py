"""A valid request and a valid reply of every command, to be damaged by the fuzzing scenarios."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sfos.protocol import (
    COMMANDS,
    AccountEntry,
    AccountReply,
    AccountsReply,
    AccountsRequest,
    AddAccountRequest,
    AnySessionsRequest,
    AttachReply,
    AttachRequest,
    Attributes,
    AttributesItem,
    AttributesRead,
    AuditTailReply,
    AuditTailRequest,
    Change,
    ChangeAccountRequest,
    ChangePasswordRequest,
    ChangesReply,
    ChangesRequest,
    ChunkRecord,
    ChunkWant,
    CommitItem,
    CommitRequest,
    CopyRequest,
    DeleteItem,
    DeleteRequest,
    Done,
    EndAnySessionsRequest,
    EndedReply,
    EndSessionsRequest,
    Entry,
    ErrorInfo,
    GetChunksReply,
    GetChunksRequest,
    HaveReply,
    HaveRequest,
    HelloReply,
    HelloRequest,
    ItemResult,
    ItemsReply,
    LiftPenaltiesRequest,
    ListedFolder,
    ListReply,
    ListRequest,
    LoginFinishReply,
    LoginFinishRequest,
    LoginStartReply,
    LoginStartRequest,
    LogoutRequest,
    MakeFolderRequest,
    ManifestReply,
    ManifestRequest,
    MoveRequest,
    NodeReply,
    PenaltiesReply,
    PenaltiesRequest,
    PenaltyEntry,
    PutChunksReply,
    PutChunksRequest,
    Ref,
    RemoveAccountRequest,
    Reply,
    Request,
    SessionEntry,
    SessionInfo,
    SessionsReply,
    SessionsRequest,
    SetAttributesRequest,
    SpaceInfo,
    StatReply,
    StatRequest,
    Target,
    UsageReply,
    UsageRequest,
    WatchReply,
    WatchRequest,
    chunk_id,
    content_id,
    encode_array,
    pack_commit,
    pack_lengths,
    pack_records,
    pack_results,
    pack_wants,
)
from tests.support.entry_lists import packed

CHUNK_KEY = b"k" * 32
SPACE = SpaceInfo(space="0" * 32, given_chunk_key=CHUNK_KEY, given_cut_seed=1, cursor="1.0.abcdefabcdef")
SESSION = SessionInfo(user="user1", role="user", home=SPACE, idle_timeout_s=1800.0, absolute_timeout_s=43200.0)
OP_ID = bytes(range(16))
SMALL = b"a small content"
PIECES = [bytes([number]) * 300_000 for number in range(3)]
RECORDS = [ChunkRecord(chunk_id(CHUNK_KEY, piece), len(piece)) for piece in PIECES]
SMALL_RECORD = ChunkRecord(chunk_id(CHUNK_KEY, SMALL), len(SMALL))
CONTENT = content_id(CHUNK_KEY, pack_records(RECORDS))

FOLDER = Entry(node=5, parent=1, name="folder", kind="folder", revision="3.abcdefabcdef")
FILE = Entry(
    node=7, parent=1, name="small.txt", kind="file", revision="4.abcdefabcdef", size=len(SMALL), mtime_ns=10**18,
    content=SMALL_RECORD.chunk_id, attrs=AttributesRead(mode=0o644),
)  # fmt: skip
LARGE = Entry(node=8, parent=1, name="large", kind="file", revision="5.abcdefabcdef", size=900_000, content=CONTENT)
LINK = Entry(
    node=9, parent=1, name="link", kind="symlink", revision="6.abcdefabcdef", attrs=AttributesRead(link="small.txt")
)
ENTRIES = [FOLDER, FILE, LARGE, LINK]
CHANGES = [Change(entry=FILE), Change(entry=FOLDER, deleted=True), Change(entry=LARGE)]
RESULTS = [ItemResult(node=7, revision="7.abcdefabcdef"), ItemResult(error=ErrorInfo("not_found", "No.", "/x"))]

_ACCOUNT = AccountEntry(name="user1", id="0" * 32, role="user", created_ms=10**12, quota_bytes=10**9, sessions=1)
_VERIFIER = "SCRAM-SHA-256$600000:" + "A" * 22 + "==$" + "B" * 43 + "=:" + "B" * 43 + "="


@dataclass(frozen=True)
class Sample:
    """A valid message and its body."""

    message: Request[Any] | Reply
    body: bytes = b""


def _commit() -> Sample:
    items = [
        CommitItem(
            target=Target(path="/fuzz/small"), size=len(SMALL), content=SMALL_RECORD.chunk_id, chunks=1, mtime_ns=5
        ),
        CommitItem(target=Target(parent=1, name="dir"), kind="folder", if_revision="0"),
        CommitItem(target=Target(path="/fuzz/l"), kind="symlink", attrs=Attributes(link="small", mode=0o777)),
    ]
    return Sample(*pack_commit(OP_ID, items, [SMALL_RECORD], [(SMALL_RECORD, SMALL)]))


_SCRAM_NONCE = "A" * 24

REQUESTS: dict[type[Request[Any]], Sample] = {
    HelloRequest: Sample(HelloRequest(version=1, client="fuzz")),
    LoginStartRequest: Sample(LoginStartRequest(message=f"p=tls-exporter,,n=nobody,r={_SCRAM_NONCE}")),
    LoginFinishRequest: Sample(LoginFinishRequest(message=f"c=cA==,r={_SCRAM_NONCE},p={'A' * 43}=")),
    AttachRequest: Sample(AttachRequest(ticket_id="0" * 32, proof=bytes(32))),
    LogoutRequest: Sample(LogoutRequest()),
    ChangePasswordRequest: Sample(ChangePasswordRequest(verifier=_VERIFIER)),
    SessionsRequest: Sample(SessionsRequest()),
    EndSessionsRequest: Sample(EndSessionsRequest(session="0" * 32)),
    AccountsRequest: Sample(AccountsRequest(after="a", limit=10)),
    AddAccountRequest: Sample(AddAccountRequest(name="fuzzed", verifier=_VERIFIER, role="user", quota_bytes=10**6)),
    ChangeAccountRequest: Sample(ChangeAccountRequest(name="fuzzed", disabled=False, role="user", quota_bytes=5)),
    RemoveAccountRequest: Sample(RemoveAccountRequest(name="fuzzed")),
    AnySessionsRequest: Sample(AnySessionsRequest(user="fuzzed")),
    EndAnySessionsRequest: Sample(EndAnySessionsRequest(user="fuzzed", session="0" * 32)),
    PenaltiesRequest: Sample(PenaltiesRequest()),
    LiftPenaltiesRequest: Sample(LiftPenaltiesRequest(kind="address", name="10.0.0.1")),
    AuditTailRequest: Sample(AuditTailRequest(lines=3)),
    StatRequest: Sample(StatRequest(ref=Ref(path="/fuzz/small"))),
    ListRequest: Sample(ListRequest(folders=(Ref(path="/"), Ref(node=1)), limit=10)),
    ManifestRequest: Sample(ManifestRequest(ref=Ref(path="/fuzz/small"), first=0, limit=10)),
    GetChunksRequest: Sample(
        GetChunksRequest(wants=1, max_bytes=4096), pack_wants([ChunkWant(2, SMALL_RECORD.chunk_id, 0, 1)])
    ),
    ChangesRequest: Sample(ChangesRequest(since="1.0.abcdefabcdef", limit=10)),
    WatchRequest: Sample(WatchRequest(since="1.0.abcdefabcdef", heartbeat_s=20.0)),
    UsageRequest: Sample(UsageRequest()),
    HaveRequest: Sample(HaveRequest(ids=2), SMALL_RECORD.chunk_id + bytes(32)),
    PutChunksRequest: Sample(PutChunksRequest(chunks=1), pack_records([SMALL_RECORD]) + SMALL),
    CommitRequest: _commit(),
    MakeFolderRequest: Sample(
        MakeFolderRequest(op_id=OP_ID, target=Target(path="/fuzz/d"), attrs=Attributes(mode=0o755), mtime_ns=1)
    ),
    MoveRequest: Sample(
        MoveRequest(op_id=OP_ID, source=Ref(path="/fuzz/d"), target=Target(path="/fuzz/e"), if_revision="1.a")
    ),
    CopyRequest: Sample(CopyRequest(op_id=OP_ID, source=Ref(path="/fuzz/small"), target=Target(parent=1, name="copy"))),
    DeleteRequest: Sample(DeleteRequest(op_id=OP_ID, items=(DeleteItem(ref=Ref(path="/fuzz/e")),), atomic=True)),
    SetAttributesRequest: Sample(
        SetAttributesRequest(
            op_id=OP_ID, items=(AttributesItem(node=2, mtime_ns=1, attrs=Attributes(mode=0o600), if_revision="1.a"),)
        )
    ),
}  # fmt: skip


def _items() -> Sample:
    size, missing, body = pack_results(RESULTS, [SMALL_RECORD.chunk_id])
    return Sample(ItemsReply(cursor="7.0.abcdefabcdef", results_bytes=size, missing=missing), body)


def _list() -> Sample:
    head_bytes, body = packed(ENTRIES)
    reply = ListReply(at="7.0.abcdefabcdef", folders=(ListedFolder(node=1),), head_bytes=head_bytes)
    return Sample(reply, body)


_NODE = Sample(NodeReply(node=5, revision="5.abcdefabcdef", cursor="5.0.abcdefabcdef"))
_SESSIONS = Sample(SessionsReply(sessions=(SessionEntry(id="0" * 32, user="user1", since_ms=10**12, current=True),)))

REPLIES: dict[type[Request[Any]], Sample] = {
    HelloRequest: Sample(HelloReply(version=1, server="sfos/1", time_ms=10**12)),
    LoginStartRequest: Sample(LoginStartReply(message=f"r={_SCRAM_NONCE}BBBB,s=c2FsdHNhbHQ=,i=600000")),
    LoginFinishRequest: Sample(
        LoginFinishReply(message=f"v={'A' * 43}=", ticket_id="0" * 32, ticket=bytes(32), opened=SESSION)
    ),
    AttachRequest: Sample(AttachReply(proof=bytes(32), session=SESSION)),
    LogoutRequest: Sample(Done()),
    ChangePasswordRequest: Sample(Done()),
    SessionsRequest: _SESSIONS,
    EndSessionsRequest: Sample(EndedReply(ended=1)),
    AccountsRequest: Sample(AccountsReply(accounts=(_ACCOUNT,), more=False, iterations=600_000)),
    AddAccountRequest: Sample(AccountReply(account=_ACCOUNT)),
    ChangeAccountRequest: Sample(AccountReply(account=_ACCOUNT)),
    RemoveAccountRequest: Sample(Done()),
    AnySessionsRequest: _SESSIONS,
    EndAnySessionsRequest: Sample(EndedReply(ended=2)),
    PenaltiesRequest: Sample(
        PenaltiesReply(penalties=(PenaltyEntry(kind="address", name="10.0.0.1", failures=7, wait_s=1.5),), total=1)
    ),
    LiftPenaltiesRequest: Sample(EndedReply(ended=1)),
    AuditTailRequest: Sample(AuditTailReply(lines=2), b'{"event":"login","n":1}\n{"event":"logout","n":2}\n'),
    StatRequest: Sample(StatReply(entry=FILE)),
    ListRequest: _list(),
    ManifestRequest: Sample(
        ManifestReply(node=8, revision="5.abcdefabcdef", content=CONTENT, size=900_000, chunks=3), pack_records(RECORDS)
    ),
    GetChunksRequest: Sample(GetChunksReply(chunks=1), pack_lengths([len(SMALL)]) + SMALL),
    ChangesRequest: Sample(ChangesReply(cursor="7.0.abcdefabcdef"), encode_array(CHANGES)),
    WatchRequest: Sample(WatchReply(cursor="7.0.abcdefabcdef")),
    UsageRequest: Sample(UsageReply(bytes_current=5, files_current=1, bytes_stored=9, quota_bytes=100)),
    HaveRequest: Sample(HaveReply(), b"\1\0"),
    PutChunksRequest: Sample(PutChunksReply(stored=1)),
    CommitRequest: _items(),
    MakeFolderRequest: _NODE,
    MoveRequest: _NODE,
    CopyRequest: _NODE,
    DeleteRequest: _items(),
    SetAttributesRequest: _items(),
}


def lacking() -> list[str]:
    """Faults of the tables above, a sentence for each command."""
    found = []
    for kind, spec in COMMANDS.items():
        found += [f"{spec.name}: it has no sample in REQUESTS" for _ in range(kind not in REQUESTS)]
        found += [f"{spec.name}: it has no sample in REPLIES" for _ in range(kind not in REPLIES)]
    for kind in {*REQUESTS, *REPLIES} - set(COMMANDS):
        found.append(f"{kind.__name__}: it has a sample and is no command; is its @command missing?")
    return sorted(found)
