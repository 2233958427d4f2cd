"""Hello and what comes behind it travel together: what that must not change, and connections begun ahead of need."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from sfos.client.address import Address
from sfos.client.errors import ChangedServerKey, ConnectionLost, ServerUnreachable
from sfos.client.net.connection import Connection
from sfos.client.net.trust import Trust
from sfos.client.session.ahead import ConnectionsAhead
from sfos.client.session.session import Session
from sfos.client.session.tickets import StoredTicket
from sfos.protocol import (
    AttachRequest,
    Entry,
    Fingerprint,
    HelloReply,
    HelloRequest,
    LoginFailed,
    LoginFinishRequest,
    LoginStartRequest,
    MakeFolderRequest,
    NodeReply,
    NotFound,
    Ref,
    Request,
    ServerBusy,
    SessionEnded,
    SessionRevoked,
    SfosError,
    StatReply,
    StatRequest,
    UnsupportedVersion,
    encode_error,
    encode_frame,
    encode_result,
)
from tests.client.conftest import OPTIONS
from tests.client.conftest import PASSWORD as REAL_PASSWORD
from tests.client.conftest import USER as REAL_USER
from tests.client.cutting_relay import CuttingRelay
from tests.client.scripted_server import PASSWORD, USER, Answer, RawAnswer, ScriptedServer
from tests.support.retrying import for_s

HELLO = encode_frame(encode_result(1, HelloReply(version=1)))
IMPATIENT = replace(OPTIONS, connection=replace(OPTIONS.connection, login_timeout_s=5.0, retry=for_s(0.0)))


@pytest.fixture
def scripted() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


@pytest.fixture
def ticket(scripted: ScriptedServer, trust: Trust) -> StoredTicket:
    """Of a session at the scripted server, whose key is pinned."""
    with Session.sign_in(scripted.address, USER, PASSWORD, trust, IMPATIENT) as session:
        scripted.requests.clear()
        return session.ticket


def says(*parts: bytes | Callable[[int], bytes]) -> Callable[[Request[Any], bytes], Answer]:
    """A handler that sends just this; with nothing, it keeps silent."""

    def handler(request: Request[Any], body: bytes) -> Answer:
        def data(request_id: int) -> bytes:
            return b"".join(part if isinstance(part, bytes) else part(request_id) for part in parts)

        raise RawAnswer(data, hang_up=False)

    return handler


def refuses(error: SfosError, request_id: int | None = None) -> Callable[[int], bytes]:
    """`error`, under the request's own id or another one."""
    return lambda own_id: encode_frame(encode_error(own_id if request_id is None else request_id, error))


# ── one flight ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_attach_does_not_wait_for_the_answer_to_hello(
    scripted: ScriptedServer, trust: Trust, ticket: StoredTicket
) -> None:
    scripted.handlers |= {HelloRequest: says(), AttachRequest: says(HELLO, refuses(SessionEnded()))}
    with pytest.raises(SessionEnded):
        Session.from_ticket(ticket, trust, IMPATIENT)


def test_neither_does_a_login(scripted: ScriptedServer, trust: Trust) -> None:
    scripted.handlers |= {HelloRequest: says(), LoginStartRequest: says(HELLO, refuses(LoginFailed()))}
    with pytest.raises(LoginFailed):
        Session.sign_in(scripted.address, USER, PASSWORD, trust, IMPATIENT)


@pytest.mark.parametrize("request_id", [None, 0], ids=["of the hello", "of the connection"])
def test_a_server_that_refuses_the_hello_is_told_of_and_not_what_followed(
    scripted: ScriptedServer, trust: Trust, ticket: StoredTicket, request_id: int | None
) -> None:
    scripted.handlers |= {
        HelloRequest: says(refuses(ServerBusy("There is no room.", retry_after_s=3.0), request_id)),
        AttachRequest: says(refuses(SessionRevoked())),
    }
    with pytest.raises(ServerBusy) as raised:
        Session.from_ticket(ticket, trust, IMPATIENT)
    assert (raised.value.message, raised.value.retry_after_s) == ("There is no room.", 3.0)


@pytest.mark.parametrize(
    "answer",
    [encode_frame(encode_result(1, HelloReply(version=2))), refuses(UnsupportedVersion())],
    ids=["it speaks another", "it refuses ours"],
)
def test_another_version_is_told_of_although_attach_was_sent_already(
    scripted: ScriptedServer, trust: Trust, ticket: StoredTicket, answer: bytes | Callable[[int], bytes]
) -> None:
    scripted.handlers |= {HelloRequest: says(answer), AttachRequest: says(b"\xff\xff what no version 1 would say")}
    with pytest.raises(UnsupportedVersion):
        Session.from_ticket(ticket, trust, IMPATIENT)


