"""Where the window writes what it does: one rotating file, and warnings to the terminal. Called by the entry script."""

from __future__ import annotations

import logging
import logging.handlers
import sys
from collections.abc import Callable

import config


def configure(settings: config.Logging) -> Callable[[], None]:
    """Write logs as `settings` say until the returned function is called. A file that cannot be written is done
    without: a window must open for someone whose disk is full or whose folder is read-only.
    """
    handlers: list[logging.Handler] = []
    formatter = logging.Formatter(settings.format, settings.date_format)
    console = logging.StreamHandler(sys.stderr)
    console.setLevel(settings.console_level)
    handlers.append(console)
    try:
        settings.client_file.parent.mkdir(parents=True, exist_ok=True)
        file = logging.handlers.RotatingFileHandler(
            settings.client_file, maxBytes=settings.max_bytes, backupCount=settings.backups, encoding="utf-8"
        )
    except OSError as error:
        sys.stderr.write(f"gui_client: no log is kept: {error}\n")
    else:
        file.setLevel(settings.level)
        handlers.append(file)
    root = logging.getLogger()
    previous = root.level
    root.setLevel(min(logging.getLevelName(settings.level), logging.getLevelName(settings.console_level)))
    for handler in handlers:
        handler.setFormatter(formatter)
        root.addHandler(handler)

    def undo() -> None:
        root.setLevel(previous)
        for handler in handlers:
            root.removeHandler(handler)
            handler.close()

    return undo
