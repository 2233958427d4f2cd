"""Work in a space that is killed, or whose disk fails, in the middle; see test_crash.py and tests/torture.

Three scripts: `work` does everything that clients do, `collect` collects garbage, `rotate` rotates keys. After each
step that was answered its number is acknowledged at once: what was acknowledged must survive. Each step bears the same
op_ids in every run, so that it can be sent again after a crash.

As a program, `python -m tests.storage.crashing HOME`, it does the work, to be killed from outside.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from sqlite3 import Connection

from sfos.server.catalog import head as head_file
from sfos.server.catalog.engine import Catalog, Transaction
from sfos.server.chunks.files import LocalFiles
from sfos.server.chunks.small import SmallStore
from sfos.server.maintenance.gc import collect_garbage
from sfos.server.maintenance.rotate import rotate_keys
from sfos.server.spaces.operations import change
from sfos.server.spaces.operations.context import StoreLimits
from sfos.server.spaces.registry import SpaceRegistry, wall_clock_ms
from sfos.server.vault.master import LiveMasterKey, MasterKey
from tests.storage.desk import Desk

STEPS = 9
COMMITS = 8  # of these steps one only uploads
SPACE_ID = "c" * 32
CANARY = b"a canary that nobody may read on the disk"
BIG = 170_000  # two chunks
DAY_MS = 86_400_000

Acknowledge = Callable[[int], object]
Script = Callable[[Path, Acknowledge, LocalFiles | None], None]


def content(step: int, size: int) -> bytes:
    """Content that a step stores: the same in every run."""
    return CANARY + random.Random(step).randbytes(size - 2 * len(CANARY)) + CANARY


def open_registry(home: Path, *, ahead_ms: int = 0, files: LocalFiles | None = None) -> SpaceRegistry:
    """A registry as a server's, whose clock runs ahead."""
    return SpaceRegistry(
        home / "server_storage",
        home / "temp",
        MasterKey.parse((home / "master.key").read_text()),
        limits=StoreLimits(free_floor_bytes=0),
        now_ms=lambda: wall_clock_ms() + ahead_ms,
        sync_threads=1,
        files=files,
    )


def do(desk: Desk, step: int) -> None:
    """Put, overwrite, move, copy, delete, upload without a commit."""
    numbers = count()
    desk.new_op = lambda: hashlib.blake2b(b"%d.%d" % (step, next(numbers)), digest_size=16).digest()
    if step == 0:
        desk.put("/canary big", content(0, BIG))
    elif step == 1:
        desk.put_many({f"/canary small/{number}": content(10 + number, 2_000) for number in range(5)})
    elif step == 2:
        desk.put("/canary big", content(2, BIG))
    elif step == 3:
        desk.move("/canary small", "/canary moved")
    elif step == 4:
        desk.copy("/canary moved", "/canary copy")
    elif step == 5:
        desk.upload(content(5, BIG))
    elif step == 6:
        desk.delete("/canary moved")
    elif step == 7:
        desk.put("/canary copy/0", content(7, BIG))
    elif step == 8:
        desk.put_many({"/a/b/c/canary": content(8, 100)})


def expected(steps: int) -> dict[str, bytes | None]:
    """The tree after the first `steps` steps."""
    small = {str(number): content(10 + number, 2_000) for number in range(5)}
    tree: dict[str, bytes | None] = {}
    if steps >= 1:
        tree["/canary big"] = content(0, BIG)
    if steps >= 3:
        tree["/canary big"] = content(2, BIG)
    for first, last, folder in ((2, 3, "/canary small"), (4, 6, "/canary moved"), (5, STEPS, "/canary copy")):
        if first <= steps <= last:
            tree[folder] = None
            tree |= {f"{folder}/{name}": data for name, data in small.items()}
    if steps >= 8:
        tree["/canary copy/0"] = content(7, BIG)
    if steps >= 9:
        tree |= {"/a": None, "/a/b": None, "/a/b/c": None, "/a/b/c/canary": content(8, 100)}
    return tree


def work(home: Path, acknowledge: Acknowledge, files: LocalFiles | None = None) -> None:
    """All steps, one after the other."""
    with closing(open_registry(home, files=files)) as registry, registry.lease(SPACE_ID) as space:
        desk = Desk(space)
        for step in range(STEPS):
            do(desk, step)
            acknowledge(step)


def collect(home: Path, acknowledge: Acknowledge, files: LocalFiles | None = None) -> None:
    """Collect garbage, ten days later."""
    registry = open_registry(home, ahead_ms=10 * DAY_MS, files=files)
    with closing(registry), registry.inspect(SPACE_ID) as context:
        collect_garbage(context, 0)
    acknowledge(0)


def rotate(home: Path, acknowledge: Acknowledge, files: LocalFiles | None = None) -> None:
    """Rotate the keys of all spaces."""
    key_file = home / "master.key"
    live = LiveMasterKey.load(key_file, None, may_create=False)
    rotate_keys(home / "server_storage", live, lambda _: None)
    acknowledge(0)


class Killer:
    """Kills this process at the nth point that it passes; with n = -1 it only counts."""

    def __init__(self, at: int) -> None:
        self._at = at
        self.passed = 0

    def point(self) -> None:
        if self.passed == self._at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.passed += 1

    def install(self) -> None:
        """Make points of what happens around transactions. For a process that will end soon: nothing is put back."""
        original_write, original_small, original_head = Catalog.write, SmallStore._write, head_file.write_head

        @contextmanager
        def write(catalog: Catalog) -> Iterator[Transaction]:
            with original_write(catalog) as tx:
                yield tx
                self.point()
            self.point()

        def write_small(store: SmallStore, work: Callable[[Connection], object]) -> None:
            self.point()
            original_small(store, work)
            self.point()

        def write_head(directory: Path, head: head_file.Head) -> None:
            self.point()
            original_head(directory, head)
            self.point()

        Catalog.write = write  # type: ignore[method-assign, assignment]
        SmallStore._write = write_small  # type: ignore[method-assign, assignment]
        change.write_head = write_head  # type: ignore[attr-defined]


class KillingFiles(LocalFiles):
    """Passes a point before and after everything that touches the disk, and in the middle of each write."""

    def __init__(self, killer: Killer) -> None:
        self._killer = killer

    def create(self, path: Path) -> int:
        self._killer.point()
        descriptor = super().create(path)
        self._killer.point()
        return descriptor

    def write(self, descriptor: int, data: memoryview) -> None:
        super().write(descriptor, data[: len(data) // 2])
        self._killer.point()
        super().write(descriptor, data[len(data) // 2 :])
        self._killer.point()

    def sync(self, descriptor: int) -> None:
        self._killer.point()
        super().sync(descriptor)
        self._killer.point()

    def rename(self, source: Path, target: Path) -> None:
        super().rename(source, target)
        self._killer.point()

    def unlink(self, path: Path) -> None:
        super().unlink(path)
        self._killer.point()

    def make_directory(self, path: Path) -> None:
        super().make_directory(path)
        self._killer.point()

    def sync_directory(self, path: Path) -> None:
        super().sync_directory(path)
        self._killer.point()


def main() -> None:
    work(Path(sys.argv[1]), lambda step: os.write(1, b"%d\n" % step))


if __name__ == "__main__":
    main()
