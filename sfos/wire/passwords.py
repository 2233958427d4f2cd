"""Passwords before anything is made of them: preparation (OpaqueString of RFC 8265) and requirements with reasons.

Preparation makes two keyboards that spell one password differently agree on its bytes; it runs wherever a password is
typed. The requirements hold only where a password is chosen: the scripts and the clients check them, because what
reaches the server is a verifier, from which nobody can tell how long the password was.
"""

from __future__ import annotations

import unicodedata

import msgspec

__all__ = [
    "MAX_ITERATIONS",
    "MIN_ITERATIONS",
    "PasswordPolicy",
    "UnusablePassword",
    "check_password",
    "prepare_password",
]

# Chosen far above what people type, so that a pasted file is refused before it is normalised.
MAX_PASSWORD_CHARS = 1024

# OWASP's figure of 2023 for PBKDF2-HMAC-SHA256, and what a fast machine does in a second: a fake server may ask for 1
# to guess quickly, or for 2^31 to keep the client busy.
MIN_ITERATIONS = 600_000
MAX_ITERATIONS = 5_000_000

_JOIN_CONTROLS = "\u200c\u200d"
_VIRAMA = 9  # canonical combining class of the sign that silences a vowel (Unicode Standard, table 4-3)

# RFC 8264 section 9.6 (from RFC 5892 section 2.6): code points whose general category tells the wrong story.
_EXCEPTIONS_ALLOWED = frozenset("\u00df\u03c2\u06fd\u06fe\u0f0b\u3007")
_EXCEPTIONS_REFUSED = frozenset("\u0640\u07fa\u302e\u302f\u3031\u3032\u3033\u3034\u3035\u303b")

# RFC 8264 section 9.13, Default_Ignorable_Code_Point (Unicode DerivedCoreProperties): drawn as nothing at all.
_IGNORABLE = (
    *((0x00AD, 0x00AD), (0x034F, 0x034F), (0x061C, 0x061C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F)),
    *((0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF)),
    *((0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF)),
)
# RFC 8264 section 9.9, conjoining jamo: an old syllable has several spellings that NFC does not join.
_OLD_HANGUL = ((0x1100, 0x11FF), (0xA960, 0xA97C), (0xD7B0, 0xD7C6), (0xD7CB, 0xD7FB))

_ARABIC_INDIC = frozenset(map(chr, range(0x0660, 0x066A)))
_EXTENDED_ARABIC_INDIC = frozenset(map(chr, range(0x06F0, 0x06FA)))


class UnusablePassword(ValueError):
    """This password cannot be used."""


def prepare_password(password: str) -> str:
    """`password` in the one spelling that SCRAM hashes: OpaqueString of RFC 8265 section 4.2.

    Spaces of every kind become U+0020, then NFC; case and width stay. An unusual case is refused that the RFC allows:
    a zero-width non-joiner that no virama precedes, since Python does not know the joining types that rule needs.

    Raises: UnusablePassword, which says what is wrong without repeating the password.
    """
    if not password:
        raise UnusablePassword("the password is empty")
    if len(password) > MAX_PASSWORD_CHARS:
        raise UnusablePassword(f"the password is longer than {MAX_PASSWORD_CHARS} characters")
    spaced = "".join(" " if unicodedata.category(char) == "Zs" else char for char in password)
    prepared = unicodedata.normalize("NFC", spaced)
    for index, char in enumerate(prepared):
        if not _allowed(prepared, index):
            raise UnusablePassword(f"character {index + 1} (U+{ord(char):04X}) cannot be part of a password")
    return prepared


def _allowed(text: str, index: int) -> bool:
    """Whether the FreeformClass admits `text[index]` (RFC 8264 section 8, in the order given there)."""
    char = text[index]
    code = ord(char)
    if 0x20 <= code <= 0x7E or char in _EXCEPTIONS_ALLOWED:
        return True
    if char in _EXCEPTIONS_REFUSED:
        return False
    in_context = _allowed_in_context(text, index)
    if in_context is not None:
        return in_context
    if _within(code, _OLD_HANGUL) or _within(code, _IGNORABLE):
        return False
    # What is left to refuse: Cc, Cf, Cs (half a surrogate pair), Co (private use) and Cn (unassigned, noncharacters).
    return not unicodedata.category(char).startswith("C")


def _within(code: int, ranges: tuple[tuple[int, int], ...]) -> bool:
    return any(low <= code <= high for low, high in ranges)


