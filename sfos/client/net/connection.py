"""One TLS connection to a server: the handshake, frames, requests and their replies.

    open (TCP, TLS 1.3) → the owner checks `key` against the pins → hello → login or attach → commands, or watch

A pyOpenSSL Connection used from two threads corrupts the stream, so a Connection has one owner at a time; only
`abort` may be called from another thread. Requests may be pipelined: `send` several, then `receive` as often; replies
come in order. Whoever pipelines keeps to the rule against deadlocks: at most `unanswered_bytes` of requests without an
answer while a reply is outstanding that may exceed LARGE_REPLY_BYTES, so that sending never waits for the server, which
may be waiting for us to take a reply.

Sockets stay blocking, with SO_RCVTIMEO and SO_SNDTIMEO (with `settimeout` every call of pyOpenSSL returns at once).
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from sfos.client.address import Address
from sfos.client.errors import ConnectionLost, ServerUnreachable
from sfos.client.net.sockets import connect, explain, is_ip, set_timeouts, shut
from sfos.client.net.tls import SSL
from sfos.client.net.trust import ServerKey, read_certificate
from sfos.client.options import ConnectionOptions
from sfos.protocol import (
    ACTIONS,
    EXPORTER_LABEL,
    EXPORTER_LENGTH,
    MAX_HEADER,
    MAX_HEADER_BEFORE_LOGIN,
    Buffer,
    ChangingRequest,
    CommandSpec,
    Frame,
    FrameDecoder,
    LocalProtocolError,
    MalformedMessage,
    OutOfOrder,
    Reply,
    ReplyEnvelope,
    ReplyT,
    Request,
    SfosError,
    decode_reply,
    decode_result,
    encode_prefix,
    encode_request,
    from_info,
    reply_type,
    spec_of,
)

_log = logging.getLogger(__name__)

MAX_DEPTH = 32  # requests without an answer
SMALL_UNANSWERED_BYTES = 16 * 1024  # what every socket's buffers hold, so that sending it never blocks
ASKING_UNANSWERED_BYTES = 64 * 1024  # what they hold after `ask_ahead`
LARGE_REPLY_BYTES = 64 * 1024

_TLS_RECORD = 16 * 1024  # pyOpenSSL allocates what it is asked for on each call; a record never holds more
_JOINED_BYTES = 32 * 1024  # bodies up to here travel in one write with their header
_ASKING_BUFFER_BYTES = 256 * 1024  # asked for; a system may give less, and counts its own records in
_SLICE_BYTES = 256 * 1024  # of a large body at a time, so that progress, limits and cancelling are felt
_BODY_STEP_BYTES = 1024 * 1024
_CLOSE_TIMEOUT_S = 2.0
_SSL_MODE_ENABLE_PARTIAL_WRITE = 0x1  # OpenSSL's ssl.h; pyOpenSSL sets it and has no name for it


class Answer(msgspec.Struct, frozen=True):
    """The reply to a request: its content, or the error that the server reports (not raised). `body`: see `receive`."""

    request_id: int
    reply: Reply | None
    error: SfosError | None
    body: memoryview

    def expect(self, kind: type[ReplyT]) -> ReplyT:
        """The content. Raises: the server's error."""
        if self.error is not None:
            raise self.error
        assert isinstance(self.reply, kind)
        return self.reply

    def reply_to(self, request: Request[ReplyT]) -> ReplyT:
        """The content, as the type of `request` says it. Raises: the server's error."""
        return self.expect(reply_type(request))


class _Asked(msgspec.Struct, frozen=True):
    request_id: int
    spec: CommandSpec


def _make_context() -> SSL.Context:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(SSL.TLS1_3_VERSION)
    # Who the server is, is decided by its key's pin and by SCRAM bound to this session, not by certificate authorities.
    context.set_verify(SSL.VERIFY_NONE)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.clear_mode(_SSL_MODE_ENABLE_PARTIAL_WRITE)  # one call writes a whole slice (measured: fewer calls)
    return context


_context_lock = threading.Lock()
_context: SSL.Context | None = None


def _client_context() -> SSL.Context:
    global _context  # noqa: PLW0603 - one for the process: building it takes milliseconds, and it is frozen after use
    with _context_lock:
        if _context is None:
            _context = _make_context()
        return _context


