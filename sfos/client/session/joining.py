"""Joining of connections to a session: by its ticket; and anew, where the server has forgotten the session.

A server that restarts forgets its sessions. This process keeps what PBKDF2 made of the password, in memory alone, and
signs in anew with it, but only as long as the session would still have been alive: the server's idle and absolute
timeouts hold as if it had not restarted.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from sfos.client.errors import ChangedServerKey, ConnectionLost
from sfos.client.net.connection import Connection
from sfos.client.net.trust import ServerKey
from sfos.client.options import ConnectionOptions
from sfos.client.session.ahead import ConnectionsAhead
from sfos.client.session.attaching import attach
from sfos.client.session.tickets import StoredTicket
from sfos.protocol import LocalProtocolError, Request, SessionEnded, SessionInfo, SessionRevoked

if TYPE_CHECKING:  # what signing in with a password needs is loaded when somebody does
    from sfos.protocol import SaltedPassword

_log = logging.getLogger(__name__)

# Asked for the password when the server has forgotten the session (restart, timeout); None: the user declined.
Reauthenticate = Callable[[], str | None]

_UNLIMITED_S = 10 * 365 * 86_400.0


class Membership:
    """A ticket that opens connections, and what it takes to get another. Methods may be called from any thread.

    Who holds it says by `closing` that there is to be no more.
    """

    def __init__(
        self,
        ticket: StoredTicket,
        info: SessionInfo,
        options: ConnectionOptions,
        closing: threading.Event,
        *,
        salted: SaltedPassword | None = None,
        reauthenticate: Reauthenticate | None = None,
        ahead: ConnectionsAhead | None = None,
    ) -> None:
        self._options = options
        self._closing = closing
        self._salted = salted
        self._reauthenticate = reauthenticate
        self._ahead = ahead or ConnectionsAhead()
        self._renew_lock = threading.Lock()
        self._adopt(ticket, info)

    def _adopt(self, ticket: StoredTicket, info: SessionInfo) -> None:
        self._ticket, self._info = ticket, info
        self._opened_at = self._used_at = self._watched_at = time.monotonic()

    @property
    def ticket(self) -> StoredTicket:
        """Ticket of the session as it is now."""
        return self._ticket

    @property
    def info(self) -> SessionInfo:
        """Latest word of the server on user, end, and home space."""
        return self._info

    def note_used(self) -> None:
        """A command has gone through: the session is not idle."""
        self._used_at = time.monotonic()

    def note_watched(self) -> None:
        """The server has said something on a watch, which keeps the session for longer."""
        self._watched_at = time.monotonic()

    def note_password(self, salted: SaltedPassword) -> None:
        """The user has changed the password."""
        self._salted = salted
        self._info = msgspec.structs.replace(self._info, must_change_password=False)

    def go_on_with(self, other: Membership) -> None:
        """Take the ticket of `other`, which the same user has got from the same server, in place of one that is over.

        Raises: LocalProtocolError, if it is somebody else's.
        """
        mine, theirs = self._ticket, other._ticket
        same = (mine.address, mine.user, self._info.home.space) == (theirs.address, theirs.user, other._info.home.space)
        if not same:
            raise LocalProtocolError("a session goes on only as its own user's, on its own server")
        with self._renew_lock:
            self._salted = other._salted
            self._adopt(theirs, other._info)

    def forget_password(self) -> None:
        """Open no other session in place of this one, unless somebody gives the password."""
        self._salted = None

    def connect_ahead(self, count: int) -> None:
        """Begin to open `count` connections, which the next calls of `connect` will get. Returns at once."""
        ticket = self._ticket
        for _ in range(count):
            self._ahead.begin(ticket.ticket_id, lambda: join(ticket, self._options)[0])

    def connect(self) -> Connection:
        """A connection of the session. Blocks. Raises: as `Session.sign_in`; SessionEnded, SessionRevoked."""
        for attempt in (1, 2):
            self._check_open()
            ticket = self._ticket
            ready = self._ahead.take(ticket.ticket_id)
            if ready is not None:
                return ready
            try:
                connection, self._info = join(ticket, self._options)
                return connection
            except SessionRevoked:
                self.forget_password()  # somebody wanted this session to end: nothing here opens another one
                raise
            except SessionEnded:
                if attempt == 2:
                    raise
            self._renew(ticket.ticket_id)
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Close the connections that nobody has taken."""
        self._ahead.close()

    def _check_open(self) -> None:
        if self._closing.is_set():
            raise ConnectionLost("This session is closed.", subject=str(self._ticket.address))

    def _renew(self, ended_id: str) -> None:
        """Sign in anew in place of the session `ended_id`, if that is allowed. Raises: SessionEnded, LoginFailed."""
        with self._renew_lock:
            ended = self._ticket
            if ended.ticket_id != ended_id:
                return  # another thread has done it meanwhile
            password: str | None = None
            if not self.would_be_alive() or self._salted is None:
                password = self._reauthenticate() if self._reauthenticate is not None else None
                if password is None:
                    raise SessionEnded
            self._check_open()
            from sfos.client.session.login import sign_in

            connection = Connection.open(ended.address, self._options)
            try:
                _check_same_key(ended, connection.key)
                with connection.deadline(self._options.login_timeout_s):
                    salted = self._salted if password is None else None
                    signed_in = sign_in(connection, self._options.client_name, ended.user, password, salted)
            finally:
                connection.close()
            self._salted = signed_in.salted
            ticket = StoredTicket(
                ended.address,
                ended.user,
                signed_in.ticket_id,
                signed_in.ticket,
                ended.fingerprint,
                expires_unix_s(signed_in.info),
            )
            self._adopt(ticket, signed_in.info)
            _log.info("%s: signed in anew as %s", ended.address, ended.user)

    def would_be_alive(self) -> bool:
        """Whether the session would go on, had the server not forgotten it."""
        now, info = time.monotonic(), self._info
        unused, unwatched, age = now - self._used_at, now - self._watched_at, now - self._opened_at
        idle_s = info.idle_timeout_s or _UNLIMITED_S
        in_use = unused < idle_s or (unwatched < idle_s and unused < info.watch_timeout_s)
        return in_use and age < (info.absolute_timeout_s or _UNLIMITED_S)


