from __future__ import annotations

import pytest
from msgspec.structs import replace

from sfos.client.errors import ConnectionLost, ServerUnreachable
from sfos.client.options import ClientOptions
from sfos.client.retry import NEVER, Retries, RetryPolicy
from sfos.config import Client as Settings
from sfos.protocol import NotFound, ServerBusy, SfosError

STEADY = RetryPolicy(first_s=1.0, longest_s=8.0, jitter=0.0)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def given_up_after(policy: RetryPolicy, outage_s: float, try_s: float = 0.0) -> float | None:
    """Seconds until one gave up in an outage of that length; None if it was got over. `try_s`: what each try takes."""
    clock = Clock()
    began = clock.now
    retries = Retries(policy, clock)
    while clock.now - began <= outage_s:
        clock.sleep(try_s)
        wait = retries.wait_after(ConnectionLost())
        if wait is None:
            return clock.now - began
        clock.sleep(wait)
    return None


def test_waits_grow_to_their_limit_and_are_never_quite_the_same() -> None:
    waits = RetryPolicy(first_s=1.0, longest_s=8.0).waits()
    found = [next(waits) for _ in range(6)]
    for wait, whole in zip(found, (1, 2, 4, 8, 8, 8), strict=True):
        assert 0.75 * whole <= wait <= whole


def test_one_gives_up_after_so_many_tries_in_a_row() -> None:
    retries = Retries(replace(STEADY, tries=2))
    assert [retries.wait_after(ConnectionLost()) for _ in range(3)] == [1.0, 2.0, None]
    retries.succeeded()
    assert not retries.failing
    assert retries.wait_after(ConnectionLost()) == 1.0, "what goes well begins anew"
    assert retries.failing


def test_one_gives_up_before_a_try_that_would_come_too_late() -> None:
    clock = Clock()
    retries = Retries(replace(STEADY, give_up_after_s=4.0), clock)
    for wait in (1.0, 2.0):
        assert retries.wait_after(ConnectionLost()) == wait
        clock.sleep(wait)
    assert retries.wait_after(ConnectionLost()) is None


def test_the_time_can_begin_before_the_first_failure() -> None:
    clock = Clock()
    retries = Retries(replace(STEADY, give_up_after_s=4.0), clock)
    retries.begin()
    clock.sleep(3.5)
    assert retries.wait_after(ConnectionLost()) is None


def test_a_server_that_asks_for_time_gets_it() -> None:
    busy = ServerBusy()
    busy.retry_after_s = 5.0
    assert Retries(STEADY).wait_after(busy) == 5.0
    assert Retries(replace(STEADY, give_up_after_s=4.0)).wait_after(busy) is None


def test_work_is_tried_again_for_what_passes_and_nothing_else() -> None:
    errors: list[SfosError] = [ServerUnreachable(), ConnectionLost()]
    slept: list[float] = []

    def work() -> str:
        if errors:
            raise errors.pop(0)
        return "done"

    assert STEADY.call(work, slept.append) == "done"
    assert slept == [1.0, 2.0]
    errors = [NotFound()]
    with pytest.raises(NotFound):
        STEADY.call(work, slept.append)
    errors = [ServerUnreachable()]
    with pytest.raises(ServerUnreachable):
        NEVER.call(work, slept.append)
    assert slept == [1.0, 2.0]


@pytest.mark.parametrize("outage_s", [1, 10, 40, 600])
def test_outages_are_borne_as_the_paper_says(outage_s: float) -> None:
    """The figures in docs/decisions/retry.md, where each try fails at once."""
    options = ClientOptions()
    assert given_up_after(options.connection.first, outage_s) == 0.0
    command = given_up_after(options.connection.retry, outage_s)
    assert command is None if outage_s <= 1 else command is not None and 5.5 <= command <= 8.0
    transfer = given_up_after(options.transfer.retry, outage_s)
    assert transfer is None if outage_s <= 10 else transfer is not None and 11.6 <= transfer <= 15.5
    assert given_up_after(options.connection.watch, outage_s) is None


def test_the_settings_say_how_often_transfers_are_tried_again() -> None:
    policy = ClientOptions.of(Settings(retries=3, retry_base_s=2.0)).transfer.retry
    assert (policy.tries, policy.first_s, policy.longest_s) == (3, 2.0, 30.0)
