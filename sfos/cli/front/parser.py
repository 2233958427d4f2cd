"""The command line's grammar: words in, `options.Invocation` out. Asks nothing, opens nothing.

The options about server and speech may stand before or after the command, since people put them in both places.
Only the command that is given gets its parser: making all of them took 12 ms of every command's start (measured).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

import msgspec

from sfos.cli.front import exit_codes
from sfos.cli.front.options import (
    CatOptions,
    Conflict,
    ConnectionOptions,
    CopyOptions,
    GetOptions,
    Invocation,
    ListOptions,
    LoginOptions,
    LogoutOptions,
    MakeFolderOptions,
    MoveOptions,
    PasswordOptions,
    PutOptions,
    RemoveOptions,
    SessionsOptions,
    SortBy,
    SpeechOptions,
    StatOptions,
    UsageOptions,
    WatchOptions,
)
from sfos.cli.front.shell import PROGRAM
from sfos.protocol import VERSION
from sfos.startup.programs import version_line

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

if TYPE_CHECKING:
    from sfos.cli.front.options import CommandOptions

    Build = Callable[[argparse.Namespace], CommandOptions]
OptionsT = TypeVar("OptionsT", bound=msgspec.Struct)


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Keeps the line breaks of longer texts, and a column wide enough for the options' names."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30, width=110)


def parse(arguments: Sequence[str]) -> Invocation:
    """What `arguments` (without the program's name) ask for. Raises: SystemExit, after --help or a usage error."""
    parser = make_parser(_command_in(arguments))
    namespace = parser.parse_args(arguments)
    build: Build = namespace.build
    try:
        command = build(namespace)
    except ValueError as error:
        namespace.own_parser.error(str(error))
    return Invocation(_take(ConnectionOptions, namespace), _take(SpeechOptions, namespace), command)


def _command_in(arguments: Sequence[str]) -> str | None:
    """The command's name: the first word that is neither an option nor the value of one."""
    words = iter(arguments)
    for word in words:
        if word in _SHARED_WITH_VALUE:
            next(words, None)
        elif not word.startswith("-") or word in ("-", "--"):
            return word
    return None


def make_parser(command: str | None = None) -> argparse.ArgumentParser:
    """The grammar: of `command` alone, or the whole for None and for what is no command."""
    shared = _shared_options()
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        usage=f"{PROGRAM} [OPTION…] COMMAND …",
        description=_DESCRIPTION,
        epilog=_EPILOG + exit_codes.help_text(),
        formatter_class=_Formatter,
        parents=[shared],
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=version_line("command line", VERSION))
    commands = _Commands(parser, shared)
    for name, add in _COMMANDS.items():
        if command == name or command not in _COMMANDS:
            add(commands)
    return parser


class _Commands:
    """The sub-commands of a parser. `shared`: what each of them understands."""

    def __init__(
        self, parser: argparse.ArgumentParser, shared: argparse.ArgumentParser, program: str = PROGRAM
    ) -> None:
        self.shared = shared
        self._program = program
        self._commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, prog=program)

    def add(self, words: str, summary: str, build: Build, details: str = "") -> argparse.ArgumentParser:
        """The command whose name is the first of `words`; the rest is what its usage line shows."""
        name, _, rest = words.partition(" ")
        command = self._commands.add_parser(
            name,
            usage=f"{self._program} {name} [OPTION…] {rest}".rstrip(),
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            epilog=details or None,
            formatter_class=_Formatter,
            parents=[self.shared],
            allow_abbrev=False,
        )
        command.set_defaults(build=build, own_parser=command)
        return command


_SHARED_WITH_VALUE: Mapping[str, tuple[str, str]] = {
    "--server": ("HOST:PORT", "where the server is"),
    "--user": ("NAME", "as whom to sign in"),
    "--pin": ("FINGERPRINT", "trust exactly this server key"),
    "--password-file": ("FILE", "read the password from FILE; “-” is standard input"),
}


def _shared_options() -> argparse.ArgumentParser:
    """What every command understands. SUPPRESS, so that a sub-parser's default never undoes what stood before it."""
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


def _ls(commands: _Commands) -> None:
    listing = commands.add("ls [PATH…]", "list folders", lambda given: _take(ListOptions, given))
    listing.add_argument("paths", nargs="*", metavar="PATH", default=["/"], help="files and folders (default: /)")
    listing.add_argument("-l", "--long", action="store_true", help="kind, size, time and name in columns")
    listing.add_argument("-R", "--recursive", action="store_true", help="with all that is below")
    listing.add_argument("--json", action="store_true", help="one JSON object per line")
    listing.add_argument("--bytes", action="store_true", help="sizes in bytes, exactly")
    listing.add_argument("--folders-first", action="store_true", help="folders before files")
    listing.add_argument("--sort", type=_sort_by, default=SortBy.NAME, metavar="BY", help=_SORTS)
    listing.add_argument("--reverse", action="store_true", help="the other way round")


