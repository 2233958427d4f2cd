"""The command line's grammar: words in, an `Invocation` out. Asks nothing, opens nothing.

The options about server and speech may stand before or after the command, since people put them in both places.
Only the command that is given is loaded and gets a parser of its arguments: making all of them took 12 ms of every
command's start (measured), and --help shows of each the line that the table has.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from sfos.cli import commands
from sfos.cli.front import exit_codes
from sfos.cli.front.command import AnyCommand, Group, load
from sfos.cli.front.options import ConnectionOptions, SpeechOptions, taken
from sfos.cli.front.shell import PROGRAM, give_up_output

_DESCRIPTION = "Files on your server, from the command line."

_EPILOG = """\
paths on the server:
  begin at your root folder; the first “/” may be left out: docs/a.txt is /docs/a.txt.
  A name that begins with “-” goes behind “--”:  rm -- -name

what is there already:
  On the server a file is replaced, and its history keeps what was there. On this computer nothing is replaced
  unless you say so: get asks on a terminal and otherwise leaves the file as it is and says so.
  --replace  --skip  --newer  --keep-both  say it beforehand, for put and get.

password:
  --password-file, SFOS_PASSWORD, the keyring (login --remember), or a prompt, in this order; and only once:
  the session is kept for the next command until it is idle too long or you log out.

"""


class Invocation(msgspec.Struct, frozen=True):
    """A whole command line. `options` are those of `command`."""

    connection: ConnectionOptions
    speech: SpeechOptions
    command: AnyCommand
    options: msgspec.Struct


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Keeps the line breaks of longer texts, and a column wide enough for the options' names."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30, width=110)


class _Version(argparse.Action):
    """Prints the versions, and ends; what it needs is loaded when somebody asks."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from sfos.protocol import VERSION
        from sfos.startup.programs import version_line

        _print(version_line("command line", VERSION) + "\n")  # exit(message=…) would print to standard error
        parser.exit()


