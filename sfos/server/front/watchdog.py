"""The thread that frees what slow or vanished peers hold, and ends sessions when their time has come."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from sfos.server.process import memory

_log = logging.getLogger(__name__)

TICK_S = 0.25  # how late a deadline may be noticed; 1,000 connections are looked through in about 0.1 ms
CROWD = 12  # so many connections fewer, and memory is given back: four clients, with two each for transfers
_GIVE_BACK_EVERY_S = 3.0  # or strangers that come and go could keep the allocator busy


class Overseen(Protocol):
    """A connection, as far as the watchdog is concerned."""

    @property
    def deadline(self) -> float:
        """Monotonic time by which it must have moved."""

    def cut(self, reason: str) -> None:
        """End it now, from any thread."""


class Watchdog:
    """Looks at all connections four times a second and cuts those whose deadline has passed; then calls `chores`.

    When a crowd has gone it gives back the memory that it used.
    """

    def __init__(
        self,
        connections: Callable[[], Iterable[Overseen]],
        chores: Callable[[], None],
        give_back: Callable[[], None] = memory.give_back,
    ) -> None:
        self._connections = connections
        self._chores = chores
        self._give_back = give_back
        self._most = 0  # connections at a time since memory was given back
        self._given_back = -_GIVE_BACK_EVERY_S
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
        count = 0
        for connection in self._connections():
            count += 1
            if now > connection.deadline:
                connection.cut("too slow")
        self._chores()
        self._most = max(self._most, count)
        if self._most - count >= CROWD and now - self._given_back >= _GIVE_BACK_EVERY_S:
            self._most, self._given_back = count, now
            self._give_back()
