"""A file's bytes as a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from sfos.protocol import Entry, IsAFolder, TreeError

if TYPE_CHECKING:
    from sfos.client.api import Api


def write_content(api: Api, entry: Entry, target: BinaryIO) -> None:
    """The content of a file, written and flushed. Raises: IsAFolder, TreeError; what reading and writing raise."""
    if entry.kind == "folder":
        raise IsAFolder
    if entry.kind != "file":
        raise TreeError("This is a symbolic link; only files have a content.")
    for piece in api.read_stream(entry):
        target.write(piece)
    target.flush()
