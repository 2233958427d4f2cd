"""Sessions: who has signed in, until when, and on which connections.

A session's ticket opens further connections (`attach`). It is kept nowhere: it is derived from its id by a key that
this process makes when it starts, so nothing that can be read or copied holds a list of tickets, and a restart ends
all sessions.

Times are monotonic seconds. A session idles out when no command came for a while on any of its connections. The
heartbeats of a watch are none, but while there is a watch it may be a longer while, and the short one begins with its
end.
"""

from __future__ import annotations

import contextlib
import hmac
import logging
import math
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from sfos.protocol import Role, SessionEnded, SessionRevoked, Verifier
from sfos.server.identity.credential_file import Account

_log = logging.getLogger(__name__)

_KEY_BYTES = 32
_ID_BYTES = 16


class Member(Protocol):
    """A connection, as far as its session is concerned."""

    def interrupt(self, reason: str) -> None:
        """End soon; from any thread."""


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """Seconds without a command, and in all, after which a session ends; and how many one user may have.

    `watched_s`: without a command, but with a watch.
    """

    idle_s: float
    absolute_s: float
    per_user: int
    watched_s: float = 0.0


@dataclass(slots=True, eq=False)
class Session:
    """One sign-in. Its fields are changed by the registry alone; `last_used` by whoever touches it."""

    ticket_id: str
    user_id: str
    user: str
    role: Role
    verifier: Verifier = field(repr=False)
    must_change: bool
    opened: float
    last_used: float
    watches: int = 0
    watched: float = -math.inf
    """When a watch ended last."""
    address: str = ""
    client: str = ""
    """Address and name of the program whose connection joined last."""
    ended: str | None = None
    temporary: bool = False
    """Its password was given by an administrator: nothing but choosing another is allowed."""
    quota_bytes: int | None = None
    quota_files: int | None = None
    """Both as `Account` has them; at most a second old."""
    revoked: bool = False
    """Ended by a person: a program does not sign in again by itself."""
    barred: bool = False
    """Ended because its account may do nothing any more: also what is being changed for it is undone."""
    coming_verifier: Verifier | None = field(default=None, repr=False)
    """Verifier that this session itself is about to give its account."""
    members: set[Member] = field(default_factory=set, repr=False)

    def farewell(self) -> SessionEnded:
        """The error that says that it has ended, and why."""
        kind = SessionRevoked if self.revoked else SessionEnded
        return kind(f"The session has ended ({self.ended}); sign in again.")


