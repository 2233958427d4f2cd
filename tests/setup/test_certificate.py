"""The server's identity: what the certificate says, and when the key stays or changes."""

import datetime as dt
import hashlib
import ipaddress
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from OpenSSL import crypto

from sfos.server.net import certificate
from sfos.server.net.certificate import Identity

NOW = dt.datetime(2026, 1, 31, 12, 0, tzinfo=dt.UTC)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "secrets" / "certificate.pem", tmp_path / "secrets" / "private_key.pem"


def issue(files: tuple[Path, Path], *hosts: str, **options: Any) -> Identity:
    return certificate.issue(*files, hosts, **{"now": NOW, **options})


def test_a_certificate_is_for_localhost_this_host_and_what_was_asked_for(files: tuple[Path, Path]) -> None:
    names = issue(files, "files.example.org", "203.0.113.7", "[2001:db8::7]", "Büro.example").names
    for name in ("localhost", "127.0.0.1", "::1", "files.example.org", "203.0.113.7", "2001:db8::7"):
        assert name in names
    assert "xn--bro-hoa.example" in names
    assert socket.gethostname().lower() in names
    alternatives = certificate.load(*files).certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert ipaddress.ip_address("203.0.113.7") in alternatives.value.get_values_for_type(x509.IPAddress)
    assert len(set(names)) == len(names)


def test_the_key_is_ec_p256_and_the_certificate_signs_itself_for_a_server_only(files: tuple[Path, Path]) -> None:
    identity = issue(files)
    assert isinstance(identity.key.curve, ec.SECP256R1)
    identity.certificate.verify_directly_issued_by(identity.certificate)
    constraints = identity.certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical and not constraints.value.ca
    usage = identity.certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]


def test_the_days_are_counted_from_now_with_an_hour_for_slow_clocks(files: tuple[Path, Path]) -> None:
    identity = issue(files, days=30)
    assert identity.not_after == NOW + dt.timedelta(days=30)
    assert identity.certificate.not_valid_before_utc == NOW - dt.timedelta(hours=1)


def test_the_fingerprint_is_the_sha256_of_the_public_key_as_openssl_sees_it(files: tuple[Path, Path]) -> None:
    identity = issue(files)
    der = crypto.dump_publickey(crypto.FILETYPE_ASN1, crypto.X509.from_cryptography(identity.certificate).get_pubkey())
    assert identity.fingerprint.digest == hashlib.sha256(der).digest()


def test_renewing_keeps_the_key_and_the_names(files: tuple[Path, Path]) -> None:
    first = issue(files, "files.example.org")
    second = issue(files, "other.example.org", days=10)
    assert second.fingerprint == first.fingerprint
    assert second.certificate.serial_number != first.certificate.serial_number
    assert {"files.example.org", "other.example.org"} <= set(second.names)


def test_a_new_key_is_made_only_when_asked_for_and_keeps_the_names(files: tuple[Path, Path]) -> None:
    first = issue(files, "files.example.org")
    second = issue(files, new_key=True)
    assert second.fingerprint != first.fingerprint
    assert "files.example.org" in second.names
    assert certificate.load(*files).fingerprint == second.fingerprint


def test_a_lost_certificate_is_made_again_for_the_same_key(files: tuple[Path, Path]) -> None:
    first = issue(files)
    files[0].unlink()
    with pytest.raises(certificate.IdentityMissing, match="generate_certificate"):
        certificate.load(*files)
    assert issue(files).fingerprint == first.fingerprint


def test_only_the_owner_may_read_the_key(files: tuple[Path, Path]) -> None:
    previous = os.umask(0)
    try:
        issue(files)
    finally:
        os.umask(previous)
    assert files[1].stat().st_mode & 0o777 == 0o600
    assert files[1].parent.stat().st_mode & 0o777 == 0o700


def test_a_certificate_for_another_key_is_refused_and_mended_by_renewal(files: tuple[Path, Path]) -> None:
    first = issue(files)
    old_certificate = files[0].read_bytes()
    second = issue(files, new_key=True)
    files[0].write_bytes(old_certificate)  # as if the power failed between the two files
    with pytest.raises(certificate.IdentityDamaged, match="is not for the key"):
        certificate.load(*files)
    assert issue(files).fingerprint == second.fingerprint != first.fingerprint


@pytest.mark.parametrize("content", [b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", b"\xff"])
def test_a_damaged_key_is_named_and_never_replaced_silently(files: tuple[Path, Path], content: bytes) -> None:
    issue(files)
    files[1].write_bytes(content)
    for use in (lambda: certificate.load(*files), lambda: issue(files)):
        with pytest.raises(certificate.IdentityDamaged, match=r"private_key\.pem"):
            use()
    assert files[1].read_bytes() == content


def test_a_damaged_certificate_is_named(files: tuple[Path, Path]) -> None:
    issue(files)
    files[0].write_bytes(b"junk")
    with pytest.raises(certificate.IdentityDamaged, match=r"certificate\.pem"):
        certificate.load(*files)


def test_a_key_of_another_kind_is_named(files: tuple[Path, Path]) -> None:
    issue(files)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    with pytest.raises(certificate.IdentityDamaged, match="another kind"):
        certificate.load(*files)


def test_the_private_key_does_not_show_in_what_python_prints(files: tuple[Path, Path]) -> None:
    assert "key=" not in repr(issue(files))


@pytest.mark.parametrize(
    ("typed", "host"),
    [
        ("Files.Example.ORG", "files.example.org"),
        ("files.example.org.", "files.example.org"),
        (" nas ", "nas"),
        ("192.168.1.5", "192.168.1.5"),
        ("[2001:DB8:0::1]", "2001:db8::1"),
        ("*.example.org", "*.example.org"),
        ("my_nas", "my_nas"),
    ],
)
def test_a_host_is_read_however_people_write_it(typed: str, host: str) -> None:
    assert certificate.parse_host(typed) == host


@pytest.mark.parametrize(
    "typed", ["", ".", "a..b", "-a", "a b", "https://example.org", "example.org:8443", "x" * 64, "a/b"]
)
def test_anything_else_is_refused_before_a_file_is_touched(files: tuple[Path, Path], typed: str) -> None:
    with pytest.raises(ValueError, match="neither a host name nor an IP address"):
        issue(files, typed)
    assert not files[0].parent.exists()
