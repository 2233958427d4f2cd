"""Crowds: peers that vanish, drip or do not read, and idle ones by the thousand, beside somebody who has work to do."""

from __future__ import annotations

import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from OpenSSL import SSL

from sfos.client.address import Address
from sfos.client.session.session import Session
from sfos.client.transfer import JobState, TransferEngine
from sfos.protocol import (
    ChunkRecord,
    ChunkWant,
    CommitItem,
    GetChunksRequest,
    ListRequest,
    Ref,
    Target,
    chunk_id,
    encode_request,
    pack_commit,
    pack_wants,
    unpack_results,
)
from tests.support.server_process import ServerProcess, prepare_home, running_server
from tests.support.wire_peer import WirePeer
from tests.torture.network_process import (
    MIB,
    Watched,
    address_of,
    many_descriptors,
    resident_bytes,
    sockets_of,
    wait_until,
)
from tests.torture.processes_writers import PASSWORD, USER, sign_in
from tests.torture.scenario import Context, Figures

CROWD = 500
IDLE = 1_000
MOST_FOR_IDLE = 200 * MIB
LOGIN_S = 2.0  # by when a login beside them is over
LATE_S = 2.0  # by how much a deadline may be missed
STALL_S = 5.0
HANDSHAKE_S = 5.0
SIGN_IN_S = 8.0
_GIVEN_BACK_S = 20.0  # by when a server gives memory back that a crowd has used
_MEMORY_KEPT = 64 * MIB  # what a server keeps that has worked: 30 after a transfer, some 50 after crowds (measured)
_TRANSFER = 64 * MIB
_UNREAD = bytes(120_000)

_DESCRIPTORS = 8_192
_ROOM = {
    "SFOS_LOGGING_LEVEL": "WARNING",
    "SFOS_SERVER_MAX_CONNECTIONS": "5000",
    "SFOS_SERVER_MAX_CONNECTIONS_PER_ADDRESS": "5000",
    "SFOS_SERVER_MAX_UNAUTHENTICATED": "4000",
    "SFOS_SERVER_LISTEN_BACKLOG": "2000",
    "SFOS_SERVER_HANDSHAKE_TIMEOUT_S": str(HANDSHAKE_S),
    "SFOS_SERVER_LOGIN_TIMEOUT_S": str(SIGN_IN_S),
    "SFOS_SERVER_STALL_TIMEOUT_S": str(STALL_S),
    "SFOS_SERVER_MIN_RATE_BYTES_S": str(16 * 1024),
}
_SMALL_BUFFERS = {"SFOS_SERVER_SOCKET_BUFFER_BYTES": "16 KiB"}


@contextmanager
def _server(context: Context, extra: dict[str, str]) -> Iterator[ServerProcess]:
    home = context.workplace / "home"
    if not home.exists():
        prepare_home(home)
    with many_descriptors(_DESCRIPTORS), running_server(home, {**_ROOM, **extra}) as server:
        with WirePeer(address_of(server)) as first:  # so that what the first work opens is open
            first.hello()
            first.login(USER, PASSWORD)
        yield server


# --- Slow ones ----------------------------------------------------------------------------------------------------


def slow_peers(context: Context) -> Figures:
    """500 of each kind; all are freed when their deadline has passed, and somebody else is served meanwhile."""
    kinds: dict[str, tuple[Callable[[ServerProcess, ExitStack], Callable[[], object] | None], float]] = {
        "silent at the handshake": (_silent, HANDSHAKE_S),
        "silent after the handshake": (_greeting_nobody, SIGN_IN_S),
        "half a frame": (_half_a_frame, STALL_S),
        "dripping a handshake": (_drip_handshake, HANDSHAKE_S),
        "dripping a frame": (_drip_frame, STALL_S),
        "reading nothing": (_reading_nothing, STALL_S),
    }
    with _server(context, _SMALL_BUFFERS) as server:
        for name, (gather, deadline_s) in kinds.items():
            if context.left_s == 0:
                return context.figures()
            _crowd_out(context, server, name, gather, deadline_s)
    context.exhausted()
    return context.figures()


