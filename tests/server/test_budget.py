"""Memory is lent, waited for, and comes back."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from sfos.protocol import ServerBusy
from sfos.server.net.memory_budget import MemoryBudget


@pytest.fixture
def budget() -> MemoryBudget:
    return MemoryBudget(100)


def lend(budget: MemoryBudget, **sizes: int) -> None:
    """To each of these users so many bytes, as long as the test lasts."""
    for user, size in sizes.items():
        budget.take(user, size, 0)


def test_what_is_released_can_be_lent_again_and_only_once(budget: MemoryBudget) -> None:
    with budget.take("a", 50, 0):
        assert budget.used_bytes == 50
    lease = budget.take("a", 50, 0)
    lease.release()
    lease.release()
    assert budget.used_bytes == 0


def test_one_user_gets_half_at_most_and_the_other_half_stays_for_others(budget: MemoryBudget) -> None:
    lend(budget, a=50)
    with pytest.raises(ServerBusy):
        lend(budget, a=1)
    lend(budget, b=50)
    with pytest.raises(ServerBusy):
        lend(budget, c=1)
    lend(budget, c=0)


def test_the_last_quarter_is_for_those_who_hold_nothing(budget: MemoryBudget) -> None:
    lend(budget, a=50, b=10)
    lend(budget, b=15)
    with pytest.raises(ServerBusy):
        lend(budget, b=1)
    lend(budget, c=20)
    with pytest.raises(ServerBusy):
        lend(budget, c=1)
    lend(budget, d=5)


def test_what_was_taken_for_the_most_that_there_could_be_is_given_back(budget: MemoryBudget) -> None:
    lease = budget.take("a", 50, 0)
    lease.keep(20)
    lease.keep(30)
    assert budget.used_bytes == 20
    lease.release()
    assert budget.used_bytes == 0


def test_who_waits_goes_on_when_another_gives_back(budget: MemoryBudget, wait_until: Callable[..., None]) -> None:
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


def test_under_many_threads_no_more_is_lent_than_there_is(budget: MemoryBudget) -> None:
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
