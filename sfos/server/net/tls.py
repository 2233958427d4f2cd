"""TLS as the server speaks it: 1.3 only, no early data, no resumption; public API of pyOpenSSL alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from OpenSSL import SSL

from sfos.protocol import Fingerprint
from sfos.startup.programs import spelled

# SSL_MODE_ENABLE_PARTIAL_WRITE (openssl/ssl.h), which pyOpenSSL sets and does not name. Without it one SSL_write sends
# the whole buffer, instead of returning to Python after each record of 16 KiB.
_ENABLE_PARTIAL_WRITE = 0x1


class CertificateUnusable(Exception):
    """The certificate or its private key cannot be used."""


@dataclass(frozen=True, slots=True)
class TlsIdentity:
    """A context, and who it says that this server is: the certificate, and the fingerprint by which it is pinned."""

    context: SSL.Context
    certificate: x509.Certificate
    fingerprint: Fingerprint


def load_identity(certificate_file: Path, private_key_file: Path) -> TlsIdentity:
    """Identity that these files hold. Its context is frozen by its first use: see server.net.tls_reload.

    Raises: CertificateUnusable, in one line that names the file and the script that makes it.
    """
    chain = _read_chain(certificate_file)
    key = _read_key(private_key_file)
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_3_VERSION)
    # Without a cache and with OP_NO_TICKET the tickets that OpenSSL still sends (two, empty) open nothing: every
    # connection makes its own keys, and the exporter that SCRAM binds to is its own.
    context.set_options(SSL.OP_NO_TICKET)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.clear_mode(_ENABLE_PARTIAL_WRITE)
    try:
        context.use_certificate(chain[0])
        for issuer in chain[1:]:
            context.add_extra_chain_cert(issuer)
        context.use_privatekey(key)
        context.check_privatekey()
    except SSL.Error as error:
        raise CertificateUnusable(
            f"{certificate_file} and {private_key_file} do not belong together; "
            f"make a new pair: {spelled('certificate')} --new-key"
        ) from error
    info = (
        chain[0].public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return TlsIdentity(context, chain[0], Fingerprint.of(info))


def _read_chain(path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except FileNotFoundError as error:
        raise CertificateUnusable(f"{path} is missing; make it: {spelled('certificate')}") from error
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise CertificateUnusable(
            f"{path} cannot be read as a certificate ({_reason(error)}); make it anew: {spelled('certificate')}"
        ) from error


def _read_key(path: Path) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except FileNotFoundError as error:
        raise CertificateUnusable(f"{path} is missing; make it: {spelled('certificate')}") from error
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise CertificateUnusable(
            f"{path} cannot be read as a private key ({_reason(error)}); "
            f"make it anew: {spelled('certificate')} --new-key"
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise CertificateUnusable(f"{path} is of a kind that TLS does not use here: EC or RSA is needed")
    return key


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
