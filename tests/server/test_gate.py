"""Gate when there is little room: who is let in, who gives way, who is turned away."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfos.protocol import ServerBusy
from sfos.server.front import gate as gate_module
from sfos.server.front.gate import SIGN_IN_S, Caps, Gate, Refused, Slot


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class House:
    """A gate under a clock of our own, and those who came in."""

    def __init__(self, total: int = 100, per_address: int = 100, unauthenticated: int = 100, *homes: str) -> None:
        self.clock = Clock()
        self.gate = Gate(Caps(total, per_address, unauthenticated), frozenset(homes).__contains__, self.clock)

    def enter(self, group: str, *, spoken: bool = False) -> Slot:
        slot = self.gate.enter(group)
        slot.occupant = Guest(slot, spoken)
        slot.spoken = spoken
        return slot

    def member(self, group: str, user: str, *, privileged: bool = False) -> Slot:
        slot = self.enter(group, spoken=True)
        slot.sign_in(user, privileged=privileged)
        return slot


class Guest:
    """A connection that leaves as soon as it is told to."""

    def __init__(self, slot: Slot, heard: bool) -> None:
        self.slot = slot
        self.heard = heard
        self.idle_since: float | None = None

    def give_way(self) -> None:
        assert self.slot.gave_way
        self.slot.leave()


# --- Who has not signed in ----------------------------------------------------------------------------------------


def test_silence_that_lasts_gives_way_to_newcomers_the_oldest_first() -> None:
    house = House(unauthenticated=4)
    silent = [house.enter("a"), house.enter("b"), house.enter("c"), house.enter("d")]
    assert house.enter("e").beyond, "nobody has been silent for a moment yet"
    house.clock.now += 1
    welcome = house.enter("f")
    assert not welcome.beyond
    assert [slot.gave_way for slot in silent] == [True, False, False, False]
    assert house.gate.unauthenticated == 4


def test_the_address_with_the_most_gives_way_first_and_at_once() -> None:
    house = House(unauthenticated=8)
    crowd = [house.enter(group) for group in "aaaabbbb"]
    for _ in range(2):
        assert not house.enter("c").beyond
    assert Counter(slot.group for slot in crowd if slot.gave_way) == {"a": 1, "b": 1}
    assert house.enter("c").beyond, "with one more it would have as many as they"


def test_nobody_gives_way_to_an_address_that_has_more() -> None:
    house = House(unauthenticated=8)
    for group in "aaaabbb":
        house.enter(group)
    slow = house.enter("c")
    for number in range(20):
        house.clock.now += 0.4
        house.enter("ab"[number % 2])
    assert not slow.gave_way, "the first bytes of a slow line may be late"


def test_a_silent_crowd_that_always_comes_again_keeps_nobody_out_though_all_of_it_has_only_just_come() -> None:
    house = House(unauthenticated=32)
    crowd = [house.enter(f"crowd {number}") for number in range(48)]
    assert house.gate.beyond == 16
    welcome = house.enter("a newcomer", spoken=True)
    assert not welcome.beyond
    assert [slot.gave_way for slot in crowd] == [True] + 47 * [False]
    for number in range(100):
        house.enter(f"more of the crowd {number}")
    assert not welcome.gave_way, "who speaks is no longer silent"
    assert (house.gate.unauthenticated, house.gate.beyond, house.gate.refused) == (32, 16, 0)


def test_from_an_address_whose_own_silence_has_all_its_places_one_gets_in_too() -> None:
    house = House(unauthenticated=32)
    crowd = [house.enter("office") for _ in range(18)]
    assert not house.enter("office", spoken=True).gave_way
    assert sum(slot.gave_way for slot in crowd) == 1


def test_who_is_signing_in_is_preferred_to_silence_as_long_as_that_takes() -> None:
    house = House(unauthenticated=4)
    busy = [house.enter(group, spoken=True) for group in "abc"]
    silent = house.enter("d")
    house.clock.now += 1
    assert not house.enter("e", spoken=True).beyond
    assert silent.gave_way
    assert house.enter("f").beyond
    house.clock.now += SIGN_IN_S
    assert not house.enter("g").beyond
    assert busy[0].gave_way


def test_an_address_where_somebody_has_signed_in_before_is_preferred() -> None:
    house = House(100, 100, 4, "home")
    crowd = [house.enter(group, spoken=True) for group in "abcd"]
    assert house.enter("e").beyond
    first = house.enter("home", spoken=True)
    assert not first.beyond
    assert crowd[0].gave_way
    house.clock.now += 1
    for group in "fgh":
        house.enter(group)
    assert not first.gave_way


def test_whoever_has_signed_in_somewhere_does_not_keep_others_out_from_there_without_signing_in() -> None:
    house = House(100, 100, 8, "a", "b")
    crowd = [house.enter(group, spoken=True) for group in "aaaabbbb"]
    assert not house.enter("c", spoken=True).beyond
    assert crowd[0].gave_way


def test_half_of_the_places_is_one_addresss_and_its_own_silence_gives_way() -> None:
    house = House(unauthenticated=4)
    own = [house.enter("a"), house.enter("a")]
    assert house.enter("a").beyond
    house.clock.now += 1
    assert not house.enter("a").beyond
    assert [slot.gave_way for slot in own] == [True, False]


def test_a_crowd_that_finds_no_place_in_the_anteroom_either_is_turned_away() -> None:
    house = House(total=1, per_address=1, unauthenticated=1)
    house.member("a", "alice")
    told = [house.enter("crowd", spoken=True) for _ in range(2)]
    with pytest.raises(Refused, match="connections in all"):
        house.enter("crowd")
    told[0].leave()
    assert house.enter("crowd", spoken=True).beyond
    assert all(house.enter(f"other {number}", spoken=True).beyond for number in range(14))
    assert house.gate.beyond == 16
    with pytest.raises(Refused):
        house.enter("crowd")
    assert not house.enter("one more").gave_way, "an address that has none there has fewer than the crowd"
    assert house.gate.beyond == 16
    assert house.gate.refused == 2


# --- Who has ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("caps", "said"), [((4, 100), "in all"), ((100, 4), "from this address")])
def test_the_user_with_the_most_gives_way_where_it_is_full_the_longest_idle_first(
    caps: tuple[int, int], said: str
) -> None:
    house = House(*caps, 100)
    many = [house.member("a", "mallory") for _ in range(4)]
    for slot, idle_since in zip(many, (None, 7.0, 5.0, None), strict=True):
        assert isinstance(slot.occupant, Guest)
        slot.occupant.idle_since = idle_since
    house.member("a", "alice")
    house.member("a", "bob")
    assert [slot.gave_way for slot in many] == [False, True, True, False]
    newcomer = house.enter("a", spoken=True)
    with pytest.raises(ServerBusy, match=said) as refused:
        newcomer.sign_in("mallory", privileged=False)
    assert refused.value.retry_after_s
    newcomer.leave()
    house.member("a", "carol")
    dora = house.enter("a", spoken=True)
    with pytest.raises(ServerBusy):
        dora.sign_in("dora", privileged=False)  # four users have one each
    assert house.gate.total == 4


def test_at_an_address_only_its_own_connections_give_way() -> None:
    house = House(100, 2, 100)
    elsewhere = [house.member(f"b{number}", "mallory") for number in range(5)]
    here = [house.member("a", "alice"), house.member("a", "alice")]
    house.member("a", "bob")
    assert sum(slot.gave_way for slot in here) == 1
    assert not any(slot.gave_way for slot in elsewhere)


def test_a_reserve_lets_administrators_in_whatever_is_full() -> None:
    house = House(total=3)
    for user in ("alice", "bob", "carol"):
        house.member("a", user)
    first = house.enter("b", spoken=True)
    first.sign_in("root", privileged=True)
    assert (house.gate.total, house.gate.beyond, first.beyond) == (3, 1, True)
    for _ in range(7):
        house.member("b", "root", privileged=True)
    with pytest.raises(ServerBusy):
        house.member("b", "root", privileged=True)
    house.member("b", "other root", privileged=True)


def test_who_is_in_the_reserve_takes_a_place_that_becomes_free() -> None:
    house = House(total=1)
    alice = house.member("a", "alice")
    root = house.member("b", "root", privileged=True)
    alice.leave()
    assert (root.beyond, house.gate.total, house.gate.beyond) == (False, 1, 0)


def test_strangers_take_no_place_from_who_has_signed_in() -> None:
    house = House(total=4, unauthenticated=4)
    inside = [house.member("a", "mallory") for _ in range(4)]
    house.clock.now += 100
    for number in range(50):
        try:
            house.enter(f"b{number}", spoken=number % 2 == 0)
        except Refused:
            continue
    assert not any(slot.gave_way for slot in inside)
    assert house.gate.total == 4


def test_no_more_give_way_than_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a crowd in a hurry would make threads without a bound, each of one that is just leaving."""
    monkeypatch.setattr(gate_module, "_MOST_LEAVING", 3)
    house = House(unauthenticated=1)
    for _ in range(10):
        house.clock.now += 1
        try:
            house.gate.enter("a")  # whose connections do not end by themselves
        except Refused:
            break
    assert house.gate.displaced == 3


