"""Small files put in place whole or not at all, and names made durable."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import NamedTuple


class Signature(NamedTuple):
    """State of a file, as far as the system tells without reading it."""

    inode: int
    size_bytes: int
    mtime_ns: int


def write_durably(path: Path, data: bytes, *, mode: int) -> None:
    """Put a small file in place whole or not at all, so that once this returns it survives power loss.

    A file that it replaces passes its owner on: what root changes for a running server, that server can still read.
    One writer at a time. Raises: OSError.
    """
    half_written = path.with_name(path.name + ".new")
    with contextlib.suppress(FileNotFoundError):
        half_written.unlink()
    descriptor = os.open(half_written, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), mode)
    with os.fdopen(descriptor, "wb") as file:
        _pass_owner_on(path, file.fileno())
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    half_written.replace(path)
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make the names in `directory` durable. Where directories cannot be opened (Windows) there is nothing to do."""
    if os.name == "nt":
        return
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def signature_of(path: Path) -> Signature | None:
    """Signature that is another once the file has been replaced or written to; None if it is not there. Raises:
    OSError."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return Signature(found.st_ino, found.st_size, found.st_mtime_ns)


def _pass_owner_on(path: Path, descriptor: int) -> None:
    if os.name == "nt" or os.geteuid() != 0:
        return
    with contextlib.suppress(FileNotFoundError):
        before = path.stat()
        os.fchown(descriptor, before.st_uid, before.st_gid)
