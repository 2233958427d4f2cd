"""Call of a command: what a handler is given, and what it gives back.

A handler is a function `(call) -> Answer`: it takes the request apart, asks the domain (sessions, accounts, spaces) and
says the reply. It never sees a socket or a frame. What went wrong it raises, as an SfosError.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from sfos.config import Security, Storage
from sfos.protocol import Buffer, Reply, Request, ServerExchange
from sfos.server.audit.log import AuditLog
from sfos.server.identity.credential_file import Account, CredentialFile
from sfos.server.identity.penalties import Penalties
from sfos.server.identity.sessions import Member, Session, Sessions
from sfos.server.net.bell import Bell
from sfos.server.net.cores import CoreChoice
from sfos.server.net.memory_budget import MemoryBudget
from sfos.server.net.reply_buffers import ReplyRoom
from sfos.server.process.turns import LongTurns
from sfos.server.spaces.commit_feed import CommitFeed
from sfos.server.spaces.registry import SpaceRegistry

RequestT = TypeVar("RequestT", bound=Request[Any])


@dataclass(frozen=True, slots=True)
class Services:
    """All that handlers work with. One for each running server."""

    security: Security
    storage: Storage
    accounts: CredentialFile
    sessions: Sessions
    penalties: Penalties
    spaces: SpaceRegistry
    commit_feed: CommitFeed
    outgoing: MemoryBudget
    long_turns: LongTurns
    audit: AuditLog


@dataclass(slots=True)
class PendingLogin:
    """A SCRAM exchange between its two messages. `account`: None where nothing can succeed, and nobody may notice."""

    exchange: ServerExchange
    name: str
    account: Account | None


class Place(Protocol):
    """Place of a connection among those that a server has room for."""

    def sign_in(self, user: str, *, privileged: bool) -> None:
        """Count it as a connection of `user` from now on. Raises: ServerBusy."""


@dataclass(slots=True, eq=False)
class Peer:
    """Other end of a connection. Owned by the connection's thread."""

    number: int
    address: str
    group: str
    member: Member
    place: Place
    exporter: bytes = b""
    greeted: bool = False
    client: str = ""
    features: frozenset[str] = frozenset()
    """Features that the client has named; those that this server does not know are among them."""
    login: PendingLogin | None = None
    session: Session | None = None
    authenticated_at: float | None = None
    """Monotonic time of the last login with the password on this connection."""
    core: CoreChoice = field(default_factory=CoreChoice)
    leaving: bool = False
    """The connection is to be closed after this reply."""

    @property
    def host(self) -> str:
        """The address without its port."""
        return self.address.rsplit(":", 1)[0].strip("[]")

    @property
    def user(self) -> str:
        """For logs."""
        return self.session.user if self.session is not None else "-"


@dataclass(frozen=True, slots=True)
class Call(Generic[RequestT]):
    """One request, decoded and allowed."""

    services: Services
    peer: Peer
    args: RequestT
    body: memoryview
    turn: AbstractContextManager[None]
    """Turn that a short handler does its work in: only a few of all connections are in theirs at the same moment."""
    room: ReplyRoom
    """Memory for the body of the reply, until that is sent."""

    @property
    def session(self) -> Session:
        """For handlers of commands that need one: dispatch has seen to it."""
        session = self.peer.session
        assert session is not None
        return session


class EventSink(Protocol):
    """Way of events to whoever watches: a connection, or a program in the same process."""

    def send(self, event: Reply, body: Buffer = b"") -> None:
        """Send one event. Blocks until it is gone; raises what ends the watch."""

    def wait(self, bell: Bell, timeout_s: float) -> None:
        """Return when `bell` rings or after `timeout_s`. Raises: what ends the watch meanwhile."""


Continuation = Callable[[EventSink], None]
"""Work that goes on after the reply, on the connection's own thread. Raises: SfosError, which the client is told."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply with its body in parts, so that nobody joins what is sent one after the other anyway."""

    reply: Reply
    body: Sequence[Buffer] = ()
    then: Continuation | None = None


def no_body(_: Any) -> int:
    return 0


@dataclass(frozen=True, slots=True)
class Handler:
    """Function of a command. `reply_bytes(args)`: the most its body may have, to be taken from the budget.

    `short`: it works for less than a millisecond, and in `call.turn`. Only a few such run at the same moment, since
    more would but pass the interpreter's lock around (measured: 16 clients get a third more). What it may have to wait
    for, as a space that is being opened, it has before that: in a turn that waits nobody else is answered, not even
    who says hello. All others work in a turn of their user's (server.process.turns).
    """

    run: Callable[[Call[Any]], Answer]
    reply_bytes: Callable[[Any], int] = no_body
    short: bool = False


Handlers = Mapping[type[Request[Any]], Handler]
"""How commands are carried out, by the types of their requests."""
