"""Administration: accounts, sessions, penalties, and the end of the audit log. None of it reaches files.

Passwords stay on this computer: what travels is the verifier made of one.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from msgspec import UNSET, UnsetType

from sfos.client.commands import Caller
from sfos.protocol import (
    MAX_ITERATIONS,
    MIN_ITERATIONS,
    SALT_BYTES,
    AccountEntry,
    AccountsRequest,
    AddAccountRequest,
    AnySessionsRequest,
    AuditTailRequest,
    ChangeAccountRequest,
    EndAnySessionsRequest,
    LiftPenaltiesRequest,
    NotFound,
    PasswordPolicy,
    PasswordRefused,
    PenaltiesReply,
    PenaltiesRequest,
    RemoteProtocolError,
    RemoveAccountRequest,
    Role,
    SessionEntry,
    check_password,
    make_verifier,
)

_MOST_ACCOUNTS = 1_000_000
_GENERATED_BYTES = 12
_MOST_GENERATED_BYTES = 768  # whatever length a server asks for: as many characters as a password can have
_ATTEMPTS = 100  # a requirement of four kinds of characters is met by chance


@dataclass(frozen=True, slots=True)
class Accounts:
    """All accounts, and what the server allows who has no quotas of their own (0: no limit)."""

    entries: tuple[AccountEntry, ...]
    default_quota_bytes: int
    default_quota_files: int = 0


class Administration:
    """One method for each thing; each blocks, and raises PermissionDenied for who is no administrator."""

    def __init__(self, caller: Caller, policy: PasswordPolicy) -> None:
        """`policy`: what the session says of new passwords."""
        self._caller = caller
        self._policy = policy

    # ── accounts ────────────────────────────────────────────────────────────────────────────────────────────────

    def accounts(self) -> Accounts:
        """Accounts in the order of their names."""
        entries: list[AccountEntry] = []
        while True:
            reply = self._caller.call(AccountsRequest(after=entries[-1].name if entries else ""))[0]
            if any(entry.name <= entries[-1].name for entry in reply.accounts[:1] if entries):
                raise RemoteProtocolError("The server's list of accounts has no order.")
            entries += reply.accounts
            if not reply.more:
                return Accounts(tuple(entries), reply.default_quota_bytes, reply.default_quota_files)
            if not reply.accounts or len(entries) > _MOST_ACCOUNTS:
                raise RemoteProtocolError("The server's list of accounts has no end.")

    def account(self, name: str) -> AccountEntry:
        """Raises: NotFound."""
        for entry in self.accounts().entries:
            if entry.name == name:
                return entry
        raise NotFound("There is no such account.", subject=name)

    def add(
        self,
        name: str,
        password: str,
        role: Role = "user",
        quota_bytes: int | None = None,
        quota_files: int | None = None,
    ) -> AccountEntry:
        """A new account, whose user has to choose another password. Blocks for PBKDF2.

        Raises: PasswordRefused with the reasons, AlreadyExists, NameNotAllowed.
        """
        verifier = self._verifier(name, password)
        request = AddAccountRequest(
            name=name, verifier=verifier, role=role, quota_bytes=quota_bytes, quota_files=quota_files
        )
        return self._caller.call(request)[0].account

    def reset_password(self, name: str, password: str) -> AccountEntry:
        """Give the account another password, which its user has to change at once; its sessions end.

        Raises: PasswordRefused, NotFound.
        """
        request = ChangeAccountRequest(name=name, verifier=self._verifier(name, password))
        return self._caller.call(request)[0].account

    def set_disabled(self, name: str, disabled: bool) -> AccountEntry:
        """Raises: NotFound; PermissionDenied for the last enabled administrator."""
        return self._caller.call(ChangeAccountRequest(name=name, disabled=disabled))[0].account

    def set_role(self, name: str, role: Role) -> AccountEntry:
        """Change the role of an account, and end its sessions. Raises: as `set_disabled`."""
        return self._caller.call(ChangeAccountRequest(name=name, role=role))[0].account

    def set_quota(
        self, name: str, quota_bytes: int | UnsetType | None = UNSET, quota_files: int | UnsetType | None = UNSET
    ) -> AccountEntry:
        """Change those that are given. None: what the server allows everybody; 0: no limit. Raises: NotFound."""
        request = ChangeAccountRequest(
            name=name,
            quota_bytes=quota_bytes if isinstance(quota_bytes, int) else None,
            default_quota=quota_bytes is None,
            quota_files=quota_files if isinstance(quota_files, int) else None,
            default_quota_files=quota_files is None,
        )
        return self._caller.call(request)[0].account

    def remove(self, name: str) -> None:
        """Raises: as `set_disabled`."""
        self._caller.call(RemoveAccountRequest(name=name))

    def check_password(self, name: str, password: str) -> None:
        """Raises: PasswordRefused with the reasons."""
        reasons = check_password(password, name, self._policy)
        if reasons:
            raise PasswordRefused("The new password will not do: " + "; ".join(reasons) + ".")

    def generate_password(self, name: str) -> str:
        """One that meets the requirements, of at least 96 random bits."""
        count = max(_GENERATED_BYTES, min(self._policy.min_length, _MOST_GENERATED_BYTES))
        for _ in range(_ATTEMPTS):
            password = secrets.token_urlsafe(count)
            if not check_password(password, name, self._policy):
                return password
        raise PasswordRefused("No password can be generated that meets this server's requirements; choose one.")

    def _verifier(self, name: str, password: str) -> str:
        self.check_password(name, password)
        wanted = self._caller.call(AccountsRequest(limit=1))[0].iterations
        iterations = min(max(wanted, MIN_ITERATIONS), MAX_ITERATIONS)  # a server can say any number
        return make_verifier(password, secrets.token_bytes(SALT_BYTES), iterations).format()

    # ── sessions, penalties, audit log ──────────────────────────────────────────────────────────────────────────

    def sessions(self, user: str | None = None) -> list[SessionEntry]:
        """Sessions of one user or of everybody. Raises: NotFound."""
        return list(self._caller.call(AnySessionsRequest(user=user))[0].sessions)

    def end_sessions(self, user: str, session_id: str | None = None) -> int:
        """End one session of a user, or all but this one; how many. Raises: NotFound."""
        return self._caller.call(EndAnySessionsRequest(user=user, session=session_id))[0].ended

    def penalties(self) -> PenaltiesReply:
        """Users and addresses that signed in wrongly of late, whoever waits longest first."""
        return self._caller.call(PenaltiesRequest())[0]

    def lift(self, *, address: str | None = None, user: str | None = None) -> int:
        """Forget the wrong sign-ins from an address or on an account; with neither, all. How many there were."""
        if address is not None:
            request = LiftPenaltiesRequest(kind="address", name=address)
        elif user is not None:
            request = LiftPenaltiesRequest(kind="account", name=user)
        else:
            request = LiftPenaltiesRequest()
        return self._caller.call(request)[0].ended

    def audit_lines(self, count: int) -> list[str]:
        """The last lines of the audit log, each a JSON object, the oldest first."""
        _, body = self._caller.call(AuditTailRequest(lines=count))
        return bytes(body).decode("utf-8", "replace").splitlines()
