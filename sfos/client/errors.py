"""Errors that only a client can run into; those that a server reports are in `protocol`.

    SfosError
    └── ClientError
        ├── ConnectionFailed           no working connection: retryable, nothing half-visible is left behind
        │   ├── ServerUnreachable      nobody answers at the address
        │   └── ConnectionLost         it was there, and went away in the middle
        ├── TrustError                 who the server is: never retried by itself
        │   ├── UnknownServerKey       no pin yet; ask the user, then `TrustStore.pin`
        │   ├── ChangedServerKey       not the pinned key: a hard stop
        │   └── ServerNotGenuine       the server failed to show that it knows this account: an impostor
        ├── LocalFileError             this computer's files: fails one item, the rest goes on
        │   ├── FileChanged            while it was read
        │   │   └── SizeNotTold        it did not: the system tells another size than there is to read
        │   ├── LocalChanged           since it was seen: nobody decided about this state of it
        │   ├── LocalAccess            the operating system said no
        │   ├── LeadsBack              a followed link, to a folder that it is in
        │   ├── LocalNameNotAllowed    a name that this system, or a safe program, cannot write
        │   └── LocalDiskFull
        ├── KindUnknown                what is newer than this program: shown, and left alone
        └── Cancelled

They never cross the wire: a server cannot make a client raise one.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from sfos.client.address import Address
from sfos.protocol import Fingerprint, SfosError


class ClientError(SfosError):
    """Something went wrong on this side."""

    code = "client_error"


class KindUnknown(ClientError):
    """This is of a kind that this version of the program does not know; update it."""

    code = "kind_unknown"
    exit_code = 5


class ConnectionFailed(ClientError):
    """There is no connection to the server."""

    code = "connection_failed"
    retryable = True
    exit_code = 69  # EX_UNAVAILABLE of sysexits.h


class ServerUnreachable(ConnectionFailed):
    """The server does not answer; check the address, the network, and that the server runs."""

    code = "server_unreachable"


class ConnectionLost(ConnectionFailed):
    """The connection to the server was lost; try again."""

    code = "connection_lost"


class TrustError(ClientError):
    """The server is not who it should be."""

    code = "trust_error"
    exit_code = 10


class CertificateFacts(msgspec.Struct, frozen=True):
    """Claims of the server's certificate about itself: shown, never believed. Times are UTC."""

    names: tuple[str, ...]
    issuer: str
    not_before: datetime
    not_after: datetime
    self_signed: bool


class UnknownServerKey(TrustError):
    """This server's key is not known yet; compare its fingerprint with what the server's administrator sees."""

    code = "unknown_server_key"
    exit_code = 10

    def __init__(self, address: Address, fingerprint: Fingerprint, facts: CertificateFacts) -> None:
        super().__init__(subject=str(address))
        self.address = address
        self.fingerprint = fingerprint
        self.words = fingerprint.words
        self.facts = facts


class ChangedServerKey(TrustError):
    """The server's key is not the one that was trusted: someone may be in between. Nothing was sent."""

    code = "changed_server_key"
    exit_code = 11

    def __init__(
        self,
        address: Address,
        pinned: Fingerprint,
        seen: Fingerprint,
        pinned_since: datetime | None,
        facts: CertificateFacts,
    ) -> None:
        """`pinned_since`: None for a fingerprint given with the command (`--pin`)."""
        super().__init__(subject=str(address))
        self.address = address
        self.pinned = pinned
        self.seen = seen
        self.pinned_since = pinned_since
        self.facts = facts


class ServerNotGenuine(TrustError):
    """The server could not prove that it knows this account: it may be an impostor. Your password was not sent."""

    code = "server_not_genuine"
    exit_code = 12


class LocalFileError(ClientError):
    """A file on this computer cannot be used."""

    code = "local_file_error"
    exit_code = 7


class FileChanged(LocalFileError):
    """The file changed while it was read; try again when nothing writes to it."""

    code = "file_changed"


class SizeNotTold(FileChanged):
    """Its size is not what the system tells, as of files in /proc and /sys; send it by: cat FILE | sfos put - NAME"""

    code = "size_not_told"


class LocalChanged(LocalFileError):
    """It was changed on this computer in the meantime; look at it first."""

    code = "local_changed"


class LocalAccess(LocalFileError):
    """This computer does not allow it."""

    code = "local_access"


class LeadsBack(LocalFileError):
    """This leads back to a folder that it is in; it was left out, for it has no end."""

    code = "leads_back"


class LocalNameNotAllowed(LocalFileError):
    """A file of this name cannot be written on this computer."""

    code = "local_name_not_allowed"


class LocalDiskFull(LocalFileError):
    """The disk of this computer is full."""

    code = "local_disk_full"


class Cancelled(ClientError):
    """Cancelled."""

    code = "cancelled"
    exit_code = 130
