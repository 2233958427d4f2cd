"""The HEAD file of a space: how far its history was when last heard of. It may lag behind the catalog, never lead.

    sfos-head-1 <epoch, 32 hex digits> <seq, 20 digits> <sealed digest, 64 hex digits> \\n             131 bytes

It is written after the commit is durable, in place (131 bytes lie within one sector) and without fsync: 10 µs. So a
catalog that is behind its HEAD file was put back from an older copy, and someone should know.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from sfos.server.disk.durable_files import write_durably

HEAD_FILE = "HEAD"
_MAGIC = "sfos-head-1"


@dataclass(frozen=True, slots=True)
class Head:
    """Content of a HEAD file. `digest`: sealed to epoch and seq (server.vault.rows)."""

    epoch: bytes
    seq: int
    digest: bytes

    def to_line(self) -> bytes:
        """The file's content."""
        return f"{_MAGIC} {self.epoch.hex()} {self.seq:020d} {self.digest.hex()}\n".encode("ascii")


def write_head(directory: Path, head: Head) -> None:
    """Note how far the catalog is. Raises: OSError."""
    path = directory / HEAD_FILE
    try:
        descriptor = os.open(path, os.O_WRONLY | getattr(os, "O_CLOEXEC", 0))
    except FileNotFoundError:
        write_durably(path, head.to_line(), mode=0o600)
        return
    try:
        os.pwrite(descriptor, head.to_line(), 0)
    finally:
        os.close(descriptor)


def read_head(directory: Path) -> Head | None:
    """Read the HEAD noted last; None if there is no file. Raises: ValueError for one that cannot be read."""
    try:
        text = (directory / HEAD_FILE).read_text("ascii")
    except FileNotFoundError:
        return None
    magic, epoch, seq, digest = text.split()
    head = Head(bytes.fromhex(epoch), int(seq), bytes.fromhex(digest))
    if magic != _MAGIC or head.to_line() != text.encode("ascii"):
        raise ValueError("not a HEAD file of this version")
    return head
