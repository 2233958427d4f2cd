#!/usr/bin/env python3
"""A backup of a million small files, and what looks after them: how long, how much memory, how much on the disk.

    python bench/backup.py [--files 1000000] [--bytes 1024] [--home DIR] [--json FILE]

Makes a home with so many different files in one space, 1,000 to a folder, by real commits (with --home it is kept, and
the next run takes it as it is), then runs `manage_storage.py` as a process of its own: a first backup, one with nothing
new, one after 12 files more, a restoration, `verify` of that, with and without --full. Beside them stands what reading
all of it once takes: the catalog, and the tokens in the order in which they lie. Elapsed and processor seconds, the
most memory that the process held (VmHWM), and by how much what it writes to grew.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.harness import processes
from bench.harness.processes import Command
from sfos import config
from sfos.protocol import ChunkRecord, CommitItem, Target, chunk_id
from sfos.server.home import open_spaces
from sfos.server.spaces.operations.context import Caller
from sfos.server.spaces.space import IdempotencyKey, Space

ROOT = Path(__file__).resolve().parent.parent
SPACE_ID = "0123456789abcdef" * 2
ME = Caller("bench")
IN_FOLDER, IN_COMMIT = 1_000, 2_000
NO_FLOOR = {"SFOS_STORAGE_FREE_SPACE_FLOOR_BYTES": "0"}


@dataclass(frozen=True)
class Run:
    """One line of the result. `grew`: bytes by which what is written to grew; None where nothing is."""

    what: str
    elapsed_s: float
    processor_s: float
    most_mib: float
    grew: int | None = None


@contextmanager
def opened(home: Path) -> Iterator[Space]:
    """The space of the bench."""
    registry = open_spaces(config.load(environ=NO_FLOOR, home=home))
    with closing(registry), registry.lease(SPACE_ID) as space:
        yield space


def put(space: Space, first: int, count: int, size: int) -> None:
    """So many files of random bytes, in commits that carry their contents."""
    key = space.info().chunk_key
    for start in range(first, first + count, IN_COMMIT):
        numbers = range(start, min(start + IN_COMMIT, first + count))
        contents = [os.urandom(size) for _ in numbers]
        records = [ChunkRecord(chunk_id(key, data), size) for data in contents]
        items = [
            CommitItem(
                target=Target(path=f"/folder {number // IN_FOLDER:05}/file {number:07}.txt"),
                size=size,
                mtime_ns=1_700_000_000_000_000_000 + number,
                content=record.chunk_id,
                chunks=1,
            )
            for number, record in zip(numbers, records, strict=True)
        ]
        plain = [(record.chunk_id, record.length) for record in records]
        done = space.put_items(ME, IdempotencyKey(os.urandom(16)), items, plain, plain, memoryview(b"".join(contents)))
        errors = [result.error for result in done.results if result.error is not None]
        assert not errors, errors[0]
        print(f"\r{numbers.stop:,} files", end="", file=sys.stderr)
    print(file=sys.stderr)


def size_of(place: Path) -> int:
    """Bytes that the files below it take."""
    return sum(path.stat().st_size for path in place.rglob("*") if path.is_file()) if place.exists() else 0


def run(what: str, command: list[str], grows: Path | None = None) -> Run:
    """Run it, and say what it took. Raises: SystemExit if it fails."""
    before = size_of(grows) if grows is not None else 0
    outcome = processes.run(Command((sys.executable, *command), {**os.environ, **NO_FLOOR}), watch_memory=True)
    if outcome.exit_code:
        sys.exit(f"{what}: exit code {outcome.exit_code}: {outcome.complaint}")
    grew = size_of(grows) - before if grows is not None else None
    done = Run(what, outcome.seconds, outcome.cpu_s, outcome.peak_bytes / 2**20, grew)
    print(line(done), flush=True)
    return done


def line(done: Run) -> str:
    """As people read it."""
    grew = "" if done.grew is None else f"{done.grew / 1e6:12,.2f} MB"
    return f"{done.what:36} {done.elapsed_s:8.1f} s {done.processor_s:8.1f} s {done.most_mib:8.0f} MiB{grew}"


def read_in_a_row(space: Path) -> None:
    """Read all that is stored, each in the order in which it lies."""
    for path in sorted(space.rglob("*")):
        if path.is_file() and path.name != "small.db":
            with path.open("rb") as file:
                while file.read(2**20):
                    pass
    with closing(sqlite3.connect(space / "small.db")) as connection:
        for _ in connection.execute("SELECT location, chunk, token FROM tokens ORDER BY location"):
            pass


def measure(home: Path, work: Path, size: int) -> list[Run]:
    """All runs, in order."""
    space = home / "server_storage" / SPACE_ID
    manage, place, other = str(ROOT / "manage_storage.py"), work / "backups", work / "other"
    backup = [manage, "--home", str(home), "backup", str(place)]
    runs = [
        run("reading all in a row", [__file__, "--read", str(space)]),
        run("first backup", backup, place),
        run("backup of nothing new", backup, place),
    ]
    with opened(home) as there:
        put(there, 10**9 + time.time_ns() % 10**6, 12, size)
    runs.append(run("backup after 12 files more", backup, place))
    (other / "secrets").mkdir(parents=True)
    shutil.copy(home / "secrets" / "master.key", other / "secrets")
    runs.append(run("restore", [manage, "--home", str(other), "restore", str(place)], other))
    runs.append(run("verify", [manage, "--home", str(other), "verify"]))
    runs.append(run("verify --full", [manage, "--home", str(other), "verify", "--full"]))
    return runs


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--bytes", type=int, default=1_024, dest="size", help="of each file")
    parser.add_argument("--home", type=Path, help="make the home there, and keep it; one that is there is taken")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read is not None:
        read_in_a_row(options.read)
        return 0
    with tempfile.TemporaryDirectory(prefix="sfos-backup-") as place:
        home = options.home or Path(place) / "home"
        if not home.exists():
            home.mkdir(parents=True)
            with opened(home) as space:
                put(space, 0, options.files, options.size)
            (home / "secrets" / "credentials.json").write_text("{}")
        runs = measure(home, Path(place), options.size)
    if options.json:
        options.json.write_text(json.dumps([asdict(one) for one in runs], indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
