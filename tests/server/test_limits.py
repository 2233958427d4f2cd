"""How many may come, how slow they may be, and what becomes of those who are too slow."""

from __future__ import annotations

import errno
import gc
import os
import resource
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from OpenSSL import SSL

from sfos.protocol import (
    AccountsRequest,
    ChunkRecord,
    ChunkWant,
    CommitItem,
    GetChunksRequest,
    LoginFinishReply,
    MalformedMessage,
    OutOfOrder,
    PutChunksRequest,
    Ref,
    ServerBusy,
    StatRequest,
    Target,
    WatchRequest,
    chunk_id,
    content_id,
    pack_commit,
    pack_records,
    pack_wants,
    unpack_results,
)
from sfos.server.front.connection import Connection
from sfos.server.front.watchdog import CROWD, Watchdog
from sfos.server.net.stream import TlsStream
from tests.server.conftest import PASSWORDS, Running, Serve
from tests.support.wire_peer import WirePeer

STAT = StatRequest(ref=Ref(path="/"))
MIB = 2**20
LARGE = 4 * MIB - 1_000  # nearly as long as a chunk may be
CLIENT_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)
# By when a deadline of half a second has struck, also on a busy machine; the defaults are 10 s and more.
STRUCK_S = 8.0
Wait = Callable[..., None]


def open_files() -> list[int]:
    return [int(path.name) for path in Path("/proc/self/fd").iterdir()]


def chunk_of(login: LoginFinishReply, size: int) -> tuple[ChunkRecord, bytes]:
    """A chunk of random data as the session's home names it."""
    data = os.urandom(size)
    return ChunkRecord(chunk_id(login.session.home.chunk_key, data), size), data


def busy_text(peer: WirePeer, user: str) -> str:
    """Said to `user`, who signs in with the right password."""
    peer.hello()
    with pytest.raises(ServerBusy) as refused:
        peer.login(user, PASSWORDS[user])
    peer.expect_end()
    return str(refused.value)


FOR_TWO = {"server.max_connections": "2", "server.max_connections_per_address": "2", "server.max_unauthenticated": "2"}


@pytest.mark.parametrize(
    ("more", "said"),
    [({}, "connections in all"), ({"server.max_connections": "9"}, "connections from this address")],
)
def test_at_its_limit_the_user_with_the_most_gives_way_and_else_a_newcomer_is_told_so(
    more: dict[str, str], said: str, serve: Serve, wait_until: Wait
) -> None:
    server = serve({**FOR_TWO, **more})
    idle = server.signed_in()
    at_work = server.attached(idle)
    assert at_work.call(STAT)[0].entry.node
    bob = server.signed_in("bob")
    envelope, _ = idle.receive()  # which has idled for longer
    assert envelope.error is not None
    assert (envelope.id, envelope.error.code) == (0, "server_busy")
    idle.expect_end()
    assert said in busy_text(server.connect(), "alice"), "one each: nobody has more than she would have"
    assert at_work.call(STAT)[0].entry.node
    assert bob.call(STAT)[0].entry.node
    assert "connection_refused" in server.audit()
    wait_until(lambda: "connection_gave_way" in server.audit())  # written when it has been told, and has gone
    bob.close()
    wait_until(lambda: server.server.connections() == 1)
    assert server.attached(at_work).call(STAT)[0].entry.node


def test_who_watches_is_told_when_they_give_way(serve: Serve) -> None:
    server = serve(FOR_TWO)
    watching = server.signed_in()
    watching.call(WatchRequest())
    other = server.attached(watching)
    other.call(WatchRequest())
    assert server.signed_in("bob").call(STAT)[0].entry.node
    envelope, _ = other.receive()  # the younger of two that are at work
    assert envelope.error is not None
    assert envelope.error.code == "server_busy"
    other.expect_end()


def test_a_reserve_lets_an_administrator_in_when_all_is_full(serve: Serve) -> None:
    server = serve(FOR_TWO)
    inside = [server.signed_in(), server.signed_in("bob")]
    root = server.signed_in("root")
    assert len(root.call(AccountsRequest())[0].accounts) == 3
    assert all(peer.call(STAT)[0].entry.node for peer in inside)
    assert "connections in all" in busy_text(server.connect(), "alice")


