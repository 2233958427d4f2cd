"""The messages by which users see and end sessions."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from sfos.wire.commands import Access, Reply, Request, command
from sfos.wire.messages import Count, TimeMs

__all__ = [
    "EndSessionsRequest",
    "EndedReply",
    "SessionEntry",
    "SessionsReply",
    "SessionsRequest",
]

SessionId = Annotated[str, Meta(pattern="^[0-9a-f]{1,64}$")]


class SessionEntry(Reply, frozen=True, kw_only=True):
    """A session that goes on. `address`, `client`: of the connection that joined it last, the latter as it said.

    Times are milliseconds since 1970. `current`: the session that asks. The id opens nothing: it is no secret.
    """

    id: str
    user: str
    address: str = ""
    client: str = ""
    since_ms: TimeMs = 0
    last_used_ms: TimeMs = 0
    connections: Count = 0
    current: bool = False


class SessionsReply(Reply, frozen=True, kw_only=True):
    """Sessions, the one used last first."""

    sessions: tuple[SessionEntry, ...] = ()


@command("sessions", Access.USER, "one's own sessions")
class SessionsRequest(Request[SessionsReply], frozen=True, kw_only=True):
    """List one's own sessions."""


class EndedReply(Reply, frozen=True, kw_only=True):
    """`ended`: how many there were to end."""

    ended: Count


@command("end_sessions", Access.USER, "end one of them, or all others")
class EndSessionsRequest(Request[EndedReply], frozen=True, kw_only=True):
    """End one of one's own sessions on all of its connections; without an id all but the one that asks."""

    session: SessionId | None = None
