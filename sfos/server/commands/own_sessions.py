"""The sessions of whoever asks: which there are, and an end to them."""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType
from typing import Any

from sfos.protocol import EndedReply, EndSessionsRequest, NotFound, SessionEntry, SessionsReply, SessionsRequest
from sfos.server.commands.calls import Answer, Call, Handler, Handlers
from sfos.server.identity.sessions import Session


def sessions(call: Call[SessionsRequest]) -> Answer:
    with call.turn:
        return Answer(SessionsReply(sessions=entries(call, call.services.sessions.of_user(call.session.user_id))))


def end_sessions(call: Call[EndSessionsRequest]) -> Answer:
    user_id, wanted = call.session.user_id, call.args.session
    return Answer(EndedReply(ended=end_chosen(call, user_id, wanted, "ended by its user from another session")))


def end_chosen(call: Call[Any], user_id: str, wanted: str | None, reason: str) -> int:
    """End the session `wanted` of a user, or all but the one that asks; how many. Raises: NotFound."""
    services, peer, own = call.services, call.peer, call.session
    theirs = services.sessions.of_user(user_id)
    if wanted is None:
        ending = [session for session in theirs if session is not own]
    else:
        ending = [session for session in theirs if session.ticket_id == wanted]
        if not ending:
            raise NotFound("There is no such session.", subject=wanted)
    for session in ending:
        if session is own:
            services.sessions.end(session, "logout", keep=peer.member)
            peer.leaving = True
        else:
            services.sessions.revoke(session, reason)
    return len(ending)


def entries(call: Call[Any], chosen: Iterable[Session]) -> tuple[SessionEntry, ...]:
    """Entries for `chosen`, the session used last first."""
    registry = call.services.sessions
    ordered = sorted(chosen, key=lambda session: session.last_used, reverse=True)
    return tuple(
        SessionEntry(
            id=session.ticket_id,
            user=session.user,
            address=session.address,
            client=session.client,
            since_ms=registry.unix_ms(session.opened),
            last_used_ms=registry.unix_ms(session.last_used),
            connections=len(session.members),
            current=session is call.session,
        )
        for session in ordered
    )


OWN_SESSIONS: Handlers = MappingProxyType(
    {SessionsRequest: Handler(sessions, short=True), EndSessionsRequest: Handler(end_sessions)}
)
