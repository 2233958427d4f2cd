"""Trust in server keys: pins on disk, and the policy for a key that has none.

A pin is the SHA-256 of the key's SubjectPublicKeyInfo, by `host:port`. An unknown key is put before the user only
after the server has proven by SCRAM, bound to this very TLS session, that it knows the account; a changed key stops
everything before a byte is sent. A certificate past its date under a pinned key is a warning: keys expire by being
replaced, as with SSH.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

import msgspec

from sfos.client.address import Address
from sfos.client.errors import CertificateFacts, ChangedServerKey, LocalFileError, UnknownServerKey
from sfos.client.local.private_files import DamagedFile, PrivateJson, locked
from sfos.client.net.tls import SSL, crypto, load_x509
from sfos.protocol import Fingerprint, RemoteProtocolError, printable

if TYPE_CHECKING:  # see client.net.tls
    from cryptography import x509

_log = logging.getLogger(__name__)

PinOrigin = Literal["asked", "accepted-new", "given", "replaced"]


class Pin(msgspec.Struct, frozen=True):
    """A trusted key: since when (UTC), and how it came to be trusted."""

    fingerprint: Fingerprint
    since: datetime
    origin: PinOrigin


class TrustMode(Enum):
    """Policy for a key that has no pin."""

    ASK = "ask"
    ACCEPT_NEW = "accept-new"
    EXACT = "exact"


class TrustPolicy(msgspec.Struct, frozen=True):
    """`ASK` raises UnknownServerKey; `ACCEPT_NEW` pins an unknown key, never a changed one; `EXACT` takes one key."""

    mode: TrustMode = TrustMode.ASK
    fingerprint: Fingerprint | None = None

    @classmethod
    def exact(cls, fingerprint: Fingerprint) -> Self:
        """Trust this key and no other; it becomes the pin, also in place of an older one: the user has named it."""
        return cls(TrustMode.EXACT, fingerprint)


ASK = TrustPolicy(TrustMode.ASK)
ACCEPT_NEW = TrustPolicy(TrustMode.ACCEPT_NEW)


class ServerKey(msgspec.Struct, frozen=True):
    """Key that a server showed in the TLS handshake, and its certificate (DER) with its dates (UTC)."""

    fingerprint: Fingerprint
    not_before: datetime
    not_after: datetime
    certificate: bytes

    @property
    def facts(self) -> CertificateFacts:
        """Further claims of the certificate, for people; none if it cannot be read. Takes some 25 ms."""
        load_x509()
        from cryptography import x509

        unreadable = (x509.InvalidVersion, x509.UnsupportedGeneralNameType, x509.DuplicateExtension)
        try:
            return _read_facts(self.certificate)
        except (ValueError, TypeError, *unreadable) as error:  # that a key was changed has to be told all the same
            _log.info("the server's certificate cannot be looked into: %s", error)
            return CertificateFacts((), "unreadable", self.not_before, self.not_after, self_signed=False)


class CertificateWarning(msgspec.Struct, frozen=True):
    """The key is the trusted one, but its certificate is outside of its dates; `message` is for people."""

    message: str


class _StoredPin(msgspec.Struct, frozen=True):
    fingerprint: str
    since: datetime
    origin: PinOrigin


class _PinFile(msgspec.Struct, frozen=True):
    version: Literal[1] = 1
    pins: dict[str, _StoredPin] = {}


def _now() -> datetime:
    return datetime.now(UTC)


class TrustStore:
    """The pins in one JSON file (mode 0600, replaced atomically, safe for several processes). Thread-safe."""

    def __init__(self, path: Path, now: Callable[[], datetime] = _now) -> None:
        self._path = path
        self._file = PrivateJson(path, _PinFile)
        self._now = now
        self._lock = threading.Lock()

    def pin_of(self, address: Address) -> Pin | None:
        """The pin for `address`. Raises: LocalFileError for a file that cannot be read."""
        return self._read().get(str(address))

    def pins(self) -> dict[str, Pin]:
        """All pins, by `host:port`. Raises: LocalFileError."""
        return self._read()

    def pin(self, address: Address, fingerprint: Fingerprint, origin: PinOrigin = "asked") -> None:
        """Trust the key from now on. Raises: ValueError if another key is pinned (`replace` is explicit)."""
        with self._lock, locked(self._path):
            pins = self._read()
            known = pins.get(str(address))
            if known is not None and known.fingerprint != fingerprint:
                raise ValueError(f"another key of {address} is pinned; replacing it has to be explicit")
            if known is None:
                self._write(pins | {str(address): Pin(fingerprint, self._now(), origin)})

    def replace(self, address: Address, old: Fingerprint, new: Fingerprint) -> None:
        """Trust `new` in place of `old`. Raises: ValueError if `old` is not what is pinned."""
        with self._lock, locked(self._path):
            pins = self._read()
            known = pins.get(str(address))
            if known is None or known.fingerprint != old:
                raise ValueError(f"the key to be replaced is not the one that is pinned for {address}")
            self._write(pins | {str(address): Pin(new, self._now(), "replaced")})

    def forget(self, address: Address) -> bool:
        """Remove the pin; whether there was one."""
        with self._lock, locked(self._path):
            pins = self._read()
            found = pins.pop(str(address), None) is not None
            if found:
                self._write(pins)
            return found

    def _read(self) -> dict[str, Pin]:
        try:
            stored = self._file.read()
            if stored is None:
                return {}
            return {
                address: Pin(Fingerprint.parse(pin.fingerprint), pin.since, pin.origin)
                for address, pin in stored.pins.items()
            }
        except (DamagedFile, ValueError) as error:
            # Going on as if nothing were pinned would turn a damaged file into trust in anybody.
            raise LocalFileError(
                "The list of trusted servers cannot be read; restore it, or remove it to trust anew.",
                subject=str(self._path),
            ) from error

    def _write(self, pins: dict[str, Pin]) -> None:
        stored = {
            address: _StoredPin(pin.fingerprint.hex, pin.since, pin.origin) for address, pin in sorted(pins.items())
        }
        self._file.write(_PinFile(1, stored), pretty=True, newline=True)


class Trust(msgspec.Struct, frozen=True):
    """Trust in servers: the pins, and the policy for keys that are not among them."""

    store: TrustStore
    policy: TrustPolicy = ASK

    def trusted_key(self, address: Address) -> Fingerprint | None:
        """The only key that is taken for `address`: the one given, else its pin; None if there is neither."""
        if self.policy.fingerprint is not None:
            return self.policy.fingerprint
        pin = self.store.pin_of(address)
        return pin.fingerprint if pin is not None else None

    def check_before_login(self, address: Address, key: ServerKey) -> CertificateWarning | None:
        """Right after the handshake: what is to be said of the certificate. Raises: ChangedServerKey."""
        wanted = self.policy.fingerprint
        if wanted is not None:
            if wanted != key.fingerprint:
                raise ChangedServerKey(address, wanted, key.fingerprint, None, key.facts)
        else:
            pin = self.store.pin_of(address)
            if pin is not None and pin.fingerprint != key.fingerprint:
                raise ChangedServerKey(address, pin.fingerprint, key.fingerprint, pin.since, key.facts)
        return _date_warning(key, datetime.now(UTC))

    def settle_after_login(self, address: Address, key: ServerKey) -> None:
        """Once the server has proven itself: store the pin, or ask. Raises: UnknownServerKey, LocalFileError."""
        if self.policy.mode is TrustMode.EXACT:
            self._keep_given(address, key)
            return
        pin = self.store.pin_of(address)
        if pin is not None and pin.fingerprint == key.fingerprint:
            return
        if self.policy.mode is TrustMode.ASK:
            raise UnknownServerKey(address, key.fingerprint, key.facts)
        self.store.pin(address, key.fingerprint, "accepted-new")

    def _keep_given(self, address: Address, key: ServerKey) -> None:
        """Let the key that was given be the pin, if that can be written down: it is trusted as it is."""
        try:
            pin = self.store.pin_of(address)
            if pin is None:
                self.store.pin(address, key.fingerprint, "given")
            elif pin.fingerprint != key.fingerprint:
                self.store.replace(address, pin.fingerprint, key.fingerprint)
        except LocalFileError as error:
            _log.info("the key that was given is not kept: %s", error)


def _date_warning(key: ServerKey, now: datetime) -> CertificateWarning | None:
    if now > key.not_after:
        message = f"The server's certificate ended on {key.not_after:%Y-%m-%d}; its key is the one you trust."
    elif now < key.not_before:
        message = f"The server's certificate begins only on {key.not_before:%Y-%m-%d}; is a clock wrong?"
    else:
        return None
    return CertificateWarning(f"{message} Its administrator can renew it.")


# ── certificates ────────────────────────────────────────────────────────────────────────────────────────────────


def read_certificate(certificate: crypto.X509) -> ServerKey:
    """The key and the dates of a certificate. Raises: RemoteProtocolError for one that cannot be read."""
    try:
        info = crypto.dump_publickey(crypto.FILETYPE_ASN1, certificate.get_pubkey())
        return ServerKey(
            Fingerprint.of(info),
            _moment(certificate.get_notBefore()),
            _moment(certificate.get_notAfter()),
            crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate),
        )
    except (crypto.Error, SSL.Error, ValueError, TypeError) as error:
        raise RemoteProtocolError("The server's certificate cannot be read.") from error


def _moment(time: bytes | None) -> datetime:
    """ASN.1's GeneralizedTime, YYYYMMDDhhmmssZ. Raises: ValueError."""
    text = (time or b"").decode("ascii")
    return datetime.fromisoformat(f"{text[:8]}T{text[8:]}")


def _read_facts(der: bytes) -> CertificateFacts:
    from cryptography import x509

    certificate = x509.load_der_x509_certificate(der)
    return CertificateFacts(
        names=_names(certificate),
        issuer=printable(certificate.issuer.rfc4514_string()[:200]),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        self_signed=certificate.issuer == certificate.subject,
    )


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    from cryptography import x509

    try:
        alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(printable(str(name.value)[:200]) for name in list(alternative)[:32])
