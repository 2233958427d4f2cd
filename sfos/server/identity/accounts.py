"""Accounts and the rules for changing them. `server.identity.credential_file` keeps them.

Errors:

    CredentialError
     ├─ NoSuchAccount · AccountExists · UserNameRefused
     ├─ LastAdministrator     the change would leave nobody who may administer
     └─ CredentialsUnreadable the file cannot be read just now, or is not there any more
         └─ CredentialsDamaged    it is not what this program writes
"""

from __future__ import annotations

import datetime as dt
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from sfos.protocol import Role, Verifier

_ID_BYTES = 16
_USER_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class CredentialError(Exception):
    """The accounts do not allow this."""


class NoSuchAccount(CredentialError):
    """There is no such account."""


class AccountExists(CredentialError):
    """There is such an account already."""


class UserNameRefused(CredentialError):
    """A user name has 1 to 64 of a-z, 0-9, dot, underscore and hyphen, and begins with a letter or a digit."""


class LastAdministrator(CredentialError):
    """This is the only enabled administrator; make another one first."""


class CredentialsUnreadable(CredentialError):
    """The credential file cannot be read just now."""


class CredentialsDamaged(CredentialsUnreadable):
    """The credential file cannot be read as one."""


@dataclass(frozen=True, slots=True)
class Account:
    """One user. `user_id` (32 hex digits) is also the id of their home space and is never given to anyone else.

    `temporary`: an administrator has given the password; its user must choose another one before anything else.
    `quota_bytes`: of stored bytes; `quota_files`: of files, folders and links. Of both, None is what the server allows
    everybody, and 0 is no limit.
    """

    name: str
    user_id: str
    role: Role
    verifier: Verifier
    must_change: bool
    disabled: bool
    created: dt.datetime
    temporary: bool = False
    quota_bytes: int | None = None
    quota_files: int | None = None


@dataclass(frozen=True, slots=True)
class AccountTable:
    """All accounts at one moment. `retired_ids`: of removed ones. `mock_secret`: for users who do not exist."""

    by_name: Mapping[str, Account]
    retired_ids: frozenset[str]
    mock_secret: bytes = field(repr=False)
    by_id: Mapping[str, Account] = field(init=False)

    def __post_init__(self) -> None:
        by_id = {account.user_id: account for account in self.by_name.values()}
        object.__setattr__(self, "by_id", MappingProxyType(by_id))


def is_user_name(name: str) -> bool:
    """Whether an account may have this name."""
    return _USER_NAME.fullmatch(name) is not None


def check_user_name(name: str) -> None:
    """Raise UserNameRefused unless an account may have this name."""
    if not is_user_name(name):
        raise UserNameRefused(f"{name!r}: {(UserNameRefused.__doc__ or '').lower()}")


def existing_account(accounts: AccountTable, name: str) -> Account:
    """The account of that name. Raises: NoSuchAccount."""
    try:
        return accounts.by_name[name]
    except KeyError:
        raise NoSuchAccount(f"there is no account {name}") from None


def new_account(current: AccountTable, name: str, verifier: Verifier, role: Role, must_change: bool) -> Account:
    """An enabled account with an id that none ever had; it is not in the table yet."""
    return Account(
        name=name,
        user_id=_new_id(current),
        role=role,
        verifier=verifier,
        must_change=must_change,
        disabled=False,
        created=dt.datetime.now(dt.UTC).replace(microsecond=0),
    )


def _new_id(accounts: AccountTable) -> str:
    while True:
        user_id = secrets.token_hex(_ID_BYTES)
        if user_id not in accounts.by_id and user_id not in accounts.retired_ids:
            return user_id


def check_administrator_left(before: Mapping[str, Account], after: Mapping[str, Account], name: str) -> None:
    """Check that somebody may still administer after a change to the account `name`. Raises: LastAdministrator."""

    def administrators(accounts: Mapping[str, Account]) -> bool:
        return any(account.role == "admin" and not account.disabled for account in accounts.values())

    if administrators(before) and not administrators(after):
        raise LastAdministrator(f"{name} is the only enabled administrator; make another one first")