def test_one_address_cannot_take_all_places_of_those_who_have_not_signed_in(serve: Serve) -> None:
    server = serve({"server.max_unauthenticated": "4"})
    owner = server.signed_in()
    strangers = [server.greeted() for _ in range(4)]
    gate = server.gate
    assert (gate.unauthenticated, gate.beyond) == (2, 2), "what is more than half of them waits in the anteroom"
    assert owner.call(STAT)[0].entry.node
    strangers[3].login("bob", PASSWORDS["bob"])
    assert server.signed_in("bob", "127.0.0.2").call(STAT)[0].entry.node


def test_silence_from_many_addresses_keeps_nobody_out(serve: Serve, wait_until: Wait) -> None:
    """As many as there are places for strangers, none of which says a word; and each that is cut comes again."""
    server = serve({"server.max_unauthenticated": "16"})
    over = threading.Event()
    lock = threading.Lock()
    came: list[WirePeer] = []

    def silence(source: str) -> None:
        mine: list[WirePeer] = []
        while not over.wait(0.02):
            for peer in [peer for peer in mine if peer.is_cut()]:
                mine.remove(peer)
            if len(mine) < 8:
                peer = WirePeer(server.server.address, handshake=False, source=source)
                mine.append(peer)
                with lock:
                    came.append(peer)

    threads = [threading.Thread(target=silence, args=(f"127.0.0.{number}",)) for number in (2, 3, 4)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: server.gate.unauthenticated == 16)
        for number in range(40):
            user = ("alice", "bob", "root")[number % 3]
            with_right_password = server.signed_in(user, f"127.0.0.{10 + number % 5}")
            assert with_right_password.call(STAT)[0].entry.node
            with_right_password.close()
    finally:
        over.set()
        for thread in threads:
            thread.join()
        for peer in came:
            peer.sock.close()
    assert "connection_gave_way" in server.audit_of_strangers()


def test_a_crowd_that_finds_no_place_gets_a_closed_socket_without_a_handshake(serve: Serve) -> None:
    server = serve(dict.fromkeys(FOR_TWO, "1"))
    inside = server.signed_in()
    # Two may say who they are; as long as they are about to, the others are not worth a handshake.
    waiting = [server.greeted() for _ in range(2)]
    for _ in range(20):
        with pytest.raises((SSL.Error, OSError)):
            server.connect()
    assert inside.call(STAT)[0].entry.node
    with pytest.raises(ServerBusy, match="connections in all"):
        waiting[0].login("bob", PASSWORDS["bob"])
    assert "connection_refused" in server.audit_of_strangers()


def test_who_does_not_sign_in_leaves_the_anteroom_soon(serve: Serve, wait_until: Wait) -> None:
    server = serve({**dict.fromkeys(FOR_TWO, "1"), "server.login_timeout_s": "0.5"})
    server.signed_in()
    silent = server.connect()
    silent.expect_cut()
    wait_until(lambda: server.server.connections() == 1)


# --- Slow ones ------------------------------------------------------------------------------------------------


def drip(sock: socket.socket, byte: bytes, every_s: float, over: threading.Event) -> None:
    """Send a byte now and then, until told or refused."""
    while not over.wait(every_s):
        try:
            sock.sendall(byte)
        except OSError:
            return


def test_a_handshake_that_comes_byte_by_byte_is_cut_off_at_its_deadline(serve: Serve, wait_until: Wait) -> None:
    server = serve({"server.handshake_timeout_s": "0.5"})
    peer = server.connect(handshake=False)
    begun = time.monotonic()
    over = threading.Event()

    def trickle() -> None:
        for byte in CLIENT_HELLO:
            if over.wait(0.02):
                return
            try:
                peer.sock.sendall(bytes([byte]))
            except OSError:
                return

    thread = threading.Thread(target=trickle)
    thread.start()
    wait_until(lambda: server.server.connections() == 1)
    wait_until(lambda: server.server.connections() == 0)
    over.set()
    thread.join()
    assert 0.4 < time.monotonic() - begun < STRUCK_S


def test_a_connection_that_says_nothing_is_cut_off_at_the_handshakes_deadline(serve: Serve) -> None:
    server = serve({"server.handshake_timeout_s": "0.3"})
    peer = server.connect(handshake=False)
    begun = time.monotonic()
    assert peer.sock.recv(1) == b""
    assert 0.2 < time.monotonic() - begun < STRUCK_S


