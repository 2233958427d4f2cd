"""A signed-in user on one server.

    control connection   commands of the API, one at a time, from any thread (a lock); where one takes long, those of
                         other threads go over connections of their own
    watch connection     `watch()`: its own, only the server writes on it
    transfer             `connect_more()`: each caller owns the connection it gets; begun early by `connect_ahead()`

More connections join by the session's ticket, without another PBKDF2 (`joining`, which also signs in anew where
the server has forgotten the session). A lost control connection is opened again by itself; requests that change
something bear an op_id, so that a repeat is applied once.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from sfos.client.address import Address
from sfos.client.api import Api
from sfos.client.net.connection import Connection, WorkListener
from sfos.client.net.trust import CertificateWarning, Trust
from sfos.client.nodes import SpaceNaming
from sfos.client.options import ClientOptions
from sfos.client.retry import PASSING, Retries
from sfos.client.session.ahead import AnswersAhead, ConnectionsAhead
from sfos.client.session.joining import Membership, Reauthenticate, attach_by, closed_on_failure, expires_unix_s, join
from sfos.client.session.tickets import StoredTicket
from sfos.protocol import (
    Buffer,
    ChangePasswordRequest,
    ChangingRequest,
    Cursor,
    LoginRequired,
    LogoutRequest,
    PasswordRefused,
    ReplyT,
    Request,
    SessionEnded,
    SessionInfo,
    SessionRevoked,
    SfosError,
    SpaceInfo,
    check_password,
)

if TYPE_CHECKING:  # what watching, or signing in with a password, needs is loaded when somebody does
    from sfos.client.watch import Watch
    from sfos.protocol import SaltedPassword

_log = logging.getLogger(__name__)

_CLOSING_S = 2.0  # for a command that is under way
_LONG_S = 0.5  # that a command waits for the one before it


class Session:
    """A session; make one by `sign_in` or `from_ticket`. All methods may be called from any thread, and block."""

    def __init__(
        self,
        control: Connection,
        ticket: StoredTicket,
        info: SessionInfo,
        options: ClientOptions,
        *,
        salted: SaltedPassword | None = None,
        reauthenticate: Reauthenticate | None = None,
        warnings: tuple[CertificateWarning, ...] = (),
        ahead: ConnectionsAhead | None = None,
        answers: AnswersAhead | None = None,
    ) -> None:
        self.address = ticket.address
        self.user = ticket.user
        self.options = options
        self.warnings = warnings
        self.on_working: WorkListener | None = None
        self._control: Connection | None = control
        self._control_lock = threading.RLock()
        self._beside: set[Connection] = set()
        self._unanswered: set[int] = set()  # threads whose change has been asked for, and has no answer
        self._closing = threading.Event()
        self._membership = Membership(
            ticket,
            info,
            options.connection,
            self._closing,
            salted=salted,
            reauthenticate=reauthenticate,
            ahead=ahead,
        )
        self._watches: set[Watch] = set()
        self._answers = answers or AnswersAhead()
        self.api = Api(self, lambda: self.info.home, watch=self._begin_watch)
        self._spaces: dict[str, Api] = {}

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
        from sfos.client.session.login import sign_in

        options = options or ClientOptions()
        connection = options.connection.first.call(lambda: Connection.open(address, options.connection))
        with closed_on_failure(connection):
            warning = trust.check_before_login(address, connection.key)
            with connection.deadline(options.connection.login_timeout_s):
                signed_in = sign_in(connection, options.connection.client_name, user, password)
            try:
                trust.settle_after_login(address, connection.key)
            except SfosError:
                with contextlib.suppress(SfosError):
                    connection.call(LogoutRequest())
                raise
        _log.info("%s: signed in as %s", address, user)
        info, fingerprint = signed_in.info, connection.key.fingerprint
        ends = expires_unix_s(info)
        return cls(
            connection,
            StoredTicket(address, user, signed_in.ticket_id, signed_in.ticket, fingerprint, ends),
            info,
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
        questions: Sequence[Request[Any]] = (),
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
            more.begin(ticket.ticket_id, lambda: join(ticket, options.connection)[0])
        try:
            connection = options.connection.first.call(lambda: Connection.open(ticket.address, options.connection))
            with closed_on_failure(connection):
                warning = trust.check_before_login(ticket.address, connection.key)
                info = attach_by(ticket, connection, options.connection, questions)
                trust.settle_after_login(ticket.address, connection.key)
                answers.receive(connection, questions)
        except BaseException:
            more.close()
            raise
        return cls(
            connection,
            ticket,
            info,
            options,
            reauthenticate=reauthenticate,
            warnings=(warning,) if warning else (),
            ahead=more,
            answers=answers,
        )

    # ── what it is ──────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def info(self) -> SessionInfo:
        """User, end of the session, and home space, as the server said last."""
        return self._membership.info

    @property
    def ticket(self) -> StoredTicket:
        """Ticket for `from_ticket` and a TicketStore."""
        return self._membership.ticket

    @property
    def fingerprint(self) -> str:
        """The server's key, grouped for people."""
        return self.ticket.fingerprint.grouped

    @property
    def closed(self) -> bool:
        """Whether `close` or `logout` has been called."""
        return self._closing.is_set()

    def note_used(self) -> None:
        """A command has gone through on a connection that somebody else owns: the session is not idle."""
        self._membership.note_used()

    # ── commands on the control connection ──────────────────────────────────────────────────────────────────────

    def server_can(self, feature: str) -> bool:
        """Whether the server has named the feature. Blocks, if there is no connection just now. Raises: as `call`."""
        with self._control_lock:
            return feature in self._control_connection().features

    def call(self, request: Request[ReplyT], *body: Buffer) -> tuple[ReplyT, memoryview]:
        """The reply to one command; a lost connection is opened again and the request repeated as `options` say.

        Raises: what the server reports; ConnectionLost or ServerUnreachable when that has failed; SessionEnded.
        """
        if isinstance(request, ChangingRequest):
            with self._awaiting_answer():
                return self._call(request, *body)
        return self._call(request, *body)

    @contextlib.contextmanager
    def _awaiting_answer(self) -> Iterator[None]:
        thread = threading.get_ident()
        self._unanswered.add(thread)
        try:
            yield
        except Exception:
            self._unanswered.discard(thread)
            raise
        self._unanswered.discard(thread)

    @property
    def may_go_on(self) -> bool:
        """Whether a change was given up before its answer, by Ctrl+C: the server may bring it to its end."""
        return threading.get_ident() in self._unanswered

    def _call(self, request: Request[ReplyT], *body: Buffer) -> tuple[ReplyT, memoryview]:
        ready = self._answers.take(request)
        if ready is not None and not body:
            return ready.reply_to(request), ready.body
        policy = self.options.connection.retry
        retries: Retries | None = None
        while True:
            try:
                with self._for_command() as connection:
                    connection.on_working = self.on_working
                    reply = connection.call(request, *body)
                self.note_used()
                return reply
            except PASSING as error:
                self._drop_control()
                retries = retries or Retries(policy)
                wait = retries.wait_after(error)
                if wait is None or self._closing.wait(wait):
                    raise
            except SessionRevoked:
                self._drop_control()
                self._membership.forget_password()
                raise
            except (SessionEnded, LoginRequired):
                self._drop_control()  # the next connection attaches, or signs in anew, or says why it cannot
                if retries is not None:
                    raise
                retries = Retries(policy)
                retries.begin()

    @contextlib.contextmanager
    def _for_command(self) -> Iterator[Connection]:
        """The control connection; or, where another thread's command has been at work there for long, one beside."""
        if self._control_lock.acquire(timeout=_LONG_S):
            try:
                yield self._control_connection()
            finally:
                self._control_lock.release()
            return
        with self.connect_more() as beside:
            self._beside.add(beside)
            try:
                yield beside
            finally:
                self._beside.discard(beside)

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
        self._membership.connect_ahead(count)

    def connect_more(self) -> Connection:
        """Open another connection of this session; the caller owns and closes it. Raises: as `sign_in`;
        SessionEnded."""
        self._answers.forget()  # what goes over other connections may change things
        return self._membership.connect()

    def space(self, space: str | SpaceInfo | None = None) -> Api:
        """All that works in one space; the home's is `api`, also without an argument.

        By its SpaceInfo another space's contents can be read and written; by its id alone its names.
        """
        space_id = space.space if isinstance(space, SpaceInfo) else space
        home = self.info.home.space
        if space_id is None or space_id == home:
            return self.api
        if isinstance(space, SpaceInfo) or space_id not in self._spaces:
            info = space if isinstance(space, SpaceInfo) else SpaceInfo(space=space_id, cursor="")
            self._spaces[space_id] = Api(self, lambda: info, home, self._begin_watch)
        return self._spaces[space_id]

    def watch(self, since: Cursor | None = None, *, heartbeat_s: float = 20.0) -> Watch:
        """Changes of the home; see `Api.watch`, which those of other spaces have."""
        return self.api.watch(since, heartbeat_s=heartbeat_s)

    def _begin_watch(self, since: Cursor | None, naming: SpaceNaming, heartbeat_s: float) -> Watch:
        from sfos.client.watch import Watch

        watch = Watch(
            self.connect_more,
            since,
            naming,
            heartbeat_s,
            self.options.connection.watch,
            self._watches.discard,
            self._membership.note_watched,
        )
        self._watches.add(watch)
        if self._closing.is_set():
            watch.close()
        return watch

    # ── the account ─────────────────────────────────────────────────────────────────────────────────────────────

    def change_password(self, old: str, new: str) -> None:
        """Replace one's own password. Every other session of the user ends; this one goes on.

        Raises: PasswordRefused with the reasons (checked here, the password never leaves this computer), LoginFailed.
        """
        reasons = check_password(new, self.user, self.info.password_policy)
        if reasons:
            raise PasswordRefused("The new password will not do: " + "; ".join(reasons) + ".")
        import secrets

        from sfos.client.session.login import prove_password
        from sfos.protocol import SALT_BYTES, salt_password, verifier_of

        connection = self.connect_more()
        try:
            iterations = prove_password(connection, self.user, old).iterations
            salted = salt_password(new, secrets.token_bytes(SALT_BYTES), iterations)
            request = ChangePasswordRequest(verifier=verifier_of(salted).format())
            connection.call(request)
        finally:
            connection.close()
        self._membership.note_password(salted)

    def go_on_with(self, other: Session) -> None:
        """Go on as `other`, signed in anew by the same user on the same server: whoever works with this session, which
        has ended, need not know. `other` is used up by it. Blocks for what is under way.

        Raises: LocalProtocolError, if it is another user's, another server's, or that of another home.
        """
        self._membership.go_on_with(other._membership)
        self._drop_control()
        self._answers.forget()
        self.warnings = other.warnings
        other.close()  # without logging out: its ticket is this one's now

    def logout(self) -> None:
        """End the session on the server, on all its connections, and close. A server that is gone is no error."""
        self._end_watches()
        with self._control_lock, contextlib.suppress(SfosError):
            self._control_connection().call(LogoutRequest())
        self.close()

    def logout_at_once(self) -> None:
        """End the session for a program that ends: only over a connection that is there and free, within 2 s."""
        self._end_watches()
        if self._control_lock.acquire(timeout=_CLOSING_S):
            try:
                control = self._control
                if control is not None and control.usable:
                    with contextlib.suppress(SfosError), control.deadline(_CLOSING_S):
                        control.call(LogoutRequest())
            finally:
                self._control_lock.release()
        self.close()

    def close(self) -> None:
        """Leave without ending the session on the server: its ticket stays good. Idempotent."""
        self._closing.set()
        self._membership.close()
        self._end_watches()
        for beside in tuple(self._beside):
            beside.abort()
        if not self._control_lock.acquire(timeout=_CLOSING_S):
            control = self._control
            if control is not None:
                control.abort()  # a command that does not come back must not keep a program from ending
            self._control_lock.acquire()
        try:
            self._drop_control()
        finally:
            self._control_lock.release()
        self._membership.forget_password()

    def _end_watches(self) -> None:
        for watch in tuple(self._watches):
            watch.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
