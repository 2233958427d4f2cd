"""A signed-in user on one server.

    control connection   commands of the API, one at a time, from any thread (a lock)
    watch connection     `watch()`: its own, only the server writes on it
    transfer             `connect_more()`: each caller owns the connection it gets

More connections join by the session's ticket (`attach`), without another PBKDF2. A lost control connection is opened
again by itself; requests that change something bear an op_id, so that a repeat is applied once.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from protocol import Cursor, SessionInfo

from client.address import Address
from client.api import Api
from client.connection import Connection
from client.options import ClientOptions
from client.tickets import StoredTicket
from client.trust import CertificateWarning, Trust
from client.watch import Watch

# Asked for the password when the server has forgotten the session (restart, timeout); None: the user declined.
Reauthenticate = Callable[[], str | None]


class Session:
    """A session; make one by `sign_in` or `from_ticket`. All methods may be called from any thread, and block."""

    address: Address
    user: str
    options: ClientOptions
    warnings: tuple[CertificateWarning, ...]
    api: Api

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
        `trust.store.pin(...)`, sign in again), UnsupportedVersion.
        """
        ...

    @classmethod
    def from_ticket(cls, ticket: StoredTicket, trust: Trust, options: ClientOptions | None = None) -> Self:
        """A session opened before, in this process or another. Raises: as `sign_in`; SessionEnded when it is over."""
        ...

    @property
    def info(self) -> SessionInfo:
        """Who one is, until when, and the home space, as the server said last."""
        ...

    @property
    def ticket(self) -> StoredTicket:
        """What `from_ticket` and a TicketStore take."""
        ...

    @property
    def fingerprint(self) -> str:
        """The server's key, grouped for people."""
        ...

    def connect_more(self) -> Connection:
        """Another connection of this session, owned by the caller, who closes it. Raises: as `sign_in`, SessionEnded."""
        ...

    def watch(self, since: Cursor | None = None, *, space: str | None = None, heartbeat_s: float = 20.0) -> Watch:
        """Changes after `since` (default: from now on), on a connection of its own."""
        ...

    def change_password(self, old: str, new: str) -> None:
        """Replace one's own password. Every other session of the user ends; this one goes on.

        Raises: PasswordRefused with the reasons (checked here, the password never leaves this computer), LoginFailed.
        """

    def logout(self) -> None:
        """End the session on the server, on all its connections, and close. A server that is gone is no error."""

    def close(self) -> None:
        """Leave without ending the session on the server: its ticket stays good. Idempotent."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