class Connection:
    """See the module. Make one by `Connection.open`; use it as a context manager or `close` it."""

    def __init__(self, sock: socket.socket, address: Address, options: ConnectionOptions) -> None:
        self.address = address
        self._sock = sock
        self._timeout_s = options.reply_timeout_s
        self._action = options.action
        self.features: frozenset[str] = frozenset()  # that the server has named; none before it has answered hello
        self._tls = SSL.Connection(_client_context(), sock)
        self._key: ServerKey | None = None
        self._decoder = FrameDecoder(MAX_HEADER_BEFORE_LOGIN, 0, self._allocate)
        self._asked: deque[_Asked] = deque()
        self._next_id = 1
        self._max_header = MAX_HEADER_BEFORE_LOGIN
        self._lending = False
        self._body_buffer = bytearray()  # of bodies that are lent, one at a time
        self._has_events = False
        self._failed = False
        self._closed = False
        self._close_lock = threading.Lock()
        self.on_moved: Callable[[int, int], None] | None = None
        self.unanswered_bytes = SMALL_UNANSWERED_BYTES
        self.handshake_s = 0.0  # one round trip, and what both sides compute meanwhile

    @classmethod
    def open(cls, address: Address, options: ConnectionOptions) -> Connection:
        """A connection after its TLS handshake; nothing else has been sent. Blocks up to `connect_timeout_s`, twice.

        Raises: ServerUnreachable.
        """
        sock = connect(address, options.connect_timeout_s)
        connection = cls(sock, address, options)
        try:
            with connection.deadline(options.connect_timeout_s):
                connection._handshake()
            connection.set_timeout(options.reply_timeout_s)
        except BaseException:
            connection.close()
            raise
        return connection

    def _handshake(self) -> None:
        try:
            if not is_ip(self.address.host):
                self._tls.set_tlsext_host_name(self.address.host.encode("idna"))
            self._tls.set_connect_state()
            began = time.monotonic()
            self._tls.do_handshake()
            self.handshake_s = time.monotonic() - began
            certificate = self._tls.get_peer_certificate()
        except (SSL.Error, OSError, UnicodeError) as error:
            self._failed = True
            raise ServerUnreachable(
                "Something answers, but not a server of this kind: the encrypted connection cannot be made"
                f" ({explain(error)}).",
                subject=str(self.address),
            ) from error
        if certificate is None:
            raise ServerUnreachable("The server showed no certificate.", subject=str(self.address))
        self._key = read_certificate(certificate)

    @property
    def key(self) -> ServerKey:
        """The key that the server proved in the handshake to have."""
        assert self._key is not None
        return self._key

    @property
    def exporter(self) -> bytes:
        """The secret of this very TLS session that both ends can compute (RFC 9266, 32 bytes)."""
        return self._tls.export_keying_material(EXPORTER_LABEL, EXPORTER_LENGTH, b"")

    @property
    def usable(self) -> bool:
        """Whether nothing has broken it yet."""
        return not self._failed and not self._closed

    @property
    def outstanding(self) -> int:
        """Number of requests without an answer yet."""
        return len(self._asked)

    def opened(self) -> None:
        """A session has begun: from now on larger headers are taken."""
        self._max_header = MAX_HEADER

    def ask_ahead(self) -> None:
        """For who asks for much and sends little: more may be unanswered, since the system holds more of it.

        Not for uploads: such a buffer no longer grows with the link (Linux).
        """
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _ASKING_BUFFER_BYTES)
        given = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        self.unanswered_bytes = max(SMALL_UNANSWERED_BYTES, min(ASKING_UNANSWERED_BYTES, given // 4))

    def set_timeout(self, timeout_s: float) -> None:
        """Limit how long the server may say nothing, from now on."""
        self._timeout_s = timeout_s
        set_timeouts(self._sock, timeout_s)

    # ── requests and replies ────────────────────────────────────────────────────────────────────────────────────

    def request(self, request: Request[Any], *body: Buffer) -> Answer:
        """Send one request and wait for its reply. Raises: ConnectionLost, RemoteProtocolError."""
        if self._asked:
            raise LocalProtocolError("a single request while others are under way")
        self.send(request, *body)
        return self.receive()

    def call(self, request: Request[ReplyT], *body: Buffer) -> tuple[ReplyT, memoryview]:
        """Send one request, and wait for its typed reply and body. Raises: like `request`, and whatever the server
        reports."""
        answer = self.request(request, *body)
        return answer.reply_to(request), answer.body

    def send(self, request: Request[Any], *body: Buffer) -> int:
        """Send a request and return its id. `body`: pieces, sent one after the other. Raises: ConnectionLost."""
        spec = spec_of(type(request))
        body_bytes = sum(len(piece) for piece in body)
        if len(self._asked) >= MAX_DEPTH or body_bytes > spec.request_body:
            raise LocalProtocolError(f"{spec.name}: too many requests under way, or a body of {body_bytes} bytes")
        if isinstance(request, ChangingRequest):
            request = self._of_its_action(request)
        request_id, self._next_id = self._next_id, self._next_id + 1
        front = encode_prefix(encode_request(request_id, request), body_bytes)
        with self._network_errors():
            if body_bytes <= _JOINED_BYTES:
                self._tls.sendall(b"".join((front, *body)))
                self._moved(body_bytes, 0)
            else:
                self._tls.sendall(front)
                for piece in body:
                    self._send_piece(memoryview(piece))
        self._asked.append(_Asked(request_id, spec))
        return request_id

    def _of_its_action(self, request: ChangingRequest[ReplyT]) -> ChangingRequest[ReplyT]:
        """The request with its action, or without for a server that has not named this feature."""
        action = (request.action or self._action) if ACTIONS in self.features else None
        return request if action == request.action else msgspec.structs.replace(request, action=action)

    def _send_piece(self, piece: memoryview) -> None:
        for start in range(0, len(piece), _SLICE_BYTES):
            part = piece[start : start + _SLICE_BYTES]
            self._tls.sendall(part)
            self._moved(len(part), 0)

    def receive(self) -> Answer:
        """The reply to the oldest request without one. Blocks up to the timeout.

        Raises: ConnectionLost; RemoteProtocolError. An error that the server reports is in the answer.
        """
        if not self._asked:
            raise LocalProtocolError("nothing was asked")
        asked = self._asked[0]
        frame = self._receive_frame(asked.spec.reply_body)
        envelope = self._envelope(frame)
        if envelope.id == 0 and envelope.error is not None:
            self._failed = True  # said of the connection, not of a request: too many connections, stopping
            raise from_info(envelope.error)
        if envelope.id != asked.request_id or envelope.is_event:
            self._failed = True
            raise OutOfOrder("The server answered something that was not asked.")
        self._asked.popleft()
        if envelope.error is not None:
            return Answer(asked.request_id, None, from_info(envelope.error), frame.body)
        return Answer(asked.request_id, self._decode(asked.spec.reply, envelope.result), None, frame.body)

    @contextmanager
    def lent_answer(self) -> Iterator[Answer]:
        """`receive`, with a body in memory that is used for the next one again, which saves page faults.

        It is valid within the block only. Not within another such block.
        """
        if self._lending:
            raise LocalProtocolError("the memory of an answer is lent already")
        self._lending = True
        try:
            answer = self.receive()
            try:
                yield answer
            finally:
                if answer.body:  # those without bytes share one that stays
                    answer.body.release()
        finally:
            self._lending = False

    def receive_event(
        self, request_id: int, watch: type[Request[Any]], kind: type[ReplyT]
    ) -> tuple[ReplyT, memoryview]:
        """The next event of a watch. Raises: ConnectionLost, RemoteProtocolError, and an error that ends the watch."""
        self._has_events = True
        frame = self._receive_frame(spec_of(watch).reply_body)
        envelope = self._envelope(frame)
        if envelope.error is not None:
            self._failed = True
            raise from_info(envelope.error)
        if not envelope.is_event or envelope.id != request_id:
            self._failed = True
            raise OutOfOrder("The server sent something that is no event of this watch.")
        event = self._decode(kind, envelope.event)
        assert isinstance(event, kind)
        return event, frame.body

    def _envelope(self, frame: Frame) -> ReplyEnvelope:
        """Envelope of a frame. A frame that cannot be read answers nothing, so no request gets its reply any more."""
        try:
            return decode_reply(frame.header)
        except MalformedMessage:
            self._failed = True
            raise

    def _decode(self, kind: type[Reply], raw: msgspec.Raw) -> Reply:
        try:
            return decode_result(kind, raw)
        except MalformedMessage:
            self._failed = True
            raise

    def _receive_frame(self, max_body: int) -> Frame:
        """One frame, with no more than this request may be answered with."""
        decoder = self._decoder
        decoder.set_limits(self._max_header, max_body)
        unreported = 0
        with self._network_errors():
            while True:
                target = decoder.buffer()
                count = self._recv_into(target)
                unreported += count
                frame = decoder.received(count)
                if frame is not None or unreported >= _SLICE_BYTES:
                    self._moved(0, unreported)
                    unreported = 0
                if frame is not None:
                    return frame

    def _recv_into(self, target: memoryview) -> int:
        """Fill `target`, or a slice of it: how many bytes. A record holds 16 KiB, so this turns often."""
        receive, most, filled = self._tls.recv_into, min(len(target), _SLICE_BYTES), 0
        started = time.monotonic()
        while filled < most:
            try:
                filled += receive(target[filled:most], _TLS_RECORD)
            except SSL.WantReadError:
                # Either SO_RCVTIMEO has passed, or a signal's handler ran during the call: then read on.
                if time.monotonic() - started >= self._timeout_s * 0.9:
                    raise
            else:
                started = time.monotonic()
        return filled

    def _allocate(self, count: int) -> bytearray | memoryview:
        if not self._lending:
            return bytearray(count)
        if len(self._body_buffer) < count:
            # Rounded up: bodies of slowly growing lengths would each take fresh memory.
            self._body_buffer = bytearray(-(-count // _BODY_STEP_BYTES) * _BODY_STEP_BYTES)
        return memoryview(self._body_buffer)[:count]

    def _moved(self, sent: int, received: int) -> None:
        if self.on_moved is not None:
            self.on_moved(sent, received)

    @contextmanager
    def _network_errors(self) -> Iterator[None]:
        """Network errors as ConnectionLost; after any error the stream's state is unknown, so it is not used again."""
        if not self.usable:
            raise ConnectionLost(subject=str(self.address))
        try:
            yield
        except (SSL.Error, OSError) as error:
            self._failed = True
            raise ConnectionLost(
                f"The connection to the server was lost ({explain(error)}); try again.", subject=str(self.address)
            ) from error
        except BaseException:
            self._failed = True
            raise

    # ── the end ─────────────────────────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def deadline(self, timeout_s: float) -> Iterator[None]:
        """Abort unless the block is left in time: SO_RCVTIMEO alone lets a peer that drips bytes go on for ever."""
        passed = threading.Event()

        def give_up() -> None:
            passed.set()
            self.abort()

        timer = threading.Timer(timeout_s, give_up)
        timer.daemon = True
        timer.start()
        try:
            yield
        except (ServerUnreachable, ConnectionLost) as error:
            if passed.is_set():
                raise type(error)(
                    f"The server did not answer within {timeout_s:g} s.", subject=str(self.address)
                ) from error
            raise
        finally:
            timer.cancel()
            timer.join()

    def abort(self) -> None:
        """Cut the connection, from any thread: whoever reads or writes gets ConnectionLost. `close` is still due."""
        with self._close_lock:
            if not self._closed:
                self._failed = True
                shut(self._sock)

    def close(self) -> None:
        """Take leave (close_notify) unless it is broken, and free the socket. Idempotent.

        At once where everything that was asked is answered; else it blocks for the server's leave, up to 2 s.
        """
        if not self._failed and not self._closed:
            self._say_goodbye()
        with self._close_lock:
            if not self._closed:
                self._closed = True
                self._sock.close()

    def _say_goodbye(self) -> None:
        """Without reading what the server still sends, the kernel might reset the connection and lose what we sent.

        Where nothing more can come but its close_notify, there is nothing to lose: TLS 1.3 lets each side close its own
        direction (RFC 8446 section 6.1), and waiting would cost the end of every command a round trip.
        """
        set_timeouts(self._sock, _CLOSE_TIMEOUT_S)
        until = time.monotonic() + _CLOSE_TIMEOUT_S
        scrap = bytearray(_TLS_RECORD)
        try:
            done = self._tls.shutdown() or not (self._asked or self._has_events)
            self._sock.shutdown(socket.SHUT_WR)
            while not done and time.monotonic() < until:
                self._tls.recv_into(scrap)
        except SSL.ZeroReturnError:
            pass
        except (SSL.Error, OSError) as error:
            _log.debug("%s: no orderly end: %s", self.address, explain(error))

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
