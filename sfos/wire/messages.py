"""The typed messages of every command. Requests forbid unknown fields; replies and events ignore them, so that a
newer server never breaks an older client. Bytes are base64 in the JSON; times are integers with their unit.

Bodies (after the header of a frame) are described where a message has one; `wire.chunks`, `wire.bodies` and
`wire.lists` pack them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import msgspec
from msgspec import Meta

from sfos.wire.attributes import MAX_MODE, MAX_SHORT_CHARS, AttributesRead
from sfos.wire.chunks import CHUNK_ID_BYTES, WANT
from sfos.wire.commands import Access, ChangingRequest, Done, Reply, Request, RequestPart, command
from sfos.wire.errors import ContentClosed, ErrorInfo, SignInIncomplete
from sfos.wire.frames import MAX_BODY
from sfos.wire.passwords import PasswordPolicy

__all__ = [
    "KINDS",
    "MAX_ATTRIBUTES_ITEMS",
    "MAX_COMMIT_ITEMS",
    "MAX_DELETE_ITEMS",
    "MAX_HAVE_IDS",
    "MAX_LIST_FOLDERS",
    "MAX_PAGE_ENTRIES",
    "MAX_TIME_NS",
    "MAX_WANTS",
    "MUST_NOT_EXIST",
    "OTHER_KIND",
    "ROOT_NODE",
    "AttachReply",
    "AttachRequest",
    "Attributes",
    "AttributesItem",
    "Change",
    "ChangePasswordRequest",
    "ChangesReply",
    "ChangesRequest",
    "CommitItem",
    "CommitRequest",
    "CopyRequest",
    "Cursor",
    "DeleteItem",
    "DeleteRequest",
    "EntriesIn",
    "Entry",
    "GetChunksReply",
    "GetChunksRequest",
    "HaveReply",
    "HaveRequest",
    "HelloReply",
    "HelloRequest",
    "ItemResult",
    "ItemsReply",
    "Kind",
    "KindRead",
    "ListReply",
    "ListRequest",
    "ListedFolder",
    "LoginFinishReply",
    "LoginFinishRequest",
    "LoginStartReply",
    "LoginStartRequest",
    "LogoutRequest",
    "MakeFolderRequest",
    "ManifestReply",
    "ManifestRequest",
    "MoveRequest",
    "NamesIn",
    "NodeReply",
    "PutChunksReply",
    "PutChunksRequest",
    "Ref",
    "Revision",
    "Role",
    "SessionInfo",
    "SetAttributesRequest",
    "SpaceInfo",
    "StatReply",
    "StatRequest",
    "Target",
    "UsageReply",
    "UsageRequest",
    "WatchEvent",
    "WatchReply",
    "WatchRequest",
    "sent_back",
]

MAX_INT = 2**63 - 1
MAX_TIME_NS = MAX_INT  # times are kept from 1677 to 2262, that many nanoseconds before and after 1970
MAX_LIST_FOLDERS = 256
MAX_PAGE_ENTRIES = 5_000
MAX_COMMIT_ITEMS = 5_000
MAX_DELETE_ITEMS = 1_000
MAX_ATTRIBUTES_ITEMS = 5_000  # of some 150 bytes at the most: they fit a header
MAX_HAVE_IDS = 65_536
MAX_WANTS = 50_000
MAX_FEATURES = 64

Count = Annotated[int, Meta(ge=0, le=MAX_INT)]
Signed = Annotated[int, Meta(ge=-MAX_INT, le=MAX_INT)]
TimeMs = Annotated[int, Meta(ge=0, le=253_402_300_799_999)]  # until the year 9999: what calendars can show
NodeId = Annotated[int, Meta(ge=1, le=MAX_INT)]
SpaceId = Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
Hash = Annotated[bytes, Meta(min_length=32, max_length=32)]
Text = Annotated[str, Meta(max_length=64 * 1024)]
ShortText = Annotated[str, Meta(max_length=MAX_SHORT_CHARS)]
FeatureName = Annotated[str, Meta(max_length=64)]
Revision = Annotated[str, Meta(max_length=64)]  # opaque: which state of a node; of another epoch after a restore
Cursor = Annotated[str, Meta(max_length=80)]  # opaque: how far in a space's history
Kind = Literal["file", "folder", "symlink"]
KINDS: tuple[Kind, ...] = ("file", "folder", "symlink")  # numbered from 1 on, where a kind is a byte
# As read: "other" stands for every kind that came after this program. It is shown by its name, and left alone.
KindRead = Literal["file", "folder", "symlink", "other"]
OTHER_KIND: KindRead = "other"
Role = Literal["user", "admin"]

ROOT_NODE = 1  # the id of a space's root folder
MUST_NOT_EXIST: Revision = "0"  # as `if_revision`: nothing of that name may be there


# ── references ──────────────────────────────────────────────────────────────────────────────────────────────────


class Ref(RequestPart, frozen=True, kw_only=True):
    """A file or folder that is there: by `node` or by absolute `path` (exactly one), in `space` (default: home)."""

    space: SpaceId | None = None
    node: NodeId | None = None
    path: Text | None = None


class Target(RequestPart, frozen=True, kw_only=True):
    """A place for a file or folder: an absolute `path`, or `name` in the folder `parent`."""

    space: SpaceId | None = None
    path: Text | None = None
    parent: NodeId | None = None
    name: Text | None = None


class Attributes(RequestPart, frozen=True, kw_only=True):
    """Further facts that a client needs back. `mode`: POSIX permission bits; `link`: where a symlink points."""

    mode: Annotated[int, Meta(ge=0, le=MAX_MODE)] | None = None
    link: ShortText | None = None


def sent_back(attrs: AttributesRead) -> Attributes:
    """Attributes for a request, as they came: also those that this program does not know."""
    if not attrs.unknown:
        return Attributes(mode=attrs.mode, link=attrs.link)
    values = {f"unknown_{at}": value for at, value in enumerate(attrs.unknown.values())}
    return _attributes_with(tuple(attrs.unknown))(mode=attrs.mode, link=attrs.link, **values)


@lru_cache(64)
def _attributes_with(names: tuple[str, ...]) -> Callable[..., Attributes]:
    fields = {f"unknown_{at}": name for at, name in enumerate(names)}
    kind: Any = msgspec.defstruct(
        "Attributes",
        [(field, object) for field in fields],
        bases=(Attributes,),
        rename=fields,
        frozen=True,
        kw_only=True,
    )
    return cast("Callable[..., Attributes]", kind)


# The type of a kind in JSON: any text, of which `Entry` makes "other" if it is none of today's.
if TYPE_CHECKING:
    _KindText = KindRead
else:
    _KindText = Annotated[str, Meta(max_length=64)]
_KINDS_READ = frozenset((*KINDS, OTHER_KIND))


class Entry(Reply, frozen=True, kw_only=True):
    """A file, folder or symlink as it is (or was). `content`: see wire.chunks; None for what is not a file.

    `mtime_ns`: nanoseconds since 1970, as the client said. `path` is there only where it was asked for (stat).
    `space`: where the node is, if that is not the space that was asked.
    """

    node: NodeId
    parent: Count
    name: str
    kind: _KindText
    revision: Revision
    size: Count = 0
    mtime_ns: Signed = 0
    content: Hash | None = None
    attrs: AttributesRead | None = None
    path: str | None = None
    space: SpaceId | None = None

    def __post_init__(self) -> None:
        if self.kind not in _KINDS_READ:
            msgspec.structs.force_setattr(self, "kind", OTHER_KIND)


# ── before a session ────────────────────────────────────────────────────────────────────────────────────────────


class HelloReply(Reply, frozen=True, kw_only=True):
    """`time_ms`: the server's clock, milliseconds since 1970. `features`: as in the request."""

    version: Count
    server: str = ""
    time_ms: TimeMs = 0
    features: Annotated[tuple[FeatureName, ...], Meta(max_length=MAX_FEATURES)] = ()