def _allowed_in_context(text: str, index: int) -> bool | None:
    """Verdict of the contextual rules (RFC 5892 appendix A), or None if none concerns this character."""
    char = text[index]
    before = text[index - 1] if index else ""
    after = text[index + 1] if index + 1 < len(text) else ""
    if char in _JOIN_CONTROLS:
        return bool(before) and unicodedata.combining(before) == _VIRAMA
    if char == "\u00b7":
        return before == "l" and after == "l"
    if char == "\u0375":
        return _script(after) == "GREEK"
    if char in "\u05f3\u05f4":
        return _script(before) == "HEBREW"
    if char == "\u30fb":
        return any(_script(other) in ("HIRAGANA", "KATAKANA", "CJK") for other in text if other != char)
    if char in _ARABIC_INDIC:
        return not _EXTENDED_ARABIC_INDIC.intersection(text)
    if char in _EXTENDED_ARABIC_INDIC:
        return not _ARABIC_INDIC.intersection(text)
    return None


def _script(char: str) -> str:
    """The first word of the character's name, which for the scripts asked about is the script."""
    return unicodedata.name(char, "").split(" ")[0] if char else ""


class PasswordPolicy(msgspec.Struct, frozen=True):
    """Policy for newly chosen passwords; the settings `security.password_*`."""

    min_length: int = 10
    max_length: int = 256
    min_classes: int = 1
    min_distinct: int = 5
    refuse_common: bool = True


# The passwords of the default accounts are known to the world; so is what people pick first. Compared after
# case-folding and without trailing digits and signs, so that "Password2026!" is caught as well.
_COMMON = frozenset(
    """
    123456 12345678 123456789 1234567890 0123456789 9876543210 987654321 111111 000000 123123 121212 123321 654321
    666666 abc123 abcdef abcdefgh abcdefghij admin admin123 administrator asdfgh asdfghjkl baseball batman changeit
    changeme charlie computer correcthorsebatterystaple default donald dragon football freedom guest hello hunter
    iloveyou internet jordan killer letmein login lovely master michael monkey mustang ninja passw0rd p@ssw0rd
    p@ssword pass password passwort passphrase princess qazwsx qazwsxedc qwert qwerty qwertz qwertzuiop qwertyuiop
    1q2w3e4r 1q2w3e4r5t 1qaz2wsx 1qaz2wsx3edc q1w2e3r4 q1w2e3r4t5 root secret server shadow starwars summer winter
    spring autumn sunshine superman test test123 testtest toor trustno1 user user1 user123 welcome whatever zaq12wsx
    zxcvbn zxcvbnm
    """.split()
)


def check_password(password: str, user: str, policy: PasswordPolicy) -> list[str]:
    """Every reason why `user` may not choose `password`, as a phrase for people; [] if there is none.

    Length is the requirement that helps (NIST SP 800-63B); kinds of characters are counted only if the policy asks.
    """
    try:
        prepared = prepare_password(password)
    except UnusablePassword as refusal:
        return [str(refusal)]
    reasons: list[str] = []
    if len(prepared) < policy.min_length:
        reasons.append(f"it has {len(prepared)} characters; at least {policy.min_length} are needed")
    if len(prepared) > policy.max_length:
        reasons.append(f"it has {len(prepared)} characters; at most {policy.max_length} are allowed")
    distinct = len(set(prepared))
    if distinct < policy.min_distinct:
        reasons.append(f"it repeats {distinct} different characters; at least {policy.min_distinct} are needed")
    classes = _classes(prepared)
    if classes < policy.min_classes:
        reasons.append(
            f"it has {classes} of the kinds lower case, upper case, digits, others; {policy.min_classes} are needed"
        )
    folded = prepared.casefold()
    if user and user.casefold() in folded and len(prepared) < len(user) + policy.min_length:
        reasons.append("it is little more than the user name")
    if policy.refuse_common and _is_common(folded):
        reasons.append("it is among the passwords that everybody tries first")
    return reasons


def _classes(text: str) -> int:
    lower = any(char.islower() for char in text)
    upper = any(char.isupper() for char in text)
    digit = any(char.isdigit() for char in text)
    other = any(not char.isalnum() or not (char.islower() or char.isupper() or char.isdigit()) for char in text)
    return lower + upper + digit + other


def _is_common(folded: str) -> bool:
    stem = folded.rstrip("0123456789!?.,;:-_*#$%&+= ")
    return folded in _COMMON or stem in _COMMON or (len(folded) % 2 == 0 and folded[: len(folded) // 2] in _COMMON)
