"""Disks that are full, and accounts that are: wherever it comes to that, nothing is lost, and one can still delete."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

from cryptography.fernet import Fernet

from sfos.protocol import QuotaExceeded, SfosError, StorageFull
from sfos.server.maintenance.expire import expire_history
from sfos.server.maintenance.gc import collect_garbage
from sfos.server.maintenance.verify import verify_space
from sfos.server.spaces.operations.context import StoreLimits
from sfos.server.spaces.registry import SpaceRegistry
from sfos.server.spaces.space import Space
from sfos.server.vault.master import MasterKey
from tests.storage.clock import Clock
from tests.storage.crashing import SPACE_ID
from tests.storage.desk import Desk
from tests.support.small_disk import MAY_MOUNT, fill, registry_on, small_disk
from tests.torture.scenario import Context, Figures, Scenario

DISK_BYTES = 16 * 2**20
RESERVE_BYTES = 4 * 2**20
PAGE_BYTES = 4_096
LAST_PAGE = 512  # with so many left a session hardly ever meets the end
STEPS = 24
FULL_DISKS = 256
QUOTA_BYTES = 400_000
SEQUENCES = 200

Tree = dict[str, bytes | None]


class Work:
    """Steps drawn by lot, and the tree that those which were acknowledged have made."""

    def __init__(self, context: Context, desk: Desk, tree: Tree) -> None:
        self._random = context.random
        self._desk = desk
        self.tree = tree

    def step(self) -> None:
        """One change. Raises: SfosError; then nothing has changed."""
        kinds = (self._put, self._put, self._put_small, self._list, self._folder, self._move, self._copy, self._delete)
        self._random.choice(kinds)()

    def _files(self) -> list[str]:
        return [path for path, data in self.tree.items() if data is not None]

    def _put(self) -> None:
        path, data = f"/f{self._random.randrange(12)}", self._random.randbytes(self._random.choice((0, 900, 150_000)))
        self._desk.put(path, data)
        self.tree[path] = data

    def _put_small(self) -> None:
        files = {f"/f{self._random.randrange(12)}": self._random.randbytes(30) for _ in range(5)}
        self._desk.put_many(files)
        self.tree |= files

    def _list(self) -> None:
        """A long list of chunks that are short."""
        piece = self._random.randbytes(64)
        path, data = f"/f{self._random.randrange(12)}", piece * 300
        records = self._desk.upload(piece, cut_bytes=8) * 300
        results, _ = self._desk.commit([self._desk.item(path, records)], records)
        assert results[0].error is None
        self.tree[path] = data

    def _folder(self) -> None:
        path = f"/d{self._random.randrange(100_000)}"
        if path not in self.tree:
            self._desk.make_folder(path)
            self.tree[path] = None

    def _move(self) -> None:
        if files := self._files():
            source, target = self._random.choice(files), f"/m{self._random.randrange(100_000)}"
            if target not in self.tree:
                self._desk.move(source, target)
                self.tree[target] = self.tree.pop(source)

    def _copy(self) -> None:
        if files := self._files():
            source, target = self._random.choice(files), f"/c{self._random.randrange(100_000)}"
            if target not in self.tree:
                self._desk.copy(source, target)
                self.tree[target] = self.tree[source]

    def _delete(self) -> None:
        if self.tree:
            path = self._random.choice(list(self.tree))
            self._desk.delete(path)
            del self.tree[path]


def check_space(registry: SpaceRegistry, desk: Desk, tree: Tree) -> None:
    """Check that the space has this tree, and verifies clean. Raises: AssertionError."""
    assert desk.tree() == tree, "the tree is not what was acknowledged"
    with registry.inspect(SPACE_ID) as opened:
        assert (found := verify_space(opened, full=True).findings) == [], f"verify: {found}"


# --- Disks --------------------------------------------------------------------------------------------------------


def run_disks(context: Context) -> Figures:
    """Disk after disk, each filled by something else but for some pages; the session meets the end there."""
    if not MAY_MOUNT:
        context.count("disks, for only root may mount a small one", 0)
        return context.figures("gave up")
    key = MasterKey.parse(Fernet.generate_key().decode())
    while context.going():
        pages = context.random.randrange(LAST_PAGE)
        restarted = context.random.random() < 0.5
        try:
            with small_disk(context.workplace / "disk", DISK_BYTES) as disk:
                suffer(context, disk, key, pages, restarted=restarted)
        except (AssertionError, SfosError) as error:
            when = "after a restart" if restarted else "at once"
            context.broken(f"{pages} pages left, met {when}: {type(error).__name__}: {error}")
        context.count("full disks")
    return context.figures()


def suffer(context: Context, disk: Path, key: MasterKey, pages: int, *, restarted: bool) -> None:
    """A session on a disk with so many pages left, and what must hold during it and afterwards.

    Raises: AssertionError, SfosError.
    """
    clock, tree = Clock(), dict[str, bytes | None]()
    with closing(registry_on(disk, key, clock, RESERVE_BYTES)) as registry, registry.lease(SPACE_ID) as space:
        work = Work(context, Desk(space), tree)
        for _ in range(STEPS // 2):
            work.step()
        if not restarted:
            _leave(disk, pages)
            _session(context, registry, space, tree)
    if restarted:
        _leave(disk, pages)
    with closing(registry_on(disk, key, clock, RESERVE_BYTES)) as registry, registry.lease(SPACE_ID) as space:
        if restarted:
            _session(context, registry, space, tree)
        desk = Desk(space)
        (disk / "filled").unlink()
        for path in list(tree):
            desk.delete(path)
        with registry.inspect(SPACE_ID) as opened:
            for _ in range(3):
                clock.ahead_ms += 1_000
                expire_history(opened, 0)
                collect_garbage(opened, 0)
        desk.put("/new", b"there is room again")
        check_space(registry, desk, {"/new": b"there is room again"})


def _session(context: Context, registry: SpaceRegistry, space: Space, tree: Tree) -> None:
    desk = Desk(space)
    work = Work(context, desk, tree)
    for _ in range(STEPS):
        try:
            work.step()
        except StorageFull:
            context.count("steps refused")
        else:
            context.count("steps done")
    assert desk.tree() == tree, "on the full disk the tree is not what was acknowledged"
    for path in list(tree)[: len(tree) // 2]:
        desk.delete(path)
        del tree[path]
        context.count("deletions on a full disk")
    with registry.inspect(SPACE_ID) as opened:
        collect_garbage(opened, 3_600_000)
    check_space(registry, desk, tree)


def _leave(disk: Path, pages: int) -> None:
    """Fill the disk but for so many pages."""
    fill(disk, "filled")
    size = (disk / "filled").stat().st_size
    os.truncate(disk / "filled", max(0, size - pages * PAGE_BYTES))


# --- Quotas -------------------------------------------------------------------------------------------------------


def run_quotas(context: Context) -> Figures:
    """Sequence after sequence under a small quota: what is counted is what a recount says, and never more than it."""
    key = MasterKey.parse(Fernet.generate_key().decode())
    number = 0
    while context.going():
        number += 1
        home = context.workplace / str(number)
        clock, tree = Clock(), dict[str, bytes | None]()
        limits = StoreLimits(free_floor_bytes=0)
        with (
            closing(SpaceRegistry(home / "storage", home / "temp", key, limits=limits, now_ms=clock)) as registry,
            registry.lease(SPACE_ID) as space,
        ):
            try:
                _fill_account(context, registry, space, tree, clock)
            except (AssertionError, SfosError) as error:
                context.broken(f"sequence {number}: {type(error).__name__}: {error}")
        context.count("sequences")
    return context.figures()


def _fill_account(context: Context, registry: SpaceRegistry, space: Space, tree: Tree, clock: Clock) -> None:
    desk = Desk(space, quota_bytes=QUOTA_BYTES)
    work = Work(context, desk, tree)
    refused = 0
    for _ in range(8 * STEPS):
        kept = space.usage(desk.caller).bytes_stored
        try:
            work.step()
        except QuotaExceeded:
            refused += 1
        now = space.usage(desk.caller).bytes_stored
        assert now <= max(QUOTA_BYTES, kept + 2_000), f"{now} bytes are kept under a quota of {QUOTA_BYTES}"
        if refused == STEPS:
            break
    context.count("steps refused", refused)
    check_space(registry, desk, tree)
    for path in list(tree):
        desk.delete(path)
    with registry.inspect(SPACE_ID) as opened:
        for _ in range(3):
            clock.ahead_ms += 8 * 86_400_000
            expire_history(opened, 0)
            collect_garbage(opened, 0)
    check_space(registry, desk, {})
    left = space.usage(desk.caller).bytes_stored
    assert left < QUOTA_BYTES // 4, f"an emptied account still holds {left} bytes"
    desk.put("/new", b"there is room again")


DISKS = Scenario(
    name="full-disk",
    promise="On a disk that is full at any moment nothing acknowledged is lost, and one reads, deletes and goes on.",
    figure=f"{FULL_DISKS} small disks, each filled by something else at another point",
    run=run_disks,
    goal={"full disks": FULL_DISKS},
)
QUOTAS = Scenario(
    name="full-quota",
    promise="Whatever an account does, what is kept for it is counted, bounded, and free again once it is deleted.",
    figure=f"{SEQUENCES} sequences of changes under a small quota",
    run=run_quotas,
    goal={"sequences": SEQUENCES},
)
SCENARIOS = (DISKS, QUOTAS)
