"""watch: from its reply on, the connection carries only what this server says.

Nothing is queued. When the space's bell rings, the catalog is asked what came after the last cursor sent; so a slow
reader only lags, and what happens between two looks comes as one.
"""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from types import MappingProxyType

from sfos.protocol import (
    ChangesRequest,
    Cursor,
    ServerStopping,
    SfosError,
    WatchEvent,
    WatchReply,
    WatchRequest,
    encode_error,
    encode_event,
)
from sfos.server.commands.calls import Answer, Call, Handler, Handlers
from sfos.server.commands.rights import space_of
from sfos.server.net.bell import Bell
from sfos.server.net.stream import Interrupted, TlsStream

_PAGE = 1_000
_PAGE_BYTES = _PAGE * 512  # see server.commands.files
_MEMORY_TIMEOUT_S = 30.0


def watch(call: Call[WatchRequest]) -> Answer:
    space_id = space_of(call)
    with call.services.spaces.lease(space_id, create=False) as space:
        since = call.args.since
        if since is None:
            since = space.cursor()
        else:
            space.changes(ChangesRequest(since=since, limit=1))  # ResyncRequired belongs into the reply
    return Answer(WatchReply(cursor=since), then=_Watch(call, space_id, since))


@dataclass(slots=True)
class _Watch:
    """A watch that has begun. Runs on the connection's thread until one side ends it."""

    call: Call[WatchRequest]
    space_id: str
    cursor: Cursor

    def __call__(self, stream: TlsStream, request_id: int) -> None:
        try:
            with closing(Bell()) as bell, self.call.services.commit_feed.subscribed(self.space_id, bell):
                self._go_on(stream, request_id, bell)
        except SfosError as error:
            stream.send(encode_error(request_id, error))
        except Interrupted:
            session = self.call.session
            why = session.farewell() if session.ended else ServerStopping()
            stream.send(encode_error(request_id, why))

    def _go_on(self, stream: TlsStream, request_id: int, bell: Bell) -> None:
        heartbeat_s = self.call.args.heartbeat_s
        beat_at = time.monotonic() + heartbeat_s
        while True:
            bell.clear()
            if self._tell(stream, request_id):
                beat_at = time.monotonic() + heartbeat_s
            elif time.monotonic() >= beat_at:
                stream.send(encode_event(request_id, WatchEvent(cursor=self.cursor)))
                beat_at = time.monotonic() + heartbeat_s
            stream.wait(bell, beat_at - time.monotonic())

    def _tell(self, stream: TlsStream, request_id: int) -> bool:
        """Send what came after the last cursor, page after page. Whether there was anything."""
        services, session = self.call.services, self.call.session
        told = False
        while True:
            services.sessions.check(session)
            with services.outgoing.take(session.user_id, _PAGE_BYTES, _MEMORY_TIMEOUT_S):
                with services.spaces.lease(self.space_id, create=False) as space:
                    reply, body = space.changes(ChangesRequest(since=self.cursor, limit=_PAGE))
                if reply.cursor == self.cursor:
                    return told
                stream.send(encode_event(request_id, WatchEvent(cursor=reply.cursor, more=reply.more)), (body,))
            self.cursor, told = reply.cursor, True
            if not reply.more:
                return True


WATCHING: Handlers = MappingProxyType({WatchRequest: Handler(watch)})
