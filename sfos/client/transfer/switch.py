"""Pause, go on, cancel: what all threads of a job look at."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sfos.client.errors import Cancelled


class Switch:
    """Thread-safe. `cancel` is final, and calls at once what was registered to break off blocked calls."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._paused = False
        self._cancelled = False
        self.interrupted = False
        """Cancelled only for now: what is half-done may be of use when the same is asked for again."""
        self._breakers: set[Callable[[], None]] = set()

    @property
    def paused(self) -> bool:
        """Whether nothing new should begin."""
        return self._paused

    @property
    def cancelled(self) -> bool:
        """Whether everything should end."""
        return self._cancelled

    def pause(self) -> None:
        """Let nothing new begin."""
        with self._changed:
            self._paused = True
            self._changed.notify_all()

    def resume(self) -> None:
        """Let things begin again."""
        with self._changed:
            self._paused = False
            self._changed.notify_all()

    def cancel(self, *, interrupt: bool = False) -> None:
        """End everything; the first call decides whether it is but an interruption."""
        with self._changed:
            if not self._cancelled:
                self.interrupted = interrupt
            self._cancelled = True
            breakers = tuple(self._breakers)
            self._changed.notify_all()
        for breaker in breakers:
            breaker()

    def check(self) -> None:
        """Raises: Cancelled."""
        if self._cancelled:
            raise Cancelled

    def wait_open(self) -> None:
        """Block while paused. Raises: Cancelled."""
        if self._paused or self._cancelled:
            with self._changed:
                self._changed.wait_for(lambda: self._cancelled or not self._paused)
            self.check()

    def sleep(self, seconds: float) -> None:
        """Block for so long. Raises: Cancelled, at once."""
        until = time.monotonic() + seconds
        with self._changed:
            while not self._cancelled and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)
        self.check()

    @contextmanager
    def breaking(self, breaker: Callable[[], None]) -> Iterator[None]:
        """Within the block, cancelling calls `breaker` (in the thread that cancels). Raises: Cancelled at its start."""
        with self._changed:
            self.check()
            self._breakers.add(breaker)
        try:
            yield
        finally:
            with self._changed:
                self._breakers.discard(breaker)
