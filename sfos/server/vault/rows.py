"""Authentication of catalog rows: a code in each, and a digest over all.

The code (`mac`) binds all that a state says, so that no one can give one file's name the content of another. It stays
as it is when the state is closed and its row moves from `nodes` to `past`.

The digest is a sum, so that a commit updates it without reading other rows. Each row adds a pseudo-random 128-bit
element (AES of its code under a secret key; a closed row's depends on when and how it ended too). Sums of numbers that
an attacker knows can be forged (Wagner 2002), hence two rules: elements are computed under a key that is not stored in
the clear, and the sum itself is stored only sealed to its epoch and sequence number.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from sfos.server.disk.storage_faults import TokenDamaged
from sfos.server.vault.keyring import SpaceKeys

ROW_MAC_BYTES = 16
_STATE = struct.Struct(">QQQBQqHHB")
_END = struct.Struct(">QQ")
_WORD = 2**64
_DIGEST = struct.Struct(">QQ")


# A state as its row has it (server.catalog.states.State), before or after it has its code.
PlainState: TypeAlias = tuple[int, int, bytes, int, int, bytes, int, int, bytes | None, bytes | None, bytes]


@dataclass(frozen=True, slots=True)
class Digest:
    """A sum of row elements: two 64-bit words, each added for itself."""

    high: int = 0
    low: int = 0

    def __add__(self, other: Digest) -> Digest:
        return Digest((self.high + other.high) % _WORD, (self.low + other.low) % _WORD)

    def __sub__(self, other: Digest) -> Digest:
        return Digest((self.high - other.high) % _WORD, (self.low - other.low) % _WORD)


class RowAuthenticator:
    """Computes codes and digests for the rows of one space. Safe to use from several threads."""

    def __init__(self, keys: SpaceKeys) -> None:
        def derived(purpose: str, length: int) -> bytes:
            context = f"secure file orchestration 2026 {purpose} v1"
            return blake3(keys.catalog, derive_key_context=context).digest(length=length)

        self._space = keys.space
        self._mac_key = derived("row code", 32)
        self._live = AES(derived("digest of live rows", 16))
        self._ended_key = AES(derived("digest of ended rows", 16))
        self._commit = AES(derived("digest of commits", 16))
        self._siv = AESSIV(derived("sealed digest", 32))

    def mac(
        self,
        *,
        node: int,
        parent: int,
        seq_from: int,
        kind: int,
        size: int,
        mtime_ns: int,
        name: bytes,
        attrs: bytes | None,
        content: bytes | None,
    ) -> bytes:
        """The code of a state. Fields of varying length are framed by their lengths, so that none runs into another.

        Raises: TokenDamaged for what no row of ours can hold.
        """
        try:
            fixed = _STATE.pack(
                node, parent, seq_from, kind, size, mtime_ns, len(name), len(attrs or b""), 0 if content is None else 1
            )
            whole = b"".join((fixed, name, attrs or b"", content or b""))
        except (struct.error, TypeError):  # SQLite keeps a number below 0 or a text wherever someone puts one
            raise TokenDamaged(f"the row of node {node} holds what no row can") from None
        return blake3(whole, key=self._mac_key).digest(length=ROW_MAC_BYTES)

    def coded(self, states: Iterable[PlainState]) -> list[PlainState]:
        """Many new states with their codes: as `mac` makes them, for half the cost."""
        plain = list(states)
        done: list[PlainState] = []
        for state, mac in zip(plain, self.codes(plain), strict=True):
            if mac is None:  # they are of our own making
                raise ValueError("a new state holds what no row can")
            done.append((*state[:-1], mac))
        return done

    def codes(self, states: Iterable[PlainState]) -> Iterator[bytes | None]:
        """The codes of many states; None for one that holds what no row of ours can."""
        hasher = blake3(key=self._mac_key)
        pack = _STATE.pack
        for node, parent, _, seq_from, kind, name, size, mtime_ns, attrs, content, _ in states:
            tail = attrs or b""
            try:
                fixed = pack(node, parent, seq_from, kind, size, mtime_ns, len(name), len(tail), content is not None)
                whole = b"".join((fixed, name, tail, content or b""))
            except (struct.error, TypeError):  # as in `mac`
                yield None
                continue
            hasher.reset()
            hasher.update(whole)
            yield hasher.digest(length=ROW_MAC_BYTES)

    def commit_code(self, seq: int, time_ms: int, actor: str, op_id: bytes) -> bytes:
        """The code of a commit's row, which the digest takes in. Its reply is left out, for it is forgotten in time."""
        whole = b"commit" + struct.pack(">QQ", seq, time_ms) + op_id + actor.encode()
        return blake3(whole, key=self._mac_key).digest(length=ROW_MAC_BYTES)

    def live(self, macs: Iterable[bytes]) -> Digest:
        """The sum of the elements of live rows with these codes."""
        return _sum(self._permute(self._live, b"".join(macs)))

    def ended(self, ends: Iterable[tuple[bytes, int, int]]) -> Digest:
        """The sum of the elements of closed rows: (code, seq_to, ended_as) each.

        CBC-MAC of two blocks (the code, then the end), for all rows at once: ten thousands take milliseconds.
        """
        macs, tails = bytearray(), bytearray()
        for mac, seq_to, ended_as in ends:
            macs += mac
            tails += _END.pack(seq_to, ended_as)
        return self._ended(bytes(macs), bytes(tails))

    def ended_together(self, macs: Iterable[bytes], seq_to: int, ended_as: int) -> Digest:
        """Digest of rows that ended alike, as all below a deleted folder do."""
        joined = b"".join(macs)
        return self._ended(joined, _END.pack(seq_to, ended_as) * (len(joined) // ROW_MAC_BYTES))

    def _ended(self, macs: bytes, tails: bytes) -> Digest:
        first = self._permute(self._live, macs)
        mixed = int.from_bytes(first, "big") ^ int.from_bytes(tails, "big")
        return _sum(self._permute(self._ended_key, mixed.to_bytes(len(first), "big")))

    def commits(self, codes: Iterable[bytes]) -> Digest:
        """The sum of the elements of commits with these codes."""
        return _sum(self._permute(self._commit, b"".join(codes)))

    def seal_digest(self, digest: Digest, epoch: bytes, seq: int) -> bytes:
        """`digest` as it is stored: 32 bytes that are valid for this space, epoch and sequence number alone."""
        return self._siv.encrypt(_DIGEST.pack(digest.high, digest.low), [self._space, epoch, struct.pack(">Q", seq)])

    def open_digest(self, sealed: bytes, epoch: bytes, seq: int) -> Digest:
        """Raises: TokenDamaged."""
        try:
            plain = self._siv.decrypt(sealed, [self._space, epoch, struct.pack(">Q", seq)])
            high, low = _DIGEST.unpack(plain)
        except (InvalidTag, ValueError, struct.error):
            raise TokenDamaged("the digest over all rows is not the one of this state") from None
        return Digest(high, low)

    @staticmethod
    def _permute(algorithm: AES, blocks: bytes) -> bytes:
        """AES of each 16-byte block: a pseudo-random function of codes, which are all different."""
        if not blocks:
            return b""
        # ECB is right here: each block is the input of a function, not part of a message.
        return Cipher(algorithm, ECB()).encryptor().update(blocks)  # noqa: S305


def _sum(blocks: bytes) -> Digest:
    words = array("Q", blocks)
    if sys.byteorder == "little":  # as stored sums are the same on every machine
        words.byteswap()
    return Digest(sum(words[0::2]) % _WORD, sum(words[1::2]) % _WORD)
