"""Programs that are stopped in the middle, whose readers go away, and that watch each other."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.support.server_process import prepare_home, running_server

SLOW = {"SFOS_CLIENT_UPLOAD_LIMIT_BYTES_S": "4 MiB", "SFOS_CLIENT_DOWNLOAD_LIMIT_BYTES_S": "4 MiB"}
LARGE = 48 * 2**20  # at 4 MiB a second: far longer than a test waits before it stops the program
WaitUntil = Callable[..., None]


def stored(cli: Cli) -> int:
    """How many bytes lie on the server's disk."""
    found = 0
    for path in (cli.server.home / "server_storage").rglob("*"):
        with suppress(FileNotFoundError):  # the database's own files come and go
            found += path.stat().st_size
    return found


# ── Ctrl+C and SIGTERM ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_upload_that_is_stopped_says_what_was_done_and_leaves_nothing_half(
    cli: Cli, number: signal.Signals, code: int, wait_until: WaitUntil
) -> None:
    cli.write("t/large", os.urandom(LARGE))
    before = stored(cli)
    with cli.running("put", "-r", "t", extra=SLOW) as process:
        wait_until(lambda: stored(cli) > before + 2**21, 30, what="a part of the file to be stored")
        process.send_signal(number)
        assert process.stderr is not None
        said = process.stderr.read()
        assert process.wait(30) == code
    again = r"The same command goes on where it stopped\."
    assert re.fullmatch(rf"Cancelled: uploaded 0 files.*; 1 not finished\. {again}\n", said), said
    assert cli("ls", "-R").out in ("/:\n", "/:\nt\n\n/t:\n")
    cli.ok("put", "-r", "t")
    assert cli.ok("ls", "t") == "large\n"


def test_a_download_that_is_stopped_keeps_what_came_and_the_same_command_goes_on(
    cli: Cli, wait_until: WaitUntil
) -> None:
    cli.write("large", os.urandom(LARGE))
    cli.write("small", "small")
    cli.ok("put", "large", "small", "/")
    back = cli.directory / "back"
    back.mkdir()

    def came() -> int:
        return sum(path.stat().st_size for path in back.glob(".sfos-*.part"))

    with cli.running("get", "small", "large", "back", extra=SLOW) as process:
        wait_until(lambda: came() > 2**21, 30, what="a part of the file to come")
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert process.stderr.read().endswith("; 1 not finished. The same command goes on where it stopped.\n")
        assert process.wait(30) == 130
    assert came() > 2**21
    assert not (back / "large").exists()
    cli.ok("get", "small", "large", "back")
    assert sorted(path.name for path in back.iterdir()) == ["large", "small"]
    assert (back / "large").read_bytes() == (cli.directory / "large").read_bytes()


def test_who_stops_a_folder_on_its_way_to_a_new_name_is_told_how_to_go_on(cli: Cli, wait_until: WaitUntil) -> None:
    cli.write("t/large", os.urandom(LARGE))
    before = stored(cli)
    with cli.running("put", "-r", "t/", "/new", extra=SLOW) as process:
        wait_until(lambda: stored(cli) > before + 2**21, 30, what="a part of the file to be stored")
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert "The same command with “t/.” in place of “t” goes on" in process.stderr.read()
    cli.ok("put", "-r", "t/.", "/new")
    assert cli.ok("ls", "/new") == "large\n"


def test_a_command_that_waits_for_a_silent_server_hears_ctrl_c(cli: Cli, wait_until: WaitUntil) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        words = cli.words("ls", server=f"127.0.0.1:{silent.getsockname()[1]}")
        with subprocess.Popen(
            [sys.executable, *words], env=cli.environment(), stderr=subprocess.PIPE, text=True, cwd=cli.directory
        ) as process:
            silent.settimeout(30)
            connection, _ = silent.accept()
            with connection:
                connection.settimeout(30)
                connection.recv(1)  # it has begun the handshake, which nobody answers
                state = Path(f"/proc/{process.pid}/stat")
                wait_until(lambda: state.read_text().rsplit(")", 1)[1].split()[0] == "S", what="it to wait")
                process.send_signal(signal.SIGINT)
                assert process.stderr is not None
                assert process.stderr.read() == ""
                assert process.wait(5) == 130


# ── pipes ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("command", [("cat", "large"), ("ls",), ("stat", "--json", "large")])
def test_a_reader_that_goes_away_ends_the_command_quietly(cli: Cli, command: tuple[str, ...]) -> None:
    cli.write("large", os.urandom(4 * 2**20))
    cli.ok("put", "large")
    with cli.running(*command) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        if command[0] == "cat":
            os.read(process.stdout.fileno(), 10)  # it is in the middle of writing
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(30) == 141


