"""What is written down for those who run the server: `server.log`. Who did what is in the audit log (server.audit)."""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
import math
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

from config import Logging

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


# The disk is full, or gone: said on the terminal, but not for each line that is lost.
_LOSS_TOLD_EVERY_S = 60.0


class _PrivateRotatingFile(logging.handlers.RotatingFileHandler):
    """A rotating log that only its owner may read: it has user names and addresses.

    Where it cannot be written, lines are lost, and the program goes on and stops as ever.
    """

    _told = -math.inf

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        error = sys.exception()
        if not isinstance(error, OSError):
            super().handleError(record)  # a mistake of this program, which shall be seen
            return
        now = time.monotonic()
        if now - self._told >= _LOSS_TOLD_EVERY_S:
            self._told = now
            with contextlib.suppress(OSError, ValueError):  # the terminal may be gone too
                sys.stderr.write(f"{self.baseFilename} loses lines: {error.strerror or error}\n")
                sys.stderr.flush()

    def close(self) -> None:
        with contextlib.suppress(OSError):  # what is still in memory is lost; nothing else hangs on it
            super().close()

    def _open(self):  # type: ignore[no-untyped-def]  # the library's own annotation differs between versions
        stream = open(  # noqa: SIM115 - the handler closes it
            self.baseFilename, self.mode, encoding=self.encoding, errors=self.errors, opener=_private
        )
        Path(self.baseFilename).chmod(0o600)  # one that an earlier version or another program has made
        return stream


def _private(path: str, flags: int) -> int:
    """For `open`: what it makes is its owner's alone from the first moment on."""
    return os.open(path, flags, 0o600)


class _OneLine(logging.Formatter):
    """Lines that no text from outside can break or colour: its control characters are written as escapes."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        record.message = _escaped(record.message)
        return super().formatMessage(record)

    def format(self, record: logging.LogRecord) -> str:
        # A traceback has lines of its own, which end in what the error says: set in, none passes for a record.
        first, *trace = super().format(record).split("\n")
        return "\n".join((first, *(f"    {_escaped(line)}" for line in trace)))


def _escaped(text: str) -> str:
    return _CONTROLS.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def configure(settings: Logging) -> Callable[[], None]:
    """Send this program's log to its file and, what is graver, to the terminal. For entry points only.

    Returns what takes it back. Raises: OSError.
    """
    settings.server_file.parent.mkdir(parents=True, exist_ok=True)
    formatter = _OneLine(settings.format, settings.date_format)
    file = _PrivateRotatingFile(
        settings.server_file, maxBytes=settings.max_bytes, backupCount=settings.backups, encoding="utf-8"
    )
    file.setLevel(settings.level)
    console = logging.StreamHandler(sys.stderr)
    console.setLevel(settings.console_level)
    handlers: tuple[logging.Handler, ...] = (file, console)
    root = logging.getLogger()
    previous = root.level
    root.setLevel(min(file.level, console.level))
    for handler in handlers:
        handler.setFormatter(formatter)
        root.addHandler(handler)

    def undo() -> None:
        root.setLevel(previous)
        for handler in handlers:
            root.removeHandler(handler)
            handler.close()

    return undo
