"""`admin users`: all accounts."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import msgspec

from sfos.cli.admin.accounts import account_json, add_json, administration
from sfos.cli.admin.limits import shown_files, shown_quota
from sfos.cli.front import output
from sfos.cli.front.command import SessionCommand, Subject
from sfos.cli.front.shell import Shell
from sfos.protocol import printable

if TYPE_CHECKING:
    from sfos.client.session.session import Session


class AdminUsersOptions(msgspec.Struct, frozen=True):
    """`admin users`."""

    json: bool = False


def _arguments(parser: argparse.ArgumentParser) -> None:
    add_json(parser)


def run(session: Session, shell: Shell, options: AdminUsersOptions) -> int:
    """The exit code."""
    found = administration(session).accounts()
    if options.json:
        for account in found.entries:
            shell.result(output.json_line(account_json(account)))
        return 0
    rows = [["user", "role", "state", "quota", "files", "sessions", "since"]]
    rows += [
        [
            printable(account.name),
            account.role,
            "disabled" if account.disabled else "must change the password" if account.must_change else "enabled",
            shown_quota(account, found),
            shown_files(account, found),
            str(account.sessions),
            output.moment(account.created_ms * 1_000_000),
        ]
        for account in found.entries
    ]
    for line in output.table(rows):
        shell.result(line)
    return 0


COMMAND = SessionCommand(
    words="users",
    summary="list all accounts",
    subject=Subject.ACCOUNTS,
    options=AdminUsersOptions,
    arguments=_arguments,
    run=run,
)
