"""A man in the middle: ends TLS with a certificate of its own, opens another to the real server, reads all."""

from __future__ import annotations

import select
import socket
import ssl
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType


class TlsRelay:
    """Listens on 127.0.0.1; relays each connection to `address`, and keeps the plaintext of both directions."""

    def __init__(self, address: str, certificate: Path, key: Path) -> None:
        host, port = address.rsplit(":", 1)
        self._target = (host, int(port))
        self._inward = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._inward.load_cert_chain(certificate, key)
        self._outward = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._outward.check_hostname = False
        self._outward.verify_mode = ssl.CERT_NONE
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept, name="relay")]
        self._open: list[socket.socket] = []
        self.seen = bytearray()

    @property
    def address(self) -> str:
        """Where clients are lured to."""
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> TlsRelay:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            _cut(connection)
        for thread in self._threads:
            thread.join(10)
        for connection in self._open:
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                raw, _ = self._listener.accept()
            except OSError:
                return
            try:
                client = self._inward.wrap_socket(raw, server_side=True)
                server = self._outward.wrap_socket(socket.create_connection(self._target))
            except OSError:  # the client went away when it saw the certificate
                raw.close()
                continue
            self._open += [client, server]
            thread = threading.Thread(target=self._pump, args=(client, server), name="relay pump")
            self._threads.append(thread)
            thread.start()

    def _pump(self, client: ssl.SSLSocket, server: ssl.SSLSocket) -> None:
        """Both directions by one thread: OpenSSL lets no two use a connection at a time."""
        peer = {client: server, server: client}
        with suppress(OSError, ValueError):
            while self._pass_on(peer):
                pass
        for connection in peer:
            _cut(connection)

    def _pass_on(self, peer: dict[ssl.SSLSocket, ssl.SSLSocket]) -> bool:
        """Wait for data, and pass it on; False once one of them has ended."""
        for source in [one for one in peer if one.pending()] or select.select([*peer], [], [])[0]:
            data = _received(source)
            if data == b"":
                return False
            if data:
                self.seen += data
                peer[source].sendall(data)
        return True


def _received(source: ssl.SSLSocket) -> bytes | None:
    """Bytes that have come, b"" at the end; None if they were nothing for us, as a session ticket is."""
    source.setblocking(False)
    try:
        return source.recv(65_536)
    except ssl.SSLWantReadError:
        return None
    finally:
        source.setblocking(True)


def _cut(connection: socket.socket) -> None:
    """Below TLS: SSLSocket's own shutdown would make the other thread read what is still encrypted."""
    with suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
