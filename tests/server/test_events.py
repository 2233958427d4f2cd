"""Bells ring for their own space, and no ring is lost."""

from __future__ import annotations

import select
from contextlib import closing

from sfos.server.net.bell import Bell
from sfos.server.spaces.commit_feed import CommitFeed


def rings(bell: Bell) -> bool:
    poll = select.poll()
    poll.register(bell, select.POLLIN)
    return bool(poll.poll(0))


def test_a_commit_rings_the_bells_of_its_space_and_of_no_other() -> None:
    feed = CommitFeed()
    with closing(Bell()) as first, closing(Bell()) as second, closing(Bell()) as other:
        with feed.subscribed("a", first), feed.subscribed("a", second), feed.subscribed("b", other):
            feed.committed("a")
            assert (rings(first), rings(second), rings(other)) == (True, True, False)
            first.clear()
            first.clear()
            assert (rings(first), rings(second)) == (False, True)
        feed.committed("a")
        feed.committed("b")
        assert not rings(first)
    assert len(feed) == 0


def test_many_rings_are_one_and_a_ring_after_the_clearing_is_not_lost() -> None:
    with closing(Bell()) as bell:
        for _ in range(1000):
            bell.ring()
        bell.clear()
        assert not rings(bell)
        bell.ring()
        assert rings(bell)


def test_a_closed_bell_can_be_rung_without_touching_who_has_its_descriptor_now() -> None:
    bell = Bell()
    number = bell.fileno()
    bell.close()
    bell.close()
    with closing(Bell()) as next_one:
        assert next_one.fileno() == number
        bell.ring()
        assert not rings(next_one)
