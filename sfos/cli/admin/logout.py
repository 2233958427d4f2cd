"""`admin logout`: the end of a user's sessions."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import msgspec

from sfos.cli.admin.accounts import add_name, administration
from sfos.cli.front.command import SessionCommand, Subject
from sfos.cli.front.session_table import named
from sfos.cli.front.shell import Shell
from sfos.protocol import counted

if TYPE_CHECKING:
    from sfos.client.session.session import Session


class AdminLogoutOptions(msgspec.Struct, frozen=True):
    """`admin logout`. `session`: the beginning of an id; None: all of them."""

    name: str
    session: str | None = None


def _arguments(parser: argparse.ArgumentParser) -> None:
    add_name(parser)
    parser.add_argument("session", nargs="?", metavar="SESSION", help="only this one: the beginning of its id")


def run(session: Session, shell: Shell, options: AdminLogoutOptions) -> int:
    """The exit code."""
    admin = administration(session)
    wanted = None if options.session is None else named(admin.sessions(options.name), options.session).id
    ended = admin.end_sessions(options.name, wanted)
    shell.note(f"Ended {counted(ended, 'session')} of {options.name}.")
    return 0


COMMAND = SessionCommand(
    words="logout NAME [SESSION]",
    summary="end a user's sessions, at once",
    subject=Subject.SESSIONS,
    options=AdminLogoutOptions,
    arguments=_arguments,
    run=run,
)
