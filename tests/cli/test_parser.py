"""The grammar: what was typed becomes what was meant, and what makes no sense is refused before anything happens."""

from __future__ import annotations

import pytest

from sfos.cli.commands.cp import CopyOptions
from sfos.cli.commands.get import GetOptions
from sfos.cli.commands.ls import ListOptions
from sfos.cli.commands.mkdir import MakeFolderOptions
from sfos.cli.commands.put import PutOptions
from sfos.cli.commands.rm import RemoveOptions
from sfos.cli.commands.watch import WatchOptions
from sfos.cli.files.conflicts import Conflict
from sfos.cli.front.options import ConnectionOptions, SortBy
from sfos.cli.parser import make_parser, parse


def command(*words: str) -> object:
    return parse(words).options


def test_ls_without_a_path_lists_the_root() -> None:
    assert command("ls") == ListOptions(paths=("/",))


def test_letters_can_be_joined_as_people_join_them() -> None:
    assert command("ls", "-lR", "docs") == ListOptions(paths=("docs",), long=True, recursive=True)
    assert command("rm", "-rf", "a", "b") == RemoveOptions(paths=("a", "b"), recursive=True, force=True)


def test_a_listing_can_be_sorted_by_name_size_or_time() -> None:
    assert command("ls", "--sort", "time", "--reverse") == ListOptions(sort=SortBy.TIME, reverse=True)


def test_connection_options_stand_before_or_after_the_command() -> None:
    before = parse(["--server", "host:1", "--user", "anna", "--accept-new-key", "ls", "-l"])
    after = parse(["ls", "-l", "--server", "host:1", "--user", "anna", "--accept-new-key"])
    mixed = parse(["--server", "host:1", "--user", "anna", "ls", "-l", "--accept-new-key"])
    assert before == after == mixed
    assert before.connection == ConnectionOptions(server="host:1", user="anna", accept_new_key=True)


def test_what_stands_after_the_command_outranks_what_stands_before() -> None:
    assert parse(["--user", "anna", "ls", "--user", "bert"]).connection.user == "bert"


def test_options_that_are_not_given_are_left_to_the_configuration() -> None:
    assert parse(["usage"]).connection == ConnectionOptions()


def test_put_takes_several_sources_and_a_choice_about_conflicts() -> None:
    assert command("put", "-r", "a", "b", "/dir", "--keep-both") == PutOptions(
        paths=("a", "b", "/dir"), recursive=True, conflict=Conflict.KEEP_BOTH
    )


def test_a_lone_minus_is_standard_input_or_output() -> None:
    assert command("put", "-", "/log.txt") == PutOptions(paths=("-", "/log.txt"))
    assert command("get", "/log.txt", "-") == GetOptions(paths=("/log.txt", "-"))


def test_a_name_that_begins_with_a_minus_goes_behind_two() -> None:
    assert command("rm", "--", "-rf") == RemoveOptions(paths=("-rf",))


def test_mkdir_cp_and_watch_know_their_options() -> None:
    assert command("mkdir", "-p", "a/b") == MakeFolderOptions(paths=("a/b",), parents=True)
    assert command("cp", "-rn", "a", "b") == CopyOptions(paths=("a", "b"), recursive=True, conflict=Conflict.SKIP)
    assert command("watch", "--json", "--count", "3") == WatchOptions(json=True, count=3)


def test_the_value_of_an_option_is_not_taken_for_the_command() -> None:
    taken = parse(["--user", "ls", "--server=stat", "-q", "--pin", "rm", "put", "get"])
    assert (taken.options, taken.connection.user) == (PutOptions(paths=("get",)), "ls")


def test_the_parser_of_the_command_that_is_given_is_made_alone() -> None:
    assert "\n    stat " not in make_parser(["ls"]).format_help()
    assert make_parser(["frobnicate"]).format_help() == make_parser().format_help()


@pytest.mark.parametrize("words", [("--help", "ls"), ("-q", "-h", "ls")])
def test_help_before_a_command_is_that_of_the_program(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse(words)
    assert capsys.readouterr().out == make_parser().format_help()


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["frobnicate"],
        ["mv", "only-one"],
        ["cp", "only-one"],
        ["mkdir"],
        ["rm"],
        ["cat"],
        ["put"],
        ["put", "-"],
        ["put", "-", "a", "/dir"],
        ["put", "--replace", "--skip", "a"],
        ["ls", "--sort", "colour"],
        ["ls", "--recurs"],  # no abbreviations: what works today must mean the same when options are added
        ["watch", "--count", "0"],
        ["--server"],
    ],
)
def test_what_makes_no_sense_ends_with_exit_code_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ending:
        parse(words)
    assert ending.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("usage: sfos ")
    assert said.err.splitlines()[-1].startswith("sfos")


def test_help_lists_every_command_and_every_exit_code() -> None:
    text = make_parser().format_help()
    for name in "ls stat usage watch put get cat mkdir mv cp rm login logout passwd".split():
        assert f"\n    {name} " in text
    for code in (0, 2, 4, 10, 11, 69, 77, 130):
        assert f"\n  {code:>3}  " in text


def test_what_people_know_from_ls_is_what_they_mean_here() -> None:
    assert command("ls", "-lh") == command("ls", "-l")
    for words in (["-la"], ["-lah"], ["-hal"]):
        assert command("ls", *words) == ListOptions(long=True, all=True)
    assert command("ls", "-lt") == command("ls", "-l", "--sort", "time")
    assert command("ls", "-lS", "-r") == command("ls", "-l", "--sort", "size", "--reverse")
    assert command("ls", "-l", "--", "-lh") == ListOptions(paths=("-lh",), long=True)


@pytest.mark.parametrize(
    ("words", "first"),
    [
        (["help"], "usage: sfos [OPTION…] COMMAND"),
        (["help", "put"], "usage: sfos put "),
        (["-q", "help", "admin", "add"], "usage: sfos admin add "),
        (["ls", "-h"], "usage: sfos ls "),
    ],
)
def test_help_is_a_word_too(words: list[str], first: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ending:
        parse(words)
    assert ending.value.code == 0
    assert capsys.readouterr().out.startswith(first)


@pytest.mark.parametrize("words", [["put", "--exclude", "*.o", "a"], ["get", "a", "--exclude=*.o"]])
def test_an_option_of_other_programs_is_named_as_what_it_is(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ending:
        parse(words)
    assert ending.value.code == 2
    assert "there is no --exclude: a folder goes with all that is in it" in capsys.readouterr().err
