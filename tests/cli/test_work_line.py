"""Line that a command shows while the server works on it for long."""

from __future__ import annotations

import io
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sfos.cli.front.shell import Shell
from sfos.cli.front.work_line import WorkLine, sentence
from sfos.client.address import Address
from sfos.client.net.trust import ACCEPT_NEW, Trust, TrustStore
from sfos.client.session.session import Session
from sfos.protocol import Working
from tests.cli.conftest import Cli
from tests.support.long_change import long_change


@pytest.mark.parametrize(
    ("command", "working", "expected", "said"),
    [
        ("delete", Working(), 0, "Deleting…"),
        ("delete", Working(done=12_345), 0, "Deleting: 12,345 so far"),
        ("delete", Working(done=12_345), 1_000_000, "Deleting: 12,345 of 1,000,000"),
        ("delete", Working(done=12_345), 12_000, "Deleting: 12,345 so far"),
        ("new_command", Working(), 0, "New command…"),
        (
            "make_folder",
            Working(done=7, behind="delete"),
            0,
            "Waiting for another change of this account to end (deleting, 7 so far)",
        ),
        ("move", Working(behind="copy"), 0, "Waiting for another change of this account to end (copying)"),
    ],
)
def test_the_line_says_what_is_done_and_what_is_waited_for(
    command: str, working: Working, expected: int, said: str
) -> None:
    assert sentence(command, working, expected) == said


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_line_gives_way_to_whatever_else_is_said() -> None:
    screen = Screen()
    shell = Shell(io.StringIO(), screen, screen)
    shell.transient("Counting: 7 so far")
    shell.warn("/a: not there")
    shell.transient("Counting: 9 so far")
    shell.result("a name")
    shell.transient("")
    gone = "\r\x1b[K"
    assert screen.getvalue() == f"Counting: 7 so far{gone}sfos: /a: not there\nCounting: 9 so far{gone}a name\n"


def test_what_takes_long_is_counted_from_its_second_second_on() -> None:
    times = iter((0.0, 0.5, 1.0, 1.0, 1.1, 1.5, 1.5))
    screen = Screen()
    line = WorkLine(Shell(io.StringIO(), screen, screen), "Copying", clock=lambda: next(times))
    for _ in range(4):
        line.count(1)
    line.clear()
    assert screen.getvalue().replace("\r\x1b[K", "|") == "Copying: 2 so far|Copying: 4 so far|"


@pytest.fixture
def session(cli: Cli, tmp_path: Path) -> Iterator[Session]:
    """Another client of the account."""
    trust = Trust(TrustStore(tmp_path / "pins"), ACCEPT_NEW)
    with Session.sign_in(Address.parse(cli.server.address), "user1", "user123", trust) as session:
        yield session


def test_a_command_that_waits_for_another_change_says_so_and_ends_well(cli: Cli, session: Session) -> None:
    with ExitStack() as change:
        change.enter_context(long_change(session, cli.server.home))
        with cli.terminal("--accept-new-key", "mkdir", "/waits") as terminal:
            terminal.expect("Waiting for another change of this account to end (making a folder)")
            assert session.api.stat("/").kind == "folder", "what only looks waits for nobody"
            change.close()
            assert terminal.end() == 0
    assert "Waiting" not in terminal.shown.rpartition("\r\x1b[K")[2], "the line has gone"
    assert cli("stat", "/waits").code == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_who_interrupts_a_change_hears_that_it_may_still_be_made(
    cli: Cli, session: Session, number: int, code: int
) -> None:
    with long_change(session, cli.server.home), cli.terminal("--accept-new-key", "mkdir", "/given-up") as terminal:
        terminal.expect("Waiting for another change")
        terminal.process.send_signal(number)
        terminal.expect("Interrupted; what the server has begun, it may still bring to its end.")
        assert terminal.end() == code


def test_who_interrupts_what_only_looks_hears_nothing_of_it(cli: Cli) -> None:
    with cli.terminal("--accept-new-key", "watch", "/") as terminal:
        terminal.expect("Watching")
        terminal.process.send_signal(signal.SIGINT)
        terminal.end()
    assert "Interrupted" not in terminal.text


def test_in_a_pipe_nothing_is_said_of_waiting(cli: Cli, session: Session) -> None:
    with ExitStack() as change:
        change.enter_context(long_change(session, cli.server.home))
        with cli.running("mkdir", "/quiet") as process:
            assert session.api.exists("/quiet") is None
            change.close()
            out, said = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, "")
    assert "Waiting" not in said and "\x1b" not in said
