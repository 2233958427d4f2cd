"""Log for those who run the server: `server.log`. Who did what is in the audit log (server.audit)."""

from __future__ import annotations

import contextlib
import logging
import re
import sys
from collections.abc import Callable

from sfos.config import Logging
from sfos.startup.log_file import OneLine, PrivateRotatingFile, send_to

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")

# The disk is full, or gone: said on the terminal, but not for each line that is lost.
_LOSS_TOLD_EVERY_S = 60.0


def configure(settings: Logging) -> Callable[[], None]:
    """Send this program's log to its file and, what is graver, to the terminal. For entry points only.

    Returns what takes it back. Raises: OSError.
    """
    settings.server_file.parent.mkdir(parents=True, exist_ok=True)
    file = PrivateRotatingFile(
        settings.server_file, settings.max_bytes, settings.backups, _tell, tell_every_s=_LOSS_TOLD_EVERY_S
    )
    file.setLevel(settings.level)
    console = logging.StreamHandler(sys.stderr)
    console.setLevel(settings.console_level)
    formatter = OneLine(settings.format, settings.date_format, _escaped)
    for handler in (file, console):
        handler.setFormatter(formatter)
    return send_to([file, console])


def _escaped(text: str) -> str:
    return _CONTROLS.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def _tell(line: str) -> None:
    with contextlib.suppress(OSError, ValueError):  # the terminal may be gone too
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
