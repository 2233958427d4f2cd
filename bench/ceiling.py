#!/usr/bin/env python3
"""The ceiling: how fast the primitives of the design are alone, in a row, over two connections.

    up     read → cut → hash → TLS → │ → TLS → check the hash → seal → write, fsync, rename, fsync the directory
    down   read → check and decrypt → TLS → │ → TLS → check the hash → write

There is no catalog, no session, no plan, no retry and no progress: each of two connections carries one half of a file,
and a thread at either end does one thing after the other. What the server and the command line take longer than this
is what everything else costs. On purpose it shares no code with them: it must not become slower when they do.

    python bench/ceiling.py [--size 1024] [--runs 3] [--dir DIR]      MB/s, whole processes from start to exit
    python bench/ceiling.py serve --store DIR                         the server's half; prints "ready PORT"
    python bench/ceiling.py up|down FILE --index INDEX --port PORT    the client's half; INDEX lists the chunks
"""

from __future__ import annotations

import argparse
import hmac
import os
import secrets
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from blake3 import blake3
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.x509.oid import NameOID
from OpenSSL import SSL
from pyfastcdc import FastCDC

CONNECTIONS = 2
KIB, MIB = 1024, 1024 * 1024
RECORD = struct.Struct(">32sI")  # a chunk's id and length
COUNT = struct.Struct(">BI")  # what is wanted, and of how many chunks
PUT, GET, END = 1, 2, 3
MOST = 4 * MIB
GROUP = 4 * MIB  # so much is made durable together, and acknowledged
WINDOW = 3  # groups without an acknowledgement
TLS_RECORD = 16 * KIB
SLICE = 256 * KIB
SYNC_THREADS = 4
# The keys protect nothing here; they only have to be of the right kind.
CHUNK_KEY, SIGNING_KEY, ENCRYPTION_KEY = b"c" * 32, b"s" * 16, b"e" * 16
ENABLE_PARTIAL_WRITE = 0x1  # OpenSSL's ssl.h

Chunk = tuple[bytes, int]


class Broken(Exception):
    """Something came that should not have."""


# --- TLS ------------------------------------------------------------------------------------------------------------


def make_context(*, server: bool) -> SSL.Context:
    """TLS 1.3, with a new key that nobody checks."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD if server else SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(SSL.TLS1_3_VERSION)
    context.set_options(SSL.OP_NO_TICKET)
    context.clear_mode(ENABLE_PARTIAL_WRITE)
    if server:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ceiling")])
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1))
        context.use_certificate(builder.sign(key, hashes.SHA256()))
        context.use_privatekey(key)
    return context


class Link:
    """One end of a TLS connection."""

    def __init__(self, context: SSL.Context, sock: socket.socket, *, server: bool) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock = sock
        self._tls = SSL.Connection(context, sock)
        (self._tls.set_accept_state if server else self._tls.set_connect_state)()
        self._tls.do_handshake()

    def send(self, data: bytes | memoryview) -> None:
        """All of it."""
        view = memoryview(data)
        for at in range(0, len(view), SLICE):
            self._tls.sendall(view[at : at + SLICE])

    def receive(self, view: memoryview) -> memoryview:
        """Fill `view`, record by record."""
        at = 0
        while at < len(view):
            at += self._tls.recv_into(view[at:], min(TLS_RECORD, len(view) - at))
        return view

    def receive_chunks(self, count: int) -> list[Chunk]:
        """Ids and lengths."""
        data = self.receive(memoryview(bytearray(count * RECORD.size)))
        chunks = list(RECORD.iter_unpack(data))
        if any(length > MOST for _, length in chunks):
            raise Broken("a chunk is too long")
        return chunks

    def close(self) -> None:
        """Both sides have heard all."""
        self._tls.shutdown()
        self._sock.close()


def name_of(data: memoryview) -> bytes:
    """A chunk's id."""
    return blake3(data, key=CHUNK_KEY).digest()


def check(data: memoryview, name: bytes) -> None:
    """Raises: Broken."""
    if name_of(data) != name:
        raise Broken("a chunk is not what its name says")


# --- the server -----------------------------------------------------------------------------------------------------


