"""One TLS connection to a server as a stream of frames: the handshake, writing, reading, the end.

A pyOpenSSL Connection used from two threads corrupts the stream, so a stream has one owner at a time; only `abort` may
be called from another thread.

Sockets stay blocking, with SO_RCVTIMEO and SO_SNDTIMEO (with `settimeout` every call of pyOpenSSL returns at once).
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Self

from sfos.client.address import Address
from sfos.client.errors import ConnectionLost, ServerUnreachable
from sfos.client.net.sockets import connect, explain, is_ip, set_timeouts, shut
from sfos.client.net.tls import SSL
from sfos.client.net.trust import ServerKey, read_certificate
from sfos.client.options import ConnectionOptions
from sfos.protocol import (
    MAX_HEADER_BEFORE_LOGIN,
    Buffer,
    Frame,
    FrameDecoder,
    LocalProtocolError,
    exporter_of,
)

_log = logging.getLogger(__name__)

_TLS_RECORD = 16 * 1024  # pyOpenSSL allocates what it is asked for on each call; a record never holds more
_JOINED_BYTES = 32 * 1024  # bodies up to here travel in one write with their header
_SLICE_BYTES = 256 * 1024  # of a large body at a time, so that progress, limits and cancelling are felt
_BODY_STEP_BYTES = 1024 * 1024
_CLOSE_TIMEOUT_S = 2.0
_SSL_MODE_ENABLE_PARTIAL_WRITE = 0x1  # OpenSSL's ssl.h; pyOpenSSL sets it and has no name for it


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


def _no_handshake(error: Exception) -> str:
    why = explain(error)
    if isinstance(error, SSL.SysCallError | SSL.ZeroReturnError | OSError) or "unexpected eof" in why:
        return (
            f"The connection was cut before it was encrypted ({why}): the server has just ended, or what answers there"
            " is not a server of this kind. Try again."
        )
    return f"Something answers, but not a server of this kind: the encrypted connection cannot be made ({why})."


class FrameStream:
    """See the module. Make one by `open`; use it as a context manager or `close` it."""

    def __init__(self, sock: socket.socket, address: Address, options: ConnectionOptions) -> None:
        self.address = address
        self._sock = sock
        self._timeout_s = options.reply_timeout_s
        self._tls = SSL.Connection(_client_context(), sock)
        self._key: ServerKey | None = None
        self._decoder = FrameDecoder(MAX_HEADER_BEFORE_LOGIN, 0, self._allocate)
        self._lending = False
        self._body_buffer = bytearray()  # of bodies that are lent, one at a time
        self._failed = False
        self._closed = False
        self._close_lock = threading.Lock()
        self.on_moved: Callable[[int, int], None] | None = None
        self.handshake_s = 0.0  # one round trip, and what both sides compute meanwhile

    @classmethod
    def open(cls, address: Address, options: ConnectionOptions) -> Self:
        """A connection after its TLS handshake; nothing else has been sent. Blocks up to `connect_timeout_s`, twice.

        Raises: ServerUnreachable.
        """
        sock = connect(address, options.connect_timeout_s)
        stream = cls(sock, address, options)
        try:
            with stream.deadline(options.connect_timeout_s):
                stream._handshake()
            stream.set_timeout(options.reply_timeout_s)
        except BaseException:
            stream.close()
            raise
        return stream

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
            raise ServerUnreachable(_no_handshake(error), subject=str(self.address)) from error
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
        return exporter_of(self._tls.export_keying_material)

    @property
    def usable(self) -> bool:
        """Whether nothing has broken it yet."""
        return not self._failed and not self._closed

    def set_timeout(self, timeout_s: float) -> None:
        """Limit how long the server may say nothing, from now on."""
        self._timeout_s = timeout_s
        set_timeouts(self._sock, timeout_s)

    # ── frames ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _write(self, front: bytes, body: Sequence[Buffer]) -> None:
        """Send a frame, its body piece by piece. Raises: ConnectionLost."""
        body_bytes = sum(map(len, body))
        with self._network_errors():
            if body_bytes <= _JOINED_BYTES:
                self._tls.sendall(b"".join((front, *body)))
                self._moved(body_bytes, 0)
            else:
                self._tls.sendall(front)
                for piece in body:
                    self._send_piece(memoryview(piece))

    def _send_piece(self, piece: memoryview) -> None:
        for start in range(0, len(piece), _SLICE_BYTES):
            part = piece[start : start + _SLICE_BYTES]
            self._tls.sendall(part)
            self._moved(len(part), 0)

    def _read(self, max_header: int, max_body: int) -> Frame:
        """The next frame. Blocks up to the timeout. Raises: ConnectionLost; MalformedMessage, TooMuch."""
        decoder = self._decoder
        decoder.set_limits(max_header, max_body)
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

    @contextmanager
    def _lent_memory(self) -> Iterator[None]:
        """Read bodies into memory that is used for the next one again. Not within another such block."""
        if self._lending:
            raise LocalProtocolError("the memory of an answer is lent already")
        self._lending = True
        try:
            yield
        finally:
            self._lending = False

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

    @property
    def _more_may_come(self) -> bool:
        """Whether the server may still send something beside its leave."""
        return False

    def _say_goodbye(self) -> None:
        """Without reading what the server still sends, the kernel might reset the connection and lose what we sent.

        Where nothing more can come but its close_notify, there is nothing to lose: TLS 1.3 lets each side close its own
        direction (RFC 8446 section 6.1), and waiting would cost the end of every command a round trip.
        """
        set_timeouts(self._sock, _CLOSE_TIMEOUT_S)
        until = time.monotonic() + _CLOSE_TIMEOUT_S
        scrap = bytearray(_TLS_RECORD)
        try:
            done = self._tls.shutdown() or not self._more_may_come
            self._sock.shutdown(socket.SHUT_WR)
            while not done and time.monotonic() < until:
                self._tls.recv_into(scrap)
        except SSL.ZeroReturnError:
            pass
        except (SSL.Error, OSError) as error:
            _log.debug("%s: no orderly end: %s", self.address, explain(error))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
