"""Lines of maintenance at a terminal: results on standard output, and how far it is on the error output."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from sfos.startup.programs import short_name

Say = Callable[[str], None]

_PROGRESS_EVERY_S = 0.2


def say(line: str) -> None:
    """A line on standard output."""
    sys.stdout.write(line + "\n")


def complain(line: str) -> None:
    """A line on the error output, where it does not get into JSON."""
    sys.stderr.write(f"{short_name('manage')}: {line}\n")


def progress(space_id: str) -> Callable[[str, int, int], None]:
    """Says on a terminal how far a verification is; silent elsewhere."""
    if not sys.stderr.isatty():
        return lambda *_: None
    last = 0.0

    def show(what: str, done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _PROGRESS_EVERY_S or done == total:
            last = now
            sys.stderr.write(f"\r\x1b[K{space_id[:8]}… {what} {done}/{total}\r")
            sys.stderr.flush()

    return show
