"""The programs beside the command line where a standard stream is closed, full, or read by nobody any more."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sfos.startup.running import address_in

CHECKOUT = Path(__file__).resolve().parents[2]
PROGRAMS = {
    "certificate": ("generate_certificate.py", "--show"),
    "accounts": ("create_credentials.py", "list"),
    "manage": ("manage_storage.py", "stats", "--json"),
    "manage help": ("manage_storage.py", "--help"),
    "server": ("ssl_server.py", "--check-config"),
    "server version": ("ssl_server.py", "--version"),
}
CLOSED, FAILED = 7, 7
NOBODY_READS = 141


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("home")
    for program in ("generate_certificate.py", "create_credentials.py"):
        assert run((program,), made).returncode == 0
    return made


def run(words: tuple[str, ...], home: Path, redirections: str = "") -> subprocess.CompletedProcess[str]:
    environ = os.environ | {"SFOS_HOME": str(home), "SFOS_SERVER_PORT": "0"}
    command = f'exec "$0" "$@" {redirections}'
    words = (sys.executable, str(CHECKOUT / words[0]), *words[1:])
    return subprocess.run(
        ["bash", "-c", command, *words], env=environ, capture_output=True, text=True, timeout=60, check=False
    )


def without_room(text: str) -> str:
    """`text` as it is however much room the disk has at the moment."""
    return re.sub(r"free space: [\d.]+ [A-Za-z]+", "free space", text)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_stream_that_is_closed_or_full_is_an_error_only_of_who_needs_it(home: Path, program: str) -> None:
    words = PROGRAMS[program]
    whole = run(words, home)
    assert (whole.returncode, bool(whole.stdout)) == (0, True)
    for redirections, code, said in (
        (">&-", CLOSED, "Standard output is closed"),
        (">/dev/full", FAILED, "No space left on device"),
        ("<&-", 0, ""),
        ("2>&-", 0, ""),
        ("2>/dev/full", 0, ""),
        (">&- 2>&-", CLOSED, ""),
        (">/dev/full 2>/dev/full", FAILED, ""),
    ):
        done = run(words, home, redirections)
        assert (done.returncode, said in done.stderr) == (code, True), (redirections, done)
        expected = "" if ">" in redirections.replace("2>", "") else whole.stdout
        assert without_room(done.stdout) == without_room(expected)
        for word in ("Traceback", "Errno", "Exception ignored"):
            assert word not in done.stderr, (redirections, done.stderr)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_reader_that_went_away_ends_a_program_without_a_word(home: Path, program: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    words = (sys.executable, str(CHECKOUT / PROGRAMS[program][0]), *PROGRAMS[program][1:])
    environ = os.environ | {"SFOS_HOME": str(home), "SFOS_SERVER_PORT": "0"}
    done = subprocess.run(
        words, env=environ, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60, check=False
    )
    os.close(writing)
    said = "manage_storage: no space is stored here yet\n" if program == "manage" else ""
    assert (done.returncode, done.stderr) == (NOBODY_READS, said)


def test_a_window_that_cannot_open_needs_no_stream_to_end(home: Path) -> None:
    for redirections in ("", "2>&-", "<&- >&- 2>&-"):
        done = run(("gui_client.py", "--set", "client.nonsense=1"), home, redirections)
        assert (done.returncode, done.stdout) == (2, "")


def test_a_password_that_cannot_come_is_said(home: Path) -> None:
    done = run(("create_credentials.py", "add", "eve", "--password-stdin"), home, "<&-")
    assert (done.returncode, done.stderr) == (CLOSED, "create_credentials: Standard input is closed.\n")


def test_a_server_without_any_stream_serves(home: Path, wait_until: Callable[..., None]) -> None:
    command = f'exec "{sys.executable}" "{CHECKOUT / "ssl_server.py"}" <&- >&- 2>&-'
    environ = os.environ | {"SFOS_HOME": str(home), "SFOS_SERVER_PORT": "0"}
    with subprocess.Popen(["bash", "-c", command], env=environ) as server:
        wait_until(lambda: address_in(home), what="its address")
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0


@pytest.mark.parametrize("place", ["/proc", "/proc/none"])
@pytest.mark.parametrize("words", [("generate_certificate.py",), ("create_credentials.py",), ("ssl_server.py",)])
def test_a_home_that_nobody_can_write_to_is_named_without_a_number(words: tuple[str, ...], place: str) -> None:
    done = run(words, Path(place))
    assert done.returncode == 1
    assert place in done.stderr and "Errno" not in done.stderr and done.stderr.count("\n") == 1


def test_a_server_whose_home_is_not_there_makes_none(tmp_path: Path) -> None:
    done = run(("ssl_server.py",), tmp_path / "none")
    assert done.returncode == 1
    assert str(tmp_path / "none") in done.stderr and "create_credentials.py" in done.stderr
    assert not (tmp_path / "none").exists()
