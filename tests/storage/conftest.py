"""Real spaces in a fresh directory: a registry, a space, someone at work in it, and a check that all is well after."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from sfos.server.chunks.files import LocalFiles
from sfos.server.maintenance.verify import verify_space
from sfos.server.spaces.operations.context import SpaceContext, StoreLimits
from sfos.server.spaces.registry import SpaceRegistry, wall_clock_ms
from sfos.server.spaces.space import Space
from sfos.server.vault.master import MasterKey
from tests.storage.backing_up import Backups, NewRegistry
from tests.storage.clock import Clock
from tests.storage.desk import Desk

SPACE_ID = "5face" + "0" * 26 + "1"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "leaves_damage: harms a space on purpose, so that it need not verify afterwards")


@pytest.fixture(scope="session")
def master_text() -> str:
    return Fernet.generate_key().decode()


@pytest.fixture
def master(master_text: str) -> MasterKey:
    return MasterKey.parse(master_text)


@pytest.fixture
def new_registry(tmp_path: Path, master: MasterKey) -> Iterator[Callable[..., SpaceRegistry]]:
    """`new_registry(**settings)`: a registry over this test's directory; more than one may be open at once."""
    made: list[SpaceRegistry] = []

    def make(
        *,
        home: Path = tmp_path,
        key: MasterKey = master,
        limits: StoreLimits | None = None,
        keep_open: int = 64,
        now_ms: Callable[[], int] = wall_clock_ms,
        files: LocalFiles | None = None,
    ) -> SpaceRegistry:
        registry = SpaceRegistry(
            home / "server_storage",
            home / "temp",
            key,
            limits=limits or StoreLimits(free_floor_bytes=0),
            keep_open=keep_open,
            now_ms=now_ms,
            files=files,
        )
        made.append(registry)
        return registry

    yield make
    for registry in made:
        registry.close()


@pytest.fixture
def clock() -> Clock:
    """For the registry of a test whose time passes."""
    return Clock()


@pytest.fixture
def registry(new_registry: Callable[..., SpaceRegistry]) -> SpaceRegistry:
    return new_registry()


@pytest.fixture
def space(registry: SpaceRegistry) -> Iterator[Space]:
    with registry.lease(SPACE_ID) as leased:
        yield leased


@pytest.fixture
def context(registry: SpaceRegistry, space: Space) -> Iterator[SpaceContext]:
    """A look behind `space`, through connections of its own."""
    with registry.inspect(SPACE_ID) as opened:
        yield opened


@pytest.fixture
def desk(request: pytest.FixtureRequest, registry: SpaceRegistry, space: Space) -> Iterator[Desk]:
    """Someone at work. Afterwards the space must verify clean, unless the test is marked `leaves_damage`."""
    yield Desk(space)
    if request.node.get_closest_marker("leaves_damage"):
        return
    with registry.inspect(SPACE_ID) as opened:
        assert verify_space(opened, full=True).findings == []


@pytest.fixture
def backups(tmp_path: Path, master: MasterKey, new_registry: NewRegistry) -> Backups:
    """Backups of this test's directory."""
    accounts = tmp_path / "credentials.json"
    accounts.write_text("accounts of this test")
    home = tmp_path / "second home"
    return Backups(tmp_path / "server_storage", accounts, tmp_path / "backups", home, master, new_registry, SPACE_ID)
