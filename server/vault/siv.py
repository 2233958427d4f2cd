"""AES-SIV (RFC 5297) over many short texts at once: the same bytes as the library's AESSIV, one by one.

The library makes its cipher anew for each text, 16,400 instructions. Here 5,000 names of one length cost 4,400 to 8,400
each, by their length; 1,500 of /usr/bin 7,300; folders of a few names of many lengths a quarter to a half more than by
the library. Texts of one length lie beside each other, 16 bytes a lane, and each step is done for all lanes at once: AES
by one call in ECB mode, XOR and doubling on one long integer. A test holds the two alike for all lengths.

Nothing here is new cryptography: V = S2V(K1, AD₁, AD₂, text), CMAC (NIST SP 800-38B) inside, and counter mode under V.
What does not verify is given to nobody.
"""

from __future__ import annotations

import hmac
import struct
from array import array
from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import add
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

_BLOCK = 16
_FEW = 16  # of one length: what a group costs (78,000 instructions, and once 88,000 for the ciphers) is not gained back
_LONG = 256  # bytes: names are no longer, and the library is nearly as fast
_LANE_BITS = 8 * _BLOCK
_AT_ONCE = 512  # texts; more are no faster, and `struct` keeps 100 layouts of some 60 bytes a text
_BYTES_AT_ONCE = 16 * 1024
_KEPT_LANES = 16  # constants of each kind, of less than 2 * _BYTES_AT_ONCE
# RFC 5297 §2.6: the counter begins at V without the top bits of its two low words, so adding to it never carries far.
_COUNTER_MASK = ~(1 << 63 | 1 << 31) & (1 << _LANE_BITS) - 1

Encrypt = Callable[[bytes], bytes]


class _Ciphers(NamedTuple):
    """AES under the two keys, for one call: a context is no thing for two threads at a time."""

    code: Encrypt
    text: Encrypt


