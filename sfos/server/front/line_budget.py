"""Budget of lines in `server.log` for connections of strangers, who else would push out what matters in it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_BURST = 2_000.0
_PER_MINUTE = 60.0  # 10 MB a day


class LineBudget:
    """Lines that are left; what has none is counted. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._left = _BURST
        self._then = clock()
        self._without = 0

    def take(self) -> int | None:
        """None where no line is left; else how many events have had none since the last that had."""
        with self._lock:
            now = self._clock()
            self._left = min(_BURST, self._left + (now - self._then) * _PER_MINUTE / 60)
            self._then = now
            if self._left < 1:
                self._without += 1
                return None
            self._left -= 1
            without, self._without = self._without, 0
            return without
