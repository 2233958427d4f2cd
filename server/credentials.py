"""The accounts: one JSON file, changed by the scripts and by the running server through this module alone.

    {"format": 1,
     "mock_secret": "…",                     from which users who do not exist get their salt
     "accounts": {"alice": {"id": "32 hex digits", "role": "user", "verifier": "SCRAM-SHA-256$600000:…",
                            "must_change": false, "disabled": false, "created": "2026-01-31T12:00:00Z",
                            "temporary": true, "quota_bytes": 1073741824, "quota_files": 100000}},
                                                             these three only where they are set
     "retired_ids": ["…"]}                   of removed accounts: their space is never given to anyone else

A change happens under an exclusive flock on a file beside it (the file itself is replaced, so a lock on it would be a
lock on the past), and the new file is durable and in place whole before the change returns. Readers take no lock: they
look whether the file is another one than last time (inode, size, time) and read it again if it is.

Errors:

    CredentialError
     ├─ NoSuchAccount · AccountExists · UserNameRefused
     ├─ LastAdministrator     the change would leave nobody who may administer
     └─ CredentialsUnreadable the file cannot be read just now, or is not there any more
         └─ CredentialsDamaged    it is not what this module writes
"""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import fcntl
import json
import logging
import os
import re
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import get_args

import msgspec

from protocol import MalformedExchange, Role, Verifier, mock_verifier
from server.durable_files import write_durably

_log = logging.getLogger(__name__)

FORMAT = 1
_SECRET_BYTES = 32
_ID_BYTES = 16
_USER_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_ID = re.compile(r"[0-9a-f]{32}")


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
class _Accounts:
    """The content of the file at one moment."""

    by_name: Mapping[str, Account]
    retired_ids: frozenset[str]
    mock_secret: bytes = field(repr=False)
    by_id: Mapping[str, Account] = field(init=False)

    def __post_init__(self) -> None:
        by_id = {account.user_id: account for account in self.by_name.values()}
        object.__setattr__(self, "by_id", MappingProxyType(by_id))


_Signature = tuple[int, int, int] | None


