"""SIGKILL at every step towards the disk."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.storage import after_crash, child, crashing
from tests.storage.crashing import Killer, KillingFiles, Script
from tests.storage.maintenance_kills import COMMANDS
from tests.torture.scenario import Context, Figures, Scenario


@dataclass(frozen=True)
class Victim:
    """A script to be killed: the home that it begins with, and what must hold afterwards.

    `layered`: whether it stores chunks, through the layer that can pass points.
    """

    name: str
    prepare: Callable[[Path], None]
    script: Script
    check: Callable[[Path, int], None]
    layered: bool = False


VICTIMS = (
    Victim("work", after_crash.start_over, crashing.work, after_crash.check_work, layered=True),
    Victim("collect", after_crash.prepare_garbage, crashing.collect, after_crash.check_collection, layered=True),
    Victim("rotate", after_crash.prepare_spaces, crashing.rotate, after_crash.check_rotation),
)
MAINTENANCE = tuple(Victim(one.name, one.prepare, one.script, one.check) for one in COMMANDS if one.name != "rotate")


@dataclass(frozen=True)
class Kill:
    """Where to kill: at the nth point that the script passes, or as it enters the nth system call of a kind."""

    victim: Victim
    point: int
    call: str = ""

    def __str__(self) -> str:
        where = f"as it enters {self.call} number {self.point}" if self.call else f"at its point {self.point}"
        return f"{self.victim.name} killed {where}"


def run(context: Context, victims: Sequence[Victim] = VICTIMS) -> Figures:
    """All kills in an order that the seed makes, each on a home of its own."""
    templates = {victim.name: context.workplace / f"template-{victim.name}" for victim in victims}
    for victim in victims:
        victim.prepare(templates[victim.name])
    kills = [kill for victim in victims for kill in all_kills(victim, templates[victim.name], context.workplace)]
    context.count("steps to be killed at", len(kills))
    context.random.shuffle(kills)
    home = context.workplace / "home"
    for kill in kills:
        if not context.going():
            return context.figures()
        try:
            carry_out(kill, templates[kill.victim.name], home)
            context.count("kills")
        except NotReached:
            context.count("steps not made this time")
        except AssertionError as error:
            context.broken(f"{kill}: {error}")
    end_all(context)
    return context.figures()


def end_all(context: Context) -> None:
    """Say that all was tried, if strace could try its part."""
    if child.may_be_traced():
        context.exhausted()
    else:
        context.count("without strace: system calls were left out")


class NotReached(Exception):
    """The script came to its end without making that step: chance decides some of its directories."""


def carry_out(kill: Kill, template: Path, home: Path) -> None:
    """Kill once, and see that all holds. Raises: AssertionError, NotReached."""
    begin_from(template, home)
    if kill.call:
        inject = ["-e", f"trace={kill.call}", "-e", f"inject={kill.call}:signal=KILL:when={kill.point}"]
        ended = child.run(lambda say: kill.victim.script(home, lambda _: say(b"a"), None), inject)
    else:
        ended = child.run(lambda say: _run_to_point(kill.victim, home, kill.point, say))
    assert ended.exit_code in (None, 0), ended.said.decode("utf-8", "replace")
    kill.victim.check(home, ended.said.count(b"a"))
    if not ended.killed:
        raise NotReached


def all_kills(victim: Victim, template: Path, workplace: Path) -> Iterator[Kill]:
    """Every point of a script, and every system call towards the disk where strace may count them."""
    home = workplace / "counted"
    if victim.layered:
        begin_from(template, home)
        yield from (Kill(victim, point) for point in range(count_points(victim, home)))
    if child.may_be_traced():
        begin_from(template, home)
        calls = child.count_calls(lambda say: victim.script(home, lambda _: say(b"a"), None), workplace / "strace.log")
        yield from (Kill(victim, n + 1, call) for call, total in sorted(calls.items()) for n in range(total))


def count_points(victim: Victim, home: Path) -> int:
    """How many points the script passes."""
    ended = child.run(lambda say: _run_to_point(victim, home, -1, say))
    assert ended.exit_code == 0, ended.said.decode("utf-8", "replace")
    return int(ended.said.rpartition(b"p")[2])


def begin_from(template: Path, home: Path) -> None:
    """A fresh copy of a prepared home."""
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(template, home)


def _run_to_point(victim: Victim, home: Path, point: int, say: child.Say) -> None:
    killer = Killer(point)
    killer.install()
    victim.script(home, lambda _: say(b"a"), KillingFiles(killer))
    say(b"p%d" % killer.passed)


SCENARIOS = (
    Scenario(
        name="kill-every-step",
        promise="A kill at any step loses nothing that was acknowledged and leaves nothing half done.",
        figure="every system call towards the disk and commit boundary of put, overwrite, delete, move, gc, rotate",
        run=run,
        share=3.0,
    ),
    Scenario(
        name="kill-maintenance",
        promise="Maintenance that is killed has done its work or nothing, and the next run ends what was begun.",
        figure="every system call towards the disk of expire, drop-old, backup, restore and shred",
        run=lambda context: run(context, MAINTENANCE),
        share=2.0,
    ),
)
