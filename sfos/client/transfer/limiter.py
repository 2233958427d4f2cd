"""Limits on bytes per second, shared by all connections of one direction."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

# What may go at once after a silence: a fraction of a second's worth, so that a limit is felt as steady.
_BURST_S = 0.25


class RateLimiter:
    """Limiter of a rate: whoever takes more than there is waits until it is paid back. Thread-safe."""

    def __init__(self, rate: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        """`rate`: bytes per second, 0 = no limit."""
        self._lock = threading.Lock()
        self._clock = clock
        self._rate = rate
        self._free_at = clock()

    def set_rate(self, rate: int) -> None:
        """Change the rate from now on; nobody waits any longer for what the former one would have had."""
        with self._lock:
            self._rate = rate
            self._free_at = self._clock()

    def take(self, count: int) -> float:
        """Count these bytes; the moment until which to wait, for `left`."""
        if not self._rate:
            return 0.0
        with self._lock:
            if not self._rate:
                return 0.0
            self._free_at = max(self._free_at, self._clock() - _BURST_S) + count / self._rate
            return self._free_at

    def left(self, until: float) -> float:
        """Seconds that are left to wait, 0 or less for none. A change of the rate makes them none."""
        if not until:
            return 0.0
        with self._lock:
            return min(until, self._free_at) - self._clock()
