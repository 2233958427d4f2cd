"""Every command, whatever there are: found by its file, complete, told of in the help, and light until it runs."""

from __future__ import annotations

import argparse
import ast
import pkgutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sfos.cli import admin, commands
from sfos.cli.front.command import AnyCommand, Group, load, load_all
from sfos.cli.parser import make_parser, parse
from tests.cli.conftest import Cli
from tests.support.server_process import CHECKOUT

PACKAGES = (commands, admin)
GROUPS = {"admin": admin}
COMMANDS = load_all(commands.__name__)

# What follows a command's name when it is given as people give it; each of them asks the server for something.
SAMPLES = {
    "ls": "/",
    "stat": "/a",
    "usage": "",
    "watch": "--count 1",
    "put": "a /a",
    "get": "/a .",
    "cat": "/a",
    "mkdir": "/a",
    "mv": "/a /b",
    "cp": "/a /b",
    "rm": "/a",
    "login": "",
    "sessions": "",
    "logout": "3f2a",
    "passwd": "--new-password-file a",
    "admin users": "",
    "admin add": "anna --generate",
    "admin reset": "anna --generate",
    "admin disable": "anna",
    "admin enable": "anna",
    "admin role": "anna user",
    "admin quota": "anna none",
    "admin remove": "anna --yes",
    "admin sessions": "",
    "admin logout": "anna",
    "admin penalties": "",
    "admin lift": "--all",
    "admin audit": "",
}


def names() -> list[tuple[str, ...]]:
    """The words of every command that does something."""
    alone = [(name,) for name in COMMANDS if name not in GROUPS]
    return alone + [(group, name) for group, package in GROUPS.items() for name in load_all(package.__name__)]


def command_of(words: tuple[str, ...]) -> AnyCommand:
    package = GROUPS[words[0]] if len(words) > 1 else commands
    command = load(package.__name__, words[-1])
    assert command is not None and not isinstance(command, Group)
    return command


each = pytest.mark.parametrize("words", names(), ids=" ".join)


def test_a_file_beside_the_commands_is_a_command() -> None:
    files = {module.name for module in pkgutil.iter_modules(commands.__path__)}
    assert files == set(COMMANDS), "what commands share goes below them: into files/ or front/"


@pytest.mark.parametrize("word", ["", "-", "..", "front.shell", "ls.ListOptions", "os", "__init__", "schön", "l s"])
def test_a_word_that_names_no_file_of_a_command_is_none(word: str) -> None:
    assert load(commands.__name__, word) is None


def test_a_file_beside_the_administrators_commands_that_is_none_is_none() -> None:
    assert load(admin.__name__, "accounts") is None
    assert "accounts" not in load_all(admin.__name__)


