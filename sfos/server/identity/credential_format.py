"""The bytes of the credential file: JSON, format 1, as `server.identity.credential_file` shows it."""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
from types import MappingProxyType
from typing import get_args

import msgspec

from sfos.protocol import Role, Verifier, decoder_of
from sfos.server.identity.accounts import Account, AccountTable, is_user_name

FORMAT = 1
SECRET_BYTES = 32
_ID = re.compile(r"[0-9a-f]{32}")


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


def encode_accounts(accounts: AccountTable) -> bytes:
    """The file's content."""
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


def decode_accounts(data: bytes) -> AccountTable:
    """The accounts in a file's content. Raises: ValueError and its kin, MalformedExchange, msgspec.MsgspecError."""
    stored = decoder_of(_StoredFile).decode(data)
    json.loads(data, object_pairs_hook=_check_keys)
    if stored.format != FORMAT:
        raise ValueError(f"its format is {stored.format}; this program knows {FORMAT}")
    secret = base64.b64decode(stored.mock_secret, validate=True)
    if len(secret) < SECRET_BYTES:
        raise ValueError("mock_secret is too short")
    by_name = {name: _account(name, entry) for name, entry in stored.accounts.items()}
    ids = [account.user_id for account in by_name.values()] + stored.retired_ids
    if len(set(ids)) != len(ids):
        raise ValueError("an id occurs twice")
    return AccountTable(MappingProxyType(by_name), frozenset(stored.retired_ids), secret)


def _check_keys(pairs: list[tuple[str, object]]) -> None:
    """Raise ValueError for a key that occurs twice: JSON's readers take either, and here each is another account."""
    keys = [key for key, _ in pairs]
    if len(set(keys)) != len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"{twice!r} occurs twice")


def _account(name: str, stored: _StoredAccount) -> Account:
    role = next((role for role in get_args(Role) if role == stored.role), None)
    if not is_user_name(name) or not _ID.fullmatch(stored.id) or role is None:
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
