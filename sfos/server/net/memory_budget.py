"""Budget of memory that the bodies of all connections take together: one number, never one buffer per connection.

Two budgets, one for what comes in and one for what goes out. A request that holds incoming bytes may wait for outgoing
ones, never the other way round, so nobody waits in a circle.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from sfos.protocol import ServerBusy


class Lease:
    """Bytes taken from a budget until `release`, which may be called twice. Usable in a `with`."""

    __slots__ = ("_budget", "_owner", "_size_bytes")

    def __init__(self, budget: MemoryBudget, owner: str, size_bytes: int) -> None:
        self._budget = budget
        self._owner = owner
        self._size_bytes = size_bytes

    def keep(self, size_bytes: int) -> None:
        """Give back what is more than `size_bytes`: it was taken for the most that there could be."""
        more = self._size_bytes - size_bytes
        if more > 0:
            self._size_bytes = size_bytes
            self._budget.give_back(self._owner, more)

    def release(self) -> None:
        size, self._size_bytes = self._size_bytes, 0
        if size:
            self._budget.give_back(self._owner, size)

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class MemoryBudget:
    """At most `total_bytes` at a time, of which one owner (a user) holds at most half: nobody starves the others.

    Nor do two together: the last quarter is for owners who hold nothing. Whoever reads as slowly as is allowed keeps
    what a reply takes for hours.
    """

    def __init__(self, total_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._total = total_bytes
        self._share = total_bytes // 2
        self._most_for_holders = total_bytes - total_bytes // 4
        self._used = 0
        self._held: dict[str, int] = {}
        self._clock = clock
        self._freed = threading.Condition()

    @property
    def used_bytes(self) -> int:
        return self._used

    def take(self, owner: str, size_bytes: int, timeout_s: float) -> Lease:
        """A lease of `size_bytes`. Blocks until others have given back enough. Raises: ServerBusy."""
        if size_bytes <= 0:
            return Lease(self, owner, 0)
        with self._freed:
            if not self._fits(owner, size_bytes):
                until = self._clock() + timeout_s
                while not self._fits(owner, size_bytes):
                    left = until - self._clock()
                    if left <= 0:
                        raise ServerBusy("The server's memory for transfers is taken; try again shortly.")
                    self._freed.wait(left)
            self._used += size_bytes
            self._held[owner] = self._held.get(owner, 0) + size_bytes
        return Lease(self, owner, size_bytes)

    def _fits(self, owner: str, size_bytes: int) -> bool:
        held = self._held.get(owner, 0)
        room = (self._most_for_holders if held else self._total) - self._used
        return size_bytes <= room and held + size_bytes <= self._share

    def give_back(self, owner: str, size_bytes: int) -> None:
        """Give back bytes; for leases only."""
        with self._freed:
            self._used -= size_bytes
            left = self._held[owner] - size_bytes
            if left:
                self._held[owner] = left
            else:
                del self._held[owner]
            self._freed.notify_all()
