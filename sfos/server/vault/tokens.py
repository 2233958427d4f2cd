"""Fernet tokens in binary form, made and opened in place, without a copy and with the GIL released.

    0x80 | uint64 seconds since 1970 | 16 bytes IV | AES-128-CBC, PKCS #7 padded | HMAC-SHA256 over all before
    (https://github.com/fernet/spec). `Fernet(key).decrypt(base64.urlsafe_b64encode(token))` opens one.

The library's `Fernet.encrypt` runs at 176 MB/s (copies, base64, the GIL); `update_into` a buffer and an incremental
HMAC at 700. The content starts with a fixed header of whole AES blocks, so that the data behind it is decrypted
straight to where it is wanted.
"""

from __future__ import annotations

import base64
import hmac
import os
import struct
from collections.abc import Callable, Sequence

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from sfos.protocol import Buffer

_BLOCK = 16
_FRONT = struct.Struct(">BQ")
_VERSION = 0x80
_MAC_BYTES = 32
# update_into wants room for one block more than it fills.
OPEN_SLACK = 2 * _BLOCK
# Up to here a token is made and opened in one piece: another copy costs less than more calls.
_SHORT = 32 * 1024
SHORT_TOKEN_BYTES = _SHORT
_PADDINGS = [bytes([count]) * count for count in range(_BLOCK + 1)]  # PKCS #7