@command("hello", Access.ANYONE, "agree on the protocol's version")
class HelloRequest(Request[HelloReply], frozen=True, kw_only=True):
    """The first message of every connection. `features`: what the client can do beyond version 1, by names.

    Unknown ones are ignored. What a feature adds to the protocol is sent only to who has named it.
    """

    version: Count
    client: Annotated[str, Meta(max_length=200)] = ""
    features: Annotated[tuple[FeatureName, ...], Meta(max_length=MAX_FEATURES)] = ()


class LoginStartReply(Reply, frozen=True, kw_only=True):
    """SCRAM's server-first message."""

    message: str


@command("login_start", Access.ANYONE, "begin SCRAM-SHA-256-PLUS")
class LoginStartRequest(Request[LoginStartReply], frozen=True, kw_only=True):
    """SCRAM's client-first message (RFC 5802 §7). Also begins a re-authentication within a session."""

    message: ShortText


class SpaceInfo(Reply, frozen=True, kw_only=True):
    """A space that the session may open, with the secrets by which all of its clients cut and name alike.

    Without them names can be listed, and no content read or written.
    """

    space: SpaceId
    given_chunk_key: Hash | None = msgspec.field(default=None, name="chunk_key")
    given_cut_seed: Count | None = msgspec.field(default=None, name="cut_seed")
    cursor: Cursor

    @property
    def chunk_key(self) -> bytes:
        """The key by which chunks are named, 32 bytes. Raises: ContentClosed."""
        if self.given_chunk_key is None:
            raise ContentClosed(subject=self.space)
        return self.given_chunk_key

    @property
    def cut_seed(self) -> int:
        """The seed by which contents are cut. Raises: ContentClosed."""
        if self.given_cut_seed is None:
            raise ContentClosed(subject=self.space)
        return self.given_cut_seed


