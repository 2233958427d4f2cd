#!/usr/bin/env python3
"""Instructions that client and server execute for everyday work; with --base, beside those of another revision.

They repeat where times do not, so that a hundredth more or less can be seen on a busy machine. Counted is what runs in
user space, by the processor (perf stat) or, where there is no such counter, by valgrind. Both revisions run from the
same Python environment, in turns (A B A B ...), each turn in a new home with the same files; figures are medians.
"Scatter" is how far the highest is above the lowest, in parts of the median: a smaller difference means nothing.

The head is the working tree: leave it alone meanwhile. Valgrind is slow; each turn takes it a good minute, so that five
runs of two revisions take up to a quarter of an hour on two idle cores, and twice that on busy ones, with the same
figures. --files 1000 --runs 3 takes a third of it.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.harness.counting import Count, Counter, counter
from bench.harness.data import NotEqual, check_equal, make_names, make_tree, remove
from bench.harness.machine import commit_of
from bench.harness.ours import Ours, as_it_is
from bench.harness.processes import ProgramFailed, end_in_order, must
from bench.harness.side import CHECKOUT, NotInstalled

LISTED = 100
FILE_BYTES = 4096
WORKS = ("ls", "up", "unchanged", "down")
SIDES = ("client", "server")
_PROGRAMS = ("ssl_server.py", "cli_client.py", "create_credentials.py", "generate_certificate.py")
_ARRIVES = "up"  # what "unchanged" and "down" need to have happened
_REPEATABLE = ("ls", "unchanged")  # the second time is like the first

# Hashes decide where dictionaries look first. The times are the longest that are allowed: counted programs are slow.
_SETTINGS = {
    "PYTHONHASHSEED": "0",
    "SFOS_SERVER_HANDSHAKE_TIMEOUT_S": "600",
    "SFOS_SERVER_LOGIN_TIMEOUT_S": "600",
    "SFOS_SERVER_STALL_TIMEOUT_S": "3600",
    "SFOS_SERVER_MIN_RATE_BYTES_S": "0",
    "SFOS_CLIENT_CONNECT_TIMEOUT_S": "600",
    "SFOS_CLIENT_REQUEST_TIMEOUT_S": "3600",
}

_EPILOG = """works (--only): ls (signed in before, a folder of 100 files); up, unchanged (put again), down (small files)
exit codes: 0 counted · 1 something is missing or failed · 2 wrong arguments · 130 interrupted
"""


class CannotMeasure(Exception):
    """A revision that cannot be had or run; the message says why."""


def at_least_one(text: str) -> int:
    """An argument that is a number of things."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 1")
    return int(text)


def works(text: str) -> list[str]:
    """An argument that names works, with commas between them; in the order in which they are done."""
    named = text.split(",")
    for name in named:
        if name not in WORKS:
            raise argparse.ArgumentTypeError(f"no such work: {name!r} (there are {', '.join(WORKS)})")
    return [work for work in WORKS if work in named]


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="./run.sh bench instructions",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--base", metavar="REV", help="count this revision as well, and compare")
    parser.add_argument("--runs", type=at_least_one, default=5, help="how often each is counted (default: 5)")
    parser.add_argument("--files", type=at_least_one, default=10_000, help="how many small files (default: 10,000)")
    parser.add_argument(
        "--only", type=works, default=list(WORKS), metavar="WORK,…", help="these works alone (default: all)"
    )
    return parser.parse_args()


@dataclass
class Revision:
    """A checkout whose programs are counted, and what was counted."""

    title: str
    checkout: Path
    counts: dict[str, list[Count]] = field(default_factory=lambda: {work: [] for work in WORKS})

    def of(self, work: str, side: str) -> list[int]:
        """All counts of one work on one side."""
        return [getattr(count, side) for count in self.counts[work]]


def _git(*words: str) -> str:
    command = ["git", "-C", str(CHECKOUT), "-c", "core.hooksPath=/dev/null", *words]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except FileNotFoundError:
        raise NotInstalled("git is not installed; it is needed for --base") from None
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip().splitlines()
        raise CannotMeasure(f"git {words[0]}: {said[-1] if said else 'failed'}") from None


@contextmanager
def checked_out(rev: str, place: Path) -> Iterator[Revision]:
    """A working tree of the revision `rev` for as long as it is needed. Raises: CannotMeasure, NotInstalled."""
    _git("rev-parse", "--is-inside-work-tree")
    try:
        commit = _git("rev-parse", "--verify", "--end-of-options", f"{rev}^{{commit}}")
    except CannotMeasure:
        raise CannotMeasure(f"--base: there is no revision {rev!r} here") from None
    checkout = place / "base"
    try:
        _git("worktree", "add", "--detach", str(checkout), commit)
        missing = [name for name in _PROGRAMS if not (checkout / name).is_file()]
        if missing:
            raise CannotMeasure(f"--base: the revision {rev!r} has no {', '.join(missing)}")
        yield Revision(commit[:10], checkout)
    finally:
        if checkout.exists():
            _git("worktree", "remove", "--force", str(checkout))


