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
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import msgspec

from sfos.protocol import MalformedExchange, Role, Verifier, mock_verifier
from sfos.server.disk.durable_files import Signature, signature_of, write_durably
from sfos.server.disk.locks import locked
from sfos.server.disk.reserve import Reserve, through_reserve
from sfos.server.identity.accounts import (
    Account,
    AccountExists,
    AccountTable,
    CredentialError,
    CredentialsDamaged,
    CredentialsUnreadable,
    LastAdministrator,
    NoSuchAccount,
    UserNameRefused,
    check_administrator_left,
    check_user_name,
    existing_account,
    new_account,
)
from sfos.server.identity.credential_format import SECRET_BYTES, decode_accounts, encode_accounts

__all__ = [
    "Account",
    "AccountExists",
    "CredentialError",
    "CredentialFile",
    "CredentialsDamaged",
    "CredentialsUnreadable",
    "LastAdministrator",
    "NoSuchAccount",
    "UserNameRefused",
    "check_user_name",
]

_log = logging.getLogger(__name__)


class CredentialFile:
    """The accounts in the file at `path`, as they are at each call. Safe to share between threads and processes.

    Reading costs one stat (some 2 µs) unless the file has changed. Every method raises CredentialsDamaged if the file
    is, CredentialsUnreadable if it cannot be read, and OSError if it cannot be written. A file that does not exist
    holds no accounts; but one that was there and is gone cannot be read, for a disk may be away for a moment, and
    nobody shall be thrown out for that.
    """

    def __init__(self, path: Path, reserve: Reserve | None = None) -> None:
        """`reserve`: of a disk that may be full, where accounts have to be changed all the same."""
        self.path = path
        self._reserve = reserve
        self._lock = threading.Lock()
        self._seen: Signature | None = None
        self._current = AccountTable({}, frozenset(), secrets.token_bytes(SECRET_BYTES))

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
            account = new_account(current, name, verifier, role, must_change)
            account = replace(account, temporary=temporary, quota_bytes=quota_bytes, quota_files=quota_files)
            save(replace(current, by_name={**current.by_name, name: account}))
        return account

    def add_first(self, wanted: Iterable[tuple[str, Verifier, Role]]) -> tuple[Account, ...]:
        """The accounts `wanted`, all at once, each with the duty to change its password, if there were none."""
        with self._changing() as (current, save):
            if current.by_name:
                return ()
            made = tuple(new_account(current, name, verifier, role, True) for name, verifier, role in wanted)
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
            account = existing_account(current, name)
            by_name = {other: kept for other, kept in current.by_name.items() if other != name}
            check_administrator_left(current.by_name, by_name, name)
            save(replace(current, by_name=by_name, retired_ids=current.retired_ids | {account.user_id}))
        return account

    def _change(self, name: str, user_id: str | None, change: Callable[[Account], Account]) -> Account:
        with self._changing() as (current, save):
            old = existing_account(current, name)
            if user_id is not None and old.user_id != user_id:
                raise NoSuchAccount(f"{name} is another account now")
            new = change(old)
            by_name = {**current.by_name, name: new}
            check_administrator_left(current.by_name, by_name, name)
            save(replace(current, by_name=by_name))
        return new

    # The file

    @contextlib.contextmanager
    def _changing(self) -> Iterator[tuple[AccountTable, Callable[[AccountTable], None]]]:
        """The accounts, while no one else can change them, and the function that saves what they become."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock_path = self.path.with_name(self.path.name + ".lock")
        with locked(lock_path, create=True):  # which takes no room, for it is empty
            yield self._read(), self._save

    def _save(self, accounts: AccountTable) -> None:
        before, encoded = signature_of(self.path), encode_accounts(accounts)
        through_reserve(self._reserve, lambda: write_durably(self.path, encoded, mode=0o600))
        after = signature_of(self.path)
        # Some file systems count time in steps of 4 ms and use a freed inode again at once: two quick changes could
        # look like none to a reader who saw the first state.
        if before and after and after.mtime_ns <= before.mtime_ns:
            os.utime(self.path, ns=(before.mtime_ns + 1, before.mtime_ns + 1))

    def _read(self) -> AccountTable:
        with self._lock:
            try:
                signature = signature_of(self.path)
                if signature is None and self._seen is not None:
                    raise CredentialsUnreadable(f"{self.path} is not there any more")
                # Without a file the secret of this object stays: it is what the first account will be saved with.
                if signature != self._seen:
                    self._current = self._load()
                    self._seen = signature
            except OSError as error:
                raise CredentialsUnreadable(f"{self.path}: {error.strerror or error}") from error
            return self._current

    def _load(self) -> AccountTable:
        with self.path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read()
        if mode & 0o077:
            _log.warning("%s can be read by others: chmod 600 it", self.path)
        try:
            return decode_accounts(data)
        except (msgspec.MsgspecError, UnicodeError, ValueError, MalformedExchange) as error:
            raise CredentialsDamaged(f"{self.path} is damaged: {error}") from error


def _quota_after(old: int | None, given: int | None, default: bool) -> int | None:
    if default:
        return None
    return old if given is None else given
