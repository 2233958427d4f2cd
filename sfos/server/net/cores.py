"""Cores that connections' threads run on: those that answer small requests share one.

Python runs one thread at a time. Threads on several cores that each want it for a moment hand its lock around, with a
wake-up of another core each time. A prototype answered 16 clients that ask for `stat` 5,900 to 6,800 times a second on
two cores, and 15,000 to 20,000 times with their threads on one; on a machine that is busy with other work that does not
show. Bulk transfers encrypt and hash without the lock, and have all cores.
"""

from __future__ import annotations

import os
import sys

# So many small requests in a row make a connection one of those; one other request unmakes it.
_IN_A_ROW = 8


class CoreChoice:
    """The choice for one connection, made on its own thread."""

    __slots__ = ("_all", "_pinned", "_small")

    def __init__(self) -> None:
        self._small = 0
        self._pinned = False
        self._all = _cores()

    def about_to(self, small: bool) -> None:
        """A request of that kind is carried out next."""
        if not small:
            self._small = 0
            if self._pinned and _run_on(self._all):  # else it is tried again before the next one
                self._pinned = False
        elif not self._pinned:
            self._small += 1
            if self._small >= _IN_A_ROW and len(self._all) > 1:
                self._pinned = _run_on({_shared(self._all)})
                self._small = 0


def _shared(cores: set[int]) -> int:
    """Core that all connections of this process share: not the same for each server of a machine."""
    return sorted(cores)[os.getpid() % len(cores)]


def _run_on(cores: set[int]) -> bool:
    """Whether the calling thread runs on those from now on, and on no other."""
    if sys.platform == "linux":
        try:
            os.sched_setaffinity(0, cores)  # 0 is the calling thread
        except OSError:  # for now all of them are taken away from this process
            return False
    return True


def _cores() -> set[int]:
    """Cores that this thread may use; none where threads cannot be placed."""
    return os.sched_getaffinity(0) if sys.platform == "linux" else set()