def _stat(commands: _Commands) -> None:
    stat = commands.add(
        "stat PATH…", "show all that is known of files and folders", lambda given: _take(StatOptions, given)
    )
    stat.add_argument("paths", nargs="+", metavar="PATH")
    stat.add_argument("--json", action="store_true", help="one JSON object per line")


def _usage(commands: _Commands) -> None:
    usage = commands.add("usage", "show how much is kept", lambda given: _take(UsageOptions, given))
    usage.add_argument("--json", action="store_true", help="a JSON object")
    usage.add_argument("--bytes", action="store_true", help="sizes in bytes, exactly")


def _watch(commands: _Commands) -> None:
    watch = commands.add("watch [PATH…]", "show changes as they happen", lambda given: _take(WatchOptions, given))
    watch.add_argument("paths", nargs="*", metavar="PATH", default=["/"], help="only what is in these (default: /)")
    watch.add_argument("--json", action="store_true", help="one JSON object per line")
    watch.add_argument("--count", type=_positive, metavar="N", help="stop after N changes")


_SORTS = "name (default), size (largest first) or time (newest first)"

_PUT_DETAILS = """\
As with cp: into a folder that is there, or under the new name that you give.
  put a.txt                  a.txt into /
  put a.txt b.txt /docs      both into /docs, which must be there
  put a.txt /docs/new.txt    under a new name
  put -r photos /            the folder, as /photos
  put -r photos/. /album     what is in it, into /album
  … | put - /log.txt         what comes from standard input
What is there already is replaced (its history keeps it); what is equal is not sent again, so that running the same
command after an interruption goes on where it stopped.
"""

_CHECKSUM = "read what is there to see whether it is equal (otherwise: if size and time are)"

_GET_DETAILS = """\
As with cp: into a folder that is there, or under the new name that you give.
  get /docs/a.txt            into the current directory
  get /docs/a.txt new.txt    under a new name
  get -r /docs /music .      both folders, into the current directory
  get /docs/a.txt -          to standard output, as cat does
Nothing of yours is replaced unless you say so: on a terminal you are asked, else the file is left as it is and the
command fails with exit code 5. A file appears under its name when all of it has arrived and its hash is right. After
an interruption what came of a large one lies beside it, as .sfos-….part: the same command goes on from there.
"""


def _put(commands: _Commands) -> None:
    put = commands.add(
        "put LOCAL… [REMOTE]", "upload files and folders", lambda given: _transfer(PutOptions, given), _PUT_DETAILS
    )
    put.add_argument("paths", nargs="+", metavar="PATH", help="what, and at last where to (default: /)")
    put.add_argument("-r", "--recursive", action="store_true", help="folders with all that is in them")
    put.add_argument("-L", "--dereference", action="store_true", help="what symbolic links point to, not the links")
    put.add_argument("-c", "--checksum", action="store_true", help=_CHECKSUM)
    _conflict_options(put, "the server")


def _get(commands: _Commands) -> None:
    get = commands.add(
        "get REMOTE… [LOCAL]", "download files and folders", lambda given: _transfer(GetOptions, given), _GET_DETAILS
    )
    get.add_argument("paths", nargs="+", metavar="PATH", help="what, and at last where to (default: .)")
    get.add_argument("-r", "--recursive", action="store_true", help="folders with all that is in them")
    get.add_argument("-c", "--checksum", action="store_true", help=_CHECKSUM)
    _conflict_options(get, "this computer")


def _cat(commands: _Commands) -> None:
    cat = commands.add("cat PATH…", "write files to standard output", lambda given: _take(CatOptions, given))
    cat.add_argument("paths", nargs="+", metavar="PATH")


def _mkdir(commands: _Commands) -> None:
    make = commands.add("mkdir PATH…", "make folders", lambda given: _take(MakeFolderOptions, given))
    make.add_argument("paths", nargs="+", metavar="PATH")
    make.add_argument(
        "-p", "--parents", action="store_true", help="also what is missing above; one that is there is fine"
    )


def _mv(commands: _Commands) -> None:
    move = commands.add("mv SOURCE… DESTINATION", "move or rename", lambda given: _with_destination(MoveOptions, given))
    move.add_argument("paths", nargs="+", metavar="PATH", help="what, and at last where to")
    _no_clobber(move)


def _cp(commands: _Commands) -> None:
    copy = commands.add(
        "cp SOURCE… DESTINATION",
        "copy on the server; no content is sent",
        lambda given: _with_destination(CopyOptions, given),
    )
    copy.add_argument("paths", nargs="+", metavar="PATH", help="what, and at last where to")
    copy.add_argument("-r", "--recursive", action="store_true", help="folders with all that is in them")
    _no_clobber(copy)


