"""List of the spaces a home has ever had: one id a line, in a file that does not lie where the spaces do.

A space is made when its account first signs in. Without this list a storage directory that is not mounted would look
like a home of new accounts, and everybody would find their files gone and an empty space in their place.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from pathlib import Path

from sfos.server.disk.durable_files import sync_directory, write_durably
from sfos.server.spaces.directory import is_space_id

KNOWN_FILE = "spaces"


class KnownSpaces:
    """The list at `path`, or one for this process only. Safe from several threads."""

    def __init__(self, path: Path | None) -> None:
        """Raises: OSError, UnicodeDecodeError."""
        self.path = path
        self._lock = threading.Lock()
        lines = path.read_text("ascii").splitlines() if path is not None and path.exists() else []
        self._ids = {line for line in lines if is_space_id(line)}

    def __contains__(self, space_id: str) -> bool:
        return space_id in self._ids

    def missing(self, stored: Iterable[str]) -> list[str]:
        """Known spaces that are not among the `stored` ones."""
        return sorted(self._ids.difference(stored))

    def add(self, *space_ids: str) -> None:
        """Remember spaces, durably. Other processes may add to the file at the same time. Raises: OSError."""
        with self._lock:
            new = [one for one in space_ids if one not in self._ids]
            if new and self.path is not None:
                _append(self.path, "".join(f"{one}\n" for one in new).encode("ascii"))
            self._ids.update(new)

    def forget(self, space_id: str) -> None:
        """Forget a space that is gone on purpose: nobody misses it any more. Durable. The home's lock is held. Raises:
        OSError."""
        with self._lock:
            self._ids.discard(space_id)
            if self.path is not None and self.path.exists():
                write_durably(self.path, "".join(f"{one}\n" for one in sorted(self._ids)).encode("ascii"), mode=0o600)


def _append(path: Path, lines: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, lines)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_directory(path.parent)
