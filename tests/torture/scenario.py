"""Scenarios of the torture, and the context that each is given.

A scenario is a promise of this project, a figure to reach, and a function that tries to break the promise until it has
reached the figure or its time is over:

    def run(context: Context) -> Figures:
        while context.going():
            ...
            context.count("kills")
            if tree != expected:
                context.broken(f"/a reads {tree['/a']!r} after a kill at point {at}")
        return context.figures()

All chance comes from `context.random`, so that the same seed tries the same things.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal

SAY_EVERY_S = 60.0  # so that who looks on sees that it goes on
ENOUGH_BROKEN = 20  # a scenario that finds this many need not look for more

Ending = Literal["figure reached", "time over", "gave up", "interrupted", "crashed"]


@dataclass(frozen=True)
class Figures:
    """Figures of one run of a scenario."""

    counts: Mapping[str, int]
    ending: Ending
    broken: tuple[str, ...]


class Context:
    """Context of a running scenario. Its methods may be called from any thread."""

    def __init__(
        self,
        seed: int,
        seconds: float,
        workplace: Path,
        goal: Mapping[str, int],
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`say` hears of the counts now and then, in the thread that counts."""
        self.seed = seed
        self.random = random.Random(seed)
        self.deadline = time.monotonic() + seconds
        self.workplace = workplace
        self.goal = goal
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._broken: list[str] = []
        self._exhausted = False
        self._say = say
        self._say_at = time.monotonic() + SAY_EVERY_S

    def count(self, name: str, n: int = 1) -> None:
        """Note that `n` more of what `name` says were done; the table shows the sums."""
        with self._lock:
            self._counts[name] += n
            if time.monotonic() >= self._say_at:
                self._say_at = time.monotonic() + SAY_EVERY_S
                self._say(", ".join(f"{total:,} {what}" for what, total in self._counts.items()))

    def highest(self, name: str, value: int) -> None:
        """Note the highest `value` seen so far, for figures that are no sums."""
        with self._lock:
            self._counts[name] = max(self._counts[name], value)

    def broken(self, message: str) -> None:
        """Note that the promise does not hold; the scenario may go on to find more."""
        with self._lock:
            self._broken.append(message)

    def exhausted(self) -> None:
        """Say that everything there is was tried: the figure of a scenario without a goal in numbers."""
        with self._lock:
            self._exhausted = True

    @property
    def left_s(self) -> float:
        """Seconds until the deadline, at least 0."""
        return max(0.0, self.deadline - time.monotonic())

    def reached(self) -> bool:
        """Whether the figure is reached."""
        with self._lock:
            goal_met = bool(self.goal) and all(self._counts[name] >= least for name, least in self.goal.items())
            return self._exhausted or goal_met

    def going(self) -> bool:
        """Whether to go on: the figure is not reached, time is left, and not too much is broken."""
        return not self.reached() and self.left_s > 0 and len(self._broken) < ENOUGH_BROKEN

    def figures(self, ending: Ending | None = None) -> Figures:
        """Counts until now, and how the run ended."""
        if ending is None:
            ending = "figure reached" if self.reached() else "time over" if self.left_s == 0 else "gave up"
        with self._lock:
            return Figures(MappingProxyType(dict(self._counts)), ending, tuple(self._broken))


@dataclass(frozen=True)
class Scenario:
    """One promise and the attempt to break it."""

    name: str  # what is typed: words with hyphens
    promise: str
    figure: str  # the figure to reach, in words
    run: Callable[[Context], Figures]
    goal: Mapping[str, int] = field(default_factory=dict)  # in numbers; empty: until `exhausted()`
    share: float = 1.0  # of the time, beside the other scenarios
