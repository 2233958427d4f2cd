"""`admin disable`: an account kept from signing in."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import msgspec

from sfos.cli.admin.accounts import add_json, add_name, administration, tell_change
from sfos.cli.front.command import SessionCommand, Subject
from sfos.cli.front.shell import Shell

if TYPE_CHECKING:
    from sfos.client.session.session import Session


class AdminDisableOptions(msgspec.Struct, frozen=True):
    """`admin disable`."""

    name: str
    json: bool = False


def _arguments(parser: argparse.ArgumentParser) -> None:
    add_name(parser)
    add_json(parser)


def run(session: Session, shell: Shell, options: AdminDisableOptions) -> int:
    """The exit code."""
    account = administration(session).set_disabled(options.name, True)
    return tell_change(
        shell, account, f"{account.name} may no longer sign in; its sessions have ended.", as_json=options.json
    )


COMMAND = SessionCommand(
    words="disable NAME",
    summary="keep an account from signing in, and end its sessions",
    subject=Subject.ACCOUNTS,
    options=AdminDisableOptions,
    arguments=_arguments,
    run=run,
)
