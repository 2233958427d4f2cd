"""The file that a program writes its log to, and how a line of it looks."""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
import math
import os
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO


class PrivateRotatingFile(logging.handlers.RotatingFileHandler):
    """A rotating log that only its owner may read: it has user names, addresses and the names of files.

    Where it cannot be written any more, lines are lost, and the program goes on and stops as ever. `tell` is given a
    sentence about it, and again every `tell_every_s` seconds while it lasts.
    """

    def __init__(
        self, path: Path, max_bytes: int, backups: int, tell: Callable[[str], None], tell_every_s: float = math.inf
    ) -> None:
        """Raises: OSError, when the file cannot be opened."""
        self._tell = tell
        self._tell_every_s = tell_every_s
        self._told_at = -math.inf
        super().__init__(path, maxBytes=max_bytes, backupCount=backups, encoding="utf-8")

    def emit(self, record: logging.LogRecord) -> None:
        """As the library does, but the line is made once: it makes each a second time to see whether it still fits."""
        try:
            line = self.format(record) + self.terminator
            self._with_room(len(line)).write(line)
            self.flush()
        except Exception:  # as in the library: what is wrong with the log must not end the work
            self.handleError(record)

    def _with_room(self, more: int) -> TextIO:
        """The open file, a new one if the old has no room for about so many bytes more; a device never is full."""
        if self.stream is None:  # it could not be opened when it was last full
            self.stream = self._open()  # type: ignore[no-untyped-call]
        status = os.fstat(self.stream.fileno())
        if 0 < self.maxBytes <= status.st_size + more and stat.S_ISREG(status.st_mode):
            self.doRollover()
        return self.stream

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        error = sys.exception()
        if not isinstance(error, OSError):
            super().handleError(record)  # a mistake of this program, which shall be seen
            return
        now = time.monotonic()
        if now - self._told_at >= self._tell_every_s:
            self._told_at = now
            self._tell(f"{self.baseFilename} loses lines: {error.strerror or error}")

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


class OneLine(logging.Formatter):
    """Lines that no text from outside can break or colour: `escape` makes its control characters harmless."""

    def __init__(self, line_format: str, date_format: str, escape: Callable[[str], str]) -> None:
        super().__init__(line_format, date_format)
        self._escape = escape

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        record.message = self._escape(record.message)
        return super().formatMessage(record)

    def format(self, record: logging.LogRecord) -> str:
        # A traceback has lines of its own, which end in what the error says: set in, none passes for a record.
        first, *trace = super().format(record).split("\n")
        return "\n".join((first, *(f"    {self._escape(line)}" for line in trace)))


def send_to(handlers: list[logging.Handler]) -> Callable[[], None]:
    """Send what all of this program logs to `handlers`, from the lowest of their levels on, until the returned
    function is called; it closes them.
    """
    root = logging.getLogger()
    previous = root.level
    root.setLevel(min(handler.level for handler in handlers))
    for handler in handlers:
        root.addHandler(handler)

    def undo() -> None:
        root.setLevel(previous)
        for handler in handlers:
            root.removeHandler(handler)
            handler.close()

    return undo
