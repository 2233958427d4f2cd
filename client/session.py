"""A signed-in user on one server.

    control connection   commands of the API, one at a time, from any thread (a lock)
    watch connection     `watch()`: its own, only the server writes on it
    transfer             `connect_more()`: each caller owns the connection it gets; begun early by `connect_ahead()`

More connections join by the session's ticket (`attach`), without another PBKDF2. A lost control connection is opened
again by itself; requests that change something bear an op_id, so that a repeat is applied once.

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
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

import msgspec

from client.address import Address
from client.ahead import AnswersAhead, ConnectionsAhead
from client.api import Api
from client.attaching import attach
from client.commands import Commands
from client.connection import Connection
from client.errors import ChangedServerKey, ConnectionFailed, ConnectionLost
from client.options import ClientOptions, ConnectionOptions
from client.tickets import StoredTicket
from client.trust import CertificateWarning, ServerKey, Trust
from client.waits import growing_waits
from client.watch import Watch
from protocol import (
    Buffer,
    ChangePasswordRequest,
    Cursor,
    Done,
    LoginRequired,
    LogoutRequest,
    PasswordRefused,
    Reply,
    Request,
    ServerBusy,
    ServerStopping,
    SessionEnded,
    SessionInfo,
    SessionRevoked,
    SfosError,
    check_password,
)

if TYPE_CHECKING:  # what signing in with a password needs is loaded when somebody does
    from protocol import SaltedPassword

_log = logging.getLogger(__name__)

# Asked for the password when the server has forgotten the session (restart, timeout); None: the user declined.
Reauthenticate = Callable[[], str | None]

ReplyT = TypeVar("ReplyT", bound=Reply)

_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 2.0
_UNLIMITED_S = 10 * 365 * 86_400.0


class Session:
    """A session; make one by `sign_in` or `from_ticket`. All methods may be called from any thread, and block."""

    def __init__(
        self,
        control: Connection,
        user: str,
        ticket_id: str,
        ticket: bytes,
        info: SessionInfo,
        options: ClientOptions,
        *,
        salted: SaltedPassword | None = None,
        reauthenticate: Reauthenticate | None = None,
        warnings: tuple[CertificateWarning, ...] = (),
        ahead: ConnectionsAhead | None = None,
        answers: AnswersAhead | None = None,
        expires_unix_s: float | None = None,
    ) -> None:
        """`expires_unix_s`: of a session opened before; else it lasts from now on for as long as the server says."""
        self.address = control.address
        self.user = user
        self.options = options
        self.warnings = warnings
        self._key = control.key
        self._control: Connection | None = control
        self._control_lock = threading.RLock()
        self._renew_lock = threading.Lock()
        self._closing = threading.Event()
        self._reauthenticate = reauthenticate
        self._salted = salted
        self._watches: set[Watch] = set()
        self._ahead = ahead or ConnectionsAhead()
        self._answers = answers or AnswersAhead()
        self._adopt(ticket_id, ticket, info, expires_unix_s)
        self.api = Api(Commands(self), lambda: self.info.home)

    def _adopt(self, ticket_id: str, ticket: bytes, info: SessionInfo, expires_unix_s: float | None = None) -> None:
        self._ticket_id, self._ticket, self._info = ticket_id, ticket, info
        self._opened_at = self._used_at = time.monotonic()
        lasts_s = info.absolute_timeout_s or _UNLIMITED_S
        self._expires_unix_s = time.time() + lasts_s if expires_unix_s is None else expires_unix_s

    # ── beginning ───────────────────────────────────────────────────────────────────────────────────────────────

    @classmethod
    def sign_in(
        cls,
        address: Address,
        user: str,
        password: str,
        trust: Trust,
        options: ClientOptions | None = None,
        *,
        reauthenticate: Reauthenticate | None = None,
    ) -> Self:
        """A new session. Blocks for the network and some 0.1 s of PBKDF2.

        Raises: ServerUnreachable, ConnectionLost, ChangedServerKey (before anything was sent), ServerNotGenuine,
        LoginFailed, TooManyAttempts, UnknownServerKey (the login was right and is undone: show the fingerprint,
        `trust.store.pin(...)`, sign in again), UnsupportedVersion, ServerBusy.
        """
        from client.login import sign_in

        options = options or ClientOptions()
        connection = Connection.open(address, options.connection)
        with _closed_on_failure(connection):
            warning = trust.check_before_login(address, connection.key)
            with connection.deadline(options.connection.login_timeout_s):
                signed_in = sign_in(connection, options.connection.client_name, user, password)
            try:
                trust.settle_after_login(address, connection.key)
            except SfosError:
                with contextlib.suppress(SfosError):
                    connection.call("logout", LogoutRequest(), Done)
                raise
        _log.info("%s: signed in as %s", address, user)
        return cls(
            connection,
            user,
            signed_in.ticket_id,
            signed_in.ticket,
            signed_in.info,
            options,
            salted=signed_in.salted,
            reauthenticate=reauthenticate,
            warnings=(warning,) if warning else (),
        )

    @classmethod
    def from_ticket(
        cls,
        ticket: StoredTicket,
        trust: Trust,
        options: ClientOptions | None = None,
        *,
        reauthenticate: Reauthenticate | None = None,
        ahead: int = 0,
        questions: Sequence[tuple[str, Request]] = (),
    ) -> Self:
        """A session opened before, in this process or another. Raises: as `sign_in`; SessionEnded when it is over.

        Where the server's key is pinned, two things save round trips. `ahead` further connections are opened at the
        same time (see `connect_ahead`). `questions`, commands that change nothing, travel with the first flight; a
        `call` that asks the same finds the answer there, unless something was changed before.
        """
        options = options or ClientOptions()
        more, answers = ConnectionsAhead(), AnswersAhead()
        if trust.trusted_key(ticket.address) != ticket.fingerprint:
            ahead, questions = 0, ()
        for _ in range(ahead):
            more.begin(ticket.ticket_id, lambda: _join(ticket, options.connection)[0])
        try:
            connection = Connection.open(ticket.address, options.connection)
            with _closed_on_failure(connection):
                warning = trust.check_before_login(ticket.address, connection.key)
                info = _attach(connection, ticket, options.connection, questions)
                trust.settle_after_login(ticket.address, connection.key)
                answers.receive(connection, questions)
        except BaseException:
            more.close()
            raise
        return cls(
            connection,
            ticket.user,
            ticket.ticket_id,
            ticket.ticket,
            info,
            options,
            reauthenticate=reauthenticate,
            warnings=(warning,) if warning else (),
            ahead=more,
            answers=answers,
            expires_unix_s=ticket.expires_unix_s,
        )

    # ── what it is ──────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def info(self) -> SessionInfo:
        """Who one is, until when, and the home space, as the server said last."""
        return self._info

    @property
    def ticket(self) -> StoredTicket:
        """What `from_ticket` and a TicketStore take."""
        return StoredTicket(
            self.address, self.user, self._ticket_id, self._ticket, self._key.fingerprint, self._expires_unix_s
        )

    @property
    def fingerprint(self) -> str:
        """The server's key, grouped for people."""
        return self._key.fingerprint.grouped

    @property
    def closed(self) -> bool:
        """Whether `close` or `logout` has been called."""
        return self._closing.is_set()

    def note_used(self) -> None:
        """A command has gone through on a connection that somebody else owns: the session is not idle."""
        self._used_at = time.monotonic()

    # ── commands on the control connection ──────────────────────────────────────────────────────────────────────

    def call(self, command: str, request: Request, kind: type[ReplyT], *body: Buffer) -> tuple[ReplyT, memoryview]:
        """The reply to one command; a lost connection is opened again and the request repeated for `retry_for_s`.

        Raises: what the server reports; ConnectionLost or ServerUnreachable when that has failed; SessionEnded.
        """
        ready = self._answers.take(command, request)
        if ready is not None and not body:
            return ready.expect(kind), ready.body
        give_up_at: float | None = None
        waits = growing_waits(_FIRST_WAIT_S, _LONGEST_WAIT_S)
        while True:
            try:
                with self._control_lock:
                    reply = self._control_connection().call(command, request, kind, *body)
                self.note_used()
                return reply
            except (ConnectionFailed, ServerStopping, ServerBusy) as error:
                self._drop_control()
                now = time.monotonic()
                give_up_at = give_up_at or now + self.options.connection.retry_for_s
                wait = max(next(waits), error.retry_after_s or 0.0)
                if now + wait > give_up_at or self._closing.wait(wait):
                    raise
            except SessionRevoked:
                self._drop_control()
                self._salted = None
                raise
            except (SessionEnded, LoginRequired):
                self._drop_control()  # the next connection attaches, or signs in anew, or says why it cannot
                if give_up_at is not None:
                    raise
                give_up_at = time.monotonic() + self.options.connection.retry_for_s

    def _control_connection(self) -> Connection:
        if self._control is None or not self._control.usable:
            self._drop_control()
            self._control = self.connect_more()
        return self._control

    def _drop_control(self) -> None:
        with self._control_lock:
            connection, self._control = self._control, None
            if connection is not None:
                connection.close()

    # ── more connections ────────────────────────────────────────────────────────────────────────────────────────

    def connect_ahead(self, count: int) -> None:
        """Begin to open `count` connections, which the next calls of `connect_more` will get. Returns at once."""
        ticket = self.ticket
        for _ in range(count):
            self._ahead.begin(ticket.ticket_id, lambda: _join(ticket, self.options.connection)[0])

    def connect_more(self) -> Connection:
        """Another connection of this session; the caller owns and closes it. Raises: as `sign_in`; SessionEnded."""
        self._answers.forget()  # what goes over other connections may change things
        for attempt in (1, 2):
            self._check_open()
            ticket = self.ticket
            ready = self._ahead.take(ticket.ticket_id)
            if ready is not None:
                return ready
            try:
                connection, self._info = _join(ticket, self.options.connection)
                return connection
            except SessionRevoked:
                self._salted = None  # somebody wanted this session to end: nothing here opens another one
                raise
            except SessionEnded:
                if attempt == 2:
                    raise
            self._renew(ticket.ticket_id)
        raise AssertionError("unreachable")

    def _check_open(self) -> None:
        if self._closing.is_set():
            raise ConnectionLost("This session is closed.", subject=str(self.address))

    def _renew(self, ended_id: str) -> None:
        """Sign in anew in place of the session `ended_id`, if that is allowed. Raises: SessionEnded, LoginFailed."""
        with self._renew_lock:
            if self._ticket_id != ended_id:
                return  # another thread has done it meanwhile
            password: str | None = None
            if not self._would_be_alive() or self._salted is None:
                password = self._reauthenticate() if self._reauthenticate is not None else None
                if password is None:
                    raise SessionEnded
            self._check_open()
            from client.login import sign_in

            options = self.options.connection
            connection = Connection.open(self.address, options)
            try:
                _check_same_key(self.ticket, connection.key)
                with connection.deadline(options.login_timeout_s):
                    salted = self._salted if password is None else None
                    signed_in = sign_in(connection, options.client_name, self.user, password, salted)
            finally:
                connection.close()
            self._salted = signed_in.salted
            self._adopt(signed_in.ticket_id, signed_in.ticket, signed_in.info)
            _log.info("%s: signed in anew as %s", self.address, self.user)

    def _would_be_alive(self) -> bool:
        now, info = time.monotonic(), self._info
        idle, age = now - self._used_at, now - self._opened_at
        return idle < (info.idle_timeout_s or _UNLIMITED_S) and age < (info.absolute_timeout_s or _UNLIMITED_S)

    def watch(self, since: Cursor | None = None, *, space: str | None = None, heartbeat_s: float = 20.0) -> Watch:
        """Changes after `since` (default: from now on), on a connection of its own, opened at the first `next`."""
        watch = Watch(self.connect_more, since, space, heartbeat_s, self._watches.discard)
        self._watches.add(watch)
        if self._closing.is_set():
            watch.close()
        return watch

    # ── the account ─────────────────────────────────────────────────────────────────────────────────────────────

    def change_password(self, old: str, new: str) -> None:
        """Replace one's own password. Every other session of the user ends; this one goes on.

        Raises: PasswordRefused with the reasons (checked here, the password never leaves this computer), LoginFailed.
        """
        reasons = check_password(new, self.user, self._info.password_policy)
        if reasons:
            raise PasswordRefused("The new password will not do: " + "; ".join(reasons) + ".")
        import secrets

        from client.login import prove_password
        from protocol import SALT_BYTES, salt_password, verifier_of

        connection = self.connect_more()
        try:
            iterations = prove_password(connection, self.user, old).iterations
            salted = salt_password(new, secrets.token_bytes(SALT_BYTES), iterations)
            request = ChangePasswordRequest(verifier=verifier_of(salted).format())
            connection.call("change_password", request, Done)
        finally:
            connection.close()
        self._salted = salted
        self._info = msgspec.structs.replace(self._info, must_change_password=False)

    def logout(self) -> None:
        """End the session on the server, on all its connections, and close. A server that is gone is no error."""
        self._end_watches()
        with self._control_lock, contextlib.suppress(SfosError):
            self._control_connection().call("logout", LogoutRequest(), Done)
        self.close()

    def close(self) -> None:
        """Leave without ending the session on the server: its ticket stays good. Idempotent."""
        self._closing.set()
        self._ahead.close()
        self._end_watches()
        if not self._control_lock.acquire(timeout=_LONGEST_WAIT_S):
            control = self._control
            if control is not None:
                control.abort()  # a command that does not come back must not keep a program from ending
            self._control_lock.acquire()
        try:
            self._drop_control()
        finally:
            self._control_lock.release()
        self._salted = None

    def _end_watches(self) -> None:
        for watch in tuple(self._watches):
            watch.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@contextlib.contextmanager
def _closed_on_failure(connection: Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.close()
        raise


def _join(ticket: StoredTicket, options: ConnectionOptions) -> tuple[Connection, SessionInfo]:
    """A new connection of the ticket's session. Raises: as `Session.sign_in`; SessionEnded."""
    connection = Connection.open(ticket.address, options)
    with _closed_on_failure(connection):
        return connection, _attach(connection, ticket, options)


def _attach(
    connection: Connection,
    ticket: StoredTicket,
    options: ConnectionOptions,
    questions: Sequence[tuple[str, Request]] = (),
) -> SessionInfo:
    _check_same_key(ticket, connection.key)
    with connection.deadline(options.login_timeout_s):
        return attach(connection, options.client_name, ticket.ticket_id, ticket.ticket, questions)


def _check_same_key(ticket: StoredTicket, key: ServerKey) -> None:
    """The server of a session keeps its key; another one never sees a proof of the ticket. Raises: ChangedServerKey."""
    if key.fingerprint != ticket.fingerprint:
        raise ChangedServerKey(ticket.address, ticket.fingerprint, key.fingerprint, None, key.facts)