class SessionInfo(Reply, frozen=True, kw_only=True):
    """User of a session, its end, and where their files are. `password_policy`: for new passwords; the client checks
    it, since passwords never leave it. `watch_timeout_s`: in place of the idle timeout while there is a watch.
    """

    user: str
    role: Role
    home: SpaceInfo
    must_change_password: bool = False
    idle_timeout_s: float = 0.0
    absolute_timeout_s: float = 0.0
    watch_timeout_s: float = 0.0
    password_policy: PasswordPolicy = PasswordPolicy()


class LoginFinishReply(Reply, frozen=True, kw_only=True):
    """SCRAM's server-final message, to be verified before anything else here is believed.

    `ticket` (32 bytes, secret) opens more connections of the session by `attach`, under the name `ticket_id`.
    None opened: the password was right, and something else is asked for before there is one.
    """

    message: str
    ticket_id: str = ""
    ticket: bytes = b""
    opened: SessionInfo | None = msgspec.field(default=None, name="session")

    @property
    def session(self) -> SessionInfo:
        """The session that was opened. Raises: SignInIncomplete."""
        if self.opened is None:
            raise SignInIncomplete
        return self.opened


@command("login_finish", Access.ANYONE, "end it, and open a session")
class LoginFinishRequest(Request[LoginFinishReply], frozen=True, kw_only=True):
    """SCRAM's client-final message."""

    message: ShortText


class AttachReply(Reply, frozen=True, kw_only=True):
    """`proof`: that the server knows the ticket too; to be verified first."""

    proof: bytes
    session: SessionInfo


@command("attach", Access.ANYONE, "join a session by its ticket")
class AttachRequest(Request[AttachReply], frozen=True, kw_only=True):
    """Join the session of a ticket. `proof`: see `attach_proof` in wire.tickets."""

    ticket_id: Annotated[str, Meta(max_length=64)]
    proof: Hash


@command("logout", Access.USER, "end the session everywhere", with_temporary_password=True)
class LogoutRequest(Request[Done], frozen=True, kw_only=True):
    """End the session, on all of its connections."""


@command("change_password", Access.USER, "set a new password's verifier", with_temporary_password=True)
class ChangePasswordRequest(Request[Done], frozen=True, kw_only=True):
    """Replace one's own password by the verifier of a new one. Needs a login on this connection just before."""

    verifier: Annotated[str, Meta(max_length=512)]


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────


class StatReply(Reply, frozen=True, kw_only=True):
    """`entry.path` is filled in."""

    entry: Entry


@command("stat", Access.USER, "what one path or node is", space_in=("ref",))
class StatRequest(Request[StatReply], frozen=True, kw_only=True):
    """Look at one node."""

    ref: Ref


