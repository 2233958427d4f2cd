"""The audit log under crowds: nobody pushes out what others did, and what has no line of its own is counted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sfos.config import Logging
from sfos.programs import manage as manage_storage
from sfos.protocol import AuditTailRequest, LoginFailed, TooManyAttempts
from sfos.server.audit.log import AuditLog
from sfos.server.audit.reading import last_lines_of_all, log_files, strangers_file
from sfos.server.audit.sums import STRANGERS, USERS, Allowance, Sums
from sfos.server.audit.verify import verify_audit, verify_strangers
from tests.server.conftest import Serve, settings


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Books:
    """An audit log under a clock of our own, its files small."""

    def __init__(self, home: Path, max_bytes: int = 16_384) -> None:
        overrides = {"logging.max_bytes": str(max_bytes), "logging.backups": "3"}
        self.logging: Logging = settings(home, overrides).logging
        self.secrets = home / "secrets"
        self.clock = Clock()

    @contextmanager
    def open(self) -> Iterator[AuditLog]:
        audit = AuditLog(self.logging, self.secrets, self.clock)
        yield audit
        audit.close()

    def lines(self, newest: Path | None = None) -> list[dict[str, Any]]:
        files = log_files(newest or self.logging.audit_file)
        return [json.loads(line) for path in files for line in path.read_bytes().splitlines()]

    def of_strangers(self) -> list[dict[str, Any]]:
        return self.lines(strangers_file(self.logging.audit_file))

    def verify(self) -> None:
        for verify in (verify_audit, verify_strangers):
            found = verify(self.logging.audit_file, self.secrets)
            assert found.clean, found.findings


@pytest.fixture
def books(home: Path) -> Books:
    return Books(home)


def times(lines: list[dict[str, Any]]) -> int:
    return sum(line.get("times", 1) for line in lines if line["event"] != "lines_let_go")


def test_held_up_sign_ins_are_summed_up_for_each_address_and_minute(books: Books) -> None:
    with books.open() as audit:
        audit.write_of_user("login", "alice")
        for minute in range(3):
            for number in range(20_000):
                group = f"192.0.2.{number % 2}"
                audit.write_of_stranger("login_held_up", group, user=f"user {number % 3}", wait_s=1.0)
            books.clock.now += 60
            audit.mark()
            assert times(books.of_strangers()) == 20_000 * (minute + 1)
    lines = books.of_strangers()
    assert Counter(line.get("times", 1) for line in lines) == {1: 6, 9_999: 6}
    summed = next(line for line in lines if "times" in line)
    assert summed["address"] in ("192.0.2.0", "192.0.2.1")
    assert sorted(summed["users"].split(", ")) == ["user 0", "user 1", "user 2"]
    assert "more_users" not in summed
    assert [line["event"] for line in books.lines()] == ["login"]
    books.verify()


def test_wrong_sign_ins_name_their_accounts_as_long_as_they_are_few(books: Books) -> None:
    with books.open() as audit:
        for number in range(50):
            audit.write_of_stranger("login_failed", "192.0.2.1", user=f"user {number}")
    lines = books.of_strangers()
    assert [line.get("user") for line in lines[:10]] == [f"user {number}" for number in range(10)]
    assert (lines[10]["times"], lines[10]["more_users"], len(lines)) == (40, True, 11)


def test_whatever_strangers_do_the_sign_ins_of_users_stay_and_all_of_it_is_counted(books: Books) -> None:
    with books.open() as audit:
        audit.write_of_user("login", "alice", host="192.0.2.9")
        audit.write("account_added", user="bob", by="root")
        for minute in range(60):
            for number in range(3_000):
                group = f"2001:db8:{minute:x}:{number:x}::/64"
                event = "login_failed" if number % 2 else "connection_refused"
                audit.write_of_stranger(event, group, user=f"user {number}", reason="x" * 200)
            books.clock.now += 60
            audit.mark()
    assert [line["event"] for line in books.lines()] == ["login", "account_added"]
    lines = books.of_strangers()
    on_disk = sum(path.stat().st_size for path in log_files(strangers_file(books.logging.audit_file)))
    assert on_disk <= 4 * 16_384
    let_go = [line for line in lines if line["event"] == "lines_let_go"]
    assert let_go
    assert let_go[-1]["in_all"] == lines[0]["seq"] - 1
    assert 1_000 < lines[-1]["seq"] < 1_000 + 60 * 70, "lines have a budget, whatever how many addresses there are"
    books.verify()


def test_of_a_crowd_of_addresses_nothing_is_left_uncounted(books: Books) -> None:
    big = Books(books.secrets.parent, 100 * 2**20)
    with big.open() as audit:
        for number in range(30_000):
            audit.write_of_stranger("login_failed", f"2001:db8:0:{number:x}::/64", user="alice")
    lines = big.of_strangers()
    assert times(lines) == 30_000
    assert len(lines) < 1_100
    assert [line["sources"] for line in lines if "sources" in line] == [pytest.approx(4_096 - 1_000, abs=2)]


def test_one_user_does_not_push_out_what_others_did(books: Books) -> None:
    with books.open() as audit:
        audit.write_of_user("login", "alice", host="192.0.2.9", session="a")
        audit.write("account_added", user="bob", by="root")
        for number in range(200_000):
            audit.write_of_user("login", "mallory", host=f"192.0.2.{number % 3}", session=f"{number}")
            audit.write_of_user("session_ended", "mallory", reason="logout")
            if number % 1_000 == 0:
                books.clock.now += 10
                audit.mark()
        audit.write_of_user("login", "carol", host="192.0.2.9", session="c")
    lines = books.lines()
    mallory = [line for line in lines if line.get("user") == "mallory"]
    assert len(mallory) < 200
    assert times(mallory) == 400_000
    summed = next(line for line in mallory if line["event"] == "login" and "times" in line)
    assert sorted(summed["addresses"].split(", ")) == ["192.0.2.0", "192.0.2.1", "192.0.2.2"]
    assert [line["event"] for line in lines if line.get("user") in ("alice", "bob", "carol")] == [
        "login",
        "account_added",
        "login",
    ]
    books.verify()


def test_an_ordinary_day_has_a_line_for_each_sign_in(books: Books) -> None:
    big = Books(books.secrets.parent, 100 * 2**20)
    with big.open() as audit:
        for _ in range(200):
            audit.write_of_user("login", "alice")
            audit.write_of_user("session_ended", "alice")
            big.clock.now += 60
            audit.mark()
    assert len(big.lines()) == 400


def test_sums_take_no_more_memory_however_many_come() -> None:
    for allowance in (STRANGERS, USERS):
        sums = Sums(allowance)
        for number in range(120_000):
            sums.alone("login", f"source {number}", f"name {number}", 0.0)
        assert len(sums._sums) <= 4_097
        assert len(sums._buckets) <= 100_000
        sums = Sums(allowance)
        for number in range(10_000):
            sums.alone("login", "one", f"name {number}", 0.0)
        assert sum(len(one.names) for one in sums._sums.values()) == 8


def test_a_budget_fills_again() -> None:
    sums = Sums(Allowance(by="user", window_s=60, burst=3, per_minute=2, each=True))
    said = [sums.alone("login", "a", "", 0.0) for _ in range(5)]
    assert said == [True, True, True, False, False]
    assert sums.alone("login", "b", "", 0.0)
    assert list(sums.due(59.0)) == []
    ((event, fields),) = sums.due(61.0)
    assert (event, fields["user"], fields["times"]) == ("login", "a", 2)
    assert [sums.alone("login", "a", "", 61.0) for _ in range(3)] == [True, True, False]


def test_a_line_of_strangers_put_among_those_of_users_is_found(books: Books) -> None:
    with books.open() as audit:
        audit.write_of_user("login", "alice")
        audit.write_of_stranger("login_failed", "192.0.2.1", user="alice")
    newest = books.logging.audit_file
    newest.write_bytes(strangers_file(newest).read_bytes())
    assert not verify_audit(newest, books.secrets).clean


def test_of_the_last_lines_strangers_have_half_at_most_where_there_are_others(books: Books) -> None:
    with books.open() as audit:
        for number in range(40):
            books.clock.now += 1
            if number % 4 == 0:
                audit.write_of_user("login", "alice", session=str(number))
            audit.write_of_stranger("login_failed", f"192.0.2.{number}", user="alice")
    shown = [json.loads(line) for line in last_lines_of_all(books.logging.audit_file, 16)]
    assert Counter(line["event"] for line in shown) == {"login": 8, "login_failed": 8}
    assert [line["time"] for line in shown] == sorted(line["time"] for line in shown)
    all_of_it = last_lines_of_all(books.logging.audit_file, 1_000)
    assert len(all_of_it) == 50
    assert len(last_lines_of_all(books.logging.audit_file, 45)) == 45
    assert last_lines_of_all(books.logging.audit_file, 20, 300) == all_of_it[-1:]


# --- Through the wire ---------------------------------------------------------------------------------------------


def test_a_guesser_who_does_not_wait_leaves_a_few_lines_and_an_administrator_sees_how_often(
    serve: Serve, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = serve({"security.login_attempts": "1", "security.penalty_base_s": "600"})
    root = server.signed_in("root", "127.0.0.9")
    held_up = 0
    for _ in range(2):
        with pytest.raises(LoginFailed):
            server.greeted("127.0.0.2").login("alice", "wrong")
    for _ in range(8):
        peer = server.greeted("127.0.0.2")
        for _ in range(60):
            with pytest.raises(TooManyAttempts):
                peer.login("alice", "wrong")
            held_up += 1
    server.server.services.audit._write_sums(every=True)
    lines = [json.loads(line) for line in server.audit_of_strangers().splitlines()]
    told = [line for line in lines if line["event"] == "login_held_up"]
    assert len(told) <= 6, "a minute or two that this took, with two lines each"
    assert times(told) >= held_up
    assert '"login"' in server.audit()
    assert "held_up" not in server.audit()
    _, body = root.call(AuditTailRequest(lines=20))
    assert b"login_held_up" in bytes(body)
    assert b'"login"' in bytes(body)
    server.server.services.audit.mark()
    assert manage_storage.main(["--home", str(home), "verify", "--audit"]) == 0
    said = capsys.readouterr().out
    assert "audit log: clean" in said
    assert "audit log of strangers: clean" in said
    newest = strangers_file(server.settings.logging.audit_file)
    newest.write_bytes(b"".join(newest.read_bytes().splitlines(keepends=True)[1:]))
    assert manage_storage.main(["--home", str(home), "verify", "--audit"]) == 1
    assert "audit log of strangers: NOT AS IT WAS WRITTEN" in capsys.readouterr().out