def expires_unix_s(info: SessionInfo) -> float:
    """When a session that was opened just now ends, busy or not."""
    return time.time() + (info.absolute_timeout_s or _UNLIMITED_S)


def join(ticket: StoredTicket, options: ConnectionOptions) -> tuple[Connection, SessionInfo]:
    """A new connection of the ticket's session. Raises: as `Session.sign_in`; SessionEnded."""
    connection = Connection.open(ticket.address, options)
    with closed_on_failure(connection):
        return connection, attach_by(ticket, connection, options)


def attach_by(
    ticket: StoredTicket,
    connection: Connection,
    options: ConnectionOptions,
    questions: Sequence[Request[Any]] = (),
) -> SessionInfo:
    """Join the ticket's session on `connection`; see `attach`. Raises: ChangedServerKey, and what that does."""
    _check_same_key(ticket, connection.key)
    with connection.deadline(options.login_timeout_s):
        return attach(connection, options.client_name, ticket.ticket_id, ticket.ticket, questions)


def _check_same_key(ticket: StoredTicket, key: ServerKey) -> None:
    """The server of a session keeps its key; another one never sees a proof of the ticket. Raises: ChangedServerKey."""
    if key.fingerprint != ticket.fingerprint:
        raise ChangedServerKey(ticket.address, ticket.fingerprint, key.fingerprint, None, key.facts)


@contextlib.contextmanager
def closed_on_failure(connection: Connection) -> Iterator[None]:
    """Whatever the block raises, `connection` does not stay open."""
    try:
        yield
    except BaseException:
        connection.close()
        raise
