"""Who may change keys while others use them: locks of the system, which hold between processes and end with them.

    the storage directory   shared by who makes a space: the master key stays what it is until the space is in place;
                            alone by who puts a master key in or takes one out
    a space's directory     alone by who replaces or destroys its keys file

The lock is on the directory itself, so that no file of root's is left that the server could not open.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def master_kept(storage_dir: Path) -> Iterator[None]:
    """No master key comes or goes while the block lasts. Waits for who changes them. Raises: OSError."""
    with _locked(storage_dir, fcntl.LOCK_SH):
        yield


@contextlib.contextmanager
def changing_master(storage_dir: Path) -> Iterator[None]:
    """The right to change the master keys. Waits for the spaces that are being made. Raises: OSError."""
    with _locked(storage_dir, fcntl.LOCK_EX):
        yield


@contextlib.contextmanager
def changing_keys(space_directory: Path) -> Iterator[None]:
    """The right to replace or destroy a space's keys file. Raises: OSError, also if the space is gone."""
    with _locked(space_directory, fcntl.LOCK_EX):
        yield


@contextlib.contextmanager
def _locked(directory: Path, how: int) -> Iterator[None]:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)
