"""A TCP link that delays what passes, both ways, without limiting how much passes; and counts it.

What comes in at time t goes out at t + delay, however much is under way: each direction holds up to a delay's worth
of data (256 MiB at the most, which at 50 ms is 5 GB/s). A connection also costs what TCP's own handshake costs on such
a link: nothing passes before SYN and SYN-ACK would have, and the server sees the connection when the ACK would arrive.
"""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from contextlib import suppress
from types import TracebackType

_PIECE_BYTES = 256 * 1024
_UNDER_WAY_BYTES = 256 * 1024 * 1024


class _Pipe:
    """Pieces under way in one direction, each with the time at which it arrives. An empty piece ends it."""

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self._pieces: deque[tuple[float, bytes]] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._broken = False

    def put(self, piece: bytes, not_before: float) -> bool:
        """Send a piece on its way; blocks while too much is under way. Whether anybody still waits for it."""
        due = max(time.monotonic(), not_before) + self._delay_s
        with self._changed:
            self._changed.wait_for(lambda: self._broken or self._bytes < _UNDER_WAY_BYTES)
            self._pieces.append((due, piece))
            self._bytes += len(piece)
            self._changed.notify_all()
            return not self._broken

    def take(self) -> bytes:
        """The next piece, when it arrives."""
        with self._changed:
            self._changed.wait_for(lambda: self._broken or self._pieces)
            if self._broken:
                return b""
            due, piece = self._pieces.popleft()
            self._bytes -= len(piece)
            self._changed.notify_all()
        if (wait := due - time.monotonic()) > 0:
            time.sleep(wait)
        return piece

    def break_off(self) -> None:
        """Nobody waits any more."""
        with self._changed:
            self._broken = True
            self._changed.notify_all()


class Relay:
    """Relays a port of its own on 127.0.0.1 to `port`; use it by `with`. `up` and `down` count bytes."""

    def __init__(self, port: int, delay_s: float = 0.0) -> None:
        self._target = port
        self._delay_s = delay_s
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._passed = [0, 0]
        self._ending = False

    @property
    def passed_bytes(self) -> tuple[int, int]:
        """Bytes that came from clients, and bytes that came from the server."""
        with self._lock:
            return self._passed[0], self._passed[1]

    def _start(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, name="relay", daemon=True)  # type: ignore[arg-type]
        with self._lock:
            self._threads = [known for known in self._threads if known.is_alive()]
            self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                inward, _ = self._listener.accept()
            except OSError:
                return
            self._start(self._connect, inward, time.monotonic())

    def _connect(self, inward: socket.socket, begun: float) -> None:
        """Both directions of one connection: three threads besides this one."""
        up, down = _Pipe(self._delay_s), _Pipe(self._delay_s)
        # The client may speak one round trip after its SYN; the server hears of it half a round trip later.
        self._keep(inward)
        self._start(self._read, inward, up, 0, begun + 2 * self._delay_s)
        time.sleep(max(0.0, begun + 3 * self._delay_s - time.monotonic()))
        try:
            outward = socket.create_connection(("127.0.0.1", self._target))
        except OSError:
            up.break_off()
            self._drop(inward)
            return
        self._keep(outward)
        self._start(self._read, outward, down, 1, 0.0)
        back = threading.Thread(target=self._write, args=(inward, down), name="relay", daemon=True)
        back.start()
        self._write(outward, up)
        back.join()
        self._drop(inward)
        self._drop(outward)

    def _read(self, source: socket.socket, pipe: _Pipe, way: int, not_before: float) -> None:
        with suppress(OSError):
            while piece := source.recv(_PIECE_BYTES):
                with self._lock:
                    self._passed[way] += len(piece)
                if not pipe.put(piece, not_before):
                    return
        pipe.put(b"", not_before)

    def _write(self, sink: socket.socket, pipe: _Pipe) -> None:
        try:
            while piece := pipe.take():
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pipe.break_off()

    def _keep(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._sockets.add(sock)
            ending = self._ending
        if ending:
            self._drop(sock)

    def _drop(self, sock: socket.socket) -> None:
        with self._lock:
            self._sockets.discard(sock)
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        sock.close()

    def __enter__(self) -> Relay:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._ending = True
            threads = list(self._threads)
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            sockets = list(self._sockets)
        for sock in sockets:
            self._drop(sock)
        for thread in threads:
            thread.join(2 + 4 * self._delay_s)
