"""Memory that is used again and again: to clear fresh megabytes each time, and to push others out of the processor's
caches by that, costs more than most of what is done in them (measured: sealing, and a twelfth of a large download).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class MemoryPool:
    """Buffers of one length, of which at most `keep` idle ones are kept; its length is their number. Thread-safe."""

    def __init__(self, size_bytes: int, keep: int = 2) -> None:
        self.size_bytes = size_bytes
        self._idle: deque[bytearray] = deque(maxlen=keep)

    def __len__(self) -> int:
        return len(self._idle)

    @contextmanager
    def lend(self) -> Iterator[memoryview]:
        """A buffer that nobody else has meanwhile, with whatever was in it before: it may be another user's."""
        buffer = self.take()
        try:
            yield memoryview(buffer)
        finally:
            self.give_back(buffer)

    def take(self) -> bytearray:
        """A buffer as `lend` does, for who keeps it over more than a block: until `give_back`."""
        try:
            return self._idle.pop()
        except IndexError:
            return bytearray(self.size_bytes)

    def give_back(self, buffer: bytearray) -> None:
        """Nobody looks at it any more."""
        self._idle.append(buffer)

    def forget(self) -> None:
        """Let go of what is idle."""
        self._idle.clear()
