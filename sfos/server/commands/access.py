"""hello, signing in and out, attaching, changing one's password."""

from __future__ import annotations

import time
from types import MappingProxyType
from typing import Any

from sfos.protocol import (
    FEATURES,
    VERSION,
    AccessError,
    AttachReply,
    AttachRequest,
    BindingRefused,
    ChangePasswordRequest,
    ConnectionIntercepted,
    Done,
    HelloReply,
    HelloRequest,
    LoginFailed,
    LoginFinishReply,
    LoginFinishRequest,
    LoginStartReply,
    LoginStartRequest,
    LogoutRequest,
    MalformedExchange,
    MalformedMessage,
    OutOfOrder,
    ReauthenticationRequired,
    ServerBusy,
    ServerExchange,
    SessionEnded,
    SessionInfo,
    TooManyAttempts,
    UnsupportedVersion,
    WrongProof,
    attach_answer,
    is_attach_proof,
)
from sfos.server.audit.sums import AuditValue
from sfos.server.commands.calls import Answer, Call, Handler, Handlers, PendingLogin
from sfos.server.commands.verifiers import acceptable
from sfos.server.identity.credential_file import Account, NoSuchAccount
from sfos.server.identity.sessions import Session

SERVER_NAME = "sfos/1"

# A password may be changed for so long after it was typed on this connection: long enough to choose a new one, short
# enough that a window left open is not an account lost.
_FRESH_S = 300.0


