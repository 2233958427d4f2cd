"""`admin …` as an administrator uses it, from the first word to the exit code."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
from pathlib import Path

import pytest

from sfos.cli.admin.disable import AdminDisableOptions
from sfos.cli.admin.enable import AdminEnableOptions
from sfos.cli.admin.lift import AdminLiftOptions
from sfos.cli.admin.limits import quota_bytes
from sfos.cli.admin.quota import AdminQuotaOptions
from sfos.cli.admin.users import AdminUsersOptions
from sfos.cli.parser import parse
from tests.cli.conftest import Cli

FIRST = "a first password 7"
OWN = "a password of my own"


@pytest.fixture
def admin(newcomer: Cli) -> Cli:
    """The administrator, on a computer that has never seen the server."""
    return dataclasses.replace(newcomer, user="admin", password="admin123")


@pytest.fixture
def anna(admin: Cli) -> Cli:
    """An account that the administrator has just made, and its user, who has not signed in yet."""
    name = f"a{os.urandom(4).hex()}"
    admin.write("first.txt", FIRST + "\n")
    admin.ok("admin", "add", name, "--new-password-file", "first.txt")
    person = admin.directory.parent / "anna"
    (person / "run").mkdir(parents=True, mode=0o700)
    return dataclasses.replace(admin, user=name, password=FIRST, person=person)


def account(admin: Cli, name: str) -> dict[str, object]:
    found = [json.loads(line) for line in admin.ok("admin", "users", "--json").splitlines()]
    return next(entry for entry in found if entry["user"] == name)


def chooses_own(anna: Cli) -> Cli:
    anna.write("own.txt", OWN + "\n")
    done = anna("passwd", "--new-password-file", "own.txt")
    assert done.code == 0, done.err
    return dataclasses.replace(anna, password=OWN)


# ── the grammar ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_admin_commands_are_understood_with_the_options_of_all_commands_anywhere() -> None:
    invocation = parse(["--user", "root", "admin", "users", "--json", "--server", "host:1"])
    assert invocation.options == AdminUsersOptions(json=True)
    assert (invocation.connection.user, invocation.connection.server) == ("root", "host:1")
    assert parse(["admin", "enable", "anna"]).options == AdminEnableOptions("anna")
    assert parse(["admin", "disable", "anna"]).options == AdminDisableOptions("anna")
    assert parse(["admin", "quota", "anna", "default"]).options == AdminQuotaOptions("anna", None)
    assert parse(["admin", "quota", "anna", "--files", "1,000"]).options == AdminQuotaOptions("anna", files=1000)
    assert parse(["admin", "lift", "--account", "anna"]).options == AdminLiftOptions(account="anna")


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("5", 5),
        ("5 B", 5),
        ("50 GB", 50 * 10**9),
        ("50GiB", 50 * 2**30),
        ("1.5 k", 1500),
        ("none", 0),
        ("Default", None),
    ],
)
def test_a_quota_is_a_size_as_people_write_it(text: str, count: int | None) -> None:
    assert quota_bytes(text) == count


@pytest.mark.parametrize("text", ["", "-5", "0", "5 bananas", "1e9", "9999999999 TB"])
def test_what_is_no_size_is_no_quota(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        quota_bytes(text)


@pytest.mark.parametrize(
    "words",
    [
        ["admin"],
        ["admin", "frobnicate"],
        ["admin", "add"],
        ["admin", "role", "anna", "king"],
        ["admin", "lift"],
        ["admin", "lift", "--all", "--account", "anna"],
        ["admin", "audit", "-n", "0"],
        ["admin", "add", "anna", "--generate", "--new-password-file", "x"],
        ["admin", "quota", "anna"],
        ["admin", "quota", "anna", "--files", "many"],
        ["admin", "quota", "anna", "--files", "0"],
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_happens(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(words)
    assert ended.value.code == 2


# ── accounts ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_new_user_has_to_choose_a_password_and_is_then_at_home(admin: Cli, anna: Cli) -> None:
    assert account(admin, anna.user)["must_change"] is True
    refused = anna("ls")
    assert refused.code == 77
    assert "choose one of your own first" in refused.err
    own = chooses_own(anna)
    assert own("ls").code == 0
    assert account(admin, anna.user)["must_change"] is False
    assert anna.user in admin.ok("admin", "users")


def test_a_generated_password_is_all_that_goes_to_standard_output(admin: Cli) -> None:
    name = f"g{os.urandom(4).hex()}"
    made = admin("admin", "add", name, "--generate", "--role", "admin", "--quota", "5 GB")
    assert made.code == 0
    password = made.out.strip()
    assert len(password) >= 16
    assert password not in made.err
    assert (account(admin, name)["role"], account(admin, name)["quota_bytes"]) == ("admin", 5 * 10**9)
    again = json.loads(admin.ok("admin", "reset", name, "--generate", "--json"))
    assert again["password"] != password
    assert again["user"] == name
    assert admin("admin", "remove", name, "--yes").code == 0
    assert admin("admin", "reset", name, "--generate").code == 4


def test_a_reset_ends_the_sessions_and_a_disabled_user_is_out(admin: Cli, anna: Cli) -> None:
    own = chooses_own(anna)
    own.ok("ls")
    assert account(admin, anna.user)["sessions"] == 1
    admin.ok("admin", "reset", anna.user, "--new-password-file", "first.txt")
    assert account(admin, anna.user)["sessions"] == 0
    assert own("ls").code == 77
    own = chooses_own(anna)
    done = admin("admin", "disable", anna.user)
    assert "may no longer sign in" in done.err
    assert own("ls").code == 77
    admin.ok("admin", "enable", anna.user)
    assert own("ls").code == 0


def test_a_quota_is_set_and_seen_by_its_user(admin: Cli, anna: Cli) -> None:
    own = chooses_own(anna)
    assert "may store: 3.0 kB;" in admin("admin", "quota", anna.user, "3 kB").err
    assert json.loads(own.ok("usage", "--json"))["quota_bytes"] == 3000
    own.write("large.bin", os.urandom(5000))
    assert own("put", "large.bin").code == 9
    assert "no limit (as all)" in admin("admin", "quota", anna.user, "default").err
    assert own("put", "large.bin").code == 0


def test_a_quota_of_files_is_set_listed_met_and_taken_back(admin: Cli, anna: Cli) -> None:
    own = chooses_own(anna)
    assert "files and folders: 2." in admin("admin", "quota", anna.user, "--files", "2").err
    assert (account(admin, anna.user)["quota_files"], account(admin, anna.user)["quota_bytes"]) == (2, None)
    own.ok("mkdir", "/docs")
    own.write("small.txt", b"small")
    own.ok("put", "small.txt", "/docs/one")
    refused = own("put", "small.txt", "/docs/two")
    assert (refused.code, "2 files and folders" in refused.err) == (9, True)
    assert json.loads(own.ok("usage", "--json"))["entries_current"] == 2
    assert "2 files and folders, of which 0 are left" in own.ok("usage")
    assert "2" in admin.ok("admin", "users")
    admin.ok("admin", "quota", anna.user, "50 GB", "--files", "default")
    assert (account(admin, anna.user)["quota_files"], account(admin, anna.user)["quota_bytes"]) == (None, 50 * 10**9)
    assert own("put", "small.txt", "/docs/two").code == 0


def test_the_last_administrator_stays_and_the_reason_is_said(admin: Cli) -> None:
    for words in (["disable", "admin"], ["role", "admin", "user"], ["remove", "admin", "--yes"]):
        done = admin("admin", *words)
        assert done.code == 77
        assert "only enabled administrator" in done.err


def test_a_user_becomes_an_administrator_and_a_user_again(admin: Cli, anna: Cli) -> None:
    own = chooses_own(anna)
    done = admin("admin", "role", own.user, "admin")
    assert (done.code, done.out, done.err) == (0, "", f"{own.user} is now: admin.\n")
    assert own("admin", "users").code == 0
    assert json.loads(admin.ok("admin", "role", own.user, "user", "--json"))["role"] == "user"
    assert own("admin", "users").code == 77


def test_a_password_that_will_not_do_is_refused_here(admin: Cli) -> None:
    admin.write("short.txt", "short\n")
    done = admin("admin", "add", "nobody-new", "--new-password-file", "short.txt")
    assert done.code == 77
    assert "will not do" in done.err


def test_a_user_administers_nothing(anna: Cli) -> None:
    own = chooses_own(anna)
    for words in (["users"], ["role", own.user, "admin"], ["sessions"], ["audit"], ["penalties"]):
        assert own("admin", *words).code == 77


def test_an_account_is_removed_only_when_somebody_says_yes(admin: Cli, anna: Cli) -> None:
    assert admin("admin", "remove", anna.user).code == 77  # no terminal, no --yes
    assert account(admin, anna.user)
    admin.ok("admin", "remove", anna.user, "--yes")
    assert admin("admin", "remove", anna.user, "--yes").code == 4


# ── sessions, penalties, audit log ──────────────────────────────────────────────────────────────────────────────


def test_sessions_of_anybody_are_seen_and_ended(admin: Cli, anna: Cli) -> None:
    own = chooses_own(anna)
    own.ok("ls")
    found = [json.loads(line) for line in admin.ok("admin", "sessions", "--json").splitlines()]
    assert {"admin", anna.user} <= {entry["user"] for entry in found}
    table = admin.ok("admin", "sessions", anna.user).splitlines()
    assert table[0].split()[:3] == ["session", "user", "address"]
    (line,) = table[1:]
    assert anna.user in line
    done = admin("admin", "logout", anna.user, line.split()[0])
    assert (done.code, done.err) == (0, f"Ended 1 session of {anna.user}.\n")
    assert dataclasses.replace(own, password=None)("ls").code == 77
    assert admin("admin", "logout", "nobody-at-all").code == 4


def test_penalties_are_seen_and_lifted(admin: Cli, anna: Cli) -> None:
    for _ in range(2):
        assert dataclasses.replace(anna, password="wrong")("ls").code == 77
    found = [json.loads(line) for line in admin.ok("admin", "penalties", "--json").splitlines()]
    assert ("account", anna.user, 2) in [(entry["kind"], entry["name"], entry["failures"]) for entry in found]
    assert "127.0.0.1" in admin.ok("admin", "penalties")
    assert admin("admin", "lift", "--account", anna.user).err == "1 penalty lifted.\n"
    assert admin("admin", "lift", "--account", anna.user).code == 4
    assert admin("admin", "lift", "--address", "127.0.0.1").code == 0
    assert admin("admin", "lift", "--all").code == 0
    assert admin("admin", "penalties").err == "Nobody has signed in wrongly of late.\n"


def test_the_end_of_the_audit_log_is_shown_for_people_and_for_programs(admin: Cli, anna: Cli) -> None:
    shown = admin.ok("admin", "audit", "-n", "3").splitlines()
    assert len(shown) == 3
    assert any(f"account_added  user={anna.user}  by=admin" in line for line in shown)
    assert not any("mac=" in line for line in shown)
    lines = [json.loads(line) for line in admin.ok("admin", "audit", "--json", "-n", "2").splitlines()]
    assert [line["event"] for line in lines][-1] == "audit_read"
    assert all("mac" in line for line in lines)


def test_a_password_that_was_given_never_comes_near_the_server(admin: Cli, anna: Cli) -> None:
    chooses_own(anna)
    for path in Path(admin.server.home).rglob("*"):
        if path.is_file() and "user" not in path.relative_to(admin.server.home).parts[:1]:
            content = path.read_bytes()
            assert FIRST.encode() not in content, path
            assert OWN.encode() not in content, path
