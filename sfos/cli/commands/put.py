"""`put`: from this computer to the server."""

from __future__ import annotations

import argparse
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from sfos.cli.files.conflicts import Conflict, add_choices
from sfos.cli.files.transfer_options import CHECKSUM, ELSEWHERE, STANDARD_INPUT, check_sources
from sfos.cli.front.command import SessionCommand, Subject
from sfos.cli.front.failures import Failures
from sfos.cli.front.foreseen import Question, stats
from sfos.cli.front.paths import RemotePath, Source, Standing, TakenNames, goes_inside, nesting_note
from sfos.cli.front.shell import Shell, StreamClosed
from sfos.client.errors import LocalAccess, LocalFileError
from sfos.client.local.chunking import explain_os_error
from sfos.protocol import Entry, IsAFolder, NotAFolder, NotFound

if TYPE_CHECKING:
    from sfos.client.api import Api
    from sfos.client.session.session import Session

_DETAILS = """\
As with cp: into a folder that is there, or under the new name that you give.
  put a.txt                  a.txt into /
  put a.txt b.txt /docs      both into /docs, which must be there
  put a.txt /docs/new.txt    under a new name
  put -r photos /            the folder, as /photos
  put -r photos/. /album     what is in it, into /album
  … | put - /log.txt         what comes from standard input
What is there already is replaced (its history keeps it); what is equal is not sent again, so that running the same
command after an interruption goes on where it stopped. Only a folder that got a new name (put -r photos /album) is
there from then on, and the same command puts photos into it; what brings it up to date is put -r photos/. /album.
"""

_PIECE_BYTES = 1024 * 1024


class PutOptions(msgspec.Struct, frozen=True):
    """`put`. The last of several `paths` is the destination; of one path, it is the root folder."""

    paths: tuple[str, ...]
    recursive: bool = False
    dereference: bool = False
    checksum: bool = False
    conflict: Conflict = Conflict.DEFAULT


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", metavar="PATH", help="what, and at last where to (default: /)")
    parser.add_argument("-r", "--recursive", action="store_true", help="folders with all that is in them")
    parser.add_argument("-L", "--dereference", action="store_true", help="what symbolic links point to, not the links")
    parser.add_argument("-c", "--checksum", action="store_true", help=CHECKSUM)
    add_choices(parser, "the server")


def _check(options: PutOptions) -> None:
    check_sources(options.paths)
    if options.paths == (STANDARD_INPUT,):
        raise ValueError("standard input (“-”) needs a name on the server: put - /name")


def _questions(options: PutOptions) -> list[Question]:
    destination = RemotePath.parse(options.paths[-1] if len(options.paths) > 1 else "/")
    return stats(list(dict.fromkeys((destination.path, destination.parent))))


class LocalSource(msgspec.Struct, frozen=True):
    """Source on this computer, as it was named. `contents`: not the folder itself but what is in it."""

    text: str
    path: Path
    is_folder: bool
    contents: bool


def run(session: Session, shell: Shell, options: PutOptions) -> int:
    """The exit code. Raises: KeyboardInterrupt, after everything under way has stopped."""
    *texts, destination_text = options.paths if len(options.paths) > 1 else (*options.paths, "/")
    destination = RemotePath.parse(destination_text)
    failures = Failures(shell)
    if texts == [STANDARD_INPUT]:
        _put_standard_input(session, shell, options, destination, failures)
        return failures.exit_code
    sources = []
    for text in texts:
        with failures.of(text):
            sources.append(_look(text, options))
    if not sources:
        return failures.exit_code
    rules = [Source(None if source.contents else source.path.name, source.is_folder) for source in sources]
    if len(texts) > len(rules):  # one of several cannot be read: what is left still needs a folder to go into
        rules.append(Source("", is_folder=False))
    standing, folder = _look_there(session.api, destination)
    inside = goes_inside(rules, destination_text, standing, as_folder=destination.as_folder) or sources[0].contents
    if folder is not None and inside and len(texts) == 1 and not sources[0].contents and sources[0].is_folder:
        _note_nesting(session.api, shell, sources[0], destination_text, folder)
    paths = _paths(sources, failures)
    if not paths:
        if inside:
            session.api.make_folder(destination.path, parents=True)
        return failures.exit_code
    from sfos.cli.files.transferring import SAME_AGAIN, Transfers, going_on_with
    from sfos.client.transfer import OnConflict

    with Transfers(session, shell, failures) as transfers:
        transfers.run(
            transfers.engine.upload(
                paths,
                _into(destination, standing, folder, inside=inside),
                transfers.policy(options.conflict, OnConflict.REPLACE),
                rename_to=None if inside else destination.name,
                follow_symlinks=options.dereference or not options.recursive,
                checksum=options.checksum,
            ),
            SAME_AGAIN if inside or not sources[0].is_folder else going_on_with(sources[0].text),
        )
    return failures.exit_code


