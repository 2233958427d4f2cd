"""The file operations that the disk store is made of. Tests replace them by ones that fail, or forget unsynced data."""

from __future__ import annotations

import os
from pathlib import Path

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_READ = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class SyncFailed(OSError):
    """An fsync failed: nobody knows what of the data is on the disk."""


class LocalFiles:
    """The operating system's own."""

    def create(self, path: Path) -> int:
        """A descriptor of a new, empty file, mode 0600."""
        return os.open(path, _CREATE, 0o600)

    def write(self, descriptor: int, data: memoryview) -> None:
        """Write all of `data`: POSIX lets a write be short (a signal, a full disk)."""
        while data:
            data = data[os.write(descriptor, data) :]

    def length(self, descriptor: int) -> int:
        """Length of the file now, in bytes."""
        return os.fstat(descriptor).st_size

    def sync(self, descriptor: int) -> None:
        """Make the content durable. Once this has failed, it must not be asked again."""
        os.fsync(descriptor)

    def close(self, descriptor: int) -> None:
        """Let go of the descriptor."""
        os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        """Give the file its final name, on the same device."""
        source.rename(target)

    def unlink(self, path: Path) -> None:
        """Remove the file, if it is there."""
        path.unlink(missing_ok=True)

    def make_directory(self, path: Path) -> None:
        """A directory, mode 0700, which may be there already; its name is durable when this returns."""
        path.mkdir(mode=0o700, exist_ok=True)
        _sync_names(path.parent)

    def sync_directory(self, path: Path) -> None:
        """Make the names in a directory durable. Raises: SyncFailed, OSError where it was not even tried."""
        _sync_names(path)

    def read(self, path: Path, scratch: memoryview) -> int:
        """Read from the front of the file into `scratch`; how many bytes there were, at most its length."""
        descriptor = os.open(path, _READ)
        try:
            at = 0
            while at < len(scratch):
                count = os.readv(descriptor, [scratch[at:]]) if hasattr(os, "readv") else 0
                if not count:
                    break
                at += count
            return at
        finally:
            os.close(descriptor)

    def size_of(self, path: Path) -> int | None:
        """Length of the file in bytes; None if it is not there."""
        try:
            return path.stat().st_size
        except FileNotFoundError:
            return None

    def free_bytes(self, path: Path) -> int:
        """Bytes that an ordinary user may still write there."""
        status = os.statvfs(path)
        return status.f_bavail * status.f_frsize


def _sync_names(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        raise SyncFailed(error.errno, error.strerror, str(directory)) from error
    finally:
        os.close(descriptor)
