"""Memory for the bodies of long requests, used again and again.

Fresh megabytes are cleared, and each of their pages is made anew by the kernel, under Python's lock: for the 8 MiB of
a `put_chunks` that took 3 to 7 ms, in which no other connection got on, and up to a quarter of the time of a large
upload (measured).
"""

from __future__ import annotations

from sfos.protocol import MAX_BODY
from sfos.server.process.memory_pool import MemoryPool

_SHORTEST = 2 * 1024 * 1024


class RequestBodies:
    """Such memory (server.process.memory_pool) of one length, MAX_BODY, so that all kinds of requests share it.
    Thread-safe.

    What is lent is charged to the budget of incoming bytes as a whole (`held_bytes`), as it is held as a whole.
    """

    def __init__(self, keep: int = 2) -> None:
        """At most `keep` idle ones are kept: as many as there are cores to fill them, as a rule."""
        self._pool = MemoryPool(MAX_BODY, keep)

    @staticmethod
    def held_bytes(size_bytes: int) -> int:
        """How much memory a body of so many bytes takes."""
        return size_bytes if size_bytes < _SHORTEST else max(size_bytes, MAX_BODY)

    def take(self, size_bytes: int) -> bytearray:
        """`held_bytes(size_bytes)` of memory, until `give_back`.

        To be filled before anybody looks at it: another user's data may be in it.
        """
        held = self.held_bytes(size_bytes)
        return self._pool.take() if held == MAX_BODY else bytearray(held)

    def give_back(self, memory: bytearray) -> None:
        """Take back memory whose request is answered. Memory that somebody still has a view of is not used again."""
        if len(memory) != MAX_BODY:
            return
        try:
            memory.append(memory.pop())  # which a bytearray refuses as long as there is a view of it
        except BufferError:
            return
        self._pool.give_back(memory)

    def forget(self) -> None:
        """Let go of what is idle."""
        self._pool.forget()