def _note_nesting(api: Api, shell: Shell, source: LocalSource, destination: str, folder: Entry) -> None:
    if not destination.strip("/"):
        return
    from sfos.client.listing import Detail

    (listing,) = api.list_folders([folder], Detail.NAMES)
    try:
        inside = [path.name for path in source.path.iterdir() if path.name.isprintable()]
    except OSError:  # the upload says so
        return
    note = nesting_note(source.text, destination, inside, listing.names, source.path.name)
    if note is not None:
        shell.note(note)


def _into(destination: RemotePath, standing: Standing, folder: Entry | None, *, inside: bool) -> Entry | str:
    """The folder to upload into: as it was looked at, where that is the one, so that it is not asked for again."""
    if folder is not None and inside == (standing is Standing.FOLDER):
        return folder
    return destination.path if inside else destination.parent


def _look(text: str, options: PutOptions) -> LocalSource:
    """Source that `text` names. Raises: LocalAccess, LocalFileError, IsAFolder."""
    if not text:
        raise LocalFileError("A path cannot be empty.")
    path = Path(text)
    try:
        status = path.lstat() if options.recursive and not options.dereference else path.stat()
    except FileNotFoundError as error:
        if path.is_symlink():
            raise explain_os_error(error, path) from error
        raise LocalAccess("No such file or folder on this computer.") from error
    except OSError as error:
        raise LocalAccess(f"{error.strerror or error}.") from error
    if stat.S_ISDIR(status.st_mode):
        if not options.recursive:
            raise IsAFolder("This is a folder; put -r takes it with all that is in it.")
        named = path if path.name and path.name != ".." else path.resolve()
        contents = text == "." or text.endswith(("/.", os.sep + ".")) or not named.name  # the root has no name
        return LocalSource(text, named, is_folder=True, contents=contents)
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISLNK(status.st_mode):
        raise LocalFileError("This is neither a file nor a folder; what comes from a pipe is put as “-”.")
    return LocalSource(text, path, is_folder=False, contents=False)


def _look_there(api: Api, destination: RemotePath) -> tuple[Standing, Entry | None]:
    """Standing of the destination, and the folder it is or would be in. Raises: NotFound, if neither is there;
    NotAFolder."""
    try:
        there = api.exists(destination.path)
    except NotAFolder as error:
        raise NotAFolder(subject=_no_folder_above(api, destination)) from error
    if there is not None:
        return Standing.of(there), there if there.kind == "folder" else None
    above = api.exists(destination.parent)
    if above is None:
        raise NotFound("There is no such folder; make it first (mkdir -p).", subject=destination.parent)
    return Standing.MISSING, above if above.kind == "folder" else None


def _no_folder_above(api: Api, path: RemotePath) -> str:
    """The highest path above `path` that is no folder, and so stands in its way."""
    above = RemotePath(path.parent)
    try:
        api.exists(above.path)
    except NotAFolder:
        return _no_folder_above(api, above)
    return above.path


def _paths(sources: Sequence[LocalSource], failures: Failures) -> list[Path]:
    """Paths that go into the destination; of two with one name, the second fails: it would replace the first."""
    paths: list[Path] = []
    taken = TakenNames()
    for source in sources:
        with failures.of(source.text):
            for path in _children(source.path) if source.contents else [source.path]:
                with failures.of(str(path) if source.contents else source.text):
                    taken.take(path.name)
                    paths.append(path)
    return paths


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise LocalAccess(f"{error.strerror or error}.") from error


def _put_standard_input(
    session: Session, shell: Shell, options: PutOptions, destination: RemotePath, failures: Failures
) -> None:
    """Standard input as one file. It is kept in a temporary file first: a file's chunks are known only at its end."""
    import tempfile  # only now: it loads what packs archives

    from sfos.cli.files.transferring import Transfers
    from sfos.client.transfer import OnConflict

    standing, _ = _look_there(session.api, destination)
    if standing is Standing.FOLDER or destination.as_folder:
        raise IsAFolder("Standard input has no name: say the whole path that it is to get.", subject=destination.path)
    with tempfile.TemporaryDirectory(prefix="sfos-") as directory:
        path = Path(directory) / "standard input"
        try:
            with path.open("wb") as copy:
                while piece := shell.read_input(_PIECE_BYTES):
                    copy.write(piece)
        except StreamClosed:
            raise
        except OSError as error:
            raise LocalFileError(f"Standard input cannot be kept: {error.strerror or error}.") from error
        with Transfers(session, shell, failures) as transfers:
            policy = transfers.policy(options.conflict, OnConflict.REPLACE)
            transfers.run(transfers.engine.upload([path], destination.parent, policy, rename_to=destination.name))


COMMAND = SessionCommand(
    words="put LOCAL… [REMOTE]",
    summary="upload files and folders",
    subject=Subject.CONTENT,
    options=PutOptions,
    arguments=_arguments,
    details=_DETAILS,
    elsewhere=ELSEWHERE,
    check=_check,
    questions=_questions,
    connections=1,  # content has one of its own; more are opened when they are needed
    run=run,
)
