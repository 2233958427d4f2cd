"""Line that a command shows while the server works on it for long."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sfos.cli.front.work_line import sentence
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


def test_in_a_pipe_nothing_is_said_of_waiting(cli: Cli, session: Session) -> None:
    with ExitStack() as change:
        change.enter_context(long_change(session, cli.server.home))
        with cli.running("mkdir", "/quiet") as process:
            assert session.api.exists("/quiet") is None
            change.close()
            out, said = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, "")
    assert "Waiting" not in said and "\x1b" not in said
