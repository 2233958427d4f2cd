"""The other end of a connection, made of protocol.py alone: it may say what no client of ours would."""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import Any, Self

from OpenSSL import SSL

from sfos.protocol import (
    MAX_BODY,
    MAX_HEADER,
    VERSION,
    AttachReply,
    AttachRequest,
    Buffer,
    ClientExchange,
    Frame,
    FrameDecoder,
    HelloReply,
    HelloRequest,
    LoginFinishReply,
    LoginFinishRequest,
    LoginStartReply,
    LoginStartRequest,
    ReplyEnvelope,
    ReplyT,
    Request,
    attach_answer,
    attach_proof,
    decode_reply,
    decode_result,
    encode_frame,
    encode_request,
    exporter_of,
    raise_for_error,
    reply_type,
)

_PATIENCE_S = 30  # a server that says nothing for so long hangs
_RECORD = 16 * 1024


class WirePeer:
    """A TLS connection to `address` that speaks frames, one request after the other or as told.

    `source`: the address that it comes from, 127.0.0.2 say; without one the system chooses.
    """

    def __init__(
        self, address: tuple[str, int], *, handshake: bool = True, receive_buffer: int = 0, source: str = ""
    ) -> None:
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_min_proto_version(SSL.TLS1_3_VERSION)
        context.set_verify(SSL.VERIFY_NONE)
        self.sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source:
            self.sock.bind((source, 0))
        self.sock.connect(address)
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            self.sock.setsockopt(socket.SOL_SOCKET, option, struct.pack("@ll", _PATIENCE_S, 0))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.tls = SSL.Connection(context, self.sock)
        self.tls.set_connect_state()
        self.decoder = FrameDecoder(MAX_HEADER, MAX_BODY)
        self.next_id = 1
        self.ticket = b""
        self.ticket_id = ""
        if handshake:
            try:
                self.tls.do_handshake()
            except BaseException:
                self.sock.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Frames

    def send_frame(self, header: bytes, body: Buffer = b"") -> None:
        self.tls.sendall(encode_frame(header, body))

    def send(self, request: Request[Any], body: Buffer = b"") -> int:
        request_id, self.next_id = self.next_id, self.next_id + 1
        self.send_frame(encode_request(request_id, request), body)
        return request_id

    def receive_frame(self) -> Frame:
        while True:
            target = self.decoder.buffer()
            frame = self.decoder.received(self.tls.recv_into(target, min(len(target), _RECORD)))
            if frame is not None:
                return frame

    def receive(self) -> tuple[ReplyEnvelope, memoryview]:
        frame = self.receive_frame()
        return decode_reply(frame.header), frame.body

    def call(self, request: Request[ReplyT], body: Buffer = b"") -> tuple[ReplyT, memoryview]:
        """The typed reply and its body. Raises: the error that the server answers."""
        request_id = self.send(request, body)
        envelope, reply_body = self.receive()
        raise_for_error(envelope)
        assert envelope.id == request_id
        return decode_result(reply_type(request), envelope.result), reply_body

    def expect_end(self) -> None:
        """Return if the server says close_notify and nothing else."""
        try:
            data = self.tls.recv(_RECORD)
        except SSL.ZeroReturnError:
            return
        raise AssertionError(f"instead of an end came {data!r}")

    def expect_cut(self) -> None:
        """Return if the connection ends, however."""
        try:
            while True:
                self.tls.recv(_RECORD)
        except SSL.WantReadError as error:
            raise AssertionError("the connection does not end") from error
        except (SSL.Error, OSError):
            return

    def is_cut(self) -> bool:
        """Whether the connection has ended. Does not wait; what has come meanwhile is lost, and so is TLS."""
        try:
            return self.sock.recv(_RECORD, socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    # What clients do

    @property
    def exporter(self) -> bytes:
        return exporter_of(self.tls.export_keying_material)

    def hello(self, version: int = VERSION, features: tuple[str, ...] = ()) -> HelloReply:
        reply: HelloReply = self.call(HelloRequest(version=version, client="a test", features=features))[0]
        return reply

    def login(self, user: str, password: str) -> LoginFinishReply:
        """Sign in; hello must have been said."""
        exchange = ClientExchange(user, password, self.exporter)
        start: LoginStartReply = self.call(LoginStartRequest(message=exchange.first()))[0]
        message = exchange.final(start.message)
        finish: LoginFinishReply = self.call(LoginFinishRequest(message=message))[0]
        exchange.verify(finish.message)
        self.ticket, self.ticket_id = finish.ticket, finish.ticket_id
        return finish

    def attach(self, other: WirePeer) -> AttachReply:
        """Join the session of `other`; hello must have been said."""
        proof = attach_proof(other.ticket, self.exporter)
        reply: AttachReply = self.call(AttachRequest(ticket_id=other.ticket_id, proof=proof))[0]
        assert reply.proof == attach_answer(other.ticket, self.exporter)
        self.ticket, self.ticket_id = other.ticket, other.ticket_id
        return reply

    def close(self) -> None:
        """Say close_notify and go. May be called again, and after `reset`."""
        if self.sock.fileno() < 0:
            return  # the descriptor is somebody else's by now, and TLS would write to it
        with contextlib.suppress(SSL.Error, OSError):  # the server has gone first
            self.tls.shutdown()
        self.sock.close()

    def reset(self) -> None:
        """Go without a word, by RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()
