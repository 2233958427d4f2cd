"""Chunks that are files, copied from one directory of them into another: for backups, and out of them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from itertools import groupby
from pathlib import Path

from sfos.server.disk.durable_files import sync_directory
from sfos.server.maintenance.backup_layout import SourceUnread, copy_durably

Seen = Callable[[str, set[str], set[str]], None]
"""Hears of a directory, of the paths in it that are wanted, and of those that the target had."""


def copy_chunk_files(
    source: Path,
    target: Path,
    wanted: Iterable[tuple[str, int]],
    losses: list[str],
    step: Callable[[int], None],
    seen: Seen | None = None,
) -> int:
    """Copy the `wanted` files (path, bytes; in order) that `target` lacks, durably; how many.

    One of their directories after the other, so that no list of all of them is in memory. What cannot be copied whole
    is said in `losses`. `step` hears how many have been looked at, `seen` of each directory. Raises: OSError.
    """
    count = looked = 0
    with_any: set[str] = set()
    for directory, group in groupby(wanted, key=lambda one: one[0].partition("/")[0]):
        with_any.add(directory)
        files = dict(group)
        held = _held(target / directory)
        if seen is not None:
            seen(directory, set(files), {f"{directory}/{name}" for name in held})
        lacking = {path: length for path, length in files.items() if held.get(path.partition("/")[2]) != length}
        count += _copy_into(source, target, directory, lacking, losses)
        looked += len(files)
        step(looked)
    if not target.is_dir():
        return count
    sync_directory(target)
    if seen is not None:
        for path in sorted(target.iterdir()):
            if path.is_dir() and path.name not in with_any:
                seen(path.name, set(), {f"{path.name}/{name}" for name in _held(path)})
    return count


def _held(directory: Path) -> dict[str, int]:
    """Files in a directory, each with its length; none if it is not there. Half copied ones are removed."""
    found: dict[str, int] = {}
    with contextlib.suppress(FileNotFoundError), os.scandir(directory) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                Path(entry.path).unlink()
            else:
                found[entry.name] = entry.stat(follow_symlinks=False).st_size
    return found


def _copy_into(source: Path, target: Path, directory: str, lacking: dict[str, int], losses: list[str]) -> int:
    count = 0
    for path, length in lacking.items():
        try:
            found = (source / path).stat().st_size
            if found != length:
                losses.append(f"chunk file {path} has {found} bytes, not {length}")
                continue
            if not count:
                (target / directory).mkdir(mode=0o700, parents=True, exist_ok=True)
            copy_durably(source / path, target / path)
        except FileNotFoundError:
            losses.append(f"chunk file {path} is not there")
            continue
        except SourceUnread as error:
            losses.append(f"chunk file {path} could not be read: {error.strerror}")
            continue
        count += 1
    if count:
        sync_directory(target / directory)
    return count
