"""Frames that no client of ours would send, and the server's answer to them."""

from __future__ import annotations

import contextlib
import random
import struct
from typing import Any

import msgspec
import pytest
from OpenSSL import SSL

from sfos.protocol import (
    MAX_BODY,
    MAX_HEADER,
    MAX_HEADER_BEFORE_LOGIN,
    ChunkRecord,
    ChunkWant,
    CommitItem,
    FrameTooLong,
    GetChunksRequest,
    HaveRequest,
    MalformedMessage,
    NotFound,
    PutChunksRequest,
    Ref,
    Request,
    StatRequest,
    Target,
    UnknownCommand,
    UsageRequest,
    encode_frame,
    encode_request,
    pack_commit,
    pack_records,
    pack_wants,
    raise_for_error,
)
from tests.server.conftest import Running, Serve
from tests.support.wire_peer import WirePeer

STAT = StatRequest(ref=Ref(path="/"))


def expect_refusal(peer: WirePeer, code: str, request_id: int) -> str:
    envelope, _ = peer.receive()
    assert envelope.error is not None
    assert (envelope.error.code, envelope.id) == (code, request_id)
    return envelope.error.message


def serves_others(server: Running) -> None:
    assert server.signed_in("bob").call(STAT)[0].entry.node


@pytest.mark.parametrize(
    ("prefix", "logged_in"),
    [
        (struct.pack(">II", MAX_HEADER_BEFORE_LOGIN + 1, 0), False),
        (struct.pack(">II", 100, 1), False),
        (struct.pack(">II", 2**32 - 1, 2**32 - 1), False),
        (struct.pack(">II", MAX_HEADER + 1, 0), True),
        (struct.pack(">II", 100, MAX_BODY + 1), True),
        (b"GET / HTTP/1.1\r\n\r\n", False),
    ],
)
def test_a_length_beyond_the_limit_is_refused_when_its_prefix_has_come_and_the_connection_closed_cleanly(
    prefix: bytes, logged_in: bool, server: Running
) -> None:
    peer = server.signed_in() if logged_in else server.greeted()
    peer.tls.sendall(prefix)
    assert "allowed" in expect_refusal(peer, "frame_too_long", 0)
    peer.expect_end()
    serves_others(server)


def test_before_login_a_header_of_8_kib_is_read_and_one_byte_more_is_not(server: Running) -> None:
    peer = server.greeted()
    header = encode_request(9, UsageRequest())
    peer.send_frame(header.ljust(MAX_HEADER_BEFORE_LOGIN))
    expect_refusal(peer, "login_required", 9)
    peer.tls.sendall(struct.pack(">II", MAX_HEADER_BEFORE_LOGIN + 1, 0) + header.ljust(MAX_HEADER_BEFORE_LOGIN + 1))
    expect_refusal(peer, "frame_too_long", 0)


def test_the_refusal_of_a_long_frame_arrives_though_megabytes_of_it_are_under_way(server: Running) -> None:
    peer = server.signed_in()
    peer.tls.sendall(struct.pack(">II", 100, MAX_BODY + 1) + bytes(1_000_000))
    expect_refusal(peer, "frame_too_long", 0)
    peer.expect_end()


def test_a_message_without_a_header_is_refused(server: Running) -> None:
    peer = server.greeted()
    peer.tls.sendall(bytes(8))
    expect_refusal(peer, "malformed_message", 0)
    peer.expect_end()


@pytest.mark.parametrize(
    "header",
    [
        b"not json",
        b"{}",
        b"[]",
        b'{"id": -1, "command": "stat"}',
        b'{"id": 9223372036854775808, "command": "stat"}',
        b'{"id": 1.5, "command": "stat"}',
        b'{"id": 1, "command": 5}',
        b'{"id": 1, "command": "stat", "extra": 0}',
        b'{"id": 1, "command": "st\xffat"}',
        b'{"id": 1, "command": "\\ud800"}',
        b'{"id": NaN, "command": "stat"}',
        b'{"id": 1, "command": "stat", "args": ' + b"[" * 4000 + b"]" * 4000 + b"}",
        b'{"id": 1, "command": "stat"} {}',
        b"\x00\x01\x02",
    ],
)
def test_an_envelope_that_cannot_be_read_is_said_so_and_the_connection_closed(header: bytes, server: Running) -> None:
    peer = server.greeted()
    peer.send_frame(header)
    envelope, _ = peer.receive()
    with pytest.raises(MalformedMessage):
        raise_for_error(envelope)
    if envelope.id == 0:
        peer.expect_end()
    serves_others(server)


@pytest.mark.parametrize(
    "args",
    [
        b"{}",
        b"null",
        b'{"ref": {"path": "/", "unknown": 1}}',
        b'{"ref": {"node": 0}}',
        b'{"ref": {"node": 99999999999999999999}}',
        b'{"ref": {"node": 1e999}}',
        b'{"ref": {"path": 7}}',
        b'{"ref": {"space": "../../etc", "path": "/"}}',
        b'{"ref": {"path": "/' + b"x" * 70_000 + b'"}}',
    ],
)
def test_wrong_arguments_are_answered_under_their_id_and_the_connection_goes_on(args: bytes, server: Running) -> None:
    peer = server.signed_in()
    peer.send_frame(b'{"id": 77, "command": "stat", "args": ' + args + b"}")
    expect_refusal(peer, "malformed_message", 77)
    assert peer.call(STAT)[0].entry.node