class ListedFolder(Reply, frozen=True, kw_only=True):
    """One folder of a list: its node, or why it could not be listed. `space`: as in Entry."""

    node: NodeId | None = None
    error: ErrorInfo | None = None
    space: SpaceId | None = None


class NamesIn(Reply, frozen=True, kw_only=True):
    """The next `count` names are in the folder of the node `folder`.

    `folders`: (ordinal among these names from 0 on, node) of those that are folders themselves.
    """

    folder: Count
    count: Count
    folders: tuple[tuple[Count, NodeId], ...] = ()


class EntriesIn(Reply, frozen=True, kw_only=True):
    """Head of a page of entries. `folders`: (node of a folder, how many of the next names are in it).

    `revisions`, `attrs`: those that occur, each once; the columns behind it say which of them is whose.
    """

    folders: tuple[tuple[NodeId, Count], ...]
    names: tuple[str, ...]
    revisions: tuple[Revision, ...]
    attrs: tuple[AttributesRead, ...] = ()


class ListReply(Reply, frozen=True, kw_only=True):
    """Body: EntriesIn as JSON (`head_bytes` long), then one column after the other, of all that it names: nodes int64 |
    sizes int64 | mtimes_ns int64 | which of the revisions uint16 | which of the attrs uint16 | kinds uint8 | contents
    32 bytes. Revisions are numbered from 0 on; attrs from 1 on, and 0 is none; kinds as in KINDS; no content is zeros.

    Folder after folder as asked, in no order within one.
    With `names_only`: JSON array of NamesIn (`head_bytes` long) | the names in UTF-8, `/` between them.
    `folders` is there on the first page only. All pages show the state at `at`. No `next`: that was all.
    """

    at: Cursor
    folders: tuple[ListedFolder, ...] = ()
    next: str | None = None
    head_bytes: Count = 0


@command("list", Access.USER, "what is in up to 256 folders", reply_body=MAX_BODY, space_in=("folders",))
class ListRequest(Request[ListReply], frozen=True, kw_only=True):
    """The entries of up to 256 folders. `cursor`: the `next` of the page before, with the same folders.

    `names_only`: no more than names, and which of them are folders; for much less work.
    `brief`: without the `attrs` of files and folders; clients ask so no more, since uploads compare modes.
    """

    folders: Annotated[tuple[Ref, ...], Meta(min_length=1, max_length=MAX_LIST_FOLDERS)]
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE_ENTRIES)] = 1_000
    cursor: Annotated[str, Meta(max_length=200)] | None = None
    names_only: bool = False
    brief: bool = False


class ManifestReply(Reply, frozen=True, kw_only=True):
    """Body: 36-byte records. `chunks`: how many there are in all."""

    node: NodeId
    revision: Revision
    content: Hash
    size: Count
    chunks: Count
    first: Count = 0


@command("manifest", Access.USER, "a file's chunks", reply_body=MAX_BODY, space_in=("ref",))
class ManifestRequest(Request[ManifestReply], frozen=True, kw_only=True):
    """The chunks of a file from ordinal `first` on, at the most `limit`."""

    ref: Ref
    first: Count = 0
    limit: Annotated[int, Meta(ge=1, le=200_000)] = 100_000


class GetChunksReply(Reply, frozen=True, kw_only=True):
    """Body: uint32 length of each chunk, then their data. `stopped`: why the next one could not be read, if so."""

    chunks: Count
    stopped: ErrorInfo | None = None


@command(
    "get_chunks",
    Access.USER,
    "chunks of files",
    request_body=MAX_WANTS * WANT.size,
    reply_body=MAX_BODY,
    transfers=True,
    space_in=("space",),
)
class GetChunksRequest(Request[GetChunksReply], frozen=True, kw_only=True):
    """Body: `wants` records of 48 bytes (node uint64 | content | first uint32 | count uint32).

    Answered is the longest prefix that fits `max_bytes`, at least one chunk. A content can be read as long as the
    node has or had it.
    """

    space: SpaceId | None = None
    wants: Annotated[int, Meta(ge=1, le=MAX_WANTS)]
    max_bytes: Annotated[int, Meta(ge=1, le=8 * 1024 * 1024)] = 4 * 1024 * 1024


