"""The grammar of `admin …`."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from typing import Any, Protocol, get_args

from msgspec import UNSET, UnsetType

from sfos.cli.admin.options import (
    AdminAddOptions,
    AdminAuditOptions,
    AdminDisableOptions,
    AdminLiftOptions,
    AdminLogoutOptions,
    AdminPenaltiesOptions,
    AdminQuotaOptions,
    AdminRemoveOptions,
    AdminResetOptions,
    AdminRoleOptions,
    AdminSessionsOptions,
    AdminUsersOptions,
)
from sfos.protocol import MAX_AUDIT_LINES, Role

SUMMARY = "manage accounts, sessions and penalties (administrators only)"
DETAILS = """\
  admin users                           all accounts
  admin add anna --generate             an account, with a password that is shown once
  admin reset anna                      another password, which she has to change at once; her sessions end
  admin quota anna "50 GB"              what she may store, history included; “none”, or “default”
  admin quota anna --files 100000       how many files and folders she may have at a time
  admin logout anna                     end her sessions
  admin lift --address 192.0.2.7        let that address try again
No command here shows or opens anybody's files. The last enabled administrator cannot be disabled, demoted or removed.
"""

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([KMGTP]?)(i?)B?", re.IGNORECASE)
_MOST = 2**63 - 1


class Commands(Protocol):
    """As far as this module is concerned, the sub-commands that parser builds."""

    def add(
        self, words: str, summary: str, build: Callable[[argparse.Namespace], Any], details: str = ""
    ) -> argparse.ArgumentParser:
        """See parser."""


Take = Callable[[type[Any], argparse.Namespace], Any]


def add_commands(commands: Commands, take: Take) -> None:
    """Give `admin` its commands. `take(kind, given)`: the fields of `kind` that were given."""
    _accounts(commands, take)
    _sessions(commands, take)
    _watching(commands, take)


def _accounts(commands: Commands, take: Take) -> None:
    users = commands.add("users", "list all accounts", lambda given: take(AdminUsersOptions, given))
    add = commands.add("add NAME", "make an account", lambda given: take(AdminAddOptions, given))
    reset = commands.add(
        "reset NAME", "give an account another password, to be changed at once", lambda g: take(AdminResetOptions, g)
    )
    disable = commands.add(
        "disable NAME", "keep an account from signing in, and end its sessions", lambda g: take(AdminDisableOptions, g)
    )
    enable = commands.add(
        "enable NAME", "let a disabled account sign in again", lambda given: take(AdminDisableOptions, given)
    )
    enable.set_defaults(disabled=False)
    role = commands.add(
        "role NAME ROLE", "make an account an administrator's, or a user's", lambda g: take(AdminRoleOptions, g)
    )
    quota = commands.add(
        "quota NAME [SIZE]", "say how much an account may store", lambda given: _quota(take(AdminQuotaOptions, given))
    )
    remove = commands.add(
        "remove NAME", "remove an account; its files stay on the server's disk", lambda g: take(AdminRemoveOptions, g)
    )
    for command in (add, reset, disable, enable, role, quota, remove):
        command.add_argument("name", metavar="NAME", help="the user name")
    for command in (users, add, reset, disable, enable, role, quota):
        command.add_argument("--json", action="store_true", help="a JSON object for each account")
    for command in (add, reset):
        how = command.add_mutually_exclusive_group()
        how.add_argument("--generate", action="store_true", help="make a password, and write it to standard output")
        how.add_argument("--new-password-file", metavar="FILE", help="read it from FILE; “-” is standard input")
    add.add_argument("--role", choices=get_args(Role), default="user", help="default: user")
    add.add_argument("--quota", type=quota_bytes, metavar="SIZE", help="as in quota")
    for command in (add, quota):
        command.add_argument(
            "--files",
            type=quota_files,
            metavar="N",
            default=argparse.SUPPRESS,
            help="so many files, folders and links at a time; “none”, or “default”",
        )
    role.add_argument("role", choices=get_args(Role), metavar="ROLE", help="user or admin")
    quota.add_argument(
        "quota",
        type=quota_bytes,
        nargs="?",
        metavar="SIZE",
        default=UNSET,  # not SUPPRESS, which argparse would give to `type` here
        help="as “50 GB” or “50 GiB”, earlier versions included; “none”, or “default” as for all",
    )
    remove.add_argument("--yes", action="store_true", help="do not ask")


def _sessions(commands: Commands, take: Take) -> None:
    sessions = commands.add(
        "sessions [NAME]", "show who is signed in, from where", lambda given: take(AdminSessionsOptions, given)
    )
    sessions.add_argument("name", nargs="?", metavar="NAME", help="only of this user")
    sessions.add_argument("--json", action="store_true", help="a JSON object for each session")
    logout = commands.add(
        "logout NAME [SESSION]", "end a user's sessions, at once", lambda given: take(AdminLogoutOptions, given)
    )
    logout.add_argument("name", metavar="NAME", help="the user name")
    logout.add_argument("session", nargs="?", metavar="SESSION", help="only this one: the beginning of its id")


def _watching(commands: Commands, take: Take) -> None:
    penalties = commands.add(
        "penalties", "show who has signed in wrongly, and has to wait", lambda g: take(AdminPenaltiesOptions, g)
    )
    penalties.add_argument("--json", action="store_true", help="a JSON object for each")
    lift = commands.add("lift", "forget wrong sign-ins", lambda given: take(AdminLiftOptions, given))
    what = lift.add_mutually_exclusive_group(required=True)
    # Not --user, which says as whom to sign in.
    what.add_argument("--account", metavar="NAME", help="those on this account")
    what.add_argument("--address", metavar="ADDRESS", help="those from this address")
    what.add_argument("--all", dest="every", action="store_true", help="all")
    audit = commands.add("audit", "show the end of the audit log", lambda given: take(AdminAuditOptions, given))
    audit.add_argument("-n", "--lines", type=_lines, default=20, metavar="N", help="how many lines (default: 20)")
    audit.add_argument("--json", action="store_true", help="as they stand in the log")


def quota_bytes(text: str) -> int | None:
    """`text` in bytes: 50 GB is 50·10⁹, 50 GiB 50·2³⁰; 0 for “none”, None for “default”."""
    word = text.strip().lower()
    if word in ("none", "default"):
        return 0 if word == "none" else None
    found = _SIZE.fullmatch(text.strip())
    if found is not None:
        power = " KMGTP".index(found[2].upper() or " ")
        size: int = round(float(found[1]) * (1024 if found[3] else 1000) ** power)
        if 0 < size <= _MOST:
            return size
    raise argparse.ArgumentTypeError(f"“{text}” is no size: write 50 GB, 50 GiB, none or default")


def quota_files(text: str) -> int | None:
    """`text` as a number of files: 100000 or 100,000; 0 for “none”, None for “default”."""
    word = text.strip().lower()
    if word in ("none", "default"):
        return 0 if word == "none" else None
    digits = word.replace(",", "")
    if digits.isascii() and digits.isdigit() and 0 < int(digits) <= _MOST:
        return int(digits)
    raise argparse.ArgumentTypeError(f"“{text}” is no number of files: write 100000, none or default")


def _quota(options: AdminQuotaOptions) -> AdminQuotaOptions:
    """Raises: ValueError where neither is given."""
    if isinstance(options.quota, UnsetType) and isinstance(options.files, UnsetType):
        raise ValueError("give a size, --files, or both")
    return options


def _lines(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MAX_AUDIT_LINES:
        raise argparse.ArgumentTypeError(f"“{text}” is not a number from 1 to {MAX_AUDIT_LINES}")
    return int(text)