class CredentialFile:
    """The accounts in the file at `path`, as they are at each call. Safe to share between threads and processes.

    Reading costs one stat (some 2 µs) unless the file has changed. Every method raises CredentialsDamaged if the file
    is, CredentialsUnreadable if it cannot be read, and OSError if it cannot be written. A file that does not exist
    holds no accounts; but one that was there and is gone cannot be read, for a disk may be away for a moment, and
    nobody shall be thrown out for that.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._signature: _Signature = None
        self._current = _Accounts({}, frozenset(), secrets.token_bytes(_SECRET_BYTES))

    # Looking

    def accounts(self) -> tuple[Account, ...]:
        """All accounts in the order of their names."""
        return tuple(account for _, account in sorted(self._read().by_name.items()))

    def find(self, name: str) -> Account | None:
        return self._read().by_name.get(name)

    def find_id(self, user_id: str) -> Account | None:
        return self._read().by_id.get(user_id)

    def for_login(self, name: str, default_iterations: int) -> tuple[Account | None, Verifier]:
        """The enabled account of this name and its verifier, or None and one that nothing fits.

        The second case is made to look like the first to whoever asks, at each try alike: the salt comes from a secret,
        the iterations from a real account. `default_iterations` stands in when there is none.
        """
        current = self._read()
        account = current.by_name.get(name)
        # Made in both cases, so that both take the same time.
        mock = mock_verifier(current.mock_secret, name, default_iterations)
        used = sorted(real.verifier.iterations for real in current.by_name.values()) or [default_iterations]
        mock = replace(mock, iterations=used[int.from_bytes(mock.salt[:4]) % len(used)])
        if account is None:
            return None, mock
        if account.disabled:
            # With the salt it always had: that someone is disabled is nobody's business either.
            real = account.verifier
            return None, replace(mock, salt=real.salt, iterations=real.iterations)
        return account, account.verifier

    # Changing

    def add(
        self,
        name: str,
        verifier: Verifier,
        role: Role = "user",
        *,
        must_change: bool = False,
        temporary: bool = False,
        quota_bytes: int | None = None,
        quota_files: int | None = None,
    ) -> Account:
        """The new account, once it is durable, with an id that no account ever had.

        Raises: UserNameRefused, AccountExists.
        """
        check_user_name(name)
        with self._changing() as (current, save):
            if name in current.by_name:
                raise AccountExists(f"there is an account {name} already")
            account = _new_account(current, name, verifier, role, must_change)
            account = replace(account, temporary=temporary, quota_bytes=quota_bytes, quota_files=quota_files)
            save(replace(current, by_name={**current.by_name, name: account}))
        return account

    def add_first(self, wanted: Iterable[tuple[str, Verifier, Role]]) -> tuple[Account, ...]:
        """The accounts `wanted`, all at once, each with the duty to change its password, if there were none."""
        with self._changing() as (current, save):
            if current.by_name:
                return ()
            made = tuple(_new_account(current, name, verifier, role, True) for name, verifier, role in wanted)
            save(replace(current, by_name={account.name: account for account in made}))
        return made

    def set_verifier(
        self, name: str, verifier: Verifier, *, must_change: bool = False, user_id: str | None = None
    ) -> Account:
        """Give the account another password. With `user_id`, only if the name still belongs to that id.

        Raises: NoSuchAccount.
        """
        return self._change(
            name, user_id, lambda old: replace(old, verifier=verifier, must_change=must_change, temporary=False)
        )

    def administer(
        self,
        name: str,
        *,
        user_id: str,
        verifier: Verifier | None = None,
        disabled: bool | None = None,
        role: Role | None = None,
        quota_bytes: int | None = None,
        default_quota: bool = False,
        quota_files: int | None = None,
        default_quota_files: bool = False,
    ) -> Account:
        """Change what is given, all at once. A new verifier is a temporary one.

        Raises: NoSuchAccount, also if the name no longer belongs to `user_id`; LastAdministrator.
        """

        def change(old: Account) -> Account:
            return replace(
                old,
                verifier=verifier or old.verifier,
                temporary=old.temporary if verifier is None else True,
                must_change=old.must_change and verifier is None,
                disabled=old.disabled if disabled is None else disabled,
                role=role or old.role,
                quota_bytes=_quota_after(old.quota_bytes, quota_bytes, default_quota),
                quota_files=_quota_after(old.quota_files, quota_files, default_quota_files),
            )

        return self._change(name, user_id, change)

    def set_disabled(self, name: str, disabled: bool) -> Account:
        """Raises: NoSuchAccount, LastAdministrator."""
        return self._change(name, None, lambda old: replace(old, disabled=disabled))

    def set_role(self, name: str, role: Role) -> Account:
        """Raises: NoSuchAccount, LastAdministrator."""
        return self._change(name, None, lambda old: replace(old, role=role))

    def remove(self, name: str) -> Account:
        """Remove the account and return what it was; its id is retired and its files stay where they are.

        Raises: NoSuchAccount, LastAdministrator.
        """
        with self._changing() as (current, save):
            account = _existing(current, name)
            by_name = {other: kept for other, kept in current.by_name.items() if other != name}
            _check_administrator_left(current.by_name, by_name, name)
            save(replace(current, by_name=by_name, retired_ids=current.retired_ids | {account.user_id}))
        return account

    def _change(self, name: str, user_id: str | None, change: Callable[[Account], Account]) -> Account:
        with self._changing() as (current, save):
            old = _existing(current, name)
            if user_id is not None and old.user_id != user_id:
                raise NoSuchAccount(f"{name} is another account now")
            new = change(old)
            by_name = {**current.by_name, name: new}
            _check_administrator_left(current.by_name, by_name, name)
            save(replace(current, by_name=by_name))
        return new

    # The file

    @contextlib.contextmanager
    def _changing(self) -> Iterator[tuple[_Accounts, Callable[[_Accounts], None]]]:
        """The accounts, while no one else can change them, and the function that saves what they become."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock_path = self.path.with_name(self.path.name + ".lock")
        descriptor = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield self._read(), self._save
        finally:
            os.close(descriptor)

    def _save(self, accounts: _Accounts) -> None:
        before = _signature(self.path)
        write_durably(self.path, _encode(accounts), mode=0o600)
        after = _signature(self.path)
        # Some file systems count time in steps of 4 ms and use a freed inode again at once: two quick changes could
        # look like none to a reader who saw the first state.
        if before and after and after[2] <= before[2]:
            os.utime(self.path, ns=(before[2] + 1, before[2] + 1))

    def _read(self) -> _Accounts:
        with self._lock:
            try:
                signature = _signature(self.path)
                if signature is None and self._signature is not None:
                    raise CredentialsUnreadable(f"{self.path} is not there any more")
                # Without a file the secret of this object stays: it is what the first account will be saved with.
                if signature != self._signature:
                    self._current = self._load()
                    self._signature = signature
            except OSError as error:
                raise CredentialsUnreadable(f"{self.path}: {error.strerror or error}") from error
            return self._current

    def _load(self) -> _Accounts:
        with self.path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read()
        if mode & 0o077:
            _log.warning("%s can be read by others: chmod 600 it", self.path)
        try:
            return _decode(data)
        except (msgspec.MsgspecError, UnicodeError, ValueError, MalformedExchange) as error:
            raise CredentialsDamaged(f"{self.path} is damaged: {error}") from error


