#!/usr/bin/env python3
"""This project side by side with its peers, on the same data, in one run.

Times are those of whole commands, from their start to their exit; medians of at least three runs that alternate between
the sides, so that a drift of the machine hits all alike. Peers that are not installed are named and left out. The table
goes to standard output; with a whole run in full size also into docs/performance.md, between its markers; and as JSON
with every single run to bench/results/.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from msgspec import ValidationError

from bench.harness import works_files, works_ours
from bench.harness.bench import QUICK, Bench, Results, SideFacts, Sizes
from bench.harness.ceiling_side import Ceiling
from bench.harness.data import NotEqual
from bench.harness.machine import commit_of, describe
from bench.harness.openssh import Rsync, Sftp, SshServer
from bench.harness.ours import Ours
from bench.harness.processes import ProgramFailed, end_in_order
from bench.harness.rclone import Rclone
from bench.harness.report import markdown, put_between_markers, read_json, write_json
from bench.harness.restic import Restic
from bench.harness.side import CHECKOUT, NotInstalled, Side

PARTS: dict[str, Callable[[Bench], None]] = {
    "large": works_files.large,
    "small": works_files.small,
    "link": works_files.link,
    "names": works_files.names,
    "clients": works_ours.clients,
    "memory": works_ours.memory,
    "growth": works_ours.growth,
}
DOCUMENT = CHECKOUT / "docs" / "performance.md"
RESULTS = CHECKOUT / "bench" / "results"

_EPILOG = """parts (--only): large, small, link, names, clients, memory, growth
exit codes: 0 measured · 1 this project itself failed · 2 wrong arguments · 130 interrupted
"""


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="./run.sh bench",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="small sizes and one run: shows that everything works")
    parser.add_argument("--only", action="append", choices=PARTS, metavar="PART", help="only this part (repeatable)")
    parser.add_argument(
        "--without", action="append", default=[], metavar="SIDE", help="leave out sides with SIDE in their title"
    )
    parser.add_argument("--resume", action="store_true", help="go on with a run that was interrupted, part by part")
    parser.add_argument("--runs", type=int, help="how often each command is timed (default: 3)")
    parser.add_argument("--data-dir", type=Path, help="where to work; its filesystem is what everybody writes to")
    parser.add_argument("--keep", action="store_true", help="leave the working directory behind")
    parser.add_argument("--limit", type=float, default=1800, metavar="S", help="kill a command after so long (1800)")
    parser.add_argument(
        "--patience", type=float, default=60, metavar="S", help="do not repeat a peer's longer ones (60)"
    )
    parser.add_argument("--document", action="store_true", help="write docs/performance.md although not all was run")
    options = parser.parse_args()
    if options.runs is not None and options.runs < 1:
        parser.error("--runs: at least 1")
    return options


def all_sides(place: Path) -> list[Side]:
    """Every side, whether it is installed or not; this project first, since others use its certificate."""
    ours, ssh = Ours(place), SshServer(place)
    return [
        ours,
        Ceiling(place),
        Sftp(ssh),
        Rsync(ssh),
        Rclone(place, "webdav", ours.certificate),
        Rclone(place, "sftp", ours.certificate),
        Restic(place),
    ]


def start_sides(place: Path, stack: ExitStack, results: Results, without: list[str]) -> list[Side]:
    """The sides that run. Raises: ProgramFailed, if it is this project that does not."""
    running: list[Side] = []
    for side in all_sides(place):
        missing = "left out on request" if any(word.lower() in side.title.lower() for word in without) else ""
        try:
            if not missing:
                side.start(stack)
                running.append(side)
        except (NotInstalled, ProgramFailed, OSError) as error:
            if isinstance(side, Ours):
                raise
            missing = str(error)
        results.sides.append(SideFacts(side.title, side.version, side.note, missing))
        print(f"{side.title} {side.version}{f': {missing}' if missing else ''}", file=sys.stderr, flush=True)
    return running


@contextmanager
def workplace(parent: Path | None, *, keep: bool) -> Iterator[Path]:
    """A directory for this run alone, removed at its end unless it is to be kept."""
    if keep:
        path = Path(tempfile.mkdtemp(prefix="sfos-bench-", dir=parent))
        yield path
        print(f"kept: {path}", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory(prefix="sfos-bench-", dir=parent, ignore_cleanup_errors=True) as directory:
        yield Path(directory)


def interrupted_run(fresh: Results) -> Results:
    """Results of the last run, as far as it was whole; `fresh` unless code, sizes and machine are the same."""
    try:
        found = read_json(RESULTS / "latest.json")
    except (OSError, ValidationError):
        return fresh
    alike = ("machine", "sizes", "runs", "quick", "commit")
    if found.failures or any(getattr(found, name) != getattr(fresh, name) for name in alike):
        print("bench: the last run failed or was another (code, sizes, machine, day); beginning anew", file=sys.stderr)
        return fresh
    found.sides.clear()
    return found


def measure(options: argparse.Namespace, place: Path, stack: ExitStack) -> Results:
    """Run the parts; what was found so far is written down after each."""
    results = Results(
        describe(place),
        QUICK if options.quick else Sizes(),
        options.runs or (1 if options.quick else 3),
        options.quick,
        commit_of(CHECKOUT),
    )
    if options.resume:
        results = interrupted_run(results)
    parts = [part for part in options.only or PARTS if part not in results.parts]
    sides = start_sides(place, stack, results, options.without)
    bench = Bench(place, sides, results, limit_s=options.limit, patience_s=options.patience)
    for part in parts:
        bench.say(f"{part}:")
        for side in sides:
            side.empty()
        try:
            PARTS[part](bench)
            results.parts.append(part)
        except (ProgramFailed, NotEqual) as error:
            results.failures.append(f"{part}: {error}")
            bench.say(f"  failed: {error}")
        write_json(results, RESULTS / "latest.json")
    return results


def main() -> int:
    """See the module."""
    options = parse()
    end_in_order()
    try:
        with workplace(options.data_dir, keep=options.keep) as place, ExitStack() as stack:
            results = measure(options, place, stack)
    except KeyboardInterrupt:
        return 130
    except ProgramFailed as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    tables = markdown(results)
    print(tables)
    (RESULTS / "latest.md").write_text(tables)
    whole = not options.quick and set(results.parts) == set(PARTS) and results.runs >= 3
    if whole or options.document:
        put_between_markers(DOCUMENT, tables)
    return 1 if results.failures else 0


if __name__ == "__main__":
    sys.exit(main())
