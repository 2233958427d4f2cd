"""Homes to be harmed, and what must hold in them afterwards. Whatever does not hold raises AssertionError."""

from __future__ import annotations

import os
import shutil
from contextlib import closing
from pathlib import Path

from cryptography.fernet import Fernet

from sfos.server.maintenance.gc import collect_garbage
from sfos.server.maintenance.verify import verify_space
from sfos.server.spaces.registry import SpaceRegistry
from sfos.server.vault.keyring import wrapped_under
from sfos.server.vault.master import MasterKey
from tests.storage.crashing import (
    CANARY,
    COMMITS,
    DAY_MS,
    SPACE_ID,
    STEPS,
    do,
    expected,
    open_registry,
    rotate,
)
from tests.storage.desk import Desk

SPACES = (SPACE_ID, "a" * 32, "b" * 32)  # those of a home whose keys are rotated
KEPT = CANARY * 4_000  # two chunks
_CANARIES = (CANARY, b"canary big", b"canary small", b"canary copy")


def start_over(home: Path) -> None:
    """An empty home, with a master key."""
    for name in ("server_storage", "temp"):
        shutil.rmtree(home / name, ignore_errors=True)
    home.mkdir(exist_ok=True)
    (home / "master.key").write_bytes(Fernet.generate_key())


def prepare_garbage(home: Path) -> None:
    """A home with a file that stays, an upload that nobody committed, and bytes without a row."""
    start_over(home)
    with closing(open_registry(home)) as registry, registry.lease(SPACE_ID) as space:
        desk = Desk(space)
        desk.put("/kept", KEPT)
        desk.upload(os.urandom(250_000))
        desk.upload(os.urandom(2_000))
        with registry.inspect(SPACE_ID) as context, context.store.batch() as batch:
            batch.add(bytes(32), memoryview(b"x" * 100_000))
            batch.add(bytes(32), memoryview(b"x" * 1_000))
            batch.finish()


def prepare_spaces(home: Path) -> None:
    """A home with several spaces, a file in each."""
    start_over(home)
    with closing(open_registry(home)) as registry:
        for space_id in SPACES:
            with registry.lease(space_id) as space:
                Desk(space).put("/kept", KEPT)


def check_work(home: Path, acknowledged: int) -> None:
    """Check after `work` was stopped: acknowledged steps stand, the next one whole or not at all.

    Then that step is sent again, as a client does, and so are the others; each lands once.
    """
    with closing(open_registry(home)) as registry:
        assert_nothing_partial(registry, home)
        with registry.lease(SPACE_ID) as space, registry.inspect(SPACE_ID) as context:
            desk = Desk(space)
            tree = desk.tree()
            assert tree in (expected(acknowledged), expected(min(acknowledged + 1, STEPS))), (
                f"after {acknowledged} acknowledged steps there are {sorted(tree)}: mixed or lost"
            )
            assert verify_space(context, full=True).findings == []
            for step in range(acknowledged, STEPS):
                do(desk, step)
                if step in (acknowledged, STEPS - 1):
                    assert desk.tree() == expected(step + 1), f"step {step} was sent again and is not there once"
            if acknowledged < STEPS:
                assert verify_space(context, full=True).findings == []
            with context.catalog.read() as tx:
                assert tx.execute("SELECT count(*) FROM commits") == [(COMMITS,)], "a step landed twice"
            assert_no_canary(home)


def check_collection(home: Path, acknowledged: int = 0) -> None:
    """Check after `collect` was stopped: the file is there, and the next collection ends what was begun."""
    with closing(open_registry(home, ahead_ms=20 * DAY_MS)) as registry:
        assert_nothing_partial(registry, home)
        with registry.lease(SPACE_ID) as space, registry.inspect(SPACE_ID) as context:
            assert verify_space(context, full=True).findings == []
            assert Desk(space).read("/kept") == KEPT
            collect_garbage(context, 0)
            found = verify_space(context, full=True)
            assert (found.findings, found.orphans, found.chunks) == ([], 0, 2)
            assert Desk(space).read("/kept") == KEPT
            assert_no_canary(home)


def check_rotation(home: Path, acknowledged: int = 0) -> None:
    """Check after `rotate` was stopped: everything opens, and the next rotation ends it."""

    def check_all() -> None:
        with closing(open_registry(home)) as registry:
            for space_id in SPACES:
                with registry.lease(space_id, create=False) as space, registry.inspect(space_id) as context:
                    assert Desk(space).read("/kept") == KEPT
                    assert verify_space(context, full=True).findings == []

    check_all()
    rotate(home, lambda _: None)
    newest = MasterKey.parse((home / "master.key").read_text()).fingerprints()[0]
    assert {wrapped_under(home / "server_storage" / space_id) for space_id in SPACES} == {newest}
    check_all()
    assert_no_canary(home)


def assert_nothing_partial(registry: SpaceRegistry, home: Path) -> None:
    """Check that a server's start removes everything half-written."""
    registry.remove_half_written()
    assert list((home / "temp").iterdir()) == []


def assert_no_canary(home: Path) -> None:
    """Check that neither content nor names lie open anywhere."""
    for path in home.rglob("*"):
        if path.is_file():
            held = path.read_bytes()
            for canary in _CANARIES:
                assert canary not in held, f"{canary!r} lies open in {path}"
