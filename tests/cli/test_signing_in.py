"""Getting in: passwords and where they come from, sessions that are kept, keys that are known, new or changed."""

from __future__ import annotations

import dataclasses
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import FIRST, Cli
from tests.support.server_process import CHECKOUT, ServerProcess, run


def fingerprint(server: ServerProcess) -> str:
    """The server's, as its administrator sees it."""
    found = re.search(r"Fingerprint: +([0-9a-f ]+)", run(server.home, "generate_certificate.py").stdout)
    assert found is not None
    return found[1]


# ── passwords ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_wrong_password_is_one_line_and_exit_code_77(newcomer: Cli) -> None:
    done = newcomer("ls", extra={"SFOS_PASSWORD": "wrong"})
    assert (done.code, done.out) == (77, "")
    assert done.err == "sfos: Wrong user name or password.\n"


def test_an_unknown_user_looks_like_a_wrong_password(newcomer: Cli) -> None:
    stranger = dataclasses.replace(newcomer, user="nobody")
    assert stranger("ls", extra={"SFOS_PASSWORD": "wrong"}) == newcomer("ls", extra={"SFOS_PASSWORD": "wrong"})


def test_without_a_password_and_a_terminal_it_says_how_to_give_one(newcomer: Cli) -> None:
    done = newcomer("ls")
    assert done.code == 77
    assert f"sfos: user1@{newcomer.server.address}: There is no session and no terminal" in done.err
    assert "SFOS_PASSWORD" in done.err
    assert "--password-file" in done.err


def test_a_password_can_come_from_a_file_or_from_standard_input(newcomer: Cli) -> None:
    newcomer.write("secret", "user123\nnot this line\n")
    assert newcomer("ls", "--password-file", "secret").code == 0
    newcomer("logout")
    assert newcomer("ls", "--password-file", "-", stdin="user123\r\n").code == 0
    newcomer("logout")
    done = newcomer("ls", "--password-file", "missing")
    assert done.code == 7
    assert done.err.startswith("sfos: missing: The password file cannot be read")


def test_the_password_file_outranks_the_environment(newcomer: Cli) -> None:
    newcomer.write("secret", "user123")
    assert newcomer("ls", "--password-file", "secret", extra={"SFOS_PASSWORD": "wrong"}).code == 0


def test_an_account_with_its_first_password_is_reminded_in_one_line(newcomer: Cli) -> None:
    done = newcomer("ls", extra={"SFOS_PASSWORD": "user123"})
    assert done.code == 0
    assert done.err == "sfos: user1: This account still has its first password; the command “passwd” changes it.\n"


def test_quiet_is_not_reminded_of_the_first_password(newcomer: Cli) -> None:
    done = newcomer("-q", "ls", extra={"SFOS_PASSWORD": "user123"})
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize("address", ["https://{}", "https://{}/", "https://{}/files?a=b"])
def test_an_address_can_be_pasted_as_a_browser_has_it(newcomer: Cli, address: str) -> None:
    done = newcomer("ls", server=address.format(newcomer.server.address), extra={"SFOS_PASSWORD": "user123"})
    assert done.code == 0, done.err


@pytest.mark.parametrize("home", ["/proc/nowhere", "/dev/null/home"])
def test_a_home_that_cannot_be_written_to_hinders_nobody_who_names_the_key(newcomer: Cli, home: str) -> None:
    pin = fingerprint(newcomer.server)
    extra = {"SFOS_PASSWORD": "user123", "HOME": home, "XDG_RUNTIME_DIR": ""}
    for words in (("ls",), ("put", "-", "/unwritable"), ("cat", "/unwritable"), ("rm", "/unwritable")):
        done = newcomer(*words, trust=("--pin", pin), stdin="x", extra=extra)
        assert done.code == 0, done.err
        assert "The session cannot be kept for the next command." in done.err
        assert "Set XDG_STATE_HOME to a folder that you may write to." in done.err
        assert newcomer("-q", "ls", trust=("--pin", pin), extra=extra).err == ""
    done = newcomer("ls", extra=extra)  # a key that is only accepted has to be kept, or anybody's would be
    assert done.code == 7
    assert "Set XDG_STATE_HOME" in done.err


def test_one_command_as_somebody_else_does_not_change_whom_later_ones_act_for(newcomer: Cli) -> None:
    newcomer("ls", extra={"SFOS_PASSWORD": "user123"})
    kept = belongings(newcomer, "command-line.json")[0]
    assert '"user1"' in kept.read_text()
    admin = dataclasses.replace(newcomer, user="admin")
    assert admin("ls", extra={"SFOS_PASSWORD": "admin123"}).code == 0
    assert '"user1"' in kept.read_text()
    assert '"admin"' not in kept.read_text()
    assert admin("login", extra={"SFOS_PASSWORD": "admin123"}).code == 0
    assert '"admin"' in kept.read_text()