def hello(call: Call[HelloRequest]) -> Answer:
    peer = call.peer
    if peer.greeted:
        raise OutOfOrder("Hello was said already.")
    if call.args.version != VERSION:
        peer.leaving = True
        raise UnsupportedVersion(
            f"This server speaks version {VERSION} of the protocol, the client version {call.args.version};"
            " update the older of the two."
        )
    peer.greeted = True
    peer.client = call.args.client
    peer.features = frozenset(call.args.features)
    with call.turn:
        return Answer(
            HelloReply(version=VERSION, server=SERVER_NAME, time_ms=time.time_ns() // 1_000_000, features=FEATURES)
        )


# --- With the password --------------------------------------------------------------------------------------------


def login_start(call: Call[LoginStartRequest]) -> Answer:
    """SCRAM's first half. Whoever exists or not gets an answer that looks alike and took as long."""
    services, peer = call.services, call.peer
    exchange = ServerExchange(peer.exporter)
    try:
        name = exchange.read_first(call.args.message)
    except (MalformedExchange, BindingRefused) as error:
        raise MalformedMessage(f"The sign-in cannot be read: {error}") from error
    _check_penalty(call, name)
    if peer.session is not None and name != peer.session.user:
        raise OutOfOrder("This connection belongs to another user's session.")
    account, verifier = services.accounts.for_login(name, services.security.scram_iterations)
    reply = exchange.reply(verifier)
    peer.login = PendingLogin(exchange, name, account)
    return Answer(LoginStartReply(message=reply))


def login_finish(call: Call[LoginFinishRequest]) -> Answer:
    """SCRAM's second half. Within a session it proves the password again; else it opens one."""
    services, peer = call.services, call.peer
    login, peer.login = peer.login, None
    if login is None:
        raise OutOfOrder("login_finish comes after login_start.")
    # Looked at again: or a hundred exchanges could be begun at leisure, and all be tried at once.
    _check_penalty(call, login.name)
    try:
        message = login.exchange.finish(call.args.message)
    except MalformedExchange as error:
        raise MalformedMessage(f"The sign-in cannot be read: {error}") from error
    except (WrongProof, BindingRefused) as error:
        raise _refused(call, login.name, error) from error
    account = login.account
    if account is None:  # a proof that fits no password cannot come here, but nothing may hang on that
        raise _refused(call, login.name, WrongProof())
    current = services.accounts.find_id(account.user_id)
    if current is None or current.disabled or current.verifier != account.verifier:
        raise _refused(call, login.name, WrongProof("the account changed meanwhile"))

    services.penalties.succeeded(peer.group, account.name)
    session = peer.session
    if session is None:
        with services.spaces.lease(current.user_id):
            pass  # made at the first sign-in; where that fails, no session is opened
        _take_place(call, current)
        session = services.sessions.open(current, peer.host, peer.client)
        services.sessions.join(session, peer.member)
        peer.session = session
    peer.authenticated_at = time.monotonic()
    _note_user(call, "login", account.name, connection=peer.number, session=session.ticket_id)
    return Answer(
        LoginFinishReply(
            message=message,
            ticket_id=session.ticket_id,
            ticket=services.sessions.ticket(session),
            opened=_session_info(call, session),
        )
    )


def _take_place(call: Call[LoginFinishRequest] | Call[AttachRequest], who: Account | Session) -> None:
    """Raises: ServerBusy, where there is no room, and nobody gives way."""
    peer = call.peer
    try:
        peer.place.sign_in(who.user_id, privileged=who.role == "admin")
    except ServerBusy as error:
        name = who.name if isinstance(who, Account) else who.user
        _note_user(call, "connection_refused", name, reason=error.message)
        peer.leaving = True
        raise


def _check_penalty(call: Call[LoginStartRequest] | Call[LoginFinishRequest], name: str) -> None:
    wait_s = call.services.penalties.wait_s(call.peer.group, name)
    if wait_s > 0:
        _note_stranger(call, "login_held_up", name, wait_s=round(wait_s, 1))
        raise TooManyAttempts(retry_after_s=round(wait_s, 1) or 0.1)


def _refused(call: Call[LoginFinishRequest], name: str, error: Exception) -> AccessError:
    """Counts the attempt. The client is told the same whatever was wrong with user and password.

    A proof bound to another TLS session is told apart: it says nothing of either, and warns who can be warned.
    """
    failures = call.services.penalties.failed(call.peer.group, name)
    _note_stranger(
        call,
        "login_failed",
        name,
        connection=call.peer.number,
        reason="bound to another TLS session" if isinstance(error, BindingRefused) else "wrong user or password",
        failures=failures,
    )
    return ConnectionIntercepted() if isinstance(error, BindingRefused) else LoginFailed()


def _note_user(call: Call[Any], event: str, name: str, **fields: AuditValue) -> None:
    """Tell the audit log of a user, and from where."""
    peer = call.peer
    call.services.audit.write_of_user(event, name, host=peer.group, address=peer.address, **fields)


def _note_stranger(call: Call[Any], event: str, name: str, **fields: AuditValue) -> None:
    """Tell the audit log of somebody who has not signed in, and from where."""
    peer = call.peer
    call.services.audit.write_of_stranger(event, peer.group, user=name, address=peer.address, **fields)


def change_password(call: Call[ChangePasswordRequest]) -> Answer:
    services, peer, session = call.services, call.peer, call.session
    authenticated_at = peer.authenticated_at
    if authenticated_at is None or time.monotonic() - authenticated_at > _FRESH_S:
        raise ReauthenticationRequired
    verifier = acceptable(call.args.verifier, session.verifier.iterations, session.verifier)
    session.coming_verifier = verifier  # so that the sweep between the next two lines does not end this session
    try:
        account = services.accounts.set_verifier(session.user, verifier, user_id=session.user_id)
    except NoSuchAccount as error:
        peer.leaving = True
        raise SessionEnded from error
    services.sessions.password_changed(session, account)
    _note_user(call, "password_changed", session.user, session=session.ticket_id)
    return Answer(Done())


# --- With a ticket ------------------------------------------------------------------------------------------------


def attach(call: Call[AttachRequest]) -> Answer:
    services, peer = call.services, call.peer
    if peer.session is not None:
        raise OutOfOrder("This connection belongs to a session already.")
    ticket = services.sessions.ticket_named(call.args.ticket_id)
    try:
        session = services.sessions.find(call.args.ticket_id)
    except SessionEnded:
        revoked = services.sessions.revoked(call.args.ticket_id)
        if revoked is not None and is_attach_proof(call.args.proof, ticket, peer.exporter):
            raise revoked from None
        raise
    if not is_attach_proof(call.args.proof, ticket, peer.exporter):
        _note_stranger(call, "attach_failed", session.user, connection=peer.number, session=session.ticket_id)
        peer.leaving = True
        raise SessionEnded
    _take_place(call, session)
    services.sessions.join(session, peer.member)
    services.sessions.touch(session)
    session.address, session.client = peer.host, peer.client
    peer.session = session
    return Answer(AttachReply(proof=attach_answer(ticket, peer.exporter), session=_session_info(call, session)))


def logout(call: Call[LogoutRequest]) -> Answer:
    services, peer = call.services, call.peer
    services.sessions.end(call.session, "logout", keep=peer.member)
    peer.leaving = True
    return Answer(Done())


def _session_info(call: Call[LoginFinishRequest] | Call[AttachRequest], session: Session) -> SessionInfo:
    services = call.services
    lifetimes = services.sessions.lifetimes
    with services.spaces.lease(session.user_id, create=False) as space:
        home = space.info()
    return SessionInfo(
        user=session.user,
        role=session.role,
        home=home,
        must_change_password=session.must_change,
        idle_timeout_s=lifetimes.idle_s,
        absolute_timeout_s=lifetimes.absolute_s,
        watch_timeout_s=max(lifetimes.watched_s, lifetimes.idle_s),
        password_policy=services.security.password_policy,
    )


ACCESS: Handlers = MappingProxyType(
    {
        HelloRequest: Handler(hello, short=True),
        LoginStartRequest: Handler(login_start),
        LoginFinishRequest: Handler(login_finish),
        AttachRequest: Handler(attach),
        LogoutRequest: Handler(logout),
        ChangePasswordRequest: Handler(change_password),
    }
)
