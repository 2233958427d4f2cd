"""One TLS connection seen as frames, owned by one thread.

Only `cut` and `interrupt` may be called by another thread, and they touch the socket alone: a pyOpenSSL Connection used
from two threads corrupts the stream.

Nothing here trusts a timeout of the socket: a peer that drips a byte at a time holds SSL_read or SSL_do_handshake far
past SO_RCVTIMEO. Instead the owner writes down until when its next step must have moved (`deadline`), and the watchdog
(server.front.watchdog) shuts the socket of whoever is late, which ends every blocked call.

SO_RCVTIMEO has another use: a read that found nothing for a moment returns, and the owner then waits in poll(), where
a bell (a watch, a stop) can wake it and where an idle connection holds no buffer. A busy connection never pays for it.

    StreamEnded
     ├─ PeerClosed       the peer said close_notify between two frames
     ├─ PeerLost         the connection broke, ended without close_notify or within a frame, or was cut
     └─ Interrupted      somebody here wants this connection to end
"""

from __future__ import annotations

import contextlib
import math
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from OpenSSL import SSL

from sfos.protocol import (
    MAX_HEADER_BEFORE_LOGIN,
    Buffer,
    Frame,
    FrameDecoder,
    encode_prefix,
    exporter_of,
)
from sfos.server.net.bell import Bell
from sfos.server.net.memory_budget import Lease
from sfos.server.net.request_bodies import RequestBodies

# A TLS record holds at most this much, and pyOpenSSL allocates whatever is asked of recv.
_RECORD_BYTES = 16 * 1024
# What is read of a long body before its progress is written down for the watchdog, or what comes within _LOOK_S.
_READ_BYTES = 256 * 1024
_LOOK_S = 0.05
# What is written in one call, and so how coarsely the watchdog sees the progress of a slow reader. More for who took
# the last _BRISK_BYTES at once, which is more than the buffers between us hold: calls cost (2 % of a large download).
_WRITE_BYTES = 64 * 1024
_BRISK_WRITE_BYTES = 256 * 1024
_BRISK_BYTES = 8 * 1024 * 1024
_POLL_AFTER_S = 0.05
_INTERRUPTED_S = 3.0  # who was interrupted and is still there after this is cut
_LINGER_BYTES = 64 * 1024 * 1024  # what a peer may still have under way when the connection is closed on it

_TIMEVAL = struct.Struct("@ll")
_RECEIVED = struct.Struct("@128xQ")  # tcpi_bytes_received of struct tcp_info (Linux)


class StreamEnded(Exception):
    """The connection is over."""


class PeerClosed(StreamEnded):
    """closed by the peer"""


class PeerLost(StreamEnded):
    """the connection broke"""


class Interrupted(StreamEnded):
    """ended by this server"""


@dataclass(frozen=True, slots=True)
class Pace:
    """Pace that a peer must keep: no progress for `stall_s`, or less than `min_rate_bytes_s` over a frame, is too
    slow."""

    stall_s: float
    min_rate_bytes_s: int

    def read_deadline(self, now: float, begun: float, count: int) -> float:
        """Until when a frame that began at `begun`, `count` bytes of which have come, must have gone on."""
        if not self.min_rate_bytes_s:
            return now + self.stall_s
        return min(now + self.stall_s, begun + self.stall_s + count / self.min_rate_bytes_s)

    def write_deadline(self, now: float, count: int) -> float:
        """Until when `count` bytes must have been taken by the kernel."""
        rate = count / self.min_rate_bytes_s if self.min_rate_bytes_s else 0.0
        return now + max(self.stall_s, rate)