def test_who_does_not_sign_in_is_cut_off_even_while_talking(serve: Serve) -> None:
    server = serve({"server.login_timeout_s": "0.5"})
    silent, talking, owner = server.greeted(), server.greeted(), server.signed_in()
    begun = time.monotonic()
    with pytest.raises((SSL.Error, OSError)):
        while time.monotonic() - begun < STRUCK_S:
            with pytest.raises(OutOfOrder):
                talking.hello()
            threading.Event().wait(0.05)
    silent.expect_cut()
    assert time.monotonic() - begun < STRUCK_S
    assert owner.call(STAT)[0].entry.node


def test_a_frame_that_drips_is_cut_off_though_something_comes_all_the_time(serve: Serve) -> None:
    server = serve({"server.stall_timeout_s": "0.5", "server.min_rate_bytes_s": "1000"})
    owner = server.signed_in()
    peer = server.attached(owner)
    begun = time.monotonic()
    with pytest.raises((SSL.Error, OSError)):
        peer.tls.sendall((60_000).to_bytes(4) + bytes(4))  # longer than all that drips here
        while time.monotonic() - begun < STRUCK_S:
            peer.tls.sendall(b" ")
            threading.Event().wait(0.05)
    assert 0.3 < time.monotonic() - begun < STRUCK_S
    assert owner.call(STAT)[0].entry.node


def test_a_frame_that_stops_half_way_is_cut_off_and_gives_its_memory_back(serve: Serve, wait_until: Wait) -> None:
    server = serve({"server.stall_timeout_s": "0.5"})
    peer = server.signed_in()
    header = b'{"id":1,"command":"put_chunks","args":{"chunks":1}}'
    peer.tls.sendall(len(header).to_bytes(4) + (4 * 2**20).to_bytes(4) + header + bytes(100))
    peer.expect_cut()
    wait_until(lambda: server.server.connections() == 0)
    assert server.listener._around.incoming.used_bytes == 0


def test_who_talks_on_and_on_without_signing_in_is_sent_away(server: Running) -> None:
    peer = server.greeted()
    for _ in range(63):
        with pytest.raises(OutOfOrder):
            peer.hello()
    peer.expect_end()


def test_a_client_that_does_not_read_its_replies_is_cut_off(serve: Serve, wait_until: Wait) -> None:
    """A few small requests, whose replies no buffer holds: nothing but their being taken is waited for."""
    pace = {"server.stall_timeout_s": "2", "server.min_rate_bytes_s": "64 KiB"}
    server = serve({**pace, "server.socket_buffer_bytes": "16 KiB"})
    owner, login = server.login()
    record, data = chunk_of(login, 300_000)
    owner.call(PutChunksRequest(chunks=1), pack_records([record]) + data)
    item = CommitItem(target=Target(path="/large"), size=len(data), content=record.chunk_id, chunks=1)
    reply, body = owner.call(*pack_commit(os.urandom(16), [item], [record]))
    node = unpack_results(reply, body)[0][0].node
    assert node is not None
    peer = server.attached(owner, receive_buffer=4096)
    for _ in range(8):
        wants = pack_wants([ChunkWant(node, record.chunk_id, 0, 1)])
        peer.send(GetChunksRequest(wants=1), wants)
    wait_until(lambda: server.server.connections() == 1, 30, what="the one who does not read to be cut off")
    assert owner.call(STAT)[0].entry.node


def test_two_users_who_do_not_read_leave_memory_for_the_replies_to_others(serve: Serve, wait_until: Wait) -> None:
    """32 MiB for what goes out, and replies of nearly 8 MiB: four of them."""
    server = serve({"server.memory_budget_bytes": "64 MiB"})
    wants = {user: two_large_chunks(*server.login(user)) for user in ("alice", "root", "bob")}
    for user in ("alice", "root"):
        for _ in range(3):
            server.attached(wants[user][0], receive_buffer=4096).send(*wants[user][1])
    outgoing = server.server.services.outgoing
    wait_until(lambda: outgoing.used_bytes > 23 * MIB, 20, what="the slow ones to hold what they get")
    reader, request = wants["bob"]
    reply, body = reader.call(*request)
    assert (reply.chunks, len(body)) == (2, 2 * (LARGE + 4))


