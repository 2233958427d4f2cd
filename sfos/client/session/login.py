"""Signing in with a password: hello, then SCRAM. Loaded by those who do, for most commands join a session by its ticket
(`client.session.attaching`, which also says what holds for both).
"""

from __future__ import annotations

import msgspec

from sfos.client.errors import ServerNotGenuine
from sfos.client.net.connection import Connection
from sfos.client.session.attaching import hear_hello, say_hello
from sfos.protocol import (
    TICKET_BYTES,
    ClientExchange,
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
    UnusablePassword,
    WrongProof,
)


class SignedIn(msgspec.Struct, frozen=True):
    """A new session: its ticket, what the server says of it, and what PBKDF2 made of the password."""

    ticket_id: str
    ticket: bytes
    info: SessionInfo
    salted: SaltedPassword

    def __repr__(self) -> str:
        return f"SignedIn({self.info.user})"  # without the secrets


def sign_in(
    connection: Connection, client_name: str, user: str, password: str | None, salted: SaltedPassword | None = None
) -> SignedIn:
    """Open a session on a new connection. Blocks for PBKDF2 unless `salted` fits.

    Raises: LoginFailed, TooManyAttempts, ServerNotGenuine, UnsupportedVersion, ServerBusy, SignInIncomplete;
    PasswordRefused for what cannot be a password; SessionEnded when there is only `salted` and it is out of date.
    """
    exchange = ClientExchange(user, password, connection.exporter, salted=salted)
    say_hello(connection, client_name)
    _begin(connection, exchange)
    hear_hello(connection)
    finish = _finish(connection, exchange)
    session = finish.session
    if len(finish.ticket) != TICKET_BYTES:
        raise ServerNotGenuine("The server opened no session.", subject=str(connection.address))
    connection.opened()
    return SignedIn(finish.ticket_id, finish.ticket, session, exchange.salted_password)


def prove_password(connection: Connection, user: str, password: str) -> SaltedPassword:
    """Show within a session that its user is there; what PBKDF2 made. Raises: as `sign_in`."""
    exchange = ClientExchange(user, password, connection.exporter)
    _begin(connection, exchange)
    _finish(connection, exchange)
    return exchange.salted_password


def _begin(connection: Connection, exchange: ClientExchange) -> None:
    connection.send(LoginStartRequest(message=exchange.first()))


def _finish(connection: Connection, exchange: ClientExchange) -> LoginFinishReply:
    """Finish the sign-in, and check that the server knows the account too."""
    try:
        final = exchange.final(connection.receive().expect(LoginStartReply).message)
        finish, _ = connection.call(LoginFinishRequest(message=final))
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
