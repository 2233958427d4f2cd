"""Names of the server on this computer, and the other way round.

The server stores every name that NFC allows; Windows refuses some. There the refused characters stand for themselves
in the private-use area (`:` is U+F03A), as WSL and Cygwin write them, so that a name comes back as it was.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Sequence

from sfos.client.errors import LocalNameNotAllowed
from sfos.protocol import MAX_NAME_BYTES, NameNotAllowed, check_name, printable

_WINDOWS = sys.platform == "win32"
_PRIVATE = 0xF000
_REFUSED = frozenset('<>:"|?*')
_PARTIAL_BEGINS, _PARTIAL_ENDS = ".sfos-", ".part"
_HEXADECIMAL = frozenset("0123456789abcdef")
_CODE_DIGITS, _CONTENT_DIGITS = 8, 24
_DEVICES = frozenset(
    ("con", "prn", "aux", "nul", *(f"com{digit}" for digit in "123456789"), *(f"lpt{digit}" for digit in "123456789"))
)


def to_local(name: str, *, windows: bool = _WINDOWS) -> str:
    """Local name for the remote `name`; one component, whatever the server sent. Raises: LocalNameNotAllowed."""
    try:
        name = check_name(name)
    except NameNotAllowed as error:
        raise LocalNameNotAllowed(
            f"The server sent a name that is not safe to write: {error.message}", subject=printable(name[:200])
        ) from error
    if not windows:
        return name
    local = "".join(_mapped(character) if character in _REFUSED else character for character in name)
    stem = local.split(".", 1)[0].rstrip(" ")
    if stem.casefold() in _DEVICES:
        local = _mapped(local[0]) + local[1:]
    if local[-1] in ". ":
        local = local[:-1] + _mapped(local[-1])
    return local


def all_plain(names: Sequence[str]) -> bool:
    """Whether each name of a folder is called the same here and on the server, and none differs in case alone.

    Whatever the names are: False for those that are no names at all. Looked at together: most folders hold nothing
    else, and asking for each name takes five times as long.
    """
    if not names:
        return True
    joined = "/" + "/".join(names)
    if not joined.isascii() or not joined.isprintable() or "\\" in joined or "/." in joined:
        return False
    folded = joined.lower().split("/")[1:]
    # One part for each name, or a name holds the separator: it would lead out of its folder.
    if len(folded) != len(names) or len(set(folded)) != len(names):
        return False
    return all(folded) and max(map(len, folded)) <= MAX_NAME_BYTES


def to_remote(name: str, *, windows: bool = _WINDOWS) -> str:
    """Name on the server for the local `name`. Raises: NameNotAllowed with the reason."""
    if windows:
        name = "".join(chr(ord(c) - _PRIVATE) if _PRIVATE < ord(c) < _PRIVATE + 0x80 else c for c in name)
    return check_name(name)


def _mapped(character: str) -> str:
    return chr(_PRIVATE + ord(character))


def numbered(name: str, number: int) -> str:
    """`name` with a number before its ending, for a second file of that name: `report (2).pdf`."""
    stem, dot, ending = name.rpartition(".")
    if not stem or len(ending) > 16:
        return f"{name} ({number})"
    return f"{stem} ({number}){dot}{ending}"


def partial_name(content: bytes, name: str, suffix: str = "") -> str:
    """The temporary name of a download: the same for the same content under the same name.

    `suffix`: of 8 hexadecimal digits, for a second download of the same at the same time.
    """
    code = f"{content[:12].hex()}{zlib.crc32(name.encode()):08x}"
    return f"{_PARTIAL_BEGINS}{code}{'-' if suffix else ''}{suffix}{_PARTIAL_ENDS}"


def is_partial(name: str) -> bool:
    """Whether a file of this name is what an interrupted download has left."""
    if not (name.startswith(_PARTIAL_BEGINS) and name.endswith(_PARTIAL_ENDS)):
        return False
    code, dash, suffix = name.removeprefix(_PARTIAL_BEGINS).removesuffix(_PARTIAL_ENDS).partition("-")
    return (
        len(code) in (_CODE_DIGITS, _CONTENT_DIGITS + _CODE_DIGITS)
        and len(suffix) == (_CODE_DIGITS if dash else 0)
        and _HEXADECIMAL.issuperset(code + suffix)
    )


def code_in_partial(partial: str) -> str:
    """The part of a temporary name that tells for which name it is meant, whatever the content."""
    return partial.removeprefix(_PARTIAL_BEGINS).removesuffix(_PARTIAL_ENDS).partition("-")[0][-_CODE_DIGITS:]
