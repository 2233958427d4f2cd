"""Remote names and paths: what may name a file, and when two names are the same. No I/O.

A name is 1 to 255 bytes of UTF-8 in NFC. Folders hold no two names that are equal after NFC and case-folding.
What only Windows refuses (`:`, `aux.c`, a trailing dot) is allowed here and mapped by Windows clients.
A path is absolute, `/` between names; `/` alone is the root of a space.
"""

from __future__ import annotations

import unicodedata

from sfos.wire.errors import NameNotAllowed

__all__ = [
    "MAX_DEPTH",
    "MAX_NAME_BYTES",
    "MAX_PATH_BYTES",
    "check_name",
    "fold_name",
    "join_path",
    "printable",
    "split_path",
]

MAX_NAME_BYTES = 255  # what ext4, APFS and NTFS can hold in one component
MAX_DEPTH = 256  # deeper than any tree seen, and shallow enough that every walk is bounded
MAX_PATH_BYTES = 16 * 1024

# Unicode's bidirectional controls reorder what people read (“exe.gpj” shown as “jpg.exe”; CVE-2021-42574).
_BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def check_name(name: str) -> str:
    """`name` in NFC, if it may name a file. Raises: NameNotAllowed with the reason.

    NFC, never NFKC: NFKC turns the full-width `／` into a separator. Lengths are checked after NFC.
    """
    if len(name) > MAX_NAME_BYTES:  # before normalising, which is slow on hostile input
        raise NameNotAllowed(f"A name can be {MAX_NAME_BYTES} bytes long at the most.", subject=printable(name[:40]))
    if name.isascii() and name.isprintable() and name and "/" not in name and "\\" not in name and name[0] != ".":
        return name  # nearly all names; the others get their reason, or are fine too
    normal = name if name.isascii() else unicodedata.normalize("NFC", name)
    reason = _reason_against(normal)
    if reason:
        raise NameNotAllowed(reason, subject=printable(name))
    return normal


def _reason_against(name: str) -> str | None:
    if not name:
        return "A name cannot be empty."
    if name in (".", ".."):
        return "“.” and “..” are not names."
    if "/" in name or "\\" in name:
        return "A name cannot contain “/” or “\\”."
    if name.isascii():
        if not name.isprintable():
            return "A name cannot contain control characters."
    else:
        for character in name:
            category = unicodedata.category(character)
            if category == "Cc":
                return "A name cannot contain control characters."
            if category == "Cs":
                return "A name must be valid Unicode (this one holds what is no UTF-8: a lone surrogate)."
            if character in _BIDI_CONTROLS:
                return "A name cannot contain characters that reverse the direction of writing."
            if category in ("Zl", "Zp"):
                return "A name cannot contain line breaks."
        if len(name.encode()) > MAX_NAME_BYTES:
            return f"A name can be {MAX_NAME_BYTES} bytes long at the most (this one has {len(name.encode())})."
    return None


def fold_name(name: str) -> bytes:
    """Key of a name, unique in a folder: the case-folded name, in NFC, as UTF-8. `name` has passed `check_name`."""
    if name.isascii():
        return name.lower().encode()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold()).encode()


def split_path(path: str) -> tuple[str, ...]:
    """The names of an absolute path, from the root down; () for `/`. Raises: NameNotAllowed.

    A trailing `/` is accepted, empty names in between are not.
    """
    if not path.startswith("/"):
        raise NameNotAllowed("A path begins with “/”.", subject=printable(path[:80]))
    if len(path) > MAX_PATH_BYTES:
        raise NameNotAllowed("The path is too long.", subject=printable(path[:80]))
    if path == "/":
        return ()
    names = tuple(check_name(name) for name in path[1:].removesuffix("/").split("/"))
    if len(names) > MAX_DEPTH:
        raise NameNotAllowed(f"Folders can be nested {MAX_DEPTH} deep at the most.", subject=printable(path[:80]))
    return names


def join_path(*names: str) -> str:
    """The absolute path of `names`."""
    return "/" + "/".join(names)


def printable(text: str) -> str:
    r"""`text` with every character that could steer a terminal or break a line as an escape (`\x1b`).

    A byte of a local name that is not UTF-8 is shown as `\xff`, so that the name can be found (`ls $'bad\xff'`).

    For names and messages that come from the other side (CVE-2019-6109).
    """
    if text.isprintable() and (text.isascii() or not _BIDI_CONTROLS.intersection(text)):
        return text
    return "".join(
        character if character.isprintable() and character not in _BIDI_CONTROLS else _escaped(character)
        for character in text
    )


def _escaped(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # a byte that is no UTF-8, as Python holds it: shells write it so
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")
