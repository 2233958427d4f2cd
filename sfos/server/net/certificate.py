"""The server's identity: an EC P-256 key and a self-signed certificate for it.

Clients pin the key, so the certificate may be renewed at will while the key stays; a new key makes every client stop
and ask. Names and dates are for people and for other programs: our clients show them, and warn of a date in the past.

    IdentityError
     ├─ IdentityMissing     there is no key or no certificate yet
     └─ IdentityDamaged     they cannot be read, or do not belong together
"""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sfos.protocol import Fingerprint
from sfos.server.disk.durable_files import write_durably
from sfos.startup.programs import spelled

DEFAULT_DAYS = 825  # the longest that Apple's systems accept from any server certificate
MAX_DAYS = 36_500
_CLOCK_SKEW = dt.timedelta(hours=1)  # a client whose clock is late must not see a certificate of tomorrow
_DNS_NAME = re.compile(r"(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.?")


class IdentityError(Exception):
    """The server's key and certificate cannot be used."""


class IdentityMissing(IdentityError):
    """There is no key or no certificate."""


class IdentityDamaged(IdentityError):
    """The key or the certificate cannot be read, or they do not belong together."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A private key, the certificate for it, and the fingerprint by which clients know it."""

    key: ec.EllipticCurvePrivateKey = field(repr=False)
    certificate: x509.Certificate
    fingerprint: Fingerprint

    @property
    def names(self) -> tuple[str, ...]:
        """The host names and addresses in the certificate."""
        return names_in(self.certificate)

    @property
    def not_after(self) -> dt.datetime:
        return self.certificate.not_valid_after_utc


def parse_host(text: str) -> str:
    """The host name or address in the form that the certificate holds: lower case, IDNA, canonical address.

    Raises: ValueError, with a sentence for people.
    """
    bare = text.strip().removeprefix("[").removesuffix("]")
    with contextlib.suppress(ValueError):
        return str(ipaddress.ip_address(bare))
    try:
        name = bare.lower().encode("idna").decode("ascii")
    except UnicodeError:
        name = ""
    if not name or len(name) > 253 or not _DNS_NAME.fullmatch(name):
        raise ValueError(f"{text!r} is neither a host name nor an IP address")
    return name.removesuffix(".")


def local_names() -> tuple[str, ...]:
    """Names and addresses of this machine, localhost first. May block on a slow resolver."""
    found = ["localhost", "127.0.0.1", "::1"]
    host = socket.gethostname()
    for candidate in (host, socket.getfqdn(host)):
        with contextlib.suppress(ValueError):
            found.append(parse_host(candidate))
    with contextlib.suppress(OSError):
        # A scope such as %eth0 means nothing on another machine.
        found += [str(info[4][0]).split("%")[0] for info in socket.getaddrinfo(host, None)]
    for family, elsewhere in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        # Connecting a datagram socket sends nothing; it only asks which address would be used (RFC 5737 and 3849).
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((elsewhere, 9))
            found.append(str(probe.getsockname()[0]))
    return tuple(dict.fromkeys(found))


def make_certificate(
    key: ec.EllipticCurvePrivateKey, names: Iterable[str], days: int, now: dt.datetime
) -> x509.Certificate:
    """A self-signed certificate for `names` (as `parse_host` gives them), valid for `days` from `now`."""
    names = tuple(names)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _common_name(names))])
    public_key = key.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_SIGNS_ONLY, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )
    return builder.sign(key, hashes.SHA256())


_SIGNS_ONLY = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


def _common_name(names: tuple[str, ...]) -> str:
    """The first name that says more than localhost, if it fits (RFC 5280 allows 64 characters)."""
    speaking = [name for name in names if name not in ("localhost", "127.0.0.1", "::1") and len(name) <= 64]
    return speaking[0] if speaking else "localhost"


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def names_in(certificate: x509.Certificate) -> tuple[str, ...]:
    """The host names and addresses that the certificate is for."""
    try:
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    addresses = (str(address) for address in alternatives.get_values_for_type(x509.IPAddress))
    return (*alternatives.get_values_for_type(x509.DNSName), *addresses)


def fingerprint_of(public_key: ec.EllipticCurvePublicKey) -> Fingerprint:
    info = public_key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return Fingerprint.of(info)


# --- Files --------------------------------------------------------------------------------------------------------


def issue(
    certificate_file: Path,
    key_file: Path,
    hosts: Iterable[str],
    *,
    days: int = DEFAULT_DAYS,
    new_key: bool = False,
    now: dt.datetime | None = None,
) -> Identity:
    """Write a certificate for this machine's names, those of the certificate before, and `hosts`; return the identity.

    The key is kept, or made if there is none or `new_key` says so.
    Raises: ValueError for a host that is none; IdentityDamaged, if the key there cannot be read; OSError.
    """
    wanted = [parse_host(host) for host in hosts]
    moment = (now or dt.datetime.now(dt.UTC)).replace(microsecond=0)
    key = None if new_key or not key_file.exists() else _read_key(key_file)
    earlier: tuple[str, ...] = ()
    with contextlib.suppress(IdentityError):  # there is none, or it cannot be read
        earlier = names_in(_read_certificate(certificate_file))
    if key is None:
        key = ec.generate_private_key(ec.SECP256R1())
        _write_key(key_file, key)
    certificate = make_certificate(key, dict.fromkeys((*wanted, *local_names(), *earlier)), days, moment)
    certificate_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_durably(certificate_file, certificate.public_bytes(serialization.Encoding.PEM), mode=0o644)
    return load(certificate_file, key_file)


def load(certificate_file: Path, key_file: Path) -> Identity:
    """The identity in these files. Raises: IdentityMissing, IdentityDamaged."""
    certificate = _read_certificate(certificate_file)
    key = _read_key(key_file)
    fingerprint = fingerprint_of(key.public_key())
    certified = certificate.public_key()
    if not isinstance(certified, ec.EllipticCurvePublicKey) or fingerprint_of(certified) != fingerprint:
        raise IdentityDamaged(f"{certificate_file} is not for the key in {key_file}; run {spelled('certificate')}")
    return Identity(key, certificate, fingerprint)


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_durably(path, pem, mode=0o600)


def _read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(_read(path), password=None)
    except (ValueError, TypeError) as error:
        raise IdentityDamaged(f"{path} holds no private key that can be read: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise IdentityDamaged(f"{path} holds a key of another kind than EC")
    return key


def _read_certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(_read(path))
    except ValueError as error:
        raise IdentityDamaged(f"{path} holds no certificate that can be read: {error}") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise IdentityMissing(f"there is no {path}; {spelled('certificate')} makes it") from error
    except OSError as error:
        raise IdentityDamaged(f"{path} cannot be read: {error.strerror}") from error
