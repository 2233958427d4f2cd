"""Right to take stored chunks away: garbage collection has it, but not while a backup copies what a snapshot names.

A lock of the system on a file in the space's directory, so that it holds between processes and ends with them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from sfos.server.disk.locks import LockTaken, locked

LEASE_FILE = "lease"


class HeldOff(Exception):
    """A backup of this space is running; its garbage is collected another time."""

    def __init__(self) -> None:
        super().__init__((type(self).__doc__ or "").rstrip("."))


@contextlib.contextmanager
def backup_lease(directory: Path) -> Iterator[None]:
    """Keep all in the space's stores while the block lasts. Waits for a collection that is running."""
    with locked(directory / LEASE_FILE, shared=True, create=True):
        yield


@contextlib.contextmanager
def collecting(directory: Path) -> Iterator[None]:
    """The right to take chunks away. Raises: HeldOff, at once."""
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(locked(directory / LEASE_FILE, wait=False, create=True))
        except LockTaken as error:
            raise HeldOff from error
        yield
