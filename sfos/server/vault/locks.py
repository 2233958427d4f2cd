"""Locks of those who change keys while others use them (server.disk.locks).

    the storage directory   shared by who makes a space: the master key stays what it is until the space is in place;
                            alone by who puts a master key in or takes one out
    a space's directory     alone by who replaces or destroys its keys file, or makes its small.db

The lock is on the directory itself, so that no file of root's is left that the server could not open.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from sfos.server.disk.locks import locked


@contextlib.contextmanager
def master_kept(storage_dir: Path) -> Iterator[None]:
    """Keep the master keys as they are while the block lasts. Waits for whoever changes them. Raises: OSError."""
    with locked(storage_dir, shared=True):
        yield


@contextlib.contextmanager
def changing_master(storage_dir: Path) -> Iterator[None]:
    """The right to change the master keys. Waits for the spaces that are being made. Raises: OSError."""
    with locked(storage_dir):
        yield


@contextlib.contextmanager
def changing_keys(space_directory: Path) -> Iterator[None]:
    """The right to replace or destroy a space's keys file. Raises: OSError, also if the space is gone."""
    with locked(space_directory):
        yield
