"""Somebody waits for what a thread does; or nobody any more, and then it stops.

A thread serves one request at a time, so whoever works in it asks here, and nothing in between has to hand anything
down. What takes long looks up now and then (`look`): loops over many rows after each some hundred, SQLite by itself
within a statement (server.catalog.engine).

Whoever waits long is told, each second, that it is worked on: how much has been done, or what it waits for.

What only reads stops once its peer has gone, its session has ended or the server stops. What changes something does so
until its first write. After that it ends and keeps its reply, for whoever asks again under its op_id; but a server that
stops and an account that may do nothing any more undo it.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator

from sfos.protocol import SfosError, Working
from sfos.server.process.turns import aside, give_way

LOOK_EVERY_S = 0.05  # so often at the most it is looked whether somebody waits: a few microseconds each
TELL_EVERY_S = 1.0  # so often who waits hears that it is worked on
OTHER_WORK = "maintenance"
"""Command that is named to who waits for something that is no request."""


class NobodyWaits(Exception):
    """Nobody waits for the answer any more. `told`: what the peer hears, if it is still there."""

    def __init__(self, told: SfosError) -> None:
        super().__init__(str(told))
        self.told = told


class Waiting:
    """Somebody who waits for answers, one after the other; for the thread that makes them."""

    __slots__ = (
        "_clock",
        "_forbidden",
        "_gone",
        "_look_at",
        "_tell",
        "_tell_at",
        "_writing",
        "behind",
        "command",
        "done",
        "found",
        "request_id",
    )

    def __init__(
        self,
        gone: Callable[[], SfosError | None],
        forbidden: Callable[[], SfosError | None],
        tell: Callable[[int, Working], None] = lambda _request, _working: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`gone`: why nobody waits. `forbidden`: why also what has begun to write is undone. `tell`: say under that
        request's id how far it is; it must not block, nor raise."""
        self._gone = gone
        self._forbidden = forbidden
        self._tell = tell
        self._clock = clock
        self._writing = False
        self._look_at, self._tell_at = 0.0, math.inf
        self.request_id = 0
        self.command = ""
        self.done = 0
        """Entries that the request has changed so far. Other threads read it."""
        self.behind: Waiting | None = None
        """Request that this one waits for; itself, where that is none."""
        self.found: SfosError | None = None
        """Reason that a look within a statement of SQLite has found."""

    def begin(self) -> None:
        """The next request begins."""
        self._writing, self.found = False, None
        self.command, self.done, self.behind = "", 0, None
        now = self._clock()
        self._look_at = now + LOOK_EVERY_S
        self._tell_at = math.inf

    def named(self, request_id: int, command: str) -> None:
        """Take the request's id and command: from now on who waits can be told."""
        self.request_id, self.command = request_id, command
        self._tell_at = self._look_at - LOOK_EVERY_S + TELL_EVERY_S

    def answered(self) -> None:
        """The reply goes out: nothing may come before it any more."""
        self._tell_at = math.inf

    def writes(self) -> None:
        """Something is written from now on."""
        self._writing = True

    @contextlib.contextmanager
    def brought_to_end(self) -> Iterator[None]:
        """Count the block as writing."""
        before, self._writing = self._writing, True
        try:
            yield
        finally:
            self._writing = before

    def reason(self) -> SfosError | None:
        """Reason to stop, if it is time to look and there is one."""
        now = self._clock()
        if now < self._look_at:
            return None
        give_way()
        now = self._clock()
        self._look_at = now + LOOK_EVERY_S
        told = self._forbidden() or (None if self._writing else self._gone())
        if told is None and now >= self._tell_at:
            self._tell_at = now + TELL_EVERY_S
            self._tell(self.request_id, self._working())
        return told

    def _working(self) -> Working:
        ahead = self.behind
        if ahead is None:
            return Working(done=self.done)
        if ahead is self:
            return Working(behind=OTHER_WORK)
        return Working(done=ahead.done, behind=ahead.command or OTHER_WORK)


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


@contextlib.contextmanager
def brought_to_end() -> Iterator[None]:
    """Let this thread end what it does in the block, though nobody waits for it any more."""
    waiting = _here.waiting
    if waiting is None:
        yield
        return
    with waiting.brought_to_end():
        yield


def name_request(request_id: int, command: str) -> None:
    """This thread works on that request."""
    waiting = _here.waiting
    if waiting is not None:
        waiting.named(request_id, command)


def count_done(entries: int) -> None:
    """Count entries that this thread has changed for its request."""
    waiting = _here.waiting
    if waiting is not None:
        waiting.done += entries


class LookingLock:
    """Lock that may be held for long: who waits for it goes on looking, and lets others work. Reentrant."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._holder: Waiting | None = None

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """The lock, for the block. Raises: NobodyWaits, while it is waited for."""
        if not self._lock.acquire(blocking=False):
            self._wait()
        before, self._holder = self._holder, _here.waiting
        try:
            yield
        finally:
            self._holder = before
            self._lock.release()

    def _wait(self) -> None:
        waiting = _here.waiting
        try:
            with aside():
                while not self._lock.acquire(timeout=LOOK_EVERY_S):
                    if waiting is not None:
                        waiting.behind = self._holder or waiting
                    look()
        finally:
            if waiting is not None:
                waiting.behind = None


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
