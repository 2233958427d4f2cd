"""Names that were sealed or opened of late: who lists a folder again has them without a cipher.

Opening a name takes the library 16,400 instructions, more than all else that a list costs for each; finding it here
some 300. A program that comes every night to see whether anything changed, and a window that shows a folder again,
ask for names that were opened, or sealed by a commit, not long before.
"""

from __future__ import annotations

MAX_OPENED_NAMES = 32_768  # of some 250 bytes each, 700 at the most, for all spaces of a process: 8 MiB, 22 at the most


class OpenedNames:
    """Names in UTF-8, by what binds them: which keys, in which folder, and the sealed form. Thread-safe."""

    def __init__(self, most: int = MAX_OPENED_NAMES) -> None:
        self._most = most
        self._names: dict[bytes, bytes] = {}
        self.get = self._names.get

    def put(self, key: bytes, name: bytes) -> None:
        """Keep it. Where there is no more room, all others are forgotten: to keep them in order would cost more."""
        if len(self._names) >= self._most:
            self._names.clear()
        if self._most:
            self._names[key] = name

    def __len__(self) -> int:
        return len(self._names)
