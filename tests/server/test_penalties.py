"""How long guessers wait, and that users do not wait for them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfos.server.identity.penalties import Penalties, PenaltyKind, PenaltyRule, address_group

RULE = PenaltyRule(attempts=3, base_s=1.0, growth=2.0, max_s=900.0, forget_s=3600.0)


class Clock:
    now = 50_000.0

    def __call__(self) -> float:
        return self.now


def made() -> tuple[Penalties, Clock]:
    clock = Clock()
    return Penalties(RULE, clock), clock


@pytest.mark.parametrize(
    ("address", "group"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_an_ipv4_address_is_one_and_an_ipv6_address_is_its_64(address: str, group: str) -> None:
    assert address_group(address) == group


def test_the_first_attempts_cost_nothing_and_each_further_one_twice_as_much() -> None:
    assert [RULE.wait_s(failures) for failures in range(8)] == [0, 0, 0, 0, 1, 2, 4, 8]


@given(st.integers(0, 10**9))
def test_no_number_of_attempts_costs_more_than_the_longest_wait(failures: int) -> None:
    assert 0 <= RULE.wait_s(failures) <= RULE.max_s


def test_a_wait_runs_out() -> None:
    penalties, clock = made()
    for _ in range(5):
        penalties.failed("a", "alice")
    assert penalties.wait_s("a", "alice") == 2
    clock.now += 1.5
    assert penalties.wait_s("a", "alice") == 0.5
    clock.now += 1
    assert penalties.wait_s("a", "alice") == 0


def test_attempts_are_forgotten_after_a_while() -> None:
    penalties, clock = made()
    for _ in range(30):
        penalties.failed("a", "alice")
    clock.now += RULE.forget_s
    assert penalties.wait_s("a", "alice") == 0
    assert penalties.failed("a", "alice") == 1


def test_an_address_waits_whatever_account_it_tries() -> None:
    penalties, _ = made()
    for number in range(10):
        penalties.failed("a", f"user {number}")
    assert penalties.wait_s("a", "somebody else") > 0
    assert penalties.wait_s("b", "somebody else") == 0


def test_an_account_tried_from_many_addresses_is_held_up_for_a_minute_at_most() -> None:
    penalties, _ = made()
    for number in range(100):
        penalties.failed(f"address {number}", "alice")
    assert penalties.wait_s("a new address", "alice") == 60


def test_a_user_is_not_held_up_by_strangers_where_they_have_signed_in_before() -> None:
    penalties, _ = made()
    penalties.succeeded("home", "alice")
    for number in range(100):
        penalties.failed(f"address {number}", "alice")
    assert penalties.wait_s("home", "alice") == 0


def test_signing_in_clears_the_account_but_not_the_address() -> None:
    """Or whoever has one account could guess at all others in between."""
    penalties, _ = made()
    for _ in range(6):
        penalties.failed("a", "bob")
    penalties.succeeded("a", "eve")
    penalties.succeeded("b", "bob")
    assert penalties.wait_s("a", "bob") == 4
    assert penalties.wait_s("c", "bob") == 0


def test_made_up_names_do_not_fill_the_memory_and_how_many_were_let_go_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sfos.server.identity.penalties._MAX_ENTRIES", 100)
    penalties, _ = made()
    for number in range(1000):
        penalties.failed("a", f"user {number}")
        penalties.succeeded(f"b {number}", f"known {number}")
        penalties.failed(f"b {number}", f"known {number}")
    state = penalties.state()
    assert len(penalties.current()) <= 300
    assert len(state.known) <= 100
    assert len(penalties._homes) <= 100
    assert penalties.wait_s("a", "user") > 0
    assert penalties.let_go > 3_000


# --- Who is known at an address -----------------------------------------------------------------------------------


def test_who_is_known_at_an_address_does_not_wait_for_what_others_do_there() -> None:
    penalties, _ = made()
    penalties.succeeded("office", "alice")
    for _ in range(13):
        penalties.failed("office", "mallory")
    for number in range(100):
        penalties.failed("office", f"made up {number}")
        penalties.failed(f"elsewhere {number}", "alice")
    assert penalties.wait_s("office", "alice") == 0
    assert penalties.wait_s("office", "bob") == 900


def test_a_thousand_guesses_at_a_known_name_from_its_address_wait_as_an_address_does() -> None:
    known, clock = made()
    stranger, its_clock = made()
    known.succeeded("office", "alice")
    for _ in range(1000):
        assert known.wait_s("office", "alice") == stranger.wait_s("office", "mallory")
        clock.now += known.wait_s("office", "alice")
        its_clock.now += stranger.wait_s("office", "mallory")
        known.failed("office", "alice")
        stranger.failed("office", "mallory")
    assert clock.now == its_clock.now > 50_000 + 980 * RULE.max_s


def test_nobody_guesses_anew_because_the_user_beside_them_has_signed_in() -> None:
    penalties, _ = made()
    penalties.succeeded("office", "alice")
    for _ in range(10):
        penalties.failed("office", "alice")
    waited = penalties.wait_s("office", "alice")
    penalties.succeeded("office", "alice")
    penalties.succeeded("home", "alice")
    assert penalties.wait_s("office", "alice") == waited == 64


def test_attempts_before_the_first_sign_in_at_an_address_count_afterwards() -> None:
    penalties, _ = made()
    for _ in range(10):
        penalties.failed("office", "alice")
    penalties.succeeded("office", "alice")
    assert penalties.wait_s("office", "alice") == 64


def test_a_flood_of_made_up_names_does_not_push_out_the_count_of_a_known_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sfos.server.identity.penalties._MAX_ENTRIES", 100)
    penalties, _ = made()
    penalties.succeeded("office", "alice")
    for _ in range(10):
        penalties.failed("office", "alice")
    for number in range(1000):
        penalties.failed(f"elsewhere {number}", f"made up {number}")
    assert penalties.wait_s("office", "alice") == 64


def test_an_address_that_a_user_has_not_been_at_for_long_is_no_home_any_more() -> None:
    penalties, _ = made()
    for number in range(33):
        penalties.succeeded(f"place {number}", "alice")
    for _ in range(10):
        penalties.failed("place 0", "mallory")
    assert penalties.wait_s("place 0", "alice") == 64
    assert [penalties.is_home(f"place {number}") for number in (0, 1, 32)] == [False, True, True]


def test_counts_of_a_known_account_at_its_address_are_listed_and_lifted_by_either_name() -> None:
    names: dict[PenaltyKind, str] = {"account": "alice", "address": "office"}
    for kind, name in names.items():
        penalties, _ = made()
        penalties.succeeded("office", "alice")
        for _ in range(10):
            penalties.failed("office", "alice")
        listed = [(one.kind, one.name, one.address, one.wait_s) for one in penalties.current()]
        assert listed == [
            ("account", "alice", "office", 64),
            ("address", "office", "", 64),
            ("account", "alice", "", 60),
        ]
        assert penalties.lift(kind, name) == 2
        assert penalties.wait_s("office", "alice") == 0
