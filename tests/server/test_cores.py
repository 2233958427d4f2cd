"""Connections that ask for small things share a core; those that move data have all of them."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable

import pytest

from server.cores import CoreChoice

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="threads are placed on Linux alone")


def on_a_thread(work: Callable[[], list[int]]) -> list[int]:
    """What `work` returns, on a thread of its own, whose cores are nobody else's affair."""
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.extend(work()))
    thread.start()
    thread.join()
    return found


def cores_after(*requests: bool) -> list[int]:
    """On how many cores the thread may run after each of these requests (true: small)."""

    def work() -> list[int]:
        choice, counts = CoreChoice(), []
        for small in requests:
            choice.about_to(small)
            counts.append(len(os.sched_getaffinity(0)))
        return counts

    return on_a_thread(work)


def test_many_small_requests_in_a_row_share_a_core_until_something_else_comes() -> None:
    every = len(os.sched_getaffinity(0))
    assert cores_after(*[True] * 7) == [every] * 7
    assert cores_after(*[True] * 10) == [every] * 7 + [1] * 3
    assert cores_after(*[True] * 8, False, True) == [every] * 7 + [1, every, every]


def test_small_requests_between_others_change_nothing() -> None:
    every = len(os.sched_getaffinity(0))
    assert cores_after(*[True, True, True, False] * 5) == [every] * 20


def test_where_there_is_one_core_nothing_is_chosen() -> None:
    def work() -> list[int]:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        choice = CoreChoice()
        for _ in range(20):
            choice.about_to(True)
        choice.about_to(False)
        return list(os.sched_getaffinity(0))

    assert on_a_thread(work) == [min(os.sched_getaffinity(0))]
