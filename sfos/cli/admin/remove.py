"""`admin remove`: the end of an account."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import msgspec

from sfos.cli.admin.accounts import add_name, administration
from sfos.cli.front.command import SessionCommand, Subject
from sfos.cli.front.shell import Shell
from sfos.protocol import LoginRequired

if TYPE_CHECKING:
    from sfos.client.session.session import Session


class AdminRemoveOptions(msgspec.Struct, frozen=True):
    """`admin remove`. `yes`: do not ask."""

    name: str
    yes: bool = False


def _arguments(parser: argparse.ArgumentParser) -> None:
    add_name(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(session: Session, shell: Shell, options: AdminRemoveOptions) -> int:
    """The exit code."""
    admin = administration(session)
    account = admin.account(options.name)
    if not options.yes:
        question = f"Remove {account.name}? A new account of that name will not get its files."
        if not shell.can_ask:
            raise LoginRequired("There is no terminal to ask for a confirmation; give --yes.")
        if not shell.confirm(question):
            shell.note("Nothing was removed.")
            return 1
    admin.remove(account.name)
    shell.note(f"Removed {account.name}; its files stay in {account.id} in the server's storage.")
    return 0


COMMAND = SessionCommand(
    words="remove NAME",
    summary="remove an account; its files stay on the server's disk",
    subject=Subject.ACCOUNTS,
    options=AdminRemoveOptions,
    arguments=_arguments,
    run=run,
)