def test_another_version_gets_no_proof_of_the_password(scripted: ScriptedServer, trust: Trust) -> None:
    scripted.handlers[HelloRequest] = says(encode_frame(encode_result(1, HelloReply(version=2))))
    with pytest.raises(UnsupportedVersion):
        Session.sign_in(scripted.address, USER, PASSWORD, trust, IMPATIENT)
    assert LoginFinishRequest not in scripted.requests
    assert trust.store.pins() == {}


def test_a_server_that_hangs_up_after_the_first_flight_is_lost(
    scripted: ScriptedServer, trust: Trust, ticket: StoredTicket
) -> None:
    def hang_up(request: Request[Any], body: bytes) -> Answer:
        raise RawAnswer(b"")

    scripted.handlers[HelloRequest] = hang_up
    with pytest.raises(ConnectionLost):
        Session.from_ticket(ticket, trust, IMPATIENT)


def test_a_proof_seen_on_one_connection_opens_no_other(
    scripted: ScriptedServer, trust: Trust, ticket: StoredTicket
) -> None:
    proofs: list[bytes] = []

    def note(request: Request[Any], body: bytes) -> Answer:
        assert isinstance(request, AttachRequest)
        proofs.append(request.proof)
        raise RawAnswer(refuses(SessionEnded()), hang_up=False)

    scripted.handlers[AttachRequest] = note
    for _ in range(2):
        with pytest.raises(SessionEnded):
            Session.from_ticket(ticket, trust, IMPATIENT)
    assert len(proofs) == len(set(proofs)) == 2


# ── questions in the first flight ───────────────────────────────────────────────────────────────────────────────────

HERE, THERE = StatRequest(ref=Ref(path="/here")), StatRequest(ref=Ref(path="/there"))
QUESTIONS = (HERE, THERE)


def tells_of_one_file(request: Request[Any], body: bytes) -> Answer:
    assert isinstance(request, StatRequest)
    if request == THERE:
        raise NotFound(subject="/there")
    return StatReply(entry=Entry(node=7, parent=1, name="here", kind="file", revision="r", path="/here")), b""


@pytest.fixture
def asked(scripted: ScriptedServer, trust: Trust, ticket: StoredTicket) -> Iterator[Session]:
    """A session that begins with two questions."""
    scripted.handlers |= {
        StatRequest: tells_of_one_file,
        MakeFolderRequest: lambda *_: (NodeReply(node=9, revision="r", cursor="c"), b""),
    }
    with Session.from_ticket(ticket, trust, IMPATIENT, questions=QUESTIONS) as session:
        yield session


def test_a_question_of_the_first_flight_is_not_asked_again_but_once(scripted: ScriptedServer, asked: Session) -> None:
    assert scripted.requests == [HelloRequest, AttachRequest, StatRequest, StatRequest]
    assert asked.api.stat("/here").node == 7
    assert asked.api.exists("/there") is None
    assert len(scripted.requests) == 4
    assert asked.api.stat("/here").node == 7
    assert asked.api.exists("/there") is None
    assert len(scripted.requests) == 6


def test_a_change_makes_it_be_asked_again(scripted: ScriptedServer, asked: Session) -> None:
    asked.api.make_folder("/new")
    asked.api.stat("/here")
    assert scripted.requests[4:] == [MakeFolderRequest, StatRequest]


def test_another_connection_makes_it_be_asked_again(scripted: ScriptedServer, asked: Session) -> None:
    with asked.connect_more():
        asked.api.stat("/here")
    assert scripted.requests[4:] == [HelloRequest, AttachRequest, StatRequest]


def test_an_answer_that_passes_by_itself_is_asked_for_again(
    scripted: ScriptedServer, trust: Trust, ticket: StoredTicket
) -> None:
    scripted.handlers[StatRequest] = says(refuses(ServerBusy()))
    with Session.from_ticket(ticket, trust, IMPATIENT, questions=QUESTIONS) as session:
        scripted.handlers[StatRequest] = tells_of_one_file
        assert session.api.stat("/here").node == 7
    assert scripted.requests.count(StatRequest) == 3


def test_a_session_that_has_ended_says_so_whatever_was_asked(
    scripted: ScriptedServer, trust: Trust, ticket: StoredTicket
) -> None:
    scripted.handlers |= {AttachRequest: says(refuses(SessionEnded())), StatRequest: says(refuses(NotFound()))}
    with pytest.raises(SessionEnded):
        Session.from_ticket(ticket, trust, IMPATIENT, questions=QUESTIONS)


