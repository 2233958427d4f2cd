"""A real server in a process of its own, a session on it, and folders to move."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from sfos.client.address import Address
from sfos.client.net.trust import ACCEPT_NEW, Trust, TrustStore
from sfos.client.options import ClientOptions, ConnectionOptions, TransferOptions
from sfos.client.session.session import Session
from sfos.client.transfer import Job, JobState, TransferEngine
from tests.client.cutting_relay import CuttingRelay
from tests.client.trees import noise
from tests.support.retrying import for_s, times
from tests.support.server_process import ServerProcess, prepare_home, running_server

Finish = Callable[[Job], JobState]

USER, PASSWORD = "user1", "user123"
LARGE_BYTES = 24_000_000

# Impatient, so that tests of what fails do not take long; real waits are the defaults.
OPTIONS = ClientOptions(
    ConnectionOptions(connect_timeout_s=5.0, login_timeout_s=10.0, reply_timeout_s=20.0, retry=for_s(5.0)),
    TransferOptions(retry=times(5, 0.1)),
)
FAST = TransferOptions(retry=times(5, 0.05))  # of an engine whose connections are cut


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with running_server(prepare_home(tmp_path_factory.mktemp("home"))) as server:
        yield server


@pytest.fixture
def address(server: ServerProcess) -> Address:
    return Address.parse(server.address)


@pytest.fixture
def trust(tmp_path: Path) -> Trust:
    return Trust(TrustStore(tmp_path / "pins.json"), ACCEPT_NEW)


@pytest.fixture
def session(address: Address, trust: Trust) -> Iterator[Session]:
    session = Session.sign_in(address, USER, PASSWORD, trust, OPTIONS)
    yield session
    session.logout()


@pytest.fixture
def folder(session: Session) -> str:
    """The path of a new folder on the server."""
    path = f"/{uuid4().hex}"
    session.api.make_folder(path)
    return path


@pytest.fixture
def engine(session: Session) -> Iterator[TransferEngine]:
    with TransferEngine(session) as engine:
        yield engine


@pytest.fixture
def relay(address: Address) -> Iterator[CuttingRelay]:
    """On the way to the server; only who signs in at its address goes through it."""
    with CuttingRelay(address) as relay:
        yield relay


@pytest.fixture
def relayed(relay: CuttingRelay, trust: Trust) -> Iterator[Session]:
    """A session through the relay."""
    session = Session.sign_in(relay.address, USER, PASSWORD, trust, OPTIONS)
    yield session
    relay.refusing = False
    session.logout()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """An empty folder, for what is to be moved."""
    path = tmp_path / "source"
    path.mkdir()
    return path


@pytest.fixture
def large_and_small(tmp_path: Path) -> Path:
    """A folder with the file `large` (LARGE_BYTES, never the same) and 300 small ones."""
    path = tmp_path / "source"
    path.mkdir()
    (path / "large").write_bytes(noise(LARGE_BYTES, random.randrange(10**9)))
    for number in range(300):
        (path / f"s{number}").write_bytes(f"{number}".encode())
    return path


@pytest.fixture
def finish() -> Finish:
    """Waits for a job and returns how it ended."""

    def wait(job: Job) -> JobState:
        assert job.wait(60), job.progress
        return job.state

    return wait
