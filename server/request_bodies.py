"""Memory for the bodies of long requests, used again and again.

Fresh megabytes are cleared, and each of their pages is made anew by the kernel, under Python's lock: for the 8 MiB of
a `put_chunks` that took 3 to 7 ms, in which no other connection got on, and up to a quarter of the time of a large
upload (measured). `server.reply_buffers` does the same for replies.
"""

from __future__ import annotations

import threading

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
        """At most `keep` idle ones are kept, whatever their size: those that were used last."""
        self._keep = keep
        self._lock = threading.Lock()
        self._idle: list[bytearray] = []  # those used last at its end

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
        with self._lock:
            for at, memory in enumerate(self._idle):
                if len(memory) == held:
                    return self._idle.pop(at)
        return bytearray(held)

    def give_back(self, memory: bytearray) -> None:
        """What answered the request has been sent. Memory that somebody still has a view of is not used again."""
        if len(memory) not in _SIZES:
            return
        try:
            memory.append(memory.pop())  # which a bytearray refuses as long as there is a view of it
        except BufferError:
            return
        with self._lock:
            self._idle.append(memory)
            del self._idle[: max(0, len(self._idle) - self._keep)]

    def forget(self) -> None:
        """Let go of what is idle."""
        with self._lock:
            self._idle.clear()
