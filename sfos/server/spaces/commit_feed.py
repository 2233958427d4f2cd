"""Commits as they happen: who is told of them, and no queue.

After a commit the listeners of its space are called, in the thread that made it; it is durable by then and no lock is
held. "Look again" is all that they hear, of two commits at once in any order. A watch has a bell rung, and asks the
catalog for what came after the last cursor that it sent: so a slow one only lags, one that missed nine rings sees all
nine changes, and nothing grows in between.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sfos.server.net.bell import Bell

_log = logging.getLogger(__name__)

Listener = Callable[[str], None]


class CommitFeed:
    """The listeners to the commits of one space each, or of all. Safe from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: dict[str | None, tuple[Listener, ...]] = {}  # None: of all spaces

    def __len__(self) -> int:
        """The number of listeners."""
        return sum(map(len, self._listeners.copy().values()))

    def listen(self, listener: Listener, space: str | None = None) -> Callable[[], None]:
        """Call `listener(space_id)` after each commit to `space`, or to any; how to stop that. It must not block."""

        def remove() -> None:
            with self._lock:
                left = tuple(one for one in self._listeners.get(space, ()) if one is not listener)
                if left:
                    self._listeners[space] = left
                else:
                    self._listeners.pop(space, None)

        with self._lock:
            self._listeners[space] = (*self._listeners.get(space, ()), listener)
        return remove

    @contextmanager
    def subscribed(self, space: str, bell: Bell) -> Iterator[None]:
        """Rings `bell` after each commit to `space`, as long as the block lasts."""

        def ring(_: str) -> None:
            bell.ring()

        stop = self.listen(ring, space)
        try:
            yield
        finally:
            stop()

    def committed(self, space: str) -> None:
        """Tell of a commit to `space`. A listener that fails is logged, for the commit stands whatever it does."""
        for listener in (*self._listeners.get(None, ()), *self._listeners.get(space, ())):
            try:
                listener(space)
            except Exception:  # whatever is wrong with a listener, the commit stands and the others are to hear of it
                _log.exception("a listener to commits failed")
