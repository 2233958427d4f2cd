"""watch: told of what others do, and of the end."""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Callable

import pytest

from sfos.protocol import (
    Buffer,
    Change,
    DeleteItem,
    DeleteRequest,
    MakeFolderRequest,
    MalformedMessage,
    Ref,
    Reply,
    ResyncRequired,
    SessionEnded,
    StatRequest,
    Target,
    WatchEvent,
    WatchReply,
    WatchRequest,
    decode_changes,
    decode_result,
    raise_for_error,
)
from sfos.server.commands.calls import Call, Peer
from sfos.server.commands.watching import watch
from sfos.server.net.bell import Bell
from sfos.server.net.reply_buffers import ReplyBuffers
from tests.server.conftest import Running
from tests.support.wire_peer import WirePeer


def make(peer: WirePeer, path: str) -> None:
    peer.call(MakeFolderRequest(op_id=os.urandom(16), target=Target(path=path), parents=True))


class Watcher:
    """A peer that watches its home."""

    def __init__(self, server: Running, owner: WirePeer, request: WatchRequest) -> None:
        self.peer = server.attached(owner)
        self.watch_id = self.peer.send(request)
        envelope, _ = self.peer.receive()
        raise_for_error(envelope)
        self.cursor = decode_result(WatchReply, envelope.result).cursor

    def event(self) -> tuple[WatchEvent, list[Change]]:
        envelope, body = self.peer.receive()
        raise_for_error(envelope)
        assert envelope.id == self.watch_id
        assert envelope.is_event
        event = decode_result(WatchEvent, envelope.event)
        self.cursor = event.cursor
        return event, decode_changes(body)

    def names_until(self, last: str) -> list[str]:
        names: list[str] = []
        while last not in names:
            names += [change.entry.name for change in self.event()[1]]
        return names


def test_what_one_connection_commits_a_watch_tells_within_a_second(server: Running) -> None:
    owner = server.signed_in()
    other = server.signed_in()
    watchers = [Watcher(server, owner, WatchRequest()), Watcher(server, other, WatchRequest())]
    for number in range(5):
        begun = time.monotonic()
        make(other, f"/folder {number}")
        for watcher in watchers:
            assert watcher.names_until(f"folder {number}")
        assert time.monotonic() - begun < 1


def test_a_watch_from_an_earlier_cursor_begins_with_what_was_missed(server: Running) -> None:
    owner, login = server.login()
    for number in range(3):
        make(owner, f"/{number}")
    watcher = Watcher(server, owner, WatchRequest(since=login.session.home.cursor))
    assert watcher.cursor == login.session.home.cursor
    assert sorted(watcher.names_until("2")) == ["0", "1", "2"]
    make(owner, "/later")
    assert watcher.names_until("later") == ["later"]


def test_more_than_a_page_comes_in_pages(server: Running) -> None:
    owner, login = server.login()
    make(owner, "/many")
    for number in range(1005):
        make(owner, f"/many/{number}")
    watcher = Watcher(server, owner, WatchRequest(since=login.session.home.cursor))
    first, changes = watcher.event()
    assert first.more
    assert len(changes) == 1000
    second, rest = watcher.event()
    assert not second.more
    assert len(changes) + len(rest) == 1006


def test_nothing_of_other_users_is_told(server: Running) -> None:
    alice, bob = server.signed_in("alice"), server.signed_in("bob")
    watcher = Watcher(server, alice, WatchRequest())
    make(bob, "/of bob")
    make(alice, "/of alice")
    assert watcher.names_until("of alice") == ["of alice"]


def test_heartbeats_come_with_the_cursor_and_without_changes(server: Running) -> None:
    watcher = Watcher(server, server.signed_in(), WatchRequest(heartbeat_s=1))
    cursor = watcher.cursor
    begun = time.monotonic()
    event, changes = watcher.event()
    assert (event.cursor, event.more, changes) == (cursor, False, [])
    assert 0.8 < time.monotonic() - begun < 10  # and not only at the default of 20 s


def test_deletions_are_told(server: Running) -> None:
    owner = server.signed_in()
    make(owner, "/gone")
    watcher = Watcher(server, owner, WatchRequest())
    owner.call(DeleteRequest(op_id=os.urandom(16), items=(DeleteItem(ref=Ref(path="/gone")),)))
    _, changes = watcher.event()
    assert [(change.entry.name, change.deleted) for change in changes] == [("gone", True)]


