"""Sums of what happens too often for a line each: how many, from when on, by which names.

Somebody writes as many lines into a log as they cause events, and what is older goes when it is full. So lines have a
budget, and what is beyond it is counted and becomes one line when its time is over.

    {"event":"login_held_up","address":"192.0.2.7","times":4711,"since":"…","users":"alice, bob, …","more_users":true}
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

AuditValue = str | int | float | bool | None

_MOST_NAMES = 8  # in one line
_MOST_SUMS = 4_096  # at a time; who comes beyond these is counted with all others
_MOST_BUCKETS = 100_000  # as many accounts as one server has at most, or more
_OTHERS = ""


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many events become lines of their own.

    `window_s`: the time that one sum is for. `at_once`: lines of one kind and source in that time; those that are not
    named have `otherwise`. `burst` and `per_minute`: lines in all, of a source (`each`) or of all together; without
    it a sum of several sources stands for those that have no line left.
    """

    by: Literal["address", "user"]
    window_s: float
    burst: int
    per_minute: float
    each: bool
    at_once: Mapping[str, int] = field(default_factory=dict)
    otherwise: int = 1_000_000


STRANGERS = Allowance(
    by="address",
    window_s=60.0,
    burst=1_000,
    per_minute=60.0,  # 25 MB a day at most, whatever how many do
    each=False,
    at_once={"login_failed": 10},  # whose password was tried is worth knowing, while it is not many
    otherwise=1,
)
USERS = Allowance(by="user", window_s=600.0, burst=100, per_minute=2.0, each=True)


@dataclass(slots=True)
class _Sum:
    began: float
    window: int
    alone: int = 0
    times: int = 0
    since: float = 0.0
    names: dict[str, None] = field(default_factory=dict)
    more_names: bool = False
    sources: int = 1

    def add(self, now: float, name: str) -> None:
        self.since = self.since or now
        self.times += 1
        self.note_name(name)

    def note_name(self, name: str) -> None:
        if not name or name in self.names:
            return
        if len(self.names) < _MOST_NAMES:
            self.names[name] = None
        else:
            self.more_names = True

    def swallow(self, other: _Sum) -> None:
        self.since = min(self.since, other.since)
        self.times += other.times
        self.sources += other.sources


class Sums:
    """Sums of the events that are no line of their own. Not thread-safe."""

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        self._sums: dict[tuple[str, str], _Sum] = {}
        self._buckets: dict[str, tuple[float, float]] = {}  # lines left, and when that was so

    def alone(self, event: str, source: str, name: str, now: float) -> bool:
        """Whether this event gets a line of its own; else it is counted. `name`: the other party, for the sum."""
        window = int(now // self._allowance.window_s)
        key = event, source
        found = self._sums.get(key)
        if found is None and len(self._sums) >= _MOST_SUMS:
            key = event, _OTHERS
            found = self._sums.get(key)
        if found is None:
            found = self._sums[key] = _Sum(now, window)
        elif found.window != window and not found.times:  # a time in which nothing was summed up is over
            found.window, found.alone = window, 0
        allowed = self._allowance.at_once.get(event, self._allowance.otherwise)
        if not found.times and key[1] == source and found.alone < allowed and self._take(source, now):
            found.alone += 1
            return True
        found.add(now, name)
        return False

    def _take(self, source: str, now: float) -> bool:
        """Whether a line is left."""
        key = source if self._allowance.each else _OTHERS
        left, then = self._buckets.get(key, (float(self._allowance.burst), now))
        left = min(self._allowance.burst, left + max(0.0, now - then) * self._allowance.per_minute / 60)
        if key not in self._buckets and len(self._buckets) >= _MOST_BUCKETS:
            self._buckets.pop(next(iter(self._buckets)))
        self._buckets[key] = (left - 1, now) if left >= 1 else (left, now)
        return left >= 1

    def due(self, now: float, *, every: bool = False) -> Iterator[tuple[str, dict[str, AuditValue]]]:
        """Event and fields of the sums whose time is over (`every`: of all), which begin anew."""
        window = int(now // self._allowance.window_s)
        over = [key for key, one in self._sums.items() if every or one.window != window]
        merged: dict[str, _Sum] = {}
        for key in sorted(over, key=lambda key: -self._sums[key].times):
            event, source = key
            one = self._sums.pop(key)
            if not one.times:
                continue
            if source == _OTHERS or not (self._allowance.each or self._take(source, now)):
                if event in merged:
                    merged[event].swallow(one)
                else:
                    merged[event] = one
            else:
                yield event, self._fields(one, source)
        for event, one in merged.items():
            yield event, self._fields(one, None)

    def _fields(self, one: _Sum, source: str | None) -> dict[str, AuditValue]:
        by, other = (self._allowance.by, "users" if self._allowance.by == "address" else "addresses")
        fields: dict[str, AuditValue] = {by: source} if source is not None else {"sources": one.sources}
        fields |= {"times": one.times, "since": moment(one.since)}
        if source is not None and one.names:
            fields[other] = ", ".join(one.names)
            fields[f"more_{other}"] = one.more_names or None
        return fields


def moment(unix_s: float) -> str:
    """A time as the audit log writes it."""
    return dt.datetime.fromtimestamp(unix_s, dt.UTC).isoformat(timespec="milliseconds")
