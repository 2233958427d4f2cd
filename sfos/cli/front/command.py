"""A command as a value: all that its file says of it, and how it is carried out.

Each file in `commands/` and `admin/` defines one, as `COMMAND`, and is named as the command is. The parser loads it
when the command is given, or its help is asked for: before the connection's libraries, which take most of a command's
start. So such a file imports of `client` at its top only what is light; the rest it imports where it is used.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from sfos.cli.front.foreseen import Question
from sfos.protocol import NameNotAllowed

if TYPE_CHECKING:
    from sfos.cli.front.shell import Shell
    from sfos.cli.front.signing_in import Entrance
    from sfos.client.session.session import Session

OptionsT = TypeVar("OptionsT", bound=msgspec.Struct)


def _no_arguments(_: argparse.ArgumentParser) -> None:
    return


def _sensible(_: object) -> None:
    return


def _nothing(_: object) -> list[Question]:
    return []


class Command(msgspec.Struct, Generic[OptionsT], frozen=True, kw_only=True):
    """Grammar and help of a command. Its subclasses say how it runs."""

    words: str  # of the usage line: the name, and what follows it
    summary: str  # one line, as the table beside the file has it
    options: type[OptionsT]
    arguments: Callable[[argparse.ArgumentParser], None] = _no_arguments  # declares them, under the options' names
    check: Callable[[OptionsT], None] = _sensible  # raises ValueError where the options make no sense together
    details: str = ""  # below the options in the help
    idle_letters: str = ""  # joined with others (`ls -lh`) they ask for what is so anyway
    elsewhere: Mapping[str, str] = {}  # options that other programs have: what to say of them


class SessionCommand(Command[OptionsT], frozen=True, kw_only=True):
    """A command that works in a session: the one that is kept, or a new one."""

    run: Callable[[Session, Shell, OptionsT], int]  # returns the exit code
    questions: Callable[[OptionsT], list[Question]] = _nothing  # what it asks first, as far as the options tell it
    connections: int = 0  # to be opened at once beside the session's first

    def foreseen(self, options: OptionsT) -> list[Question]:
        """The first questions, in the order in which they are asked. Paths that make no sense ask nothing."""
        try:
            return self.questions(options)
        except NameNotAllowed:
            return []

    def execute(self, entrance: Entrance, options: OptionsT) -> int:
        """Run it; the exit code. Raises: what signing in and the command raise."""
        with entrance.session(ahead=self.connections, questions=self.foreseen(options)) as session:
            return self.run(session, entrance.shell, options)


class EntranceCommand(Command[OptionsT], frozen=True, kw_only=True):
    """A command about sessions themselves, which finds or makes its own."""

    run: Callable[[Entrance, OptionsT], int]  # returns the exit code

    def execute(self, entrance: Entrance, options: OptionsT) -> int:
        """Run it; the exit code. Raises: what signing in and the command raise."""
        return self.run(entrance, options)


AnyCommand = SessionCommand[Any] | EntranceCommand[Any]


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A word before further commands. `commands`: their names with one line of help; their files are in `package`."""

    words: str
    summary: str
    package: str
    commands: Mapping[str, str]
    details: str = ""


def load(package: str, name: str) -> AnyCommand | Group:
    """The command `name` of `package`, from its file."""
    command: AnyCommand | Group = import_module(f"{package}.{name}").COMMAND
    return command
