"""Wrong sign-ins are remembered over a restart, and writing them down costs an attacker's victim nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sfos.protocol import LiftPenaltiesRequest, LoginFailed, PenaltiesRequest, TooManyAttempts
from sfos.server.identity.penalties import Penalties, PenaltyRule
from sfos.server.identity.penalty_file import PenaltyFile
from tests.server.conftest import PASSWORDS, Running, Serve

RULE = PenaltyRule(attempts=3, base_s=10.0, growth=2.0, max_s=900.0, forget_s=3600.0)


class Run:
    """A run of a server: a monotonic clock that begins anywhere, and the wall's."""

    def __init__(self, path: Path, wall: float, monotonic: float) -> None:
        self.wall, self.monotonic = wall, monotonic
        self.penalties = Penalties(RULE, lambda: self.monotonic)
        self.file = PenaltyFile(path, self.penalties, lambda: self.wall)
        self.file.load()

    def passes(self, seconds: float) -> None:
        self.wall += seconds
        self.monotonic += seconds


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "penalties.json"


def test_a_wait_goes_on_over_a_restart_and_the_time_in_between_counts(path: Path) -> None:
    first = Run(path, 1_000_000.0, 500.0)
    for _ in range(5):
        first.penalties.failed("a", "alice")
    assert first.penalties.wait_s("a", "alice") == 20
    first.passes(3)
    first.file.save()
    second = Run(path, first.wall + 5, 7.0)
    assert second.penalties.wait_s("a", "alice") == pytest.approx(12)
    assert second.penalties.wait_s("b", "alice") == pytest.approx(12)
    assert second.penalties.failed("a", "alice") == 6
    third = Run(path, first.wall + 3600, 7.0)
    assert third.penalties.wait_s("a", "alice") == 0


def test_where_a_user_has_signed_in_before_is_remembered_too(path: Path) -> None:
    first = Run(path, 1_000_000.0, 500.0)
    first.penalties.succeeded("home", "alice")
    for number in range(20):
        first.penalties.failed(f"address {number}", "alice")
    first.file.save()
    second = Run(path, first.wall, 7.0)
    assert second.penalties.wait_s("home", "alice") == 0
    assert second.penalties.wait_s("elsewhere", "alice") == 60


def test_what_a_known_user_waits_for_goes_on_over_a_restart(path: Path) -> None:
    first = Run(path, 1_000_000.0, 500.0)
    first.penalties.succeeded("office", "alice")
    for _ in range(50):
        first.penalties.failed("office", "mallory")
        first.penalties.failed("office", "carol")
    for _ in range(5):
        first.penalties.failed("office", "alice")
    first.file.save()
    assert json.loads(path.read_text())["format"] == 2
    second = Run(path, first.wall + 5, 7.0)
    assert second.penalties.wait_s("office", "alice") == pytest.approx(15)
    assert second.penalties.wait_s("office", "mallory") == pytest.approx(895)
    second.penalties.succeeded("office", "carol")
    assert second.penalties.wait_s("office", "carol") == pytest.approx(895), "of before she was known there"


# As the version before has written it: 13 wrong attempts from the office, of which alice's own may be four, and ten on
# bob, who is known there.
FORMAT_1 = {
    "format": 1,
    "saved_unix_s": 1_000_000.0,
    "state": {
        "failures": [
            {"kind": "account", "name": "alice", "failures": 4, "age_s": 9.0, "wait_s": 0.0},
            {"kind": "account", "name": "bob", "failures": 7, "age_s": 3.0, "wait_s": 60.0},
            {"kind": "account", "name": "carol", "failures": 80, "age_s": 3.0, "wait_s": 60.0},
            {"kind": "address", "name": "office", "failures": 13, "age_s": 5.0, "wait_s": 900.0},
        ],
        "known": {"alice": ["office"], "bob": ["home", "office"], "dora": ["office"]},
    },
}


def test_a_file_of_format_1_is_read_and_lets_nobody_guess_anew(path: Path) -> None:
    path.write_text(json.dumps(FORMAT_1))
    run = Run(path, 1_000_000.0, 500.0)
    assert run.penalties.wait_s("office", "dora") == 0
    assert run.penalties.wait_s("office", "alice") == 1  # 10 s after the fourth, 9 of them over
    assert run.penalties.wait_s("office", "bob") == 80 - 5
    assert run.penalties.wait_s("home", "bob") == 0
    assert run.penalties.wait_s("office", "carol") == 895
    assert run.penalties.wait_s("elsewhere", "carol") == 57
    run.penalties.failed("elsewhere", "dora")
    run.file.save()
    assert json.loads(path.read_text())["format"] == 2
    assert Run(path, 1_000_000.0, 7.0).penalties.wait_s("office", "bob") == 80 - 5


def test_a_clock_that_was_set_back_makes_no_wait_longer_than_the_longest(path: Path) -> None:
    first = Run(path, 1_000_000.0, 500.0)
    for _ in range(50):
        first.penalties.failed("a", "alice")
    first.file.save()
    assert Run(path, 10.0, 7.0).penalties.wait_s("a", "alice") == RULE.max_s