# ── sessions ────────────────────────────────────────────────────────────────────────────────────────────────────


def belongings(newcomer: Cli, pattern: str) -> list[Path]:
    """The files of that person with such a name."""
    assert newcomer.person is not None
    return [path for path in newcomer.person.rglob(pattern) if path.is_file()]


def test_the_session_is_kept_for_the_next_command_and_its_ticket_is_private(newcomer: Cli) -> None:
    assert newcomer("ls", extra={"SFOS_PASSWORD": "user123"}).code == 0
    assert newcomer("ls").code == 0
    tickets = belongings(newcomer, "*.ticket")
    assert len(tickets) == 1
    assert tickets[0].stat().st_mode & 0o777 == 0o600
    assert tickets[0].parent.stat().st_mode & 0o077 == 0


def test_after_logout_the_password_is_needed_again(newcomer: Cli) -> None:
    assert newcomer("ls", extra={"SFOS_PASSWORD": "user123"}).code == 0
    done = newcomer("logout")
    assert (done.code, done.err) == (0, f"Signed out: user1@{newcomer.server.address}.\n")
    assert newcomer("ls").code == 77
    again = newcomer("logout")
    assert (again.code, again.err) == (0, f"There is no session of user1@{newcomer.server.address}.\n")


def test_a_session_that_the_server_has_ended_leads_to_a_new_one(newcomer: Cli, tmp_path: Path) -> None:
    assert newcomer("ls", extra={"SFOS_PASSWORD": "user123"}).code == 0
    ticket = belongings(newcomer, "*.ticket")[0]
    kept = ticket.read_bytes()
    newcomer("logout")
    ticket.write_bytes(kept)
    ticket.chmod(0o600)
    assert newcomer("ls").code == 77
    assert newcomer("ls", extra={"SFOS_PASSWORD": "user123"}).code == 0


