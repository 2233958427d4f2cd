"""Commands of the account that is signed in."""

from __future__ import annotations

from sfos.gui.account.account import Account
from sfos.gui.commands import Command

AccountCommand = Command[Account, Account]

SESSIONS = AccountCommand(
    "sessions", "Where you are signed in…", lambda _account: True, lambda account: account.show_sessions(),
    (), "display", "none", "Window", at={"settings": 31},
)  # fmt: skip
CHANGE_PASSWORD = AccountCommand(
    "change_password", "Change the password…", lambda _account: True, lambda account: account.change_password(),
    (), "key", "none", "Window", at={"settings": 32},
)  # fmt: skip

COMMANDS: tuple[AccountCommand, ...] = (SESSIONS, CHANGE_PASSWORD)
