"""A server over real TLS that answers as a test tells it to: honest where nothing is said, hostile where it is."""

from __future__ import annotations

import datetime as dt
import secrets
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

from sfos.client.address import Address
from sfos.protocol import (
    COMMANDS_BY_NAME,
    MAX_BODY,
    MAX_HEADER,
    AttachReply,
    AttachRequest,
    Done,
    Frame,
    FrameDecoder,
    HelloReply,
    HelloRequest,
    LoginFinishReply,
    LoginFinishRequest,
    LoginStartReply,
    LoginStartRequest,
    Reply,
    Request,
    ServerExchange,
    SessionInfo,
    SfosError,
    SpaceInfo,
    attach_answer,
    decode_args,
    decode_request,
    encode_error,
    encode_frame,
    encode_result,
    exporter_of,
    make_verifier,
)

CHUNK_KEY = b"k" * 32
SPACE = SpaceInfo(space="0" * 32, given_chunk_key=CHUNK_KEY, given_cut_seed=1, cursor="c")
USER, PASSWORD = "anna", "a good long password"
VERIFIER = make_verifier(PASSWORD, b"s" * 16, 600_000)


class RawAnswer(Exception):
    """Raised by a handler: send these bytes instead of a reply, or what is made of the request's id, and hang up."""

    def __init__(self, data: bytes | Callable[[int], bytes], *, drip_s: float = 0.0, hang_up: bool = True) -> None:
        self.data = data
        self.drip_s = drip_s
        self.hang_up = hang_up

    def bytes_for(self, request_id: int) -> bytes:
        """Bytes to send."""
        return self.data if isinstance(self.data, bytes) else self.data(request_id)


class HonestAnswer(Exception):
    """Raised by a handler: answer as if there were none."""


Answer = tuple[Reply, bytes]
Handler = Callable[[Request[Any], bytes], Answer]


def _certificate(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "scripted")])
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(1))
        .not_valid_after(now + dt.timedelta(1))
        .sign(key, hashes.SHA256())
    )


class ScriptedServer:
    """`handlers`: by the request's type, what answers it. `requests`: the types of what was asked, in order.

    `info`: of its sessions; None: a password alone opens none.
    """

    def __init__(self, handlers: dict[type[Request[Any]], Handler] | None = None) -> None:
        self.handlers = handlers if handlers is not None else {}
        self.requests: list[type[Request[Any]]] = []
        self.info: SessionInfo | None = session_info()
        self.stopping = threading.Event()
        self._tickets = {"t": secrets.token_bytes(32)}
        key = ec.generate_private_key(ec.SECP256R1())
        self._context = SSL.Context(SSL.TLS_SERVER_METHOD)
        self._context.use_certificate(_certificate(key))
        self._context.use_privatekey(key)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = Address("127.0.0.1", self._listener.getsockname()[1])
        self._threads = [threading.Thread(target=self._accept, name="scripted-accept")]
        self._open: list[socket.socket] = []

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(sock)
            thread = threading.Thread(target=self._serve, args=(sock,), name="scripted-connection")
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        tls = SSL.Connection(self._context, sock)
        tls.set_accept_state()
        with suppress(SSL.Error, OSError):
            tls.do_handshake()
            peer = _Peer(exporter_of(tls.export_keying_material))
            decoder = FrameDecoder(MAX_HEADER, MAX_BODY)
            while True:
                for frame in decoder.feed(tls.recv(16_384)):
                    self._answer(tls, peer, frame)
        with suppress(SSL.Error, OSError):
            tls.shutdown()
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(16_384):  # closing with something unread resets the connection: what was said is lost
                pass
        sock.close()

    def _answer(self, tls: SSL.Connection, peer: _Peer, frame: Frame) -> None:
        envelope = decode_request(frame.header)
        kind = COMMANDS_BY_NAME[envelope.command].request
        self.requests.append(kind)
        request = decode_args(kind, envelope.args)
        handler = self.handlers.get(kind)
        try:
            reply, body = self._reply(peer, handler, request, bytes(frame.body))
            tls.sendall(encode_frame(encode_result(envelope.id, reply), body))
        except SfosError as error:
            tls.sendall(encode_frame(encode_error(envelope.id, error)))
        except RawAnswer as raw:
            data = raw.bytes_for(envelope.id)
            if not raw.drip_s:
                tls.sendall(data)
                if raw.hang_up:
                    raise SSL.Error from raw
                return
            for byte in data:
                tls.sendall(bytes([byte]))
                self.stopping.wait(raw.drip_s)

    def _reply(self, peer: _Peer, handler: Handler | None, request: Request[Any], body: bytes) -> Answer:
        if handler is not None:
            with suppress(HonestAnswer):
                return handler(request, body)
        return self._honest(peer, request), b""

    def _honest(self, peer: _Peer, request: Request[Any]) -> Reply:
        if isinstance(request, LoginStartRequest):
            peer.exchange = ServerExchange(peer.exporter)
            peer.exchange.read_first(request.message)
            return LoginStartReply(message=peer.exchange.reply(VERIFIER))
        if isinstance(request, LoginFinishRequest):
            assert peer.exchange is not None
            message = peer.exchange.finish(request.message)
            ticket = self._tickets["t"] if self.info else b""
            return LoginFinishReply(message=message, ticket_id="t", ticket=ticket, opened=self.info)
        if isinstance(request, AttachRequest):
            proof = attach_answer(self._tickets[request.ticket_id], peer.exporter)
            assert self.info is not None
            return AttachReply(proof=proof, session=self.info)
        return HelloReply(version=1) if isinstance(request, HelloRequest) else Done()

    def __enter__(self) -> ScriptedServer:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._open:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)


class _Peer:
    def __init__(self, exporter: bytes) -> None:
        self.exporter = exporter
        self.exchange: ServerExchange | None = None


def session_info() -> SessionInfo:
    return SessionInfo(user=USER, role="user", home=SPACE)
