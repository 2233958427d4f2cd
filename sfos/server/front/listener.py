"""Accepts connections, gives each its thread, and stops them all in the end.

Nothing that a peer can make slow happens on the accepting thread: the handshake is the connection's own affair.
"""

from __future__ import annotations

import errno
import ipaddress
import itertools
import logging
import os
import select
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from OpenSSL import SSL

from sfos.server.audit.log import AuditLog
from sfos.server.front.connection import Connection, ServerSurroundings
from sfos.server.front.gate import Gate, Refused, Slot
from sfos.server.identity.penalties import address_group
from sfos.server.net.bell import Bell
from sfos.server.net.stream import Pace, TlsStream
from sfos.startup.programs import launched

_log = logging.getLogger(__name__)

_NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_PAUSE_S = 0.1  # after the system had no descriptor or memory for us: enough for a connection to end
_AFTER_CUT_S = 2.0  # a thread whose socket is shut needs no longer, unless it waits for the disk
_LOOK_S = 0.1  # how late a second signal may be noticed while stopping
_REFUSALS_LOGGED_S = 5.0  # one line for all refusals of this time: a flood must not fill the log


class CannotListen(Exception):
    """The server cannot listen."""


class PortTaken(CannotListen):
    """Somebody else listens there."""


def open_sockets(host: str, port: int, backlog: int | None) -> list[socket.socket]:
    """Listening sockets on every address of `host`, all on one port; with no backlog they do not listen yet.

    Raises: CannotListen, in one clear line.
    """
    addresses = list(dict.fromkeys(_resolved(host, port)))
    sockets: list[socket.socket] = []
    try:
        for family, address in addresses:
            taken = sockets[0].getsockname()[1] if sockets else port
            sockets.append(_bound_to(family, (address[0], taken, *address[2:]), backlog))
    except OSError as error:
        for opened in sockets:
            opened.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(
                f"port {port} is in use; stop what uses it, or choose another"
                f" (SFOS_SERVER_PORT={port + 1} {launched('server')}, or --port {port + 1})"
            ) from error
        if error.errno == errno.EACCES:
            line = f"port {port} needs rights that this user lacks; choose one above 1023: --port 8443"
        elif error.errno == errno.EADDRNOTAVAIL:
            line = f"{host} is no address of this machine; choose one of its own: --host 127.0.0.1"
        else:
            line = f"cannot listen on {host}:{port}: {error.strerror or error}"
        raise CannotListen(line) from error
    return sockets


def _resolved(host: str, port: int) -> list[tuple[int, tuple[Any, ...]]]:
    """Family and socket address of all that `host` means. Raises: CannotListen."""
    if not host.strip():
        raise CannotListen(
            "server.host is empty; say which address to listen on: 127.0.0.1 for this machine alone, 0.0.0.0 for all"
        )
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:  # the latter for a label that is too long
        raise CannotListen(
            f"server.host = {host!r} is neither an address nor a name that this machine knows; choose an address of its"
            f" own: --host 127.0.0.1 ({getattr(error, 'strerror', None) or error})"
        ) from error
    return [(family, address) for family, _, _, _, address in found]


def _bound_to(family: int, address: tuple[str | int, ...], backlog: int | None) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        if backlog is not None:
            sock.listen(backlog)
        sock.setblocking(False)  # a peer may be gone between poll() and accept()
    except BaseException:
        sock.close()
        raise
    return sock


def is_loopback(host: str) -> bool:
    """Whether nobody outside this machine can reach `host`. Raises: CannotListen, if it is nothing at all."""
    return all(ipaddress.ip_address(str(at[0]).split("%", 1)[0]).is_loopback for _, at in _resolved(host, 0))