def test_an_unknown_command_is_answered_under_its_id_and_the_connection_goes_on(server: Running) -> None:
    peer = server.signed_in()
    peer.send_frame(b'{"id": 5, "command": "format_disk"}')
    envelope, _ = peer.receive()
    assert envelope.id == 5
    with pytest.raises(UnknownCommand):
        raise_for_error(envelope)
    for name in ("__class__", "hello ", "HELLO", "", "x" * 5000):
        peer.send_frame(b'{"id": 6, "command": "%b"}' % name.encode())
        expect_refusal(peer, "unknown_command", 6)
    assert peer.call(STAT)[0].entry.node


def test_a_body_where_none_belongs_or_one_too_long_for_its_command_is_refused_and_the_connection_goes_on(
    server: Running,
) -> None:
    peer = server.signed_in()
    with pytest.raises(MalformedMessage):
        peer.call(STAT, b"body")
    with pytest.raises(FrameTooLong):
        peer.send_frame(b'{"id": 3, "command": "get_chunks", "args": {"wants": 1}}', bytes(MAX_BODY))
        raise_for_error(peer.receive()[0])
    assert peer.call(STAT)[0].entry.node


def test_requests_sent_together_are_answered_in_order(server: Running) -> None:
    peer = server.signed_in()
    together = b"".join(
        encode_frame(encode_request(number, StatRequest(ref=Ref(path="/" if number % 3 else "/none"))))
        for number in range(100, 132)
    )
    peer.tls.sendall(together)
    for number in range(100, 132):
        envelope, _ = peer.receive()
        assert envelope.id == number
        assert (envelope.error is None) == bool(number % 3)


def test_a_request_that_comes_byte_by_byte_is_answered(server: Running) -> None:
    peer = server.signed_in()
    for byte in encode_frame(encode_request(1, STAT)):
        peer.tls.sendall(bytes([byte]))
    assert peer.receive()[0].id == 1


@pytest.mark.parametrize("reset", [False, True])
def test_a_connection_cut_at_any_byte_of_a_request_harms_nobody(reset: bool, server: Running) -> None:
    owner = server.signed_in()
    request = encode_frame(b'{"id":1,"command":"have","args":{"ids":1}}', bytes(32))
    for cut in range(len(request)):
        peer = server.attached(owner)
        peer.tls.sendall(request[:cut])
        if reset:
            peer.reset()
        else:
            peer.sock.close()
    assert owner.call(STAT)[0].entry.node


def test_what_is_no_tls_at_all_is_dropped(server: Running) -> None:
    peer = server.connect(handshake=False)
    peer.sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    with contextlib.suppress(OSError):
        while peer.sock.recv(1000):
            pass
    serves_others(server)


def test_tls_1_2_is_refused(server: Running) -> None:
    peer = server.connect(handshake=False)
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    old = SSL.Connection(context, peer.sock)
    old.set_connect_state()
    with pytest.raises(SSL.Error):
        old.do_handshake()


def test_random_bytes_after_login_never_break_the_server(serve: Serve) -> None:
    server = serve({"security.login_attempts": "100"})
    owner = server.signed_in()
    dice = random.Random(7)
    for _ in range(60):
        peer = server.attached(owner)
        header = bytearray(encode_request(1, STAT))
        for _ in range(dice.randrange(1, 6)):
            header[dice.randrange(len(header))] = dice.randrange(256)
        peer.send_frame(bytes(header))
        envelope, _ = peer.receive()
        assert envelope.error is None or envelope.error.code in {
            "malformed_message",
            "unknown_command",
            "not_found",
            "name_not_allowed",
        }
        peer.close()
    with pytest.raises(NotFound):
        owner.call(StatRequest(ref=Ref(path="/none")))


RECORD = ChunkRecord(b"c" * 32, 4)
COMMIT, COMMIT_BODY = pack_commit(bytes(16), [CommitItem(target=Target(path="/a"), size=4, chunks=1)], [RECORD])


@pytest.mark.parametrize(
    ("request_", "body"),
    [
        (HaveRequest(ids=2), bytes(32)),
        (HaveRequest(ids=1), bytes(33)),
        (GetChunksRequest(wants=2), pack_wants([ChunkWant(1, bytes(32), 0, 1)])),
        (GetChunksRequest(wants=1), bytes(47)),
        (PutChunksRequest(chunks=2), pack_records([RECORD]) + b"data"),
        (PutChunksRequest(chunks=5), bytes(20)),
        (PutChunksRequest(chunks=1), pack_records([ChunkRecord(bytes(32), 0)])),
        (msgspec.structs.replace(COMMIT, records=9), COMMIT_BODY),
        (msgspec.structs.replace(COMMIT, items_bytes=COMMIT.items_bytes - 1), COMMIT_BODY),
        (COMMIT, COMMIT_BODY[:-1]),
        (COMMIT, COMMIT_BODY + b"x"),
    ],
)
def test_a_body_that_does_not_match_its_header_is_refused(request_: Request[Any], body: bytes, server: Running) -> None:
    peer = server.signed_in()
    with pytest.raises(MalformedMessage):
        peer.call(request_, body)
    assert peer.call(STAT)[0].entry.node
