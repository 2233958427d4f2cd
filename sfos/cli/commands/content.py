"""`cat`, and whatever else wants a file's bytes as a stream."""

from __future__ import annotations

from typing import BinaryIO

from sfos.cli.front.failures import Failures
from sfos.cli.front.options import CatOptions
from sfos.cli.front.paths import RemotePath
from sfos.cli.front.shell import Shell
from sfos.client.api import Api
from sfos.client.session.session import Session
from sfos.protocol import Entry, IsAFolder, TreeError


def cat(session: Session, shell: Shell, options: CatOptions) -> int:
    """The files, one after the other, on standard output. Each piece is verified before it is written."""
    failures = Failures(shell)
    for text in options.paths:
        with failures.of(text):
            write_content(session.api, session.api.stat(RemotePath.parse(text).path), shell.raw_output)
    return failures.exit_code


def write_content(api: Api, entry: Entry, target: BinaryIO) -> None:
    """The content of a file, written and flushed. Raises: IsAFolder, TreeError; what reading and writing raise."""
    if entry.kind == "folder":
        raise IsAFolder
    if entry.kind != "file":
        raise TreeError("This is a symbolic link; only files have a content.")
    for piece in api.read_stream(entry):
        target.write(piece)
    target.flush()