def test_output_that_cannot_be_written_is_an_error(cli: Cli) -> None:
    cli.write("a", "x" * 100_000)
    cli.ok("put", "a")
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, *cli.words("cat", "a")], env=cli.environment(), stdout=full, stderr=subprocess.PIPE,
            text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 7
    assert done.stderr == "sfos: No space left on device\n"


# ── watch ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_one_client_sees_what_another_changes(cli: Cli) -> None:
    with cli.running("watch", "--json", "--count", "4") as watching:
        assert watching.stderr is not None
        assert watching.stdout is not None
        assert watching.stderr.readline().startswith("Watching / of user1@")
        cli.write("ä.txt", "hello")
        seen = []
        for words in (("mkdir", "dir"), ("put", "ä.txt", "dir"), ("mv", "dir/ä.txt", "b.txt"), ("rm", "b.txt")):
            cli.ok(*words)
            seen.append(json.loads(watching.stdout.readline()))
        assert watching.wait(30) == 0
    assert [(change["change"], change["path"], change["kind"]) for change in seen] == [
        ("changed", "/dir", "folder"),
        ("changed", "/dir/ä.txt", "file"),
        ("moved", "/b.txt", "file"),
        ("deleted", "/b.txt", "file"),
    ]
    assert seen[1]["size"] == 5
    assert seen[2]["from"] == "/dir/ä.txt"


def test_a_watch_tells_where_things_went_also_those_that_were_there_before(cli: Cli) -> None:
    cli.ok("mkdir", "-p", "here/folder", "there")
    cli.ok("put", "-", "here/folder/file", stdin="x")
    moves = {
        ("here/folder/file", "here/folder/new name"): "/here/folder/file -> /here/folder/new name",
        ("here/folder", "here/renamed"): "/here/folder/ -> /here/renamed/",
        ("here/renamed/new name", "here/renamed/file"): "/here/renamed/new name -> /here/renamed/file",
        ("here/renamed", "there"): "/here/renamed/ -> /there/renamed/",
        ("there/renamed", "here"): "/there/renamed/ -> /here/renamed/",
    }
    with cli.running("watch", "here", "--count", str(len(moves))) as watching:
        assert watching.stderr is not None
        assert watching.stdout is not None
        watching.stderr.readline()
        for words, told in moves.items():
            cli.ok("mv", *words)
            assert re.fullmatch(rf"\d\d:\d\d:\d\d  moved    {told}\n", watching.stdout.readline())
        assert watching.wait(30) == 0


def test_a_watch_of_one_folder_tells_of_nothing_else(cli: Cli) -> None:
    cli.ok("mkdir", "here", "here2", "there")
    with cli.running("watch", "here", "--count", "1") as watching:
        assert watching.stderr is not None
        assert watching.stdout is not None
        watching.stderr.readline()
        cli.ok("mkdir", "there/a", "here2/b", "here/c")
        assert re.fullmatch(r"\d\d:\d\d:\d\d  changed  /here/c/\n", watching.stdout.readline())
        assert watching.wait(30) == 0


def test_a_watch_ends_at_once_by_ctrl_c_without_a_word(cli: Cli) -> None:
    with cli.running("watch") as watching:
        assert watching.stderr is not None
        watching.stderr.readline()
        watching.send_signal(signal.SIGINT)
        assert watching.stderr.read() == ""
        assert watching.wait(10) == 130


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_were_closed_before_the_start_do_no_harm(cli: Cli, closed: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" "$@" {closed}', sys.executable, *cli.words("usage")],
        env=cli.environment(), cwd=cli.directory, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if ">&-" not in closed.split():
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout
    else:  # the results have no place to go
        assert done.returncode == 7


def test_a_watch_outlives_a_restart_of_the_server_if_the_password_is_at_hand(tmp_path: Path) -> None:
    home = prepare_home(tmp_path / "home")
    here = tmp_path / "here"
    here.mkdir()
    with running_server(home) as server:
        cli = Cli(server, here)
        port = int(server.address.rsplit(":", 1)[1])
        cli.ok("ls")  # so that the watch itself begins with a kept session, and knows no password
        with cli.running("watch", "--json", "--count", "1") as watching:
            assert watching.stderr is not None
            assert watching.stdout is not None
            assert watching.stderr.readline().startswith("Watching / ")
            server.process.kill()
            server.process.wait(20)
            assert watching.stderr.readline().endswith("Trying again …\n")
            with running_server(home, port=port) as again:
                dataclasses.replace(cli, server=again).ok("mkdir", "after")
                assert json.loads(watching.stdout.readline())["path"] == "/after"
                assert watching.wait(30) == 0