def joined(host: str, port: int) -> str:
    """HOST:PORT, as people and URLs write it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Listener:
    """The listening sockets, the accepting thread, and all connections. `start` once, `stop` once."""

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        context: Callable[[], SSL.Context],
        gate: Gate,
        pace: Pace,
        around: ServerSurroundings,
        audit: AuditLog,
        socket_buffer_bytes: int = 0,
    ) -> None:
        """Owns `sockets` from now on. `context()`: the one for a connection that begins now."""
        self._sockets = list(sockets)
        host, port = self._sockets[0].getsockname()[:2]
        self.address: tuple[str, int] = (host, port)
        """First address that it listens on."""
        self._context = context
        self._gate = gate
        self._pace = pace
        self._around = around
        self._audit = audit
        self._socket_buffer_bytes = socket_buffer_bytes
        self._stop_accepting = Bell()
        self._thread = threading.Thread(target=self._accept_all, name="accept")
        self._lock = threading.Lock()
        self._connections: dict[Connection, threading.Thread] = {}
        self._gone = threading.Condition(self._lock)
        self._numbers = itertools.count(1)
        self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self._refused = self._displaced = 0  # as logged
        self._refusals_logged = self._displaced_logged = self._turned_away_logged = -_REFUSALS_LOGGED_S

    def connections(self) -> tuple[Connection, ...]:
        """All that are open now."""
        with self._lock:
            return tuple(self._connections)

    def start(self) -> None:
        self._thread.start()

    # Accepting

    def _accept_all(self) -> None:
        poll = select.poll()
        poll.register(self._stop_accepting, select.POLLIN)
        by_fd = {sock.fileno(): sock for sock in self._sockets}
        for fd in by_fd:
            poll.register(fd, select.POLLIN)
        while True:
            for fd, _ in poll.poll():
                if fd not in by_fd:
                    return
                try:
                    self._accept_one(by_fd[fd])
                except Exception:  # nothing may end this thread but the server's stop
                    _log.exception("a connection could not be accepted")

    def _accept_one(self, listening: socket.socket) -> None:
        try:
            sock, peer = listening.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # gone before we looked
        except OSError as error:
            if error.errno not in _NO_DESCRIPTORS:
                raise
            self._turn_away(listening, error)
            return
        sock.setblocking(True)
        address, group = str(peer[0]), address_group(str(peer[0]))
        try:
            slot = self._gate.enter(group)
        except Refused as refused:
            sock.close()
            self._note_refusal(address, group, str(refused))
            return
        self._note_displaced()
        try:
            self._begin(sock, joined(address, peer[1]), group, slot)
        except BaseException:
            sock.close()
            slot.leave()
            raise

    def _begin(self, sock: socket.socket, address: str, group: str, slot: Slot) -> None:
        if self._socket_buffer_bytes:
            for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                sock.setsockopt(socket.SOL_SOCKET, option, self._socket_buffer_bytes)
        stream = TlsStream(sock, self._context(), self._pace, self._around.stop)
        number = next(self._numbers)
        connection = Connection(number, stream, address, group, slot, self._around, self._ended)
        slot.occupant = connection
        if slot.gave_way:  # meanwhile
            connection.give_way()
        thread = threading.Thread(target=connection.run, name=f"connection-{number}")
        with self._lock:
            self._connections[connection] = thread
        try:
            thread.start()
        except BaseException:
            with self._lock:
                del self._connections[connection]
            raise

    def _turn_away(self, listening: socket.socket, error: OSError) -> None:
        """Turn a newcomer away with the spare descriptor, since none is left: else it waits, and poll() spins."""
        now = time.monotonic()
        if now - self._turned_away_logged >= _REFUSALS_LOGGED_S:
            self._turned_away_logged = now
            _log.warning("connections are turned away: %s", error.strerror)
        if self._spare >= 0:
            os.close(self._spare)
        try:
            listening.accept()[0].close()
        except OSError:
            self._pause()
        try:
            self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._spare = -1

    def _pause(self) -> None:
        poll = select.poll()
        poll.register(self._stop_accepting, select.POLLIN)
        poll.poll(_PAUSE_S * 1000)

    def _note_refusal(self, address: str, group: str, reason: str) -> None:
        self._audit.write_of_stranger("connection_refused", group, address=address, reason=f"too many {reason}")
        now = time.monotonic()
        if now - self._refusals_logged >= _REFUSALS_LOGGED_S:
            self._refusals_logged = now
            refused, before = self._gate.refused, self._refused
            self._refused = refused
            _log.warning("%d connection(s) refused, the last from %s: too many %s", refused - before, address, reason)

    def _note_displaced(self) -> None:
        displaced, now = self._gate.displaced, time.monotonic()
        if displaced != self._displaced and now - self._displaced_logged >= _REFUSALS_LOGGED_S:
            self._displaced_logged = now
            before, self._displaced = self._displaced, displaced
            _log.warning("%d connection(s) gave way to others, which have fewer or are signing in", displaced - before)

    def _ended(self, connection: Connection) -> None:
        with self._gone:
            self._connections.pop(connection, None)
            self._gone.notify_all()

    # Stopping

    def stop(self, grace_s: float, hurry: threading.Event) -> tuple[int, int]:
        """Take no more connections, let running commands finish, end the rest.

        Returns how many had to be cut, and for how many of them a command runs on all the same: those may still write.
        Idle connections end at once, with close_notify; those at work have `grace_s`, or until `hurry` is set. The
        caller has rung `around.stop` already. Blocks.
        """
        self._stop_accepting.ring()
        if self._thread.ident is not None:
            self._thread.join()
        for sock in self._sockets:
            sock.close()
        self._stop_accepting.close()
        if self._spare >= 0:
            os.close(self._spare)
        with self._lock:
            threads = tuple(self._connections.values())
        self._wait_until_empty(grace_s, hurry)
        left = self.connections()
        for connection in left:
            connection.cut("server has stopped")
        self._wait_until_empty(_AFTER_CUT_S, threading.Event())
        for thread in threads:
            thread.join(0.1)
        return len(left), len(self.connections())

    def _wait_until_empty(self, timeout_s: float, hurry: threading.Event) -> None:
        until = time.monotonic() + timeout_s
        with self._gone:
            while self._connections and not hurry.is_set() and (left := until - time.monotonic()) > 0:
                self._gone.wait(min(left, _LOOK_S))
