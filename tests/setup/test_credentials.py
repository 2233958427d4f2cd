"""The credential file: what it keeps, who sees a change, and what happens when several write at once."""

import json
import logging
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sfos.protocol import SALT_BYTES, Verifier, make_verifier
from sfos.server.identity import credential_file
from sfos.server.identity.credential_file import CredentialFile
from tests.setup.accounts import account

ROOT = Path(__file__).parents[2]
PENCIL = make_verifier("pencil", b"0123456789abcdef", 600_000)
ERASER = make_verifier("eraser", b"fedcba9876543210", 600_000)


@pytest.fixture
def accounts(tmp_path: Path) -> CredentialFile:
    return CredentialFile(tmp_path / "secrets" / "credentials.json")


def test_a_new_account_is_found_by_name_and_by_id(accounts: CredentialFile) -> None:
    alice = accounts.add("alice", PENCIL, "admin")
    assert accounts.find("alice") == accounts.find_id(alice.user_id) == alice
    assert (alice.role, alice.must_change, alice.disabled, alice.verifier) == ("admin", False, False, PENCIL)
    assert len(bytes.fromhex(alice.user_id)) == 16
    assert CredentialFile(accounts.path).accounts() == (alice,)


def test_without_a_file_there_are_no_accounts(accounts: CredentialFile) -> None:
    assert accounts.accounts() == ()
    assert accounts.find("alice") is None
    assert not accounts.path.exists()


def test_only_the_owner_may_read_the_file_and_its_directory(accounts: CredentialFile) -> None:
    previous = os.umask(0)
    try:
        accounts.add("alice", PENCIL)
    finally:
        os.umask(previous)
    assert accounts.path.stat().st_mode & 0o777 == 0o600
    assert accounts.path.parent.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o077 == 0 for path in accounts.path.parent.iterdir())


def test_the_password_itself_is_not_in_the_file(accounts: CredentialFile) -> None:
    accounts.add("alice", PENCIL)
    assert b"pencil" not in accounts.path.read_bytes()
    assert json.loads(accounts.path.read_text())["accounts"]["alice"]["verifier"] == PENCIL.format()


@pytest.mark.parametrize("name", ["a", "0", "a.b_c-d", "a" * 64])
def test_an_allowed_user_name_is_accepted(accounts: CredentialFile, name: str) -> None:
    assert accounts.add(name, PENCIL).name == name


@pytest.mark.parametrize("name", ["", "Alice", ".a", "-a", "_a", "a b", "a/b", "a\n", "ä", "a" * 65, "../a", "a\0"])
def test_any_other_user_name_is_refused(accounts: CredentialFile, name: str) -> None:
    with pytest.raises(credential_file.UserNameRefused):
        accounts.add(name, PENCIL)


def test_the_same_name_twice_is_refused(accounts: CredentialFile) -> None:
    accounts.add("alice", PENCIL)
    with pytest.raises(credential_file.AccountExists):
        accounts.add("alice", ERASER)
    assert account(accounts, "alice").verifier == PENCIL


def test_changing_what_does_not_exist_is_refused(accounts: CredentialFile) -> None:
    changes = (
        lambda: accounts.set_verifier("bob", PENCIL),
        lambda: accounts.set_disabled("bob", True),
        lambda: accounts.set_role("bob", "admin"),
        lambda: accounts.remove("bob"),
    )
    for change in changes:
        with pytest.raises(credential_file.NoSuchAccount):
            change()


def test_a_new_password_clears_the_duty_to_change_it(accounts: CredentialFile) -> None:
    accounts.add("alice", PENCIL, must_change=True)
    assert account(accounts, "alice").must_change
    accounts.set_verifier("alice", ERASER)
    assert (account(accounts, "alice").verifier, account(accounts, "alice").must_change) == (ERASER, False)


