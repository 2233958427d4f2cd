"""`admin add`: a new account."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, get_args

import msgspec

from sfos.cli.admin.accounts import (
    add_json,
    add_name,
    add_password_sources,
    administration,
    first_password,
    tell_change,
)
from sfos.cli.admin.limits import add_files_option, quota_bytes
from sfos.cli.front.command import SessionCommand, Subject
from sfos.cli.front.shell import Shell
from sfos.protocol import Role

if TYPE_CHECKING:
    from sfos.client.session.session import Session


class AdminAddOptions(msgspec.Struct, frozen=True):
    """`admin add`. `quota`: bytes; `files`: how many. None is as the server allows everybody, 0 no limit."""

    name: str
    role: Role = "user"
    quota: int | None = None
    files: int | None = None
    new_password_file: str | None = None
    generate: bool = False
    json: bool = False


def _arguments(parser: argparse.ArgumentParser) -> None:
    add_name(parser)
    add_json(parser)
    add_password_sources(parser)
    parser.add_argument("--role", choices=get_args(Role), default="user", help="default: user")
    parser.add_argument(
        "--quota", type=quota_bytes, metavar="SIZE", help="what it may store, as “50 GB”; “none”, or “default”"
    )
    add_files_option(parser)


def run(session: Session, shell: Shell, options: AdminAddOptions) -> int:
    """The exit code."""
    admin = administration(session)
    secret = first_password(
        admin, shell, options.name, generate=options.generate, new_password_file=options.new_password_file
    )
    account = admin.add(options.name, secret, options.role, options.quota, options.files)
    said = f"Made {account.name} ({account.role}); at the first sign-in it has to choose another password."
    return tell_change(shell, account, said, as_json=options.json, generated=secret if options.generate else None)


COMMAND = SessionCommand(
    words="add NAME",
    summary="make an account",
    subject=Subject.ACCOUNTS,
    options=AdminAddOptions,
    arguments=_arguments,
    run=run,
)
