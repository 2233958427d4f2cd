"""Sockets below TLS: reaching a server, timeouts, and what errors mean to people."""

from __future__ import annotations

import logging
import socket
import struct
import sys

from sfos.client.address import Address
from sfos.client.errors import ServerUnreachable
from sfos.client.net.tls import SSL

_log = logging.getLogger(__name__)


def connect(address: Address, timeout_s: float) -> socket.socket:
    """A blocking TCP connection. Raises: ServerUnreachable, with what to do."""
    try:
        # A text goes through Python's IDNA, which takes longer to load than the rest takes; ASCII has no need of it.
        host = address.host.encode() if address.host.isascii() else address.host
        sock = socket.create_connection((host, address.port), timeout=timeout_s)  # type: ignore[arg-type]
    except socket.gaierror as error:
        raise ServerUnreachable(
            "No computer of this name is known; check the address.", subject=str(address)
        ) from error
    except TimeoutError as error:
        raise ServerUnreachable(
            f"The server does not answer within {timeout_s:g} s; check the address and the network.",
            subject=str(address),
        ) from error
    except ConnectionRefusedError as error:
        raise ServerUnreachable(
            "Nothing answers at this address; check that the server runs, and its port.", subject=str(address)
        ) from error
    except (OSError, UnicodeError) as error:
        raise ServerUnreachable(f"The server cannot be reached ({explain(error)}).", subject=str(address)) from error
    sock.settimeout(None)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    set_timeouts(sock, timeout_s)
    return sock


def set_timeouts(sock: socket.socket, timeout_s: float) -> None:
    """Limit how long a single read or write may block from now on; the socket stays a blocking one."""
    if sys.platform == "win32":
        packed = struct.pack("=L", max(1, int(timeout_s * 1000)))  # a DWORD of milliseconds
    else:
        packed = struct.pack("@ll", int(timeout_s), max(1, int(timeout_s % 1 * 1_000_000)))  # a timeval
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, packed)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, packed)


def shut(sock: socket.socket) -> None:
    """End whatever reads or writes on it, from any thread."""
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError as error:  # not connected any more: what was wanted
        _log.debug("shutdown: %s", error)


def is_ip(host: str) -> bool:
    """Whether it is an address and not a name."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.inet_pton(family, host.partition("%")[0])
    except (OSError, ValueError):
        return False
    return True


def explain(error: Exception) -> str:
    """Meaning of an error of pyOpenSSL, in words; its own texts are tuples or empty."""
    if isinstance(error, SSL.ZeroReturnError):
        return "the server closed it"
    if isinstance(error, (SSL.WantReadError, SSL.WantWriteError)):
        return "no answer in time"
    if isinstance(error, SSL.SysCallError):
        return str(error.args[1]) if len(error.args) > 1 else "it broke off"
    if isinstance(error, SSL.Error):
        reasons = [str(entry[-1]) for entry in error.args[0]] if error.args and isinstance(error.args[0], list) else []
        return "; ".join(reasons) or "TLS error"
    return str(getattr(error, "strerror", None) or error)
