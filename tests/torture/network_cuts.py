"""A connection that is cut at every byte of a session, by FIN and by RST, on the way up and on the way down.

Twice: with a peer that signs in, uploads and downloads by hand, to see what is left on the server; and with the client
itself, behind a relay that cuts, to see that it goes on by itself or says why it cannot.
"""

from __future__ import annotations

import os
import random
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace
from OpenSSL import SSL

from sfos.client.address import Address
from sfos.client.errors import ConnectionFailed
from sfos.client.net.trust import ACCEPT_NEW, Trust, TrustStore
from sfos.client.options import ClientOptions, ConnectionOptions
from sfos.client.session.session import Session
from sfos.client.session.tickets import StoredTicket
from sfos.protocol import (
    ChunkRecord,
    ChunkWant,
    CommitItem,
    CommitRequest,
    GetChunksRequest,
    HaveRequest,
    ListRequest,
    PutChunksRequest,
    Ref,
    StatRequest,
    Target,
    chunk_id,
    pack_commit,
    pack_records,
    pack_wants,
    unpack_results,
)
from tests.client.cutting_relay import CuttingRelay
from tests.support.retrying import for_s
from tests.support.server_process import prepare_home, running_server
from tests.support.wire_peer import WirePeer
from tests.torture.network_process import Watched, address_of
from tests.torture.processes_writers import PASSWORD, USER
from tests.torture.scenario import Context, Figures

_SETTINGS = {
    "SFOS_LOGGING_LEVEL": "WARNING",
    "SFOS_SECURITY_MAX_SESSIONS_PER_USER": "10000",
    "SFOS_SERVER_MAX_CONNECTIONS_PER_ADDRESS": "1000",
}
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER with no wait: closing sends RST instead of FIN
_MARGIN = 16  # lengths of signatures and tickets vary by a few bytes from session to session


class Cut(NamedTuple):
    """Where a connection is cut: after so many bytes on the `way` up or down."""

    way: str
    after: int
    reset: bool


def every_cut(up: int, down: int) -> list[Cut]:
    """All of them, for a session of so many bytes."""
    ways = (("up", up), ("down", down))
    return [Cut(way, after, reset) for way, size in ways for after in range(size + _MARGIN) for reset in (False, True)]


class CutShort(Exception):
    """The cut has been made."""


