"""Make and manage the accounts of the server. A running server sees each change at once.

Without a word it makes the two default accounts, admin/admin123 and user1/user123, if there are no accounts yet, and
otherwise says what exists. Until both have other passwords, the server listens to this machine alone.
"""

from __future__ import annotations

import argparse
import getpass
import json
import secrets
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from sfos import config
from sfos.cli.front.shell import StreamClosed
from sfos.programs.streams import EXIT_CODES, Parser, ended, fail
from sfos.protocol import SALT_BYTES, VERSION, Role, Verifier, check_password, make_verifier
from sfos.server.disk.refusals import told
from sfos.server.disk.reserve import RESERVE_FILE, Reserve
from sfos.server.identity.credential_file import Account, CredentialError, CredentialFile, check_user_name
from sfos.server.maintenance.saying import put_out
from sfos.startup.programs import script_name, spelled, version_line

DEFAULT_ACCOUNTS: tuple[tuple[str, str, Role], ...] = (("admin", "admin123", "admin"), ("user1", "user123", "user"))

_EPILOG = """examples:
  {program}
  {program} add alice --role admin
  {program} passwd user1
  pass show files/bob | {program} add bob --password-stdin

exit codes: 0 done · 1 refused, with the reason · 2 wrong arguments or settings
            {streams}
"""


class _RefusedError(Exception):
    """Refusal of what was asked for; its text says why."""


class _Commands:
    """One method for each word of the command line; each returns what to print."""

    def __init__(self, options: argparse.Namespace, home: Path | None) -> None:
        loaded = config.load_from(options, own_home=home)
        self._options = options
        self._security = loaded.security
        reserve = Reserve(loaded.server.storage_dir / RESERVE_FILE, loaded.storage.reserve_bytes)
        credentials = loaded.server.credentials_file
        self._accounts = CredentialFile(credentials, reserve.beside(credentials))

    def defaults(self) -> str:
        known = f"There are accounts already in {self._accounts.path}:\n"
        if self._accounts.accounts():
            return known + self.list()
        wanted = [(name, self._verifier(password), role) for name, password, role in DEFAULT_ACCOUNTS]
        if not self._accounts.add_first(wanted):
            return known + self.list()
        lines = [f"Accounts:     {self._accounts.path}"]
        lines += [f"  {name} / {password}  ({role})" for name, password, role in DEFAULT_ACCOUNTS]
        lines.append("Everybody knows these passwords: until both are changed, the server serves this machine alone.")
        return "\n".join(lines) + "\n"

    def add(self) -> str:
        name = self._options.name
        check_user_name(name)
        if self._accounts.find(name) is not None:
            raise _RefusedError(f"there is an account {name} already")
        verifier = self._verifier(self._ask_password(name))
        account = self._accounts.add(name, verifier, self._options.role, must_change=self._options.must_change)
        return f"Added {_line(account)}\n"

    def passwd(self) -> str:
        name = self._options.name
        if self._accounts.find(name) is None:
            raise _RefusedError(f"there is no account {name}")
        verifier = self._verifier(self._ask_password(name))
        self._accounts.set_verifier(name, verifier, must_change=self._options.must_change)
        return f"{name} has a new password; sessions opened with the old one end.\n"

    def disable(self) -> str:
        return f"Disabled {_line(self._accounts.set_disabled(self._options.name, True))}\n"

    def enable(self) -> str:
        return f"Enabled {_line(self._accounts.set_disabled(self._options.name, False))}\n"

    def role(self) -> str:
        return f"Changed {_line(self._accounts.set_role(self._options.name, self._options.role))}\n"

    def remove(self) -> str:
        name = self._options.name
        if sys.stdin.isatty() and not self._options.yes:
            answer = input(
                f"Remove {name}? A new account of that name will not get its files. Type the name to confirm: "
            )
            if answer.strip() != name:
                raise _RefusedError("nothing was removed")
        removed = self._accounts.remove(name)
        return f"Removed {name}; the files stay in {removed.user_id} under the storage directory.\n"

    def list(self) -> str:
        accounts = self._accounts.accounts()
        if getattr(self._options, "json", False):
            return json.dumps([_as_json(account) for account in accounts], indent=2) + "\n"
        return "".join(f"  {_line(account)}\n" for account in accounts) or "There are no accounts.\n"

    def _verifier(self, password: str) -> Verifier:
        return make_verifier(password, secrets.token_bytes(SALT_BYTES), self._security.scram_iterations)

    def _ask_password(self, name: str) -> str:
        """A password for `name` that meets the requirements, from standard input or typed twice without echo."""
        if self._options.password_stdin:
            password = sys.stdin.readline().rstrip("\r\n")
        elif sys.stdin.isatty():
            password = getpass.getpass(f"New password for {name}: ")
        else:
            raise _RefusedError("there is no terminal to ask for the password on; use --password-stdin")
        reasons = check_password(password, name, self._security.password_policy)
        if reasons:
            raise _RefusedError("this password is refused: " + "; ".join(reasons))
        if not self._options.password_stdin and getpass.getpass("Again: ") != password:
            raise _RefusedError("the two passwords differ")
        return password