def test_login_makes_its_account_the_one_that_is_meant(newcomer: Cli) -> None:
    done = newcomer("login", extra={"SFOS_PASSWORD": "user123"})
    assert done.code == 0
    assert f"Signed in as user1@{newcomer.server.address}" in done.err
    bare = subprocess.run(
        [sys.executable, str(CHECKOUT / "cli_client.py"), "ls"], env=newcomer.environment(), capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert (bare.returncode, bare.stderr) == (0, "")
    newcomer("logout")
    bare = subprocess.run(
        [sys.executable, str(CHECKOUT / "cli_client.py"), "--server", newcomer.server.address, "ls"],
        env=newcomer.environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert bare.returncode == 2
    assert bare.stderr.startswith("sfos: nobody is signed in at ")


# ── passwd ──────────────────────────────────────────────────────────────────────────────────────────────────────

GOOD = "a brand new heron"


def test_passwd_changes_the_password_and_ends_other_sessions(changer: Cli) -> None:
    changer.write("new", GOOD)
    done = changer("passwd", "--new-password-file", "new", extra={"SFOS_PASSWORD": FIRST})
    assert done.code == 0, done.err
    assert done.err.endswith("is changed; its other sessions have ended.\n")
    still = changer("ls")
    assert (still.code, still.err) == (0, "")  # this session goes on, and the reminder is gone
    changer("logout")
    assert changer("ls", extra={"SFOS_PASSWORD": FIRST}).code == 77
    assert changer("ls", extra={"SFOS_PASSWORD": GOOD}).code == 0


@pytest.mark.parametrize(
    ("new", "reason"), [("short", "at least 10 are needed"), ("password12", "everybody tries first")]
)
def test_passwd_says_which_requirements_are_not_met(changer: Cli, new: str, reason: str) -> None:
    changer.write("new", new)
    done = changer("passwd", "--new-password-file", "new", extra={"SFOS_PASSWORD": FIRST})
    assert done.code == 77
    assert reason in done.err
    assert new not in done.err
    assert changer("ls", extra={"SFOS_PASSWORD": FIRST}).code == 0


def test_passwd_with_a_wrong_old_password_changes_nothing(changer: Cli) -> None:
    changer("ls", extra={"SFOS_PASSWORD": FIRST})
    changer.write("new", GOOD)
    done = changer("passwd", "--new-password-file", "new", extra={"SFOS_PASSWORD": "wrong"})
    assert done.code == 77
    assert done.err == "sfos: The old password is not right.\n"


def test_passwd_without_a_terminal_says_what_it_needs(changer: Cli) -> None:
    done = changer("passwd", extra={"SFOS_PASSWORD": FIRST})
    assert done.code == 77
    assert "--new-password-file" in done.err


def test_a_password_from_an_administrator_opens_nothing_but_says_what_to_type(changer: Cli) -> None:
    admin = dataclasses.replace(changer, user="admin", password="admin123")
    changer.write("given", "given by somebody")
    assert admin("admin", "reset", changer.user, "--new-password-file", "given").code == 0
    given = {"SFOS_PASSWORD": "given by somebody"}
    done = changer("ls", extra=given)
    assert (done.code, done.out) == (77, "")
    *_, said, what_to_type = done.err.splitlines()
    assert said == "sfos: An administrator has set your password; choose one of your own first."
    assert what_to_type.startswith("Type: sfos passwd ")
    changer.write("new", GOOD)
    assert changer("passwd", "--new-password-file", "new", extra=given).code == 0
    assert changer("ls").code == 0


def test_who_ended_a_session_is_told_before_the_password_is_asked_for(changer: Cli) -> None:
    password = {"SFOS_PASSWORD": FIRST}
    admin = dataclasses.replace(changer, user="admin", password="admin123")
    assert changer("ls", extra=password).code == 0
    assert admin("admin", "logout", changer.user).code == 0
    done = changer("ls")
    assert done.code == 77
    ended, no_password = done.err.splitlines()
    assert ended.startswith(f"{changer.user}@")
    assert "by an administrator" in ended
    assert "There is no session and no terminal" in no_password
    assert "administrator" not in changer("ls").err  # once is enough: the ticket is gone


# ── servers ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_unknown_key_is_refused_without_a_terminal_and_the_way_out_is_named(newcomer: Cli) -> None:
    done = newcomer("ls", trust=(), extra={"SFOS_PASSWORD": "user123"})
    assert (done.code, done.out) == (10, "")
    seen = fingerprint(newcomer.server)
    assert done.err.startswith(f"sfos: {newcomer.server.address}: This server's key is not known yet")
    assert seen in re.sub(r"\s+", " ", done.err)
    assert f"--pin {seen.replace(' ', '')}" in done.err
    assert "--accept-new-key" in done.err
    assert newcomer("ls", trust=(), extra={"SFOS_PASSWORD": "user123"}).code == 10  # nothing was pinned


def test_with_the_pins_removed_a_kept_session_does_not_stand_in_the_way_of_trusting_anew(newcomer: Cli) -> None:
    assert newcomer("ls", extra={"SFOS_PASSWORD": "user123"}).code == 0
    (pins,) = belongings(newcomer, "pins.json")
    pins.unlink()
    done = newcomer("ls", trust=())
    assert done.code == 77 and "There is no session" in done.err, "it asks, and does not refuse what it cannot ask for"
    with newcomer.terminal("ls", extra={"SFOS_PASSWORD": "user123"}) as terminal:
        terminal.expect("Is this your server? [yes/no] ")
        terminal.line("yes")
        assert terminal.end() == 0
    assert newcomer("ls", trust=()).code == 0


def test_the_right_pin_opens_and_a_wrong_one_is_a_hard_stop(newcomer: Cli) -> None:
    assert newcomer("ls", trust=("--pin", fingerprint(newcomer.server)), extra={"SFOS_PASSWORD": "user123"}).code == 0
    assert newcomer("ls", trust=()).code == 0
    newcomer("logout", trust=())
    done = newcomer("ls", trust=("--pin", "ab" * 32), extra={"SFOS_PASSWORD": "user123"})
    assert done.code == 11
    assert "given with --pin" in done.err
    assert "abab abab" in done.err
    assert fingerprint(newcomer.server) in re.sub(r"\s+", " ", done.err)


def test_a_pin_that_is_no_fingerprint_is_wrong_usage(newcomer: Cli) -> None:
    done = newcomer("ls", trust=("--pin", "abc"))
    assert done.code == 2
    assert "--pin: a fingerprint has 64 hexadecimal digits" in done.err


@pytest.mark.parametrize(
    ("address", "code"),
    [("no-such-host.invalid:8443", 69), ("a b:1", 2), ("host:99999", 2), ("[::1", 2), (":8443", 2)],
)
def test_a_server_that_cannot_be_is_one_line(newcomer: Cli, address: str, code: int) -> None:
    done = newcomer("ls", server=address, extra={"SFOS_PASSWORD": "user123"})
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith("sfos: ")
    assert done.err.count("\n") == 1


def test_a_closed_port_is_one_line_and_exit_code_69(newcomer: Cli) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound and not listening: nobody else gets it meanwhile
        done = newcomer("ls", server=f"127.0.0.1:{free.getsockname()[1]}", extra={"SFOS_PASSWORD": "user123"})
    assert done.code == 69
    assert done.err.count("\n") == 1


def test_a_wrong_setting_is_named(newcomer: Cli) -> None:
    done = newcomer("ls", extra={"SFOS_CLIENT_DEPTH": "many"})
    assert done.code == 2
    assert done.err.startswith("sfos: client.depth = 'many'")
