"""Tokens: stock Fernet opens them, and nothing else than what was sealed ever comes out."""

from __future__ import annotations

import base64
import os
import random
from collections.abc import Callable

import pytest
from cryptography.fernet import Fernet

from sfos.server.disk.storage_faults import TokenDamaged
from sfos.server.vault.keyring import SpaceKeys
from sfos.server.vault.sealing import Sealer, ShortToken, TokenType, sealed_size
from sfos.server.vault.tokens import OPEN_SLACK

SPACE = bytes(range(16))
ID = bytes(range(32))
# Around a block of AES, around the header, and a large one.
LENGTHS = [0, 1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 4_095, 4_096, 4_097, 1_000_003]


@pytest.fixture(scope="module")
def keys() -> SpaceKeys:
    return SpaceKeys.generate(SPACE)


@pytest.fixture(scope="module")
def sealer(keys: SpaceKeys) -> Sealer:
    return Sealer(keys, lambda: 1_700_000_000)


@pytest.mark.parametrize("length", LENGTHS)
def test_stock_fernet_opens_a_token_and_finds_the_data_behind_64_bytes(
    keys: SpaceKeys, sealer: Sealer, length: int
) -> None:
    data = os.urandom(length)
    token = sealer.seal(TokenType.CHUNK, ID, data)
    plain = Fernet(keys.data[1]).decrypt(base64.urlsafe_b64encode(token))
    assert plain[64:] == data
    assert plain[:4] == b"SFOS"
    assert plain[12:28] == SPACE
    assert plain[28:60] == ID


@pytest.mark.parametrize("length", LENGTHS)
def test_what_was_sealed_opens_to_the_same_bytes(sealer: Sealer, length: int) -> None:
    data = os.urandom(length)
    token = sealer.seal(TokenType.CHUNK, ID, data)
    assert len(token) == sealed_size(length)
    assert sealer.open(token, TokenType.CHUNK, ID, length, 1) == data


def test_tokens_that_were_sealed_together_are_like_those_sealed_alone(keys: SpaceKeys, sealer: Sealer) -> None:
    contents = [(os.urandom(32), os.urandom(length)) for length in (*LENGTHS[:-1], 32 * 1024)]
    tokens = sealer.seal_short(TokenType.CHUNK, [(one, memoryview(data)) for one, data in contents])
    for (one, data), token in zip(contents, tokens, strict=True):
        assert len(token) == sealed_size(len(data))
        assert sealer.open(token, TokenType.CHUNK, one, len(data), 1) == data
        plain = Fernet(keys.data[1]).decrypt(base64.urlsafe_b64encode(token))
        alone = Fernet(keys.data[1]).decrypt(base64.urlsafe_b64encode(sealer.seal(TokenType.CHUNK, one, data)))
        assert plain == alone
    assert len({bytes(token[9:25]) for token in tokens}) == len(tokens), "each has an IV of its own"
    assert sealer.seal_short(TokenType.CHUNK, []) == []


def test_a_token_made_by_stock_fernet_opens_too(keys: SpaceKeys, sealer: Sealer) -> None:
    plain = Fernet(keys.data[1]).decrypt(base64.urlsafe_b64encode(sealer.seal(TokenType.LIST, ID, b"again")))
    token = base64.urlsafe_b64decode(Fernet(keys.data[1]).encrypt(plain))
    assert sealer.open(token, TokenType.LIST, ID, 5, 1) == b"again"


def test_data_can_be_any_kind_of_buffer_at_any_offset(sealer: Sealer) -> None:
    data = os.urandom(1_000)
    for offset in range(17):
        view = memoryview(bytearray(b"?" * offset + data + b"!"))[offset:-1]
        assert sealer.open(sealer.seal(TokenType.CHUNK, ID, view), TokenType.CHUNK, ID, 1_000, 1) == data


def test_opening_writes_no_further_than_the_slack_it_asks_for(sealer: Sealer) -> None:
    token = sealer.seal(TokenType.CHUNK, ID, b"a" * 100)
    room = bytearray(b"~" * (100 + OPEN_SLACK + 10))
    sealer.open_into(token, TokenType.CHUNK, ID, 100, 1, memoryview(room)[: 100 + OPEN_SLACK])
    assert room[:100] == b"a" * 100
    assert room[-10:] == b"~" * 10


def open_among_others(
    sealer: Sealer, token: bytes, kind: TokenType, token_id: bytes, length: int, key_no: int
) -> bytes:
    """As `Sealer.open`, between two that are sound."""
    sound = ShortToken(sealer.seal(kind, ID, b"sound"), ID, 5, sealer.key_no)
    opened = sealer.open_short([sound, ShortToken(token, token_id, length, key_no), sound], kind)
    assert bytes(next(opened)) == b"sound"
    data = bytes(next(opened))
    assert bytes(next(opened)) == b"sound"
    assert list(opened) == []
    return data