def _print(text: str) -> None:
    """Text on standard output. Raises: SystemExit, where it cannot be written."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        give_up_output()
        if isinstance(error, BrokenPipeError):
            raise SystemExit(exit_codes.OUTPUT_CLOSED) from error
        sys.stderr.write(f"{PROGRAM}: {error.strerror}\n")
        raise SystemExit(exit_codes.of_error(error)) from error


class _Parser(argparse.ArgumentParser):
    """A parser that says so where its help cannot be written."""

    def print_help(self, file: Any = None) -> None:  # noqa: ARG002 - as ArgumentParser has it
        """See ArgumentParser; `file` is standard output, whoever calls it."""
        _print(self.format_help())


def parse(arguments: Sequence[str]) -> Invocation:
    """Meaning of `arguments` (without the program's name). Raises: SystemExit, after --help or a usage error."""
    name = _command_in(arguments)
    if name == "help":
        arguments, name = _asking_for_help(arguments)
    namespace, unknown = make_parser(name).parse_known_args(arguments)
    command: AnyCommand = namespace.command
    if unknown:
        known_elsewhere = command.elsewhere.get(unknown[0].partition("=")[0])
        namespace.own_parser.error(known_elsewhere or f"unrecognized arguments: {' '.join(unknown)}")
    options = taken(command.options, namespace)
    try:
        command.check(options)
    except ValueError as error:
        namespace.own_parser.error(str(error))
    return Invocation(taken(ConnectionOptions, namespace), taken(SpeechOptions, namespace), command, options)


def _command_in(arguments: Sequence[str]) -> str | None:
    """The command's name: the first word that is neither an option nor the value of one. A guess, that saves making
    the other commands' parsers."""
    words = iter(arguments)
    for word in words:
        if word in _SHARED_WITH_VALUE:
            next(words, None)
        elif not word.startswith("-") or word in ("-", "--"):
            return word
    return None


def _asking_for_help(arguments: Sequence[str]) -> tuple[list[str], str | None]:
    """`help`, `help put` as `--help`, `put --help`; and the command's name."""
    words = list(arguments)
    words.remove("help")
    return [*words, "--help"], _command_in(words)


def _without(letters: str, words: Sequence[str]) -> list[str]:
    """Options that are joined in one word (`-lh`) without these letters; one that stands alone is left."""
    end = words.index("--") if "--" in words else len(words)
    return [_left_of(word, letters) if letters else word for word in words[:end]] + list(words[end:])


def _left_of(word: str, letters: str) -> str:
    if len(word) < 3 or word[0] != "-" or word[1] == "-":
        return word
    return "-" + ("".join(letter for letter in word[1:] if letter not in letters) or word[1:])


def make_parser(command: str | None = None) -> argparse.ArgumentParser:
    """The grammar: of `command` alone, or the whole for None and for what is no command."""
    shared = _shared_options()
    parser = _Parser(
        prog=PROGRAM,
        usage=f"{PROGRAM} [OPTION…] COMMAND …",
        description=_DESCRIPTION,
        epilog=_EPILOG + exit_codes.help_text(),
        formatter_class=_Formatter,
        parents=[shared],
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="the program's version and the protocol's")
    named = commands.COMMANDS
    if command is not None and command in named:
        named = {command: named[command]}
    _add_commands(parser, shared, PROGRAM, commands.__name__, named)
    return parser


class _CommandParser(_Parser):
    """The parser of one command, or of a group: loads it when there is something to parse, and is completed by it."""

    def __init__(self, *, package: str, shared: argparse.ArgumentParser, **further: Any) -> None:
        super().__init__(formatter_class=_Formatter, parents=[shared], allow_abbrev=False, **further)
        self._package = package
        self._shared = shared
        self._complete = False
        self._idle_letters = ""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """See ArgumentParser; called by the parser above with what follows the command's name."""
        if not self._complete:
            self._complete = True
            self._take_over(load(self._package, self.prog.rsplit(" ", 1)[1]))
        return super().parse_known_args(_without(self._idle_letters, args), namespace)

    def _take_over(self, command: AnyCommand | Group) -> None:
        _, _, rest = command.words.partition(" ")
        self.usage = f"{self.prog} [OPTION…] {rest}".rstrip()
        self.description = command.summary[0].upper() + command.summary[1:] + "."
        self.epilog = command.details or None
        if isinstance(command, Group):
            _add_commands(self, self._shared, self.prog, command.package, command.commands)
        else:
            command.arguments(self)
            self._idle_letters = command.idle_letters
            self.set_defaults(command=command, own_parser=self)


def _add_commands(
    parser: argparse.ArgumentParser,
    shared: argparse.ArgumentParser,
    program: str,
    package: str,
    named: Mapping[str, str],
) -> None:
    """Give `parser` the commands of `package` that are `named`, each with its line of help."""
    added = parser.add_subparsers(
        title="commands", metavar="COMMAND", required=True, prog=program, parser_class=_CommandParser
    )
    for name, summary in named.items():
        added.add_parser(name, help=summary, package=package, shared=shared)


_SHARED_WITH_VALUE: Mapping[str, tuple[str, str]] = {
    "--server": ("HOST:PORT", "where the server is"),
    "--user": ("NAME", "as whom to sign in"),
    "--pin": ("FINGERPRINT", "trust exactly this server key"),
    "--password-file": ("FILE", "read the password from FILE; “-” is standard input"),
}


def _shared_options() -> argparse.ArgumentParser:
    """Options of every command. SUPPRESS, so that a sub-parser's default never undoes what stood before it."""
    shared = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    where = shared.add_argument_group("server and user")
    for option, (metavar, meaning) in _SHARED_WITH_VALUE.items():
        where.add_argument(option, metavar=metavar, help=meaning)
    where.add_argument("--accept-new-key", action="store_true", help="trust an unknown server key, never a changed one")
    speech = shared.add_argument_group("what is said")
    speech.add_argument("-q", "--quiet", action="store_true", help="only errors")
    speech.add_argument("-v", "--verbose", action="store_true", help="a line for each file")
    speech.add_argument("--debug", action="store_true", help="show where an error comes from")
    return shared
