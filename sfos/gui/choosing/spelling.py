"""Spellings of a path that people type or paste: `~/notes`, `../x`, `'/a b'`, `file:///a%20b`.

Whether anything is there, is asked elsewhere.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import urllib.parse
from collections.abc import Sequence
from pathlib import Path


def readings(text: str, folder: Path) -> tuple[Path, ...]:
    """Paths that `text` may mean, seen from `folder`, the most literal one first: a name may hold quotes and spaces."""
    found: dict[Path, None] = {}
    for reading in (text, text.strip(), *_unwrapped(text.strip())):
        if reading:
            found[absolute(reading, folder)] = None
    return tuple(found)


def several(text: str, folder: Path) -> tuple[tuple[Path, ...], ...]:
    """Readings of each line of `text`: file managers copy several files as a line each."""
    return tuple(readings(line, folder) for line in text.splitlines() if line.strip())


def absolute(text: str, folder: Path) -> Path:
    """`text` as a whole path, without `.` and `..`; `~` is the home."""
    path = Path(text)
    with contextlib.suppress(RuntimeError):  # nobody is called like that: it is a name
        path = path.expanduser()
    return Path(os.path.normpath(folder / path))


def _unwrapped(text: str) -> Sequence[str]:
    """Readings of what a file manager, a browser or a terminal wraps a path into."""
    if text.startswith("file:"):
        parts = urllib.parse.urlsplit(text)
        if parts.netloc in ("", "localhost"):
            return (urllib.parse.unquote(parts.path),)
    if os.sep == "/" and any(sign in text for sign in "'\"\\"):
        try:
            words = shlex.split(text)
        except ValueError:  # a quote that does not end
            return ()
        return words if len(words) == 1 else ()
    return ()


def split(text: str, folder: Path) -> tuple[Path, str]:
    """Folder that `text` has come to, and the beginning of a name in it that stands last."""
    above, _, start = text.rpartition(os.sep)
    if text.startswith("~") and os.sep not in text:
        return absolute(text, folder), ""
    return absolute(above + os.sep, folder) if os.sep in text else folder, "" if start in (".", "..") else start


def begins(name: str, start: str) -> bool:
    """Whether `name` may go on from `start`: in any case of the letters, and hidden names only from a dot on."""
    if name.startswith(".") and not start.startswith("."):
        return False
    return name.casefold().startswith(start.casefold())


def completion(start: str, names: Sequence[str]) -> str:
    """As much as all `names` that go on from `start` have in common: the one name, or a longer beginning; else
    `start`."""
    matching = [name for name in names if begins(name, start)]
    exact = [name for name in matching if name.startswith(start)] or matching
    if not exact:
        return start
    low, high = min(exact), max(exact)  # what these two have in common, all between them have
    common = low[: next((at for at, pair in enumerate(zip(low, high, strict=False)) if len(set(pair)) > 1), len(low))]
    return common if len(common) >= len(start) else start
