"""Sessions kept between two commands: a ticket in the user's runtime directory, mode 0600.

The file holds no password and nothing made of one. It is worth the session: whoever reads it is signed in until the
session's idle timeout or its logout.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from protocol import Fingerprint

from client.address import Address


@dataclass(frozen=True, slots=True)
class StoredTicket:
    """What opens another connection of a session. `expires_unix_s`: the session's absolute end, as far as known."""

    address: Address
    user: str
    ticket_id: str
    ticket: bytes = field(repr=False)
    fingerprint: Fingerprint
    expires_unix_s: float


def runtime_directory() -> Path:
    """Where tickets are kept: the user's own, emptied at logout where the system has such a place. Made if missing."""
    ...


class TicketStore:
    """One file for each server and user. Readable by its owner only; one that others can read is not used."""

    def __init__(self, directory: Path | None = None) -> None:
        """`directory`: by default `runtime_directory()`."""

    def load(self, address: Address, user: str) -> StoredTicket | None:
        """The ticket, unless there is none, it is past its time, or its file is not the user's alone."""

    def save(self, ticket: StoredTicket) -> None:
        """Keep it, in place of an older one. Raises: LocalFileError."""

    def forget(self, address: Address, user: str) -> None:
        """Remove it, if it is there."""
