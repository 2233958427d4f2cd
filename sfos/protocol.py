"""The protocol, whole: import everything about it from here.

Frames, typed messages, errors, remote paths, chunk names, SCRAM and tickets live in `wire/` (no sockets, no files);
this module is their one door (what it imports, it exports) and holds `COMMANDS`, the only list of commands there is.
Dispatch, the client's API, the table in docs/protocol.md and the tests all walk it.

How a connection goes, in short (docs/protocol.md has a numbered transcript):

    TLS 1.3 handshake → hello → login_start, login_finish  (or attach, with a session's ticket)
                      → any commands, pipelined; replies come in order
                      → or watch, and from then on only the server writes
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

import msgspec

from sfos.wire.administration import (
    MAX_ACCOUNTS_PAGE,
    MAX_AUDIT_LINES,
    NO_QUOTA,
    AccountEntry,
    AccountReply,
    AccountsReply,
    AccountsRequest,
    AddAccountRequest,
    AnySessionsRequest,
    AuditTailReply,
    AuditTailRequest,
    ChangeAccountRequest,
    EndAnySessionsRequest,
    LiftPenaltiesRequest,
    PenaltiesReply,
    PenaltiesRequest,
    PenaltyEntry,
    RemoveAccountRequest,
)
from sfos.wire.attributes import AttributesRead
from sfos.wire.bodies import (
    CommitBody,
    decode_changes,
    encode_array,
    pack_commit,
    pack_results,
    unpack_commit,
    unpack_results,
)
from sfos.wire.chunks import (
    AVERAGE_CHUNK_BYTES,
    CHUNK_ID_BYTES,
    LENGTH,
    MAX_CHUNK_BYTES,
    MIN_CHUNK_BYTES,
    RECORD,
    WANT,
    ChunkRecord,
    ChunkWant,
    PlainRecord,
    chunk_id,
    chunk_ids,
    content_id,
    pack_ids,
    pack_lengths,
    pack_records,
    pack_wants,
    plain_records,
    split_data,
    unpack_ids,
    unpack_lengths,
    unpack_records,
    unpack_wants,
)
from sfos.wire.digests import sha256
from sfos.wire.envelopes import (
    ReplyEnvelope,
    RequestEnvelope,
    decode_args,
    decode_reply,
    decode_request,
    decode_result,
    decoder_of,
    encode_error,
    encode_event,
    encode_request,
    encode_result,
    message_encoder,
    raise_for_error,
)
from sfos.wire.errors import (
    ERRORS,
    AccessError,
    AlreadyExists,
    AnswerForgotten,
    BadChunk,
    CapacityError,
    ConnectionIntercepted,
    ContentClosed,
    ContentError,
    ContentMismatch,
    DataDamaged,
    ErrorInfo,
    FrameTooLong,
    IsAFolder,
    LocalProtocolError,
    LoginFailed,
    LoginRequired,
    MalformedMessage,
    MissingChunks,
    MovedBelowItself,
    NameNotAllowed,
    NewerFormat,
    NotAFolder,
    NotFound,
    OpIdReused,
    OutOfOrder,
    PasswordChangeRequired,
    PasswordRefused,
    PermissionDenied,
    QuotaExceeded,
    ReauthenticationRequired,
    RemoteProtocolError,
    RepeatError,
    ResyncRequired,
    RevisionConflict,
    ServerBusy,
    ServerFault,
    ServerStopping,
    SessionEnded,
    SessionRevoked,
    SfosError,
    SignInIncomplete,
    StorageFailed,
    StorageFull,
    StorageMissing,
    TooManyAttempts,
    TooMuch,
    TreeError,
    UnknownCommand,
    UnsupportedVersion,
    from_info,
)
from sfos.wire.fingerprint import Fingerprint
from sfos.wire.frames import (
    MAX_BODY,
    MAX_HEADER,
    MAX_HEADER_BEFORE_LOGIN,
    Buffer,
    Frame,
    FrameDecoder,
    encode_frame,
    encode_prefix,
)
from sfos.wire.lists import (
    FILE_KIND,
    FolderEntries,
    FolderNames,
    pack_entries,
    pack_names,
    unpack_entries,
    unpack_names,
)
from sfos.wire.messages import (
    KINDS,
    MAX_COMMIT_ITEMS,
    MAX_DELETE_ITEMS,
    MAX_HAVE_IDS,
    MAX_LIST_FOLDERS,
    MAX_PAGE_ENTRIES,
    MAX_WANTS,
    MUST_NOT_EXIST,
    OTHER_KIND,
    ROOT_NODE,
    AttachReply,
    AttachRequest,
    Attributes,
    Change,
    ChangePasswordRequest,
    ChangesReply,
    ChangesRequest,
    ChangingRequest,
    CommitItem,
    CommitRequest,
    CopyRequest,
    Cursor,
    DeleteItem,
    DeleteRequest,
    Done,
    EntriesIn,
    Entry,
    GetChunksReply,
    GetChunksRequest,
    HaveReply,
    HaveRequest,
    HelloReply,
    HelloRequest,
    ItemResult,
    ItemsReply,
    Kind,
    KindRead,
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
    NamesIn,
    NodeReply,
    PutChunksReply,
    PutChunksRequest,
    Ref,
    Reply,
    Request,
    Revision,
    Role,
    SessionInfo,
    SpaceInfo,
    StatReply,
    StatRequest,
    Target,
    UsageReply,
    UsageRequest,
    WatchEvent,
    WatchReply,
    WatchRequest,
    sent_back,
)
from sfos.wire.passwords import (
    MAX_ITERATIONS,
    MIN_ITERATIONS,
    PasswordPolicy,
    UnusablePassword,
    check_password,
    prepare_password,
)
from sfos.wire.paths import (
    MAX_DEPTH,
    MAX_NAME_BYTES,
    MAX_PATH_BYTES,
    check_name,
    fold_name,
    join_path,
    printable,
    split_path,
)
from sfos.wire.readable import counted, readable_size
from sfos.wire.sessions import EndedReply, EndSessionsRequest, SessionEntry, SessionsReply, SessionsRequest
from sfos.wire.tickets import (
    EXPORTER_LABEL,
    EXPORTER_LENGTH,
    TICKET_BYTES,
    attach_answer,
    attach_proof,
    is_attach_answer,
    is_attach_proof,
)

if TYPE_CHECKING:
    from sfos.wire.scram import (
        MECHANISM,
        SALT_BYTES,
        BindingRefused,
        ClientExchange,
        ExchangeMisused,
        IterationsRefused,
        MalformedExchange,
        SaltedPassword,
        ScramError,
        ServerExchange,
        ServerNotProven,
        StaleSaltedPassword,
        Verifier,
        WrongProof,
        check_password_against,
        make_verifier,
        mock_verifier,
        salt_password,
        verifier_of,
    )
else:

    def __getattr__(name: str) -> object:
        """SCRAM, when it is first asked for: most commands sign in by a ticket, and need none of what it stands on."""
        if not name.startswith("_"):  # an import asks for __path__ first
            from sfos.wire import scram

            if hasattr(scram, name):
                return getattr(scram, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


# Raised only by what an older side would misunderstand, from the first release on; new commands and reply fields do not
# raise it.
VERSION = 1

# Named in hello: what this program can do beyond what version 1 always had. A field that a feature adds is sent only to
# a side that has named it.
FEATURES: tuple[str, ...] = ()
# A client's requests say which act of a person or run of a program they belong to.
ACTIONS = "actions"


class Access(Enum):
    """Who may give a command."""

    ANYONE = "anyone"  # before login
    USER = "user"  # any session
    ADMIN = "admin"


class CommandSpec(msgspec.Struct, frozen=True):
    """A command. `request_body`, `reply_body`: the most bytes, 0 for none; `changes`: whether it bears an op_id."""

    name: str
    request: type[Request]
    reply: type[Reply]
    access: Access
    summary: str
    request_body: int = 0
    reply_body: int = 0
    changes: bool = False
    event: type[Reply] | None = None


_ANYONE, _USER, _ADMIN = Access.ANYONE, Access.USER, Access.ADMIN

COMMANDS: dict[str, CommandSpec] = {
    spec.name: spec
    for spec in (
        CommandSpec("hello", HelloRequest, HelloReply, _ANYONE, "agree on the protocol's version"),
        CommandSpec("login_start", LoginStartRequest, LoginStartReply, _ANYONE, "begin SCRAM-SHA-256-PLUS"),
        CommandSpec("login_finish", LoginFinishRequest, LoginFinishReply, _ANYONE, "end it, and open a session"),
        CommandSpec("attach", AttachRequest, AttachReply, _ANYONE, "join a session by its ticket"),
        CommandSpec("logout", LogoutRequest, Done, _USER, "end the session everywhere"),
        CommandSpec("change_password", ChangePasswordRequest, Done, _USER, "set a new password's verifier"),
        CommandSpec("sessions", SessionsRequest, SessionsReply, _USER, "one's own sessions"),
        CommandSpec("end_sessions", EndSessionsRequest, EndedReply, _USER, "end one of them, or all others"),
        CommandSpec("admin_accounts", AccountsRequest, AccountsReply, _ADMIN, "all accounts"),
        CommandSpec("admin_add_account", AddAccountRequest, AccountReply, _ADMIN, "make an account"),
        CommandSpec(
            "admin_change_account", ChangeAccountRequest, AccountReply, _ADMIN, "password, role, quota, on or off"
        ),
        CommandSpec("admin_remove_account", RemoveAccountRequest, Done, _ADMIN, "remove an account"),
        CommandSpec("admin_sessions", AnySessionsRequest, SessionsReply, _ADMIN, "everybody's sessions"),
        CommandSpec("admin_end_sessions", EndAnySessionsRequest, EndedReply, _ADMIN, "end a user's sessions"),
        CommandSpec("admin_penalties", PenaltiesRequest, PenaltiesReply, _ADMIN, "who signed in wrongly"),
        CommandSpec("admin_lift_penalties", LiftPenaltiesRequest, EndedReply, _ADMIN, "forget wrong sign-ins"),
        CommandSpec(
            "admin_audit", AuditTailRequest, AuditTailReply, _ADMIN, "the audit log's last lines", reply_body=MAX_BODY
        ),
        CommandSpec("stat", StatRequest, StatReply, _USER, "what one path or node is"),
        CommandSpec("list", ListRequest, ListReply, _USER, "what is in up to 256 folders", reply_body=MAX_BODY),
        CommandSpec("manifest", ManifestRequest, ManifestReply, _USER, "a file's chunks", reply_body=MAX_BODY),
        CommandSpec(
            "get_chunks",
            GetChunksRequest,
            GetChunksReply,
            _USER,
            "chunks of files",
            MAX_WANTS * WANT.size,
            reply_body=MAX_BODY,
        ),
        CommandSpec("changes", ChangesRequest, ChangesReply, _USER, "what changed since a cursor", reply_body=MAX_BODY),
        CommandSpec(
            "watch", WatchRequest, WatchReply, _USER, "be told of changes", reply_body=MAX_BODY, event=WatchEvent
        ),
        CommandSpec("usage", UsageRequest, UsageReply, _USER, "how much is kept"),
        CommandSpec(
            "have",
            HaveRequest,
            HaveReply,
            _USER,
            "which chunks are there",
            MAX_HAVE_IDS * CHUNK_ID_BYTES,
            reply_body=MAX_HAVE_IDS,
        ),
        CommandSpec("put_chunks", PutChunksRequest, PutChunksReply, _USER, "store chunks", MAX_BODY),
        CommandSpec(
            "commit",
            CommitRequest,
            ItemsReply,
            _USER,
            "put files in place",
            MAX_BODY,
            reply_body=MAX_BODY,
            changes=True,
        ),
        CommandSpec("make_folder", MakeFolderRequest, NodeReply, _USER, "make a folder", changes=True),
        CommandSpec("move", MoveRequest, NodeReply, _USER, "rename or move", changes=True),
        CommandSpec("copy", CopyRequest, NodeReply, _USER, "copy a file or folder", changes=True),
        CommandSpec("delete", DeleteRequest, ItemsReply, _USER, "delete", reply_body=MAX_BODY, changes=True),
    )
}