def _quota_after(old: int | None, given: int | None, default: bool) -> int | None:
    if default:
        return None
    return old if given is None else given


def check_user_name(name: str) -> None:
    """Raise UserNameRefused unless an account may have this name."""
    if not _USER_NAME.fullmatch(name):
        raise UserNameRefused(f"{name!r}: {(UserNameRefused.__doc__ or '').lower()}")


def _signature(path: Path) -> _Signature:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _existing(accounts: _Accounts, name: str) -> Account:
    try:
        return accounts.by_name[name]
    except KeyError:
        raise NoSuchAccount(f"there is no account {name}") from None


def _new_account(current: _Accounts, name: str, verifier: Verifier, role: Role, must_change: bool) -> Account:
    return Account(
        name=name,
        user_id=_new_id(current),
        role=role,
        verifier=verifier,
        must_change=must_change,
        disabled=False,
        created=dt.datetime.now(dt.UTC).replace(microsecond=0),
    )


def _new_id(accounts: _Accounts) -> str:
    while True:
        user_id = secrets.token_hex(_ID_BYTES)
        if user_id not in accounts.by_id and user_id not in accounts.retired_ids:
            return user_id


def _check_administrator_left(before: Mapping[str, Account], after: Mapping[str, Account], name: str) -> None:
    def administrators(accounts: Mapping[str, Account]) -> bool:
        return any(account.role == "admin" and not account.disabled for account in accounts.values())

    if administrators(before) and not administrators(after):
        raise LastAdministrator(f"{name} is the only enabled administrator; make another one first")


# --- The bytes of the file ----------------------------------------------------------------------------------------


class _StoredAccount(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    # What has a default came later: files without it are read, and without need it is not written.
    id: str
    role: str
    verifier: str
    must_change: bool
    disabled: bool
    created: dt.datetime
    temporary: bool = False
    quota_bytes: int | None = None
    quota_files: int | None = None


class _StoredFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: int
    mock_secret: str
    accounts: dict[str, _StoredAccount]
    retired_ids: list[str]


def _encode(accounts: _Accounts) -> bytes:
    stored = _StoredFile(
        format=FORMAT,
        mock_secret=base64.b64encode(accounts.mock_secret).decode("ascii"),
        accounts={
            name: _StoredAccount(
                id=account.user_id,
                role=account.role,
                verifier=account.verifier.format(),
                must_change=account.must_change,
                disabled=account.disabled,
                created=account.created,
                temporary=account.temporary,
                quota_bytes=account.quota_bytes,
                quota_files=account.quota_files,
            )
            for name, account in sorted(accounts.by_name.items())
        },
        retired_ids=sorted(accounts.retired_ids),
    )
    return msgspec.json.format(msgspec.json.encode(stored), indent=2) + b"\n"


def _decode(data: bytes) -> _Accounts:
    """Raises: ValueError and its kin, MalformedExchange, msgspec.MsgspecError."""
    stored = msgspec.json.decode(data, type=_StoredFile)
    json.loads(data, object_pairs_hook=_check_keys)
    if stored.format != FORMAT:
        raise ValueError(f"its format is {stored.format}; this program knows {FORMAT}")
    secret = base64.b64decode(stored.mock_secret, validate=True)
    if len(secret) < _SECRET_BYTES:
        raise ValueError("mock_secret is too short")
    by_name = {name: _account(name, entry) for name, entry in stored.accounts.items()}
    ids = [account.user_id for account in by_name.values()] + stored.retired_ids
    if len(set(ids)) != len(ids):
        raise ValueError("an id occurs twice")
    return _Accounts(MappingProxyType(by_name), frozenset(stored.retired_ids), secret)


def _check_keys(pairs: list[tuple[str, object]]) -> None:
    """Raise ValueError for a key that occurs twice: JSON's readers take either, and here each is another account."""
    keys = [key for key, _ in pairs]
    if len(set(keys)) != len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"{twice!r} occurs twice")


def _account(name: str, stored: _StoredAccount) -> Account:
    role = next((role for role in get_args(Role) if role == stored.role), None)
    if not _USER_NAME.fullmatch(name) or not _ID.fullmatch(stored.id) or role is None:
        raise ValueError(f"the account {name!r} has a name, id or role that this program never gives")
    return Account(
        name=name,
        user_id=stored.id,
        role=role,
        verifier=Verifier.parse(stored.verifier),
        must_change=stored.must_change,
        disabled=stored.disabled,
        created=stored.created,
        temporary=stored.temporary,
        quota_bytes=_quota(stored.quota_bytes),
        quota_files=_quota(stored.quota_files),
    )


def _quota(quota: int | None) -> int | None:
    if quota is not None and quota < 0:
        raise ValueError("a quota is negative")
    return quota
