"""Terminals only: they get questions, bars, columns, and never an echo of a password."""

from __future__ import annotations

import os
import re

import pytest

from tests.cli.conftest import FIRST, Cli

GOOD = "a brand new heron"


def test_the_first_contact_asks_for_the_password_and_shows_the_key(newcomer: Cli) -> None:
    with newcomer.terminal("ls") as terminal:
        terminal.expect(f"Password of user1@{newcomer.server.address}: ")
        terminal.line("user123")
        terminal.expect("is not known yet")
        terminal.expect("in words: ")
        terminal.expect("Is this your server? [yes/no] ")
        terminal.line("maybe")
        terminal.expect("Is this your server? [yes/no] ")
        terminal.line("yes")
        assert terminal.end() == 0
    assert "user123" not in terminal.text
    assert re.search(r"^    ([0-9a-f]{4} ){7}[0-9a-f]{4}$", terminal.text, re.MULTILINE)
    assert newcomer("ls", trust=()).code == 0  # pinned, and the session is kept


def test_no_is_no(newcomer: Cli) -> None:
    with newcomer.terminal("ls") as terminal:
        terminal.expect("Password of")
        terminal.line("user123")
        terminal.expect("[yes/no] ")
        terminal.line("no")
        assert terminal.end() == 10
    assert newcomer("ls", trust=(), extra={"SFOS_PASSWORD": "user123"}).code == 10


def test_a_mistyped_password_is_asked_for_three_times(newcomer: Cli) -> None:
    with newcomer.terminal("--accept-new-key", "ls") as terminal:
        for _ in range(2):
            terminal.expect("Password of")
            terminal.line("wrong")
            terminal.expect("Wrong user name or password.")
        terminal.expect("Password of")
        terminal.line("user123")
        assert terminal.end() == 0


def test_the_user_name_is_asked_for_when_nothing_tells_it(newcomer: Cli) -> None:
    words = newcomer.words("ls", "--accept-new-key")
    at = words.index("--user")
    del words[at : at + 2]
    from tests.cli.terminal import in_terminal

    with in_terminal(words, newcomer.environment(), newcomer.directory) as terminal:
        terminal.expect(f"User name at {newcomer.server.address}: ")
        terminal.line("user1")
        terminal.expect("Password of user1@")
        terminal.line("user123")
        assert terminal.end() == 0


def test_ctrl_c_at_a_prompt_and_ctrl_d_end_it_with_130(newcomer: Cli) -> None:
    for key in ("\x03", "\x04"):
        with newcomer.terminal("ls") as terminal:
            terminal.expect("Password of")
            terminal.type(key)
            assert terminal.end() == 130
        assert "Traceback" not in terminal.text


def test_passwd_asks_three_times_without_echo_and_names_what_is_missing(changer: Cli) -> None:
    with changer.terminal("--accept-new-key", "passwd") as terminal:
        terminal.expect("Password of ")
        terminal.line(FIRST)
        terminal.expect("New password of ")
        terminal.line("tiny")
        terminal.expect("at least 10 are needed")
        terminal.expect("New password of ")
        terminal.line(GOOD)
        terminal.expect("Once more: ")
        terminal.line("something else")
        terminal.expect("not the same")
        terminal.expect("New password of ")
        terminal.line(GOOD)
        terminal.expect("Once more: ")
        terminal.line(GOOD)
        terminal.expect("is changed")
        assert terminal.end() == 0
    for secret in (FIRST, "tiny", GOOD, "something else"):
        assert secret not in terminal.text
    with changer.terminal("passwd") as terminal:  # a session is there: the old password is asked for all the same
        terminal.expect("Old password of ")
        terminal.line("wrong")
        terminal.expect("New password")
        terminal.line("another new heron")
        terminal.expect("Once more: ")
        terminal.line("another new heron")
        terminal.expect("The old password is not right.")
        assert terminal.end() == 77


def test_a_listing_is_in_columns_with_a_sign_after_folders(cli: Cli) -> None:
    cli.ok("mkdir", "docs")
    for name in ("a.txt", "b.txt"):
        cli.write(name)
    cli.ok("put", "a.txt", "b.txt", "/")
    with cli.terminal("ls", columns=40) as terminal:
        assert terminal.end() == 0
    assert terminal.text == "a.txt  b.txt  docs/\n"
    with cli.terminal("ls", columns=9) as terminal:
        assert terminal.end() == 0
    assert terminal.text == "a.txt\nb.txt\ndocs/\n"


def test_a_transfer_shows_its_progress_and_leaves_one_line(cli: Cli) -> None:
    cli.write("large.bin", os.urandom(6 * 2**20))
    with cli.terminal("put", "large.bin", extra={"SFOS_CLIENT_UPLOAD_LIMIT_BYTES_S": "3 MiB"}) as terminal:
        terminal.expect("large.bin")
        terminal.expect("MB of 6.3 MB")
        terminal.expect("Uploaded 1 file (6.3 MB) in ")
        assert terminal.end() == 0
    assert "━" in terminal.text


def test_bars_are_for_people_and_output_is_for_programs(cli: Cli) -> None:
    cli.write("a", "content")
    cli.ok("put", "a")
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as reader, cli.terminal("cat", "a", output=write_end) as terminal:
        os.close(write_end)
        assert reader.read() == b"content"
        assert terminal.end() == 0
    assert terminal.text == ""


def test_get_asks_before_it_replaces_a_file(cli: Cli) -> None:
    for name in ("a", "b", "c"):
        cli.write(name, f"server {name}")
    cli.ok("put", "a", "b", "c", "/")
    for name in ("a", "b", "c"):
        cli.write(name, "mine")
    with cli.terminal("get", "a", "b", "c", ".") as terminal:
        terminal.expect(" is there already:")
        terminal.expect("server")
        terminal.expect("here")
        terminal.expect("[c]ancel")
        terminal.line("what?")
        terminal.expect("[c]ancel")
        terminal.line("s")
        terminal.expect(" is there already:")
        terminal.expect("[c]ancel")
        terminal.line("rr")
        terminal.expect("Downloaded 2 files")
        assert terminal.end() == 0
    contents = sorted((cli.directory / name).read_text() for name in ("a", "b", "c"))
    assert contents.count("mine") == 1


@pytest.mark.parametrize("answer", ["c\n", "\x03", "\x04"])
def test_cancel_in_the_question_cancels(cli: Cli, answer: str) -> None:
    cli.write("a", "server")
    cli.ok("put", "a")
    cli.write("a", "mine")
    with cli.terminal("get", "a") as terminal:
        terminal.expect("[c]ancel")
        terminal.type(answer)
        assert terminal.end() == 130
    assert (cli.directory / "a").read_text() == "mine"
    assert "Cancelled: downloaded 0 files" in terminal.text


def test_standard_input_can_be_typed(newcomer: Cli) -> None:
    with newcomer.terminal("--accept-new-key", "put", "-", "/x") as terminal:
        terminal.expect("Password of")
        terminal.line("user123")
        terminal.expect("first password")
        terminal.line("typed content")
        terminal.type("\x04")
        terminal.expect("Uploaded 1 file (14 B)")
        assert terminal.end() == 0