class CountedTls:
    """TLS over a socket whose bytes are counted, and which is cut after so many. As much of it as WirePeer needs."""

    def __init__(self, sock: socket.socket, cut: Cut | None) -> None:
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_min_proto_version(SSL.TLS1_3_VERSION)
        self._tls = SSL.Connection(context, None)
        self._tls.set_connect_state()
        self._socket = sock
        self._cut = cut
        self.passed = {"up": 0, "down": 0}

    def _left(self, way: str) -> int:
        if self._cut is None or self._cut.way != way:
            return 65_536
        left = self._cut.after - self.passed[way]
        if left <= 0:
            if self._cut.reset:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._socket.close()
            raise CutShort
        return left

    def _flush(self) -> None:
        while True:
            try:
                data = self._tls.bio_read(65_536)
            except SSL.WantReadError:
                return
            while data:
                part = data[: self._left("up")]
                self._socket.sendall(part)
                self.passed["up"] += len(part)
                data = data[len(part) :]

    def _fill(self) -> None:
        data = self._socket.recv(self._left("down"))
        if not data:
            raise SSL.SysCallError(-1, "Unexpected EOF")
        self.passed["down"] += len(data)
        self._tls.bio_write(data)

    def do_handshake(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except SSL.WantReadError:
                self._flush()
                self._fill()
            else:
                return self._flush()

    def sendall(self, data: bytes) -> None:
        self._tls.sendall(data)
        self._flush()

    def recv_into(self, target: memoryview, count: int) -> int:
        while True:
            try:
                return self._tls.recv_into(target, count)
            except SSL.WantReadError:
                self._fill()

    def export_keying_material(self, label: bytes, length: int, context: bytes) -> bytes:
        return self._tls.export_keying_material(label, length, context)

    def shutdown(self) -> None:
        self._tls.shutdown()
        self._flush()


class CountedPeer(WirePeer):
    """A WirePeer over CountedTls, before its handshake."""

    def __init__(self, address: tuple[str, int], cut: Cut | None) -> None:
        super().__init__(address, handshake=False)
        self.tls = CountedTls(self.sock, cut)  # type: ignore[assignment]


@dataclass(frozen=True)
class Change:
    """One change of /cut/file: what travels, and under which name."""

    request: CommitRequest
    body: bytes
    record: ChunkRecord
    content: bytes

    @classmethod
    def make(cls, key: bytes, content: bytes) -> Change:
        record = ChunkRecord(chunk_id(key, content), len(content))
        item = CommitItem(target=Target(path="/cut/file"), size=len(content), content=record.chunk_id, chunks=1)
        return cls(*pack_commit(os.urandom(16), [item], [record], [(record, content)]), record, content)


def play(peer: CountedPeer, change: Change) -> None:
    """The scripted session: sign in, ask, store, commit, look, read back, leave."""
    peer.tls.do_handshake()
    peer.hello()
    peer.login(USER, PASSWORD)
    peer.call(HaveRequest(ids=1), change.record.chunk_id)
    peer.call(PutChunksRequest(chunks=1), pack_records([change.record]) + change.content)
    reply, body = peer.call(change.request, change.body)
    (result,), _ = unpack_results(reply, body)
    assert result.error is None, result.error
    assert result.node is not None
    peer.call(ListRequest(folders=(Ref(path="/cut"),)))
    wants = pack_wants([ChunkWant(result.node, change.record.chunk_id, 0, 1)])
    _, chunks = peer.call(GetChunksRequest(wants=1), wants)
    assert bytes(chunks[4:]) == change.content, "what was stored reads back otherwise"
    peer.tls.shutdown()


class Judge:
    """Somebody whose connection is never cut, and who sees what the others have left."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.peer = WirePeer(address)
        self.peer.hello()
        self.key = self.peer.login(USER, PASSWORD).session.home.chunk_key
        self._last: Change | None = None

    def commits(self) -> int:
        reply, _ = self.peer.call(ListRequest(folders=(Ref(path="/"),)))
        return int(reply.at.split(".")[0])

    def _content(self) -> bytes | None:
        reply, _ = self.peer.call(StatRequest(ref=Ref(path="/cut/file")))
        content: bytes | None = reply.entry.content
        return content

    def settle(self, change: Change, commits: int) -> list[str]:
        """Repeat `change`, cut somewhere, as a client would; a sentence for each thing wrong. `commits`: before it."""
        wrong = []
        known = {change.record.chunk_id} | ({self._last.record.chunk_id} if self._last else set())
        if self._last is not None and self._content() not in known:
            wrong.append("the file is neither the old one nor the new one")
        reply, body = self.peer.call(change.request, change.body)
        (result,), _ = unpack_results(reply, body)
        if result.error is not None:
            wrong.append(f"the repeated commit gives {result.error}")
        if self._content() != change.record.chunk_id:
            wrong.append("after the repetition the file is not the new one")
        if self.commits() != commits + 1:
            wrong.append(f"the change was applied {self.commits() - commits} times")
        self._last = change
        return wrong


def cut_sessions(context: Context, address: tuple[str, int], cuts: Sequence[Cut] | None = None) -> None:
    """Play the session with each of the cuts (default: all there are, in any order)."""
    judge = Judge(address)
    with judge.peer:
        if cuts is None:
            cuts = every_cut(*_uncut(judge, address))
            context.random.shuffle(cuts)
        for cut in cuts:
            if not context.going():
                return
            change, commits = Change.make(judge.key, context.random.randbytes(120)), judge.commits()
            with CountedPeer(address, cut) as peer:
                try:
                    play(peer, change)
                    context.count("uncut")  # this session was a few bytes shorter
                except CutShort:
                    context.count("cuts")
            for message in judge.settle(change, commits):
                context.broken(f"{cut}: {message}")
    context.exhausted()


def _uncut(judge: Judge, address: tuple[str, int]) -> tuple[int, int]:
    """How many bytes a whole session takes up and down."""
    with CountedPeer(address, None) as peer:
        play(peer, Change.make(judge.key, b"x" * 120))
        assert isinstance(peer.tls, CountedTls)
        return peer.tls.passed["up"], peer.tls.passed["down"]


def cut_server(context: Context) -> Figures:
    """Every byte, as the server feels it."""
    with running_server(prepare_home(context.workplace / "home"), _SETTINGS) as server:
        Judge(address_of(server)).peer.close()  # so that what the first work opens is open
        watched = Watched.of(server.process.pid)
        cut_sessions(context, address_of(server))
        for left in watched.left_over():
            context.broken(left)
    return context.figures()


# --- The client itself --------------------------------------------------------------------------------------------

_WORKERS = 6
_QUICK = ClientOptions(ConnectionOptions(connect_timeout_s=30.0, login_timeout_s=30.0, retry=for_s(60.0)))


class Traveller:
    """The client's own session behind a relay that cuts, with a file of its own."""

    def __init__(self, ticket: StoredTicket, relay: CuttingRelay, pins: Path, name: str) -> None:
        self._ticket = replace(ticket, address=relay.address)
        self._relay = relay
        self._trust = Trust(TrustStore(pins), ACCEPT_NEW)
        self._name = name
        self._revision = "0"

    def travel(self, cut: Cut | None, content: bytes) -> bool:
        """Put the file and read it back, whatever is cut; whether something was. Raises: what is a finding."""
        relay = self._relay
        if cut is not None:
            relay.reset = cut.reset
            relay.cut_after(up=cut.after if cut.way == "up" else None, down=cut.after if cut.way == "down" else None)
        cuts = relay.cuts
        try:
            with self._begin() as session:
                self._put_and_look(session, content)
            return relay.cuts > cuts
        finally:
            relay.cut_after()

    def _begin(self) -> Session:
        try:
            return Session.from_ticket(self._ticket, self._trust, _QUICK)
        except ConnectionFailed:  # cut before it had begun: that is said, and tried again by whoever wants to
            return Session.from_ticket(self._ticket, self._trust, _QUICK)

    def _put_and_look(self, session: Session, content: bytes) -> None:
        record = ChunkRecord(chunk_id(session.info.home.chunk_key, content), len(content))
        target = Target(path=f"/{self._name}/file")
        item = CommitItem(
            target=target, size=len(content), content=record.chunk_id, chunks=1, if_revision=self._revision
        )
        request, body = pack_commit(os.urandom(16), [item], [record], [(record, content)])
        (result,), _ = unpack_results(*session.api.caller.call(request, body))
        assert result.error is None, result.error
        assert result.revision is not None
        self._revision = result.revision
        (entry,) = session.api.list_folder(f"/{self._name}")
        assert entry.revision == self._revision
        assert session.api.read_range(entry) == content


def cut_client(context: Context) -> Figures:
    """Every byte, as the client feels it: six at a time, because after a cut it waits a moment."""
    with running_server(prepare_home(context.workplace / "home"), _SETTINGS) as server:
        address, pins = Address.parse(server.address), context.workplace / "pins.json"
        with Session.sign_in(address, USER, PASSWORD, Trust(TrustStore(pins), ACCEPT_NEW), _QUICK) as owner:
            travel_everywhere(context, owner, pins)
    return context.figures()


def travel_everywhere(context: Context, owner: Session, pins: Path, cuts: Sequence[Cut] | None = None) -> None:
    """Let the client go through each of the cuts (default: all there are, in any order)."""
    if cuts is None:
        with CuttingRelay(owner.address) as relay:
            Traveller(owner.ticket, relay, pins, "uncut").travel(None, b"x" * 120)
            cuts = every_cut(relay.passed["up"], relay.passed["down"])
        context.random.shuffle(cuts)
    left, lock = iter(cuts), threading.Lock()

    def work(number: int) -> None:
        chance = random.Random(context.seed + number)
        with CuttingRelay(owner.address) as relay:
            traveller = Traveller(owner.ticket, relay, pins, f"traveller{number}")
            for cut in _shared(left, lock, context):
                try:
                    context.count("cuts" if traveller.travel(cut, chance.randbytes(120)) else "uncut")
                except Exception as error:  # the top of this thread: whatever it is, is a finding
                    context.broken(f"{cut}: {type(error).__name__}: {error}")
                    return

    threads = [threading.Thread(target=work, args=(number,), name=f"traveller-{number}") for number in range(_WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with lock:
        if next(left, None) is None:
            context.exhausted()


def _shared(cuts: Iterator[Cut], lock: threading.Lock, context: Context) -> Iterator[Cut]:
    while context.going():
        with lock:
            cut = next(cuts, None)
        if cut is None:
            return
        yield cut