class Store:
    """Sealed chunks as files; one object for each connection, since its buffers are used again and again."""

    def __init__(self, directory: Path, syncing: ThreadPoolExecutor) -> None:
        self._directory = directory
        self._syncing = syncing
        self._sealed = memoryview(bytearray(MOST + 256))
        self._plain = memoryview(bytearray(MOST + 64))

    def put(self, link: Link, chunks: Sequence[Chunk]) -> None:
        """Take the data of these chunks from the link and make all of them durable."""
        folder = self._directory / secrets.token_hex(1)
        folder.mkdir(exist_ok=True)
        written: list[tuple[int, Path, Path, Future[None]]] = []
        for name, length in chunks:
            data = link.receive(self._plain[:length])
            check(data, name)
            half_written = folder / f"{name.hex()}.new"
            descriptor = os.open(half_written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            write(descriptor, self._seal(data))
            written.append((descriptor, half_written, folder / name.hex(), self._syncing.submit(os.fsync, descriptor)))
        for descriptor, half_written, path, synced in written:
            synced.result()
            os.close(descriptor)
            half_written.rename(path)
            # Where it is; what a catalog would know.
            Places[path.name] = path
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(descriptor)
        os.close(descriptor)

    def _seal(self, data: memoryview) -> memoryview:
        """A Fernet token in binary form."""
        start = os.urandom(16)
        struct.pack_into(">BQ16s", self._sealed, 0, 0x80, int(time.time()), start)
        encryptor = Cipher(AES(ENCRYPTION_KEY), CBC(start)).encryptor()
        whole = len(data) & ~15
        end = 25 + encryptor.update_into(data[:whole], self._sealed[25:])
        padding = 16 - (len(data) - whole)
        end += encryptor.update_into(bytes(data[whole:]) + bytes([padding]) * padding, self._sealed[end:])
        signer = hmac.new(SIGNING_KEY, digestmod="sha256")
        signer.update(self._sealed[:end])
        self._sealed[end : end + 32] = signer.digest()
        return self._sealed[: end + 32]

    def get(self, link: Link, chunks: Sequence[Chunk]) -> None:
        """Send the data of these chunks."""
        for name, length in chunks:
            descriptor = os.open(Places[name.hex()], os.O_RDONLY)
            size = os.readv(descriptor, [self._sealed])
            os.close(descriptor)
            link.send(self._open(self._sealed[:size], length))

    def _open(self, token: memoryview, length: int) -> memoryview:
        signer = hmac.new(SIGNING_KEY, digestmod="sha256")
        signer.update(token[:-32])
        if not hmac.compare_digest(signer.digest(), token[-32:]):
            raise Broken("a token is not authentic")
        Cipher(AES(ENCRYPTION_KEY), CBC(bytes(token[9:25]))).decryptor().update_into(token[25:-32], self._plain)
        return self._plain[:length]


Places: dict[str, Path] = {}


def write(descriptor: int, data: memoryview) -> None:
    """All of it."""
    while data:
        data = data[os.write(descriptor, data) :]


def serve(directory: Path) -> None:
    """Serve until killed."""
    context = make_context(server=True)
    syncing = ThreadPoolExecutor(SYNC_THREADS)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(f"ready {listener.getsockname()[1]}", flush=True)
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=answer, args=(context, sock, Store(directory, syncing)), daemon=True).start()


def answer(context: SSL.Context, sock: socket.socket, store: Store) -> None:
    """One connection, to its end."""
    try:
        link = Link(context, sock, server=True)
    except SSL.Error:  # somebody looked whether the port answers
        sock.close()
        return
    while True:
        what, count = COUNT.unpack(link.receive(memoryview(bytearray(COUNT.size))))
        if what == END:
            link.send(b"\1")
            link.close()
            return
        chunks = link.receive_chunks(count)
        if what == PUT:
            store.put(link, chunks)
            link.send(b"\1")
        else:
            store.get(link, chunks)


# --- the client -----------------------------------------------------------------------------------------------------


def connect(port: int) -> Link:
    """A new connection to the server on this machine."""
    return Link(make_context(server=False), socket.create_connection(("127.0.0.1", port)), server=False)


def end(link: Link) -> None:
    """Say that nothing more comes, and hear that all was heard."""
    link.send(COUNT.pack(END, 0))
    link.receive(memoryview(bytearray(1)))
    link.close()


def up_part(descriptor: int, begin: int, stop: int, port: int) -> list[Chunk]:
    """Send a stretch of the file; its chunks."""
    link, acknowledgement = connect(port), memoryview(bytearray(1))
    every: list[Chunk] = []
    open_groups = 0
    for group, data in cut_part(descriptor, begin, stop):
        link.send(COUNT.pack(PUT, len(group)) + b"".join(RECORD.pack(*chunk) for chunk in group))
        link.send(data)
        every += group
        open_groups += 1
        if open_groups == WINDOW:
            link.receive(acknowledgement)
            open_groups -= 1
    for _ in range(open_groups):
        link.receive(acknowledgement)
    end(link)
    return every


