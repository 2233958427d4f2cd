"""A TCP relay to the server that can be told to cut: after so many bytes, at once, or to let nobody through; or to say
nothing more, as a network does that loses everything.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType

from sfos.client.address import Address

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER with no wait: closing sends RST instead of FIN


class CuttingRelay:
    """Relays 127.0.0.1 to `target` without understanding a byte."""

    def __init__(self, target: Address) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = Address("127.0.0.1", self._listener.getsockname()[1])
        self._lock = threading.Lock()
        self._pairs: dict[tuple[socket.socket, socket.socket], int] = {}  # with how many pumps that have not ended
        self._to_reset: set[tuple[socket.socket, socket.socket]] = set()
        self._threads: list[threading.Thread] = []
        self._left: dict[str, int | None] = {"up": None, "down": None}
        self.refusing = False
        self.reset = False
        self.passed = {"up": 0, "down": 0}
        self.allow: Callable[[str, int], int] = self.count  # a test may put another in its place, which calls `count`
        self.cuts = 0
        self.accepted = 0
        self.speaking = threading.Event()  # cleared: what comes is held back, on old connections and new ones
        self.speaking.set()

    def cut_after(self, *, up: int | None = None, down: int | None = None) -> None:
        """Cut the connection on which, from now on, so many bytes have passed on all connections; once."""
        with self._lock:
            self._left = {"up": up, "down": down}

    @property
    def open_connections(self) -> int:
        """Number of connections through which something may still pass."""
        with self._lock:
            return len(self._pairs)

    @contextmanager
    def drained(self) -> Iterator[None]:
        """Wait at the end until nothing can pass any more over connections that were accepted meanwhile."""
        before = len(self._threads)
        yield
        for pump in self._threads[before:]:
            pump.join(30)

    def cut_all(self) -> None:
        """Cut what is open."""
        with self._lock:
            pairs = tuple(self._pairs)
        for pair in pairs:
            self._cut(pair)

    def _cut(self, pair: tuple[socket.socket, socket.socket]) -> None:
        """By RST nothing may be sent before: both pumps are only woken, and the sockets reset when they are closed."""
        if self.reset:
            self._to_reset.add(pair)
        for sock in pair:
            with suppress(OSError):
                if self.reset:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                sock.shutdown(socket.SHUT_RD if self.reset else socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                inward, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            if self.refusing:
                inward.close()
                continue
            try:
                outward = socket.create_connection((self._target.host, self._target.port))
            except OSError:
                inward.close()
                continue
            pair = (inward, outward)
            pumps = [
                threading.Thread(target=self._pump, args=(inward, outward, "up", pair), name="relay-up"),
                threading.Thread(target=self._pump, args=(outward, inward, "down", pair), name="relay-down"),
            ]
            with self._lock:
                self._pairs[pair] = len(pumps)
                self._threads += pumps
            for pump in pumps:
                pump.start()

    def _pump(
        self, source: socket.socket, sink: socket.socket, way: str, pair: tuple[socket.socket, socket.socket]
    ) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self.speaking.wait()
                allowed = self.allow(way, len(data))
                sink.sendall(data[:allowed])
                if allowed < len(data):
                    self._cut(pair)
                    break
        if pair not in self._to_reset:
            with suppress(OSError):
                sink.shutdown(socket.SHUT_WR)
        with self._lock:
            self._pairs[pair] -= 1
            done = not self._pairs[pair]
            if done:
                del self._pairs[pair]
        if done:
            for sock in pair:
                sock.close()
            self._to_reset.discard(pair)

    def count(self, way: str, count: int) -> int:
        """Count bytes that came this `way`; how many of them may go on."""
        with self._lock:
            self.passed[way] += count
            left = self._left[way]
            if left is None:
                return count
            if count <= left:
                self._left[way] = left - count
                return count
            self._left = {"up": None, "down": None}
            self.cuts += 1
            return left

    def __enter__(self) -> CuttingRelay:
        self._acceptor = threading.Thread(target=self._accept, name="relay-accept")
        self._acceptor.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join(10)
        self.speaking.set()
        self.reset = False  # so that a pump that cannot send is woken too
        self.cut_all()
        for thread in self._threads:
            thread.join(10)
