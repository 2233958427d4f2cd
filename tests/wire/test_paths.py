"""Paths: the names a file may have, and when two names are one."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfos.protocol import (
    MAX_DEPTH,
    MAX_NAME_BYTES,
    NameNotAllowed,
    check_name,
    fold_name,
    join_path,
    printable,
    split_path,
)


@pytest.mark.parametrize(
    "name",
    [
        "a",
        "notes.md",
        "two words",
        "-rf",
        "~",
        "a:b",
        "aux.c",
        "NUL",
        "ends with dot.",
        " ",
        "日本語",
        "é",
        "🗂️",
        "a" * 255,
    ],
)
def test_an_ordinary_name_is_kept_as_it_is(name: str) -> None:
    assert check_name(name) == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "empty"),
        (".", "not names"),
        ("..", "not names"),
        ("a/b", "cannot contain"),
        ("a\\b", "cannot contain"),
        ("a\x00b", "control"),
        ("a\nb", "control"),
        ("a\x7f", "control"),
        ("é\x85", "control"),
        ("\u202egpj.exe", "direction"),
        ("a\u2066b", "direction"),
        ("a\u2028b", "line breaks"),
        ("\ud800", "lone surrogate"),
        ("a" * 256, "255 bytes"),
        ("é" * 128, "255 bytes"),
        ("x" * 100_000, "255 bytes"),
    ],
)
def test_a_name_that_could_hurt_is_refused_with_the_reason(name: str, reason: str) -> None:
    with pytest.raises(NameNotAllowed, match=reason) as caught:
        check_name(name)
    assert caught.value.subject is None or caught.value.subject.isprintable()


def test_the_length_is_checked_after_nfc() -> None:
    shrinks = unicodedata.normalize("NFD", "é" * 127)
    assert len(shrinks.encode()) == 381
    assert len(check_name(shrinks).encode()) == 254 <= MAX_NAME_BYTES
    grows = "\u0958" * 80  # one of those that NFC takes apart
    assert len(grows.encode()) == 240
    with pytest.raises(NameNotAllowed, match="has 480"):
        check_name(grows)


def test_names_are_brought_to_nfc_and_never_to_nfkc() -> None:
    assert check_name("e\u0301") == "é"
    assert check_name("／") == "／"  # NFKC would make a separator of it


@pytest.mark.parametrize(
    ("one", "other"), [("Notes", "nOTES"), ("É", "e\u0301"), ("Straße", "STRASSE"), ("ΣΊΣΥΦΟΣ", "σίσυφος"), ("K", "k")]
)
def test_names_that_differ_only_by_case_or_spelling_fold_alike(one: str, other: str) -> None:
    assert fold_name(check_name(one)) == fold_name(check_name(other))


@given(st.text(max_size=60))
def test_any_text_is_a_safe_name_or_refused(text: str) -> None:
    try:
        name = check_name(text)
    except NameNotAllowed:
        return
    assert name not in ("", ".", "..")
    assert not set(name) & set("/\\\0")
    assert len(name.encode()) <= MAX_NAME_BYTES
    assert check_name(name) == name
    assert fold_name(name) == fold_name(check_name(name))
    assert split_path(join_path(name)) == (name,)


def test_paths_are_split_into_their_names() -> None:
    assert split_path("/") == ()
    assert split_path("/a") == ("a",)
    assert split_path("/a/b c/é/") == ("a", "b c", "é")


@pytest.mark.parametrize("path", ["", "a", "//", "/a//b", "/a/../b", "/./a", "a/b", "/a/\x00"])
def test_a_path_that_is_not_plain_is_refused(path: str) -> None:
    with pytest.raises(NameNotAllowed):
        split_path(path)


def test_paths_can_only_be_so_deep() -> None:
    assert len(split_path("/a" * MAX_DEPTH)) == MAX_DEPTH
    with pytest.raises(NameNotAllowed, match="deep"):
        split_path("/a" * (MAX_DEPTH + 1))
    with pytest.raises(NameNotAllowed, match="too long"):
        split_path("/" + "a/" * 100_000)


def test_what_could_steer_a_terminal_is_shown_as_an_escape() -> None:
    assert printable("plain é 日本") == "plain é 日本"
    assert printable("\x1b[2Jgone\n\u202e") == "\\x1b[2Jgone\\n\\u202e"
