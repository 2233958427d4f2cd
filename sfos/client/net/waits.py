"""How long to wait before the next try: growing, and never the same for two clients."""

from __future__ import annotations

from collections.abc import Iterator


def growing_waits(base_s: float, most_s: float) -> Iterator[float]:
    """Seconds to wait, without an end: each up to twice the one before, at most `most_s`, less up to a quarter.

    The part taken off by chance keeps clients of a server that restarts from coming back all at once.
    """
    import random  # here, for most programs never wait

    jitter = random.SystemRandom()
    wait = base_s
    while True:
        yield wait * jitter.uniform(0.75, 1.0)
        wait = min(wait * 2, most_s)
