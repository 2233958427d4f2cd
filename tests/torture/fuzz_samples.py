"""A valid request and a valid reply of every command, to be damaged by the fuzzing scenarios."""

from __future__ import annotations

from dataclasses import dataclass

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

    message: Request | Reply
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

REQUESTS: dict[str, Sample] = {
    "hello": Sample(HelloRequest(version=1, client="fuzz")),
    "login_start": Sample(LoginStartRequest(message=f"p=tls-exporter,,n=nobody,r={_SCRAM_NONCE}")),
    "login_finish": Sample(LoginFinishRequest(message=f"c=cA==,r={_SCRAM_NONCE},p={'A' * 43}=")),
    "attach": Sample(AttachRequest(ticket_id="0" * 32, proof=bytes(32))),
    "logout": Sample(LogoutRequest()),
    "change_password": Sample(ChangePasswordRequest(verifier=_VERIFIER)),
    "sessions": Sample(SessionsRequest()),
    "end_sessions": Sample(EndSessionsRequest(session="0" * 32)),
    "admin_accounts": Sample(AccountsRequest(after="a", limit=10)),
    "admin_add_account": Sample(AddAccountRequest(name="fuzzed", verifier=_VERIFIER, role="user", quota_bytes=10**6)),
    "admin_change_account": Sample(ChangeAccountRequest(name="fuzzed", disabled=False, role="user", quota_bytes=5)),
    "admin_remove_account": Sample(RemoveAccountRequest(name="fuzzed")),
    "admin_sessions": Sample(AnySessionsRequest(user="fuzzed")),
    "admin_end_sessions": Sample(EndAnySessionsRequest(user="fuzzed", session="0" * 32)),
    "admin_penalties": Sample(PenaltiesRequest()),
    "admin_lift_penalties": Sample(LiftPenaltiesRequest(kind="address", name="10.0.0.1")),
    "admin_audit": Sample(AuditTailRequest(lines=3)),
    "stat": Sample(StatRequest(ref=Ref(path="/fuzz/small"))),
    "list": Sample(ListRequest(folders=(Ref(path="/"), Ref(node=1)), limit=10)),
    "manifest": Sample(ManifestRequest(ref=Ref(path="/fuzz/small"), first=0, limit=10)),
    "get_chunks": Sample(
        GetChunksRequest(wants=1, max_bytes=4096), pack_wants([ChunkWant(2, SMALL_RECORD.chunk_id, 0, 1)])
    ),
    "changes": Sample(ChangesRequest(since="1.0.abcdefabcdef", limit=10)),
    "watch": Sample(WatchRequest(since="1.0.abcdefabcdef", heartbeat_s=20.0)),
    "usage": Sample(UsageRequest()),
    "have": Sample(HaveRequest(ids=2), SMALL_RECORD.chunk_id + bytes(32)),
    "put_chunks": Sample(PutChunksRequest(chunks=1), pack_records([SMALL_RECORD]) + SMALL),
    "commit": _commit(),
    "make_folder": Sample(
        MakeFolderRequest(op_id=OP_ID, target=Target(path="/fuzz/d"), attrs=Attributes(mode=0o755), mtime_ns=1)
    ),
    "move": Sample(
        MoveRequest(op_id=OP_ID, source=Ref(path="/fuzz/d"), target=Target(path="/fuzz/e"), if_revision="1.a")
    ),
    "copy": Sample(CopyRequest(op_id=OP_ID, source=Ref(path="/fuzz/small"), target=Target(parent=1, name="copy"))),
    "delete": Sample(DeleteRequest(op_id=OP_ID, items=(DeleteItem(ref=Ref(path="/fuzz/e")),), atomic=True)),
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

REPLIES: dict[str, Sample] = {
    "hello": Sample(HelloReply(version=1, server="sfos/1", time_ms=10**12)),
    "login_start": Sample(LoginStartReply(message=f"r={_SCRAM_NONCE}BBBB,s=c2FsdHNhbHQ=,i=600000")),
    "login_finish": Sample(
        LoginFinishReply(message=f"v={'A' * 43}=", ticket_id="0" * 32, ticket=bytes(32), opened=SESSION)
    ),
    "attach": Sample(AttachReply(proof=bytes(32), session=SESSION)),
    "logout": Sample(Done()),
    "change_password": Sample(Done()),
    "sessions": _SESSIONS,
    "end_sessions": Sample(EndedReply(ended=1)),
    "admin_accounts": Sample(AccountsReply(accounts=(_ACCOUNT,), more=False, iterations=600_000)),
    "admin_add_account": Sample(AccountReply(account=_ACCOUNT)),
    "admin_change_account": Sample(AccountReply(account=_ACCOUNT)),
    "admin_remove_account": Sample(Done()),
    "admin_sessions": _SESSIONS,
    "admin_end_sessions": Sample(EndedReply(ended=2)),
    "admin_penalties": Sample(
        PenaltiesReply(penalties=(PenaltyEntry(kind="address", name="10.0.0.1", failures=7, wait_s=1.5),), total=1)
    ),
    "admin_lift_penalties": Sample(EndedReply(ended=1)),
    "admin_audit": Sample(AuditTailReply(lines=2), b'{"event":"login","n":1}\n{"event":"logout","n":2}\n'),
    "stat": Sample(StatReply(entry=FILE)),
    "list": _list(),
    "manifest": Sample(
        ManifestReply(node=8, revision="5.abcdefabcdef", content=CONTENT, size=900_000, chunks=3), pack_records(RECORDS)
    ),
    "get_chunks": Sample(GetChunksReply(chunks=1), pack_lengths([len(SMALL)]) + SMALL),
    "changes": Sample(ChangesReply(cursor="7.0.abcdefabcdef"), encode_array(CHANGES)),
    "watch": Sample(WatchReply(cursor="7.0.abcdefabcdef")),
    "usage": Sample(UsageReply(bytes_current=5, files_current=1, bytes_stored=9, quota_bytes=100)),
    "have": Sample(HaveReply(), b"\1\0"),
    "put_chunks": Sample(PutChunksReply(stored=1)),
    "commit": _items(),
    "make_folder": _NODE,
    "move": _NODE,
    "copy": _NODE,
    "delete": _items(),
}

assert REQUESTS.keys() == REPLIES.keys() == COMMANDS.keys(), "a command has no sample"