class Sessions:
    """All sessions of this process. Thread-safe."""

    def __init__(
        self,
        lifetimes: Lifetimes,
        on_end: Callable[[Session, str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`on_end(session, reason)` is called once for each session that ends, under no lock."""
        self.lifetimes = lifetimes
        self._on_end = on_end
        self._clock = clock
        self._key = secrets.token_bytes(_KEY_BYTES)
        self._lock = threading.Lock()
        self._by_id: dict[str, Session] = {}
        self._revoked: dict[str, Session] = {}  # until their absolute time would be over; of a user as many as go on

    def open(self, account: Account, address: str = "", client: str = "") -> Session:
        """A new session; if its user has too many, the one that idles longest ends."""
        now = self._clock()
        session = Session(
            ticket_id=secrets.token_hex(_ID_BYTES),
            user_id=account.user_id,
            user=account.name,
            role=account.role,
            verifier=account.verifier,
            must_change=account.must_change or account.temporary,
            temporary=account.temporary,
            quota_bytes=account.quota_bytes,
            quota_files=account.quota_files,
            opened=now,
            last_used=now,
            address=address,
            client=client,
        )
        with self._lock:
            own = sorted(self._of(account.user_id), key=lambda other: other.last_used)
            self._by_id[session.ticket_id] = session
        for other in own[: max(0, len(own) + 1 - self.lifetimes.per_user)]:
            self.end(other, "too many sessions of this user")
        return session

    def ticket(self, session: Session) -> bytes:
        """The secret that opens connections of this session (32 bytes)."""
        return self.ticket_named(session.ticket_id)

    def ticket_named(self, ticket_id: str) -> bytes:
        """Ticket of the session with this id, whether there is such a session or not."""
        return hmac.digest(self._key, ticket_id.encode(), "sha256")

    def find(self, ticket_id: str) -> Session:
        """The session of this ticket, unless it is over. Raises: SessionEnded."""
        session = self._by_id.get(ticket_id)
        if session is None:
            raise SessionEnded
        self.check(session)
        return session

    def check(self, session: Session) -> None:
        """Return if the session goes on. Raises: SessionEnded. Ends it here if its time has come."""
        if session.ended is None and (reason := self._overdue(session)) is not None:
            self.end(session, reason)
        if session.ended is not None:
            raise session.farewell()

    def revoked(self, ticket_id: str) -> SessionEnded | None:
        """Answer to the holder of a ticket whose session a person has ended; None for all others."""
        session = self._revoked.get(ticket_id)
        return session.farewell() if session is not None else None

    def of_user(self, user_id: str) -> list[Session]:
        """A user's sessions, in no order."""
        with self._lock:
            return self._of(user_id)

    def all(self) -> list[Session]:
        """Everybody's sessions, in no order."""
        with self._lock:
            return list(self._by_id.values())

    def unix_ms(self, moment: float) -> int:
        """One of a session's times as milliseconds since 1970."""
        return round((time.time() - self._clock() + moment) * 1000)

    def touch(self, session: Session) -> None:
        """A command came."""
        session.last_used = self._clock()

    def _overdue(self, session: Session) -> str | None:
        now = self._clock()
        if now - session.opened >= self.lifetimes.absolute_s:
            return "its time is over"
        idle_s, unused_s = self.lifetimes.idle_s, now - session.last_used
        if unused_s < idle_s:
            return None
        seen_s = 0.0 if session.watches else now - session.watched
        if seen_s < idle_s and unused_s < self.lifetimes.watched_s:
            return None
        return "idle for too long"

    @contextlib.contextmanager
    def watching(self, session: Session) -> Iterator[None]:
        """A watch keeps `session` as long as it goes on."""
        with self._lock:
            session.watches += 1
        try:
            yield
        finally:
            with self._lock:
                session.watches -= 1
                session.watched = self._clock()

    def join(self, session: Session, member: Member) -> None:
        """`member` is interrupted when the session ends. Raises: SessionEnded, if it just has."""
        with self._lock:
            if session.ended is None:
                session.members.add(member)
        if session.ended is not None:
            raise session.farewell()

    def leave(self, session: Session, member: Member) -> None:
        with self._lock:
            session.members.discard(member)

    def end(self, session: Session, reason: str, keep: Member | None = None) -> None:
        """End it on all of its connections but `keep`."""
        with self._lock:
            if session.ended is not None:
                return
            session.ended = reason
            del self._by_id[session.ticket_id]
            members = [member for member in session.members if member is not keep]
            session.members.clear()
        self._on_end(session, reason)
        for member in members:
            member.interrupt(f"session ended: {reason}")

    def revoke(self, session: Session, reason: str) -> None:
        """End it as a person wants it: its programs are told, and do not sign in again by themselves."""
        with self._lock:
            if session.ended is None:
                session.revoked = True
                theirs = [one.ticket_id for one in self._revoked.values() if one.user_id == session.user_id]
                for oldest in theirs[: max(0, len(theirs) + 1 - self.lifetimes.per_user)]:
                    del self._revoked[oldest]
                self._revoked[session.ticket_id] = session
        self.end(session, reason)

    def end_of_user(self, user_id: str, reason: str, keep: Session | None = None) -> None:
        """End all sessions of a user but `keep`."""
        with self._lock:
            sessions = [session for session in self._of(user_id) if session is not keep]
        for session in sessions:
            self.end(session, reason)

    def password_changed(self, session: Session, account: Account) -> None:
        """`session` itself has changed its account's password: it goes on, the user's others end."""
        session.verifier, session.coming_verifier = account.verifier, None
        session.must_change, session.temporary = account.must_change or account.temporary, account.temporary
        self.end_of_user(session.user_id, "password changed", keep=session)

    def sweep(self, find_account: Callable[[str], Account | None]) -> None:
        """End what is overdue, and what belongs to an account that was removed, disabled or given other rights.

        `find_account(user_id)`: the account as it is now.
        """
        with self._lock:
            sessions = tuple(self._by_id.values())
            oldest = self._clock() - self.lifetimes.absolute_s
            for session in [session for session in self._revoked.values() if session.opened < oldest]:
                del self._revoked[session.ticket_id]
        for session in sessions:
            account = find_account(session.user_id)
            reason = self._overdue(session) or _no_longer(session, account)
            session.barred = account is None or account.disabled
            if reason is not None:
                self.end(session, reason)
            elif account is not None:
                session.quota_bytes, session.quota_files = account.quota_bytes, account.quota_files

    def _of(self, user_id: str) -> list[Session]:
        return [session for session in self._by_id.values() if session.user_id == user_id]

    def __len__(self) -> int:
        return len(self._by_id)


def _no_longer(session: Session, account: Account | None) -> str | None:
    """Reason why the account as it is now no longer allows this session."""
    if account is None:
        return "account removed"
    if account.disabled:
        return "account disabled"
    if account.verifier not in (session.verifier, session.coming_verifier):
        return "password changed"
    if account.role != session.role:
        return "role changed"
    return None
