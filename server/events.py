"""Who is told when a space changes: a bell for each watch connection, and no queue.

After a commit the bells of its space ring. A rung watcher asks the catalog for what came after the last cursor that it
sent: so a slow one only lags, one that missed nine rings sees all nine changes, and nothing grows in between.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Bell:
    """Wakes a thread that waits in poll(). Any thread may ring; only the waiting one clears.

    Its descriptor is an eventfd (Linux): a watcher must wait for its socket and for its bell at once.
    """

    def __init__(self) -> None:
        self._fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._lock = threading.Lock()  # so that no ring falls on a descriptor that is closed, and then another's

    def fileno(self) -> int:
        return self._fd

    def ring(self) -> None:
        with self._lock:
            if self._fd >= 0:
                os.eventfd_write(self._fd, 1)

    def clear(self) -> None:
        """Forget the rings so far. Look at what they were about only after this, or one is lost."""
        try:
            os.eventfd_read(self._fd)
        except BlockingIOError:
            return  # nobody rang

    def close(self) -> None:
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1


class SpaceEvents:
    """The bells of all watchers, by space."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bells: dict[str, set[Bell]] = {}

    @contextmanager
    def subscribed(self, space: str, bell: Bell) -> Iterator[None]:
        """As long as this lasts, `bell` rings after each commit to `space`."""
        with self._lock:
            self._bells.setdefault(space, set()).add(bell)
        try:
            yield
        finally:
            with self._lock:
                bells = self._bells[space]
                bells.discard(bell)
                if not bells:
                    del self._bells[space]

    def committed(self, space: str) -> None:
        """Something was committed to `space`: wake its watchers. Never blocks."""
        with self._lock:
            bells = tuple(self._bells.get(space, ()))
        for bell in bells:
            bell.ring()
