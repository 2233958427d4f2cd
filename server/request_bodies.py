"""Memory for the bodies of long requests, used again and again.

Fresh megabytes are cleared, and each of their pages is made anew by the kernel, under Python's lock: for the 8 MiB of
a `put_chunks` that took 3 to 7 ms, in which no other connection got on, and up to a quarter of the time of a large
upload (measured). `server.reply_buffers` does the same for replies.
"""

from __future__ import annotations

from collections import deque

from protocol import MAX_BODY

_MIB = 1024 * 1024
# Small files come together by 4 MiB, with what is said of each; pieces of large ones fill the longest body there is.
_SIZES = (5 * _MIB, MAX_BODY)
_SHORTEST = 2 * _MIB


class RequestBodies:
    """Where such memory waits for its next use. Thread-safe.

    What is lent is charged to the budget of incoming bytes as a whole (`held_bytes`), as it is held as a whole.
    """

    def __init__(self, keep: int = 2) -> None:
        """At most `keep` idle ones of each size are kept."""
        self._idle: dict[int, deque[bytearray]] = {size: deque(maxlen=keep) for size in _SIZES}

    @staticmethod
    def held_bytes(size_bytes: int) -> int:
        """How much memory a body of so many bytes takes."""
        if size_bytes < _SHORTEST:
            return size_bytes
        return next((size for size in _SIZES if size >= size_bytes), size_bytes)

    def take(self, size_bytes: int) -> bytearray:
        """`held_bytes(size_bytes)` of memory, until `give_back`.

        To be filled before anybody looks at it: another user's data may be in it.
        """
        held = self.held_bytes(size_bytes)
        try:
            return self._idle[held].pop()
        except (KeyError, IndexError):
            return bytearray(held)

    def give_back(self, memory: bytearray) -> None:
        """What answered the request has been sent. Memory that somebody still has a view of is not used again."""
        idle = self._idle.get(len(memory))
        if idle is None:
            return
        try:
            memory.append(memory.pop())  # which a bytearray refuses as long as there is a view of it
        except BufferError:
            return
        idle.append(memory)

    def forget(self) -> None:
        """Let go of what is idle."""
        for idle in self._idle.values():
            idle.clear()
