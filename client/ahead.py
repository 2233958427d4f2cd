"""Connections of a session that are opened before somebody asks for them.

A connection takes three round trips (TCP, TLS, attach) before it can be used. Whoever knows that one will be needed
begins it early, and makes plans meanwhile.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

from client.connection import Connection
from protocol import SfosError

_log = logging.getLogger(__name__)


class ConnectionsAhead:
    """Those on their way. All methods may be called from any thread; only `take` blocks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._coming: deque[tuple[str, Future[Connection]]] = deque()
        self._closed = False

    def begin(self, ticket_id: str, connect: Callable[[], Connection]) -> None:
        """Open one in a thread of its own, for the session of that ticket."""
        future: Future[Connection] = Future()

        def run() -> None:
            try:
                future.set_result(connect())
            except BaseException as error:  # the top of a thread: who takes it is told, and opens one by itself
                _log.debug("no connection ahead: %s", error)
                future.set_exception(error)

        with self._lock:
            if self._closed:
                return
            self._coming.append((ticket_id, future))
        threading.Thread(target=run, name="connect-ahead", daemon=True).start()

    def take(self, ticket_id: str) -> Connection | None:
        """The one begun first; None if there is none that came about. Blocks until that is known."""
        while True:
            with self._lock:
                if not self._coming:
                    return None
                begun_for, future = self._coming.popleft()
            if begun_for != ticket_id:  # of a session that has been renewed since
                future.add_done_callback(_close)
                continue
            try:
                connection = future.result()
            except SfosError:
                continue
            if connection.usable:
                return connection

    def close(self) -> None:
        """Close what nobody has taken: now, or when it comes about. No more are begun."""
        with self._lock:
            self._closed = True
            coming, self._coming = self._coming, deque()
        for _, future in coming:
            future.add_done_callback(_close)


def _close(future: Future[Connection]) -> None:
    if future.exception() is None:
        future.result().close()
