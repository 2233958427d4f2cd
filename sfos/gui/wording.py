"""Numbers, times and errors in the words that the window shows. Pure: the clock is passed in."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from sfos.client.errors import ConnectionLost
from sfos.protocol import SfosError, counted

count = counted

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def size(size_bytes: int) -> str:
    """`0 B`, `999 B`, `3.1 kB`, `318 kB`, `14.2 MB`: at most four signs and the unit (1 kB = 1,000 B)."""
    value = float(size_bytes)
    for unit in _UNITS:
        if value < 999.5 or unit == _UNITS[-1]:
            break
        value /= 1000
    if unit == "B":
        return f"{size_bytes} B"
    return f"{value:.1f} {unit}" if value < 99.95 else f"{value:.0f} {unit}"


def exact_size(size_bytes: int) -> str:
    """`14.2 MB (14,204,551 bytes)`; below 1,000 only the bytes."""
    if size_bytes < 1000:
        return count(size_bytes, "byte")
    return f"{size(size_bytes)} ({size_bytes:,} bytes)"


def size_of(done: int, total: int) -> str:
    """`6.5 of 10.1 MB`: both in the unit of the total."""
    whole = size(total)
    number, _, unit = whole.rpartition(" ")
    scale = 1000 ** _UNITS.index(unit)
    part = done / scale
    shown = f"{part:.0f}" if unit == "B" or "." not in number else f"{part:.1f}"
    return f"{shown} of {whole}"


def speed(bytes_per_s: float) -> str:
    """`11.8 MB/s`."""
    return f"{size(int(bytes_per_s))}/s"


def duration(seconds: float) -> str:
    """A time that is left, no finer than it can be known: `1 s`, `41 s`, `3 min`, `2 h 10 min`, `3 days`."""
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes = round(whole / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return count(round(hours / 24), "day")


def countdown(seconds: int) -> str:
    """A time that is counted down: `41 s`, `3:05 min`, `1:02:05 h`."""
    minutes, rest = divmod(max(0, seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02}:{rest:02} h"
    return f"{minutes}:{rest:02} min" if minutes else f"{rest} s"


def local_now() -> dt.datetime:
    """The time of the clock on the wall, as `moment` takes it."""
    return dt.datetime.now()  # noqa: DTZ005 - local time is what people read


def stamp(mtime_ns: int) -> str:
    """Local date and time for a column: `2026-11-21 18:02`; `—` for what has none."""
    if mtime_ns == 0:
        return "—"
    try:
        return dt.datetime.fromtimestamp(mtime_ns // 1_000_000_000).strftime("%Y-%m-%d %H:%M")  # noqa: DTZ006 - local
    except (OverflowError, ValueError, OSError):
        return "—"  # a time that no calendar of this machine holds


def moment(mtime_ns: int, now: dt.datetime) -> str:
    """A time as one says it: `Today 18:02`, `Yesterday 09:41`, `3 Nov 2026 12:00`. `now` is local."""
    if mtime_ns == 0:
        return "—"
    try:
        then = dt.datetime.fromtimestamp(mtime_ns // 1_000_000_000)  # noqa: DTZ006 - local time is what people read
    except (OverflowError, ValueError, OSError):
        return "—"
    days = (now.date() - then.date()).days
    if days == 0:
        return f"Today {then:%H:%M}"
    if days == 1:
        return f"Yesterday {then:%H:%M}"
    return f"{then.day} {then:%b %Y %H:%M}"


def ago(seconds: float) -> str:
    """`just now`, `2 min ago`."""
    return "just now" if seconds < 60 else f"{duration(seconds)} ago"


def with_home(path: Path) -> str:
    """`path` with `~` for the person's own directory."""
    try:
        return str(Path("~") / path.relative_to(Path.home()))
    except (ValueError, RuntimeError):
        return str(path)


def reason(error: SfosError) -> str:
    """The sentence of `error`, without what only who mends networks understands."""
    if isinstance(error, ConnectionLost):
        return "The connection to the server was lost."
    return error.message


def explain(error: BaseException) -> str:
    """Explanation of an error, as a sentence for a person. Errors of this project bear one; others are told by their
    kind."""
    if isinstance(error, SfosError):
        text = reason(error)
        return f"“{error.subject}”: {text}" if error.subject else text
    if isinstance(error, PermissionError):
        return f"This computer does not allow access to “{error.filename}”."
    if isinstance(error, FileNotFoundError):
        return f"“{error.filename}” is no longer there."
    if isinstance(error, IsADirectoryError):
        return f"“{error.filename}” is a folder."
    if isinstance(error, OSError):
        why = error.strerror or str(error) or type(error).__name__
        return f"{why}{f' (“{error.filename}”)' if error.filename else ''}."
    return str(error) or type(error).__name__