def cut_part(descriptor: int, begin: int, stop: int) -> Iterator[tuple[list[Chunk], memoryview]]:
    """The chunks of a stretch of the file, named, in groups that lie together where they were read to."""
    cutter = FastCDC(1 * MIB, min_size=256 * KIB, max_size=MOST, normalized_chunking=1, seed=0)
    buffer = memoryview(bytearray(GROUP + MOST))
    held = 0
    while begin < stop or held:
        while begin < stop and held < len(buffer):
            count = os.preadv(descriptor, [buffer[held : held + stop - begin]], begin)
            begin, held = begin + count, held + count
        group: list[Chunk] = []
        at = 0
        for chunk in cutter.cut_buf(buffer[:held]):
            if begin < stop and at + chunk.length == held and chunk.length < MOST:
                break  # more bytes could make it longer
            group.append((name_of(buffer[at : at + chunk.length]), chunk.length))
            at += chunk.length
        yield group, buffer[:at]
        buffer[: held - at] = buffer[at:held]
        held -= at


def down_part(descriptor: int, chunks: Sequence[Chunk], offset: int, port: int) -> None:
    """Fetch these chunks to their place in the file."""
    link = connect(port)
    buffer = memoryview(bytearray(MOST))
    link.send(COUNT.pack(GET, len(chunks)) + b"".join(RECORD.pack(*chunk) for chunk in chunks))
    for name, length in chunks:
        data = link.receive(buffer[:length])
        check(data, name)
        os.pwrite(descriptor, data, offset)
        offset += length
    end(link)


def up(path: Path, index: Path, port: int) -> None:
    """Send a file, half of it on each connection, and write down its chunks."""
    descriptor = os.open(path, os.O_RDONLY)
    size = os.fstat(descriptor).st_size
    edges = [size * part // CONNECTIONS for part in range(CONNECTIONS + 1)]
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        parts = list(
            threads.map(lambda part: up_part(descriptor, edges[part], edges[part + 1], port), range(CONNECTIONS))
        )
    os.close(descriptor)
    index.write_bytes(b"".join(RECORD.pack(*chunk) for part in parts for chunk in part))


def down(path: Path, index: Path, port: int, *, sync: bool) -> None:
    """Fetch the file whose chunks `index` lists."""
    chunks = list(RECORD.iter_unpack(index.read_bytes()))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    middle = len(chunks) // CONNECTIONS
    start = sum(length for _, length in chunks[:middle])
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        parts = [
            threads.submit(down_part, descriptor, chunks[:middle], 0, port),
            threads.submit(down_part, descriptor, chunks[middle:], start, port),
        ]
        for part in parts:
            part.result()
    if sync:
        os.fsync(descriptor)
    os.close(descriptor)


# --- alone ----------------------------------------------------------------------------------------------------------


def measure(size: int, runs: int, directory: Path) -> None:
    """Both directions, each run with new data, in processes of their own."""
    # Here, and not above: as a side of the benchmark it shall not load what only this needs.
    import statistics
    import subprocess

    from bench.harness.data import check_equal, make_file

    rates: dict[str, list[float]] = {"up": [], "down": []}
    store = directory / "store"
    store.mkdir()
    script = str(Path(__file__).resolve())
    with subprocess.Popen([sys.executable, script, "serve", "--store", str(store)], stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            port = server.stdout.readline().split()[1].decode()
            for run in range(runs):
                source, target, index = (directory / f"{name}-{run}" for name in ("source", "target", "index"))
                make_file(source, size, f"ceiling {run}")
                for what, path in (("up", source), ("down", target)):
                    os.sync()
                    begin = time.perf_counter()
                    subprocess.run(
                        [sys.executable, script, what, str(path), "--index", str(index), "--port", port], check=True
                    )
                    rates[what].append(size / 1e6 / (time.perf_counter() - begin))
                check_equal(target, source)
                source.unlink()
                target.unlink()
        finally:
            server.kill()
    for what, found in rates.items():
        print(f"{what:5} {statistics.median(found):6.0f} MB/s   ({', '.join(f'{rate:.0f}' for rate in found)})")


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1024, help="MiB (default: 1024)")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--dir", type=Path, help="where to work (default: a temporary directory)")
    words = parser.add_subparsers(metavar="WORD", dest="word")
    words.add_parser("serve").add_argument("--store", type=Path, required=True)
    for word in ("up", "down"):
        client = words.add_parser(word)
        client.add_argument("file", type=Path)
        client.add_argument("--index", type=Path, required=True)
        client.add_argument("--port", type=int, required=True)
        if word == "down":
            client.add_argument("--sync", action="store_true", help="fsync the file at the end")
    options = parser.parse_args()
    actions: dict[str | None, Callable[[], None]] = {
        "serve": lambda: serve(options.store),
        "up": lambda: up(options.file, options.index, options.port),
        "down": lambda: down(options.file, options.index, options.port, sync=options.sync),
    }
    if options.word is not None:
        actions[options.word]()
        return 0
    import tempfile  # here, and not above, as in `measure`

    with tempfile.TemporaryDirectory(prefix="sfos-ceiling-", dir=options.dir) as directory:
        measure(options.size * MIB, options.runs, Path(directory))
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # As the command line does: neither shall pay for taking its interpreter down.
    os._exit(code)