def test_who_asks_for_one_byte_and_does_not_read_is_charged_with_the_chunk_that_is_sent(
    serve: Serve, wait_until: Wait
) -> None:
    server = serve()
    peer, (_, wants) = two_large_chunks(*server.login("alice"))
    server.attached(peer, receive_buffer=4096).send(GetChunksRequest(wants=1, max_bytes=1), wants)
    outgoing = server.server.services.outgoing
    wait_until(lambda: outgoing.used_bytes >= LARGE, 20, what="the reply to be on its way")


def two_large_chunks(peer: WirePeer, login: LoginFinishReply) -> tuple[WirePeer, tuple[GetChunksRequest, bytes]]:
    """A file of two chunks, and the request for both."""
    pieces = [chunk_of(login, LARGE) for _ in range(2)]
    records = [record for record, _ in pieces]
    for record, data in pieces:
        peer.call(PutChunksRequest(chunks=1), pack_records([record]) + data)
    content = content_id(login.session.home.chunk_key, pack_records(records))
    item = CommitItem(target=Target(path="/large"), size=2 * LARGE, content=content, chunks=2)
    reply, body = peer.call(*pack_commit(os.urandom(16), [item], records))
    node = unpack_results(reply, body)[0][0].node
    assert node is not None
    return peer, (GetChunksRequest(wants=1, max_bytes=8 * MIB), pack_wants([ChunkWant(node, content, 0, 2)]))


def test_an_idle_session_outlives_every_deadline_of_frames(serve: Serve) -> None:
    server = serve(
        {"server.stall_timeout_s": "0.3", "server.login_timeout_s": "1", "server.handshake_timeout_s": "0.3"}
    )
    peer = server.signed_in()
    server.greeted().expect_cut()  # who came later has sat out the longest of the deadlines
    assert peer.call(STAT)[0].entry.node


def test_memory_for_bodies_is_shared_and_who_gets_none_in_time_is_told_to_try_again(serve: Serve) -> None:
    """16 MiB for what comes in, of which one user may have half: one body of 8 MiB."""
    server = serve({"server.memory_budget_bytes": "32 MiB", "server.stall_timeout_s": "3"})
    owner = server.signed_in()
    holder, waiting = server.attached(owner), server.attached(owner)
    header = b'{"id":1,"command":"put_chunks","args":{"chunks":1}}'
    prefix = len(header).to_bytes(4) + (8 * 2**20).to_bytes(4) + header
    holder.tls.sendall(prefix)
    stop = threading.Event()

    def keep_alive() -> None:
        while not stop.wait(0.1):
            try:
                holder.tls.sendall(bytes(16 * 1024))
            except (SSL.Error, OSError):
                return

    thread = threading.Thread(target=keep_alive)
    thread.start()
    waiting.tls.sendall(prefix)
    envelope, _ = waiting.receive()
    assert envelope.error is not None
    assert envelope.error.code == "server_busy"
    stop.set()
    thread.join()
    other = server.signed_in("bob")
    with pytest.raises(MalformedMessage):
        other.call(GetChunksRequest(wants=1), b"short")


def test_the_server_survives_running_out_of_file_descriptors(serve: Serve, wait_until: Wait) -> None:
    server = serve()
    owner = server.signed_in()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held: list[int] = []
    newcomers = [socket.socket() for _ in range(3)]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(open_files()) + 1, hard))
        try:
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        except OSError as error:
            assert error.errno == errno.EMFILE
        for newcomer in newcomers:
            newcomer.connect(server.server.address)
            newcomer.settimeout(10)
            assert newcomer.recv(1) == b""  # closed at once, instead of left waiting
        assert owner.call(STAT)[0].entry.node
    finally:
        for fd in held:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for newcomer in newcomers:
            newcomer.close()
    assert server.signed_in("bob").call(STAT)[0].entry.node


# --- Many ------------------------------------------------------------------------------------------------------


def test_beside_fifty_idle_connections_another_signs_in(server: Running) -> None:
    owner = server.signed_in()
    for _ in range(50):
        server.attached(owner)
    server.signed_in("bob")  # how fast beside a thousand: ./run.sh torture idle-crowd
    assert server.server.connections() == 52


