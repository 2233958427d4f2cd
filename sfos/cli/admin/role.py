"""`admin role`: administrators and users."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, get_args

import msgspec

from sfos.cli.admin.accounts import add_json, add_name, administration, tell_change
from sfos.cli.front.command import SessionCommand, Subject
from sfos.cli.front.shell import Shell
from sfos.protocol import Role

if TYPE_CHECKING:
    from sfos.client.session.session import Session


class AdminRoleOptions(msgspec.Struct, frozen=True):
    """`admin role`."""

    name: str
    role: Role
    json: bool = False


def _arguments(parser: argparse.ArgumentParser) -> None:
    add_name(parser)
    add_json(parser)
    parser.add_argument("role", choices=get_args(Role), metavar="ROLE", help="user or admin")


def run(session: Session, shell: Shell, options: AdminRoleOptions) -> int:
    """The exit code."""
    account = administration(session).set_role(options.name, options.role)
    return tell_change(shell, account, f"{account.name} is now: {account.role}.", as_json=options.json)


COMMAND = SessionCommand(
    words="role NAME ROLE",
    summary="make an account an administrator's, or a user's",
    subject=Subject.ACCOUNTS,
    options=AdminRoleOptions,
    arguments=_arguments,
    run=run,
)
