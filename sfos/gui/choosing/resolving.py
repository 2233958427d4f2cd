"""Meaning of a typed path, as things are on the disk. Blocks: call in a thread."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sfos.gui.choosing import spelling
from sfos.protocol import printable

# To upload files (folders are gone into), to upload folders, and a folder to download into.
Mode = Literal["files", "folders", "destination"]


@dataclass(frozen=True, slots=True)
class Found:
    """Outcome: `paths` to take, a folder to show, or the sentence that says why neither. `to_make`: that is not there,
    and can be made."""

    paths: tuple[Path, ...] = ()
    go_to: Path | None = None
    problem: str = ""
    to_make: Path | None = None


def resolve(text: str, folder: Path, mode: Mode, *, make: Path | None = None) -> Found:
    """Meaning of `text`, seen from `folder`. `make`: what the person has been told is not there, and wants all the
    same."""
    whole = _first(spelling.readings(text, folder))
    if whole is not None:
        return _one(*whole, mode)
    lines = spelling.several(text, folder)
    if len(lines) > 1 and mode != "destination":
        return _several(lines, mode)
    asked = spelling.absolute(text.strip(), folder)
    if mode == "destination" and asked.parent.is_dir():
        if asked == make:
            return Found((asked,))
        return Found(problem=f"There is no folder “{printable(asked.name)}” yet. It can be made.", to_make=asked)
    return Found(problem=_missing(asked))


def _first(readings: Sequence[Path]) -> tuple[Path, bool] | None:
    """The first of `readings` that is there, and whether it is a folder. Raises: OSError, where it cannot be seen."""
    for path in readings:
        try:
            return path, stat.S_ISDIR(path.stat().st_mode)
        except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a NUL
            if path.is_symlink():  # to nowhere: a thing that can go up all the same
                return path, False
    return None


def _one(path: Path, is_folder: bool, mode: Mode) -> Found:
    if mode == "files":
        return Found(go_to=path) if is_folder else Found((path,))
    if is_folder:
        return Found((path,))
    name = printable(path.name)
    if mode == "folders":
        return Found(problem=f"“{name}” is a file. “Upload files…” takes it.")
    return Found(problem=f"“{name}” is a file. Downloads need a folder.")


def _several(lines: Sequence[Sequence[Path]], mode: Mode) -> Found:
    paths: list[Path] = []
    for readings in lines:
        found = _first(readings)
        if found is None:
            return Found(problem=_missing(readings[0]))
        if mode == "folders" and not found[1]:
            return _one(*found, mode)
        paths.append(found[0])
    return Found(tuple(dict.fromkeys(paths)))


def _missing(path: Path) -> str:
    return f"There is no “{printable(str(path))}” on this computer."
