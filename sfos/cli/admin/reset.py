"""`admin reset`: another first password for an account."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import msgspec

from sfos.cli.admin.accounts import (
    add_json,
    add_name,
    add_password_sources,
    administration,
    first_password,
    tell_change,
)
from sfos.cli.front.command import SessionCommand, Subject
from sfos.cli.front.shell import Shell

if TYPE_CHECKING:
    from sfos.client.session.session import Session


class AdminResetOptions(msgspec.Struct, frozen=True):
    """`admin reset`."""

    name: str
    new_password_file: str | None = None
    generate: bool = False
    json: bool = False


def _arguments(parser: argparse.ArgumentParser) -> None:
    add_name(parser)
    add_json(parser)
    add_password_sources(parser)


def run(session: Session, shell: Shell, options: AdminResetOptions) -> int:
    """The exit code."""
    admin = administration(session)
    admin.account(options.name)  # before anybody thinks of a password for nobody
    secret = first_password(
        admin, shell, options.name, generate=options.generate, new_password_file=options.new_password_file
    )
    account = admin.reset_password(options.name, secret)
    said = f"{account.name} has another password, and has to change it at the next sign-in; its sessions have ended."
    return tell_change(shell, account, said, as_json=options.json, generated=secret if options.generate else None)


COMMAND = SessionCommand(
    words="reset NAME",
    summary="give an account another password, to be changed at once",
    subject=Subject.ACCOUNTS,
    options=AdminResetOptions,
    arguments=_arguments,
    run=run,
)
