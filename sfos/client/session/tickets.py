"""Sessions kept between two commands: a ticket in the user's runtime directory, mode 0600.

The file holds no password and nothing made of one. It is worth the session: whoever reads it is signed in until the
session's idle timeout or its logout.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

import msgspec

from sfos.client.address import Address
from sfos.client.errors import LocalAccess
from sfos.client.local.directories import runtime_directory
from sfos.client.local.private_files import DamagedFile, PrivateJson
from sfos.protocol import TICKET_BYTES, Fingerprint, sha256

_log = logging.getLogger(__name__)


class StoredTicket(msgspec.Struct, frozen=True):
    """Ticket that opens another connection of a session. `expires_unix_s`: the session's absolute end, as far as
    known."""

    address: Address
    user: str
    ticket_id: str
    ticket: bytes
    fingerprint: Fingerprint
    expires_unix_s: float

    def __repr__(self) -> str:
        return f"StoredTicket({self.user}@{self.address})"  # without the secret


class _File(msgspec.Struct, frozen=True):
    host: str
    port: int
    user: str
    ticket_id: str
    ticket: bytes
    fingerprint: str
    expires_unix_s: float


class TicketStore:
    """One file for each server and user. Readable by its owner only; one that others can read is not used."""

    def __init__(self, directory: Path | None = None) -> None:
        """`directory`: by default `runtime_directory()`. Where there can be none, nothing is kept."""
        self._directory = directory
        self._refusal: LocalAccess | None = None
        if directory is None:
            try:
                self._directory = runtime_directory()
            except LocalAccess as error:
                self._refusal = error

    def load(self, address: Address, user: str) -> StoredTicket | None:
        """The ticket, unless there is none, it is past its time, or its file is not the user's alone."""
        if self._directory is None:
            return None
        path = self._path(self._directory, address, user)
        try:
            stored = PrivateJson(path, _File, secret=True).read()
            if stored is None:
                return None
            fingerprint = Fingerprint.parse(stored.fingerprint)
        except (DamagedFile, ValueError) as error:
            _log.warning("the kept session is not used: %s", error if isinstance(error, DamagedFile) else path)
            return None
        same = stored.host == address.host and stored.port == address.port and stored.user == user
        if not same or stored.expires_unix_s <= time.time() or len(stored.ticket) != TICKET_BYTES:
            return None
        return StoredTicket(address, user, stored.ticket_id, stored.ticket, fingerprint, stored.expires_unix_s)

    def save(self, ticket: StoredTicket) -> None:
        """Keep it, in place of an older one. Raises: LocalFileError."""
        if self._directory is None:
            assert self._refusal is not None
            raise self._refusal
        stored = _File(
            ticket.address.host,
            ticket.address.port,
            ticket.user,
            ticket.ticket_id,
            ticket.ticket,
            ticket.fingerprint.hex,
            ticket.expires_unix_s,
        )
        path = self._path(self._directory, ticket.address, ticket.user)
        PrivateJson(path, _File, secret=True).write(stored)

    def forget(self, address: Address, user: str) -> None:
        """Remove it, if it is there."""
        if self._directory is not None:
            self._path(self._directory, address, user).unlink(missing_ok=True)

    @staticmethod
    def _path(directory: Path, address: Address, user: str) -> Path:
        # Hashed: a host name or a user name from outside is never a part of a path.
        name = sha256(f"{user}\0{address}".encode()).hex()[:32]
        return directory / f"{name}.ticket"
