"""`get`: from the server to this computer."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

import msgspec

from sfos.cli.commands.content import write_content
from sfos.cli.commands.transferring import SAME_AGAIN, Transfers, going_on_with
from sfos.cli.front.failures import Failures
from sfos.cli.front.options import GetOptions
from sfos.cli.front.paths import RemotePath, Source, Standing, TakenNames, goes_inside
from sfos.cli.front.shell import Shell
from sfos.client.api import Api
from sfos.client.errors import LocalAccess
from sfos.client.session.session import Session
from sfos.protocol import Entry, IsAFolder, NotAFolder, Ref

_STANDARD_OUTPUT = "-"


class RemoteSource(msgspec.Struct, frozen=True):
    """Something on the server that was named. `contents`: not the folder itself but what is in it."""

    text: str
    entry: Entry
    contents: bool


def get(session: Session, shell: Shell, options: GetOptions) -> int:
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
    if is_device:
        with failures.of(destination):
            _into_device(session.api, sources[0].entry, target)
        return failures.exit_code
    _download(session, shell, options, sources, target, failures, inside=inside or sources[0].contents)
    return failures.exit_code


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
    """What `text` names. Raises: NotFound, NotAFolder, IsAFolder, NameNotAllowed."""
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

    A link that was named is followed, as cp does. Raises: LocalAccess, if there is no folder to put anything into.
    """
    path = Path(text).expanduser() if text.startswith("~") else Path(text)
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
    """All that goes into the destination; of two with one name, the second fails: it would replace the first."""
    entries: list[Entry] = []
    taken = TakenNames()
    for source in sources:
        with failures.of(source.text):
            for entry in api.list_folder(Ref(node=source.entry.node)) if source.contents else [source.entry]:
                taken.take(entry.name, entry.name)
                entries.append(entry)
    return entries
