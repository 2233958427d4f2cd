"""Names and attributes that were sealed or opened of late: who lists a folder again has them without a cipher.

Opening one takes the library 16,400 instructions, more than all else that a list costs for each; finding it here some
300. A program that comes every night to see whether anything changed, a window that shows a folder again, and who
fetches what was put not long before ask for what was opened, or sealed by a commit, just now.
"""

from __future__ import annotations

from typing import Generic, TypeVar

# Names of some 250 bytes each, 700 at the most, for all spaces of a process: 8 MiB, 22 at the most. And as many
# attributes, some 8 MiB: not in one place with the names, which are also asked for alone.
MAX_OPENED = 32_768

KeyT = TypeVar("KeyT")


class Kept(Generic[KeyT]):
    """Plain texts by what binds them: which keys, in which place, and the sealed form. Thread-safe."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._plain: dict[KeyT, bytes] = {}
        self.get = self._plain.get

    def put(self, key: KeyT, plain: bytes) -> None:
        """Keep it. Where there is no more room, all others are forgotten: to keep them in order would cost more."""
        if len(self._plain) >= self._most:
            self._plain.clear()
        if self._most:
            self._plain[key] = plain

    def clear(self) -> None:
        """Forget all."""
        self._plain.clear()

    def __len__(self) -> int:
        return len(self._plain)


class Opened:
    """Names and attributes that all spaces of a process share, once opened."""

    def __init__(self, most: int = MAX_OPENED) -> None:
        """`most`: names, and as many attributes; 0: nothing is kept."""
        self.names: Kept[bytes] = Kept(most)  # by the number of the space, the folder and the sealed form
        # By the same of a node, in a tuple: to join them takes longer than to find them.
        self.attrs: Kept[tuple[int, int, bytes | None]] = Kept(most)
