"""Turns of those who work long: few at a time, each user in turn, and nobody keeps one while others wait."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from sfos.protocol import ServerBusy
from sfos.server.process import turns, waiting
from sfos.server.process.turns import LongTurns, aside, give_way
from sfos.server.process.waiting import NobodyWaits, Waiting, look, served

WaitUntil = Callable[..., None]


def nothing() -> None:
    pass


class Crowd:
    """Threads that each take a turn, note it, and keep it until they are told."""

    def __init__(self, all_turns: LongTurns) -> None:
        self.turns = all_turns
        self.order: list[str] = []
        self.threads: list[threading.Thread] = []
        self.go_on = threading.Semaphore(0)

    def comes(self, user: str, wait_until: WaitUntil) -> None:
        """Returns once it waits for its turn."""
        before = self.waiting()

        def work() -> None:
            with self.turns.turn(user, nothing):
                self.order.append(user)
                self.go_on.acquire()

        thread = threading.Thread(target=work)
        self.threads.append(thread)
        thread.start()
        wait_until(lambda: self.waiting() > before)

    def waiting(self) -> int:
        return sum(map(len, self.turns._waiting.copy().values()))

    def end(self) -> None:
        for _ in self.threads:
            self.go_on.release()
        for thread in self.threads:
            thread.join()


def test_users_come_in_turn_however_often_one_of_them_asks(wait_until: WaitUntil) -> None:
    crowd = Crowd(LongTurns(1))
    with crowd.turns.turn("first", nothing):
        for user in ("many", "many", "many", "one", "other", "one"):
            crowd.comes(user, wait_until)
    crowd.end()
    assert crowd.order == ["many", "one", "other", "many", "one", "many"]


def test_no_more_work_at_once_than_there_are_turns(wait_until: WaitUntil) -> None:
    crowd = Crowd(LongTurns(2))
    with crowd.turns.turn("a", nothing), crowd.turns.turn("b", nothing):
        crowd.comes("c", wait_until)
        crowd.comes("d", wait_until)
        assert not crowd.order
    wait_until(lambda: len(crowd.order) == 2)
    crowd.end()
    with crowd.turns.turn("a", nothing), crowd.turns.turn("b", nothing):
        assert not crowd.turns.is_wanted()


def test_who_only_waits_lets_others_work_and_who_works_on_gives_way(wait_until: WaitUntil) -> None:
    crowd = Crowd(LongTurns(1))
    with crowd.turns.turn("first", nothing):
        crowd.comes("second", wait_until)
        with aside():
            wait_until(lambda: crowd.order == ["second"])
            crowd.end()
        crowd = Crowd(crowd.turns)
        crowd.comes("third", wait_until)
        crowd.go_on.release()
        give_way()
        assert crowd.order == ["third"]
        crowd.threads.pop().join()
        give_way()  # to nobody
    give_way()
    with aside():
        assert not crowd.turns.is_wanted()


def test_a_look_gives_way(wait_until: WaitUntil, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "LOOK_EVERY_S", 0.0)
    crowd = Crowd(LongTurns(1))
    with served(Waiting(lambda: None, lambda: None)), crowd.turns.turn("first", nothing):
        crowd.comes("second", wait_until)
        crowd.go_on.release()
        look()
        assert crowd.order == ["second"]
    for thread in crowd.threads:
        thread.join()


def test_who_waits_for_a_turn_goes_when_nobody_waits_for_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "_LOOK_WAITING_S", 0.001)
    all_turns = LongTurns(1)

    def gone() -> None:
        raise NobodyWaits(ServerBusy())

    with all_turns.turn("first", nothing):
        with pytest.raises(NobodyWaits), all_turns.turn("second", gone):
            raise AssertionError("it has no turn")
        assert not all_turns.is_wanted()
    with all_turns.turn("third", gone):  # which comes at once
        pass
