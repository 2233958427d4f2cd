"""Runs scenarios one after another, each within its share of the time, and says what they came to."""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from tests.support.leaks import Resources
from tests.torture.scenario import Context, Figures, Scenario

DEFAULT_SECONDS = 3_600.0
INTERRUPTED = 130


@dataclass(frozen=True)
class Outcome:
    """A scenario that ran, how long, and what it came to."""

    scenario: Scenario
    seconds: float
    figures: Figures
    workplace: Path  # what it worked on; still there if something is broken


def main(arguments: Sequence[str], scenarios: Sequence[Scenario], out: TextIO) -> int:
    """Run what `arguments` name; the exit code (see __main__.py)."""
    chosen = _parse(arguments, scenarios)
    if chosen.list:
        for scenario in scenarios:
            print(f"{scenario.name:24} {scenario.promise} To reach: {scenario.figure}.", file=out)
        return 0
    picked = [one for one in scenarios if one.name in chosen.names or not chosen.names]
    print(f"seed {chosen.seed}", file=out, flush=True)
    outcomes: list[Outcome] = []
    interrupted = False
    end = time.monotonic() + chosen.seconds
    for position, scenario in enumerate(picked):
        shares = sum(one.share for one in picked[position:])
        seconds = max(0.05, (end - time.monotonic()) * scenario.share / shares)
        print(f"{scenario.name}: {scenario.promise} ({seconds:.0f} s)", file=out, flush=True)
        outcome = _run(scenario, chosen.seed, seconds, lambda text: print(f"  … {text}", file=out, flush=True))
        outcomes.append(outcome)
        _tell(outcome, chosen.seed, seconds, out)
        if outcome.figures.ending == "interrupted":
            interrupted = True
            break
    _print_table(outcomes, out)
    if any(outcome.figures.broken for outcome in outcomes):
        return 1
    return INTERRUPTED if interrupted else 0


def _parse(arguments: Sequence[str], scenarios: Sequence[Scenario]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./run.sh torture", description="Try to break what this project promises.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="these scenarios only; --list names them")
    parser.add_argument("--seconds", type=float, default=DEFAULT_SECONDS, help="time for all together (3600)")
    parser.add_argument("--seed", type=int, default=None, help="try again what this seed tried")
    parser.add_argument("--list", action="store_true", help="name the scenarios, and end")
    chosen = parser.parse_args(arguments)
    unknown = set(chosen.names) - {one.name for one in scenarios}
    if unknown:
        parser.error(f"no scenario is called {', '.join(sorted(unknown))}; --list names them")
    if chosen.seconds <= 0:
        parser.error("--seconds wants a number above 0")
    if chosen.seed is None:
        chosen.seed = random.SystemRandom().randrange(2**32)
    return chosen


def _run(scenario: Scenario, seed: int, seconds: float, say: Callable[[str], None]) -> Outcome:
    """Run one; whatever escapes from it, and every thread or descriptor it leaves, counts as broken."""
    workplace = Path(tempfile.mkdtemp(prefix=f"sfos-torture-{scenario.name}-"))
    before = Resources.now()
    begun = time.monotonic()
    context = Context(seed, seconds, workplace, scenario.goal, say)
    try:
        figures = scenario.run(context)
    except KeyboardInterrupt:
        figures = context.figures("interrupted")
    except Exception:  # the top of a scenario: what escapes is a finding, and the others still run
        context.broken(f"it ended with\n{traceback.format_exc()}")
        figures = context.figures("crashed")
    spent = time.monotonic() - begun
    for leak in before.left_behind():
        context.broken(f"left behind: {leak}")
    figures = context.figures(figures.ending)
    if not figures.broken:
        shutil.rmtree(workplace, ignore_errors=True)
    return Outcome(scenario, spent, figures, workplace)


def _tell(outcome: Outcome, seed: int, seconds: float, out: TextIO) -> None:
    counts = ", ".join(f"{n:,} {name}" for name, n in outcome.figures.counts.items())
    print(f"  {outcome.figures.ending} after {outcome.seconds:.0f} s: {counts or 'nothing counted'}", file=out)
    for message in outcome.figures.broken:
        print(f"  BROKEN: {message}", file=out)
    if outcome.figures.broken:
        print(f"  what it worked on is kept in {outcome.workplace}", file=out)
        print(f"  repeat: ./run.sh torture {outcome.scenario.name} --seed {seed} --seconds {seconds:.0f}", file=out)
    out.flush()


def _print_table(outcomes: Sequence[Outcome], out: TextIO) -> None:
    head = ("scenario", "to reach", "reached", "ended", "seconds", "broken")
    rows = [
        (
            one.scenario.name,
            one.scenario.figure,
            ", ".join(f"{n:,} {name}" for name, n in one.figures.counts.items()),
            one.figures.ending,
            f"{one.seconds:.0f}",
            str(len(one.figures.broken)),
        )
        for one in outcomes
    ]
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    print(file=out)
    for row in (head, tuple("-" * width for width in widths), *rows):
        print(" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip(), file=out)
