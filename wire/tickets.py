"""How a session's ticket opens another connection. No I/O.

The proof binds the ticket to the TLS session by its exporter (RFC 9266), so that it is worth nothing anywhere else;
each side proves that it knows the ticket, and neither sends it.
"""

from __future__ import annotations

import hashlib
import hmac

TICKET_BYTES = 32

# What both ends of a TLS session export from it: this proof is bound to it, and so is SCRAM's (RFC 9266 section 2).
EXPORTER_LABEL = b"EXPORTER-Channel-Binding"
EXPORTER_LENGTH = 32

_CLIENT = b"attach client v1|"
_SERVER = b"attach server v1|"


def attach_proof(ticket: bytes, exporter: bytes) -> bytes:
    """What a client sends to join the session (32 bytes)."""
    return hmac.new(ticket, _CLIENT + exporter, hashlib.sha256).digest()


def attach_answer(ticket: bytes, exporter: bytes) -> bytes:
    """What the server answers (32 bytes); compare with `hmac.compare_digest`."""
    return hmac.new(ticket, _SERVER + exporter, hashlib.sha256).digest()
