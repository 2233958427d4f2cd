"""Layout of a stored token: a header that binds it to its place, then the data.

    "SFOS" | format 1 | type | codec | 0 | uint32 key number | space (16) | id (32) | uint32 plain length   64 bytes

type 1 is a chunk (id: the chunk's), type 2 a list of chunks (id: the content's; data: 36-byte records, whose order
and lengths it so binds). codec 0 is none; 1 is reserved for zstd. Every field is checked on opening, so a token that
was swapped, cut or moved from another space, key or purpose is found, although it opens.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import IntEnum
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from cryptography.exceptions import InvalidTag

from sfos.protocol import MAX_CHUNK_BYTES, Buffer
from sfos.server.disk.storage_faults import CodecUnknown, KeyNotThere, StorageFault, TokenDamaged
from sfos.server.vault.keyring import SpaceKeys
from sfos.server.vault.tokens import OPEN_SLACK, TokenKey, sealed_length

_HEADER = struct.Struct(">4sBBBBI16s32sI")
_LENGTH = struct.Struct(">I")  # with which the header ends, behind the id
_ID_BYTES = 32
_MAGIC = b"SFOS"
_FORMAT = 1
_CODEC_NONE = 0
_NOTHING = (b"", memoryview(b""))  # for a token that does not open


class TokenType(IntEnum):
    """Kind of data that a token holds."""

    CHUNK = 1
    LIST = 2


def sealed_size(data_length: int) -> int:
    """The length of the token that holds `data_length` bytes of data."""
    return sealed_length(_HEADER.size + data_length)


class ShortToken(NamedTuple):
    """A token of at most SHORT_TOKEN_BYTES, and what it must hold: `length` bytes of data, under that id and key."""

    token: bytes
    token_id: bytes
    length: int
    key_no: int


class Sealer:
    """Seals and opens the tokens of one space. Safe to use from several threads.

    It seals under the key that is current when it is made. A token under a key that it does not have, it opens with
    `present_keys`, if they have that key: someone who looked later than it was made has sealed under one that came
    with a rotation meanwhile.
    """

    def __init__(
        self, keys: SpaceKeys, now_s: Callable[[], int], present_keys: Callable[[], SpaceKeys] | None = None
    ) -> None:
        """`present_keys`: reads the space's keys anew, those of `keys` among them. Raises: StorageFault, OSError."""
        self._space = keys.space
        self._keys = {number: TokenKey(key) for number, key in keys.data.items()}
        self._now_s = now_s
        self._present_keys = present_keys
        self.key_no = keys.current

    def seal_into(self, buffer: memoryview, kind: TokenType, token_id: bytes, data: Buffer) -> int:
        """Seal `data` under the current key into `buffer` (sealed_size + 16 bytes at least); the token's length."""
        header = self._header(kind, self.key_no, token_id, len(data))
        return self._keys[self.key_no].seal_into(buffer, header, data, self._now_s())

    def seal_short(self, kind: TokenType, contents: Iterable[tuple[bytes, Buffer]]) -> list[bytes]:
        """The tokens of many short contents, (id, data) each, under the current key."""
        front = self._header(kind, self.key_no, bytes(_ID_BYTES), 0)[: -_ID_BYTES - _LENGTH.size]
        pack = _LENGTH.pack
        with_headers = [(front + token_id + pack(len(data)), data) for token_id, data in contents]
        return self._keys[self.key_no].seal_short(with_headers, self._now_s())

    def seal(self, kind: TokenType, token_id: bytes, data: Buffer) -> bytes:
        """A token of its own, for what is small."""
        buffer = memoryview(bytearray(sealed_size(len(data)) + 16))
        return bytes(buffer[: self.seal_into(buffer, kind, token_id, data)])

    def open_into(
        self, token: Buffer, kind: TokenType, token_id: bytes, length: int, key_no: int, buffer: memoryview
    ) -> None:
        """Put the `length` bytes of data that `token` must hold at the front of `buffer`.

        `buffer` has OPEN_SLACK bytes more than that, which are overwritten too. Raises: TokenDamaged; KeyNotThere;
        CodecUnknown.
        """
        self._check_length(token, length, key_no)
        try:
            key = self._keys.get(key_no) or self._newer_key(key_no)
        except KeyNotThere:
            self._refuse_wrong_number(token, key_no, buffer)
            raise
        try:
            header, found = key.open_into(token, _HEADER.size, buffer)
        except InvalidTag:
            raise TokenDamaged("not authentic") from None
        if found != length or header != self._header(kind, key_no, token_id, length):
            raise self._difference(header, kind, token_id)

    def open_short(self, tokens: Sequence[ShortToken], kind: TokenType) -> Iterator[memoryview]:
        """The data of each of these tokens, in order; they are opened together. Raises: TokenDamaged, KeyNotThere, in
        the place of the first that cannot be had.
        """
        for key_no, together in groupby(tokens, key=attrgetter("key_no")):
            group = list(together)
            key = self._keys.get(key_no)
            found = [None] * len(group) if key is None else key.open_short([one.token for one in group], _HEADER.size)
            for one, opened in zip(group, found, strict=True):
                header = self._header(kind, key_no, one.token_id, one.length)
                found_header, data = opened or _NOTHING
                if found_header == header and len(data) == one.length:
                    yield data
                else:
                    # Alone, which finds out what is wrong with it, or a newer key.
                    yield memoryview(self.open(one.token, kind, one.token_id, one.length, key_no))

    def open(self, token: Buffer, kind: TokenType, token_id: bytes, length: int, key_no: int) -> bytes:
        """The data of a token, as bytes of their own. Raises: TokenDamaged, KeyNotThere."""
        self._check_length(token, length, key_no)  # before so much memory is taken
        buffer = memoryview(bytearray(length + OPEN_SLACK))
        self.open_into(token, kind, token_id, length, key_no, buffer)
        return bytes(buffer[:length])

    def _newer_key(self, key_no: int) -> TokenKey:
        """One that a rotation has made since. Raises: KeyNotThere, whatever is wrong with the file of keys."""
        known, why = self._keys, "which this space does not have"
        if self._present_keys is not None:
            try:
                keys = self._present_keys()
            except (StorageFault, OSError) as error:
                why = f"and the keys cannot be read: {error}"
            else:
                newer = {number: TokenKey(key) for number, key in keys.data.items() if number not in known}
                self._keys = known = {**known, **newer}  # a new one: other threads may be looking into the one before
        if key_no not in known:
            raise KeyNotThere(f"sealed under key {key_no}, {why}")
        return known[key_no]

    def _refuse_wrong_number(self, token: Buffer, key_no: int, buffer: memoryview) -> None:
        """For a number that no key has: whether it is the number that is wrong. Raises: TokenDamaged."""
        for number, key in self._keys.items():
            with contextlib.suppress(InvalidTag):
                key.open_into(token, _HEADER.size, buffer)
                raise TokenDamaged(f"sealed under key {number}, and not {key_no} as its row says")

    def _header(self, kind: TokenType, key_no: int, token_id: bytes, length: int) -> bytes:
        return _HEADER.pack(_MAGIC, _FORMAT, kind, _CODEC_NONE, 0, key_no, self._space, token_id, length)

    def _difference(self, header: bytes, kind: TokenType, token_id: bytes) -> TokenDamaged:
        magic, form, found_kind, codec, _, _, space, found_id, _ = _HEADER.unpack(header)
        if magic != _MAGIC or form != _FORMAT:
            return TokenDamaged("not of a format that this version knows")
        if space != self._space:
            return TokenDamaged(f"it belongs to space {space.hex()}")
        if found_kind != kind:
            return TokenDamaged(f"of type {found_kind} instead of {int(kind)}")
        if found_id != token_id:
            return TokenDamaged(f"it holds {found_id.hex()[:16]}… instead of {token_id.hex()[:16]}…")
        if codec != _CODEC_NONE:
            return CodecUnknown(f"codec {codec}")
        return TokenDamaged("its length or key number is wrong")

    def _check_length(self, token: Buffer, length: int, key_no: int) -> None:
        """Raises: TokenDamaged for another length than that of `length` bytes as they are; CodecUnknown if packed."""
        if len(token) == sealed_size(length):
            return
        key = self._keys.get(key_no)
        if key is not None and sealed_size(0) <= len(token) <= sealed_size(MAX_CHUNK_BYTES):
            # Packed data have a length of their own; only the header, which is authentic or not there, says so.
            with contextlib.suppress(InvalidTag):
                header, _ = key.open_into(token, _HEADER.size, memoryview(bytearray(len(token) + OPEN_SLACK)))
                magic, form, _, codec, _, _, space, _, _ = _HEADER.unpack(header)
                if (magic, form, space) == (_MAGIC, _FORMAT, self._space) and codec != _CODEC_NONE:
                    raise CodecUnknown(f"codec {codec}")
        raise TokenDamaged(f"{len(token)} bytes long instead of {sealed_size(length)}")
