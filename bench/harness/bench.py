"""Sizes, rounds and results: what every part of a run shares."""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from bench.harness.data import MIB, NotEqual, check_equal, remove
from bench.harness.machine import Machine
from bench.harness.ours import Ours
from bench.harness.processes import Command, ProgramFailed, cpu_seconds, run
from bench.harness.side import Side, Store

GIB = 1024 * MIB
SideT = TypeVar("SideT", bound=Side)

_LONGEST_REMARK = 80  # characters of a table's cell


@dataclass(frozen=True)
class Sizes:
    """How much is moved. `link_delay_s`: each way. `names_per_folder`: of the recursive listing."""

    large: int = GIB
    small_files: int = 10_000
    small_bytes: int = 4096
    link_files: int = 10_000
    link_sample: int = 200
    link_delay_s: float = 0.05
    names: int = 100_000
    names_per_folder: int = 1_000
    clients: tuple[int, int] = (2, 16)
    window_s: float = 20.0
    sparse: int = 8 * GIB
    growth_bytes: tuple[int, ...] = (10 * MIB, 100 * MIB, GIB, 8 * GIB)
    growth_files: tuple[int, ...] = (1_000, 10_000, 100_000)
    growth_clients: tuple[int, ...] = (1, 2, 4, 8, 16)


QUICK = Sizes(
    large=16 * MIB,
    small_files=200,
    link_files=200,
    link_sample=10,
    names=1_000,
    names_per_folder=100,
    clients=(2, 4),
    window_s=2.0,
    sparse=64 * MIB,
    growth_bytes=(MIB, 8 * MIB),
    growth_files=(100, 500),
    growth_clients=(1, 2),
)


@dataclass(frozen=True)
class Sample:
    """One timed run. CPU seconds of the client, and of the server where it is a single process (else 0)."""

    seconds: float
    client_cpu_s: float
    server_cpu_s: float


@dataclass
class Series:
    """Samples of one side for one work. `remark`: why there is no figure, or what a reader must know of it."""

    samples: list[Sample] = field(default_factory=list)
    remark: str = ""
    given_up: bool = False

    @property
    def seconds(self) -> float | None:
        """The median."""
        return statistics.median(sample.seconds for sample in self.samples) if self.samples else None


@dataclass(frozen=True)
class SideFacts:
    """Of the head of a column. `missing`: why it is not there."""

    title: str
    version: str
    note: str
    missing: str = ""


@dataclass(frozen=True)
class Peak:
    """Most memory held (VmHWM, bytes), and what the design allows; 0 where it is not measured."""

    what: str
    client: int
    server: int
    transfers: int


@dataclass(frozen=True)
class Mix:
    """Mixed work of several clients at once. Rates in bytes per second, of each client; medians of the runs.

    `totals`: of each run. `accounts`: whether each client has an account of its own.
    """

    clients: int
    own_accounts: bool
    totals: tuple[float, ...]
    fairness: tuple[float, ...]
    server_peak: int

    @property
    def total(self) -> float:
        """Bytes per second of all clients together."""
        return statistics.median(self.totals)

    @property
    def slowest_to_fastest(self) -> float:
        """1 would be equal shares."""
        return statistics.median(self.fairness)


@dataclass(frozen=True)
class Growth:
    """How long this project takes for more and more of the same. `amount`: bytes or files."""

    what: str
    amount: int
    seconds: float
    client_peak: int
    server_peak: int


@dataclass
class Results:
    """All that a run found. `times` and `wire`: by work, then by side. `commit`: of the checkout; "" if not known."""

    machine: Machine
    sizes: Sizes
    runs: int
    quick: bool
    commit: str = ""
    parts: list[str] = field(default_factory=list)
    sides: list[SideFacts] = field(default_factory=list)
    times: dict[str, dict[str, Series]] = field(default_factory=dict)
    wire: dict[str, dict[str, int]] = field(default_factory=dict)
    peaks: list[Peak] = field(default_factory=list)
    mixes: list[Mix] = field(default_factory=list)
    growth: list[Growth] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def seconds(self, work: str, side: str) -> float | None:
        """A median, if there is one."""
        series = self.times.get(work, {}).get(side)
        return series.seconds if series else None


