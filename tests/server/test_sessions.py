"""When sessions end, and what becomes of their connections."""

from __future__ import annotations

import datetime as dt
import threading
import time
from dataclasses import replace

import pytest
from OpenSSL import SSL

from sfos.protocol import (
    MIN_ITERATIONS,
    ChangePasswordRequest,
    EndSessionsRequest,
    LogoutRequest,
    NotFound,
    Ref,
    SessionEnded,
    SessionRevoked,
    SessionsRequest,
    StatRequest,
    Verifier,
    WatchRequest,
    make_verifier,
    raise_for_error,
)
from sfos.server.identity.credential_file import Account
from sfos.server.identity.sessions import Lifetimes, Session, Sessions
from tests.server.conftest import Running, Serve

STAT = StatRequest(ref=Ref(path="/"))
VERIFIER = Verifier(600_000, b"s" * 16, b"a" * 32, b"b" * 32)
ALICE = Account("alice", "a" * 32, "user", VERIFIER, False, False, dt.datetime(2026, 1, 1, tzinfo=dt.UTC))


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Member:
    def __init__(self) -> None:
        self.interruptions: list[str] = []

    def interrupt(self, reason: str) -> None:
        self.interruptions.append(reason)


class Registry:
    """Sessions under a clock of our own: 10 s idle, 100 s in all, two for a user."""

    def __init__(self, watched_s: float = 0) -> None:
        self.clock = Clock()
        self.ended: list[tuple[Session, str]] = []
        self.sessions = Sessions(Lifetimes(10, 100, 2, watched_s), lambda *args: self.ended.append(args), self.clock)


def test_a_session_idles_out_when_nothing_touches_it() -> None:
    registry = Registry()
    session = registry.sessions.open(ALICE)
    registry.clock.now += 9.9
    registry.sessions.check(session)
    registry.sessions.touch(session)
    registry.clock.now += 9.9
    registry.sessions.check(session)
    registry.clock.now += 0.2
    with pytest.raises(SessionEnded, match="idle"):
        registry.sessions.check(session)
    with pytest.raises(SessionEnded):
        registry.sessions.find(session.ticket_id)
    assert [reason for _, reason in registry.ended] == ["idle for too long"]


def test_a_watch_keeps_a_session_longer_and_the_idle_time_begins_with_its_end() -> None:
    registry = Registry(watched_s=50)
    session = registry.sessions.open(ALICE)
    with registry.sessions.watching(session):
        with registry.sessions.watching(session):
            registry.clock.now += 20
        registry.clock.now += 20
        registry.sessions.check(session)
    registry.clock.now += 9
    registry.sessions.check(session)
    registry.clock.now += 1
    with pytest.raises(SessionEnded, match="idle"):
        registry.sessions.check(session)


def test_a_watch_keeps_no_session_for_longer_than_its_own_time_nor_past_its_end() -> None:
    registry = Registry(watched_s=50)
    idle, busy = registry.sessions.open(ALICE), registry.sessions.open(ALICE)
    with registry.sessions.watching(idle), registry.sessions.watching(busy):
        registry.clock.now += 49
        for session in (idle, busy):
            registry.sessions.check(session)
        registry.sessions.touch(busy)
        registry.clock.now += 2
        with pytest.raises(SessionEnded, match="idle"):
            registry.sessions.check(idle)
        registry.clock.now += 44
        registry.sessions.check(busy)
        registry.sessions.touch(busy)
        registry.clock.now += 5
        with pytest.raises(SessionEnded, match="its time is over"):
            registry.sessions.check(busy)


def test_a_session_ends_after_its_absolute_time_however_busy() -> None:
    registry = Registry()
    session = registry.sessions.open(ALICE)
    for _ in range(20):
        registry.sessions.check(session)
        registry.sessions.touch(session)
        registry.clock.now += 5
    with pytest.raises(SessionEnded, match="its time is over"):
        registry.sessions.check(session)


def test_one_session_too_many_ends_the_one_that_idles_longest() -> None:
    registry = Registry()
    first = registry.sessions.open(ALICE)
    registry.clock.now += 1
    second = registry.sessions.open(ALICE)
    registry.clock.now += 1
    registry.sessions.touch(first)
    third = registry.sessions.open(ALICE)
    assert [session.ended for session in (first, second, third)] == [None, "too many sessions of this user", None]


def test_the_end_of_a_session_interrupts_all_its_connections_but_the_one_that_asked() -> None:
    registry = Registry()
    session = registry.sessions.open(ALICE)
    asked, other = Member(), Member()
    registry.sessions.join(session, asked)
    registry.sessions.join(session, other)
    registry.sessions.end(session, "logout", keep=asked)
    registry.sessions.end(session, "again")
    assert (asked.interruptions, other.interruptions) == ([], ["session ended: logout"])
    with pytest.raises(SessionEnded):
        registry.sessions.join(session, Member())
    assert len(registry.ended) == 1


