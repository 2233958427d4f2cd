"""The first messages on a connection that joins a session by its ticket: hello and attach.

What comes after hello is sent right behind it, in the same flight: a round trip less. So the server's version is known
only when the first message has been sent; it holds nothing that an older or newer server could misuse (the user's name
and a nonce, or a proof that is worth nothing outside of this TLS session).

Nothing that the server says is believed before it has proven itself: by SCRAM's server signature, or by its answer to
the ticket's proof, both bound to this TLS session.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sfos.client.errors import ServerNotGenuine
from sfos.client.net.connection import Connection
from sfos.protocol import (
    FEATURES,
    VERSION,
    AttachReply,
    AttachRequest,
    HelloReply,
    HelloRequest,
    Request,
    SessionInfo,
    UnsupportedVersion,
    attach_proof,
    is_attach_answer,
)


def say_hello(connection: Connection, client_name: str) -> None:
    """The first message; what is said next may follow at once."""
    connection.send(HelloRequest(version=VERSION, client=client_name, features=FEATURES))


def hear_hello(connection: Connection) -> None:
    """Agree on the version, and hear what else the server can do.

    Raises: UnsupportedVersion, ServerBusy, ConnectionLost.
    """
    reply = connection.receive().expect(HelloReply)
    if reply.version != VERSION:
        raise UnsupportedVersion
    connection.features = frozenset(reply.features)


def attach(
    connection: Connection,
    client_name: str,
    ticket_id: str,
    ticket: bytes,
    questions: Sequence[Request[Any]] = (),
) -> SessionInfo:
    """Join a session on a new connection, whose server has the key that the session's server had.

    `questions` (commands that change nothing) go in the same flight; the caller receives their answers afterwards.
    Raises: SessionEnded, ServerNotGenuine, UnsupportedVersion, ServerBusy.
    """
    exporter = connection.exporter
    say_hello(connection, client_name)
    connection.send(AttachRequest(ticket_id=ticket_id, proof=attach_proof(ticket, exporter)))
    for question in questions:
        connection.send(question)
    hear_hello(connection)
    reply = connection.receive().expect(AttachReply)
    if not is_attach_answer(reply.proof, ticket, exporter):
        raise ServerNotGenuine(subject=str(connection.address))
    connection.opened()
    return reply.session
