"""Transfers that the user pauses, cancels, lets wait or holds back."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from sfos.client.session.session import Session
from sfos.client.transfer import ItemState, JobState, TransferEngine
from sfos.client.transfer.up import sending as upload_sending
from sfos.client.transfer.up.block import Block, Blocks
from tests.client.conftest import FAST, LARGE_BYTES, Finish
from tests.client.trees import remote_files


@pytest.mark.parametrize("direction", ["up", "down"])
def test_cancelling_ends_at_once_and_leaves_nothing_half_done(
    session: Session,
    folder: str,
    large_and_small: Path,
    tmp_path: Path,
    finish: Finish,
    wait_until: Callable[..., None],
    direction: str,
) -> None:
    to = tmp_path / "to"
    with TransferEngine(session, FAST) as engine:
        if direction == "down":
            assert finish(engine.upload([large_and_small / "large"], folder)) is JobState.FINISHED
            entries = session.api.list_folder(folder)
            engine.set_rates(2_000_000, 2_000_000)
            job = engine.download(entries, to)
        else:
            engine.set_rates(2_000_000, 2_000_000)
            job = engine.upload([large_and_small / "large"], folder)
        wait_until(lambda: job.progress.bytes_moved > 500_000)
        job.cancel()
        assert job.wait(2)
        assert job.state is JobState.CANCELLED
        assert {item.state for item in job.items()} == {ItemState.CANCELLED}
    if direction == "down":
        assert list(to.iterdir()) == []
    else:
        assert session.api.list_folder(folder) == []


def test_a_pause_stops_the_flow_and_going_on_ends_it(
    session: Session, folder: str, large_and_small: Path, finish: Finish, wait_until: Callable[..., None]
) -> None:
    with TransferEngine(session, FAST) as engine:
        engine.set_rates(4_000_000, 0)
        job = engine.upload([large_and_small / "large"], folder)
        wait_until(lambda: job.progress.bytes_moved > 500_000)
        job.pause()
        assert job.state is JobState.PAUSED
        wait_until(lambda: job.progress.speed == 0, timeout_s=30)
        held = job.progress.bytes_moved
        assert held < LARGE_BYTES
        assert not job.wait(0.3)
        assert job.progress.bytes_moved == held
        engine.set_rates(0, 0)
        job.resume()
        assert finish(job) is JobState.FINISHED
    assert remote_files(session, folder) == {"large": (large_and_small / "large").read_bytes()}


def test_jobs_wait_for_their_turn_and_can_be_cancelled_there(
    session: Session, folder: str, large_and_small: Path, finish: Finish
) -> None:
    with TransferEngine(session, replace(FAST, parallel_jobs=1)) as engine:
        engine.set_rates(1_000_000, 0)
        running = engine.upload([large_and_small / "large"], folder)
        waiting = engine.upload([large_and_small / "s1"], folder)
        assert waiting.state is JobState.WAITING
        waiting.cancel()
        assert waiting.wait(2)
        assert waiting.state is JobState.CANCELLED
        engine.set_rates(0, 0)
        assert finish(running) is JobState.FINISHED
        assert engine.jobs == (running, waiting)
        engine.forget(waiting)
        assert engine.jobs == (running,)


def test_a_paused_job_lets_another_run(
    session: Session, folder: str, large_and_small: Path, finish: Finish, wait_until: Callable[..., None]
) -> None:
    with TransferEngine(session, replace(FAST, parallel_jobs=1)) as engine:
        engine.set_rates(4_000_000, 0)
        paused = engine.upload([large_and_small / "large"], folder)
        wait_until(lambda: paused.progress.bytes_moved > 500_000)
        never_begun = engine.upload([large_and_small / "s1"], folder, rename_to="never begun")
        never_begun.pause()
        waiting = engine.upload([large_and_small / "s2"], folder)
        assert waiting.state is JobState.WAITING
        paused.pause()
        assert finish(waiting) is JobState.FINISHED
        assert (paused.state, never_begun.state) == (JobState.PAUSED, JobState.PAUSED)
        engine.set_rates(0, 0)
        paused.resume()
        assert finish(paused) is JobState.FINISHED
        never_begun.resume()
        assert finish(never_begun) is JobState.FINISHED
    assert remote_files(session, folder) == {
        name: (large_and_small / local).read_bytes()
        for name, local in {"large": "large", "s2": "s2", "never begun": "s1"}.items()
    }


def test_closing_the_engine_ends_everything(session: Session, folder: str, large_and_small: Path) -> None:
    engine = TransferEngine(session, FAST)
    engine.set_rates(100_000, 0)
    jobs = [engine.upload([large_and_small], f"{folder}/{number}") for number in range(4)]
    assert engine.close()
    assert engine.close()
    assert all(job.state is JobState.CANCELLED for job in jobs)


def test_a_limit_is_kept(session: Session, folder: str, large_and_small: Path, finish: Finish) -> None:
    with TransferEngine(session, FAST) as engine:
        engine.set_rates(12_000_000, 0)
        begun = time.monotonic()
        assert finish(engine.upload([large_and_small / "large"], folder)) is JobState.FINISHED
        assert time.monotonic() - begun > LARGE_BYTES / 12_000_000 * 0.75


class CountedBlocks(Blocks):
    """Know how much memory they have handed out, and whether their reader waits for more."""

    held_bytes = 0
    exhausted = False

    def take(self, *, small: bool) -> Block:
        self.exhausted = not self.free
        block = super().take(small=small)
        self.held_bytes += len(block.buffer)
        return block

    def give_back(self, block: Block) -> None:
        self.held_bytes -= len(block.buffer)
        super().give_back(block)


def test_two_uploads_beside_two_that_pause_take_half_of_the_memory_that_those_keep(
    session: Session, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait_until: Callable[..., None]
) -> None:
    works: list[CountedBlocks] = []

    def counted(*parts: Any, **more: Any) -> CountedBlocks:
        works.append(CountedBlocks(*parts, **more))
        return works[-1]

    monkeypatch.setattr(upload_sending, "Blocks", counted)
    for name in "abcd":
        (tmp_path / name).touch()
        os.truncate(tmp_path / name, FAST.memory_bytes)  # more than one of them may hold
    with TransferEngine(session, replace(FAST, upload_rate=1_000)) as engine:
        paused = [engine.upload([tmp_path / name], folder) for name in "ab"]
        wait_until(lambda: len(works) == 2 and all(work.exhausted for work in works), timeout_s=30)
        for job in paused:
            job.pause()
        kept = sum(work.held_bytes for work in works)
        for name in "cd":
            engine.upload([tmp_path / name], folder)
        wait_until(lambda: len(works) == 4 and all(work.exhausted for work in works), timeout_s=30)
        assert kept <= FAST.memory_bytes
        assert sum(work.held_bytes for work in works) <= FAST.memory_bytes * 3 // 2
