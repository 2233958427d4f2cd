"""A real server for the tests of one module, each program in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.server_process import ServerProcess, prepare_home, running_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with running_server(prepare_home(tmp_path_factory.mktemp("home with spaces"))) as server:
        yield server
