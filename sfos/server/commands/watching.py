"""watch: from its reply on, the connection carries only what this server says.

Nothing is queued. When the space's bell rings, the catalog is asked what came after the last cursor sent; so a slow
reader only lags, and what happens between two looks comes as one.
"""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from types import MappingProxyType

from sfos.protocol import Cursor, WatchEvent, WatchReply, WatchRequest, encode_array
from sfos.server.commands.calls import Answer, Call, EventSink, Handler, Handlers
from sfos.server.commands.rights import space_of
from sfos.server.net.bell import Bell
from sfos.server.process.waiting import look

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
            space.changes(since, 1)  # ResyncRequired belongs into the reply
    return Answer(WatchReply(cursor=since), then=_Watch(call, space_id, since))


@dataclass(slots=True)
class _Watch:
    """A watch that has begun. Runs on the connection's thread until one side ends it."""

    call: Call[WatchRequest]
    space_id: str
    cursor: Cursor

    def __call__(self, events: EventSink) -> None:
        services = self.call.services
        with (
            services.sessions.watching(self.call.session),
            closing(Bell()) as bell,
            services.commit_feed.subscribed(self.space_id, bell),
        ):
            heartbeat_s = self.call.args.heartbeat_s
            beat_at = time.monotonic() + heartbeat_s
            while True:
                bell.clear()
                if self._tell(events):
                    beat_at = time.monotonic() + heartbeat_s
                elif time.monotonic() >= beat_at:
                    events.send(WatchEvent(cursor=self.cursor))
                    beat_at = time.monotonic() + heartbeat_s
                events.wait(bell, beat_at - time.monotonic())

    def _tell(self, events: EventSink) -> bool:
        """Send what came after the last cursor, page after page. Whether there was anything."""
        services, session = self.call.services, self.call.session
        told = False
        while True:
            services.sessions.check(session)
            with services.outgoing.take(session.user_id, _PAGE_BYTES, _MEMORY_TIMEOUT_S):
                with (
                    services.long_turns.turn(session.user_id, look),
                    services.spaces.lease(self.space_id, create=False) as space,
                ):
                    page = space.changes(self.cursor, _PAGE)
                    body = encode_array(page.changes)
                if page.cursor == self.cursor:
                    return told
                events.send(WatchEvent(cursor=page.cursor, more=page.more), body)
            self.cursor, told = page.cursor, True
            if not page.more:
                return True


WATCHING: Handlers = MappingProxyType({WatchRequest: Handler(watch)})
