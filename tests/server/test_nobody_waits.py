"""Requests for which nobody waits any more: what reads stops, what changes something ends once it has begun to write,
and a stopping server or a barred account undoes it.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from sfos.protocol import (
    CommitItem,
    CopyRequest,
    ListRequest,
    LoginFinishReply,
    MakeFolderRequest,
    NotFound,
    Ref,
    ServerStopping,
    SessionEnded,
    StatRequest,
    Target,
    pack_commit,
    raise_for_error,
)
from sfos.server.catalog import engine
from sfos.server.process import waiting
from tests.server.conftest import Running
from tests.support.long_change import held_catalog
from tests.support.wire_peer import WirePeer

WaitUntil = Callable[..., None]
FILES = 200  # a copy of them takes far more steps than are between two looks


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests look at every turn whether somebody waits. To be asked for before the server."""
    monkeypatch.setattr(engine, "_LOOK_EVERY_STEPS", 100)
    monkeypatch.setattr(waiting, "LOOK_EVERY_S", 0.0)


def exists(peer: WirePeer, path: str) -> bool:
    try:
        peer.call(StatRequest(ref=Ref(path=path)))
    except NotFound:
        return False
    return True


def make_tree(peer: WirePeer) -> None:
    items = [CommitItem(target=Target(path=f"/tree/{number}"), kind="folder") for number in range(FILES)]
    peer.call(*pack_commit(os.urandom(16), items, []))


@contextmanager
def copying(
    server: Running, writing: threading.Event, peer: WirePeer, login: LoginFinishReply
) -> Iterator[CopyRequest]:
    """The tree is being copied, which has begun to write, and waits while the block lasts."""
    request = CopyRequest(op_id=os.urandom(16), source=Ref(path="/tree"), target=Target(path="/copied"))
    writing.clear()
    with held_catalog(server.storage_dir, login.session.home.space):
        peer.send(request)
        assert writing.wait(10)
        yield request


def begins(server: Running, wait_until: WaitUntil, send: Callable[[], object]) -> None:
    """Return once a request has been read."""
    before = server.bytes_read()
    send()
    wait_until(lambda: server.bytes_read() > before)


def test_what_only_reads_stops_when_its_peer_has_gone(
    eager: None, server: Running, wait_until: WaitUntil, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "sfos.server.front.connection")
    peer = server.signed_in()
    make_tree(peer)
    outgoing, size_bytes = server.server.services.outgoing, server.settings.server.memory_budget_bytes // 4
    halves = [outgoing.take(owner, size_bytes // 2, 1) for owner in ("one", "two", "three", "four")]
    with halves[0], halves[1], halves[2], halves[3]:  # as much as there is
        begins(server, wait_until, lambda: peer.send(ListRequest(folders=(Ref(path="/tree"),), limit=5_000)))
        peer.reset()
    wait_until(lambda: server.server.connections() == 0)
    assert any("command=list" in record.message and "server_busy" in record.message for record in caplog.records)


def test_who_waits_for_the_turn_to_change_something_and_goes_has_changed_nothing(
    writing: threading.Event, server: Running, wait_until: WaitUntil
) -> None:
    peer, login = server.login()
    other = server.attached(peer)
    third = server.attached(peer)
    with held_catalog(server.storage_dir, login.session.home.space):
        peer.send(MakeFolderRequest(op_id=os.urandom(16), target=Target(path="/a")))
        assert writing.wait(10)
        begins(
            server, wait_until, lambda: other.send(MakeFolderRequest(op_id=os.urandom(16), target=Target(path="/b")))
        )
        other.reset()  # while the one before it has the turn
        wait_until(lambda: server.server.connections() == 2)
    peer.receive()
    assert exists(third, "/a") and not exists(third, "/b")


def test_what_has_begun_to_write_ends_though_its_peer_has_gone_and_its_reply_is_kept(
    eager: None, writing: threading.Event, server: Running, wait_until: WaitUntil
) -> None:
    peer, login = server.login()
    other = server.attached(peer)
    make_tree(peer)
    with copying(server, writing, peer, login) as request:
        peer.reset()
    wait_until(lambda: server.server.connections() == 1)
    assert exists(other, f"/copied/{FILES - 1}")
    before = other.call(StatRequest(ref=Ref(path="/copied")))[0].entry.revision
    assert other.call(request)[0].revision == before


def test_a_barred_account_undoes_what_has_begun_to_write(
    eager: None, writing: threading.Event, server: Running
) -> None:
    peer, login = server.login()
    make_tree(peer)
    with copying(server, writing, peer, login):
        server.accounts.set_disabled("alice", True)
        services = server.server.services
        services.sessions.sweep(services.accounts.find_id)
    with pytest.raises(SessionEnded):
        raise_for_error(peer.receive()[0])
    server.accounts.set_disabled("alice", False)
    assert not exists(server.signed_in(), "/copied")


def test_a_stopping_server_undoes_what_takes_long_and_answers(
    eager: None, writing: threading.Event, server: Running
) -> None:
    peer, login = server.login()
    make_tree(peer)
    stopping = server.server._stopping
    with copying(server, writing, peer, login):
        stopping.set()
    with pytest.raises(ServerStopping):
        raise_for_error(peer.receive()[0])
    stopping.clear()
    assert not exists(server.signed_in(), "/copied")