def test_nothing_is_asked_of_a_server_that_has_not_proven_itself_and_is_not_pinned(
    scripted: ScriptedServer, trust: Trust, ticket: StoredTicket
) -> None:
    trust.store.forget(scripted.address)
    Session.from_ticket(ticket, trust, IMPATIENT, questions=QUESTIONS, ahead=1).close()
    assert scripted.requests == [HelloRequest, AttachRequest]


# ── ahead of need ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_connection_begun_ahead_is_the_next_one(relay: CuttingRelay, trust: Trust) -> None:
    with Session.sign_in(relay.address, REAL_USER, REAL_PASSWORD, trust, OPTIONS) as session:
        session.connect_ahead(1)
        with session.connect_more() as connection:
            assert relay.accepted == 2
            assert connection.usable
        with session.connect_more():
            assert relay.accepted == 3
        session.logout()


def test_connections_are_begun_beside_the_first_one(relay: CuttingRelay, trust: Trust) -> None:
    with Session.sign_in(relay.address, REAL_USER, REAL_PASSWORD, trust, OPTIONS) as first:
        session = Session.from_ticket(first.ticket, trust, OPTIONS, ahead=2)
        with session, session.connect_more(), session.connect_more():
            assert relay.accepted == 4
        first.logout()


def test_one_that_does_not_come_about_is_opened_anew(relay: CuttingRelay, trust: Trust) -> None:
    with Session.sign_in(relay.address, REAL_USER, REAL_PASSWORD, trust, OPTIONS) as session:
        relay.cut_after(up=100)
        session.connect_ahead(1)
        with session.connect_more() as connection:
            assert connection.usable
        assert relay.cuts == 1
        session.logout()


@pytest.mark.parametrize("come_about", [True, False])
def test_what_nobody_took_is_closed_with_the_session(
    relay: CuttingRelay, trust: Trust, come_about: bool, wait_until: Callable[..., None]
) -> None:
    session = Session.sign_in(relay.address, REAL_USER, REAL_PASSWORD, trust, OPTIONS)
    session.connect_ahead(2)
    if come_about:
        wait_until(lambda: relay.accepted == 3)
    session.close()
    wait_until(lambda: not any(thread.name == "connect-ahead" for thread in threading.enumerate()))
    session.connect_ahead(1)  # a session that is closed begins nothing
    with pytest.raises(ConnectionLost):
        session.connect_more()


def test_one_begun_for_a_session_that_was_renewed_is_not_handed_out(
    address: Address, wait_until: Callable[..., None]
) -> None:
    ahead, opened = ConnectionsAhead(), threading.Event()
    connections: list[Connection] = []

    def connect() -> Connection:
        connections.append(Connection.open(address, OPTIONS.connection))
        opened.set()
        return connections[0]

    ahead.begin("the session before", connect)
    assert opened.wait(30)
    assert ahead.take("the session now") is None
    ahead.close()
    wait_until(lambda: not connections[0].usable)


def test_one_that_no_thread_can_open_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    ahead = ConnectionsAhead()

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        ahead.begin("ticket", lambda: pytest.fail("there is no thread to do it"))
    assert not ahead._coming
    assert ahead.take("ticket") is None


def test_no_more_is_begun_for_a_server_whose_key_is_not_the_tickets(
    scripted: ScriptedServer, trust: Trust, ticket: StoredTicket
) -> None:
    with pytest.raises(ChangedServerKey):
        Session.from_ticket(replace(ticket, fingerprint=Fingerprint(b"\x09" * 32)), trust, IMPATIENT, ahead=2)
    trust.store.replace(scripted.address, ticket.fingerprint, Fingerprint(b"\x09" * 32))
    with pytest.raises(ChangedServerKey):
        Session.from_ticket(ticket, trust, IMPATIENT, ahead=2)
    assert scripted.requests == []


def test_a_session_that_cannot_begin_leaves_nothing_behind(
    relay: CuttingRelay, trust: Trust, wait_until: Callable[..., None]
) -> None:
    with Session.sign_in(relay.address, REAL_USER, REAL_PASSWORD, trust, OPTIONS) as session:
        ticket = session.ticket
        session.logout()
    relay.refusing = True
    with pytest.raises((ConnectionLost, ServerUnreachable)):
        Session.from_ticket(ticket, trust, OPTIONS, ahead=2)
    relay.refusing = False
    with pytest.raises(SessionEnded):
        Session.from_ticket(ticket, trust, OPTIONS, ahead=2)
    wait_until(lambda: not any(thread.name == "connect-ahead" for thread in threading.enumerate()))
