"""Marker of a backup directory: what makes it one, says its format, and lets one backup at a time into it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from sfos.server.disk.durable_files import sync_directory, write_durably
from sfos.server.disk.locks import LockTaken, locked
from sfos.server.disk.storage_faults import StorageFault
from sfos.server.maintenance.backup_layout import SNAPSHOTS, STORES

MARKER = "sfos-backup"
_MAGIC = b"sfos-backup-%d\n"
_FORMAT = 2
_LONGEST = 64


class NotForBackups(StorageFault):
    """A backup needs a directory of its own: an empty one, or one with backups in it."""


class BackupTooNew(StorageFault):
    """The backups in this directory were made by a newer version of this program; update this one."""


class BackupRunning(StorageFault):
    """Another backup into this directory is running."""


def check_format(directory: Path) -> None:
    """Raises: BackupTooNew, NotForBackups for a marker that is none of ours, OSError."""
    marker = directory / MARKER
    with marker.open("rb") as file:
        found = file.read(_LONGEST)
    if found in (_MAGIC % known for known in range(1, _FORMAT + 1)):
        return
    raise BackupTooNew(str(directory)) if found.startswith(b"sfos-backup-") else NotForBackups(str(marker))


@contextlib.contextmanager
def marked(storage_dir: Path, directory: Path) -> Iterator[None]:
    """The backup directory, made at need, and of this version's format, for one backup at a time.

    Raises: NotForBackups, BackupTooNew, BackupRunning, OSError.
    """
    place = directory.resolve()
    if place.is_relative_to(storage_dir.resolve()) or storage_dir.resolve().is_relative_to(place):
        raise NotForBackups(f"{directory} is in {storage_dir}, or around it")
    if not storage_dir.is_dir():
        raise FileNotFoundError(f"{storage_dir} is not there")
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    marker = directory / MARKER
    if not marker.is_file():
        if any(directory.iterdir()):
            raise NotForBackups(str(directory))
        write_durably(marker, _MAGIC % _FORMAT, mode=0o600)
    check_format(directory)
    for name in (STORES, SNAPSHOTS):
        (directory / name).mkdir(mode=0o700, exist_ok=True)
    sync_directory(directory)
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(locked(marker, wait=False))
        except LockTaken as error:
            raise BackupRunning(str(directory)) from error
        _say_format(marker)
        yield


def _say_format(marker: Path) -> None:
    """Write this version's format over an older one's: in place, for the file is what is locked."""
    descriptor = os.open(marker, os.O_RDWR | os.O_CLOEXEC)
    try:
        if os.pread(descriptor, _LONGEST, 0) != _MAGIC % _FORMAT:
            os.pwrite(descriptor, _MAGIC % _FORMAT, 0)
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
