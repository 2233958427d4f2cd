"""Proofs by which a session's ticket opens another connection. No I/O.

The proof binds the ticket to the TLS session by its exporter (RFC 9266), so that it is worth nothing anywhere else;
each side proves that it knows the ticket, and neither sends it.
"""

from __future__ import annotations

from collections.abc import Callable

from sfos.wire.digests import hmac_sha256, is_hmac_sha256

__all__ = [
    "TICKET_BYTES",
    "attach_answer",
    "attach_proof",
    "exporter_of",
    "is_attach_answer",
    "is_attach_proof",
]

TICKET_BYTES = 32

_EXPORTER_LABEL = b"EXPORTER-Channel-Binding"
_EXPORTER_BYTES = 32

_CLIENT = b"attach client v1|"
_SERVER = b"attach server v1|"


def exporter_of(export_keying_material: Callable[[bytes, int, bytes], bytes]) -> bytes:
    """Secret that both ends of one TLS session can compute and nobody else (RFC 9266 section 2; 32 bytes).

    An attach's proof is bound to it, and so is SCRAM's. `export_keying_material`: pyOpenSSL's, of a connection.
    """
    return export_keying_material(_EXPORTER_LABEL, _EXPORTER_BYTES, b"")


def attach_proof(ticket: bytes, exporter: bytes) -> bytes:
    """Proof that a client sends to join the session (32 bytes)."""
    return hmac_sha256(ticket, _CLIENT + exporter)


def attach_answer(ticket: bytes, exporter: bytes) -> bytes:
    """Answer of the server to that proof (32 bytes)."""
    return hmac_sha256(ticket, _SERVER + exporter)


def is_attach_proof(proof: bytes, ticket: bytes, exporter: bytes) -> bool:
    """Whether a client that sends this knows the ticket."""
    return is_hmac_sha256(proof, ticket, _CLIENT + exporter)


def is_attach_answer(answer: bytes, ticket: bytes, exporter: bytes) -> bool:
    """Whether a server that answers this knows the ticket."""
    return is_hmac_sha256(answer, ticket, _SERVER + exporter)