def _rm(commands: _Commands) -> None:
    remove = commands.add(
        "rm PATH…", "delete files and folders; the history keeps them", lambda given: _take(RemoveOptions, given)
    )
    remove.add_argument("paths", nargs="+", metavar="PATH")
    remove.add_argument("-r", "--recursive", action="store_true", help="folders with all that is in them")
    remove.add_argument("-f", "--force", action="store_true", help="what is not there is no error")


_LOGOUT_DETAILS = """\
  logout                     this computer's session
  logout 3f2a                the session whose id begins so (see: sessions); its connections are cut at once
  logout --all               every session of yours, on all computers; who has the password signs in again
"""


def _login(commands: _Commands) -> None:
    login = commands.add("login", "sign in, and keep the session", lambda given: _take(LoginOptions, given))
    login.add_argument("--remember", action="store_true", help="also keep the password in this computer's keyring")


def _sessions(commands: _Commands) -> None:
    sessions = commands.add("sessions", "show where you are signed in", lambda given: _take(SessionsOptions, given))
    sessions.add_argument("--json", action="store_true", help="one JSON object per line")


def _logout(commands: _Commands) -> None:
    logout = commands.add("logout [SESSION]", "end the session, everywhere", _one_or_all, _LOGOUT_DETAILS)
    logout.add_argument("session", nargs="?", metavar="SESSION", help="another one: the beginning of its id")
    logout.add_argument("--all", dest="every", action="store_true", help="all of your sessions, this one too")
    logout.add_argument("--forget", action="store_true", help="also delete the password from the keyring")


def _passwd(commands: _Commands) -> None:
    passwd = commands.add("passwd", "change your password", lambda given: _take(PasswordOptions, given))
    passwd.add_argument("--new-password-file", metavar="FILE", help="read the new one from FILE; “-” is standard input")


def _admin(commands: _Commands) -> None:
    from sfos.cli.admin import parser as admin_parser  # only now: it is long, and few are administrators

    admin = commands.add("admin COMMAND …", admin_parser.SUMMARY, _needs_a_command, admin_parser.DETAILS)
    admin_parser.add_commands(_Commands(admin, commands.shared, f"{PROGRAM} admin"), _take)


_COMMANDS: Mapping[str, Callable[[_Commands], None]] = {
    "ls": _ls,
    "stat": _stat,
    "usage": _usage,
    "watch": _watch,
    "put": _put,
    "get": _get,
    "cat": _cat,
    "mkdir": _mkdir,
    "mv": _mv,
    "cp": _cp,
    "rm": _rm,
    "login": _login,
    "sessions": _sessions,
    "logout": _logout,
    "passwd": _passwd,
    "admin": _admin,
}


def _needs_a_command(_: argparse.Namespace) -> CommandOptions:
    raise ValueError("say what: admin COMMAND")


def _conflict_options(command: argparse.ArgumentParser, whose: str) -> None:
    group = command.add_argument_group(f"where {whose} has that name already").add_mutually_exclusive_group()
    for conflict, meaning in (
        (Conflict.REPLACE, "replace it"),
        (Conflict.SKIP, "leave it as it is"),
        (Conflict.NEWER, "replace it if it is older"),
        (Conflict.KEEP_BOTH, "keep it, and give the new one another name"),
    ):
        group.add_argument(f"--{conflict.value}", dest="conflict", action="store_const", const=conflict, help=meaning)
    command.set_defaults(conflict=Conflict.DEFAULT)


def _no_clobber(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "-n", "--skip", dest="conflict", action="store_const", const=Conflict.SKIP, default=Conflict.DEFAULT,
        help="leave files that are there already as they are",
    )  # fmt: skip


def _sort_by(text: str) -> SortBy:
    try:
        return SortBy(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"“{text}” is none of name, size, time") from None


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"“{text}” is not a number from 1 on")
    return int(text)


def _transfer(kind: type[OptionsT], given: argparse.Namespace) -> OptionsT:
    sources = given.paths[:-1] or given.paths
    if sources.count("-") and len(sources) > 1:
        raise ValueError("standard input (“-”) is one source; nothing else can go with it")
    if kind is PutOptions and given.paths == ["-"]:
        raise ValueError("standard input (“-”) needs a name on the server: put - /name")
    return _take(kind, given)


def _one_or_all(given: argparse.Namespace) -> LogoutOptions:
    if given.session is not None and given.every:
        raise ValueError("either one session or --all")
    return _take(LogoutOptions, given)


def _with_destination(kind: type[OptionsT], given: argparse.Namespace) -> OptionsT:
    if len(given.paths) < 2:
        raise ValueError("say what and where to: SOURCE… DESTINATION")
    return _take(kind, given)


def _take(kind: type[OptionsT], given: argparse.Namespace) -> OptionsT:
    """The fields of `kind` that were given; the rest keep their defaults."""
    values: dict[str, object] = {}
    for name in kind.__struct_fields__:
        if hasattr(given, name):
            value = getattr(given, name)
            values[name] = tuple(value) if isinstance(value, list) else value
    return kind(**values)