def test_nothing_is_written_where_nothing_has_changed(path: Path) -> None:
    run = Run(path, 1_000_000.0, 500.0)
    run.file.save()
    assert not path.exists()
    run.penalties.failed("a", "alice")
    run.file.save()
    first = path.stat().st_ino, path.stat().st_mtime_ns
    run.file.save()
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == first
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"format":3,"saved_unix_s":0,"state":{"failures":[],"known":{}}}', b"[]"]
)
def test_a_damaged_file_locks_nobody_out(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    assert Run(path, 1_000_000.0, 500.0).penalties.wait_s("a", "alice") == 0


def test_a_flood_of_made_up_names_makes_no_endless_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sfos.server.identity.penalties._MAX_SAVED", 100)
    run = Run(path, 1_000_000.0, 500.0)
    for number in range(1000):
        run.penalties.failed("a", f"user {number}")
        run.penalties.succeeded(f"b {number}", f"known {number}")
    run.file.save()
    stored = json.loads(path.read_text())["state"]
    assert len(stored["known"]) == 100
    assert 50 <= len(stored["failures"]) <= 200
    assert Run(path, run.wall, 7.0).penalties.failed("a", "user 999") == 1001


def test_of_a_name_as_long_as_a_message_no_more_is_kept_than_of_a_real_one(path: Path) -> None:
    run = Run(path, 1_000_000.0, 500.0)
    longest, other = "x" * 8000, "x" * 7999 + "y"
    for _ in range(6):
        run.penalties.failed("a", longest)
    assert (run.penalties.wait_s("b", longest), run.penalties.wait_s("b", other)) == (40, 0)
    run.file.save()
    assert path.stat().st_size < 1000
    second = Run(path, run.wall, 7.0)
    assert second.penalties.wait_s("b", longest) == 40
    (shown,) = (penalty.name for penalty in second.penalties.current() if penalty.kind == "account")
    assert len(shown) <= 64
    assert second.penalties.lift("account", shown) == 1
    assert second.penalties.wait_s("b", longest) == 0


def test_what_is_lifted_costs_no_wait_any_more_here_or_after_a_restart(path: Path) -> None:
    run = Run(path, 1_000_000.0, 500.0)
    for _ in range(6):
        run.penalties.failed("a", "alice")
        run.penalties.failed("b", "bob")
    assert [(p.kind, p.name, p.failures, p.wait_s) for p in run.penalties.current()] == [
        ("account", "alice", 6, 40),
        ("account", "bob", 6, 40),
        ("address", "a", 6, 40),
        ("address", "b", 6, 40),
    ]
    assert run.penalties.lift("account", "alice") == 1
    assert run.penalties.lift("account", "alice") == 0
    assert run.penalties.wait_s("c", "alice") == 0
    assert run.penalties.wait_s("a", "alice") == 40
    assert run.penalties.lift() == 3
    run.file.save()
    assert Run(path, run.wall, 7.0).penalties.current() == []


# --- Through the wire ---------------------------------------------------------------------------------------------


def guess(server: Running, times: int) -> None:
    for _ in range(times):
        with pytest.raises(LoginFailed):
            server.greeted().login("alice", "wrong")


STRICT = {"security.login_attempts": "2", "security.penalty_base_s": "60"}


def test_who_has_to_wait_has_to_wait_after_a_restart_as_well(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    first = serve(STRICT)
    guess(first, 3)
    first.server.stop()
    monkeypatch.setattr(first.server, "stop", lambda: True)  # the fixture's stop comes too late
    second = serve(STRICT)
    with pytest.raises(TooManyAttempts) as refused:
        second.greeted().login("alice", PASSWORDS["alice"])
    assert refused.value.retry_after_s is not None
    assert 0 < refused.value.retry_after_s <= 60


def test_who_is_known_at_an_address_signs_in_at_once_beside_somebody_who_guesses_there(serve: Serve) -> None:
    server = serve({"security.login_attempts": "2", "security.penalty_base_s": "60"})
    server.signed_in("alice", "127.0.0.7").close()
    for name in ("bob", "nobody", "nobody else"):
        with pytest.raises(LoginFailed):
            server.greeted("127.0.0.7").login(name, "wrong")
    with pytest.raises(TooManyAttempts):
        server.greeted("127.0.0.7").login("bob", PASSWORDS["bob"])
    assert server.signed_in("alice", "127.0.0.7").ticket
    for _ in range(3):
        with pytest.raises(LoginFailed):
            server.greeted("127.0.0.7").login("alice", "wrong")
    with pytest.raises(TooManyAttempts) as refused:
        server.greeted("127.0.0.7").login("alice", PASSWORDS["alice"])
    assert refused.value.retry_after_s is not None
    assert 0 < refused.value.retry_after_s <= 60
    root = server.signed_in("root", "127.0.0.8")
    found = root.call(PenaltiesRequest())[0].penalties
    assert ("account", "alice", "127.0.0.7", 3) in [(one.kind, one.name, one.address, one.failures) for one in found]
    assert root.call(LiftPenaltiesRequest(kind="account", name="alice"))[0].ended == 2
    assert server.signed_in("alice", "127.0.0.7").ticket


def test_hundreds_of_wrong_attempts_cost_no_write_each(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write each would be an fsync each: whoever guesses would wear out the disk."""
    server = serve({"security.login_attempts": "100"})
    penalties = server.server.services.penalties
    synced: list[int] = []
    real = os.fsync

    def sync(descriptor: int) -> None:
        synced.append(descriptor)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", sync)
    for number in range(500):
        penalties.failed("192.0.2.1", f"user {number}")
    guess(server, 5)
    assert len(synced) < 50