Step = tuple[str, str, str]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["enter", "speak", "leave", "login", "wait"]),
            st.sampled_from("abc"),
            st.sampled_from(["alice", "bob", "root"]),
        ),
        max_size=200,
    )
)
def test_whatever_happens_no_limit_is_passed_and_all_counts_return_to_nothing(steps: list[Step]) -> None:
    house = House(4, 3, 2, "c")
    gate = house.gate
    inside: list[Slot] = []
    for number, (step, group, user) in enumerate(steps):
        inside = [slot for slot in inside if not slot.gave_way]
        chosen = inside[number % len(inside)] if inside else None
        try:
            if step == "enter":
                inside.append(house.enter(group))
            elif step == "wait":
                house.clock.now += 0.6
            elif chosen is not None and step == "speak":
                assert isinstance(chosen.occupant, Guest)
                chosen.spoken = chosen.occupant.heard = True
            elif chosen is not None and step == "login":
                chosen.sign_in(user, privileged=user == "root")
            elif chosen is not None:
                inside.remove(chosen)
                chosen.leave()
        except (Refused, ServerBusy):
            continue
        welcome = [slot for slot in inside if not slot.gave_way and not slot.beyond]
        assert gate.total == len(welcome) <= 4
        assert gate.unauthenticated == sum(slot.user is None for slot in welcome) <= 2
        assert all(sum(slot.group == one for slot in welcome) <= 3 for one in "abc")
        assert gate.beyond <= 32
    for slot in inside:
        if not slot.gave_way:
            slot.leave()
    assert (gate.total, gate.unauthenticated, gate.beyond) == (0, 0, 0)
    assert gate.remembered == 0
