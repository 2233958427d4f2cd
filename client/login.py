"""The first messages on a connection: hello, then SCRAM with a password, or attach with a session's ticket.

Nothing that the server says is believed before it has proven itself: by SCRAM's server signature, or by its answer to
the ticket's proof, both bound to this TLS session.
"""

from __future__ import annotations

import hmac

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


def say_hello(connection: Connection, client_name: str) -> HelloReply:
    """Agree on the version. Raises: UnsupportedVersion, ServerBusy, ConnectionLost."""
    reply, _ = connection.call("hello", HelloRequest(version=VERSION, client=client_name), HelloReply)
    if reply.version != VERSION:
        raise UnsupportedVersion
    return reply


def sign_in(connection: Connection, user: str, password: str | None, salted: SaltedPassword | None = None) -> SignedIn:
    """Open a session on a connection that has said hello. Blocks for PBKDF2 unless `salted` fits.

    Raises: LoginFailed, TooManyAttempts, ServerNotGenuine; PasswordRefused for what cannot be a password; SessionEnded
    when there is only `salted` and it is out of date.
    """
    finish, exchange = prove_password(connection, user, password, salted)
    if len(finish.ticket) != TICKET_BYTES:
        raise ServerNotGenuine("The server opened no session.", subject=str(connection.address))
    connection.opened()
    return SignedIn(finish.ticket_id, finish.ticket, finish.session, exchange.salted_password)


def prove_password(
    connection: Connection, user: str, password: str | None, salted: SaltedPassword | None = None
) -> tuple[LoginFinishReply, ClientExchange]:
    """The SCRAM exchange, to open a session or to show within one that the user is there. Raises: as `sign_in`."""
    exchange = ClientExchange(user, password, connection.exporter, salted=salted)
    try:
        start, _ = connection.call("login_start", LoginStartRequest(message=exchange.first()), LoginStartReply)
        final = exchange.final(start.message)
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
    return finish, exchange


def attach(connection: Connection, ticket_id: str, ticket: bytes) -> SessionInfo:
    """Join a session on a connection that has said hello. Raises: SessionEnded, ServerNotGenuine."""
    exporter = connection.exporter
    request = AttachRequest(ticket_id=ticket_id, proof=attach_proof(ticket, exporter))
    reply, _ = connection.call("attach", request, AttachReply)
    if not hmac.compare_digest(reply.proof, attach_answer(ticket, exporter)):
        raise ServerNotGenuine(subject=str(connection.address))
    connection.opened()
    return reply.session
