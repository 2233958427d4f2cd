"""Who may take stored chunks away: garbage collection, but not while a backup copies what a snapshot names.

A lock of the system on a file in the space's directory, so that it holds between processes and ends with them.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

LEASE_FILE = "lease"


class HeldOff(Exception):
    """A backup of this space is running; its garbage is collected another time."""

    def __init__(self) -> None:
        super().__init__((type(self).__doc__ or "").rstrip("."))


@contextlib.contextmanager
def backup_lease(directory: Path) -> Iterator[None]:
    """Nothing is taken from the space's stores while the block lasts. Waits for a collection that is running."""
    with _locked(directory, fcntl.LOCK_SH):
        yield


@contextlib.contextmanager
def collecting(directory: Path) -> Iterator[None]:
    """The right to take chunks away. Raises: HeldOff, at once."""
    try:
        with contextlib.ExitStack() as held:
            held.enter_context(_locked(directory, fcntl.LOCK_EX | fcntl.LOCK_NB))
            held = held.pop_all()
    except BlockingIOError as error:
        raise HeldOff from error
    with held:
        yield


@contextlib.contextmanager
def _locked(directory: Path, how: int) -> Iterator[None]:
    descriptor = os.open(directory / LEASE_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)
