"""Finds the stored space meant at the command line: by its id, or by the name of the user whose home it is."""

from __future__ import annotations

from pathlib import Path

from sfos.server.identity.credential_file import CredentialError, CredentialFile
from sfos.server.spaces.directory import is_space_id


class NoSuchSpace(Exception):
    """No space stored here is the one asked for."""


def find_space(named: str, storage_dir: Path, accounts: CredentialFile) -> str:
    """The id of the stored space that `named` means. An id needs no accounts. Raises: NoSuchSpace."""
    as_id = named if is_space_id(named) and (storage_dir / named).is_dir() else None
    try:
        account = accounts.find(named)
    except (CredentialError, OSError) as error:
        if as_id is not None:
            return as_id
        raise NoSuchSpace(f"{error}; name the space by its id, a directory in {storage_dir}") from error
    if account is None:
        if as_id is None:
            raise NoSuchSpace(f"there is neither a user {named!r} nor a space of that id in {storage_dir}")
        return as_id
    if as_id is not None and as_id != account.user_id:
        raise NoSuchSpace(f"{named} is the name of one user and the id of another's space; use the user's id")
    if not (storage_dir / account.user_id).is_dir():
        raise NoSuchSpace(f"nothing is stored for the user {named} (no {storage_dir / account.user_id})")
    return account.user_id
