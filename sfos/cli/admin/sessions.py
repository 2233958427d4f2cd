"""`admin sessions`: who is signed in."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import msgspec

from sfos.cli.admin.accounts import administration
from sfos.cli.front import session_table
from sfos.cli.front.command import SessionCommand, Subject
from sfos.cli.front.shell import Shell

if TYPE_CHECKING:
    from sfos.client.session.session import Session


class AdminSessionsOptions(msgspec.Struct, frozen=True):
    """`admin sessions`."""

    name: str | None = None
    json: bool = False


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="only of this user")
    parser.add_argument("--json", action="store_true", help="a JSON object for each session")


def run(session: Session, shell: Shell, options: AdminSessionsOptions) -> int:
    """The exit code."""
    found = administration(session).sessions(options.name)
    session_table.show(shell, found, as_json=options.json, with_user=True)
    return 0


COMMAND = SessionCommand(
    words="sessions [NAME]",
    summary="show who is signed in, from where",
    subject=Subject.SESSIONS,
    options=AdminSessionsOptions,
    arguments=_arguments,
    run=run,
)