def test_the_id_of_a_removed_account_never_comes_back(
    accounts: CredentialFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = accounts.add("alice", PENCIL)
    accounts.remove("alice")
    drawn = iter([first.user_id, first.user_id, "0" * 32])
    monkeypatch.setattr(secrets, "token_hex", lambda size: next(drawn))
    assert accounts.add("alice", PENCIL).user_id == "0" * 32
    assert accounts.find_id(first.user_id) is None
    assert json.loads(accounts.path.read_text())["retired_ids"] == [first.user_id]


def test_a_password_change_of_a_session_does_not_hit_a_new_account_of_the_same_name(accounts: CredentialFile) -> None:
    old = accounts.add("alice", PENCIL)
    accounts.remove("alice")
    accounts.add("alice", PENCIL)
    with pytest.raises(credential_file.NoSuchAccount):
        accounts.set_verifier("alice", ERASER, user_id=old.user_id)
    assert account(accounts, "alice").verifier == PENCIL


def test_the_last_administrator_stays(accounts: CredentialFile) -> None:
    accounts.add("alice", PENCIL, "admin")
    accounts.add("bob", PENCIL)
    for change in (
        lambda: accounts.remove("alice"),
        lambda: accounts.set_disabled("alice", True),
        lambda: accounts.set_role("alice", "user"),
    ):
        with pytest.raises(credential_file.LastAdministrator):
            change()
    accounts.set_role("bob", "admin")
    accounts.remove("alice")
    assert [account.name for account in accounts.accounts()] == ["bob"]


# --- A running server and the scripts -----------------------------------------------------------------------------


def test_a_running_reader_sees_each_change_of_another_process(accounts: CredentialFile) -> None:
    script = (
        "import sys; from pathlib import Path; from sfos.server.identity.credential_file import CredentialFile\n"
        "from sfos.protocol import Verifier\n"
        "CredentialFile(Path(sys.argv[1])).add(sys.argv[2], Verifier.parse(sys.argv[3]))\n"
    )
    assert accounts.find("alice") is None
    for name in ("alice", "bob"):
        command = [sys.executable, "-c", script, str(accounts.path), name, PENCIL.format()]
        subprocess.run(command, check=True, cwd=ROOT)
        assert accounts.find(name) is not None


def test_a_reader_sees_every_one_of_many_quick_changes(accounts: CredentialFile) -> None:
    reader = CredentialFile(accounts.path)
    accounts.add("alice", PENCIL)
    for turn in range(200):
        disabled = turn % 2 == 0  # "true" and "false ": the size hardly tells
        accounts.set_disabled("alice", disabled)
        assert account(reader, "alice").disabled is disabled


def test_a_change_within_one_tick_of_the_clock_is_still_seen(accounts: CredentialFile) -> None:
    accounts.add("alice", PENCIL)
    future = time.time_ns() + 10**12  # as if every later write fell into the same tick or an earlier one
    os.utime(accounts.path, ns=(future, future))
    accounts.set_verifier("alice", ERASER)
    assert accounts.path.stat().st_mtime_ns > future


def test_writers_at_the_same_time_lose_nothing(accounts: CredentialFile) -> None:
    def add_many(prefix: str) -> None:
        own = CredentialFile(accounts.path)
        for number in range(10):
            own.add(f"{prefix}{number}", PENCIL)

    threads = [threading.Thread(target=add_many, args=(prefix,)) for prefix in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(accounts.accounts()) == 40
    assert len({account.user_id for account in accounts.accounts()}) == 40


def test_a_file_that_is_gone_for_a_moment_is_an_error_and_no_empty_list(accounts: CredentialFile) -> None:
    accounts.add("alice", PENCIL)
    assert accounts.find("alice")
    aside = accounts.path.rename(accounts.path.with_suffix(".aside"))
    for use in (accounts.accounts, lambda: accounts.add("bob", PENCIL)):
        with pytest.raises(credential_file.CredentialsUnreadable, match="not there any more"):
            use()
    assert not accounts.path.exists()
    aside.rename(accounts.path)
    assert accounts.find("alice")


def test_what_the_system_does_not_let_be_read_is_named(accounts: CredentialFile) -> None:
    accounts.path.mkdir(parents=True)
    with pytest.raises(credential_file.CredentialsUnreadable, match=r"credentials\.json: Is a directory"):
        accounts.accounts()


def test_a_write_that_fails_leaves_the_old_file_whole(
    accounts: CredentialFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts.add("alice", PENCIL)
    before = accounts.path.read_bytes()

    def fail(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="Input/output"):
        accounts.add("bob", PENCIL)
    monkeypatch.undo()
    assert accounts.path.read_bytes() == before
    accounts.add("bob", PENCIL)
    assert [account.name for account in accounts.accounts()] == ["alice", "bob"]


def test_a_file_that_others_can_read_is_complained_about(
    accounts: CredentialFile, caplog: pytest.LogCaptureFixture
) -> None:
    accounts.add("alice", PENCIL)
    accounts.path.chmod(0o644)
    with caplog.at_level(logging.WARNING):
        CredentialFile(accounts.path).accounts()
    assert "chmod 600" in caplog.text


def with_alice_twice(text: str) -> str:
    alice = json.dumps(json.loads(text)["accounts"]["alice"])
    return text.replace('"accounts": {', f'"accounts": {{"alice": {alice}, ', 1)


def damage(**changes: object) -> Callable[[str], str]:
    def apply(text: str) -> str:
        document = json.loads(text)
        document.update(changes)
        return json.dumps(document)

    return apply


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "",
        lambda text: text[:-3],
        lambda text: text.replace('"alice"', '"Alice"'),
        lambda text: text.replace('"user"', '"root"'),
        lambda text: text.replace("SCRAM-SHA-256", "MD5"),
        lambda text: text.replace('"must_change": false', '"must_change": "no"'),
        lambda text: text.replace('"disabled": false,', ""),
        damage(format=2),
        damage(mock_secret="AAAA"),
        damage(mock_secret="?"),
        damage(extra=1),
        damage(retired_ids=["0" * 32, "0" * 32]),
        damage(accounts=[]),
        with_alice_twice,
        lambda text: text.replace('"must_change": false', '"must_change": true, "must_change": false'),
    ],
)
def test_a_damaged_file_is_named_and_not_overwritten(accounts: CredentialFile, spoil: Callable[[str], str]) -> None:
    accounts.add("alice", PENCIL)
    accounts.path.write_text(spoil(accounts.path.read_text()))
    before = accounts.path.read_bytes()
    for use in (accounts.accounts, lambda: accounts.add("bob", PENCIL)):
        with pytest.raises(credential_file.CredentialsDamaged, match=r"credentials\.json"):
            use()
    assert accounts.path.read_bytes() == before


# --- Who may sign in, and what strangers learn --------------------------------------------------------------------


def test_an_enabled_account_signs_in_with_its_own_verifier(accounts: CredentialFile) -> None:
    alice = accounts.add("alice", PENCIL)
    assert accounts.for_login("alice", 600_000) == (alice, PENCIL)


@pytest.mark.parametrize("name", ["nobody", "", "NOBODY", "no\nbody", "ünïcode", "x" * 1000])
def test_a_user_who_does_not_exist_looks_like_one_who_does(accounts: CredentialFile, name: str) -> None:
    accounts.add("alice", Verifier(700_000, b"s" * SALT_BYTES, b"k" * 32, b"l" * 32))
    account, verifier = accounts.for_login(name, 600_000)
    assert account is None
    assert verifier.iterations == 700_000
    assert len(verifier.salt) == SALT_BYTES
    assert accounts.for_login(name, 600_000) == (None, verifier)
    assert CredentialFile(accounts.path).for_login(name, 600_000) == (None, verifier)


def test_fake_iterations_follow_the_distribution_of_the_real_ones(accounts: CredentialFile) -> None:
    for number in range(4):
        iterations = 700_000 if number == 0 else 600_000
        accounts.add(f"user{number}", Verifier(iterations, b"s" * SALT_BYTES, b"k" * 32, b"l" * 32))
    drawn = [accounts.for_login(f"nobody{number}", 600_000)[1].iterations for number in range(400)]
    assert set(drawn) == {600_000, 700_000}
    assert 50 <= drawn.count(700_000) <= 150


def test_a_disabled_account_keeps_its_salt_but_no_password_fits(accounts: CredentialFile) -> None:
    accounts.add("alice", PENCIL)
    accounts.set_disabled("alice", True)
    account, verifier = accounts.for_login("alice", 600_000)
    assert account is None
    assert (verifier.salt, verifier.iterations) == (PENCIL.salt, PENCIL.iterations)
    assert verifier.stored_key != PENCIL.stored_key


def test_without_any_account_strangers_still_get_a_salt(accounts: CredentialFile) -> None:
    account, verifier = accounts.for_login("nobody", 650_000)
    assert (account, verifier.iterations) == (None, 650_000)
    assert accounts.for_login("nobody", 650_000)[1] == verifier


# --- Files of earlier versions ------------------------------------------------------------------------------------

# Written by version 0.1.0, before there were quotas and passwords that administrators give.
BEFORE_QUOTAS = {
    "format": 1,
    "mock_secret": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    "accounts": {
        "alice": {
            "id": "00112233445566778899aabbccddeeff",
            "role": "admin",
            "verifier": PENCIL.format(),
            "must_change": False,
            "disabled": False,
            "created": "2026-01-31T12:00:00Z",
        }
    },
    "retired_ids": [],
}


def test_a_file_of_the_time_before_quotas_is_opened_and_stays_as_it_is_where_none_is_set(
    accounts: CredentialFile,
) -> None:
    accounts.path.parent.mkdir(mode=0o700)
    accounts.path.write_text(json.dumps(BEFORE_QUOTAS))
    accounts.path.chmod(0o600)
    alice = account(accounts, "alice")
    assert alice is not None
    assert (alice.quota_bytes, alice.quota_files, alice.temporary) == (None, None, False)
    accounts.set_verifier("alice", ERASER)
    again = json.loads(accounts.path.read_text())["accounts"]["alice"]
    assert again == BEFORE_QUOTAS["accounts"]["alice"] | {"verifier": ERASER.format()}  # type: ignore[index]


def test_a_quota_and_a_given_password_are_kept(accounts: CredentialFile) -> None:
    alice = accounts.add("alice", PENCIL, "admin")
    accounts.administer("alice", user_id=alice.user_id, verifier=ERASER, quota_bytes=10**12, quota_files=10**5)
    found = CredentialFile(accounts.path).find("alice")
    assert found is not None
    assert (found.quota_bytes, found.quota_files, found.temporary, found.verifier) == (10**12, 10**5, True, ERASER)
    accounts.administer("alice", user_id=alice.user_id, default_quota=True)
    changed = accounts.set_verifier("alice", PENCIL)
    assert (changed.quota_bytes, changed.temporary) == (None, False)
