from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfos.client.transfer.events import ItemFinished, ItemState, JobChanged, JobState, Progress
from sfos.client.transfer.ledger import Ledger
from sfos.client.transfer.limiter import RateLimiter
from sfos.protocol import NotFound


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_items_end_once_and_whole(clock: Clock) -> None:
    ledger = Ledger(1, clock)
    row = ledger.add(Path("a"), "/a", "file", 100)
    ledger.advance(row, 40)
    ledger.advance(row, 20)
    assert ledger.progress().bytes_done == 40
    ledger.end(row, ItemState.DONE)
    ledger.end(row, ItemState.FAILED, NotFound())
    progress = ledger.progress()
    assert (progress.bytes_done, progress.items_done, progress.items_failed) == (100, 1, 0)


def test_what_failed_and_is_tried_again_does_not_turn_progress_back(clock: Clock) -> None:
    ledger = Ledger(1, clock)
    row = ledger.add(Path("a"), "/a", "file", 100)
    ledger.advance(row, 60)
    ledger.end(row, ItemState.FAILED, NotFound())
    ledger.again(row, 80)
    progress = ledger.progress()
    assert (progress.bytes_done, progress.bytes_total, progress.items_failed) == (80, 100, 0)
    ledger.end(row, ItemState.DONE)
    assert ledger.progress().bytes_done == 100


def test_who_starts_over_begins_with_empty_books(clock: Clock) -> None:
    ledger = Ledger(1, clock)
    ledger.begin(ledger.add(Path("a"), "/a", "file", 100))
    ledger.end(ledger.add(Path("b"), "/b", "file", 10), ItemState.FAILED, NotFound())
    ledger.add_unchanged(Path("c"), "/c/", ["d"], [5])
    ledger.moved(7)
    ledger.set_planned(True)
    ledger.start_over()
    progress = ledger.progress()
    assert not progress.planned
    assert (progress.items_total, progress.items_done, progress.items_failed) == (0, 0, 0)
    assert (progress.bytes_total, progress.bytes_done, progress.active) == (0, 0, ())
    assert progress.bytes_moved == 7
    assert (ledger.rows(), ledger.failed_rows()) == ([], [])


@given(
    st.lists(
        st.tuples(st.sampled_from(["add", "advance", "resize", "again", "end"]), st.integers(0, 5), st.integers(0, 99))
    )
)
def test_totals_never_fall_and_done_never_passes_them(steps: list[tuple[str, int, int]]) -> None:
    ledger = Ledger(1)
    rows = [ledger.add(Path("x"), "/x", "file", 50)]
    before = ledger.progress()
    for step, which, number in steps:
        row = rows[which % len(rows)]
        if step == "add":
            rows.append(ledger.add(Path("x"), "/x", "file", number))
        elif step == "advance" and row.state in (ItemState.WAITING, ItemState.ACTIVE):
            ledger.advance(row, number)
        elif step == "resize" and row.state in (ItemState.WAITING, ItemState.ACTIVE):
            ledger.resize(row, number)
        elif step == "again" and row.state is ItemState.FAILED:
            ledger.again(row, number)
        elif step == "end":
            ledger.end(row, [ItemState.DONE, ItemState.FAILED, ItemState.SKIPPED][number % 3])
        now = ledger.progress()
        assert now.bytes_total >= before.bytes_total
        assert now.bytes_done >= before.bytes_done
        assert now.bytes_done <= now.bytes_total
        before = now


def test_speed_is_that_of_the_last_seconds_and_stable_only_after_some(clock: Clock) -> None:
    ledger = Ledger(1, clock)
    for _ in range(10):
        ledger.moved(1000)
        clock.now += 0.1
    assert not ledger.progress().speed_stable
    assert ledger.progress().speed == pytest.approx(10_000, rel=0.15)
    for _ in range(60):
        ledger.moved(500)
        clock.now += 0.1
    assert ledger.progress().speed_stable
    assert ledger.progress().speed == pytest.approx(5_000, rel=0.15)
    clock.now += 10
    assert ledger.progress().speed == 0


def test_news_are_told_once_and_in_order(clock: Clock) -> None:
    ledger = Ledger(7, clock)
    row = ledger.add(Path("a"), "/a", "file", 1)
    ledger.set_state(JobState.RUNNING)
    ledger.end(row, ItemState.DONE)
    ledger.set_state(JobState.FINISHED)
    news = ledger.take_news()
    assert [type(event) for event in news] == [Progress, JobChanged, ItemFinished, JobChanged]
    assert all(event.job == 7 for event in news)
    assert ledger.take_news() == []


def test_a_limiter_makes_who_takes_too_much_wait_for_it(clock: Clock) -> None:
    limiter = RateLimiter(1000, clock)
    until = limiter.take(250)
    assert limiter.left(until) == pytest.approx(0.25)
    clock.now += 0.25
    assert limiter.left(until) == pytest.approx(0.0)
    assert limiter.left(limiter.take(1000)) == pytest.approx(1.0)
    clock.now += 60
    assert limiter.left(limiter.take(100)) <= 0, "a silence is not saved up"
    limiter.set_rate(0)
    assert limiter.left(limiter.take(10**9)) <= 0


def test_nobody_waits_on_for_a_limit_that_was_changed(clock: Clock) -> None:
    limiter = RateLimiter(1000, clock)
    until = limiter.take(1_000_000)
    assert limiter.left(until) == pytest.approx(1000.0)
    limiter.set_rate(2000)
    assert limiter.left(until) <= 0
    assert limiter.left(limiter.take(1000)) == pytest.approx(0.5)


def test_a_steady_stream_keeps_to_the_rate(clock: Clock) -> None:
    limiter = RateLimiter(1000, clock)
    begun = clock.now
    for _ in range(100):
        clock.now += max(0.0, limiter.left(limiter.take(100)))
    assert clock.now - begun == pytest.approx(10.0, abs=0.5)


def test_an_item_that_went_well_is_counted_and_costs_nothing_more_unless_all_are_kept() -> None:
    ledger = Ledger(1, tell_all=False, keep_all=False)
    folder = ledger.add(Path("/here"), "/there", "folder", 0)
    ledger.end(folder, ItemState.DONE)
    rows = ledger.add_files(Path("/here"), "/there/", [(f"{number}", f"{number}", 10) for number in range(6)])
    ledger.done_all_of(rows[:3])
    ledger.end(rows[3], ItemState.SKIPPED)
    ledger.end(rows[4], ItemState.FAILED, NotFound())
    ledger.add_unchanged(Path("/here"), "/there/", ["a", "b"], [7, 8])
    assert [item.number for item in ledger.rows()] == [5, 6]  # the failed one and the one that waits
    found = ledger.tally()
    assert (found.files_done, found.folders_done, found.bytes_done) == (3, 1, 30)
    assert found.states == {
        ItemState.DONE: 4,
        ItemState.SKIPPED: 1,
        ItemState.FAILED: 1,
        ItemState.WAITING: 1,
        ItemState.UNCHANGED: 2,
    }
    assert (ledger.progress().items_total, ledger.progress().items_done) == (9, 8)
    ledger.again(rows[4], 12)
    ledger.end(rows[4], ItemState.DONE)
    assert ledger.tally().bytes_done == 42
    assert [item.number for item in ledger.rows()] == [6]
    ledger.start_over()
    assert ledger.tally().states == {}
    assert ledger.rows() == []
