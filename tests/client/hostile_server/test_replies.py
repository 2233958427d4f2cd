"""A server that breaks its word: the client believes nothing that was not proven, and reads nothing that is wrong."""

from __future__ import annotations

import struct
import time
from secrets import token_urlsafe
from typing import Any

import pytest
from msgspec.structs import replace

from sfos.client.administration import Administration
from sfos.client.errors import ConnectionLost, ServerNotGenuine
from sfos.client.net.trust import Trust
from sfos.client.session.session import Session
from sfos.protocol import (
    MAX_BODY,
    MAX_ITERATIONS,
    MIN_ITERATIONS,
    AccountEntry,
    AccountReply,
    AccountsReply,
    AccountsRequest,
    AttachReply,
    AttachRequest,
    ChangeAccountRequest,
    FrameTooLong,
    HelloReply,
    HelloRequest,
    ListReply,
    ListRequest,
    LoginFinishReply,
    LoginFinishRequest,
    LoginStartReply,
    LoginStartRequest,
    MalformedMessage,
    OutOfOrder,
    PasswordPolicy,
    PasswordRefused,
    Request,
    ServerBusy,
    StatReply,
    StatRequest,
    UnsupportedVersion,
    Verifier,
    Working,
    encode_error,
    encode_frame,
    encode_result,
    encode_working,
    from_info,
    make_verifier,
)
from tests.client.hostile_server.answers import HASTY, ROOT, answering, raw, sign_in
from tests.client.scripted_server import PASSWORD, USER, Answer, RawAnswer, ScriptedServer, session_info

ANNA = AccountEntry(name="anna", role="user", id="0" * 32)


# ── signing in ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_honest_server_is_believed(session: Session) -> None:
    assert session.info.user == USER


@pytest.mark.parametrize("iterations", [1, 4096, 599_999, 5_000_001, 2**31])
def test_a_server_that_asks_for_too_little_or_too_much_work_gets_no_proof(
    server: ScriptedServer, trust: Trust, iterations: int
) -> None:
    def start(request: Request[Any], body: bytes) -> Answer:
        assert isinstance(request, LoginStartRequest)
        nonce = request.message.rpartition("r=")[2]
        return LoginStartReply(message=f"r={nonce}{'x' * 20},s=c2FsdHNhbHQ=,i={iterations}"), b""

    server.handlers[LoginStartRequest] = start
    with pytest.raises(ServerNotGenuine):
        sign_in(server, trust)
    assert LoginFinishRequest not in server.requests
    assert trust.store.pins() == {}


def test_a_server_that_cannot_prove_itself_is_not_believed_and_not_pinned(server: ScriptedServer, trust: Trust) -> None:
    reply = LoginFinishReply(message="v=" + "A" * 43 + "=", ticket_id="t", ticket=b"t" * 32, opened=session_info())
    server.handlers[LoginFinishRequest] = answering((reply, b""))
    with pytest.raises(ServerNotGenuine):
        sign_in(server, trust)
    assert trust.store.pins() == {}


def test_a_server_that_does_not_know_the_ticket_is_not_believed(server: ScriptedServer, session: Session) -> None:
    server.handlers[AttachRequest] = answering((AttachReply(proof=b"\0" * 32, session=session_info()), b""))
    with pytest.raises(ServerNotGenuine):
        session.connect_more()


def test_a_newer_server_says_so(server: ScriptedServer, trust: Trust) -> None:
    server.handlers[HelloRequest] = answering((HelloReply(version=2), b""))
    with pytest.raises(UnsupportedVersion):
        sign_in(server, trust)


def test_a_server_that_drips_is_given_up_in_time(server: ScriptedServer, trust: Trust) -> None:
    server.handlers[HelloRequest] = raw(encode_frame(encode_result(1, HelloReply(version=1))), drip_s=1.0)
    hasty = replace(HASTY, connection=replace(HASTY.connection, login_timeout_s=1.0))
    begun = time.monotonic()
    with pytest.raises(ConnectionLost, match="within 1 s"):
        Session.sign_in(server.address, USER, PASSWORD, trust, hasty)
    assert time.monotonic() - begun < 15, "dripping it all would take more than 30 s"


def test_a_server_at_its_limit_says_so_before_anything_was_asked(server: ScriptedServer, trust: Trust) -> None:
    server.handlers[HelloRequest] = raw(encode_frame(encode_error(0, ServerBusy())))
    with pytest.raises(ServerBusy):
        sign_in(server, trust)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (struct.pack(">II", 8 * 1024 + 1, 0), FrameTooLong),
        (struct.pack(">II", 2**32 - 1, 2**32 - 1), FrameTooLong),
        (struct.pack(">II", 10, 1), FrameTooLong),
        (struct.pack(">II", 0, 0), MalformedMessage),
        (encode_frame(b"{"), MalformedMessage),
        (encode_frame(b"\xff\xff"), MalformedMessage),
        (encode_frame(b"[" * 5000), MalformedMessage),
        (encode_frame(b"{}"), MalformedMessage),
        (encode_frame(b'{"id":1,"result":{"version":"1"}}'), MalformedMessage),
        (encode_frame(b'{"id":1,"result":{"version":99999999999999999999}}'), (MalformedMessage, UnsupportedVersion)),
        (encode_frame(b'{"id":2,"result":{"version":1}}'), OutOfOrder),
        (encode_frame(b'{"id":1,"event":{"cursor":"x"}}'), OutOfOrder),
        (encode_frame(b'{"id":1,"result":{"version":1}}')[:-1], ConnectionLost),
        (b"", ConnectionLost),
    ],
)
def test_a_reply_that_is_none_is_a_typed_error(
    server: ScriptedServer, trust: Trust, data: bytes, error: type[Exception]
) -> None:
    server.handlers[HelloRequest] = raw(data)
    with pytest.raises(error):
        sign_in(server, trust)