def _crowd_out(
    context: Context,
    server: ServerProcess,
    name: str,
    gather: Callable[[ServerProcess, ExitStack], Callable[[], object] | None],
    deadline_s: float,
) -> None:
    watched = Watched.of(server.process.pid)
    with ExitStack() as stack:
        go_on = gather(server, stack)
        drips = stack.enter_context(_again_and_again(go_on)) if go_on else None
        with WirePeer(address_of(server)) as other:
            other.hello()
            gathered = time.monotonic()  # who came before has been accepted before: their time runs
            other.login(USER, PASSWORD)
        free = wait_until(lambda: sockets_of(server.process.pid) <= watched.sockets, deadline_s + 60)
        took = time.monotonic() - gathered
        assert drips is None or drips.is_alive(), "the dripping has ended by itself"
    context.count(name, CROWD)
    context.highest(f"ms until the last one {name} was freed", int(took * 1000))
    if not free or took > deadline_s + LATE_S:
        context.broken(f"{name}: freed after {took:.1f} s, with a deadline of {deadline_s:g} s")
    for left in watched.left_over():
        context.broken(f"{name}: {left}")


@contextmanager
def _again_and_again(go_on: Callable[[], object]) -> Iterator[threading.Thread]:
    over = threading.Event()

    def run() -> None:
        while not over.wait(0.2):
            go_on()

    thread = threading.Thread(target=run, name="drips")
    thread.start()
    try:
        yield thread
    finally:
        over.set()
        thread.join()


def _raw(server: ServerProcess, stack: ExitStack) -> list[socket.socket]:
    return [stack.enter_context(socket.create_connection(address_of(server))) for _ in range(CROWD)]


def _attached(server: ServerProcess, stack: ExitStack, count: int, receive_buffer: int = 0) -> list[WirePeer]:
    owner = stack.enter_context(WirePeer(address_of(server)))
    owner.hello()
    owner.login(USER, PASSWORD)
    peers = []
    for _ in range(count):
        peer = stack.enter_context(WirePeer(address_of(server), receive_buffer=receive_buffer))
        peer.hello()
        peer.attach(owner)
        peers.append(peer)
    owner.close()
    return peers


def _silent(server: ServerProcess, stack: ExitStack) -> None:
    _raw(server, stack)


def _greeting_nobody(server: ServerProcess, stack: ExitStack) -> None:
    for _ in range(CROWD):
        stack.enter_context(WirePeer(address_of(server)))


def _half_a_frame(server: ServerProcess, stack: ExitStack) -> None:
    header = encode_request(9, ListRequest(folders=(Ref(path="/"),)))
    for peer in _attached(server, stack, CROWD):
        peer.tls.sendall(len(header).to_bytes(4) + bytes(4) + header[:10])


def _drip_handshake(server: ServerProcess, stack: ExitStack) -> Callable[[], object]:
    socks = _raw(server, stack)
    hello = iter(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500))

    def go_on() -> None:
        byte = bytes([next(hello)])
        for sock in socks:
            with suppress(OSError):
                sock.sendall(byte)

    return go_on


def _drip_frame(server: ServerProcess, stack: ExitStack) -> Callable[[], object]:
    header = encode_request(9, ListRequest(folders=(Ref(path="/"),)))
    peers = _attached(server, stack, CROWD)
    for peer in peers:
        peer.tls.sendall(len(header).to_bytes(4) + bytes(4))

    def go_on() -> None:
        for peer in peers:
            with suppress(SSL.Error, OSError):
                peer.tls.sendall(b" ")

    return go_on


def _reading_nothing(server: ServerProcess, stack: ExitStack) -> None:
    """Each asks for more than all buffers on the way hold; all of it together is within one user's memory."""
    with WirePeer(address_of(server)) as owner:
        owner.hello()
        key = owner.login(USER, PASSWORD).session.home.chunk_key
        record = ChunkRecord(chunk_id(key, _UNREAD), len(_UNREAD))
        item = CommitItem(target=Target(path="/unread"), size=len(_UNREAD), content=record.chunk_id, chunks=1)
        reply, body = owner.call(*pack_commit(os.urandom(16), [item], [record], [(record, _UNREAD)]))
    node = unpack_results(reply, body)[0][0].node
    assert node is not None
    request = GetChunksRequest(wants=1, max_bytes=len(_UNREAD))
    for peer in _attached(server, stack, CROWD, receive_buffer=4096):
        peer.send(request, pack_wants([ChunkWant(node, record.chunk_id, 0, 1)]))