class Bench:
    """One run: its sides, its directory, its results."""

    def __init__(
        self, place: Path, sides: Sequence[Side], results: Results, *, limit_s: float, patience_s: float
    ) -> None:
        """`limit_s`: a program that takes longer is killed. `patience_s`: what took longer is not run again."""
        self.place = place
        self.sides = list(sides)
        self.results = results
        self.sizes = results.sizes
        self._limit_s = limit_s
        self._patience_s = patience_s
        self._got = place / "got"

    @property
    def ours(self) -> Ours:
        """This project."""
        return next(side for side in self.sides if isinstance(side, Ours))

    @property
    def peers(self) -> list[Store]:
        """All sides that do the whole work: not the ceiling."""
        return [side for side in self.sides if isinstance(side, Store)]

    def say(self, line: str) -> None:
        """Tell how far it is."""
        print(line, file=sys.stderr, flush=True)

    def rounds(self, sides: Sequence[SideT]) -> Iterator[tuple[int, list[SideT]]]:
        """The number of each round and the sides in its order: another one begins each time."""
        for number in range(self.results.runs):
            first = number % max(1, len(sides))
            yield number, [*sides[first:], *sides[:first]]

    def fresh(self, name: str) -> Path:
        """A path in this run's directory at which nothing is."""
        path = self.place / "data" / name
        remove(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def series(self, work: str, side: Side) -> Series:
        """Where the times of a side go."""
        return self.results.times.setdefault(work, {}).setdefault(side.title, Series())

    def time(self, work: str, side: Side, command: Command | None, output: Path | None = None) -> bool:
        """Run a command of `side` and note its time; whether it did its work. None: the side has no such command.

        A peer's failure is noted, too. What is still to be written to the disk is written first, so that nobody pays
        for another's work.
        """
        series = self.series(work, side)
        if series.given_up or command is None:
            return False
        os.sync()
        server = side.server_pid
        before = cpu_seconds(server) if server else 0.0
        outcome = run(command, output=output, limit_s=self._limit_s)
        spent = cpu_seconds(server) - before if server else 0.0
        if outcome.timed_out:
            return self.give_up(work, side, f"over {self._limit_s:.0f} s")
        if outcome.exit_code:
            return self.give_up(work, side, f"failed: {outcome.complaint or f'exit code {outcome.exit_code}'}")
        series.samples.append(Sample(outcome.seconds, outcome.cpu_s, spent))
        self.say(f"  {work:24} {side.title:24} {outcome.seconds:8.3f} s")
        return True

    def give_up(self, work: str, side: Side, reason: str) -> bool:
        """Do not ask this side for this work any more; False."""
        reason = reason.replace(str(self.place), "…")
        series = self.series(work, side)
        series.remark, series.given_up = reason[:_LONGEST_REMARK], True
        self.say(f"  {work:24} {side.title:24} {reason}")
        return False

    def lose_patience(self, side: Side, *works: str) -> None:
        """Give up works that take too long: they are not run again. Called at the end of a round, so that each round is
        whole."""
        for work in works:
            series = self.series(work, side)
            if series.samples and series.samples[-1].seconds > self._patience_s and not series.given_up:
                series.given_up = True
                series.remark = f"{len(series.samples)} run{'s' if len(series.samples) > 1 else ''} only"

    def fetch(self, work: str, side: Side, get: Callable[[str, Path], Command], name: str, original: Path) -> None:
        """Time a download by `get`, see that what came is what was sent, and throw it away."""
        remove(self._got)
        self._got.mkdir()
        target = self._got / "it"
        if self.time(work, side, get(name, target)):
            try:
                check_equal(side.received(target, original), original)
            except NotEqual as error:
                self.series(work, side).samples.clear()
                self.give_up(work, side, f"WRONG: {error}")
        remove(self._got)

    def must(self, side: Side, command: Command) -> None:
        """Run what is not measured. Raises: ProgramFailed."""
        outcome = run(command, limit_s=self._limit_s)
        if outcome.exit_code:
            raise ProgramFailed(f"{side.title}: {outcome.complaint or outcome.exit_code}")
