"""`get`: from the server to this computer."""

from __future__ import annotations

import argparse
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from sfos.cli.files.conflicts import Conflict, add_choices
from sfos.cli.files.content import write_content
from sfos.cli.files.transfer_options import CHECKSUM, ELSEWHERE, check_sources
from sfos.cli.front.command import SessionCommand, Subject
from sfos.cli.front.failures import Failures
from sfos.cli.front.foreseen import Question, stats
from sfos.cli.front.paths import RemotePath, Source, Standing, TakenNames, goes_inside, nesting_note
from sfos.cli.front.shell import Shell
from sfos.client.errors import LocalAccess, LocalFileError
from sfos.protocol import Entry, IsAFolder, NotAFolder, Ref

if TYPE_CHECKING:
    from sfos.client.api import Api
    from sfos.client.session.session import Session

_DETAILS = """\
As with cp: into a folder that is there, or under the new name that you give.
  get /docs/a.txt            into the current directory
  get /docs/a.txt new.txt    under a new name
  get -r /docs /music .      both folders, into the current directory
  get /docs/a.txt -          to standard output, as cat does
Nothing of yours is replaced unless you say so: on a terminal you are asked, else the file is left as it is and the
command fails with exit code 5. A file appears under its name when all of it has arrived and its hash is right. After
an interruption what came of a large one lies beside it, as .sfos-….part: the same command goes on from there. A folder
that got a new name (get -r /docs papers) is there from then on, and the same command gets /docs into it; what brings it
up to date is get -r /docs/. papers.
"""

_STANDARD_OUTPUT = "-"


class GetOptions(msgspec.Struct, frozen=True):
    """`get`. The last of several `paths` is the destination; of one path, it is the current directory."""

    paths: tuple[str, ...]
    recursive: bool = False
    checksum: bool = False
    conflict: Conflict = Conflict.DEFAULT


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", metavar="PATH", help="what, and at last where to (default: .)")
    parser.add_argument("-r", "--recursive", action="store_true", help="folders with all that is in them")
    parser.add_argument("-c", "--checksum", action="store_true", help=CHECKSUM)
    add_choices(parser, "this computer")


def _questions(options: GetOptions) -> list[Question]:
    return stats(options.paths[:-1] or options.paths)


class RemoteSource(msgspec.Struct, frozen=True):
    """Source on the server, as it was named. `contents`: not the folder itself but what is in it."""

    text: str
    entry: Entry
    contents: bool


def run(session: Session, shell: Shell, options: GetOptions) -> int:
    """The exit code. Raises: KeyboardInterrupt, after everything under way has stopped."""
    *texts, destination = options.paths if len(options.paths) > 1 else (*options.paths, ".")
    failures = Failures(shell)
    sources: list[RemoteSource] = []
    for text in texts:
        with failures.of(text):
            sources.append(_look(session.api, text, options))
    if not sources:
        return failures.exit_code
    if destination == _STANDARD_OUTPUT:
        for source in sources:
            with failures.of(source.text):
                write_content(session.api, source.entry, shell.raw_output)
        return failures.exit_code
    target, standing, is_device = _destination(destination)
    rules = [Source(None if source.contents else source.entry.name, _is_folder(source)) for source in sources]
    if len(texts) > len(rules):  # one of several cannot be had: what is left still needs a folder to go into
        rules.append(Source("", is_folder=False))
    inside = goes_inside(rules, destination, standing, as_folder=destination.endswith(("/", os.sep)))
    if standing is Standing.FOLDER and len(texts) == 1 and rules[0].is_folder and not sources[0].contents:
        _note_nesting(session.api, shell, sources[0], destination, target)
    if is_device:
        with failures.of(destination):
            _into_device(session.api, sources[0].entry, target)
        return failures.exit_code
    _download(session, shell, options, sources, target, failures, inside=inside or sources[0].contents)
    return failures.exit_code