def test_a_command_whose_file_lacks_a_module_is_not_taken_for_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lacking").mkdir()
    (tmp_path / "lacking" / "broken.py").write_text("import no_such_module_anywhere\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModuleNotFoundError, match="no_such_module_anywhere"):
        load("lacking", "broken")


def test_every_group_is_walked_here() -> None:
    groups = {name: command.package for name, command in COMMANDS.items() if isinstance(command, Group)}
    assert groups == {name: package.__name__ for name, package in GROUPS.items()}


@each
def test_a_command_has_a_name_a_summary_and_options_of_its_own(words: tuple[str, ...]) -> None:
    command = command_of(words)
    assert command.words.split()[0] == words[-1]
    assert command.summary and command.summary[0].islower() and not command.summary.endswith(".")
    assert len(command.summary) <= 70, "one line of --help"
    assert command.options.__doc__ and command.options.__doc__.startswith(f"`{' '.join(words)}`")


def arguments_of(words: tuple[str, ...]) -> list[argparse.Action]:
    parser = argparse.ArgumentParser(add_help=False)
    command_of(words).arguments(parser)
    return parser._actions  # argparse has no other way


@each
def test_every_option_of_the_grammar_is_a_field_and_every_field_can_be_given(words: tuple[str, ...]) -> None:
    names = {action.dest for action in arguments_of(words)}
    assert names == set(command_of(words).options.__struct_fields__)


@each
def test_every_argument_is_explained(words: tuple[str, ...]) -> None:
    silent = [action.dest for action in arguments_of(words) if not action.help]
    assert not silent


@each
def test_the_help_of_a_command_begins_with_its_usage_and_its_summary(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ending:
        parse([*words, "--help"])
    assert ending.value.code == 0
    usage, _, summary, *_ = capsys.readouterr().out.splitlines()
    command = command_of(words)
    assert usage.startswith(f"usage: sfos {' '.join(words)} [OPTION…]")
    assert usage.endswith(command.words.partition(" ")[2])
    assert summary.lower() == command.summary.lower() + "."


@each
def test_an_option_that_a_command_does_not_know_is_refused(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ending:
        parse([*words, "--frobnicate"])
    assert ending.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("usage: sfos ")


def test_the_help_of_the_program_and_of_a_group_has_a_line_for_each_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    texts = {"": make_parser().format_help()}
    for group in GROUPS:
        with pytest.raises(SystemExit):
            parse([group, "--help"])
        texts[group] = capsys.readouterr().out
    for package, text in zip(PACKAGES, texts.values(), strict=True):
        listed = text.partition("\n  COMMAND\n")[2].partition("\n\n")[0]
        shown = [tuple(line.split(maxsplit=1)) for line in listed.splitlines()]
        assert shown == [(name, command.summary) for name, command in load_all(package.__name__).items()]


# ── what each has beside its file ───────────────────────────────────────────────────────────────────────────────


def test_every_command_has_a_sample() -> None:
    assert {" ".join(words) for words in names()} == set(SAMPLES)


@each
def test_a_command_without_a_server_is_one_line_and_exit_code_69(words: tuple[str, ...], newcomer: Cli) -> None:
    newcomer.write("a")
    sample = SAMPLES[" ".join(words)].split()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound and not listening: nobody else gets it meanwhile
        nobody = f"127.0.0.1:{free.getsockname()[1]}"
        done = newcomer(*words, *sample, server=nobody, extra={"SFOS_PASSWORD": "user123"})
    assert (done.code, done.out) == (69, "")
    assert done.err.startswith("sfos: ")
    assert done.err.count("\n") == 1


def commands_run_in(file: Path) -> set[str]:
    """The commands that the tests in `file` carry out: the first words of calls, but of those that only parse."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call) or (isinstance(node.func, ast.Name) and node.func.id in ("parse", "command")):
            continue
        texts = [word.value for word in node.args if isinstance(word, ast.Constant) and isinstance(word.value, str)]
        words = [text for text in texts if not text.startswith("-")]
        if words and words[0] in COMMANDS:
            found.add(" ".join(words[: 2 if words[0] in GROUPS else 1]))
    return found


def test_every_command_has_a_transcript() -> None:
    files = Path(__file__).parent.glob("test_*.py")
    run = {words for file in files if file != Path(__file__) for words in commands_run_in(file)}
    without = sorted(set(SAMPLES) - run)
    assert not without, f"no test in tests/cli carries these out: {without}"


# ── what is loaded ──────────────────────────────────────────────────────────────────────────────────────────────


def loaded_after(program: str) -> set[str]:
    """Modules that a process of its own has after `program`."""
    shown = f"import sys\nimport sfos.cli.front.lean\n{program}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", shown], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def commands_in(modules: set[str]) -> set[str]:
    return {f"{package.__name__}.{name}" for package in PACKAGES for name in load_all(package.__name__)} & modules


def test_a_command_loads_no_other_command() -> None:
    from_here = loaded_after("from sfos.cli.parser import parse\nparse(['ls', '-l'])")
    assert commands_in(from_here) == {"sfos.cli.commands.ls"}
    assert "sfos.cli.admin" not in from_here
    assert "sfos.cli.files" not in from_here


def test_an_administrators_command_loads_no_other() -> None:
    assert commands_in(loaded_after("from sfos.cli.parser import parse\nparse(['admin', 'users'])")) == {
        "sfos.cli.commands.admin",
        "sfos.cli.admin.users",
    }


def test_the_files_of_all_commands_together_load_neither_tls_nor_bars_nor_transfers() -> None:
    files = [f"{package.__name__}.{name}" for package in PACKAGES for name in load_all(package.__name__)]
    heavy = {"OpenSSL", "cryptography", "rich", "keyring", "sfos.client.api", "sfos.client.net", "sfos.client.transfer"}
    assert not heavy & loaded_after(f"import {', '.join(files)}")
