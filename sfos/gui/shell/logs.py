"""Log of the window: one rotating file, and warnings to the terminal. Called by the entry script."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable

from sfos import config
from sfos.protocol import printable
from sfos.startup.log_file import OneLine, PrivateRotatingFile, send_to
from sfos.startup.programs import short_name


def configure(settings: config.Logging) -> Callable[[], None]:
    """Write logs as `settings` say until the returned function is called. A file that cannot be written is done
    without: a window must open for someone whose disk is full or whose folder is read-only.
    """
    console = logging.StreamHandler(sys.stderr)
    console.setLevel(settings.console_level)
    handlers: list[logging.Handler] = [console]
    try:
        settings.client_file.parent.mkdir(parents=True, exist_ok=True)
        file = PrivateRotatingFile(settings.client_file, settings.max_bytes, settings.backups, _tell)
    except OSError as error:
        _tell(f"no log is kept: {error.filename}: {error.strerror}")
    else:
        file.setLevel(settings.level)
        handlers.append(file)
    formatter = OneLine(settings.format, settings.date_format, printable)
    for handler in handlers:
        handler.setFormatter(formatter)
    return send_to(handlers)


def _tell(line: str) -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError):  # there may be no terminal
        sys.stderr.write(f"{short_name('window')}: {line}\n")
        sys.stderr.flush()
