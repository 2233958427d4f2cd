"""Memory is lent, waited for, and comes back."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from protocol import ServerBusy
from server.budget import MemoryBudget


def test_what_is_released_can_be_lent_again_and_only_once() -> None:
    budget = MemoryBudget(100)
    with budget.take("a", 50, 0):
        assert budget.used_bytes == 50
    lease = budget.take("a", 50, 0)
    lease.release()
    lease.release()
    assert budget.used_bytes == 0


def test_one_user_gets_half_at_most_and_the_other_half_stays_for_others() -> None:
    budget = MemoryBudget(100)
    budget.take("a", 50, 0)
    with pytest.raises(ServerBusy):
        budget.take("a", 1, 0)
    budget.take("b", 50, 0)
    with pytest.raises(ServerBusy):
        budget.take("c", 1, 0)
    assert budget.take("c", 0, 0)


def test_the_last_quarter_is_for_those_who_hold_nothing() -> None:
    budget = MemoryBudget(100)
    budget.take("a", 50, 0)
    budget.take("b", 10, 0)
    budget.take("b", 15, 0)
    with pytest.raises(ServerBusy):
        budget.take("b", 1, 0)
    budget.take("c", 20, 0)
    with pytest.raises(ServerBusy):
        budget.take("c", 1, 0)
    assert budget.take("d", 5, 0)


def test_what_was_taken_for_the_most_that_there_could_be_is_given_back() -> None:
    budget = MemoryBudget(100)
    lease = budget.take("a", 50, 0)
    lease.keep(20)
    lease.keep(30)
    assert budget.used_bytes == 20
    lease.release()
    assert budget.used_bytes == 0


def test_who_waits_goes_on_when_another_gives_back(wait_until: Callable[..., None]) -> None:
    budget = MemoryBudget(100)
    first, second = budget.take("a", 50, 0), budget.take("b", 50, 0)
    got = threading.Event()

    def wait() -> None:
        with budget.take("c", 30, 30):
            got.set()

    thread = threading.Thread(target=wait)
    thread.start()
    assert not got.is_set()
    second.release()
    thread.join()
    assert got.is_set()
    first.release()
    assert budget.used_bytes == 0


def test_under_many_threads_no_more_is_lent_than_there_is() -> None:
    budget = MemoryBudget(100)
    most = 0

    def work(owner: str) -> None:
        nonlocal most
        for size in range(1, 50):
            with budget.take(owner, size, 30):
                most = max(most, budget.used_bytes)

    threads = [threading.Thread(target=work, args=(f"user {number % 3}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0 < most <= 100
    assert budget.used_bytes == 0
