from __future__ import annotations

import json
import stat
import threading
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sfos.client.address import Address
from sfos.client.errors import ChangedServerKey, LocalFileError, UnknownServerKey
from sfos.client.net.tls import crypto
from sfos.client.net.trust import ACCEPT_NEW, ServerKey, Trust, TrustPolicy, TrustStore, read_certificate
from sfos.protocol import Fingerprint

HOME = Address("files.example.org", 8443)
ONE, OTHER = Fingerprint(b"\x01" * 32), Fingerprint(b"\x02" * 32)
NOW = datetime.now(UTC)


PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def certificate(private: PrivateKey, begins: timedelta = timedelta(-1), ends: timedelta = timedelta(1)) -> bytes:
    """A certificate in DER, as generate_certificate.py makes them."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "files")])
    names = x509.SubjectAlternativeName([x509.DNSName("files.example.org"), x509.IPAddress(IPv4Address("192.0.2.7"))])
    builder = x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(NOW + begins).not_valid_after(NOW + ends).add_extension(names, critical=False)
    algorithm = None if isinstance(private, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(private, algorithm).public_bytes(Encoding.DER)


DER = certificate(ec.generate_private_key(ec.SECP256R1()))


def key(fingerprint: Fingerprint, begins: timedelta = timedelta(-1), ends: timedelta = timedelta(1)) -> ServerKey:
    return ServerKey(fingerprint, NOW + begins, NOW + ends, DER)


@pytest.fixture
def store(tmp_path: Path) -> TrustStore:
    return TrustStore(tmp_path / "deep" / "pins.json", now=lambda: NOW)


def test_a_pin_is_there_for_the_next_program(store: TrustStore, tmp_path: Path) -> None:
    store.pin(HOME, ONE, "asked")
    found = TrustStore(tmp_path / "deep" / "pins.json").pin_of(HOME)
    assert found is not None
    assert (found.fingerprint, found.origin, found.since) == (ONE, "asked", NOW)


def test_pins_are_for_one_address_each(store: TrustStore) -> None:
    store.pin(HOME, ONE)
    assert store.pin_of(Address(HOME.host, 9000)) is None


def test_the_file_is_for_its_owner_alone(store: TrustStore, tmp_path: Path) -> None:
    store.pin(HOME, ONE)
    assert stat.S_IMODE((tmp_path / "deep" / "pins.json").stat().st_mode) == 0o600


def test_a_pin_is_never_replaced_by_pinning(store: TrustStore) -> None:
    store.pin(HOME, ONE)
    with pytest.raises(ValueError, match="explicit"):
        store.pin(HOME, OTHER)
    assert store.pins()[str(HOME)].fingerprint == ONE


def test_replacing_names_the_old_key(store: TrustStore) -> None:
    store.pin(HOME, ONE)
    with pytest.raises(ValueError, match="not the one"):
        store.replace(HOME, OTHER, ONE)
    store.replace(HOME, ONE, OTHER)
    assert store.pins()[str(HOME)].fingerprint == OTHER


def test_a_forgotten_key_is_unknown(store: TrustStore) -> None:
    store.pin(HOME, ONE)
    assert store.forget(HOME)
    assert not store.forget(HOME)
    assert store.pin_of(HOME) is None


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"version":9}', b'{"pins":{"a:1":{"fingerprint":"x"}}}', b"\xff"]
)
def test_a_damaged_list_of_pins_is_not_taken_for_an_empty_one(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "pins.json"
    path.write_bytes(content)
    with pytest.raises(LocalFileError):
        TrustStore(path).pin_of(HOME)


def test_two_programs_that_pin_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "pins.json"
    hosts = [Address(f"host{number}", 1) for number in range(16)]
    threads = [threading.Thread(target=TrustStore(path).pin, args=(host, ONE)) for host in hosts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(TrustStore(path).pins()) == {str(host) for host in hosts}
    assert json.loads(path.read_bytes())["version"] == 1


def test_an_unknown_key_is_asked_about(store: TrustStore) -> None:
    trust = Trust(store)
    assert trust.check_before_login(HOME, key(ONE)) is None
    with pytest.raises(UnknownServerKey) as raised:
        trust.settle_after_login(HOME, key(ONE))
    assert raised.value.fingerprint == ONE
    assert raised.value.words == ONE.words
    assert store.pin_of(HOME) is None


def test_accept_new_pins_an_unknown_key_and_refuses_a_changed_one(store: TrustStore) -> None:
    trust = Trust(store, ACCEPT_NEW)
    trust.settle_after_login(HOME, key(ONE))
    trust.check_before_login(HOME, key(ONE))
    with pytest.raises(ChangedServerKey) as raised:
        trust.check_before_login(HOME, key(OTHER))
    assert (raised.value.pinned, raised.value.seen) == (ONE, OTHER)
    assert raised.value.pinned_since is not None


def test_an_exact_key_takes_no_other_and_becomes_the_pin(store: TrustStore) -> None:
    trust = Trust(store, TrustPolicy.exact(ONE))
    with pytest.raises(ChangedServerKey) as raised:
        trust.check_before_login(HOME, key(OTHER))
    assert raised.value.pinned_since is None
    store.pin(HOME, OTHER)
    trust.check_before_login(HOME, key(ONE))
    trust.settle_after_login(HOME, key(ONE))
    found = store.pin_of(HOME)
    assert found is not None
    assert found.fingerprint == ONE


@pytest.mark.parametrize(("begins", "ends", "word"), [(-9, -1, "ended"), (1, 9, "begins")])
def test_a_certificate_outside_of_its_dates_warns_under_a_pinned_key(
    store: TrustStore, begins: int, ends: int, word: str
) -> None:
    store.pin(HOME, ONE)
    warning = Trust(store).check_before_login(HOME, key(ONE, timedelta(begins), timedelta(ends)))
    assert warning is not None
    assert word in warning.message


# ── certificates ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "private",
    [
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP384R1()),
        rsa.generate_private_key(65537, 2048),
        ed25519.Ed25519PrivateKey.generate(),
    ],
    ids=lambda key: type(key).__name__,
)
def test_a_key_read_from_its_certificate_is_what_the_administrators_script_shows(private: PrivateKey) -> None:
    der = certificate(private)
    seen = read_certificate(crypto.load_certificate(crypto.FILETYPE_ASN1, der))
    info = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert seen.fingerprint == Fingerprint.of(info)
    loaded = x509.load_der_x509_certificate(der)
    assert (seen.not_before, seen.not_after) == (loaded.not_valid_before_utc, loaded.not_valid_after_utc)
    facts = seen.facts
    assert facts.names == ("files.example.org", "192.0.2.7")
    assert (facts.issuer, facts.self_signed) == ("CN=files", True)
    assert (facts.not_before, facts.not_after) == (seen.not_before, seen.not_after)


def test_a_certificate_that_cannot_be_looked_into_does_not_hide_that_the_key_was_changed(store: TrustStore) -> None:
    store.pin(HOME, ONE)
    not_ascii = DER.replace(b"files.example.org", b"files\xffexample.org")
    whole = read_certificate(crypto.load_certificate(crypto.FILETYPE_ASN1, not_ascii))  # its key can be read
    for seen in (whole, ServerKey(OTHER, NOW, NOW + timedelta(1), DER[:-1])):
        for trust in (Trust(store), Trust(store, TrustPolicy.exact(ONE))):
            with pytest.raises(ChangedServerKey) as changed:
                trust.check_before_login(HOME, seen)
            facts = changed.value.facts
            assert (facts.names, facts.issuer, facts.self_signed) == ((), "unreadable", False)
            assert (facts.not_before, facts.not_after) == (seen.not_before, seen.not_after)
