"""Somebody waits for what a thread does; or nobody any more, and then it stops.

A thread serves one request at a time, so whoever works in it asks here, and nothing in between has to hand anything
down. What takes long looks up now and then (`look`): loops over many rows after each some hundred, SQLite by itself
within a statement (server.catalog.engine).

What only reads stops once its peer has gone, its session has ended or the server stops. What changes something does so
until its first write. After that it ends and keeps its reply, for whoever asks again under its op_id; but a server that
stops and an account that may do nothing any more undo it.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from sfos.protocol import SfosError
from sfos.server.process.turns import give_way

LOOK_EVERY_S = 0.05  # so often at the most it is looked whether somebody waits: a few microseconds each


class NobodyWaits(Exception):
    """Nobody waits for the answer any more. `told`: what the peer hears, if it is still there."""

    def __init__(self, told: SfosError) -> None:
        super().__init__(str(told))
        self.told = told


class Waiting:
    """Somebody who waits for answers, one after the other; for the thread that makes them."""

    __slots__ = ("_clock", "_forbidden", "_gone", "_look_at", "_writing", "found")

    def __init__(
        self,
        gone: Callable[[], SfosError | None],
        forbidden: Callable[[], SfosError | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`gone`: why nobody waits. `forbidden`: why also what has begun to write is undone."""
        self._gone = gone
        self._forbidden = forbidden
        self._clock = clock
        self._writing = False
        self._look_at = 0.0
        self.found: SfosError | None = None
        """Reason that a look within a statement of SQLite has found."""

    def begin(self) -> None:
        """The next request begins."""
        self._writing, self.found = False, None
        self._look_at = self._clock() + LOOK_EVERY_S

    def writes(self) -> None:
        """Something is written from now on."""
        self._writing = True

    def reason(self) -> SfosError | None:
        """Reason to stop, if it is time to look and there is one."""
        now = self._clock()
        if now < self._look_at:
            return None
        give_way()
        self._look_at = self._clock() + LOOK_EVERY_S
        return self._forbidden() or (None if self._writing else self._gone())


class _Serving(threading.local):
    waiting: Waiting | None = None


_here = _Serving()


@contextlib.contextmanager
def served(waiting: Waiting) -> Iterator[None]:
    """Work of this thread in the block is for `waiting`."""
    _here.waiting = waiting
    try:
        yield
    finally:
        _here.waiting = None


def look() -> None:
    """Return if somebody still waits for what this thread does, or if it works for itself. Raises: NobodyWaits."""
    waiting = _here.waiting
    if waiting is not None and (told := waiting.reason()) is not None:
        raise NobodyWaits(told)


def begin_writing() -> None:
    """Something is written by this thread from now on. Raises: NobodyWaits, and then it must not."""
    waiting = _here.waiting
    if waiting is not None:
        if (told := waiting.reason()) is not None:
            raise NobodyWaits(told)
        waiting.writes()


def is_to_stop() -> bool:
    """`look` for SQLite, which takes no exception: whether to stop. `raise_found` says why."""
    waiting = _here.waiting
    if waiting is None:
        return False
    waiting.found = waiting.reason()
    return waiting.found is not None


def raise_found() -> None:
    """Raises: NobodyWaits, if a look within a statement has found a reason to stop."""
    waiting = _here.waiting
    if waiting is not None and waiting.found is not None:
        raise NobodyWaits(waiting.found)