def test_a_user_who_ends_session_after_session_fills_no_memory() -> None:
    registry = Registry()
    ended: list[Session] = []
    for _ in range(100):
        session = registry.sessions.open(ALICE)
        registry.sessions.revoke(session, "ended by its user")
        ended.append(session)
    told = [session for session in ended if registry.sessions.revoked(session.ticket_id) is not None]
    assert told == ended[-2:], "as many as may go on, and the youngest"


def test_tickets_differ_by_session_and_are_the_same_each_time_and_shown_nowhere() -> None:
    registry = Registry()
    first, second = registry.sessions.open(ALICE), registry.sessions.open(ALICE)
    assert registry.sessions.ticket(first) == registry.sessions.ticket(first)
    assert registry.sessions.ticket(first) != registry.sessions.ticket(second)
    assert registry.sessions.ticket(first).hex() not in repr(first)
    assert repr(registry.sessions.ticket(first)) not in repr(vars(registry.sessions))


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (None, "account removed"),
        (replace(ALICE, disabled=True), "account disabled"),
        (replace(ALICE, role="admin"), "role changed"),
        (replace(ALICE, verifier=replace(VERIFIER, salt=b"t" * 16)), "password changed"),
        (replace(ALICE, must_change=True), None),
        (ALICE, None),
    ],
)
def test_a_sweep_ends_what_the_account_no_longer_allows(now: Account | None, reason: str | None) -> None:
    registry = Registry()
    session = registry.sessions.open(ALICE)
    registry.sessions.sweep(lambda _: now)
    assert session.ended == reason


def test_a_sweep_in_the_middle_of_its_own_change_of_password_does_not_end_a_session() -> None:
    registry = Registry()
    session = registry.sessions.open(ALICE)
    other = registry.sessions.open(ALICE)
    changed = replace(ALICE, verifier=replace(VERIFIER, salt=b"t" * 16))
    session.coming_verifier = changed.verifier
    registry.sessions.sweep(lambda _: changed)
    registry.sessions.password_changed(session, changed)
    registry.sessions.sweep(lambda _: changed)
    assert (session.ended, other.ended) == (None, "password changed")


def test_a_changed_password_ends_the_others_before_any_sweep_looks() -> None:
    registry = Registry()
    session, other = registry.sessions.open(ALICE), registry.sessions.open(ALICE)
    connection = Member()
    registry.sessions.join(other, connection)
    registry.sessions.password_changed(session, replace(ALICE, verifier=replace(VERIFIER, salt=b"t" * 16)))
    assert (session.ended, other.ended) == (None, "password changed")
    assert connection.interruptions == ["session ended: password changed"]


# --- Through the wire ---------------------------------------------------------------------------------------------


def test_logout_ends_the_session_on_all_of_its_connections_and_its_ticket_opens_no_more(server: Running) -> None:
    peer, again = server.signed_in(), server.signed_in()
    idle, watching = server.attached(peer), server.attached(peer)
    watching.call(WatchRequest())
    peer.call(LogoutRequest())
    peer.expect_end()
    for other in (idle, watching):
        with pytest.raises(SessionEnded, match="logout"):
            raise_for_error(other.receive()[0])
        other.expect_end()
    with pytest.raises(SessionEnded):
        server.attached(peer)
    assert again.call(STAT)[0].entry.node


def test_a_watch_keeps_its_session_though_no_command_comes_and_then_it_idles(serve: Serve) -> None:
    server = serve({"security.session_idle_timeout_s": "1"})
    watched = server.signed_in()
    watching = server.attached(watched)
    watching.call(WatchRequest(heartbeat_s=1))
    left = server.signed_in()
    with pytest.raises(SessionEnded, match="idle"):
        raise_for_error(left.receive()[0])
    assert watched.call(STAT)[0].entry.node, "it has had no command for longer"
    watching.close()
    with pytest.raises(SessionEnded, match="idle"):
        raise_for_error(watched.receive()[0])


def test_an_idle_session_ends_by_itself_though_it_watches(serve: Serve) -> None:
    server = serve({"security.session_idle_timeout_s": "1", "security.session_watch_timeout_s": "1"})
    peer = server.signed_in()
    watching = server.attached(peer)
    watching.call(WatchRequest(heartbeat_s=1))
    for other in (peer, watching):
        with pytest.raises(SessionEnded, match="idle"):
            while True:
                raise_for_error(other.receive()[0])


@pytest.mark.parametrize("how", ["disabled", "removed"])
def test_an_account_that_is_disabled_or_removed_is_out_within_seconds(how: str, server: Running) -> None:
    bob, alice = server.signed_in("bob"), server.signed_in("alice")
    if how == "disabled":
        server.accounts.set_disabled("bob", True)
    else:
        server.accounts.remove("bob")
    with pytest.raises(SessionEnded, match=how):
        raise_for_error(bob.receive()[0])
    bob.expect_end()
    assert alice.call(STAT)[0].entry.node


