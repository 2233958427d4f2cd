"""SIGKILL in the middle of everything: what was acknowledged reads back, nothing is half there, and verify is clean.

A child process does a script of work (crashing.py) and is killed at one point after another: around every file
operation of the chunk store, in the middle of its writes, and around every commit. Here a sample of all points is
taken, so that this takes seconds; SFOS_TEST_ALL_CRASHES=1 takes every one.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from server.chunks.files import LocalFiles
from server.maintenance.gc import collect_garbage
from server.maintenance.verify import verify_space
from tests.storage.crashing import DAY_MS, SPACE_ID, STEPS, Killer, KillingFiles, collect, expected, open_registry, work
from tests.storage.desk import Desk

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="only on POSIX")
ALL = bool(os.environ.get("SFOS_TEST_ALL_CRASHES"))
ROOT = Path(__file__).resolve().parents[2]

Script = Callable[[Path, Callable[[int], object], LocalFiles | None], None]


def run_killed(script: Script, home: Path, at: int) -> tuple[int, int | None]:
    """Run in a child that is killed at point `at`: (acknowledged steps, points passed or None if it was killed)."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            killer = Killer(at)
            killer.install()
            script(home, lambda step: os.write(write_end, b"a"), KillingFiles(killer))
            os.write(write_end, b"p%d" % killer.passed)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    acknowledged = said.count(b"a")
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return acknowledged, None
    assert os.WEXITSTATUS(status) == 0
    return acknowledged, int(said.partition(b"p")[2])


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "master.key").write_bytes(Fernet.generate_key())
    return tmp_path


def start_over(home: Path) -> None:
    for name in ("server_storage", "temp"):
        shutil.rmtree(home / name, ignore_errors=True)


def check_after_crash(home: Path, acknowledged: int) -> None:
    """What must hold after each crash."""
    registry = open_registry(home)
    try:
        registry.remove_half_written()
        with registry.lease(SPACE_ID) as space:
            desk = Desk(space)
            tree = desk.tree()
            assert tree in (expected(acknowledged), expected(min(acknowledged + 1, STEPS))), "mixed or lost"
            with registry.inspect(SPACE_ID) as context:
                assert verify_space(context, full=True).findings == []
            desk.put("/after", b"the crash" * 9_000)
            assert desk.read("/after") == b"the crash" * 9_000
    finally:
        registry.close()


def points(total: int, most: int) -> list[int]:
    """The points to be killed at: all, or some spread over all."""
    return list(range(total)) if ALL or total <= most else sorted({round(n * (total - 1) / most) for n in range(most)})


@pytest.mark.timeout(600)
def test_a_kill_anywhere_in_uploads_moves_copies_and_deletions_loses_nothing(home: Path) -> None:
    acknowledged, total = run_killed(work, home, -1)
    assert acknowledged == STEPS
    assert total is not None
    assert total > 60
    check_after_crash(home, STEPS)
    for at in points(total, 16):
        start_over(home)
        acknowledged, passed = run_killed(work, home, at)
        assert passed is None, "it was to be killed"
        check_after_crash(home, acknowledged)


@pytest.mark.timeout(600)
def test_a_kill_anywhere_in_garbage_collection_leaves_nothing_dangling(home: Path) -> None:
    def prepare() -> None:
        start_over(home)
        registry = open_registry(home)
        with registry.lease(SPACE_ID) as space:
            desk = Desk(space)
            desk.put("/kept", b"k" * 170_000)
            desk.upload(os.urandom(250_000))
            with registry.inspect(SPACE_ID) as context, context.store.batch() as batch:
                batch.add(bytes(32), memoryview(b"x" * 100_000))
                batch.finish()
        registry.close()

    prepare()
    _, total = run_killed(collect, home, -1)
    assert total is not None
    assert total > 8
    for at in points(total, 8):
        prepare()
        run_killed(collect, home, at)
        registry = open_registry(home, ahead_ms=20 * DAY_MS)
        with registry.lease(SPACE_ID) as space, registry.inspect(SPACE_ID) as context:
            assert verify_space(context, full=True).findings == []
            assert Desk(space).read("/kept") == b"k" * 170_000
            collect_garbage(context, 0)  # the next one finishes what was begun
            found = verify_space(context, full=True)
            assert (found.findings, found.orphans, found.chunks) == ([], 0, 1 + 1)
        registry.close()


@pytest.mark.skipif(shutil.which("strace") is None, reason="only on machines with strace")
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("call", "when"), [("fsync", 3), ("fdatasync", 9), ("rename", 4), ("pwrite64", 90)])
def test_a_kill_by_the_kernel_in_a_system_call_loses_nothing(home: Path, call: str, when: int) -> None:
    """The same from outside, also in the middle of SQLite's own writes."""
    program = [sys.executable, "-m", "tests.storage.crashing", str(home)]
    inject = ["-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={when}"]
    result = subprocess.run(
        ["strace", "-f", "-qq", "-o", "/dev/null", *inject, *program],
        cwd=ROOT,
        capture_output=True,
        timeout=120,
        check=False,
    )
    if b"Operation not permitted" in result.stderr:
        pytest.skip("only on machines where a process may be traced")
    assert result.returncode != 0, "it was to be killed"
    check_after_crash(home, result.stdout.count(b"\n"))
