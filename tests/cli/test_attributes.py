"""Modes that change alone: compared, and sent without content, in both directions."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.cli.conftest import Cli


def mode_there(cli: Cli, path: str) -> str:
    mode: str = json.loads(cli.ok("stat", "--json", path))["mode"]
    return mode


def mode_here(path: Path) -> int:
    return path.stat().st_mode & 0o7777


# ── up ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("size", [0, 5, 3_000_000])
@pytest.mark.parametrize("options", [(), ("-c",), ("--replace",)])
def test_a_mode_that_changed_alone_goes_up_alone(cli: Cli, options: tuple[str, ...], size: int) -> None:
    path = cli.write("f", os.urandom(size))
    path.chmod(0o644)
    cli.ok("put", "f")
    before = json.loads(cli.ok("stat", "--json", "f"))
    stored = json.loads(cli.ok("usage", "--json"))["bytes_stored"]
    path.chmod(0o600)
    done = cli("put", *options, "f", "/")
    assert (done.code, done.err) == (0, "Uploaded 0 files; 1 with another mode alone.\n")
    after = json.loads(cli.ok("stat", "--json", "f"))
    assert (after["mode"], after["content"], after["mtime_ns"]) == ("0600", before["content"], before["mtime_ns"])
    assert 0 < json.loads(cli.ok("usage", "--json"))["bytes_stored"] - stored < 2_048  # what the history keeps of it
    assert cli("put", *options, "f", "/").err == "Uploaded 0 files; 1 unchanged.\n"


def test_of_a_folder_those_that_changed_go_up_and_folders_too(cli: Cli) -> None:
    for number in range(12):
        cli.write(f"t/sub/{number}").chmod(0o644)
    for folder in ("t", "t/sub"):
        (cli.directory / folder).chmod(0o755)
    cli.ok("put", "-r", "t")
    (cli.directory / "t").chmod(0o700)
    (cli.directory / "t/sub").chmod(0o750)
    (cli.directory / "t/sub/3").chmod(0o755)
    done = cli("put", "-r", "t")
    assert (done.code, done.err) == (0, "Uploaded 0 files; 3 with another mode alone, 11 unchanged.\n")
    assert [mode_there(cli, path) for path in ("t", "t/sub", "t/sub/3", "t/sub/4")] == ["0700", "0750", "0755", "0644"]
    assert cli("put", "-r", "t").err == "Uploaded 0 files; 12 unchanged.\n"


@pytest.mark.parametrize("option", ["--skip", "--newer", "--keep-both"])
def test_who_wants_to_leave_what_is_there_leaves_its_mode_too(cli: Cli, option: str) -> None:
    path = cli.write("f")
    path.chmod(0o644)
    cli.ok("put", "f")
    path.chmod(0o600)
    assert cli("put", option, "f").err == "Uploaded 0 files; 1 unchanged.\n"
    assert mode_there(cli, "f") == "0644"


# ── down ────────────────────────────────────────────────────────────────────────────────────────────────────────


def changed_elsewhere(cli: Cli, here: int, there: int, folder: str = "t") -> Path:
    """A file that has the mode `here` on this computer and `there` on the server, with the same content."""
    path = cli.write(f"{folder}/f")
    path.chmod(there)
    cli.ok("put", "-r", folder)
    path.chmod(here)
    return path


def test_what_was_closed_elsewhere_is_closed_here_without_fetching_it(cli: Cli) -> None:
    path = changed_elsewhere(cli, here=0o644, there=0o600)
    done = cli("get", "-r", "t", ".")
    assert (done.code, done.err) == (0, "Downloaded 0 files; 1 with another mode alone.\n")
    assert mode_here(path) == 0o600
    assert cli("get", "-r", "t", ".").err == "Downloaded 0 files; 1 unchanged.\n"


def test_a_folder_that_was_closed_elsewhere_is_closed_here(cli: Cli) -> None:
    cli.write("t/f")
    (cli.directory / "t").chmod(0o700)
    cli.ok("put", "-r", "t")
    (cli.directory / "t").chmod(0o755)
    assert "1 with another mode alone" in cli("get", "-r", "t", ".").err
    assert mode_here(cli.directory / "t") == 0o700


@pytest.mark.parametrize(("here", "there"), [(0o600, 0o644), (0o755, 0o644), (0o644, 0o755), (0o644, 0o444)])
def test_what_was_closed_or_made_to_run_here_stays_so_until_it_is_said(cli: Cli, here: int, there: int) -> None:
    path = changed_elsewhere(cli, here, there)
    done = cli("get", "-r", "t", ".")
    assert done.code == 0
    sentence = f"Its mode is {here:04o} here and {there:04o} on the server; it was left so."
    assert done.err == f"sfos: /t/f: {sentence}\nDownloaded 0 files; 1 unchanged.\n"
    assert mode_here(path) == here
    assert cli("get", "-r", "--skip", "t", ".").err == "Downloaded 0 files; 1 unchanged.\n"
    assert cli("get", "-r", "--replace", "t", ".").err == "Downloaded 0 files; 1 with another mode alone.\n"
    assert mode_here(path) == there


def test_an_open_file_never_comes_of_one_that_was_closed_and_put(cli: Cli) -> None:
    path = cli.write("secret", "secret")
    path.chmod(0o644)
    cli.ok("put", "secret")
    path.chmod(0o600)
    cli.ok("put", "secret")
    path.unlink()
    cli.ok("get", "secret")
    assert mode_here(path) == 0o600