def sealed_length(plain_length: int) -> int:
    """Length of the token of `plain_length` bytes."""
    return _FRONT.size + _BLOCK + (plain_length // _BLOCK + 1) * _BLOCK + _MAC_BYTES


class TokenKey:
    """One Fernet key. Safe to use from several threads."""

    def __init__(self, key: bytes, *, random: Callable[[int], bytes] = os.urandom) -> None:
        """`key`: 32 bytes in url-safe base64, as `Fernet.generate_key` makes them."""
        raw = base64.urlsafe_b64decode(key)
        if len(raw) != 32:
            raise ValueError("a Fernet key has 32 bytes")
        self._signer = hmac.new(raw[:16], digestmod="sha256")
        self._short_signer = HMAC(raw[:16], SHA256())
        self._algorithm = AES(raw[16:])
        self._random = random

    def seal_into(self, buffer: memoryview, header: bytes, data: Buffer, now_s: int) -> int:
        """Seal `header` (whole blocks) and `data` into the front of `buffer`; the token's length.

        `buffer` has at least `sealed_length` + 16 bytes.
        """
        assert len(header) % _BLOCK == 0
        _FRONT.pack_into(buffer, 0, _VERSION, now_s)
        at = _FRONT.size
        view = memoryview(data)
        whole = len(view) - len(view) % _BLOCK
        padding = _BLOCK - (len(view) - whole)
        iv = self._random(_BLOCK)
        buffer[at : at + _BLOCK] = iv
        at += _BLOCK
        encryptor = self._cipher(iv).encryptor()
        if len(view) <= _SHORT:
            at += encryptor.update_into(b"".join((header, view, _PADDINGS[padding])), buffer[at:])
        else:
            at += encryptor.update_into(header, buffer[at:])
            at += encryptor.update_into(view[:whole], buffer[at:])
            at += encryptor.update_into(bytes(view[whole:]) + _PADDINGS[padding], buffer[at:])
        buffer[at : at + _MAC_BYTES] = self._code(buffer[:at])
        return at + _MAC_BYTES

    def seal_short(self, contents: Sequence[tuple[bytes, Buffer]], now_s: int) -> list[bytes]:
        """A token of its own for each of many short contents, (header, data) as for `seal_into`.

        They share one cipher, for making one costs more than all else that is done for a small token (measured), and
        each is sealed in one piece. The IV of each is what a block of fresh random bytes encrypts to: as random as they
        are, and known to nobody before (NIST SP 800-38A, appendix C, method 1).
        """
        front = _FRONT.pack(_VERSION, now_s)
        signer = self._short_signer.copy()
        signer.update(front)
        random = self._random(_BLOCK * len(contents))
        encryptor = self._cipher(bytes(_BLOCK)).encryptor()
        tokens = []
        for at, (header, data) in enumerate(contents):
            first = random[at * _BLOCK : (at + 1) * _BLOCK]
            sealed = encryptor.update(b"".join((first, header, data, _PADDINGS[_BLOCK - len(data) % _BLOCK])))
            code = signer.copy()
            code.update(sealed)
            tokens.append(b"".join((front, sealed, code.finalize())))
        return tokens

    def open_into(self, token: Buffer, header_bytes: int, buffer: memoryview) -> tuple[bytes, int]:
        """(The header, how many bytes of data are now at the front of `buffer`).

        `buffer` has OPEN_SLACK bytes more than the data. Raises: InvalidTag (nothing was decrypted then).
        """
        view = memoryview(token)
        front = _FRONT.size + _BLOCK
        sealed = len(view) - front - _MAC_BYTES
        if sealed < header_bytes + _BLOCK or sealed % _BLOCK or view[0] != _VERSION:
            raise InvalidTag
        if not hmac.compare_digest(self._code(view[:-_MAC_BYTES]), view[-_MAC_BYTES:]):
            raise InvalidTag
        decryptor = self._cipher(view[_FRONT.size : front]).decryptor()
        if sealed <= _SHORT:
            opened = decryptor.update(view[front:-_MAC_BYTES])
            header, data = opened[:header_bytes], opened[header_bytes:]
            length = len(data)
            buffer[:length] = data
        else:
            header = decryptor.update(view[front : front + header_bytes])
            length = decryptor.update_into(view[front + header_bytes : -_MAC_BYTES], buffer)
        padding = buffer[length - 1]
        # Authenticated, so a wrong padding was written by us; it is refused all the same.
        if not 1 <= padding <= _BLOCK or buffer[length - padding : length] != _PADDINGS[padding]:
            raise InvalidTag
        return header, length - padding

    def open_short(self, tokens: Sequence[bytes], header_bytes: int) -> list[tuple[bytes, memoryview] | None]:
        """(Header, data) of each of these tokens; None for one that is not authentic.

        In one piece, for calls cost more than what they do for so little: see `_SHORT` for how long tokens may be. One
        behind the other they are one CBC stream, which falls into step after a block: of each, IV first, only what its
        IV "decrypts" to is noise.
        """
        front = _FRONT.size
        sound = [self._is_sound(token, header_bytes) for token in tokens]
        sealed = [token[front:-_MAC_BYTES] for token, good in zip(tokens, sound, strict=True) if good]
        opened = self._cipher(bytes(_BLOCK)).decryptor().update(b"".join(sealed))
        view = memoryview(opened)
        found: list[tuple[bytes, memoryview] | None] = []
        end = 0
        for token, good in zip(tokens, sound, strict=True):
            if not good:
                found.append(None)
                continue
            header_at = end + _BLOCK
            end += len(token) - front - _MAC_BYTES
            padding = opened[end - 1]
            # Authenticated, so a wrong padding was written by us; it is refused all the same.
            if not 1 <= padding <= _BLOCK or opened[end - padding : end] != _PADDINGS[padding]:
                found.append(None)
            else:
                data_at = header_at + header_bytes
                found.append((opened[header_at:data_at], view[data_at : end - padding]))
        return found

    def _is_sound(self, token: bytes, header_bytes: int) -> bool:
        """Whether it was made with this key, and is as long as one with such a header can be."""
        sealed = len(token) - _FRONT.size - _BLOCK - _MAC_BYTES
        if sealed < header_bytes + _BLOCK or sealed % _BLOCK or token[0] != _VERSION:
            return False
        signer = self._short_signer.copy()
        signer.update(token[:-_MAC_BYTES])
        try:
            signer.verify(token[-_MAC_BYTES:])  # in constant time
        except InvalidSignature:
            return False
        return True

    def _cipher(self, iv: Buffer) -> Cipher[CBC]:
        return Cipher(self._algorithm, CBC(bytes(iv)))

    def _code(self, signed: memoryview) -> bytes:
        if len(signed) <= _SHORT:  # 18,300 instructions for 4 KiB; `hmac.digest` 27,700; both hold the GIL
            short_signer = self._short_signer.copy()
            short_signer.update(signed)
            return short_signer.finalize()
        signer = self._signer.copy()
        signer.update(signed)
        return signer.digest()
