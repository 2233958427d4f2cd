"""A server that says what a test tells it to, a session on it, and transfers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sfos.client.net.trust import Trust
from sfos.client.session.session import Session
from sfos.client.transfer import TransferEngine
from tests.client.hostile_server.answers import HASTY
from tests.client.scripted_server import PASSWORD, USER, ScriptedServer


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


@pytest.fixture
def session(server: ScriptedServer, trust: Trust) -> Iterator[Session]:
    with Session.sign_in(server.address, USER, PASSWORD, trust, HASTY) as session:
        yield session


@pytest.fixture
def engine(session: Session) -> Iterator[TransferEngine]:
    with TransferEngine(session) as engine:
        yield engine
