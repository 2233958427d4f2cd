"""Waiting and trying again: how a client gets over what passes by itself.

    PASSING       the errors after which one tries again
    RetryPolicy   the waits, and how often and how long one tries
    Retries       the failures of one piece of work in a row, and the wait before the next try

Policies are handed down from ClientOptions; docs/decisions/retry.md says what an outage does to each kind of client.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import msgspec

from sfos.client.errors import ConnectionFailed
from sfos.protocol import ServerBusy, ServerStopping, SfosError

T = TypeVar("T")

# Errors that pass by themselves: the request is sent again, on a new connection.
PASSING = (ConnectionFailed, ServerBusy, ServerStopping)


class RetryPolicy(msgspec.Struct, frozen=True):
    """Waits: `first_s`, each further one `growth` times as long, at most `longest_s`, less up to the share `jitter` of
    it by chance, so that clients of a server that restarts do not come back all at once; and never less than what the
    server asks for.

    One gives up after `tries` in a row, or when the next would begin more than `give_up_after_s` after the first
    failure; None: never for that reason.
    """

    first_s: float
    longest_s: float
    growth: float = 2.0
    jitter: float = 0.25
    tries: int | None = None
    give_up_after_s: float | None = None

    def waits(self) -> Iterator[float]:
        """Seconds to wait, without an end."""
        import random  # here, for most programs never wait

        chance = random.SystemRandom()
        wait = min(self.first_s, self.longest_s)
        while True:
            yield wait * chance.uniform(1.0 - self.jitter, 1.0)
            wait = min(wait * self.growth, self.longest_s)

    def call(self, work: Callable[[], T], sleep: Callable[[float], object] = time.sleep) -> T:
        """The result of `work`, tried as often as the policy says. Raises: what `work` raised last."""
        retries: Retries | None = None
        while True:
            try:
                return work()
            except PASSING as error:
                retries = retries or Retries(self)
                wait = retries.wait_after(error)
                if wait is None:
                    raise
                sleep(wait)


class Retries:
    """One piece of work that fails and is tried again. For one thread."""

    def __init__(self, policy: RetryPolicy, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: seconds since whenever."""
        self._policy = policy
        self._clock = clock
        self._failures = 0
        self._began: float | None = None
        self._waits: Iterator[float] | None = None

    @property
    def failing(self) -> bool:
        """Whether the last try failed."""
        return self._began is not None

    def begin(self) -> None:
        """Count the time from now on, if it is not counted yet."""
        if self._began is None:
            self._began = self._clock()

    def wait_after(self, error: SfosError) -> float | None:
        """Seconds to wait before the next try; None when one is to give up."""
        self.begin()
        assert self._began is not None
        self._failures += 1
        if self._policy.tries is not None and self._failures > self._policy.tries:
            return None
        self._waits = self._waits or self._policy.waits()
        wait = max(next(self._waits), error.retry_after_s or 0.0)
        limit = self._policy.give_up_after_s
        if limit is not None and self._clock() + wait > self._began + limit:
            return None
        return wait

    def succeeded(self) -> None:
        """Begin anew with the next failure."""
        self._failures, self._began, self._waits = 0, None, None


NEVER = RetryPolicy(first_s=0.0, longest_s=0.0, tries=0)
