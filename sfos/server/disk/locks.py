"""Locks of the system on a file or a directory: they hold between processes, and end with the process that has one.

Each is a flock on a descriptor of its own, so that two threads of a process keep each other out as two processes do.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


class LockTaken(Exception):
    """Somebody else has the lock."""


@contextlib.contextmanager
def locked(path: Path, *, shared: bool = False, wait: bool = True, create: bool = False) -> Iterator[int]:
    """Holds the lock on `path` while the block lasts; its descriptor, to write to if `create` is set.

    `shared`: beside others who share it. `create`: a file of mode 0600 is made at need; else it has to be there, and
    may be a directory, so that no file of root's is left that the server could not open.
    Raises: LockTaken, at once, unless it may `wait`; OSError.
    """
    flags = os.O_RDWR | os.O_CREAT if create else os.O_RDONLY
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            raise LockTaken(str(path)) from error
        yield descriptor
    finally:
        os.close(descriptor)
