"""Accounts that a test knows to be there."""

from __future__ import annotations

from sfos.server.identity.credential_file import Account, CredentialFile


def account(accounts: CredentialFile, name: str) -> Account:
    """The one of this `name`."""
    found = accounts.find(name)
    assert found is not None, name
    return found
