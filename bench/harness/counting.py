"""Instructions (user space) that a client and its server execute: the processor's count or, without one, valgrind's.

A client is counted from its start to its exit, the server from the client's start until it is idle again.
"""

from __future__ import annotations

import subprocess
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from pathlib import Path

from bench.harness.processes import Command, ProgramFailed, must, run, wait_until_idle
from bench.harness.side import NotInstalled, environment, program

_EVENT = "instructions:u"
_ANSWER_S = 120.0  # valgrind answers between two blocks of code, and late on a machine that has other things to do


@dataclass(frozen=True)
class Count:
    """Instructions of one piece of work."""

    client: int
    server: int


class Counter(ABC):
    """A way to count. `title`: its name, for readers of the figures; `place`: a directory for what it writes."""

    title = ""

    def __init__(self, place: Path) -> None:
        self._place = place

    def serve(self, command: Command) -> Command:
        """The command that starts the server so that it can be counted."""
        return command

    @abstractmethod
    def count(self, command: Command, server_pid: int, *, repeatable: bool) -> Count:
        """Run a client of the server to its end; if it is `repeatable`, perhaps twice. Raises: ProgramFailed."""


class Perf(Counter):
    """The processor's own counter, which hardly slows anything down."""

    def __init__(self, place: Path) -> None:
        """Raises: NotInstalled, also where the machine has no such counter or does not let people read it."""
        super().__init__(place)
        self._perf = program("perf")
        self._figures = place / "perf.csv"
        self.title = "perf stat"
        trial = Command((*self._stat(self._figures), "--", program("true")), environment(place))
        if run(trial).exit_code or not self._counted(self._figures):
            raise NotInstalled(f"perf counts no {_EVENT} on this machine")

    def count(self, command: Command, server_pid: int, *, repeatable: bool) -> Count:
        """See Counter. The server is counted while a `cat` lives, which perf starts once it counts."""
        del repeatable  # once will do
        of_server = self._place / "perf-server.csv"
        watch = [*self._stat(of_server), "-p", str(server_pid), "--", "cat"]
        with subprocess.Popen(watch, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as watching:
            assert watching.stdin is not None and watching.stdout is not None
            watching.stdin.write(b"\n")
            watching.stdin.flush()
            if not watching.stdout.readline():
                raise ProgramFailed("perf cannot count the server")
            must(replace(command, arguments=(*self._stat(self._figures), "--", *command.arguments)))
            wait_until_idle(server_pid)
        counts = Count(self._counted(self._figures), self._counted(of_server))
        if not (counts.client and counts.server):
            raise ProgramFailed(f"perf counted no {_EVENT}")
        return counts

    def _stat(self, figures: Path) -> tuple[str, ...]:
        return self._perf, "stat", "-x", ",", "-e", _EVENT, "-o", str(figures)

    @staticmethod
    def _counted(figures: Path) -> int:
        """The sum over the kinds of cores, each of which has a line; 0 if nothing was counted."""
        fields = [line.split(",")[0] for line in figures.read_text().splitlines()]
        return sum(int(field) for field in fields if field.isdecimal())


class Valgrind(Counter):
    """A machine of its own, about 25 times slower, whose threads take turns, and which has no instructions for SHA.

    Cachegrind counts the client, without its caches. The server runs under massif, as that can be asked meanwhile: its
    clock is the instructions executed, and for pages in place of blocks it leaves the program's malloc alone.
    """

    def __init__(self, place: Path) -> None:
        """Raises: NotInstalled."""
        super().__init__(place)
        try:
            self._valgrind, self._vgdb = program("valgrind"), program("vgdb")
        except NotInstalled as missing:
            raise NotInstalled(f"{missing}. Install it: sudo apt-get install -y valgrind (or dnf, apk)") from None
        if " " in str(place):
            raise NotInstalled(f"valgrind cannot write to “{place}”, for the space in it; set TMPDIR to another place")
        self._environment = environment(place)
        self._door = f"--vgdb-prefix={place / 'vgdb'}"
        self._figures = place / "cachegrind.out"
        self.title = "valgrind"

    def serve(self, command: Command) -> Command:
        """See Counter."""
        massif = ("--tool=massif", "--time-unit=i", "--pages-as-heap=yes", "--depth=1", "--massif-out-file=/dev/null")
        return replace(command, arguments=(self._valgrind, "-q", self._door, *massif, *command.arguments))

    def count(self, command: Command, server_pid: int, *, repeatable: bool) -> Count:
        """See Counter. In what is repeatable, the server's part is counted with a client of the usual speed."""
        # Idle, a server executes 140,000 instructions a second (measured), and counted clients take many seconds.
        counted = self._count_client(command)
        if repeatable:
            must(counted)
            wait_until_idle(server_pid)
        before = self._executed(server_pid)
        must(command if repeatable else counted)
        wait_until_idle(server_pid)
        return Count(self._value(self._figures, "summary:"), self._executed(server_pid) - before)

    def _count_client(self, command: Command) -> Command:
        cachegrind = ("--tool=cachegrind", "--cache-sim=no", f"--cachegrind-out-file={self._figures}")
        return replace(command, arguments=(self._valgrind, "-q", "--vgdb=no", *cachegrind, *command.arguments))

    def _executed(self, server_pid: int) -> int:
        """Instructions that the server has executed since its start."""
        answer = self._place / "snapshot"
        answer.unlink(missing_ok=True)
        ask = Command((self._vgdb, self._door, f"--pid={server_pid}", "snapshot", str(answer)), self._environment)
        outcome = run(ask, limit_s=_ANSWER_S)
        if outcome.exit_code or not answer.exists():
            raise ProgramFailed(f"valgrind does not tell what the server has executed: {outcome.complaint}")
        return self._value(answer, "time=")

    @staticmethod
    def _value(file: Path, key: str) -> int:
        values = [line.removeprefix(key) for line in file.read_text().splitlines() if line.startswith(key)]
        if not values:
            raise ProgramFailed(f"valgrind wrote no “{key}”")
        return int(values[-1])


def counter(place: Path) -> Counter:
    """The best way to count on this machine. Raises: NotInstalled, naming what to install."""
    try:
        return Perf(place)
    except NotInstalled as no_perf:
        try:
            return Valgrind(place)
        except NotInstalled as no_valgrind:
            raise NotInstalled(f"{no_perf}, and {no_valgrind}") from None
