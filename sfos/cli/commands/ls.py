"""`ls`: what is in folders."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import groupby
from typing import TYPE_CHECKING

import msgspec

from sfos.cli.front import output
from sfos.cli.front.command import SessionCommand, Subject
from sfos.cli.front.failures import Failures
from sfos.cli.front.foreseen import Question, short_paths
from sfos.cli.front.options import SortBy
from sfos.cli.front.paths import RemotePath
from sfos.cli.front.shell import Shell
from sfos.client.listing import Detail, Listing
from sfos.protocol import MAX_PAGE_ENTRIES, Entry, ListRequest, NotAFolder, Ref, join_path, printable

if TYPE_CHECKING:
    from sfos.client.api import Api
    from sfos.client.session.session import Session

_SORTS = "name (default), size (largest first) or time (newest first)"


class ListOptions(msgspec.Struct, frozen=True):
    """`ls`. `all`: as in other programs; no name is hidden here, so that it changes nothing."""

    paths: tuple[str, ...] = ("/",)
    long: bool = False
    recursive: bool = False
    all: bool = False
    json: bool = False
    bytes: bool = False
    folders_first: bool = False
    sort: SortBy = SortBy.NAME
    reverse: bool = False

    @property
    def detail(self) -> Detail:
        """Detail that is shown and looked at."""
        return Detail.ENTRIES if self.long or self.json or self.sort is not SortBy.NAME else Detail.NAMES


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="*", metavar="PATH", default=["/"], help="files and folders (default: /)")
    parser.add_argument("-l", "--long", action="store_true", help="kind, size, time and name in columns")
    parser.add_argument("-R", "--recursive", action="store_true", help="with all that is below")
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    parser.add_argument(
        "--bytes", action="store_true", help="sizes in bytes, exactly (otherwise for people: -lh is -l)"
    )
    parser.add_argument("-a", "--all", action="store_true", help="no more than without: no name is hidden here")
    parser.add_argument("--folders-first", action="store_true", help="folders before files")
    parser.add_argument("--sort", type=_sort_by, default=SortBy.NAME, metavar="BY", help=_SORTS)
    for letter, by in (("-t", SortBy.TIME), ("-S", SortBy.SIZE)):
        parser.add_argument(letter, dest="sort", action="store_const", const=by, help=f"the same as --sort {by.value}")
    parser.add_argument("-r", "--reverse", action="store_true", help="the other way round")


def _sort_by(text: str) -> SortBy:
    try:
        return SortBy(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"“{text}” is none of name, size, time") from None


def _questions(options: ListOptions) -> list[Question]:
    paths = short_paths(options.paths)
    if len(paths) < len(options.paths):
        return []
    folders = tuple(Ref(path=path) for path in paths)
    return [ListRequest(folders=folders, limit=MAX_PAGE_ENTRIES, names_only=options.detail is Detail.NAMES)]


def run(session: Session, shell: Shell, options: ListOptions) -> int:
    """The exit code."""
    api = session.api
    failures = Failures(shell)
    places = []
    for text in options.paths:
        with failures.of(text):
            places.append((text, RemotePath.parse(text)))
    if options.long and not options.recursive and not options.json and len(options.paths) == 1:
        for text, place in places:
            with failures.of(text):
                _print_long(api, shell, options, text, place)
        return failures.exit_code
    files: list[tuple[Entry, str]] = []
    folders: list[tuple[str, RemotePath, Listing]] = []
    found = _listings(api, [place.path for _, place in places], options.detail)
    for (text, place), listing in zip(places, found, strict=True):
        with failures.of(text):
            if listing.error is None:
                folders.append((text, place, listing))
            elif isinstance(listing.error, NotAFolder) and not place.as_folder:
                files.append((api.stat(place.path), text))
            else:
                raise listing.error
    printer = _Printer(shell, options, with_headers=options.recursive or len(options.paths) > 1)
    printer.files(files)
    for text, place, listing in folders:
        if options.recursive:
            walk = api.walk(place.path, options.detail, first=listing)
            for shown, path, below in _below(walk, text, place, failures):
                printer.folder(shown, path, below)
        else:
            printer.folder(text, place.path, listing)
    return failures.exit_code


def _print_long(api: Api, shell: Shell, options: ListOptions, text: str, place: RemotePath) -> None:
    """One thing with `-l`, whose folder may hold a million: page by page, and printed some thousand lines at a time."""
    from sfos.cli.files.long_rows import LongRows  # only now: short listings need none of it

    rows = LongRows()
    try:
        with closing(api.read_folder(place.path)) as parts:
            for part in parts:
                rows.extend(part)
    except NotAFolder:
        if place.as_folder:
            raise
        shell.results(output.long_rows([(api.stat(place.path), text)], in_bytes=options.bytes))
        return
    for lines in rows.lines(
        options.sort, folders_first=options.folders_first, reverse=options.reverse, in_bytes=options.bytes
    ):
        shell.results(lines)


def _listings(api: Api, paths: Sequence[str], detail: Detail) -> list[Listing]:
    """A listing for each path, in one request where possible."""
    listings = api.list_folders(paths, detail)
    nodes = [listing.node for listing in listings if listing.node is not None]
    if len(nodes) == len(set(nodes)):
        return listings
    # One folder under two names: what is in it came twice.
    return [listing for path in paths for listing in api.list_folders([path], detail)]


def _below(
    walk: Iterator[Listing], text: str, place: RemotePath, failures: Failures
) -> Iterator[tuple[str, str, Listing]]:
    """The folder and all below it, level by level, each level by name: how it is shown, its path, what is in it."""
    base = text.rstrip("/")
    for _, level in groupby(walk, key=lambda listing: len(listing.path)):
        for listing in sorted(level, key=lambda listing: [name.casefold() for name in listing.path]):
            shown = "/".join((base, *listing.path)) or "/"
            if listing.error is not None:
                failures.add(listing.error, shown)
                continue
            yield shown, join_path(*(name for name in (place.path.strip("/"), *listing.path) if name)), listing


class _Printer:
    """Prints entries as the options say; headers and empty lines between folders as `ls` does."""

    def __init__(self, shell: Shell, options: ListOptions, *, with_headers: bool) -> None:
        self._shell = shell
        self._options = options
        self._with_headers = with_headers and not options.json
        self._printed_any = False

    def files(self, files: Sequence[tuple[Entry, str]]) -> None:
        """Files that were named on the command line, under the name they were given."""
        if not files:
            return
        named = {id(entry): text for entry, text in files}
        entries = self._arranged(entry for entry, _ in files)
        if self._options.json:
            self._json((entry, entry.path or RemotePath.parse(named[id(entry)]).path) for entry in entries)
        else:
            self._lines([(entry, named[id(entry)]) for entry in entries])
        self._printed_any = True

    def folder(self, shown: str, path: str, listing: Listing) -> None:
        """Entries of a folder."""
        if self._options.json:
            self._json((entry, f"{path.rstrip('/')}/{entry.name}") for entry in self._arranged(listing.entries))
            return
        if self._with_headers:
            if self._printed_any:
                self._shell.result("")
            self._shell.result(f"{printable(shown)}:")
        if self._options.detail is Detail.NAMES:
            self._names(listing)
        else:
            self._lines([(entry, entry.name) for entry in self._arranged(listing.entries)])
        self._printed_any = True

    def _arranged(self, entries: Iterable[Entry]) -> list[Entry]:
        options = self._options
        return output.arrange(entries, options.sort, folders_first=options.folders_first, reverse=options.reverse)

    def _json(self, entries: Iterable[tuple[Entry, str]]) -> None:
        for entry, path in entries:
            self._shell.result(output.json_line(output.entry_json(entry, path)))

    def _lines(self, entries: Sequence[tuple[Entry, str]]) -> None:
        if self._options.long:
            self._shell.results(output.long_rows(entries, in_bytes=self._options.bytes))
        elif self._shell.output_is_terminal:
            self._columns([output.display_name(entry, name) for entry, name in entries])
        else:
            self._shell.results([printable(name) for _, name in entries])

    def _names(self, listing: Listing) -> None:
        options = self._options
        folders = {name for name, _ in listing.folders}
        arranged = output.arrange_names(
            listing.names, folders, folders_first=options.folders_first, reverse=options.reverse
        )
        if self._shell.output_is_terminal:
            self._columns([output.marked_name(name, is_folder=name in folders) for name in arranged])
        else:
            self._shell.results(arranged)

    def _columns(self, shown: Sequence[str]) -> None:
        import shutil  # only now: it loads four libraries, for who looks at a terminal

        self._shell.results(output.columns(shown, shutil.get_terminal_size().columns))


COMMAND = SessionCommand(
    words="ls [PATH…]",
    summary="list folders",
    subject=Subject.LOOKING,
    options=ListOptions,
    arguments=_arguments,
    idle_letters="h",
    questions=_questions,
    run=run,
)
