"""`admin enable`: a disabled account that may sign in again."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import msgspec

from sfos.cli.admin.accounts import add_json, add_name, administration, tell_change
from sfos.cli.front.command import SessionCommand, Subject
from sfos.cli.front.shell import Shell

if TYPE_CHECKING:
    from sfos.client.session.session import Session


class AdminEnableOptions(msgspec.Struct, frozen=True):
    """`admin enable`."""

    name: str
    json: bool = False


def _arguments(parser: argparse.ArgumentParser) -> None:
    add_name(parser)
    add_json(parser)


def run(session: Session, shell: Shell, options: AdminEnableOptions) -> int:
    """The exit code."""
    account = administration(session).set_disabled(options.name, False)
    return tell_change(shell, account, f"{account.name} may sign in again.", as_json=options.json)


COMMAND = SessionCommand(
    words="enable NAME",
    summary="let a disabled account sign in again",
    subject=Subject.ACCOUNTS,
    options=AdminEnableOptions,
    arguments=_arguments,
    run=run,
)
