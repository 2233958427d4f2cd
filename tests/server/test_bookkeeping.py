"""Bookkeeping brings to disk whatever has to get there, and a disk that fails stops nothing else."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from sfos.server.process.bookkeeping import Bookkeeper


@pytest.mark.allows_errors("a failing disk is logged once")
def test_a_chore_that_fails_is_said_once_tried_again_and_holds_up_no_other(
    caplog: pytest.LogCaptureFixture, wait_until: Callable[..., None]
) -> None:
    tried: list[int] = []
    done: list[int] = []

    def fails() -> None:
        tried.append(1)
        raise OSError(28, "No space left on device")

    keeper = Bookkeeper((fails, lambda: done.append(1)), 0.001)
    with caplog.at_level(logging.ERROR):
        keeper.start()
        wait_until(lambda: len(done) > 5)
        keeper.stop()
    assert len(tried) == len(done)
    assert len(caplog.records) == 1


@pytest.mark.allows_errors("the mistake is logged once")
def test_a_chore_with_a_mistake_in_it_is_said_once_and_ends_no_other(
    caplog: pytest.LogCaptureFixture, wait_until: Callable[..., None]
) -> None:
    done: list[int] = []

    def mistaken() -> None:
        raise ZeroDivisionError("of ours")

    keeper = Bookkeeper((mistaken, lambda: done.append(1)), 0.001)
    keeper.start()
    wait_until(lambda: len(done) > 5)
    keeper.stop()
    assert [record.exc_info is not None for record in caplog.records if record.levelno == logging.ERROR] == [True]


def test_it_can_be_stopped_without_having_been_started() -> None:
    Bookkeeper((), 1.0).stop()
