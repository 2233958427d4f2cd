"""The frame of `./run.sh torture`: what it prints, when it stops, and that a broken promise is not overlooked."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sfos.server.spaces.operations import change
from tests.storage.desk import Desk
from tests.support.small_disk import needs_a_small_disk
from tests.torture import damage, full_disk, winners
from tests.torture.registry import SCENARIOS
from tests.torture.runner import INTERRUPTED, main
from tests.torture.scenario import Context, Figures, Scenario

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def own_temporary_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the workplace of a broken scenario, with what other tests leave."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def scenario(run: Callable[[Context], Figures], name: str = "planted", **settings: Any) -> Scenario:
    return Scenario(name=name, promise="Nothing breaks.", figure="3 tries", run=run, **settings)


def tortured(*scenarios: Scenario, arguments: tuple[str, ...] = ()) -> tuple[int, str]:
    out = io.StringIO()
    code = main([*arguments], scenarios, out)
    return code, out.getvalue()


def keep_trying(context: Context) -> Figures:
    while context.going():
        context.count("tries")
    return context.figures()


def test_a_scenario_stops_at_its_figure_and_says_so() -> None:
    code, said = tortured(scenario(keep_trying, goal={"tries": 3}), arguments=("--seed", "7"))
    assert code == 0
    assert said.startswith("seed 7\n")
    assert "figure reached after" in said
    assert "3 tries" in said.splitlines()[-1]


def test_a_scenario_without_a_figure_in_reach_stops_at_its_time_and_says_so() -> None:
    code, said = tortured(scenario(keep_trying, goal={"other": 1}), arguments=("--seconds", "0.05"))
    assert code == 0
    assert "time over after" in said


def test_a_broken_promise_makes_the_exit_code_1_and_says_how_to_repeat_it() -> None:
    def run(context: Context) -> Figures:
        (context.workplace / "evidence").write_text("here")
        if context.random.random() < 2:
            context.broken("the planted promise")
        return context.figures()

    code, said = tortured(scenario(run), scenario(keep_trying, "other", goal={"tries": 3}), arguments=("--seed", "7"))
    assert code == 1
    assert "BROKEN: the planted promise" in said
    assert "repeat: ./run.sh torture planted --seed 7 --seconds" in said
    assert "other" in said.splitlines()[-1], "the rest still runs"
    kept = Path(next(line for line in said.splitlines() if "is kept in" in line).rpartition(" ")[2])
    assert (kept / "evidence").read_text() == "here"


def test_what_escapes_from_a_scenario_is_broken() -> None:
    def run(context: Context) -> Figures:
        raise ZeroDivisionError

    code, said = tortured(scenario(run))
    assert code == 1
    assert "ZeroDivisionError" in said


def test_a_thread_or_a_descriptor_that_a_scenario_leaves_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.support.leaks.LEAK_GRACE_S", 0.05)
    left = threading.Event()
    opened: list[int] = []

    def run(context: Context) -> Figures:
        threading.Thread(target=left.wait, name="forgotten").start()
        opened.append(os.open(context.workplace, os.O_RDONLY))
        return context.figures("gave up")

    code, said = tortured(scenario(run))
    left.set()
    os.close(opened[0])
    assert code == 1
    assert "left behind: thread forgotten" in said
    assert sys.platform != "linux" or "left behind: file" in said


def test_an_interruption_sums_up_what_was_done() -> None:
    def run(context: Context) -> Figures:
        context.count("tries", 2)
        raise KeyboardInterrupt

    code, said = tortured(scenario(run), scenario(keep_trying, "never-begun", goal={"tries": 3}))
    assert code == INTERRUPTED
    assert "2 tries" in said.splitlines()[-1]
    assert "never-begun" not in said


def test_the_same_seed_tries_the_same_things() -> None:
    seen: list[float] = []

    def run(context: Context) -> Figures:
        seen.append(context.random.random())
        return context.figures("gave up")

    for _ in range(2):
        tortured(scenario(run), arguments=("--seed", "12"))
    assert seen[0] == seen[1]


@pytest.mark.allows_errors("damage is logged")
def test_a_real_scenario_reaches_a_small_figure() -> None:
    small = replace(damage.SCENARIO, goal={"damaged tokens": 20, "found by reading": 20})
    code, said = tortured(small, arguments=("--seed", "5"))
    assert code == 0, said
    assert "20 damaged tokens" in said


@needs_a_small_disk
def test_disks_that_are_full_reach_a_small_figure() -> None:
    code, said = tortured(replace(full_disk.DISKS, goal={"full disks": 2}), arguments=("--seed", "5"))
    assert code == 0, said
    assert "2 full disks" in said


def test_a_quota_that_is_not_enforced_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def anything(*_: object) -> None:
        """Let anything pass."""

    monkeypatch.setattr(change, "check_bytes", anything)
    code, said = tortured(replace(full_disk.QUOTAS, goal={"sequences": 1}), arguments=("--seed", "5"))
    assert code == 1
    assert f"bytes are kept under a quota of {full_disk.QUOTA_BYTES}" in said


def test_a_defence_that_was_taken_out_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks at revisions any more: of four writers four win."""
    put = Desk.put

    def put_anyway(desk: Desk, path: str, data: bytes, **_: object) -> None:
        put(desk, path, data)

    monkeypatch.setattr(Desk, "put", put_anyway)
    few = replace(winners.SCENARIO, run=lambda context: winners.run(context, writers=4), goal={"rounds": 2})
    code, said = tortured(few)
    assert code == 1
    assert "BROKEN: 4 of 4 writers won" in said


def test_a_scenario_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        tortured(scenario(keep_trying), arguments=("plantet",))
    assert caught.value.code == 2
    assert "--list" in capsys.readouterr().err


def test_names_are_unique_and_every_scenario_says_what_it_promises() -> None:
    assert len({one.name for one in SCENARIOS}) == len(SCENARIOS)
    for one in SCENARIOS:
        assert one.promise.endswith(".")
        assert one.figure


def test_every_scenario_has_its_row_in_the_papers() -> None:
    papers = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    assert [one.name for one in SCENARIOS if f"| `{one.name}`" not in papers] == []


def test_the_program_lists_what_there_is() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.torture", "--list"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == [one.name for one in SCENARIOS]