OPENING = pytest.mark.parametrize("opened", [Sealer.open, open_among_others], ids=["alone", "among others"])
Opening = Callable[[Sealer, bytes, TokenType, bytes, int, int], bytes]


@pytest.mark.parametrize("length", [length for length in LENGTHS if length <= 4_097])
def test_short_tokens_are_opened_together_each_by_itself(keys: SpaceKeys, sealer: Sealer, length: int) -> None:
    data = os.urandom(length)
    assert open_among_others(sealer, sealer.seal(TokenType.CHUNK, ID, data), TokenType.CHUNK, ID, length, 1) == data
    rotated = Sealer(SpaceKeys.from_text(keys.to_text() + f"data-2 {Fernet.generate_key().decode()}\n"), lambda: 0)
    old = sealer.seal(TokenType.CHUNK, ID, data)
    assert open_among_others(rotated, old, TokenType.CHUNK, ID, length, 1) == data, "under several keys"


@OPENING
def test_every_flipped_bit_is_found(sealer: Sealer, opened: Opening) -> None:
    token = sealer.seal(TokenType.CHUNK, ID, b"some data, not long")
    for position in range(len(token)):
        for bit in range(8):
            damaged = bytearray(token)
            damaged[position] ^= 1 << bit
            with pytest.raises(TokenDamaged):
                opened(sealer, bytes(damaged), TokenType.CHUNK, ID, 19, 1)


@OPENING
def test_ten_thousand_damaged_tokens_are_all_found(sealer: Sealer, opened: Opening) -> None:
    dice = random.Random(5)
    token = sealer.seal(TokenType.CHUNK, ID, os.urandom(300))
    other = sealer.seal(TokenType.CHUNK, ID, os.urandom(300))
    for _ in range(10_000):
        damage = dice.randrange(3)
        at = dice.randrange(len(token))
        if damage == 0:
            damaged = token[:at] + bytes([token[at] ^ dice.randrange(1, 256)]) + token[at + 1 :]
        elif damage == 1:
            damaged = token[:at]
        else:
            splice = dice.randrange(26, len(token) - 33)
            damaged = token[:splice] + other[splice:]
        with pytest.raises(TokenDamaged):
            opened(sealer, damaged, TokenType.CHUNK, ID, 300, 1)


@OPENING
def test_a_token_in_the_wrong_place_is_found_although_it_is_authentic(
    keys: SpaceKeys, sealer: Sealer, opened: Opening
) -> None:
    token = sealer.seal(TokenType.CHUNK, ID, b"data")
    elsewhere = Sealer(
        SpaceKeys(
            space=bytes(16),
            data=keys.data,
            name=keys.name,
            chunk_id=keys.chunk_id,
            cut_seed=keys.cut_seed,
            catalog=keys.catalog,
        ),
        lambda: 0,
    )
    with pytest.raises(TokenDamaged, match="belongs to space"):
        opened(elsewhere, token, TokenType.CHUNK, ID, 4, 1)
    with pytest.raises(TokenDamaged, match="of type 1"):
        opened(sealer, token, TokenType.LIST, ID, 4, 1)
    with pytest.raises(TokenDamaged, match="instead of ffff"):
        opened(sealer, token, TokenType.CHUNK, b"\xff" * 32, 4, 1)
    with pytest.raises(TokenDamaged, match="length"):
        opened(sealer, token, TokenType.CHUNK, ID, 5, 1)
    with pytest.raises(TokenDamaged, match="sealed under key 1, and not 2"):
        opened(sealer, token, TokenType.CHUNK, ID, 4, 2)


def test_the_same_data_never_gives_the_same_token(sealer: Sealer) -> None:
    assert sealer.seal(TokenType.CHUNK, ID, b"data") != sealer.seal(TokenType.CHUNK, ID, b"data")


def test_the_newest_key_seals_and_older_ones_still_open(keys: SpaceKeys) -> None:
    old = Sealer(keys, lambda: 0).seal(TokenType.CHUNK, ID, b"old")
    rotated = SpaceKeys.from_text(keys.to_text() + f"data-2 {Fernet.generate_key().decode()}\n")
    sealer = Sealer(rotated, lambda: 0)
    assert sealer.key_no == 2
    assert sealer.open(old, TokenType.CHUNK, ID, 3, 1) == b"old"
    assert sealer.open(sealer.seal(TokenType.CHUNK, ID, b"new"), TokenType.CHUNK, ID, 3, 2) == b"new"
