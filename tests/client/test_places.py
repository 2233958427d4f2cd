from __future__ import annotations

import stat
import sys
from pathlib import Path

import platformdirs
import pytest

from sfos.client.local.directories import pins_file, runtime_directory, state_directory
from sfos.config import Client

linux = pytest.mark.skipif(sys.platform != "linux", reason="what XDG says holds on Linux")


def test_tickets_lie_in_the_users_own_directory(own_directories: Path) -> None:
    directory = runtime_directory()
    assert directory.is_relative_to(own_directories)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_pins_lie_where_the_settings_say(tmp_path: Path) -> None:
    assert pins_file(Client(state_dir=tmp_path)) == tmp_path / "pins.json"


@linux
@pytest.mark.parametrize("named", ["", "relative/state", "/var/empty/state"])
def test_places_are_those_that_platformdirs_knows(monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", named)
    assert state_directory(Client()) == platformdirs.user_state_path("sfos", appauthor=False)
    assert runtime_directory() == platformdirs.user_runtime_path("sfos")


@linux
@pytest.mark.parametrize("fault", ["not set", "missing", "relative", "a file", "open to others"])
def test_a_runtime_directory_that_is_not_the_users_own_is_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fault: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o755)
    named = {
        "not set": "",
        "missing": str(tmp_path / "missing"),
        "relative": "run",
        "a file": str(tmp_path / "file"),
        "open to others": str(tmp_path / "open"),
    }
    monkeypatch.setenv("XDG_RUNTIME_DIR", named[fault])
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert runtime_directory() == tmp_path / "state" / "sfos" / "run"
    assert stat.S_IMODE(runtime_directory().stat().st_mode) == 0o700
