"""Fingerprints that people compare must not be ambiguous, and must never change for the same key."""

import hashlib
from collections.abc import Callable
from itertools import combinations

import pytest

from sfos.wire.fingerprint import WORDS, Fingerprint

KEY = Fingerprint.of(b"a public key")


def _distance(left: str, right: str) -> int:
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        previous, row = row, [i]
        for j, b in enumerate(right, 1):
            row.append(min(previous[j] + 1, row[-1] + 1, previous[j - 1] + (a != b)))
    return row[-1]


def test_there_are_256_words_that_nobody_confuses() -> None:
    assert len(WORDS) == 256
    assert len({word[:4] for word in WORDS}) == 256
    assert all(word.isascii() and word.islower() and 4 <= len(word) <= 7 for word in WORDS)
    assert all(_distance(left, right) > 1 for left, right in combinations(WORDS, 2))


def test_the_order_of_the_words_never_changes() -> None:
    assert hashlib.sha256(" ".join(WORDS).encode()).hexdigest().startswith("0af9fdd504a994e87d4035bbf291c028")


def test_a_fingerprint_is_the_sha256_of_the_key_in_groups_of_four() -> None:
    assert KEY.digest == hashlib.sha256(b"a public key").digest()
    assert KEY.grouped.replace(" ", "") == KEY.hex
    assert [len(group) for group in KEY.grouped.split(" ")] == [4] * 16
    assert str(KEY) == KEY.grouped


def test_six_words_stand_for_the_first_six_bytes() -> None:
    key = Fingerprint(bytes([0, 1, 2, 253, 254, 255]) + bytes(26))
    assert key.words.split(" ") == [WORDS[0], WORDS[1], WORDS[2], WORDS[253], WORDS[254], WORDS[255]]


@pytest.mark.parametrize("write", [str, str.upper, lambda text: text.replace(" ", ":"), lambda text: f" {text}\n"])
def test_a_fingerprint_is_read_however_it_was_copied(write: Callable[[str], str]) -> None:
    assert Fingerprint.parse(write(KEY.grouped)) == KEY
    assert Fingerprint.parse(write(KEY.hex)) == KEY
    assert Fingerprint.parse("SHA256:" + KEY.hex) == KEY


@pytest.mark.parametrize("text", ["", "acorn agent", KEY.hex[:-1], KEY.hex + "0", KEY.hex[:-1] + "g", KEY.words])
def test_anything_else_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        Fingerprint.parse(text)


def test_a_digest_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Fingerprint(b"short")
