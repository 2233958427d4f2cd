"""The lock by which one server at a time has an SFOS_HOME."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

LOCK_FILE = ".server.lock"

SECRETS = "secrets"
"""Where in the home the server keeps the secrets that it makes itself."""


class HomeTaken(Exception):
    """Another server works in this directory."""


class HomeLock:
    """Held from the constructor to `release`; the system gives it back however the process ends."""

    def __init__(self, home: Path) -> None:
        """Raises: HomeTaken; OSError, if the directory cannot be written to."""
        path = home / LOCK_FILE
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(self._fd, 20, 0).decode("ascii", "replace").strip()
            os.close(self._fd)
            who = f" (process {holder})" if holder.isdigit() else ""
            raise HomeTaken(
                f"another server{who} is running in {home}. A further window: ./run.sh gui. A further server:"
                " stop that one, or give this one a home of its own (SFOS_HOME=DIR ./run.sh, or --home DIR)"
            ) from error
        os.truncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        os.close(self._fd)