def test_a_cursor_that_the_server_does_not_know_is_refused_in_the_reply(server: Running) -> None:
    owner, login = server.login()
    position, _, epoch = login.session.home.cursor.rpartition(".")
    of_another_epoch = f"{position}.{'0' * len(epoch)}"
    with pytest.raises(ResyncRequired):
        Watcher(server, owner, WatchRequest(since=of_another_epoch))
    with pytest.raises(MalformedMessage):
        owner.call(WatchRequest(since="yesterday"))


def test_a_client_that_goes_away_frees_its_watch(server: Running, wait_until: Callable[..., None]) -> None:
    owner = server.signed_in()
    watchers = [Watcher(server, owner, WatchRequest(heartbeat_s=300)) for _ in range(3)]
    assert server.server.connections() == 4
    watchers[0].peer.close()
    watchers[1].peer.reset()
    watchers[2].peer.sock.close()
    wait_until(lambda: server.server.connections() == 1)
    assert len(server.server.services.commit_feed) == 0
    make(owner, "/still here")


def test_a_client_that_says_something_on_a_watch_is_cut_off(server: Running) -> None:
    watcher = Watcher(server, server.signed_in(), WatchRequest())
    watcher.peer.send(StatRequest(ref=Ref(path="/")))
    watcher.peer.expect_cut()


def test_a_slow_watcher_misses_nothing(server: Running) -> None:
    owner = server.signed_in()
    watcher = Watcher(server, owner, WatchRequest())
    for number in range(300):
        make(owner, f"/{number}")
    seen = watcher.names_until("299")
    assert set(seen) == {str(number) for number in range(300)}


def test_the_end_of_its_session_ends_a_watch_with_the_reason(server: Running) -> None:
    owner = server.signed_in()
    watcher = Watcher(server, owner, WatchRequest(heartbeat_s=300))
    server.server.services.sessions.end_of_user(
        server.accounts.find("alice").user_id,  # type: ignore[union-attr]
        "for a test",
    )
    with pytest.raises(SessionEnded, match="for a test"):
        watcher.event()
    watcher.peer.expect_end()


# --- Without a connection -----------------------------------------------------------------------------------------


class Ended(Exception):
    """The end of a watch by who reads it."""


class Alone:
    """A Member of a session without a connection."""

    def interrupt(self, reason: str) -> None:
        raise AssertionError(reason)


class Anywhere:
    """A Place of which there are enough."""

    def sign_in(self, user: str, *, privileged: bool) -> None:
        raise AssertionError(user)


class EventsInMemory:
    """An EventSink that keeps what it is sent. Each wait makes the next of `names` or, after the last, ends it."""

    def __init__(self, make_next: Callable[[], bool]) -> None:
        self.events: list[tuple[Reply, list[Change]]] = []
        self._make_next = make_next

    def send(self, event: Reply, body: Buffer = b"") -> None:
        self.events.append((event, decode_changes(body)))

    def wait(self, bell: Bell, timeout_s: float) -> None:
        assert 0 < timeout_s <= 20
        if not self._make_next():
            raise Ended
        assert select.select([bell], [], [], 10)[0], "a commit rings the bell before it is acknowledged"


def test_a_watch_tells_its_events_to_any_sink(server: Running) -> None:
    peer = server.signed_in()
    names = iter("abc")

    def make_next() -> bool:
        name = next(names, None)
        if name is not None:
            make(peer, f"/{name}")
        return name is not None

    services = server.server.services
    session = services.sessions.find(peer.ticket_id)
    call = Call(
        services=services,
        peer=Peer(0, "in memory", "in memory", Alone(), Anywhere(), session=session),
        args=WatchRequest(),
        body=memoryview(b""),
        turn=contextlib.nullcontext(),
        room=ReplyBuffers().room(),
    )
    answer = watch(call)
    assert answer.then is not None
    sink = EventsInMemory(make_next)
    with pytest.raises(Ended):
        answer.then(sink)
    assert [[change.entry.name for change in changes] for _, changes in sink.events] == [["a"], ["b"], ["c"]]
    assert len(services.commit_feed) == 0
