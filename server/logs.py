"""What is written down: `server.log` for those who run the server, `audit.log` for those who ask who did what.

The audit log is one JSON object a line, so that a name with a line break in it forges nothing. Values are cut to a
length, and secrets never come near: only the fields named by the callers here and in server.handlers are written,
and what looks like a secret by its field's name is refused.
"""

from __future__ import annotations

import datetime as dt
import logging
import logging.handlers
import re
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from config import Logging

_MAX_VALUE_CHARS = 256
# Field names that a careless caller might give; the last line of defence, and a test walks the callers.
_SECRET_FIELD = re.compile(r"password|secret|ticket|verifier|proof|token|(?<!public_)key", re.IGNORECASE)
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")

AuditValue = str | int | float | bool | None


class _PrivateRotatingFile(logging.handlers.RotatingFileHandler):
    """A rotating log that only its owner may read: it has user names and addresses."""

    def _open(self):  # type: ignore[no-untyped-def]  # the library's own annotation differs between versions
        stream = super()._open()
        Path(self.baseFilename).chmod(0o600)
        return stream


class _OneLine(logging.Formatter):
    """Lines that no text from outside can break or colour: its control characters are written as escapes."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        record.message = _CONTROLS.sub(lambda match: f"\\u{ord(match.group()):04x}", record.message)
        return super().formatMessage(record)


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


class AuditLog:
    """Who did what: sign-ins good and bad, sessions, passwords, refused connections. Thread-safe."""

    def __init__(self, settings: Logging, clock: Callable[[], float] = time.time) -> None:
        """Opens the file. Raises: OSError."""
        self._clock = clock
        settings.audit_file.parent.mkdir(parents=True, exist_ok=True)
        self._handler = _PrivateRotatingFile(
            settings.audit_file, maxBytes=settings.max_bytes, backupCount=settings.backups, encoding="utf-8"
        )
        self._handler.setFormatter(logging.Formatter("%(message)s"))

    def write(self, event: str, **fields: AuditValue) -> None:
        """Append `{"time": …, "event": event, …}`. A full disk loses the line, not the caller."""
        if any(_SECRET_FIELD.search(name) for name in fields):
            raise ValueError("a field of the audit log is named like a secret")
        line = _encode(self._clock(), event, fields)
        self._handler.handle(logging.makeLogRecord({"msg": line, "levelno": logging.INFO, "levelname": "INFO"}))

    def close(self) -> None:
        self._handler.close()


def _encode(now: float, event: str, fields: Mapping[str, AuditValue]) -> str:
    stamp = dt.datetime.fromtimestamp(now, dt.UTC).isoformat(timespec="milliseconds")
    entry: dict[str, AuditValue] = {"time": stamp, "event": event}
    for name, value in fields.items():
        if value is not None:
            entry[name] = value[:_MAX_VALUE_CHARS] if isinstance(value, str) else value
    return msgspec.json.encode(entry).decode()
