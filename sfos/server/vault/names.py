"""Sealed names, attributes and replies, and the key by which a name is unique in its folder.

Names are sealed by AES-SIV (RFC 5297) with the parent's id as associated data: deterministic, so that nothing random
has to be kept, and useless in another folder. The name key is a keyed hash of the parent's id and the folded name.
It takes the parent in, or a stolen catalog would show in how many folders the same name occurs.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import count, repeat

from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from sfos.protocol import fold_name
from sfos.server.disk.storage_faults import TokenDamaged
from sfos.server.vault.keyring import SpaceKeys
from sfos.server.vault.opened_names import Opened

NAME_KEY_BYTES = 16  # 2⁶⁴ names before two would meet by chance
_NODE = struct.Struct(">Q")
_FOLDER = struct.Struct(">QQ")  # whose names are kept: the space's number, and the folder
_numbers = count()  # of all that seal in this process
_KEPT_FOLDERS = 256  # of some 200 bytes, in each open space
_KEPT_ATTRS_BYTES = 64  # of sealed ones: permissions take 28; where a link points takes thousands, and is seldom asked


class NameSealer:
    """Seals what is small and belongs to a row. Safe to use from several threads."""

    def __init__(self, keys: SpaceKeys, opened: Opened | None = None) -> None:
        """`opened`: what all spaces of a process share; None: nothing is kept."""
        self._siv = AESSIV(keys.name)
        self._opened = Opened(0) if opened is None else opened
        self._number = next(_numbers)  # of what is this space's among those: never that of another
        self._folder_name = lru_cache(_KEPT_FOLDERS)(self.open_name)
        self._hash_key = blake3(keys.catalog, derive_key_context="secure file orchestration 2026 name key v1").digest()

    def key(self, parent: int, name: str) -> bytes:
        """Key that is unique in the folder `parent`: equal for names that differ in case or Unicode form alone."""
        return blake3(_NODE.pack(parent) + fold_name(name), key=self._hash_key).digest(length=NAME_KEY_BYTES)

    def keys(self, parent: int, names: Iterable[str]) -> list[bytes]:
        """`key` of many names in one folder, for half the cost."""
        hasher = blake3(key=self._hash_key)
        place = _NODE.pack(parent)
        keys = []
        for name in names:
            hasher.reset()
            hasher.update(place + fold_name(name))
            keys.append(hasher.digest(length=NAME_KEY_BYTES))
        return keys

    def seal_name(self, parent: int, name: str) -> bytes:
        """The sealed form of `name` (checked, in NFC) in the folder `parent`."""
        plain, place = name.encode(), _NODE.pack(parent)
        sealed = self._siv.encrypt(plain, [b"name", place])
        self._opened.names.put(_FOLDER.pack(self._number, parent) + sealed, plain)
        return sealed

    def open_name(self, parent: int, sealed: bytes) -> str:
        """Raises: TokenDamaged."""
        return self._open(sealed, b"name", _NODE.pack(parent)).decode()

    def open_folder_name(self, parent: int, sealed: bytes) -> str:
        """`open_name` of a folder on the way to something; kept for the next who comes by. Raises: TokenDamaged."""
        return self._folder_name(parent, sealed)

    def open_names(self, parent: int, sealed: Sequence[bytes]) -> list[bytes]:
        """The names of many in one folder, in UTF-8. Raises: TokenDamaged."""
        place = _NODE.pack(parent)
        folder, kept = _FOLDER.pack(self._number, parent), self._opened.names
        names: list[bytes] = []
        for one in sealed:
            key = folder + one
            name = kept.get(key)
            if name is None:
                name = self._open(one, b"name", place)
                kept.put(key, name)
            names.append(name)
        return names

    def seal_attrs(self, node: int, plain: bytes | None) -> bytes | None:
        """The sealed form of a node's attributes (JSON); None where there are none."""
        if plain is None:
            return None
        sealed = self._siv.encrypt(plain, [b"attrs", _NODE.pack(node)])
        if len(sealed) <= _KEPT_ATTRS_BYTES:
            self._opened.attrs.put((self._number, node, sealed), plain)
        return sealed

    def open_attrs(self, node: int, sealed: bytes) -> bytes:
        """Raises: TokenDamaged."""
        return self._open(sealed, b"attrs", _NODE.pack(node))

    def open_attrs_of(self, nodes: Sequence[int], sealed: Sequence[bytes | None]) -> list[bytes | None]:
        """`open_attrs` of many nodes; None of those that have none. Raises: TokenDamaged."""
        number, kept = self._number, self._opened.attrs
        attrs = list(map(kept.get, zip(repeat(number), nodes, sealed, strict=False)))
        if all(attrs):
            return attrs
        alike: dict[bytes, bytes] = {}  # few modes are in use: one of each is enough to keep
        for at, (node, one, plain) in enumerate(zip(nodes, sealed, attrs, strict=True)):
            if plain is None and one is not None:
                plain = self.open_attrs(node, one)
                attrs[at] = plain = alike.setdefault(plain, plain)
                if len(one) <= _KEPT_ATTRS_BYTES:
                    kept.put((number, node, one), plain)
        return attrs

    def seal_reply(self, op_id: bytes, plain: bytes) -> bytes:
        """The sealed form of the reply to the request `op_id`: errors in it can bear names."""
        return self._siv.encrypt(plain, [b"reply", op_id])

    def open_reply(self, op_id: bytes, sealed: bytes) -> bytes:
        """Raises: TokenDamaged."""
        return self._open(sealed, b"reply", op_id)

    def _open(self, sealed: bytes, purpose: bytes, place: bytes) -> bytes:
        try:
            return self._siv.decrypt(sealed, [purpose, place])
        except (InvalidTag, ValueError):
            raise TokenDamaged(f"the {purpose.decode()} of a row is not authentic") from None