def _note_nesting(api: Api, shell: Shell, source: RemoteSource, destination: str, target: Path) -> None:
    there = (
        [path.name for path in target.iterdir() if not path.name.startswith(".")] if os.access(target, os.R_OK) else []
    )
    there = [name for name in there if name.isprintable()]
    if not there or destination in (".", "..") or source.entry.name in there:
        return
    inside = [entry.name for entry in api.list_folder(source.entry)]
    note = nesting_note(source.text, destination, inside, there, source.entry.name)
    if note is not None:
        shell.note(note)


def _download(
    session: Session,
    shell: Shell,
    options: GetOptions,
    sources: Sequence[RemoteSource],
    target: Path,
    failures: Failures,
    *,
    inside: bool,
) -> None:
    entries = _entries(session.api, sources, failures)
    if not entries:
        if inside:
            target.mkdir(exist_ok=True)
        return
    from sfos.cli.files.transferring import SAME_AGAIN, Transfers, going_on_with

    with Transfers(session, shell, failures) as transfers:
        transfers.run(
            transfers.engine.download(
                entries,
                target if inside else target.parent,
                transfers.policy(options.conflict),
                rename_to=None if inside else target.name,
                checksum=options.checksum,
            ),
            SAME_AGAIN if inside or not _is_folder(sources[0]) else going_on_with(sources[0].text),
        )


def _look(api: Api, text: str, options: GetOptions) -> RemoteSource:
    """Source that `text` names. Raises: NotFound, NotAFolder, IsAFolder, NameNotAllowed."""
    path = RemotePath.parse(text)
    entry = api.stat(path.path)
    if entry.kind == "folder" and not options.recursive:
        raise IsAFolder("This is a folder; get -r takes it with all that is in it.")
    if entry.kind != "folder" and path.as_folder:
        raise NotAFolder
    return RemoteSource(text, entry, path.contents)


def _is_folder(source: RemoteSource) -> bool:
    return source.entry.kind == "folder"


def _destination(text: str) -> tuple[Path, Standing, bool]:
    """The local path, what is there, and whether it is a device or pipe, which is written to, never replaced.

    A link that was named is followed, as cp does. Raises: LocalFileError; LocalAccess, if there is no folder to put
    anything into.
    """
    if not text:  # of a variable that is not set, say: it would be the working directory
        raise LocalFileError("A path cannot be empty.")
    path = Path(text)
    try:
        status = path.stat()
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise LocalAccess("No such folder on this computer.", subject=str(path.parent)) from None
        return path, Standing.MISSING, False
    except OSError as error:
        raise LocalAccess(f"{error.strerror or error}.", subject=text) from error
    if path.is_symlink():
        path = path.resolve()
    if stat.S_ISDIR(status.st_mode):
        return path, Standing.FOLDER, False
    return path, Standing.FILE, not stat.S_ISREG(status.st_mode)


def _into_device(api: Api, entry: Entry, device: Path) -> None:
    try:
        with device.open("wb") as target:
            write_content(api, entry, target)
    except OSError as error:
        raise LocalAccess(f"{error.strerror or error}.", subject=str(device)) from error


def _entries(api: Api, sources: Sequence[RemoteSource], failures: Failures) -> list[Entry]:
    """Entries that go into the destination; of two with one name, the second fails: it would replace the first."""
    entries: list[Entry] = []
    taken = TakenNames()
    for source in sources:
        with failures.of(source.text):
            for entry in api.list_folder(Ref(node=source.entry.node)) if source.contents else [source.entry]:
                with failures.of(_child(source.entry, entry) if source.contents else source.text):
                    taken.take(entry.name)
                    entries.append(entry)
    return entries


def _child(folder: Entry, entry: Entry) -> str:
    return f"{(folder.path or '').rstrip('/')}/{entry.name}"


COMMAND = SessionCommand(
    words="get REMOTE… [LOCAL]",
    summary="download files and folders",
    subject=Subject.CONTENT,
    options=GetOptions,
    arguments=_arguments,
    details=_DETAILS,
    elsewhere=ELSEWHERE,
    check=lambda options: check_sources(options.paths),
    questions=_questions,
    connections=1,  # content has one of its own; more are opened when they are needed
    run=run,
)