def test_among_idle_connections_and_drippers_a_transfer_completes_and_everything_returns_to_where_it_was(
    serve: Serve, wait_until: Wait
) -> None:
    """A small one; `./run.sh torture` has 1,000 idle ones and 500 drippers."""
    server = serve({"server.handshake_timeout_s": "2"})
    owner, login = server.login()

    def put(peer: WirePeer, size: int) -> None:
        record, data = chunk_of(login, size)
        assert peer.call(PutChunksRequest(chunks=1), pack_records([record]) + data)[0].stored == 1

    for _ in range(8):
        put(owner, MIB)  # starts the threads that sync
    threads, files = threading.active_count(), len(open_files())
    idle = [server.attached(owner) for _ in range(50)]
    drippers = [server.connect(handshake=False) for _ in range(25)]
    over = threading.Event()

    def drip_all() -> None:
        left = set(drippers)
        for sent in range(len(CLIENT_HELLO)):
            if not left or over.wait(0.02):
                return
            for peer in tuple(left):
                try:
                    peer.sock.send(CLIENT_HELLO[sent : sent + 1])
                except OSError:
                    left.discard(peer)

    dripping = threading.Thread(target=drip_all)
    dripping.start()
    try:
        transfer = server.attached(owner)
        for _ in range(8):
            put(transfer, 4 * MIB)
        assert all(peer.call(STAT)[0].entry.node for peer in idle[::10])
        wait_until(lambda: server.server.connections() == 52, 20, what="the drippers to be cut")
    finally:
        over.set()
        dripping.join()
    for peer in (*idle, *drippers, transfer):
        peer.close()
    wait_until(lambda: server.server.connections() == 1)
    wait_until(lambda: threading.active_count() == threads)
    assert len(open_files()) == files


def test_a_thousand_connections_one_after_the_other_leave_nothing_behind(server: Running, wait_until: Wait) -> None:
    server.signed_in().close()
    wait_until(lambda: not any(thread.name.startswith("connection-") for thread in threading.enumerate()))
    threads, files = threading.active_count(), len(open_files())
    for number in range(1000):
        peer = WirePeer(server.server.address, handshake=number % 4 != 0)
        if number % 4 == 1:
            peer.hello()
        if number % 2:
            peer.close()
        else:
            peer.reset()
    wait_until(lambda: server.server.connections() == 0)
    wait_until(lambda: threading.active_count() == threads)
    assert len(open_files()) == files
    assert len(server.server.services.commit_feed) == 0
    assert len(server.server.services.sessions) == 1


def test_what_a_connection_held_is_free_when_it_has_ended_and_waits_for_no_collection_of_garbage(
    server: Running, wait_until: Wait
) -> None:
    """A server looks for garbage rarely: 22 KB of each connection would be a crowd's gigabytes."""

    def held() -> list[object]:
        return [one for one in gc.get_objects() if isinstance(one, Connection | TlsStream)]

    gc.collect()
    was_enabled = gc.isenabled()  # a window in this process keeps it off
    gc.disable()
    try:
        owner = server.signed_in()
        for peer in (server.attached(owner), server.greeted(), server.connect(handshake=False), owner):
            peer.close()
        wait_until(lambda: server.server.connections() == 0)
        wait_until(lambda: not held(), what="the connections to be freed")
    finally:
        if was_enabled:
            gc.enable()


def test_when_a_crowd_has_gone_its_memory_is_given_back_once() -> None:
    class Idle:
        deadline = float("inf")

        def cut(self, reason: str) -> None:
            raise AssertionError(reason)

    here: list[Idle] = []
    given: list[int] = []
    watchdog = Watchdog(lambda: here, lambda: None, lambda: given.append(len(here)))
    for count in (CROWD - 1, 0, CROWD + 5, 50, 5, 0, CROWD, 0):
        here[:] = [Idle() for _ in range(count)]
        watchdog.look()
    assert given == [5], "once many have gone, and not again within seconds"


def test_hello_is_answered_while_others_wait_for_their_spaces(serve: Serve, wait_until: Wait) -> None:
    """A space that is being opened waits for the disk, and so does who asks for it: in nobody else's turn."""
    server = serve({"server.handler_slots": "2"})
    registry = server.server.services.spaces
    asking = [(peer, login.session.home.space) for peer, login in (server.login("alice"), server.login("bob"))]
    slots = [registry._slots[space] for _, space in asking]
    with slots[0].opening.held(), slots[1].opening.held():
        for peer, _ in asking:
            peer.send(STAT)
        wait_until(lambda: all(slot.leases == 1 for slot in slots))
        hello = threading.Thread(target=server.connect().hello)
        hello.start()
        hello.join(20)
        assert not hello.is_alive()
    for peer, _ in asking:
        envelope, _ = peer.receive()
        assert envelope.error is None
