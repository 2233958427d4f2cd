"""One typed method for each command: what `COMMANDS` says, in Python. No retries and no thoughts of its own.

`caller` is a connection, or a session that finds one. A body that comes back is a memoryview (see `wire.bodies` for
what is in it), taken apart by those who ask.
"""

from __future__ import annotations

from typing import Protocol, TypeVar

from sfos.protocol import (
    AccountReply,
    AccountsReply,
    AccountsRequest,
    AddAccountRequest,
    AnySessionsRequest,
    AttachReply,
    AttachRequest,
    AuditTailReply,
    AuditTailRequest,
    Buffer,
    ChangeAccountRequest,
    ChangePasswordRequest,
    ChangesReply,
    ChangesRequest,
    CommitRequest,
    CopyRequest,
    DeleteRequest,
    Done,
    EndAnySessionsRequest,
    EndedReply,
    EndSessionsRequest,
    GetChunksReply,
    GetChunksRequest,
    HaveReply,
    HaveRequest,
    HelloReply,
    HelloRequest,
    ItemsReply,
    LiftPenaltiesRequest,
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
    PutChunksReply,
    PutChunksRequest,
    RemoveAccountRequest,
    Reply,
    Request,
    SessionsReply,
    SessionsRequest,
    StatReply,
    StatRequest,
    UsageReply,
    UsageRequest,
    WatchReply,
    WatchRequest,
)

ReplyT = TypeVar("ReplyT", bound=Reply)


class Caller(Protocol):
    """What carries a request to the server and its reply back: a Connection, or a Session."""

    def call(self, command: str, request: Request, kind: type[ReplyT], *body: Buffer) -> tuple[ReplyT, memoryview]:
        """The reply and its body. Raises: what the server reports, and ConnectionFailed."""


class Commands:
    """The commands, by name. Each blocks for the reply and raises what the server reports."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def hello(self, request: HelloRequest) -> HelloReply:
        return self._caller.call("hello", request, HelloReply)[0]

    def login_start(self, request: LoginStartRequest) -> LoginStartReply:
        return self._caller.call("login_start", request, LoginStartReply)[0]

    def login_finish(self, request: LoginFinishRequest) -> LoginFinishReply:
        return self._caller.call("login_finish", request, LoginFinishReply)[0]

    def attach(self, request: AttachRequest) -> AttachReply:
        return self._caller.call("attach", request, AttachReply)[0]

    def logout(self, request: LogoutRequest) -> Done:
        return self._caller.call("logout", request, Done)[0]

    def change_password(self, request: ChangePasswordRequest) -> Done:
        return self._caller.call("change_password", request, Done)[0]

    def sessions(self, request: SessionsRequest) -> SessionsReply:
        return self._caller.call("sessions", request, SessionsReply)[0]

    def end_sessions(self, request: EndSessionsRequest) -> EndedReply:
        return self._caller.call("end_sessions", request, EndedReply)[0]

    def admin_accounts(self, request: AccountsRequest) -> AccountsReply:
        return self._caller.call("admin_accounts", request, AccountsReply)[0]

    def admin_add_account(self, request: AddAccountRequest) -> AccountReply:
        return self._caller.call("admin_add_account", request, AccountReply)[0]

    def admin_change_account(self, request: ChangeAccountRequest) -> AccountReply:
        return self._caller.call("admin_change_account", request, AccountReply)[0]

    def admin_remove_account(self, request: RemoveAccountRequest) -> Done:
        return self._caller.call("admin_remove_account", request, Done)[0]

    def admin_sessions(self, request: AnySessionsRequest) -> SessionsReply:
        return self._caller.call("admin_sessions", request, SessionsReply)[0]

    def admin_end_sessions(self, request: EndAnySessionsRequest) -> EndedReply:
        return self._caller.call("admin_end_sessions", request, EndedReply)[0]

    def admin_penalties(self, request: PenaltiesRequest) -> PenaltiesReply:
        return self._caller.call("admin_penalties", request, PenaltiesReply)[0]

    def admin_lift_penalties(self, request: LiftPenaltiesRequest) -> EndedReply:
        return self._caller.call("admin_lift_penalties", request, EndedReply)[0]

    def admin_audit(self, request: AuditTailRequest) -> tuple[AuditTailReply, memoryview]:
        return self._caller.call("admin_audit", request, AuditTailReply)

    def stat(self, request: StatRequest) -> StatReply:
        return self._caller.call("stat", request, StatReply)[0]

    def list(self, request: ListRequest) -> tuple[ListReply, memoryview]:
        return self._caller.call("list", request, ListReply)

    def manifest(self, request: ManifestRequest) -> tuple[ManifestReply, memoryview]:
        return self._caller.call("manifest", request, ManifestReply)

    def get_chunks(self, request: GetChunksRequest, wants: Buffer) -> tuple[GetChunksReply, memoryview]:
        return self._caller.call("get_chunks", request, GetChunksReply, wants)

    def changes(self, request: ChangesRequest) -> tuple[ChangesReply, memoryview]:
        return self._caller.call("changes", request, ChangesReply)

    def watch(self, request: WatchRequest) -> WatchReply:
        return self._caller.call("watch", request, WatchReply)[0]

    def usage(self, request: UsageRequest) -> UsageReply:
        return self._caller.call("usage", request, UsageReply)[0]

    def have(self, request: HaveRequest, ids: Buffer) -> tuple[HaveReply, memoryview]:
        return self._caller.call("have", request, HaveReply, ids)

    def put_chunks(self, request: PutChunksRequest, body: Buffer) -> PutChunksReply:
        return self._caller.call("put_chunks", request, PutChunksReply, body)[0]

    def commit(self, request: CommitRequest, body: Buffer) -> tuple[ItemsReply, memoryview]:
        return self._caller.call("commit", request, ItemsReply, body)

    def make_folder(self, request: MakeFolderRequest) -> NodeReply:
        return self._caller.call("make_folder", request, NodeReply)[0]

    def move(self, request: MoveRequest) -> NodeReply:
        return self._caller.call("move", request, NodeReply)[0]

    def copy(self, request: CopyRequest) -> NodeReply:
        return self._caller.call("copy", request, NodeReply)[0]

    def delete(self, request: DeleteRequest) -> tuple[ItemsReply, memoryview]:
        return self._caller.call("delete", request, ItemsReply)
