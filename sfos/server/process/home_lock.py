"""The lock by which one server at a time has an SFOS_HOME. Its file says who has it: the process, and its key file."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from sfos.server.disk.locks import LockTaken, locked
from sfos.startup.programs import launched

LOCK_FILE = ".server.lock"

SECRETS = "secrets"
"""Where in the home the server keeps the secrets that it makes itself."""

_MOST_BYTES = 8_192  # of the file: a number and a path


class HomeTaken(Exception):
    """A server works in this directory. Its text is for who wanted to start another one."""

    def __init__(self, holder: Holder, home: Path) -> None:
        self.holder = holder
        self.home = home
        super().__init__(
            f"another server{holder} is running in {home}. A further window: {launched('window')}. A further server:"
            f" stop that one, or give this one a home of its own (SFOS_HOME=DIR {launched('server')}, or --home DIR)"
        )


@dataclass(frozen=True, slots=True)
class Holder:
    """Process that has a home. `process`: its number, empty if it has not said so yet.

    `key_file`: where it reads the master key, and sees it change; empty if it does not.
    """

    process: str = ""
    key_file: str = ""

    def __str__(self) -> str:
        return f" (process {self.process})" if self.process else ""


class HomeLock:
    """Held from the constructor to `release`; the system gives it back however the process ends."""

    def __init__(self, home: Path, key_file: Path | None = None) -> None:
        """`key_file`: see `Holder`. Raises: HomeTaken; OSError, if the directory cannot be written to."""
        path = home / LOCK_FILE
        self._held = contextlib.ExitStack()
        try:
            descriptor = self._held.enter_context(locked(path, wait=False, create=True))
        except LockTaken as error:
            raise HomeTaken(_read(path), home) from error
        os.truncate(descriptor, 0)
        watched = "" if key_file is None else key_file.resolve()
        os.pwrite(descriptor, os.fsencode(f"{os.getpid()}\n{watched}\n"), 0)

    def release(self) -> None:
        self._held.close()


def holder_of(home: Path) -> Holder | None:
    """Holder of a home's lock, None if nobody has it. Takes the lock for a moment, in which a starting server could
    meet it."""
    try:
        with locked(home / LOCK_FILE, shared=True, wait=False):
            return None
    except LockTaken:
        return _read(home / LOCK_FILE)
    except OSError:
        return None  # there has been no server yet; or whoever wants to write there learns why it cannot


def _read(path: Path) -> Holder:
    with path.open("rb") as file:
        lines = os.fsdecode(file.read(_MOST_BYTES)).splitlines()
    process, key_file = [*lines, "", ""][:2]
    return Holder(process if process.isdigit() else "", key_file)
