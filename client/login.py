"""The first messages on a connection: hello, then SCRAM with a password, or attach with a session's ticket.

What comes after hello is sent right behind it, in the same flight: a round trip less. So the server's version is known
only when the first message has been sent; it holds nothing that an older or newer server could misuse (the user's name
and a nonce, or a proof that is worth nothing outside of this TLS session).

Nothing that the server says is believed before it has proven itself: by SCRAM's server signature, or by its answer to
the ticket's proof, both bound to this TLS session.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence

import msgspec

from client.connection import Connection
from client.errors import ServerNotGenuine
from protocol import (
    TICKET_BYTES,
    VERSION,
    AttachReply,
    AttachRequest,
    ClientExchange,
    HelloReply,
    HelloRequest,
    LoginFailed,
    LoginFinishReply,
    LoginFinishRequest,
    LoginStartReply,
    LoginStartRequest,
    PasswordRefused,
    Request,
    SaltedPassword,
    ScramError,
    SessionEnded,
    SessionInfo,
    StaleSaltedPassword,
    UnsupportedVersion,
    UnusablePassword,
    WrongProof,
    attach_answer,
    attach_proof,
)


class SignedIn(msgspec.Struct, frozen=True):
    """A new session: its ticket, what the server says of it, and what PBKDF2 made of the password."""

    ticket_id: str
    ticket: bytes
    info: SessionInfo
    salted: SaltedPassword

    def __repr__(self) -> str:
        return f"SignedIn({self.info.user})"  # without the secrets


def _say_hello(connection: Connection, client_name: str) -> None:
    connection.send("hello", HelloRequest(version=VERSION, client=client_name))


def _hear_hello(connection: Connection) -> None:
    """Agree on the version. Raises: UnsupportedVersion, ServerBusy, ConnectionLost."""
    if connection.receive().expect(HelloReply).version != VERSION:
        raise UnsupportedVersion


def sign_in(
    connection: Connection, client_name: str, user: str, password: str | None, salted: SaltedPassword | None = None
) -> SignedIn:
    """Open a session on a new connection. Blocks for PBKDF2 unless `salted` fits.

    Raises: LoginFailed, TooManyAttempts, ServerNotGenuine, UnsupportedVersion, ServerBusy; PasswordRefused for what
    cannot be a password; SessionEnded when there is only `salted` and it is out of date.
    """
    exchange = ClientExchange(user, password, connection.exporter, salted=salted)
    _say_hello(connection, client_name)
    _begin(connection, exchange)
    _hear_hello(connection)
    finish = _finish(connection, exchange)
    if len(finish.ticket) != TICKET_BYTES:
        raise ServerNotGenuine("The server opened no session.", subject=str(connection.address))
    connection.opened()
    return SignedIn(finish.ticket_id, finish.ticket, finish.session, exchange.salted_password)


def prove_password(connection: Connection, user: str, password: str) -> SaltedPassword:
    """Show within a session that its user is there; what PBKDF2 made. Raises: as `sign_in`."""
    exchange = ClientExchange(user, password, connection.exporter)
    _begin(connection, exchange)
    _finish(connection, exchange)
    return exchange.salted_password


def _begin(connection: Connection, exchange: ClientExchange) -> None:
    connection.send("login_start", LoginStartRequest(message=exchange.first()))


def _finish(connection: Connection, exchange: ClientExchange) -> LoginFinishReply:
    """What the server says after it has proven itself."""
    try:
        final = exchange.final(connection.receive().expect(LoginStartReply).message)
        finish, _ = connection.call("login_finish", LoginFinishRequest(message=final), LoginFinishReply)
        exchange.verify(finish.message)
    except UnusablePassword as error:
        raise PasswordRefused(f"This cannot be a password: {error}.") from error
    except WrongProof as error:
        raise LoginFailed from error
    except StaleSaltedPassword as error:
        raise SessionEnded from error  # the password was changed meanwhile: only its owner can go on
    except ScramError as error:
        # The server's signature, its nonce or its number of iterations is not what an honest server sends.
        raise ServerNotGenuine(f"{ServerNotGenuine.__doc__} ({error})", subject=str(connection.address)) from error
    return finish


def attach(
    connection: Connection,
    client_name: str,
    ticket_id: str,
    ticket: bytes,
    questions: Sequence[tuple[str, Request]] = (),
) -> SessionInfo:
    """Join a session on a new connection, whose server has the key that the session's server had.

    `questions` (commands that change nothing) go in the same flight; the caller receives their answers afterwards.
    Raises: SessionEnded, ServerNotGenuine, UnsupportedVersion, ServerBusy.
    """
    exporter = connection.exporter
    _say_hello(connection, client_name)
    connection.send("attach", AttachRequest(ticket_id=ticket_id, proof=attach_proof(ticket, exporter)))
    for command, request in questions:
        connection.send(command, request)
    _hear_hello(connection)
    reply = connection.receive().expect(AttachReply)
    if not hmac.compare_digest(reply.proof, attach_answer(ticket, exporter)):
        raise ServerNotGenuine(subject=str(connection.address))
    connection.opened()
    return reply.session
