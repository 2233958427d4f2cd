"""Memory for the bodies of long replies, used again and again: to clear fresh megabytes for each, and to push others
out of the processor's caches by that, cost the server a twelfth of a large download (measured).

How many are lent at a time is limited by the budget of outgoing bytes (memory_budget), which is charged with what a
reply holds, not with what it sends; only a few idle ones are kept. `server.chunks.scratch` does the same for tokens.
"""

from __future__ import annotations

from collections import deque

_KIB = 1024
# What a client asks for at a time as a rule: a chunk of the largest size, with some room for lengths.
BUFFER_BYTES = 4 * _KIB * _KIB + 8 * _KIB
_SHORT_BYTES = 256 * _KIB


class ReplyBuffers:
    """Where such memory waits for its next use. Thread-safe."""

    def __init__(self, keep: int = 2) -> None:
        """At most `keep` idle ones are kept."""
        self.idle: deque[bytearray] = deque(maxlen=keep)

    def room(self) -> ReplyRoom:
        """For one reply."""
        return ReplyRoom(self)


class ReplyRoom:
    """What the body of one reply is made in; for one thread."""

    __slots__ = ("_buffers", "_lent")

    def __init__(self, buffers: ReplyBuffers) -> None:
        self._buffers = buffers
        self._lent: list[bytearray] = []

    def take(self, size_bytes: int) -> memoryview:
        """So many bytes until `release`. What is in them may be another user's: send none that you did not write."""
        if not _SHORT_BYTES <= size_bytes <= BUFFER_BYTES:
            return memoryview(bytearray(size_bytes))
        try:
            buffer = self._buffers.idle.pop()
        except IndexError:
            buffer = bytearray(BUFFER_BYTES)
        self._lent.append(buffer)
        return memoryview(buffer)[:size_bytes]

    @property
    def held_bytes(self) -> int:
        """What is lent now, whether the reply fills it or not."""
        return sum(map(len, self._lent))

    def release(self) -> None:
        """The reply has been sent, or never will be. May be called twice."""
        while self._lent:
            self._buffers.idle.append(self._lent.pop())
