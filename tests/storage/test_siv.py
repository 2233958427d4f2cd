"""Names sealed together are the same bytes as by the library one by one, whatever their lengths."""

from __future__ import annotations

import struct

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from hypothesis import given
from hypothesis import strategies as st

from server.vault import siv
from server.vault.siv import SivBatch

KEY = bytes(range(64))
batch, library = SivBatch(KEY), AESSIV(KEY)


def by_the_library(texts: list[bytes], places: list[bytes]) -> list[bytes]:
    return [library.encrypt(text, [b"name", place]) for text, place in zip(texts, places, strict=True)]


def place(number: int) -> bytes:
    return struct.pack(">Q", number)


@pytest.mark.parametrize("key_bytes", [32, 48, 64])
def test_each_length_of_key_gives_what_the_library_gives(key_bytes: int) -> None:
    texts = [b"a name of %d" % number for number in range(10, 30)]
    of_library = [AESSIV(KEY[:key_bytes]).encrypt(text, [b"name", place(7)]) for text in texts]
    assert SivBatch(KEY[:key_bytes]).seal(texts, b"name", [place(7)]) == of_library


@pytest.mark.parametrize("count", [1, 15, 16, 17, 100, 514, 1_030])
@pytest.mark.parametrize("length", [1, 2, 15, 16, 17, 31, 32, 33, 47, 48, 49, 255, 512, 513])
def test_texts_of_one_length_are_sealed_and_opened_as_by_the_library(count: int, length: int) -> None:
    texts = [bytes([number % 256]) * length for number in range(count)]
    for places in ([place(1)] * count, [place(2**63 - number) for number in range(count)]):
        sealed = by_the_library(texts, places)
        assert batch.seal(texts, b"name", places) == sealed
        assert batch.open(sealed, b"name", places) == texts
    shared = by_the_library(texts, [place(1)] * count)
    assert batch.seal(texts, b"name", [place(1)]) == shared
    assert batch.open(shared, b"name", [place(1)]) == texts


def test_what_is_kept_for_the_next_page_stays_small() -> None:
    """Whatever the lengths and however many: constants of a process, not of one call."""
    siv._many_ones.cache_clear()
    kept: list[int] = []
    whole = siv._many_ones.__wrapped__

    def noted(count: int, lane_bits: int) -> int:
        kept.append(count * lane_bits // 8)
        return whole(count, lane_bits)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(siv, "_many_ones", noted)
        for length in (1, 15, 33, 255, 256, 20_000):
            texts = [b"x" * length] * 600
            assert batch.open(batch.seal(texts, b"name", [place(1)]), b"name", [place(1)]) == texts
    assert 0 < max(kept) <= 2 * siv._BYTES_AT_ONCE


@given(
    st.lists(
        st.tuples(st.one_of(st.binary(min_size=1, max_size=50), st.binary(min_size=1, max_size=3)), st.integers(0, 2))
    ),
)
def test_any_mix_of_lengths_and_places_is_as_by_the_library(items: list[tuple[bytes, int]]) -> None:
    texts = [text for text, _ in items * 17]
    places = [place(number) for _, number in items * 17]
    sealed = by_the_library(texts, places)
    assert batch.seal(texts, b"name", places) == sealed
    assert batch.open(sealed, b"name", places) == texts


@pytest.mark.parametrize("length", [3, 16, 40])
@pytest.mark.parametrize("at", ["first", "last"])
def test_one_flipped_bit_among_many_is_found_and_nothing_is_given_out(length: int, at: str) -> None:
    texts = [bytes([number]) * length for number in range(50)]
    sealed = batch.seal(texts, b"name", [place(1)])
    which = 0 if at == "first" else 49
    for byte in range(len(sealed[which])):
        for bit in (0, 7):
            hurt = bytearray(sealed[which])
            hurt[byte] ^= 1 << bit
            with pytest.raises(InvalidTag):
                batch.open([*sealed[:which], bytes(hurt), *sealed[which + 1 :]], b"name", [place(1)])


def test_two_that_changed_places_and_a_wrong_purpose_are_found() -> None:
    texts = [b"name %d" % (number + 10) for number in range(20)]
    places = [place(number) for number in range(20)]
    sealed = batch.seal(texts, b"attrs", places)
    with pytest.raises(InvalidTag):
        batch.open([sealed[1], sealed[0], *sealed[2:]], b"attrs", places)
    with pytest.raises(InvalidTag):
        batch.open(sealed, b"name", places)
    with pytest.raises((InvalidTag, ValueError)):
        batch.open([b"short"] * 20, b"attrs", places)
