"""`admin quota`: how much an account may store."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import msgspec

from sfos.cli.admin.accounts import add_json, add_name, administration, tell_change
from sfos.cli.admin.limits import add_files_option, quota_bytes, shown_files, shown_quota
from sfos.cli.front.command import SessionCommand, Subject
from sfos.cli.front.shell import Shell

if TYPE_CHECKING:
    from sfos.client.session.session import Session


class AdminQuotaOptions(msgspec.Struct, frozen=True):
    """`admin quota`. Both as in `admin add`; what is not given stays as it is."""

    name: str
    quota: int | msgspec.UnsetType | None = msgspec.UNSET
    files: int | msgspec.UnsetType | None = msgspec.UNSET
    json: bool = False


def _arguments(parser: argparse.ArgumentParser) -> None:
    add_name(parser)
    add_json(parser)
    add_files_option(parser)
    parser.add_argument(
        "quota",
        type=quota_bytes,
        nargs="?",
        metavar="SIZE",
        default=msgspec.UNSET,  # not SUPPRESS, which argparse would give to `type` here
        help="as “50 GB” or “50 GiB”, earlier versions included; “none”, or “default” as for all",
    )


def _check(options: AdminQuotaOptions) -> None:
    if isinstance(options.quota, msgspec.UnsetType) and isinstance(options.files, msgspec.UnsetType):
        raise ValueError("give a size, --files, or both")


def run(session: Session, shell: Shell, options: AdminQuotaOptions) -> int:
    """The exit code."""
    admin = administration(session)
    account = admin.set_quota(options.name, options.quota, options.files)
    found = admin.accounts()
    bytes_shown, files_shown = shown_quota(account, found), shown_files(account, found)
    said = f"{account.name} may store: {bytes_shown}; files and folders: {files_shown}."
    return tell_change(shell, account, said, as_json=options.json)


COMMAND = SessionCommand(
    words="quota NAME [SIZE]",
    summary="say how much an account may store",
    subject=Subject.ACCOUNTS,
    options=AdminQuotaOptions,
    arguments=_arguments,
    check=_check,
    run=run,
)
