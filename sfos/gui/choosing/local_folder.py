"""Content of a folder of this computer. Blocks on the disk: read in a thread."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sfos.client.local.scan import is_hidden

Column = Literal["name", "size", "modified"]
_LOOK_EVERY = 500


@dataclass(frozen=True, slots=True)
class LocalRow:
    """A file or folder. `is_folder`: links to folders are, too: one can go into them."""

    name: str
    is_folder: bool
    size_bytes: int = 0
    mtime_ns: int = 0
    hidden: bool = False


def read_folder(folder: Path, check: Callable[[], object]) -> tuple[LocalRow, ...]:
    """Rows of `folder` by name, folders first. `check` raises when nobody waits any more. Raises: OSError."""
    rows: list[LocalRow] = []
    with os.scandir(folder) as listing:
        for number, listed in enumerate(listing):
            if number % _LOOK_EVERY == 0:
                check()
            rows.append(_row(listed))
    return in_order(rows, "name")


def _row(listed: os.DirEntry[str]) -> LocalRow:
    hidden = is_hidden(listed)
    try:
        status = listed.stat()
    except OSError:  # a link to nowhere, or a name that is gone again
        return LocalRow(listed.name, is_folder=False, hidden=hidden)
    is_folder = stat.S_ISDIR(status.st_mode)
    return LocalRow(listed.name, is_folder, 0 if is_folder else status.st_size, status.st_mtime_ns, hidden)


def in_order(rows: Sequence[LocalRow], column: Column, *, descending: bool = False) -> tuple[LocalRow, ...]:
    """`rows` sorted by a column, folders first."""
    by_name = sorted(rows, key=lambda row: (row.name.casefold(), row.name), reverse=descending and column == "name")
    if column == "size":
        by_name.sort(key=lambda row: row.size_bytes, reverse=descending)
    elif column == "modified":
        by_name.sort(key=lambda row: row.mtime_ns, reverse=descending)
    by_name.sort(key=lambda row: not row.is_folder)
    return tuple(by_name)
