"""The command line's grammar: words in, an `Invocation` out. Asks nothing, opens nothing.

The options about server and speech may stand before or after the command, since people put them in both places.
Only the command that is given is loaded and gets a parser: making all of them took 12 ms of every command's start
(measured).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from sfos.cli import commands
from sfos.cli.front import exit_codes
from sfos.cli.front.command import AnyCommand, Group, load, load_all
from sfos.cli.front.options import ConnectionOptions, SpeechOptions, taken
from sfos.cli.front.shell import PROGRAM, give_up_output

_DESCRIPTION = "Files on your SFOS server, from the command line."

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
    """A parser that says so where its help cannot be written. `idle_letters`: see `Command`."""

    idle_letters = ""

    def print_help(self, file: Any = None) -> None:  # noqa: ARG002 - as ArgumentParser has it
        """See ArgumentParser; `file` is standard output, whoever calls it."""
        _print(self.format_help())

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """See ArgumentParser."""
        return super().parse_known_args(_without(self.idle_letters, args), namespace)


def parse(arguments: Sequence[str]) -> Invocation:
    """Meaning of `arguments` (without the program's name). Raises: SystemExit, after --help or a usage error."""
    arguments = _asking_for_help(arguments)
    namespace, unknown = make_parser(arguments).parse_known_args(arguments)
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


def _asking_for_help(arguments: Sequence[str]) -> Sequence[str]:
    """`help`, `help put` as `--help`, `put --help`."""
    if next(_words(arguments), "") != "help":
        return arguments
    words = list(arguments)
    words.remove("help")
    return [*words, "--help"]


def _without(letters: str, words: Sequence[str]) -> list[str]:
    """Options that are joined in one word (`-lh`) without these letters; one that stands alone is left."""
    end = words.index("--") if "--" in words else len(words)
    return [_left_of(word, letters) if letters else word for word in words[:end]] + list(words[end:])


def _left_of(word: str, letters: str) -> str:
    if len(word) < 3 or word[0] != "-" or word[1] == "-":
        return word
    return "-" + ("".join(letter for letter in word[1:] if letter not in letters) or word[1:])


def make_parser(arguments: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The grammar: as much of it as `arguments` need. All commands are in it where they name none."""
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
    _add_commands(parser, shared, commands.__name__, _words(arguments))
    return parser


def _words(arguments: Sequence[str]) -> Iterator[str]:
    """Words of `arguments` that are no options, nor values of those that all commands share: the command's name first.

    Ends at --help, which is that of whatever stands before it.
    """
    words = iter(arguments)
    for word in words:
        if word in ("-h", "--help"):
            return
        if word in _SHARED_WITH_VALUE:
            next(words, None)
        elif not word.startswith("-") or word in ("-", "--"):
            yield word


def _add_commands(parser: argparse.ArgumentParser, shared: _Parser, package: str, words: Iterator[str]) -> None:
    """Give `parser` the command of `package` that is the first of `words`; all that there are, if none is."""
    added = parser.add_subparsers(
        title="commands", metavar="COMMAND", required=True, prog=parser.prog, parser_class=_Parser
    )
    word = next(words, "")
    given = load(package, word)
    for name, command in ({word: given} if given else load_all(package)).items():
        rest = command.words.partition(" ")[2]
        of_command = added.add_parser(
            name,
            help=command.summary,
            usage=f"{parser.prog} {name} [OPTION…] {rest}".rstrip(),
            description=command.summary[0].upper() + command.summary[1:] + ".",
            epilog=command.details or None,
            formatter_class=_Formatter,
            parents=[shared],
            allow_abbrev=False,
        )
        if isinstance(command, Group):
            _add_commands(of_command, shared, command.package, words)
        else:
            command.arguments(of_command)
            of_command.idle_letters = command.idle_letters
            of_command.set_defaults(command=command, own_parser=of_command)


_SHARED_WITH_VALUE: Mapping[str, tuple[str, str]] = {
    "--server": ("HOST:PORT", "where the server is"),
    "--user": ("NAME", "as whom to sign in"),
    "--pin": ("FINGERPRINT", "trust exactly this server key"),
    "--password-file": ("FILE", "read the password from FILE; “-” is standard input"),
}


def _something(text: str) -> str:
    """Value of an option that was given: an empty one, of a variable that is not set, would be as if it was not."""
    if not text:
        raise argparse.ArgumentTypeError("the value is empty; leave the option out for what is usual")
    return text


def _shared_options() -> _Parser:
    """Options of every command. SUPPRESS, so that a sub-parser's default never undoes what stood before it."""
    shared = _Parser(add_help=False, argument_default=argparse.SUPPRESS)
    where = shared.add_argument_group("server and user")
    for option, (metavar, meaning) in _SHARED_WITH_VALUE.items():
        where.add_argument(option, metavar=metavar, help=meaning, type=_something)
    where.add_argument("--accept-new-key", action="store_true", help="trust an unknown server key, never a changed one")
    speech = shared.add_argument_group("what is said")
    speech.add_argument("-q", "--quiet", action="store_true", help="only errors")
    speech.add_argument("-v", "--verbose", action="store_true", help="a line for each file")
    speech.add_argument("--debug", action="store_true", help="show where an error comes from")
    return shared