# --- Many ---------------------------------------------------------------------------------------------------------


def idle_crowd(context: Context) -> Figures:
    """1,000 idle connections, and a login beside them."""
    with _server(context, {}) as server, ExitStack() as stack:
        pid = server.process.pid
        _attached(server, stack, IDLE)
        context.count("idle connections", IDLE)
        context.highest("MiB held by the server", resident_bytes(pid) // MIB)
        if resident_bytes(pid) > MOST_FOR_IDLE:
            context.broken(f"{IDLE} idle connections make the server hold {resident_bytes(pid) // MIB} MiB")
        took = _login_s(server)
        context.highest("ms for a login beside them", int(took * 1000))
        if took > LOGIN_S:
            context.broken(f"a login beside {IDLE} idle connections takes {took:.2f} s")
    context.exhausted()
    return context.figures()


def _login_s(server: ServerProcess) -> float:
    begun = time.monotonic()
    with WirePeer(address_of(server)) as peer:
        peer.hello()
        peer.login(USER, PASSWORD)
        return time.monotonic() - begun


def full_house(context: Context) -> Figures:
    """1,000 idle connections, 500 one-byte drippers and a transfer at once, twice; then all is as it was."""
    source = context.workplace / "source"
    source.mkdir()
    (source / "large").write_bytes(random.Random(context.seed).randbytes(_TRANSFER))
    with _server(context, {}) as server:
        pid = server.process.pid
        enough = resident_bytes(pid) + _MEMORY_KEPT
        context.highest("MiB held before", resident_bytes(pid) // MIB)
        for number in range(3):
            watched = Watched.of(pid)
            _one_house(context, server, source, number)
            for left in watched.left_over(strict=number > 0):
                context.broken(left)
            if not wait_until(lambda: resident_bytes(pid) <= enough, _GIVEN_BACK_S):
                context.broken(f"{resident_bytes(pid) // MIB} MiB are held after house {number + 1}")
            context.highest(f"MiB held after house {number + 1}", resident_bytes(pid) // MIB)
    context.exhausted()
    return context.figures()


def _one_house(context: Context, server: ServerProcess, source: Path, number: int) -> None:
    with ExitStack() as stack:
        session = sign_in(Address.parse(server.address), context.workplace / "pins.json")
        stack.callback(session.logout)
        idle = _attached(server, stack, IDLE)
        context.count("idle connections", len(idle))
        with _dripping(server) as dripped:
            _transfer(context, session, source, number)
        context.count("dripping connections", dripped())
        context.highest("MiB held in a full house", resident_bytes(server.process.pid) // MIB)
        lost = sum(not _still_there(peer) for peer in idle)
        if lost:
            context.broken(f"{lost} idle connections were cut")


@contextmanager
def _dripping(server: ServerProcess) -> Iterator[Callable[[], int]]:
    """500 connections that drip at every moment: each that is cut off is followed by another."""
    socks: list[socket.socket] = []
    seen = [0]

    def go_on() -> None:
        for position, sock in enumerate(socks):
            try:
                sock.sendall(b"\x16")
            except OSError:
                sock.close()
                socks[position] = socket.create_connection(address_of(server))
                seen[0] += 1

    socks += [socket.create_connection(address_of(server)) for _ in range(CROWD)]
    seen[0] = CROWD
    try:
        with _again_and_again(go_on):
            yield lambda: seen[0]
    finally:
        for sock in socks:
            sock.close()


def _transfer(context: Context, session: Session, source: Path, number: int) -> None:
    back = context.workplace / f"back{number}"
    with TransferEngine(session) as engine:
        up = engine.upload([source / "large"], f"/house{number}")
        up.wait(600)
        if up.state is not JobState.FINISHED:
            context.broken(f"the upload ends as {up.state}: {up.failed_items()[:1]}")
            return
        down = engine.download(session.api.list_folder(f"/house{number}"), back)
        down.wait(600)
    if down.state is not JobState.FINISHED or (back / "large").read_bytes() != (source / "large").read_bytes():
        context.broken(f"the download ends as {down.state}: {down.failed_items()[:1]}")
    context.count("transfers beside them", 2)


def _still_there(peer: WirePeer) -> bool:
    try:
        peer.call(ListRequest(folders=(Ref(path="/"),)))
    except (SSL.Error, OSError):
        return False
    return True