def _line(account: Account) -> str:
    flags: list[str] = [account.role]
    flags += ["disabled"] if account.disabled else []
    flags += ["must change the password"] if account.must_change or account.temporary else []
    return f"{account.name}  ({', '.join(flags)})  since {account.created:%Y-%m-%d}  id {account.user_id}"


def _as_json(account: Account) -> dict[str, object]:
    return {
        "name": account.name,
        "id": account.user_id,
        "role": account.role,
        "must_change": account.must_change,
        "disabled": account.disabled,
        "created": account.created.isoformat(),
    }


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=script_name("accounts"),
        description=__doc__,
        epilog=_EPILOG.format(program=spelled("accounts"), streams=EXIT_CODES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    config.add_options(parser)
    parser.add_argument("--version", action="version", version=version_line("accounts", VERSION))
    parser.set_defaults(command=_Commands.defaults)
    words = parser.add_subparsers(metavar="WORD")

    def word(
        name: str, command: Callable[[_Commands], str], help_text: str, *, named: bool = True
    ) -> argparse.ArgumentParser:
        sub = words.add_parser(name, help=help_text, description=help_text.capitalize() + ".", allow_abbrev=False)
        sub.set_defaults(command=command)
        if named:
            sub.add_argument("name", metavar="NAME", help="the user name")
        return sub

    for sub in (
        adding := word("add", _Commands.add, "make an account"),
        word("passwd", _Commands.passwd, "give an account a new password"),
    ):
        sub.add_argument("--password-stdin", action="store_true", help="read the password from the first line of input")
        sub.add_argument("--must-change", action="store_true", help="the user has to change it when signing in")
    adding.add_argument("--role", choices=("user", "admin"), default="user", help="default: user")
    word("disable", _Commands.disable, "keep an account from signing in")
    word("enable", _Commands.enable, "let a disabled account sign in again")
    removing = word("remove", _Commands.remove, "remove an account; its files stay on the disk")
    removing.add_argument("--yes", action="store_true", help="do not ask")
    word("role", _Commands.role, "make an account user or admin").add_argument("role", choices=("user", "admin"))
    listing = word("list", _Commands.list, "say what accounts exist", named=False)
    listing.add_argument("--json", action="store_true", help="for programs")
    return parser


def main(argv: Sequence[str] | None = None, home: Path | None = None) -> int:
    """Run the command line `argv` and return its exit code. `home`: where none is named."""
    return ended("accounts", lambda: _main(argv, home))


def _main(argv: Sequence[str] | None, home: Path | None) -> int:
    options = _parser().parse_args(argv)
    try:
        text = options.command(_Commands(options, home))
    except config.ConfigError as error:
        return fail("accounts", str(error), 2)
    except StreamClosed:
        raise
    except (CredentialError, _RefusedError, OSError) as error:
        return fail("accounts", told(error), 1)
    except (KeyboardInterrupt, EOFError):
        return fail("accounts", "nothing was changed", 1)
    put_out(text)
    return 0


def run() -> NoReturn:
    """The installed program."""
    sys.exit(main())
