"""Connections that ask for small things share a core; those that move data have all of them."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable

import pytest

from sfos.server.net.cores import CoreChoice

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="threads are placed on Linux alone")


def on_a_thread(work: Callable[[], list[int]]) -> list[int]:
    """Run `work` on a thread of its own, whose cores are nobody else's affair, and return its result."""
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


def test_a_core_that_cannot_be_left_just_now_is_left_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system refuses while none of the cores belongs to the process; no test can take cores away from itself."""
    every, place = len(os.sched_getaffinity(0)), os.sched_setaffinity

    def refuse(thread: int, cores: set[int]) -> None:
        raise OSError(22, "Invalid argument")

    def work() -> list[int]:
        choice, counts = CoreChoice(), []
        for _ in range(8):
            choice.about_to(True)
        monkeypatch.setattr(os, "sched_setaffinity", refuse)
        choice.about_to(False)
        counts.append(len(os.sched_getaffinity(0)))
        monkeypatch.setattr(os, "sched_setaffinity", place)
        choice.about_to(False)
        counts.append(len(os.sched_getaffinity(0)))
        return counts

    assert on_a_thread(work) == [1, every]


def test_servers_of_one_machine_do_not_all_choose_the_same_core(monkeypatch: pytest.MonkeyPatch) -> None:
    def work() -> list[int]:
        choice = CoreChoice()
        for _ in range(8):
            choice.about_to(True)
        return list(os.sched_getaffinity(0))

    cores = sorted(os.sched_getaffinity(0))
    chosen = []
    for number in range(len(cores)):
        monkeypatch.setattr(os, "getpid", lambda: number)  # noqa: B023 - called before the next one
        chosen += on_a_thread(work)
    assert chosen == cores
