"""A command as a value: all that its file says of it, and how it is carried out.

Each file in `commands/` and `admin/` defines one, as `COMMAND`, and is named as the command is; no list has it once
more. The parser loads the file when the command is given, and all of them for --help: before the connection's
libraries, which take most of a command's start. So such a file imports of `client` at its top only what is light; the
rest it imports where it is used.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from enum import IntEnum
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


class Subject(IntEnum):
    """Kinds of commands, in the order of --help; those of one kind stand there by their names."""

    LOOKING = 1
    CONTENT = 2
    FOLDERS = 3
    ACCOUNTS = 4
    SESSIONS = 5
    ADMINISTRATION = 6


class Command(msgspec.Struct, Generic[OptionsT], frozen=True, kw_only=True):
    """Grammar and help of a command. Its subclasses say how it runs."""

    words: str  # of the usage line: the name, and what follows it
    summary: str  # one line, for --help
    subject: Subject
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
            if entrance.shell.shows_progress:
                from sfos.cli.front.work_line import show_work  # most commands are no person's, and need none

                show_work(session, entrance.shell)
            try:
                return self.run(session, entrance.shell, options)
            except KeyboardInterrupt:
                if session.may_go_on:
                    entrance.shell.note("Interrupted; what the server has begun, it may still bring to its end.")
                raise


class EntranceCommand(Command[OptionsT], frozen=True, kw_only=True):
    """A command about sessions themselves, which finds or makes its own."""

    run: Callable[[Entrance, OptionsT], int]  # returns the exit code

    def execute(self, entrance: Entrance, options: OptionsT) -> int:
        """Run it; the exit code. Raises: what signing in and the command raise."""
        return self.run(entrance, options)


AnyCommand = SessionCommand[Any] | EntranceCommand[Any]


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A word before further commands, whose files are in `package`."""

    words: str
    summary: str
    subject: Subject
    package: str
    details: str = ""


def load(package: str, name: str) -> AnyCommand | Group | None:
    """The command `name` of `package`, from its file; None if there is none of that name."""
    file = f"{package}.{name}"
    if not name.isidentifier():  # whatever somebody typed: no file of a command is named so
        return None
    try:
        command: AnyCommand | Group | None = getattr(import_module(file), "COMMAND", None)
    except ModuleNotFoundError as error:
        if error.name != file:
            raise
        return None
    return command


def load_all(package: str) -> dict[str, AnyCommand | Group]:
    """The commands of `package` by their names, in the order of --help."""
    from pkgutil import iter_modules

    loaded = {file.name: load(package, file.name) for file in iter_modules(import_module(package).__path__)}
    commands = {name: command for name, command in loaded.items() if command is not None}
    return dict(sorted(commands.items(), key=lambda item: (item[1].subject, item[0])))
