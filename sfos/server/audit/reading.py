"""The audit log's files, and its last lines."""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterator
from pathlib import Path

_MOST_TAIL_BYTES = 4 * 2**20
_LONGEST_LINE_BYTES = 64 * 1024  # far more than any: a part of one at the beginning of what is read is left out

_TIME_CHARS = len('{"time":"2026-01-01T00:00:00.000')


def strangers_file(newest: Path) -> Path:
    """The newest file of what strangers caused, beside the log's: `audit-strangers.log`."""
    return newest.with_name(f"{newest.stem}-strangers{newest.suffix}")


def log_files(newest: Path) -> list[Path]:
    """The log and what was put aside of it (`audit.log.1` is younger than `audit.log.2`), the oldest first."""
    numbered = []
    for path in newest.parent.glob(newest.name + ".*"):
        suffix = path.name.removeprefix(newest.name + ".")
        if suffix.isascii() and suffix.isdigit():
            numbered.append((int(suffix), path))
    files = [path for _, path in sorted(numbered, reverse=True)]
    return [*files, newest] if newest.exists() else files


def last_lines(newest: Path, count: int, most_bytes: int = _MOST_TAIL_BYTES) -> list[bytes]:
    """The last `count` whole lines over all files, the oldest first, of `most_bytes` at the most. Raises: OSError."""
    found: list[bytes] = []
    room = most_bytes
    for line in _backwards(newest, most_bytes):
        room -= len(line) + 1
        if room < 0 or len(found) == count:
            break
        found.append(line)
    found.reverse()
    return found


def last_lines_of_all(newest: Path, count: int, most_bytes: int = _MOST_TAIL_BYTES) -> list[bytes]:
    """The last `count` lines, those of strangers among the others in the order of time, but no more than half of them
    where there are others: or strangers would hide what users did. Raises: OSError.
    """
    own = last_lines(newest, count, most_bytes)
    strangers = last_lines(strangers_file(newest), count, most_bytes)
    foreign = min(len(strangers), max(count // 2, count - len(own)))
    own = own[max(0, len(own) - (count - foreign)) :]
    merged = list(heapq.merge(own, strangers[len(strangers) - foreign :], key=lambda line: line[:_TIME_CHARS]))
    while merged and sum(map(len, merged)) + len(merged) > most_bytes:
        del merged[0]
    return merged


def _backwards(newest: Path, most_bytes: int) -> Iterator[bytes]:
    """Whole lines, the last first, at least so many bytes of them if there are; no more is read of a file."""
    for path in reversed(log_files(newest)):
        try:
            with path.open("rb") as file:
                begin = max(0, file.seek(0, os.SEEK_END) - most_bytes - _LONGEST_LINE_BYTES)
                file.seek(begin)
                data = file.read()
        except FileNotFoundError:  # rotated away meanwhile
            return
        lines = data.split(b"\n")
        lines.pop()  # behind the last line feed: nothing, or a line that is being written
        yield from reversed(lines[1:] if begin else lines)