class TlsStream:
    """Frames over TLS on an accepted socket, which it owns from now on. Blocking."""

    def __init__(self, sock: socket.socket, context: SSL.Context, pace: Pace, stop: Bell) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TIMEVAL.pack(0, int(_POLL_AFTER_S * 1e6)))
        self._socket = sock
        self._tls = SSL.Connection(context, sock)
        self._tls.set_accept_state()
        self._pace = pace
        self._stop = stop
        self._decoder = FrameDecoder(MAX_HEADER_BEFORE_LOGIN, 0, self._allocate)
        self._rest = memoryview(b"")
        self._frame_begun = 0.0
        self._frame_bytes = 0
        self._take: Callable[[int], Lease] | None = None
        self._bodies = RequestBodies(keep=0)
        self._leases: list[Lease] = []
        self._lent: list[bytearray] = []
        self._brisk_bytes = 0
        self._broken = False
        self._guard = threading.Lock()  # so that no shutdown falls on a descriptor that is closed, and then another's
        self._open = True
        self._cut_reason: str | None = None
        self._polling = False
        self._gone_by = math.inf
        self.resting_deadline = math.inf
        """Monotonic time at which an idle peer is cut off: before login, when it must have signed in."""
        self._step_deadline = math.inf
        self.bytes_in = 0
        self.bytes_out = 0

    # What the owner does

    def expect_by(self, deadline: float) -> None:
        """The next step is to be done by then."""
        self._step_deadline = deadline

    def handshake(self) -> None:
        """Call `expect_by` before. Raises: PeerLost, Interrupted."""
        while True:
            try:
                self._tls.do_handshake()
                break
            except SSL.WantReadError:
                self._wait()
            except (SSL.Error, OSError) as error:
                raise self._lost(error, "handshake") from error
        self._step_deadline = math.inf

    def exporter(self) -> bytes:
        """Secret that both ends of this TLS session know and nobody else (RFC 9266)."""
        return exporter_of(self._tls.export_keying_material)

    def raise_limits(self, max_header: int, max_body: int, take: Callable[[int], Lease], bodies: RequestBodies) -> None:
        """From the next frame on: longer ones, whose bodies' memory comes from `bodies` and is charged to `take`."""
        self._decoder.set_limits(max_header, max_body)
        self._take = take
        self._bodies = bodies

    def read_frame(self) -> Frame:
        """The next frame; its body's memory is leased until `release`.

        Raises: PeerClosed, PeerLost, Interrupted; FrameTooLong, MalformedMessage, ServerBusy, after which the position
        in the stream is lost and the connection must be closed.
        """
        self._step_deadline = self.resting_deadline
        decoder = self._decoder
        while True:
            while self._rest:
                target = decoder.buffer()
                count = min(len(target), len(self._rest))
                target[:count] = self._rest[:count]
                self._rest = self._rest[count:]
                if (frame := self._received(count)) is not None:
                    return frame
            target = decoder.buffer()
            try:
                if len(target) >= _RECORD_BYTES:
                    count = self._read_records(target)
                    self.bytes_in += count
                    if (frame := self._received(count)) is not None:
                        return frame
                else:
                    data = self._tls.recv(_RECORD_BYTES)
                    self.bytes_in += len(data)
                    self._rest = memoryview(data)
            except SSL.WantReadError:
                self._wait()
            except SSL.ZeroReturnError:
                if decoder.mid_frame:
                    raise PeerLost("closed within a message") from None
                raise PeerClosed from None
            except (SSL.Error, OSError) as error:
                raise self._lost(error, "read") from error

    def _read_records(self, target: memoryview) -> int:
        """Records of a long body, straight to their place: how many bytes, at most _READ_BYTES. Raises: as recv_into.

        To write down the progress of each took a fortieth of an upload's cycles (measured).
        """
        receive, most = self._tls.recv_into, min(len(target), _READ_BYTES)
        until = time.monotonic() + _LOOK_S
        filled = receive(target, _RECORD_BYTES)
        while filled < most and time.monotonic() < until:
            try:
                filled += receive(target[filled:most], _RECORD_BYTES)
            except SSL.WantReadError:
                break  # first what has come is written down; then it is waited for the rest
        return filled

    def _received(self, count: int) -> Frame | None:
        frame = self._decoder.received(count)
        if frame is not None:
            self._frame_bytes = 0
            self._step_deadline = math.inf
            return frame
        now = time.monotonic()
        if not self._frame_bytes:
            self._frame_begun = now
        self._frame_bytes += count
        self._step_deadline = min(
            self.resting_deadline, self._pace.read_deadline(now, self._frame_begun, self._frame_bytes)
        )
        return None

    def _allocate(self, size_bytes: int) -> bytearray | memoryview:
        if self._take is None:
            return bytearray(size_bytes)
        self._step_deadline = math.inf  # while it is we who keep the peer waiting
        waited_from = time.monotonic()
        self._leases.append(self._take(self._bodies.held_bytes(size_bytes)))
        self._frame_begun += time.monotonic() - waited_from
        memory = self._bodies.take(size_bytes)
        self._lent.append(memory)
        return memoryview(memory)[:size_bytes]

    def release(self) -> None:
        """The last frame and what answered it are no longer needed."""
        while self._lent:
            self._bodies.give_back(self._lent.pop())
        while self._leases:
            self._leases.pop().release()

    def send(self, header: bytes, body: Sequence[Buffer] = ()) -> None:
        """Send a frame whose body is the parts one after the other. Raises: PeerLost."""
        size = sum(map(len, body))
        front = encode_prefix(header, size)
        try:
            if len(front) + size <= _RECORD_BYTES:
                self._write(b"".join((front, *body)))
            else:
                self._write(front)
                for part in body:
                    self._write(part)
        except (SSL.Error, OSError) as error:
            raise self._lost(error, "write") from error
        finally:
            self._step_deadline = math.inf

    def send_if_free(self, header: bytes) -> None:
        """Send a short frame without a body, or leave it if that might block: between a request and its reply.

        A connection that is lost is for the next step to find.
        """
        poll = select.poll()
        poll.register(self._socket, select.POLLOUT)
        if {event for _, event in poll.poll(0)} != {select.POLLOUT}:
            return
        with contextlib.suppress(StreamEnded):
            self.send(header)

    def _write(self, data: Buffer) -> None:
        view = memoryview(data)
        while view:
            piece = view[: _WRITE_BYTES if self._brisk_bytes < _BRISK_BYTES else _BRISK_WRITE_BYTES]
            begun = time.monotonic()
            self._step_deadline = self._pace.write_deadline(begun, len(piece))
            self._tls.sendall(piece)
            self._brisk_bytes = self._brisk_bytes + len(piece) if time.monotonic() - begun < _LOOK_S else 0
            self.bytes_out += len(piece)
            view = view[len(piece) :]

    def wait(self, bell: Bell, timeout_s: float) -> None:
        """Return when `bell` rings or after `timeout_s`. For a peer that has nothing more to say.

        Raises: PeerClosed, PeerLost, Interrupted; also when the peer sends something.
        """
        poll = select.poll()
        poll.register(bell, select.POLLIN)
        poll.register(self._socket, select.POLLIN)
        poll.register(self._stop, select.POLLIN)
        self._step_deadline = math.inf
        ready = self._poll(poll, max(timeout_s, 0.0) * 1000)
        if self._socket.fileno() in ready or self._tls.pending():
            self._expect_end()

    def _expect_end(self) -> None:
        try:
            self._tls.recv(1)
        except SSL.WantReadError:
            return  # a message of TLS itself
        except SSL.ZeroReturnError:
            raise PeerClosed from None
        except (SSL.Error, OSError) as error:
            raise self._lost(error, "read") from error
        raise PeerLost("sent something where only this server speaks")

    def _wait(self) -> None:
        """Until the socket is readable. Raises: Interrupted."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        poll.register(self._stop, select.POLLIN)
        self._poll(poll, None)

    def _poll(self, poll: select.poll, timeout_ms: float | None) -> set[int]:
        """The descriptors that are ready. Raises: Interrupted."""
        with self._guard:
            self._polling = self._cut_reason is None
        ready = {fd for fd, _ in poll.poll(timeout_ms)} if self._polling else set()
        with self._guard:
            self._polling = False
        if self._stop.fileno() in ready or self._cut_reason is not None:
            raise Interrupted(self._cut_reason or "server is stopping")
        return ready

    def _lost(self, error: Exception, during: str) -> StreamEnded:
        self._broken = True
        if self._cut_reason is not None:
            return Interrupted(self._cut_reason)
        if isinstance(error, SSL.SysCallError | OSError):
            detail = str(error.args[-1]) if error.args else type(error).__name__
        elif error.args and error.args[0]:
            detail = str(error.args[0][0][-1])
        else:
            detail = type(error).__name__
        return PeerLost(f"{during}: {detail}")

    def close(self, linger_s: float = 2.0) -> None:
        """Say close_notify, hear the peer's, close the socket. Blocks for at most `linger_s` and a little.

        Closing with bytes of the peer unread makes the kernel reset the connection, and the reply just sent is lost:
        so what still comes is read and thrown away.
        """
        self._step_deadline = until = time.monotonic() + linger_s
        try:
            if not self._broken and not self._tls.shutdown():
                self._drain(until)
        except (SSL.Error, OSError):
            pass  # the peer has gone first
        with self._guard:
            self._open = False
            self._socket.close()
        self.release()
        del self._decoder  # which knows this stream: the two would wait for a collection, with all that TLS holds

    def _drain(self, until: float) -> None:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        left = _LINGER_BYTES
        while left > 0 and (now := time.monotonic()) < until:
            try:
                left -= len(self._tls.recv(_RECORD_BYTES))
            except SSL.WantReadError:
                poll.poll((until - now) * 1000)

    def peer_is_gone(self) -> bool:
        """Whether the peer has closed its side, or the connection is broken. Reads nothing, and does not wait."""
        poll = select.poll()
        poll.register(self._socket, select.POLLRDHUP)  # what else it may say (POLLHUP, POLLERR) it says unasked
        return bool(poll.poll(0))

    # What other threads may do

    @property
    def deadline(self) -> float:
        """Monotonic time by which it must have moved; whoever is later is to be cut."""
        return min(self._step_deadline, self._gone_by)

    @property
    def heard(self) -> bool:
        """Whether the peer has sent a byte, be it one that nobody has read yet."""
        with self._guard:
            if not self._open:
                return False
            info = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _RECEIVED.size)
        return len(info) < _RECEIVED.size or _RECEIVED.unpack(info)[0] > 0  # a kernel before 4.1 does not count

    def cut(self, reason: str) -> None:
        """End it now: every call that blocks on it returns."""
        with self._guard:
            self._shut(reason, socket.SHUT_RDWR)

    def interrupt(self, reason: str) -> None:
        """End it as soon as its owner waits for the peer; what is being written is still written.

        An owner in poll() is woken, and can still say why. One in SSL_read looks up by itself after a moment: for
        OpenSSL an end there would be an attack, after which nothing can be said any more.
        """
        with self._guard:
            self._gone_by = time.monotonic() + _INTERRUPTED_S
            if self._polling:
                self._shut(reason, socket.SHUT_RD)
            self._cut_reason = self._cut_reason or reason

    def _shut(self, reason: str, how: int) -> None:
        if self._open:
            self._cut_reason = self._cut_reason or reason
            with contextlib.suppress(OSError):  # the peer has closed it already
                self._socket.shutdown(how)
