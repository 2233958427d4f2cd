"""`rm`: files and folders, deleted; the history keeps them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import msgspec

from sfos.cli.front.command import SessionCommand, Subject
from sfos.cli.front.failures import Failures
from sfos.cli.front.foreseen import stats
from sfos.cli.front.paths import RemotePath
from sfos.cli.front.shell import Shell
from sfos.cli.front.work_line import WorkLine, show_work
from sfos.client.listing import Detail
from sfos.protocol import DeleteItem, Entry, IsAFolder, NameNotAllowed, NotAFolder, NotFound, Ref, counted, from_info

if TYPE_CHECKING:
    from sfos.client.api import Api
    from sfos.client.session.session import Session


class RemoveOptions(msgspec.Struct, frozen=True):
    """`rm`."""

    paths: tuple[str, ...]
    recursive: bool = False
    force: bool = False


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", metavar="PATH", help="files and folders")
    parser.add_argument("-r", "--recursive", action="store_true", help="folders with all that is in them")
    parser.add_argument("-f", "--force", action="store_true", help="what is not there is no error")


class _Tally(msgspec.Struct):
    """Counts of what was deleted: things that were named, and what was in those that were folders."""

    files: int = 0
    folders: int = 0
    files_below: int = 0
    folders_below: int = 0

    @property
    def entries(self) -> int:
        """All of them."""
        return self.files + self.folders + self.files_below + self.folders_below

    def add(self, other: _Tally) -> None:
        self.files += other.files
        self.folders += other.folders
        self.files_below += other.files_below
        self.folders_below += other.folders_below

    def sentence(self) -> str:
        named = [counted(self.files, "file")] if self.files or not self.folders else []
        named += [counted(self.folders, "folder")] if self.folders else []
        text = "Deleted " + " and ".join(named)
        if self.folders:
            below = counted(self.files_below, "file")
            if self.folders_below:
                below += f" and {counted(self.folders_below, 'folder')}"
            text += f" with {below} in {'it' if self.folders == 1 else 'them'}"
        return text + "; the history keeps what was deleted."


def run(session: Session, shell: Shell, options: RemoveOptions) -> int:
    """The exit code. All is looked at before anything is deleted."""
    api, failures, line = session.api, Failures(shell), show_work(session, shell)
    doomed: list[tuple[str, Entry, _Tally]] = []
    for text in options.paths:
        with failures.of(text):
            try:
                doomed.append((text, *_to_remove(api, text, options, line)))
            except NotFound:
                if not options.force:
                    raise
    line.counted(sum(tally.entries for _, _, tally in doomed))
    done = _Tally()
    results = api.delete([DeleteItem(ref=Ref(node=entry.node)) for _, entry, _ in doomed])
    for (text, _, tally), result in zip(doomed, results, strict=True):
        if result.error is None:
            done.add(tally)
            shell.detail(f"{text}: deleted")
            continue
        with failures.of(text):
            error = from_info(result.error)
            if not (options.force and isinstance(error, NotFound)):
                raise error
    if done.folders or done.files > 1:
        shell.note(done.sentence())
    return failures.exit_code


def _to_remove(api: Api, text: str, options: RemoveOptions, line: WorkLine) -> tuple[Entry, _Tally]:
    path = RemotePath.parse(text)
    if path.contents:
        raise NameNotAllowed("Name what is to be deleted: the root and “/.” stand for no single thing.")
    entry = api.stat(path.path)
    if entry.kind != "folder":
        if path.as_folder:
            raise NotAFolder
        return entry, _Tally(files=1)
    if not options.recursive:
        raise IsAFolder("This is a folder; rm -r deletes it with all that is in it.")
    tally = _Tally(folders=1)
    for listing in api.walk(path.path, Detail.NAMES):
        folders = len(listing.folders)
        tally.folders_below += folders
        tally.files_below += listing.count - folders
        line.count(listing.count)
    return entry, tally


COMMAND = SessionCommand(
    words="rm PATH…",
    summary="delete files and folders; the history keeps them",
    subject=Subject.FOLDERS,
    options=RemoveOptions,
    arguments=_arguments,
    questions=lambda options: stats(options.paths),
    run=run,
)
