"""Accounts as administrators name, show and change them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from sfos.cli.front import output, password
from sfos.cli.front.shell import Shell
from sfos.protocol import AccountEntry, LoginRequired

if TYPE_CHECKING:
    from sfos.client.administration import Administration
    from sfos.client.session.session import Session


def administration(session: Session) -> Administration:
    """The client's commands for administrators, in `session`."""
    from sfos.client.administration import Administration  # it loads what passwords are checked with

    return Administration(session.api.caller, session.info.password_policy)


def add_name(parser: argparse.ArgumentParser) -> None:
    """The account that a command is about."""
    parser.add_argument("name", metavar="NAME", help="the user name")


def add_json(parser: argparse.ArgumentParser) -> None:
    """`--json`, for what shows accounts."""
    parser.add_argument("--json", action="store_true", help="a JSON object for each account")


def add_password_sources(parser: argparse.ArgumentParser) -> None:
    """Where a first password comes from, if not from the terminal."""
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--generate", action="store_true", help="make a password, and write it to standard output")
    how.add_argument("--new-password-file", metavar="FILE", help="read it from FILE; “-” is standard input")


def account_json(account: AccountEntry) -> dict[str, object]:
    """An account for programs. Of the quotas, null is as the server allows everybody, and 0 no limit."""
    return {
        "user": account.name,
        "id": account.id,
        "role": account.role,
        "disabled": account.disabled,
        "must_change": account.must_change,
        "created": output.iso(account.created_ms),
        "quota_bytes": account.quota_bytes,
        "quota_files": account.quota_files,
        "sessions": account.sessions,
    }


def tell_change(
    shell: Shell, account: AccountEntry, sentence: str, *, as_json: bool, generated: str | None = None
) -> int:
    """Say what became of the account. The exit code."""
    if as_json:
        extra: dict[str, object] = {} if generated is None else {"password": generated}
        shell.result(output.json_line({**account_json(account), **extra}))
    elif generated is not None:
        shell.result(generated)
    shell.note(sentence)
    return 0


def first_password(
    admin: Administration, shell: Shell, name: str, *, generate: bool, new_password_file: str | None
) -> str:
    """A password for the account: generated, from a file, or typed twice. Raises: PasswordRefused, EOFError."""
    if generate:
        return admin.generate_password(name)
    if new_password_file is not None:
        return password.from_file(shell, new_password_file)
    if not shell.can_ask:
        raise LoginRequired("There is no terminal to ask for the password; give --new-password-file or --generate.")
    return password.typed_twice(shell, f"First password of {name}: ", lambda typed: admin.check_password(name, typed))
