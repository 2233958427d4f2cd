"""Lines of maintenance at a terminal: results on standard output, and how far it is on the error output."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable

from sfos.server.maintenance.progress import Progress, silent
from sfos.startup.programs import short_name

Say = Callable[[str], None]

_PROGRESS_EVERY_S = 0.2
_TOLD_AFTER_S = 2.0


class OutputFailed(Exception):
    """Standard output cannot be written: no OSError, for it says nothing about what the program is at."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


def say(line: str) -> None:
    """A line on standard output. Raises: OutputFailed."""
    put_out(line + "\n")


def put_out(text: str) -> None:
    """Text on standard output, as it is. Raises: OutputFailed."""
    try:
        sys.stdout.write(text)
    except OSError as error:
        raise OutputFailed(error) from error


def flush() -> None:
    """Send on what was said. Raises: OutputFailed."""
    try:
        sys.stdout.flush()
    except OSError as error:
        raise OutputFailed(error) from error


def complain(line: str) -> None:
    """A line on the error output, where it does not get into JSON; nowhere if that cannot be written."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{short_name('manage')}: {line}\n")


def progress(space_id: str) -> Progress:
    """Says on a terminal how far the work on a space is, and when it may be done; silent elsewhere."""
    if not sys.stderr.isatty():
        return silent
    last = since = 0.0
    doing = ""

    def show(what: str, done: int, total: int) -> None:
        nonlocal last, since, doing
        now = time.monotonic()
        if what != doing:
            doing, since = what, now
        if now - last >= _PROGRESS_EVERY_S or done == total:
            last = now
            sys.stderr.write(f"\r\x1b[K{progress_line(space_id, what, done, total, now - since)}\r")
            sys.stderr.flush()

    return show


def progress_line(space_id: str, what: str, done: int, total: int, since_s: float) -> str:
    """`01234567… rows 45 %, 2 min left`; the time is told once there is enough to tell it from."""
    done = min(done, total)
    text = f"{space_id[:8]}… {what}"
    if total > 0:
        text += f" {done * 100 // total} %"
    if since_s >= _TOLD_AFTER_S and 0 < done < total:
        left_s = since_s * (total - done) / done
        text += f", {_duration(left_s)} left"
    return text


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes / 60:.1f} h"