class SivBatch:
    """Seals and opens under one key of 32, 48 or 64 bytes. Safe to use from several threads."""

    def __init__(self, key: bytes) -> None:
        half = len(key) // 2
        self._mac_key, self._text_key = AES(key[:half]), AES(key[half:])
        self._one = AESSIV(key)
        encrypt = _ecb(self._mac_key)
        zero = encrypt(bytes(_BLOCK))
        self._subkey = _doubled(int.from_bytes(zero, "big"), 1)  # of a last block that is full; of others the next
        self._subkey_padded = _doubled(self._subkey, 1)
        self._zero_code = int.from_bytes(encrypt(self._subkey.to_bytes(_BLOCK, "big")), "big")

    def seal(self, texts: Sequence[bytes], purpose: bytes, places: Sequence[bytes]) -> list[bytes]:
        """What AESSIV.encrypt(text, [purpose, place]) gives for each text. `places`: one for each, or one for all;
        they and `purpose` have less than 16 bytes.
        """
        return self._by_length(texts, purpose, places, 0, self._seal_alike, self._one.encrypt)

    def open(self, sealed: Sequence[bytes], purpose: bytes, places: Sequence[bytes]) -> list[bytes]:
        """The texts. `places`: as for `seal`. Raises: InvalidTag, if one of them is not authentic."""
        return self._by_length(sealed, purpose, places, _BLOCK, self._open_alike, self._one.decrypt)

    def _by_length(
        self,
        texts: Sequence[bytes],
        purpose: bytes,
        places: Sequence[bytes],
        front: int,
        alike: Callable[[_Ciphers, Sequence[bytes], int, bool], list[bytes]],
        one: Callable[[bytes, list[bytes]], bytes],
    ) -> list[bytes]:
        """`alike` for texts of one length, in the order of `texts`. `front`: so many of their bytes are a tag."""
        by_length: dict[int, list[int]] = {}
        for at, length in enumerate(map(len, texts)):
            by_length.setdefault(length, []).append(at)
        shared = len(places) == 1
        ciphers: _Ciphers | None = None
        done = [b""] * len(texts)
        for length, ordinals in by_length.items():
            at_once = max(1, min(_AT_ONCE, _BYTES_AT_ONCE // _padded(max(1, length))))
            for begin in range(0, len(ordinals), at_once):
                part = ordinals[begin : begin + at_once]
                if len(part) < _FEW or not front < length <= front + _LONG:
                    found = [one(texts[at], [purpose, places[0 if shared else at]]) for at in part]
                else:
                    ciphers = ciphers or _Ciphers(_ecb(self._mac_key), _ecb(self._text_key))
                    states = self._states(ciphers, purpose, places if shared else [places[at] for at in part])
                    found = alike(ciphers, [texts[at] for at in part], states, shared)
                for at, text in zip(part, found, strict=True):
                    done[at] = text
        return done

    def _states(self, ciphers: _Ciphers, purpose: bytes, places: Sequence[bytes]) -> int:
        """S2V's D after the associated data and before the text, for each place: one lane if all texts share it."""
        chained = _doubled(_doubled(self._zero_code, 1) ^ self._short_codes(ciphers, [purpose]), 1)
        return self._short_codes(ciphers, places) ^ chained * _ones(len(places))

    def _short_codes(self, ciphers: _Ciphers, texts: Sequence[bytes]) -> int:
        """CMAC of each, all of one length below a block's."""
        count, length = len(texts), len(texts[0])
        gap = bytes(_BLOCK - length)
        padding = 0x80 << 8 * (len(gap) - 1)
        padded = int.from_bytes(gap.join(texts) + gap, "big") ^ (padding ^ self._subkey_padded) * _ones(count)
        return _encrypted(ciphers.code, padded, count)

    def _seal_alike(self, ciphers: _Ciphers, texts: Sequence[bytes], states: int, shared: bool) -> list[bytes]:
        length, count = len(texts[0]), len(texts)
        width = _padded(length)
        gap = bytes(width - length)
        plain = int.from_bytes(gap.join(texts) + gap, "big")
        tags = self._tags(ciphers, plain, length, count, states, shared)
        mixed = plain ^ int.from_bytes(_key_stream(ciphers, tags, width // _BLOCK), "big")
        sealed = _parted(mixed.to_bytes(count * width, "big"), length, width)
        return list(map(add, _parted(tags, _BLOCK, _BLOCK), sealed))

    def _open_alike(self, ciphers: _Ciphers, sealed: Sequence[bytes], states: int, shared: bool) -> list[bytes]:
        length, count = len(sealed[0]) - _BLOCK, len(sealed)
        width = _padded(length)
        gap = bytes(width - length)
        parts = struct.unpack(f"{_BLOCK}s{length}s" * count, b"".join(sealed))
        tags = b"".join(parts[0::2])
        mixed = int.from_bytes(gap.join(parts[1::2]) + gap, "big")
        mixed ^= int.from_bytes(_key_stream(ciphers, tags, width // _BLOCK), "big")
        if gap:  # what the key stream left behind the texts
            mixed &= _everywhere((1 << 8 * length) - 1 << 8 * len(gap), count, 8 * width)
        if not hmac.compare_digest(self._tags(ciphers, mixed, length, count, states, shared), tags):
            raise InvalidTag
        return list(_parted(mixed.to_bytes(count * width, "big"), length, width))

    def _tags(self, ciphers: _Ciphers, plain: int, length: int, count: int, states: int, shared: bool) -> bytes:
        """V of each text. `plain`: the texts, each filled up with zeros to whole blocks. `shared`: `states` is one."""
        blocks = -(-length // _BLOCK)
        gap = blocks * _BLOCK - length
        padding = 0x80 << 8 * (gap - 1) if gap else 0
        if length < _BLOCK:  # D is doubled, and the text padded to a block
            onto = _doubled(states, 1 if shared else count)
            final = padding ^ self._subkey
        else:  # D goes onto the text's last 16 bytes, wherever they lie; then CMAC, whose last block bears a subkey
            onto = states if blocks == 1 or shared else _widened(states, count, blocks)
            onto <<= 8 * gap
            final = padding ^ (self._subkey_padded if gap else self._subkey)
        ones = _ones(count, blocks * _LANE_BITS)
        masked = plain ^ ((onto ^ final) * ones if shared else onto ^ final * ones)
        if blocks == 1:
            return ciphers.code(masked.to_bytes(count * _BLOCK, "big"))
        code = 0
        for block in _split(masked.to_bytes(count * blocks * _BLOCK, "big"), blocks):
            code = _encrypted(ciphers.code, code ^ int.from_bytes(block, "big"), count)
        return code.to_bytes(count * _BLOCK, "big")


def _key_stream(ciphers: _Ciphers, tags: bytes, blocks: int) -> bytes:
    """Counter mode: `blocks` blocks for each tag, one tag after the other."""
    count = len(tags) // _BLOCK
    first = int.from_bytes(tags, "big") & _everywhere(_COUNTER_MASK, count)
    counters = [first.to_bytes(len(tags), "big")]
    counters += [(first + _everywhere(number, count)).to_bytes(len(tags), "big") for number in range(1, blocks)]
    return ciphers.text(_interleaved(counters))


def _padded(length: int) -> int:
    return -(-length // _BLOCK) * _BLOCK


def _ecb(algorithm: AES) -> Encrypt:
    # ECB is right here: each block is the input of a permutation, of which the modes above are made.
    return Cipher(algorithm, ECB()).encryptor().update  # noqa: S305


def _encrypted(encrypt: Encrypt, lanes: int, count: int) -> int:
    return int.from_bytes(encrypt(lanes.to_bytes(count * _BLOCK, "big")), "big")


@lru_cache(_KEPT_LANES)
def _many_ones(count: int, lane_bits: int) -> int:
    return int.from_bytes((b"\x01".rjust(lane_bits // 8, b"\0")) * count, "big")


def _ones(count: int, lane_bits: int = _LANE_BITS) -> int:
    """A one in each of `count` lanes: times a constant, the constant in each."""
    made = 1 << count.bit_length()  # cut to length: folders have names of many lengths, and so groups of many sizes
    return _many_ones(made, lane_bits) >> (made - count) * lane_bits


@lru_cache(_KEPT_LANES)
def _everywhere(constant: int, count: int, lane_bits: int = _LANE_BITS) -> int:
    """A constant that is no secret in each of `count` lanes, kept for the next page."""
    return constant * _ones(count, lane_bits)


def _doubled(lanes: int, count: int) -> int:
    """Each lane doubled in GF(2¹²⁸) (RFC 5297 §2.3)."""
    tops = lanes >> _LANE_BITS - 1 & _ones(count)
    return (lanes ^ tops << _LANE_BITS - 1) << 1 ^ tops * 0x87


def _parted(whole: bytes, length: int, width: int) -> tuple[bytes, ...]:
    """The first `length` of each `width` bytes."""
    return struct.unpack(f"{length}s{width - length}x" * (len(whole) // width), whole)


def _widened(lanes: int, count: int, blocks: int) -> int:
    """Each lane at the low end of one of `blocks` blocks."""
    blank = bytes(count * _BLOCK)
    return int.from_bytes(_interleaved([blank] * (blocks - 1) + [lanes.to_bytes(count * _BLOCK, "big")]), "big")


def _interleaved(rows: Sequence[bytes]) -> bytes:
    """Block 0 of each row, then block 1 of each, …"""
    if len(rows) == 1:
        return rows[0]
    merged = array("Q", bytes(len(rows) * len(rows[0])))
    for at, row in enumerate(rows):
        words = array("Q", row)
        merged[2 * at :: 2 * len(rows)] = words[0::2]
        merged[2 * at + 1 :: 2 * len(rows)] = words[1::2]
    return merged.tobytes()


def _split(whole: bytes, blocks: int) -> list[bytes]:
    """The reverse: the first block of each lane of `blocks` blocks, the second of each, …"""
    words = array("Q", whole)
    rows = []
    for at in range(blocks):
        row = array("Q", bytes(len(whole) // blocks))
        row[0::2] = words[2 * at :: 2 * blocks]
        row[1::2] = words[2 * at + 1 :: 2 * blocks]
        rows.append(row.tobytes())
    return rows
