"""SHA-256 and its HMAC, by the library that does TLS too.

Python's own `hashlib` and `hmac` load a second OpenSSL, the system's, which takes a twentieth of a short command. Each
function imports what it needs, for a command that needs no TLS (--help) loads none of it.
"""

from __future__ import annotations

__all__ = [
    "sha256",
]


def sha256(data: bytes) -> bytes:
    """32 bytes."""
    from cryptography.hazmat.primitives.hashes import SHA256, Hash

    digest = Hash(SHA256())
    digest.update(data)
    return digest.finalize()


def hmac_sha256(key: bytes, data: bytes) -> bytes:
    """32 bytes; compare with one that came by `is_hmac_sha256`."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.hmac import HMAC

    code = HMAC(key, SHA256())
    code.update(data)
    return code.finalize()


def is_hmac_sha256(code: bytes, key: bytes, data: bytes) -> bool:
    """Whether it is the code of `data`; in constant time."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.hmac import HMAC

    right = HMAC(key, SHA256())
    right.update(data)
    try:
        right.verify(code)
    except InvalidSignature:
        return False
    return True
