"""Gate when there is little room: some are let in, others turned away."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfos.server.front.gate import Caps, Gate, Refused, Slot


def test_each_limit_refuses_by_its_own_reason_and_leaving_makes_room() -> None:
    gate = Gate(Caps(total=5, per_address=3, unauthenticated=4))
    two = [gate.enter("a") for _ in range(2)]
    assert gate.enter("a").refusal == "connections from this address that have not signed in"
    for slot in two:
        slot.authenticated()
    gate.enter("a")
    assert gate.enter("a").refusal == "connections from this address"
    gate.enter("b")
    gate.enter("c")
    refused = gate.enter("d")
    assert refused.refusal == "connections in all"
    refused.leave()
    two[0].leave()
    assert gate.enter("d").refusal is None


def test_who_has_signed_in_makes_room_for_strangers() -> None:
    gate = Gate(Caps(total=100, per_address=100, unauthenticated=2))
    first, second = gate.enter("a"), gate.enter("b")
    assert gate.enter("c").refusal == "connections that have not signed in"
    second.authenticated()
    second.authenticated()
    assert gate.unauthenticated == 1
    assert gate.enter("d").refusal is None
    first.leave()
    second.leave()
    assert (gate.total, gate.unauthenticated) == (1, 1)


def test_few_refusals_are_spoken_and_the_rest_is_not() -> None:
    gate = Gate(Caps(total=1, per_address=1, unauthenticated=1))
    gate.enter("a")
    told = [gate.enter("crowd") for _ in range(2)]
    with pytest.raises(Refused):
        gate.enter("crowd")
    told[0].leave()
    assert gate.enter("crowd").refusal is not None
    assert all(gate.enter(f"other {number}").refusal for number in range(14))
    with pytest.raises(Refused):
        gate.enter("one more")


@given(st.lists(st.tuples(st.sampled_from("enter leave login".split()), st.sampled_from("abc")), max_size=200))
def test_whatever_happens_no_limit_is_passed_and_all_counts_return_to_nothing(steps: list[tuple[str, str]]) -> None:
    gate = Gate(Caps(total=4, per_address=3, unauthenticated=2))
    inside: list[tuple[str, Slot]] = []
    for step, group in steps:
        if step == "enter":
            try:
                inside.append((group, gate.enter(group)))
            except Refused:
                continue
        elif inside and step == "login":
            inside[0][1].authenticated()
        elif inside:
            inside.pop(0)[1].leave()
        welcome = [one for one, slot in inside if slot.refusal is None]
        assert gate.total == len(welcome) <= 4
        assert gate.unauthenticated <= 2
        assert all(welcome.count(one) <= 3 for one in "abc")
    for _, slot in inside:
        slot.leave()
    assert (gate.total, gate.unauthenticated) == (0, 0)
    assert not gate._of
    assert not gate._strangers_of
    assert not gate._spoken_of
