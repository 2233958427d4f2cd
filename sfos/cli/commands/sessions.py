"""`sessions`: where one is signed in."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import msgspec

from sfos.cli.front import session_table
from sfos.cli.front.command import SessionCommand, Subject
from sfos.cli.front.shell import Shell
from sfos.protocol import SessionsRequest

if TYPE_CHECKING:
    from sfos.client.session.session import Session


class SessionsOptions(msgspec.Struct, frozen=True):
    """`sessions`."""

    json: bool = False


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON object per line")


def run(session: Session, shell: Shell, options: SessionsOptions) -> int:
    """The exit code."""
    session_table.show(shell, session.api.sessions(), as_json=options.json)
    return 0


COMMAND = SessionCommand(
    words="sessions",
    summary="show where you are signed in",
    subject=Subject.SESSIONS,
    options=SessionsOptions,
    arguments=_arguments,
    questions=lambda _: [SessionsRequest()],
    run=run,
)
