"""Memory for the bodies of long replies, used again and again (server.process.memory_pool).

How many are lent at a time is limited by the budget of outgoing bytes (memory_budget), which is charged with what a
reply holds, not with what it sends; only a few idle ones are kept.
"""

from __future__ import annotations

from collections.abc import Sequence

from sfos.protocol import Buffer
from sfos.server.net.memory_budget import Lease
from sfos.server.process.memory_pool import MemoryPool

_KIB = 1024
# What a client asks for at a time as a rule: a chunk of the largest size, with some room for lengths.
BUFFER_BYTES = 4 * _KIB * _KIB + 8 * _KIB
_SHORT_BYTES = 256 * _KIB


class ReplyBuffers:
    """Buffers that wait for their next use. Thread-safe."""

    def __init__(self, keep: int = 2) -> None:
        """At most `keep` idle ones are kept."""
        self.idle = MemoryPool(BUFFER_BYTES, keep)

    def room(self) -> ReplyRoom:
        """Room for one reply."""
        return ReplyRoom(self.idle)


class ReplyRoom:
    """Memory for the body of one reply, and what of the budget it takes; for one thread.

    `with` it: lent until the block is left, which is when the reply has been sent, or never will be.
    """

    __slots__ = ("_lease", "_lent", "_pool")

    def __init__(self, pool: MemoryPool) -> None:
        self._pool = pool
        self._lent: list[bytearray] = []
        self._lease: Lease | None = None

    def __enter__(self) -> ReplyRoom:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def charge(self, lease: Lease) -> None:
        """Hold `lease`, taken for the most that the reply can be, as long as the memory is lent."""
        self._lease = lease

    def settle(self, body: Sequence[Buffer]) -> None:
        """Give back what was charged beyond what `body` holds."""
        if self._lease is not None:
            self._lease.keep(max(self.held_bytes, sum(map(len, body))))

    def take(self, size_bytes: int) -> memoryview:
        """Memory of so many bytes until `release`. Another user's may be in it: send nothing that you did not write."""
        if not _SHORT_BYTES <= size_bytes <= BUFFER_BYTES:
            return memoryview(bytearray(size_bytes))
        buffer = self._pool.take()
        self._lent.append(buffer)
        return memoryview(buffer)[:size_bytes]

    @property
    def held_bytes(self) -> int:
        """The memory that is lent now, whether the reply fills it or not."""
        return sum(map(len, self._lent))

    def release(self) -> None:
        """Let go of all before the block is left: no reply will be made in it. May be called twice."""
        while self._lent:
            self._pool.give_back(self._lent.pop())
        if self._lease is not None:
            self._lease.release()