class Change(Reply, frozen=True, kw_only=True):
    """A node's latest state; deleted: its last one, and of a deleted folder only the root. `space`: as in Entry."""

    entry: Entry
    deleted: bool = False
    space: SpaceId | None = None


class ChangesReply(Reply, frozen=True, kw_only=True):
    """Body: JSON array of Change. `more`: ask again from `cursor`."""

    cursor: Cursor
    more: bool = False


@command("changes", Access.USER, "what changed since a cursor", reply_body=MAX_BODY, space_in=("space",))
class ChangesRequest(Request[ChangesReply], frozen=True, kw_only=True):
    """The latest state of each node that changed after `since`."""

    space: SpaceId | None = None
    since: Cursor
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE_ENTRIES)] = 1_000


class WatchReply(Reply, frozen=True, kw_only=True):
    """The watch has begun at `cursor`; events follow."""

    cursor: Cursor


class WatchEvent(Reply, frozen=True, kw_only=True):
    """Body: JSON array of Change; none in a heartbeat."""

    cursor: Cursor
    more: bool = False


@command("watch", Access.USER, "be told of changes", reply_body=MAX_BODY, event=WatchEvent, space_in=("space",))
class WatchRequest(Request[WatchReply], frozen=True, kw_only=True):
    """From now on this connection carries only events of what changes after `since` (default: from now)."""

    space: SpaceId | None = None
    since: Cursor | None = None
    heartbeat_s: Annotated[float, Meta(ge=1, le=300)] = 20.0


class UsageReply(Reply, frozen=True, kw_only=True):
    """Bytes and files now; `bytes_stored` counts what lies on the disk, history included. No quota: None.

    `quota_files` bounds `entries_current`: files, folders and links, as they are now. Of `bytes_stored`, `bytes_rows`
    are rows of the catalog (names, versions, lists, kept answers), and `bytes_history` at the least are held by history
    and by uploads under way; it is freed `history_kept_s` after it ended, or None: not by itself, or not known.
    """

    bytes_current: Count
    files_current: Count
    bytes_stored: Count
    quota_bytes: Count | None = None
    entries_current: Count = 0
    quota_files: Count | None = None
    bytes_rows: Count = 0
    bytes_history: Count | None = None
    history_kept_s: Count | None = None


@command("usage", Access.USER, "how much is kept", space_in=("space",))
class UsageRequest(Request[UsageReply], frozen=True, kw_only=True):
    """Ask how much is kept."""

    space: SpaceId | None = None


# ── changing ────────────────────────────────────────────────────────────────────────────────────────────────────


class ItemResult(Reply, frozen=True, kw_only=True):
    """Result of one item of a request: its node and new revision, or an error."""

    node: NodeId | None = None
    revision: Revision | None = None
    error: ErrorInfo | None = None


class NodeReply(Reply, frozen=True, kw_only=True):
    """The node that now stands at the target. `commit`: the number of the commit that did it; None if nothing changed.

    `space`: as in Entry.
    """

    node: NodeId
    revision: Revision
    cursor: Cursor
    commit: Count | None = None
    space: SpaceId | None = None


@command("copy", Access.USER, "copy a file or folder", space_in=("source", "target"))
class CopyRequest(ChangingRequest[NodeReply], frozen=True, kw_only=True):
    """Copy a file or a whole folder; no content is stored again."""

    source: Ref
    target: Target
    replace: bool = False
    if_revision: Revision | None = None


@command("move", Access.USER, "rename or move", space_in=("source", "target"))
class MoveRequest(ChangingRequest[NodeReply], frozen=True, kw_only=True):
    """Rename or move. What is at the target stays unless `replace`; `if_revision` speaks of the source."""

    source: Ref
    target: Target
    replace: bool = False
    if_revision: Revision | None = None


@command("make_folder", Access.USER, "make a folder", space_in=("target",))
class MakeFolderRequest(ChangingRequest[NodeReply], frozen=True, kw_only=True):
    """`parents`: make what is missing above it, and accept that the folder itself is there."""

    target: Target
    parents: bool = False
    mtime_ns: Signed = 0
    attrs: Attributes | None = None


