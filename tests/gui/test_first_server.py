"""The server that the window offers at first."""

from __future__ import annotations

from pathlib import Path

import pytest

from sfos import config
from sfos.gui.signing_in.first_server import server_to_offer
from sfos.startup.running import forget_address, tell_address

DEFAULT = config.Client().server


@pytest.mark.parametrize(
    ("configured", "last", "running", "offered"),
    [
        (DEFAULT, "", "", DEFAULT),
        (DEFAULT, "", "0.0.0.0:9000", "127.0.0.1:9000"),
        (DEFAULT, "127.0.0.1:8443", "127.0.0.1:9000", "127.0.0.1:9000"),
        (DEFAULT, "localhost:8443", "[::1]:9000", "[::1]:9000"),
        (DEFAULT, "files.example:8443", "127.0.0.1:9000", "files.example:8443"),
        (DEFAULT, "nonsense here", "127.0.0.1:9000", "nonsense here"),
        (DEFAULT, "127.0.0.1:8000", "", "127.0.0.1:8000"),
        ("files.example:8443", "127.0.0.1:8443", "127.0.0.1:9000", "files.example:8443"),
    ],
)
def test_the_window_finds_the_server_that_runs_in_its_home(
    tmp_path: Path, configured: str, last: str, running: str, offered: str
) -> None:
    settings = config.load({"client.server": configured}, environ={}, home=tmp_path)
    if running:
        tell_address(tmp_path, running)
    assert server_to_offer(settings, last) == offered
    forget_address(tmp_path)
    assert server_to_offer(settings, last) == (configured if configured != DEFAULT else last or DEFAULT)