# --- Seen and ended by their user ---------------------------------------------------------------------------------


def test_a_user_sees_all_of_their_sessions_and_nobody_elses(server: Running) -> None:
    first, second = server.signed_in("alice"), server.signed_in("alice")
    server.signed_in("bob")
    server.attached(second)
    first.call(STAT)
    found = first.call(SessionsRequest())[0].sessions
    assert [entry.id for entry in found] == [first.ticket_id, second.ticket_id]
    assert [entry.current for entry in found] == [True, False]
    assert [entry.connections for entry in found] == [1, 2]
    assert {(entry.user, entry.address, entry.client) for entry in found} == {("alice", "127.0.0.1", "a test")}
    for entry in found:
        assert 0 < entry.since_ms <= entry.last_used_ms <= time.time() * 1000 + 1000


def test_a_session_that_is_ended_from_another_is_cut_on_all_of_its_connections_at_once(server: Running) -> None:
    lost, mine = server.signed_in(), server.signed_in()
    idle, watching = server.attached(lost), server.attached(lost)
    watching.call(WatchRequest())
    assert mine.call(EndSessionsRequest(session=lost.ticket_id))[0].ended == 1
    for peer in (lost, idle, watching):
        with pytest.raises(SessionRevoked, match="ended by its user"):
            raise_for_error(peer.receive()[0])
        peer.expect_end()
    assert mine.call(STAT)[0].entry.node
    assert "ended by its user" in server.audit()


def test_a_connection_that_is_busy_sending_is_cut_as_well(server: Running) -> None:
    """Bytes come all the time, so this server never waits and would hear of the end only after the last of them."""
    desk, laptop = server.signed_in(), server.signed_in()
    header = b'{"id":9,"command":"put_chunks","args":{"chunks":1}}'
    laptop.tls.sendall(len(header).to_bytes(4) + (8 * 2**20).to_bytes(4) + header)
    desk.call(EndSessionsRequest(session=laptop.ticket_id))
    begun = time.monotonic()
    with pytest.raises((SSL.Error, OSError)):
        while time.monotonic() - begun < 30:
            laptop.tls.sendall(bytes(1024))
            threading.Event().wait(0.02)
    assert time.monotonic() - begun < 30
    assert desk.call(STAT)[0].entry.node


def test_who_has_the_ticket_of_a_session_that_was_ended_on_purpose_is_told_so_and_a_stranger_is_not(
    server: Running,
) -> None:
    lost, mine = server.signed_in(), server.signed_in()
    mine.call(EndSessionsRequest(session=lost.ticket_id))
    with pytest.raises(SessionRevoked):
        server.attached(lost)
    lost.ticket = bytes(32)
    with pytest.raises(SessionEnded) as refused:
        server.attached(lost)
    assert type(refused.value) is SessionEnded


def test_all_other_sessions_end_at_once_and_the_one_that_asked_goes_on(server: Running) -> None:
    mine, others, bob = server.signed_in(), [server.signed_in() for _ in range(3)], server.signed_in("bob")
    assert mine.call(EndSessionsRequest())[0].ended == 3
    for other in others:
        with pytest.raises(SessionRevoked):
            raise_for_error(other.receive()[0])
    assert [entry.id for entry in mine.call(SessionsRequest())[0].sessions] == [mine.ticket_id]
    assert bob.call(STAT)[0].entry.node


def test_nobody_ends_the_session_of_another_user(server: Running) -> None:
    alice, bob = server.signed_in("alice"), server.signed_in("bob")
    for wanted in (alice.ticket_id, "0" * 32):
        with pytest.raises(NotFound):
            bob.call(EndSessionsRequest(session=wanted))
    assert alice.call(STAT)[0].entry.node


def test_ending_the_very_session_that_asks_is_a_logout(server: Running) -> None:
    peer = server.signed_in()
    assert peer.call(EndSessionsRequest(session=peer.ticket_id))[0].ended == 1
    peer.expect_end()


def test_a_changed_password_ends_the_other_sessions_at_once_and_keeps_its_own(server: Running) -> None:
    mine, other = server.signed_in(), server.signed_in()
    verifier = make_verifier("another long password", b"t" * 16, MIN_ITERATIONS)
    mine.call(ChangePasswordRequest(verifier=verifier.format()))
    with pytest.raises(SessionEnded, match="password changed"):
        raise_for_error(other.receive()[0])
    other.expect_end()
    assert mine.call(STAT)[0].entry.node


def test_what_was_ended_on_purpose_is_forgotten_when_its_time_would_have_been_over() -> None:
    registry = Registry()
    session = registry.sessions.open(ALICE)
    registry.sessions.revoke(session, "because")
    assert registry.sessions.revoked(session.ticket_id) is not None
    registry.clock.now += 101
    registry.sessions.sweep(lambda _: ALICE)
    assert registry.sessions.revoked(session.ticket_id) is None
