"""The messages of administrators: accounts, sessions, penalties, the audit log. None of them names a file."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from sfos.wire.commands import Access, Done, Reply, Request, command
from sfos.wire.frames import MAX_BODY
from sfos.wire.messages import Count, Role, TimeMs
from sfos.wire.sessions import EndedReply, SessionId, SessionsReply

__all__ = [
    "MAX_ACCOUNTS_PAGE",
    "MAX_AUDIT_LINES",
    "NO_QUOTA",
    "AccountEntry",
    "AccountReply",
    "AccountsReply",
    "AccountsRequest",
    "AddAccountRequest",
    "AnySessionsRequest",
    "AuditTailReply",
    "AuditTailRequest",
    "ChangeAccountRequest",
    "EndAnySessionsRequest",
    "LiftPenaltiesRequest",
    "PenaltiesReply",
    "PenaltiesRequest",
    "PenaltyEntry",
    "RemoveAccountRequest",
]

MAX_ACCOUNTS_PAGE = 1_000
MAX_AUDIT_LINES = 10_000
NO_QUOTA = 0  # as `quota_bytes` or `quota_files`: as much as the disk holds

UserName = Annotated[str, Meta(max_length=64)]
VerifierText = Annotated[str, Meta(max_length=512)]
GroupName = Annotated[str, Meta(max_length=256)]
PenaltyKind = Literal["address", "account"]


class AccountEntry(Reply, frozen=True, kw_only=True):
    """An account. `must_change`: its password is a first one or was given by an administrator.

    `quota_bytes`: of stored bytes; `quota_files`: of files and folders; of both None is what the server allows
    everybody, and 0 is no limit. `sessions`: open now.
    """

    name: str
    id: str
    role: Role
    disabled: bool = False
    must_change: bool = False
    created_ms: TimeMs = 0
    quota_bytes: Count | None = None
    quota_files: Count | None = None
    sessions: Count = 0


class AccountsReply(Reply, frozen=True, kw_only=True):
    """`more`: ask again. `iterations`: what a new verifier is to be made with. Of the default quotas 0 is no limit."""

    accounts: tuple[AccountEntry, ...] = ()
    more: bool = False
    iterations: Count = 0
    default_quota_bytes: Count = 0
    default_quota_files: Count = 0


@command("admin_accounts", Access.ADMIN, "all accounts")
class AccountsRequest(Request[AccountsReply], frozen=True, kw_only=True):
    """The accounts in the order of their names. `after`: the last name of the page before."""

    after: UserName = ""
    limit: Annotated[int, Meta(ge=1, le=MAX_ACCOUNTS_PAGE)] = MAX_ACCOUNTS_PAGE


class AccountReply(Reply, frozen=True, kw_only=True):
    """The account as it is now."""

    account: AccountEntry


@command("admin_add_account", Access.ADMIN, "make an account")
class AddAccountRequest(Request[AccountReply], frozen=True, kw_only=True):
    """Make an account, whose user has to choose another password at once. A repeat with the same verifier is fine.

    `verifier`: made by the client; the password does not travel.
    """

    name: UserName
    verifier: VerifierText
    role: Role = "user"
    quota_bytes: Count | None = None
    quota_files: Count | None = None


@command("admin_change_account", Access.ADMIN, "password, role, quota, on or off")
class ChangeAccountRequest(Request[AccountReply], frozen=True, kw_only=True):
    """Change what is given. A new `verifier` makes its user choose another password at once, and ends their sessions.

    `default_quota`, `default_quota_files`: that quota is again what the server allows everybody.
    """

    name: UserName
    verifier: VerifierText | None = None
    disabled: bool | None = None
    role: Role | None = None
    quota_bytes: Count | None = None
    default_quota: bool = False
    quota_files: Count | None = None
    default_quota_files: bool = False


@command("admin_remove_account", Access.ADMIN, "remove an account")
class RemoveAccountRequest(Request[Done], frozen=True, kw_only=True):
    """Remove an account. Its files stay on the server's disk, where no account reaches them."""

    name: UserName


@command("admin_sessions", Access.ADMIN, "everybody's sessions")
class AnySessionsRequest(Request[SessionsReply], frozen=True, kw_only=True):
    """The sessions of `user`, or of everybody."""

    user: UserName | None = None


@command("admin_end_sessions", Access.ADMIN, "end a user's sessions")
class EndAnySessionsRequest(Request[EndedReply], frozen=True, kw_only=True):
    """End one session of `user`, or all of them but the one that asks."""

    user: UserName
    session: SessionId | None = None


class PenaltyEntry(Reply, frozen=True, kw_only=True):
    """Wrong sign-ins from an address (one of IPv4, a /64 of IPv6) or on an account. `wait_s`: what is left to wait.

    `address`, of an account: those from there alone, where its user has signed in before.
    """

    kind: PenaltyKind
    name: str
    failures: Count
    address: str = ""
    wait_s: float = 0.0
    last_ms: TimeMs = 0


class PenaltiesReply(Reply, frozen=True, kw_only=True):
    """The first thousand, who waits longest first. `total`: how many there are."""

    penalties: tuple[PenaltyEntry, ...] = ()
    total: Count = 0


@command("admin_penalties", Access.ADMIN, "who signed in wrongly")
class PenaltiesRequest(Request[PenaltiesReply], frozen=True, kw_only=True):
    """List those who have signed in wrongly of late."""


@command("admin_lift_penalties", Access.ADMIN, "forget wrong sign-ins")
class LiftPenaltiesRequest(Request[EndedReply], frozen=True, kw_only=True):
    """Forget the wrong sign-ins of one address or account; without a `kind` all of them."""

    kind: PenaltyKind | None = None
    name: GroupName = ""


class AuditTailReply(Reply, frozen=True, kw_only=True):
    """Body: the lines, each a JSON object and a line feed, the oldest first."""

    lines: Count


@command("admin_audit", Access.ADMIN, "the audit log's last lines", reply_body=MAX_BODY)
class AuditTailRequest(Request[AuditTailReply], frozen=True, kw_only=True):
    """The last lines of the audit log."""

    lines: Annotated[int, Meta(ge=1, le=MAX_AUDIT_LINES)] = 50
