"""The memory that the bodies of long requests come into."""

from __future__ import annotations

import pytest

from sfos.protocol import MAX_BODY
from sfos.server.net.request_bodies import RequestBodies

MIB = 1024 * 1024


def test_memory_is_used_again_once_its_request_has_been_answered() -> None:
    bodies = RequestBodies()
    first, other = bodies.take(MAX_BODY), bodies.take(MAX_BODY - 1)
    assert other is not first, "the first request is still being answered"
    bodies.give_back(first)
    assert bodies.take(6 * MIB) is first


def test_memory_that_somebody_still_looks_at_is_not_used_again() -> None:
    bodies = RequestBodies()
    memory = bodies.take(MAX_BODY)
    piece = memoryview(memory)[MIB : 2 * MIB][10:20]
    bodies.give_back(memory)
    assert bodies.take(MAX_BODY) is not memory
    piece.release()
    bodies.give_back(memory)
    assert bodies.take(MAX_BODY) is memory


def test_giving_back_leaves_the_length_and_the_content_as_they_were() -> None:
    bodies = RequestBodies()
    memory = bodies.take(4 * MIB)
    length = len(memory)
    memory[-3:] = b"end"
    bodies.give_back(memory)
    assert len(memory) == length
    assert memory[-3:] == b"end"


@pytest.mark.parametrize("size", [0, 1, MIB, 2 * MIB, 4 * MIB, 5 * MIB, 5 * MIB + 1, MAX_BODY])
def test_what_is_charged_is_what_is_held_and_holds_the_body(size: int) -> None:
    bodies = RequestBodies()
    assert len(bodies.take(size)) == bodies.held_bytes(size) >= size


def test_short_bodies_have_memory_of_their_own() -> None:
    bodies = RequestBodies()
    memory = bodies.take(MIB)
    bodies.give_back(memory)
    assert bodies.take(MIB) is not memory


def test_only_a_few_idle_ones_are_kept() -> None:
    bodies = RequestBodies(keep=2)
    lent = [bodies.take(MAX_BODY) for _ in range(3)]
    for memory in lent:
        bodies.give_back(memory)
    again = [bodies.take(MAX_BODY) for _ in range(3)]
    assert sum(any(memory is one for one in lent) for memory in again) == 2


def test_what_is_idle_can_be_let_go() -> None:
    bodies = RequestBodies()
    memory = bodies.take(MAX_BODY)
    bodies.give_back(memory)
    bodies.forget()
    assert bodies.take(MAX_BODY) is not memory
