"""Preparation as RFC 8265 asks, and requirements that give their reasons."""

import sys
import unicodedata

import pytest

from sfos.wire.passwords import PasswordPolicy, UnusablePassword, check_password, prepare_password

POLICY = PasswordPolicy()


# RFC 8265 section 4.3, examples of legal passwords.
@pytest.mark.parametrize(
    ("typed", "prepared"),
    [
        ("correct horse battery staple", "correct horse battery staple"),
        ("Correct Horse Battery Staple", "Correct Horse Battery Staple"),
        ("\u03c0\u00df\u00e5", "\u03c0\u00df\u00e5"),
        ("Jack of \u2666s", "Jack of \u2666s"),
        ("foo\u1680bar", "foo bar"),
        ("\u2163", "\u2163"),  # no compatibility mapping: a Roman four is not "IV"
        ("\uff21", "\uff21"),  # no width mapping
        ("A\u030a", "\u00c5"),
        (" leading and trailing ", " leading and trailing "),
        ("l\u00b7l", "l\u00b7l"),
        ("\u0375\u03b1", "\u0375\u03b1"),
        ("\u05d0\u05f3", "\u05d0\u05f3"),
        ("\u30a2\u30fb\u30a2", "\u30a2\u30fb\u30a2"),
        ("\u0661\u0662", "\u0661\u0662"),
        ("\u0915\u094d\u200d\u0937", "\u0915\u094d\u200d\u0937"),
        ("\u6f22\u5b57 \U0001f600", "\u6f22\u5b57 \U0001f600"),
    ],
)
def test_an_allowed_password_takes_its_one_spelling(typed: str, prepared: str) -> None:
    assert prepare_password(typed) == prepared
    assert prepare_password(prepared) == prepared


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "my cat is a \u0009by",  # RFC 8265's example: a tabulator
        "nul\0",
        "soft\u00adhyphen",
        "zero\u200bwidth",
        "\u202eoverride",
        "\ufefffeff",
        "\ud800",
        "\ue000private",
        "\uffff",
        "\U000e0041tag",
        "\u0378unassigned",
        "\u1100jamo",
        "\u0640",
        "a\u00b7b",
        "a\u0375",
        "\u05f3\u05d0",
        "\u30fb",
        "\u0661\u06f2",
        "a\u200db",
        "x" * 1025,
    ],
)
def test_what_must_be_refused_is_refused_without_repeating_it(typed: str) -> None:
    with pytest.raises(UnusablePassword) as refusal:
        prepare_password(typed)
    assert not typed or typed not in str(refusal.value)


def test_no_code_point_gets_more_than_a_typed_answer_and_preparing_twice_changes_nothing() -> None:
    for code in range(0, sys.maxunicode + 1, 7):
        char = chr(code)
        try:
            prepared = prepare_password(char)
        except UnusablePassword:
            continue
        assert prepare_password(prepared) == prepared
        assert unicodedata.category(char) not in ("Cc", "Cs", "Co", "Cn")


@pytest.mark.parametrize("good", ["tulip canoe 9 marble", "Vg7#kwop2!xQ", "пароль-для-нас", "correct horse battery"])
def test_a_good_password_has_no_reason_against_it(good: str) -> None:
    assert check_password(good, "alice", POLICY) == []


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("short", "at least 10"),
        ("x" * 257, "at most 256"),
        ("aaaaaaaaaaaa", "different characters"),
        ("password2026!", "everybody tries first"),
        ("Password1234", "everybody tries first"),
        ("1234567890", "everybody tries first"),
        ("changemechangeme", "everybody tries first"),
        ("alice-secret", "user name"),
        ("tab\there and there", "cannot be part"),
        ("", "empty"),
    ],
)
def test_a_bad_password_is_refused_with_its_reason(bad: str, reason: str) -> None:
    assert any(reason in given for given in check_password(bad, "alice", POLICY))


def test_the_default_accounts_passwords_would_not_be_accepted_from_people() -> None:
    assert check_password("admin123", "admin", POLICY)
    assert check_password("user123", "user1", POLICY)


def test_the_length_counts_characters_after_preparation_not_bytes() -> None:
    policy = PasswordPolicy(min_length=5, min_distinct=1)
    assert check_password("e\u0301" * 4, "alice", policy)
    assert not check_password("e\u0301" * 5, "alice", policy)


def test_each_requirement_can_be_set() -> None:
    assert check_password("onlylowercase", "alice", PasswordPolicy(min_classes=3))
    assert not check_password("lower UPPER 9", "alice", PasswordPolicy(min_classes=4))
    assert not check_password("password2026", "alice", PasswordPolicy(refuse_common=False))
    assert not check_password("ab", "alice", PasswordPolicy(min_length=1, min_distinct=2))