# ── replies that cannot be read ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("nonsense", [b"{", b"{}", b'{"id":"x","result":{}}', b'{"id":4,"result":{},"event":{}}'])
def test_a_reply_that_cannot_be_read_costs_the_connection_and_not_the_session(
    server: ScriptedServer, session: Session, nonsense: bytes
) -> None:
    def once(request: Request[Any], body: bytes) -> Answer:
        server.handlers[StatRequest] = answering((StatReply(entry=ROOT), b""))
        raise RawAnswer(encode_frame(nonsense), hang_up=False)

    server.handlers[StatRequest] = once
    with pytest.raises(MalformedMessage):
        session.api.stat("/")
    assert session.api.stat("/") == ROOT


@pytest.mark.parametrize(
    "field", ['"node":18446744073709551616', '"size":-1', '"mtime_ns":9223372036854775808', '"content":"AAAA"']
)
def test_an_entry_with_what_no_entry_can_have_is_refused_when_it_is_read(
    server: ScriptedServer, session: Session, field: str
) -> None:
    def one(request: Request[Any], body: bytes) -> Answer:
        raise RawAnswer(lambda number: encode_frame(reply(number)), hang_up=False)

    def reply(number: int) -> bytes:
        entry = f'"node":7,"parent":1,"name":"x","kind":"file","revision":"1","size":7,{field}'
        return f'{{"id":{number},"result":{{"entry":{{{entry}}}}}}}'.encode()

    server.handlers[StatRequest] = one
    with pytest.raises(MalformedMessage):
        session.api.stat("/x")


@pytest.mark.parametrize(("said", "heard"), [(1e300, 86_400.0), (-1e300, 0.0), (2.5, 2.5)])
def test_a_wait_that_a_server_asks_for_is_one_that_a_clock_can_wait(said: float, heard: float) -> None:
    assert from_info(ServerBusy(retry_after_s=said).info()).retry_after_s == heard


def test_a_password_policy_that_asks_for_gigabytes_gets_no_more_than_a_password_can_have(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def generate(count: int) -> str:
        asked.append(count)
        return token_urlsafe(min(count, 1_000))

    monkeypatch.setattr("secrets.token_urlsafe", generate)
    with pytest.raises(PasswordRefused):
        Administration(session.api.caller, PasswordPolicy(min_length=2**40)).generate_password("anna")
    assert 0 < max(asked) <= 1_024


@pytest.mark.parametrize(("said", "done"), [(0, MIN_ITERATIONS), (1, MIN_ITERATIONS), (2**40, MAX_ITERATIONS)])
def test_a_verifier_is_made_with_neither_too_little_nor_too_much_work_whatever_the_server_says(
    server: ScriptedServer, session: Session, monkeypatch: pytest.MonkeyPatch, said: int, done: int
) -> None:
    asked: list[int] = []

    def make(password: str, salt: bytes, iterations: int) -> Verifier:
        asked.append(iterations)
        return make_verifier(password, salt, MIN_ITERATIONS)

    monkeypatch.setattr("sfos.client.administration.make_verifier", make)
    server.handlers[AccountsRequest] = lambda _request, _body: (AccountsReply(iterations=said), b"")
    server.handlers[ChangeAccountRequest] = lambda _request, _body: (AccountReply(account=ANNA), b"")
    Administration(session.api.caller, PasswordPolicy()).reset_password("anna", "a good enough pass phrase")
    assert asked == [done]


def test_a_body_larger_than_any_is_refused_before_it_is_read(server: ScriptedServer, session: Session) -> None:
    header = encode_result(4, ListReply(at="c"))
    server.handlers[ListRequest] = raw(struct.pack(">II", len(header), MAX_BODY + 1) + header)
    with pytest.raises(FrameTooLong):
        session.api.list_folder("/")


# ── signs of work ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("ahead_of_id", "body", "times"),
    [(1, b"", 1), (0, b"x", 1), (0, b"", 1_000)],
    ids=["of another request", "with a body", "without an end"],
)
def test_a_sign_of_work_that_makes_no_sense_ends_the_connection(
    server: ScriptedServer, session: Session, ahead_of_id: int, body: bytes, times: int
) -> None:
    def signs(number: int) -> bytes:
        return encode_frame(encode_working(number + ahead_of_id, Working(done=1)), body) * times

    def handler(request: Request[Any], _body: bytes) -> Answer:
        raise RawAnswer(signs, hang_up=False)

    server.handlers[StatRequest] = handler
    with pytest.raises((OutOfOrder, FrameTooLong)):
        session.api.stat("/")


def test_signs_of_work_come_before_the_reply_and_are_told(server: ScriptedServer, session: Session) -> None:
    told: list[tuple[str, Working | None]] = []
    session.on_working = lambda command, working: told.append((command, working))

    def signs_and_reply(number: int) -> bytes:
        signs = [encode_working(number, Working(done=done)) for done in (1, 2)]
        return b"".join(map(encode_frame, [*signs, encode_result(number, StatReply(entry=ROOT))]))

    def handler(request: Request[Any], _body: bytes) -> Answer:
        raise RawAnswer(signs_and_reply, hang_up=False)

    server.handlers[StatRequest] = handler
    assert session.api.stat("/").node == ROOT.node
    assert told == [("stat", Working(done=1)), ("stat", Working(done=2)), ("stat", None)]