class Measurement:
    """Parts that all turns share. The data is the same in all, so that each does the same work."""

    def __init__(self, place: Path, counter: Counter, files: int, only: list[str]) -> None:
        self._place, self._counter, self._only = place, counter, only
        self._names = make_names(place / "names", LISTED, LISTED)
        self._files = make_tree(place / "files", files, FILE_BYTES, "instructions")

    def turn(self, revision: Revision, *, counted: bool) -> None:
        """All works once, with a new server in a new home. What is not counted writes the bytecode for what is.

        Raises: ProgramFailed, NotEqual.
        """
        place, back = self._place / "turn", self._place / "back"
        place.mkdir()
        with ExitStack() as stack:
            stack.callback(remove, place)
            serve = self._counter.serve if counted else as_it_is
            ours = Ours(place, checkout=revision.checkout, settings=_SETTINGS, serve=serve)
            ours.start(stack)
            must(ours.put_folder(self._names, "names"))
            commands = {
                "ls": ours.list_names("names", recursive=False),
                "up": ours.put_folder(self._files, "files"),
                "unchanged": ours.put_folder(self._files, "files"),
                "down": ours.get_folder("files", back),
            }
            must(commands["ls"])  # the first request after signing in may find less than later ones
            for work in WORKS:
                if work in self._only and counted:
                    assert ours.server_pid is not None
                    count = self._counter.count(commands[work], ours.server_pid, repeatable=work in _REPEATABLE)
                    revision.counts[work].append(count)
                elif work in self._only or (work == _ARRIVES and self._only != ["ls"]):
                    must(commands[work])
        if back.exists():
            check_equal(back, self._files)
            remove(back)


def scatter(counts: list[int]) -> float:
    """How far the highest is above the lowest, in parts of the median."""
    return (max(counts) - min(counts)) / statistics.median(counts)


def table(revisions: list[Revision], only: list[str]) -> str:
    """Medians in millions of instructions, and how far the single ones lie apart."""
    titles = [revision.title for revision in revisions]
    head = f"{'work':10} {'side':7}" + "".join(f" {title:>12} {'scatter':>8}" for title in titles)
    lines = [head + ("   ratio" if len(revisions) == 2 else "")]
    for work in only:
        for side in SIDES:
            found = [revision.of(work, side) for revision in revisions]
            medians = [statistics.median(counts) for counts in found]
            line = f"{work:10} {side:7}"
            for counts, median in zip(found, medians, strict=True):
                line += f" {median / 1e6:10,.1f} M {scatter(counts):8.2%}"
            if len(medians) == 2:
                line += f"  {medians[1] / medians[0]:6.4f}"
            lines.append(line)
    return "\n".join(lines)


def measure(options: argparse.Namespace, place: Path, stack: ExitStack) -> str:
    """Count; the figures, to be read. Raises: CannotMeasure, NotInstalled, ProgramFailed, NotEqual."""
    commit = commit_of(CHECKOUT)
    dirty = "+" if commit.endswith("+") else ""
    revisions = [Revision(f"{commit[:10]}{dirty}" or "working tree", CHECKOUT)]
    if options.base is not None:
        revisions.insert(0, stack.enter_context(checked_out(options.base, place)))
    (place / "counter").mkdir()
    way = counter(place / "counter")
    measurement = Measurement(place, way, options.files, options.only)
    for run in range(options.runs + 1):
        for revision in revisions:
            begin = time.monotonic()
            measurement.turn(revision, counted=run > 0)
            done = f"run {run} of {options.runs}" if run else "warmed up"
            print(f"{done}: {revision.title}, {time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)
    title = f"Instructions in user space, by {way.title}; {options.files:,} files; medians of {options.runs}."
    return f"{title}\n\n{table(revisions, options.only)}"


def main() -> int:
    """See the module."""
    options = parse()
    end_in_order()
    try:
        with tempfile.TemporaryDirectory(prefix="sfos-instructions-") as directory, ExitStack() as stack:
            print(measure(options, Path(directory), stack))
    except KeyboardInterrupt:
        return 130
    except (CannotMeasure, NotInstalled, ProgramFailed, NotEqual) as error:
        print(f"instructions: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
