"""A real server in this process, over real TLS, in a home of its own."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from sfos import config
from sfos.programs import certificate as generate_certificate
from sfos.protocol import MIN_ITERATIONS, LoginFinishReply, Role, make_verifier
from sfos.server.app import Server
from sfos.server.audit.reading import strangers_file
from sfos.server.catalog import engine
from sfos.server.front.gate import Gate
from sfos.server.front.listener import Listener
from sfos.server.identity.credential_file import CredentialFile
from sfos.server.net.tls_reload import CurrentIdentity
from sfos.server.process import waiting
from tests.support.wire_peer import WirePeer

PASSWORDS = {"alice": "correct horse battery", "bob": "tr0ub4dor and three", "root": "an administrator's own"}
ROLES: dict[str, Role] = {"root": "admin"}


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a certificate and accounts, to be copied: making them takes half a second."""
    home = tmp_path_factory.mktemp("template")
    assert generate_certificate.main(["--home", str(home)]) == 0
    accounts = CredentialFile(config.load(environ={}, home=home).server.credentials_file)
    for user, password in PASSWORDS.items():
        verifier = make_verifier(password, user.encode().ljust(16, b"."), MIN_ITERATIONS)
        accounts.add(user, verifier, ROLES.get(user, "user"))
    return home


@pytest.fixture
def home(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "home with spaces"))


def settings(home: Path, overrides: Mapping[str, str]) -> config.Config:
    quick = {
        "server.port": "0",
        "storage.free_space_floor_bytes": "1 MiB",
        "logging.console_level": "ERROR",
        "server.max_connections_per_address": "1000",
    }
    return config.load({**quick, **overrides}, environ={}, home=home)


@dataclass
class Running:
    """A server, and peers that talk to it. They are closed with it."""

    server: Server
    settings: config.Config
    peers: list[WirePeer]

    def connect(self, *, receive_buffer: int = 0, handshake: bool = True, source: str = "") -> WirePeer:
        """A connection that has said nothing yet; from the address `source` of this machine."""
        peer = WirePeer(self.server.address, receive_buffer=receive_buffer, handshake=handshake, source=source)
        self.peers.append(peer)
        return peer

    def greeted(self, source: str = "") -> WirePeer:
        peer = self.connect(source=source)
        peer.hello()
        return peer

    def signed_in(self, user: str = "alice", source: str = "") -> WirePeer:
        peer = self.greeted(source)
        peer.login(user, PASSWORDS[user])
        return peer

    def login(self, user: str = "alice") -> tuple[WirePeer, LoginFinishReply]:
        peer = self.greeted()
        return peer, peer.login(user, PASSWORDS[user])

    def attached(self, other: WirePeer, *, receive_buffer: int = 0, source: str = "") -> WirePeer:
        """Another connection of the session of `other`."""
        peer = self.connect(receive_buffer=receive_buffer, source=source)
        peer.hello()
        peer.attach(other)
        return peer

    @property
    def storage_dir(self) -> Path:
        return self.settings.server.storage_dir

    def audit(self) -> str:
        return self.settings.logging.audit_file.read_text()

    def audit_of_strangers(self) -> str:
        return strangers_file(self.settings.logging.audit_file).read_text()

    @property
    def accounts(self) -> CredentialFile:
        return self.server.services.accounts

    # Where no public way leads: how full it is, what has come, and its certificate.

    @property
    def listener(self) -> Listener:
        return self.server._listener

    @property
    def gate(self) -> Gate:
        return self.listener._gate

    def bytes_read(self) -> int:
        """How many bytes have come over the connections that there are."""
        return sum(connection._stream.bytes_in for connection in self.listener.connections())

    @property
    def identity(self) -> CurrentIdentity:
        return self.server._identity


Serve = Callable[..., Running]


@pytest.fixture
def serve(home: Path) -> Iterator[Serve]:
    """`serve({"server.max_connections": "3"})`: a running server with these settings, stopped after the test."""
    running: list[Running] = []

    def start(overrides: Mapping[str, str] | None = None) -> Running:
        loaded = settings(home, overrides or {})
        one = Running(Server(loaded), loaded, [])
        one.server.start()
        running.append(one)
        return one

    yield start
    for one in running:
        for peer in one.peers:
            peer.close()
        one.server.stop()


@pytest.fixture
def server(serve: Serve) -> Running:
    return serve()


@pytest.fixture
def writing(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set once a request has begun to change something."""
    begun, real = threading.Event(), waiting.begin_writing

    def begin_writing() -> None:
        real()
        begun.set()

    monkeypatch.setattr(engine, "begin_writing", begin_writing)
    return begun
