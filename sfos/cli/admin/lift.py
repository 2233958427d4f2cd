"""`admin lift`: wrong sign-ins, forgotten."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import msgspec

from sfos.cli.admin.accounts import administration
from sfos.cli.front.command import SessionCommand, Subject
from sfos.cli.front.shell import Shell
from sfos.protocol import counted

if TYPE_CHECKING:
    from sfos.client.session.session import Session


class AdminLiftOptions(msgspec.Struct, frozen=True):
    """`admin lift`. Exactly one of the three is given."""

    account: str | None = None
    address: str | None = None
    every: bool = False


def _arguments(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group(required=True)
    # Not --user, which says as whom to sign in.
    which.add_argument("--account", metavar="NAME", help="those on this account")
    which.add_argument("--address", metavar="ADDRESS", help="those from this address")
    which.add_argument("--all", dest="every", action="store_true", help="all of them")


def run(session: Session, shell: Shell, options: AdminLiftOptions) -> int:
    """The exit code."""
    lifted = administration(session).lift(address=options.address, user=options.account)
    shell.note(f"{counted(lifted, 'penalty', 'penalties')} lifted.")
    return 0 if lifted or options.every else 4


COMMAND = SessionCommand(
    words="lift",
    summary="forget wrong sign-ins",
    subject=Subject.SESSIONS,
    options=AdminLiftOptions,
    arguments=_arguments,
    run=run,
)
