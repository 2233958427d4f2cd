"""A clock that tests put forward."""

from __future__ import annotations

from sfos.server.spaces.registry import wall_clock_ms


class Clock:
    """The time of day, and whatever is added to it."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def __call__(self) -> int:
        return wall_clock_ms() + self.ahead_ms
