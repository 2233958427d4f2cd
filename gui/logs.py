"""Where the window writes what it does: one rotating file, and warnings to the terminal. Called by the entry script.

As strict as the server's own (server.logs), which stands on a floor that the window does not reach: the file is its
owner's alone, and a name from elsewhere neither breaks a line nor colours a terminal.
"""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
import os
import sys
from collections.abc import Callable
from pathlib import Path

import config
from protocol import printable


class _PrivateRotatingFile(logging.handlers.RotatingFileHandler):
    """A rotating log that only its owner may read: it has user names, servers and the names of files.

    Where it cannot be written any more, lines are lost, which is told once; the window goes on.
    """

    _told = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        error = sys.exception()
        if not isinstance(error, OSError):
            super().handleError(record)  # a mistake of this program, which shall be seen
        elif not self._told:
            self._told = True
            _tell(f"{self.baseFilename} loses lines: {error.strerror or error}")

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
        record.message = printable(record.message)
        return super().formatMessage(record)

    def format(self, record: logging.LogRecord) -> str:
        # A traceback has lines of its own, which end in what the error says: set in, none passes for a record.
        first, *trace = super().format(record).split("\n")
        return "\n".join((first, *(f"    {printable(line)}" for line in trace)))


def configure(settings: config.Logging) -> Callable[[], None]:
    """Write logs as `settings` say until the returned function is called. A file that cannot be written is done
    without: a window must open for someone whose disk is full or whose folder is read-only.
    """
    console = logging.StreamHandler(sys.stderr)
    console.setLevel(settings.console_level)
    handlers: list[logging.Handler] = [console]
    try:
        settings.client_file.parent.mkdir(parents=True, exist_ok=True)
        file = _PrivateRotatingFile(
            settings.client_file, maxBytes=settings.max_bytes, backupCount=settings.backups, encoding="utf-8"
        )
    except OSError as error:
        _tell(f"no log is kept: {error}")
    else:
        file.setLevel(settings.level)
        handlers.append(file)
    formatter = _OneLine(settings.format, settings.date_format)
    root = logging.getLogger()
    previous = root.level
    root.setLevel(min(handler.level for handler in handlers))
    for handler in handlers:
        handler.setFormatter(formatter)
        root.addHandler(handler)

    def undo() -> None:
        root.setLevel(previous)
        for handler in handlers:
            root.removeHandler(handler)
            handler.close()

    return undo


def _tell(line: str) -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError):  # there may be no terminal
        sys.stderr.write(f"gui_client: {line}\n")
        sys.stderr.flush()
