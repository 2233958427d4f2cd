"""Kills, power losses and failing disks: what was acknowledged reads back, nothing is half there, verify is clean.

Here a sample of all that may go wrong is taken, spread over all of it, so that this takes seconds. `./run.sh torture
kill-every-step power-loss failing-disk` tries every kill, every moment and every fault.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import pytest

from sfos.protocol import DataDamaged
from sfos.server.chunks.files import LocalFiles
from tests.storage import child
from tests.storage.after_crash import check_work, start_over
from tests.storage.forgetting import SURVIVALS, RememberingFiles
from tests.torture.faults import faults_of_files, faults_of_system, suffer
from tests.torture.kills import VICTIMS, NotReached, Victim, all_kills, carry_out
from tests.torture.power_loss import moments_of

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="only on POSIX")
ROOT = Path(__file__).resolve().parents[2]
T = TypeVar("T")
# A batch whose directory, drawn by lot, is there already makes none: one point less (seen in one of twelve runs).
COINCIDENCES = 3

needs_strace = pytest.mark.skipif(
    shutil.which("strace") is None, reason="strace is not installed (./run.sh test installs it)"
)


@pytest.fixture
def template(tmp_path: Path) -> Path:
    start_over(tmp_path / "template")
    return tmp_path / "template"


def spread(all_: Sequence[T], most: int) -> list[T]:
    """At most so many, from the first to the last."""
    return [all_[round(n * (len(all_) - 1) / (most - 1))] for n in range(most)] if len(all_) > most else list(all_)


@pytest.mark.parametrize("victim", VICTIMS, ids=[victim.name for victim in VICTIMS])
def test_a_kill_at_any_step_loses_nothing_and_leaves_nothing_half_done(victim: Victim, tmp_path: Path) -> None:
    template = tmp_path / "template"
    victim.prepare(template)
    kills = list(all_kills(victim, template, tmp_path))
    inside, by_kernel = [kill for kill in kills if not kill.call], [kill for kill in kills if kill.call]
    assert len(inside) > (60 if victim.name == "work" else 8) or victim.name == "rotate"
    for kill in (*spread(inside, 4), *spread(by_kernel, 4)):
        try:
            carry_out(kill, template, tmp_path / "home")
        except NotReached:
            assert kill.call or kill.point >= len(inside) - COINCIDENCES, "this point is passed in every run"


@needs_strace
def test_a_kill_by_the_kernel_in_another_program_loses_nothing(tmp_path: Path) -> None:
    """Killed here is a process that was started as a program, with all of its threads."""
    start_over(tmp_path)
    program = [sys.executable, "-m", "tests.storage.crashing", str(tmp_path)]
    result = subprocess.run(
        [
            "strace",
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            "trace=fsync",
            "-e",
            "inject=fsync:signal=KILL:when=5",
            *program,
        ],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if b"Operation not permitted" in result.stderr:
        pytest.skip("only on machines where a process may be traced")
    assert result.returncode != 0, "it was to be killed"
    check_work(tmp_path, result.stdout.count(b"\n"))


@pytest.mark.parametrize("victim", VICTIMS[:2], ids=["work", "collect"])
def test_a_loss_of_power_at_any_moment_costs_nothing_that_was_acknowledged(victim: Victim, tmp_path: Path) -> None:
    moments = moments_of(victim, tmp_path)
    assert len(moments) > 5
    dice = random.Random(1)
    for number, moment in enumerate(spread(moments, 6)):
        moment.restore(tmp_path / "after", SURVIVALS[number % len(SURVIVALS)], dice)
        victim.check(tmp_path / "after", moment.acknowledged)


class NeverSynced(RememberingFiles):
    """Store that leaves out the fsync of files."""

    def sync(self, descriptor: int) -> None:
        LocalFiles.sync(self, descriptor)


class NamesNeverSynced(RememberingFiles):
    """Store that leaves out the fsync of directories."""

    def sync_directory(self, path: Path) -> None:
        LocalFiles.sync_directory(self, path)


@pytest.mark.allows_errors("the damage is logged")
@pytest.mark.parametrize("layer", [NeverSynced, NamesNeverSynced])
def test_a_store_that_leaves_out_an_fsync_is_found_out(layer: type[RememberingFiles], tmp_path: Path) -> None:
    last = moments_of(VICTIMS[0], tmp_path, layer)[-1]
    last.restore(tmp_path / "after", "nothing", random.Random(1))
    with pytest.raises(DataDamaged):
        VICTIMS[0].check(tmp_path / "after", last.acknowledged)


def test_a_disk_that_fails_costs_no_acknowledged_file(template: Path, tmp_path: Path) -> None:
    for fault in spread(list(faults_of_files(template, tmp_path)), 6):
        suffer(fault, template, tmp_path / "home")


@needs_strace
def test_a_system_call_that_fails_costs_no_acknowledged_file(template: Path, tmp_path: Path) -> None:
    if not child.may_be_traced():
        pytest.skip("only on machines where a process may be traced")
    for fault in spread(list(faults_of_system(template, tmp_path)), 6):
        suffer(fault, template, tmp_path / "home")
