"""Which server keys are trusted: pins on disk, and what to do about a key that has none.

A pin is the SHA-256 of the key's SubjectPublicKeyInfo, by `host:port`. An unknown key is put before the user only
after the server has proven by SCRAM, bound to this very TLS session, that it knows the account; a changed key stops
everything before a byte is sent. A certificate past its date under a pinned key is a warning: keys expire by being
replaced, as with SSH.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Literal, Self

from cryptography import x509
from protocol import Fingerprint

from client.address import Address
from client.errors import CertificateFacts

PinOrigin = Literal["asked", "accepted-new", "given", "replaced"]


@dataclass(frozen=True, slots=True)
class Pin:
    """A trusted key: since when (UTC), and how it came to be trusted."""

    fingerprint: Fingerprint
    since: datetime
    origin: PinOrigin


class TrustMode(Enum):
    """What happens to a key that has no pin."""

    ASK = "ask"
    ACCEPT_NEW = "accept-new"
    EXACT = "exact"


@dataclass(frozen=True, slots=True)
class TrustPolicy:
    """`ASK` raises UnknownServerKey; `ACCEPT_NEW` pins an unknown key, never a changed one; `EXACT` takes one key only."""

    mode: TrustMode = TrustMode.ASK
    fingerprint: Fingerprint | None = None

    @classmethod
    def exact(cls, fingerprint: Fingerprint) -> Self:
        """Trust this key and no other; it becomes the pin, also in place of an older one: the user has named it."""
        return cls(TrustMode.EXACT, fingerprint)


ASK = TrustPolicy(TrustMode.ASK)
ACCEPT_NEW = TrustPolicy(TrustMode.ACCEPT_NEW)


@dataclass(frozen=True, slots=True)
class ServerKey:
    """What a server showed in the TLS handshake."""

    fingerprint: Fingerprint
    facts: CertificateFacts


@dataclass(frozen=True, slots=True)
class CertificateWarning:
    """The key is the trusted one, but its certificate is outside of its dates; `message` is for people."""

    message: str
    facts: CertificateFacts


class TrustStore:
    """The pins in one JSON file (mode 0600, replaced atomically, safe for several processes). Thread-safe."""

    def __init__(self, path: Path) -> None: ...

    def pin_of(self, address: Address) -> Pin | None:
        """The pin for `address`. Raises: LocalFileError for a file that cannot be read."""

    def pins(self) -> dict[str, Pin]:
        """All pins, by `host:port`."""

    def pin(self, address: Address, fingerprint: Fingerprint, origin: PinOrigin = "asked") -> None:
        """Trust the key from now on. Raises: ValueError if another key is pinned (`replace` is explicit)."""

    def replace(self, address: Address, old: Fingerprint, new: Fingerprint) -> None:
        """Trust `new` in place of `old`. Raises: ValueError if `old` is not what is pinned."""

    def forget(self, address: Address) -> bool:
        """Remove the pin; whether there was one."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom to trust: the pins, and the policy for what is not among them."""

    store: TrustStore
    policy: TrustPolicy = ASK

    def check_before_login(self, address: Address, key: ServerKey) -> CertificateWarning | None:
        """Right after the handshake. Raises: ChangedServerKey."""

    def settle_after_login(self, address: Address, key: ServerKey) -> None:
        """Once the server has proven itself: store the pin, or ask. Raises: UnknownServerKey."""


def read_certificate(certificate: x509.Certificate) -> ServerKey:
    """The key and the facts of a certificate. Raises: RemoteProtocolError for one that cannot be read."""
    ...
