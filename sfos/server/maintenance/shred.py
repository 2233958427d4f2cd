"""A space made unreadable for good, then removed: its keys are destroyed first, and without them the rest is noise."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

from sfos.server.disk.durable_files import sync_directory
from sfos.server.vault.keyring import KEYS_FILE
from sfos.server.vault.locks import changing_keys


def shred_space(directory: Path) -> None:
    """Overwrite and remove the keys of the space in `directory`, then remove the directory; all durable.

    The caller holds the home's lock. Interrupted, it can be done again. What a file system that copies on write, an SSD
    or a backup kept of the keys file is out of reach. Raises: OSError.
    """
    with changing_keys(directory):  # a rotation must not put back what it has just read
        for path in (directory / KEYS_FILE, directory / f"{KEYS_FILE}.new"):  # the latter of an interrupted write
            if path.is_file() and not path.is_symlink():
                _overwrite(path)
                path.unlink()
        sync_directory(directory)
        shutil.rmtree(directory)
    sync_directory(directory.parent)


def _overwrite(path: Path) -> None:
    """Random bytes in the file's own place, synced."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        os.pwrite(descriptor, secrets.token_bytes(os.fstat(descriptor).st_size), 0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
