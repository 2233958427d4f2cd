"""Foresight of a command's first questions: a wrong guess does no harm, so that it is right has to be tested."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from sfos.cli.front.command import SessionCommand
from sfos.cli.front.foreseen import Question
from sfos.cli.parser import parse
from sfos.client.net.connection import Answer
from sfos.client.session.ahead import AnswersAhead
from sfos.protocol import Request, StatRequest
from tests.cli.conftest import Cli


def questions(words: Sequence[str]) -> list[Question]:
    invocation = parse(words)
    assert isinstance(invocation.command, SessionCommand)
    return invocation.command.foreseen(invocation.options)


@pytest.mark.parametrize(
    ("words", "foreseen"),
    [
        ("ls", 1),
        ("ls -l", 1),
        ("ls --sort time a b", 1),
        ("ls a/file a", 1),
        ("stat a a/file", 2),
        ("cat a/file b/file", 2),
        ("usage", 1),
        ("sessions", 1),
        ("get a/file -", 1),
        ("get -r a b there", 2),
        ("put local a", 1),
        ("put local new", 2),
        ("put local", 1),
        ("mv a/file new", 2),
        ("cp -r a b new", 3),
        ("rm a/file b/file", 2),
        ("rm -r a", 1),
        ("mkdir new", 0),
    ],
)
def test_a_command_asks_what_was_foreseen(cli: Cli, monkeypatch: pytest.MonkeyPatch, words: str, foreseen: int) -> None:
    cli.ok("mkdir", "a", "b")
    cli.write("local", "x")
    for folder in "ab":
        cli.ok("put", "local", f"{folder}/file")
    (cli.directory / "there").mkdir()
    taken: list[Request[Any]] = []
    take = AnswersAhead.take

    def taking(self: AnswersAhead, request: Request[Any]) -> Answer | None:
        found = take(self, request)
        if found is not None:
            taken.append(request)
        return found

    monkeypatch.setattr(AnswersAhead, "take", taking)
    plain = cli(*words.split(), extra={"SFOS_CLIENT_USER": "user1"})
    assert len(taken) == foreseen, plain.err


def test_an_answer_of_the_first_flight_is_an_error_as_any_other(cli: Cli) -> None:
    assert cli("cat", "missing").code == 4
    assert cli("get", "missing", "there").code == 4
    assert cli("put", "missing", "nowhere/at/all").code == 7


def test_only_a_few_short_paths_are_asked_about_at_once() -> None:
    assert len(questions(["stat", *map(str, range(100))])) == 16
    long = "x" * 200
    asked = questions(["rm", *(f"{long}{number}" for number in range(16))])
    assert 1 < len(asked) < 16
    assert all(isinstance(request, StatRequest) for request in asked)
    assert questions(["ls", *map(str, range(100))]) == []
    for names, count in ((9, 2), (15, 1), (100, 0)):
        assert len(questions(["put", "local", "/".join(["x" * 100] * names)])) == count


def test_paths_that_make_no_sense_ask_nothing() -> None:
    assert questions(["cat", "good", "a\\b"]) == []
