"""How long to wait before the next try: growing, and never the same for two clients."""

from __future__ import annotations

import random
from collections.abc import Iterator

_JITTER = random.SystemRandom()


def growing_waits(base_s: float, most_s: float) -> Iterator[float]:
    """Seconds to wait, without an end: each up to twice the one before, at most `most_s`, less up to a quarter.

    The part taken off by chance keeps clients of a server that restarts from coming back all at once.
    """
    wait = base_s
    while True:
        yield wait * _JITTER.uniform(0.75, 1.0)
        wait = min(wait * 2, most_s)