class DeleteItem(RequestPart, frozen=True, kw_only=True):
    """One thing to delete; a folder goes with all that is in it."""

    ref: Ref
    if_revision: Revision | None = None


class ItemsReply(Reply, frozen=True, kw_only=True):
    """Body: JSON array of ItemResult (`results_bytes` long), then `missing` chunk ids (commit only).

    `commit`: as in NodeReply.
    """

    cursor: Cursor
    results_bytes: Count
    missing: Count = 0
    commit: Count | None = None


@command("delete", Access.USER, "delete", reply_body=MAX_BODY, space_in=("items",))
class DeleteRequest(ChangingRequest[ItemsReply], frozen=True, kw_only=True):
    """`atomic`: all or nothing."""

    items: Annotated[tuple[DeleteItem, ...], Meta(min_length=1, max_length=MAX_DELETE_ITEMS)]
    atomic: bool = False


class AttributesItem(RequestPart, frozen=True, kw_only=True):
    """New attributes of a file, folder or symlink: what is named is set, all else stays. Where a link points, does too.

    `if_revision`: as in CommitItem.
    """

    node: NodeId
    mtime_ns: Signed | None = None
    attrs: Attributes | None = None
    if_revision: Revision | None = None


@command(
    "set_attributes", Access.USER, "set times and modes, without content", reply_body=MAX_BODY, space_in=("space",)
)
class SetAttributesRequest(ChangingRequest[ItemsReply], frozen=True, kw_only=True):
    """Up to 5,000 items in one transaction. Good items are set, each bad one has its error. Contents stay as they are,
    and no version is made of them."""

    space: SpaceId | None = None
    items: Annotated[tuple[AttributesItem, ...], Meta(min_length=1, max_length=MAX_ATTRIBUTES_ITEMS)]


class HaveReply(Reply, frozen=True, kw_only=True):
    """Body: a byte for each id: 1 the space holds it, 0 it does not."""


@command(
    "have",
    Access.USER,
    "which chunks are there",
    request_body=MAX_HAVE_IDS * CHUNK_ID_BYTES,
    reply_body=MAX_HAVE_IDS,
    space_in=("space",),
)
class HaveRequest(Request[HaveReply], frozen=True, kw_only=True):
    """Ask which of these chunks the space holds. Body: `ids` chunk ids."""

    space: SpaceId | None = None
    ids: Annotated[int, Meta(ge=1, le=MAX_HAVE_IDS)]


class PutChunksReply(Reply, frozen=True, kw_only=True):
    """`stored`: how many were new."""

    stored: Count


@command("put_chunks", Access.USER, "store chunks", request_body=MAX_BODY, transfers=True, space_in=("space",))
class PutChunksRequest(Request[PutChunksReply], frozen=True, kw_only=True):
    """Store chunks durably. Body: `chunks` records, then their data."""

    space: SpaceId | None = None
    chunks: Annotated[int, Meta(ge=1, le=32_768)]


class CommitItem(RequestPart, frozen=True, kw_only=True):
    """One file, folder or symlink to be put in place; parents are made.

    A file's content is the next `chunks` records of the commit's body. `if_revision`: absent = whatever is there,
    "0" = must not exist, else exactly that revision.
    """

    target: Target
    kind: Kind = "file"
    size: Count = 0
    mtime_ns: Signed = 0
    content: Hash | None = None
    chunks: Count = 0
    attrs: Attributes | None = None
    if_revision: Revision | None = None


@command("commit", Access.USER, "put files in place", request_body=MAX_BODY, reply_body=MAX_BODY, space_in=("space",))
class CommitRequest(ChangingRequest[ItemsReply], frozen=True, kw_only=True):
    """Up to 5,000 items in one transaction. Good items land, each bad one has its error; `atomic`: all or nothing.

    Body: JSON array of CommitItem (`items_bytes` long) | `records` records of the items' chunks, in order |
    `inline` records of small chunks that this commit brings along | their data.
    """

    space: SpaceId | None = None
    items_bytes: Annotated[int, Meta(ge=2, le=8 * 1024 * 1024)]
    records: Annotated[int, Meta(ge=0, le=250_000)] = 0
    inline: Annotated[int, Meta(ge=0, le=32_768)] = 0
    atomic: bool = False
