"""Who is told when a space changes: a bell for each watch connection, and no queue.

After a commit the bells of its space ring. A rung watcher asks the catalog for what came after the last cursor that it
sent: so a slow one only lags, one that missed nine rings sees all nine changes, and nothing grows in between.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sfos.server.net.bell import Bell


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
