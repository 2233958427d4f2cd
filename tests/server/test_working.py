"""Signs that the server works on a request that takes long: for who has said that they understand them."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sfos.client.address import Address
from sfos.client.net.trust import ACCEPT_NEW, Trust, TrustStore
from sfos.client.options import ClientOptions, ConnectionOptions
from sfos.client.retry import NEVER
from sfos.client.session.session import Session
from sfos.protocol import (
    WORKING,
    CommitItem,
    DeleteItem,
    DeleteRequest,
    MakeFolderRequest,
    Ref,
    Target,
    Working,
    pack_commit,
)
from sfos.server.catalog import engine
from sfos.server.process import waiting
from tests.server.conftest import PASSWORDS, Running
from tests.server.test_nobody_waits import exists
from tests.support.long_change import held_catalog
from tests.support.wire_peer import WirePeer

ENTRIES = 500


@pytest.fixture
def talkative(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tell whoever waits at every look. To be asked for before the server."""
    monkeypatch.setattr(engine, "_LOOK_EVERY_STEPS", 100)
    monkeypatch.setattr(waiting, "LOOK_EVERY_S", 0.001)
    monkeypatch.setattr(waiting, "TELL_EVERY_S", 0.0)


def make_folder(path: str) -> MakeFolderRequest:
    return MakeFolderRequest(op_id=os.urandom(16), target=Target(path=path))


def delete(path: str) -> DeleteRequest:
    return DeleteRequest(op_id=os.urandom(16), items=(DeleteItem(ref=Ref(path=path)),))


def make_tree(peer: WirePeer) -> None:
    items = [CommitItem(target=Target(path=f"/tree/{number}"), kind="folder") for number in range(ENTRIES)]
    peer.call(*pack_commit(os.urandom(16), items, []))


def hearing(server: Running, other: WirePeer) -> WirePeer:
    """A peer that takes signs, in the session of `other`."""
    peer = server.connect()
    peer.hello(features=(WORKING,))
    peer.attach(other)
    return peer


@contextmanager
def impatient_session(server: Running, home: Path) -> Iterator[Session]:
    """A session of alice that gives up a server which says nothing for two seconds, and does not try again."""
    trust = Trust(TrustStore(home / "pins"), ACCEPT_NEW)
    options = ClientOptions(connection=ConnectionOptions(reply_timeout_s=2.0, retry=NEVER))
    with Session.sign_in(Address(*server.server.address), "alice", PASSWORDS["alice"], trust, options) as session:
        yield session


def signs_before_the_reply(peer: WirePeer, request_id: int) -> list[Working]:
    signs: list[Working] = []
    while True:
        envelope, body = peer.receive()
        assert envelope.id == request_id
        if envelope.working is None:
            assert envelope.error is None
            return signs
        assert not body
        signs.append(envelope.working)


def test_who_waits_for_a_long_request_hears_how_much_of_it_is_done(talkative: None, server: Running) -> None:
    quiet = server.signed_in()
    make_tree(quiet)
    peer = hearing(server, quiet)
    signs = signs_before_the_reply(peer, peer.send(delete("/tree")))
    done = [sign.done for sign in signs]
    assert done == sorted(done)
    assert done[-1] > ENTRIES
    assert not any(sign.behind for sign in signs)
    assert not exists(quiet, "/tree")
    signs_before_the_reply(peer, peer.send(make_folder("/tree")))  # the connection goes on as before


def test_who_did_not_ask_for_signs_gets_none(talkative: None, server: Running) -> None:
    peer = server.signed_in()
    make_tree(peer)
    assert signs_before_the_reply(peer, peer.send(delete("/tree"))) == []


def test_who_waits_behind_another_change_hears_what_it_is(
    talkative: None, writing: threading.Event, server: Running
) -> None:
    peer, login = server.login()
    make_tree(peer)
    other = hearing(server, peer)
    writing.clear()
    with held_catalog(server.storage_dir, login.session.home.space):  # so that the deletion waits
        deleting = peer.send(delete("/tree"))
        assert writing.wait(20)
        making = other.send(make_folder("/new"))
        envelope, _ = other.receive()
        assert (envelope.id, envelope.working) == (making, Working(behind="delete"))
    signs_before_the_reply(peer, deleting)
    signs_before_the_reply(other, making)
    assert exists(peer, "/new")


def test_a_client_waits_as_long_as_the_server_says_that_it_works(
    writing: threading.Event, server: Running, tmp_path: Path
) -> None:
    heard: list[tuple[str, Working | None]] = []
    for_long = threading.Event()

    def on_working(command: str, working: Working | None) -> None:
        heard.append((command, working))
        if len(heard) > 4:  # one a second, and the client's patience is two
            for_long.set()

    peer, login = server.login()
    with impatient_session(server, tmp_path) as session:
        session.on_working = on_working
        writing.clear()
        with held_catalog(server.storage_dir, login.session.home.space):
            first = peer.send(make_folder("/first"))
            assert writing.wait(20)
            thread = threading.Thread(target=session.api.make_folder, args=("/second",))
            thread.start()
            assert for_long.wait(20)
            assert session.api.stat("/").kind == "folder", "a long command holds up no other one of its session"
        thread.join(20)
        signs_before_the_reply(peer, first)
        assert session.api.stat("/second").kind == "folder"
    assert heard[0] == ("make_folder", Working(behind="make_folder"))
    assert heard[-1] == ("make_folder", None), "it has ended"
