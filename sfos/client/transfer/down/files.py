"""Files to be fetched: what a plan decides of each, and how far a large one is."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from sfos.client.local.chunking import Stamp
from sfos.client.local.names import partial_name
from sfos.client.transfer.ledger import Row
from sfos.protocol import MIN_CHUNK_BYTES, ChunkRecord, Entry


class FolderToMake(msgspec.Struct, frozen=True):
    """A folder on the server, and the local names that lead to where it is to be made here. `row`: see FileToFetch."""

    row: Row
    entry: Entry
    names: tuple[str, ...]


class FileToFetch(msgspec.Struct, frozen=True):
    """A file or symlink on the server, and where it is to be put here: `folder` and `name` are checked local names.

    What is fetched is the content (or link) that `entry` names, or nothing. `if_stamp`: only in place of the file that
    has this stamp here (NOTHING: of none); None: in place of whatever is there. `row`: its place in the books.
    """

    row: Row
    entry: Entry
    folder: tuple[str, ...]
    name: str
    if_stamp: Stamp | None

    @property
    def content(self) -> bytes:
        """The name of its content."""
        return self.entry.content or b""

    @property
    def is_small(self) -> bool:
        """Whether its content is one chunk, whose name is the content's."""
        return self.entry.size <= MIN_CHUNK_BYTES

    @property
    def needs_server(self) -> bool:
        """Whether it has bytes: links and empty files have none."""
        return self.entry.kind == "file" and self.entry.size > 0

    @property
    def partial(self) -> str:
        """The temporary name."""
        return partial_name(self.entry.content or b"", self.name)


class AttributesToSet(msgspec.Struct, frozen=True):
    """Mode of a file or folder here that is as it is on the server, but for that.

    `is_folder`: the folder `folder` itself; else `name` in it, in the state of `stamp`. `row`: see FileToFetch.
    """

    row: Row
    folder: tuple[str, ...]
    name: str
    stamp: Stamp
    mode: int
    is_folder: bool = False


class Step(msgspec.Struct, frozen=True):
    """Work that can be done before the next step is known: the folders are made, then the files are fetched; attributes
    are set when all has come.

    An empty one says that something will have to be fetched.
    """

    folders: Sequence[FolderToMake] = ()
    files: Sequence[FileToFetch] = ()
    attributes: Sequence[AttributesToSet] = ()


class FetchingFile(msgspec.Struct, eq=False):
    """State of the fetching of a large file. `present`: of each chunk 1 or 0."""

    todo: FileToFetch
    records: list[ChunkRecord] = msgspec.field(default_factory=list)
    offsets: list[int] = msgspec.field(default_factory=list)
    next_ordinal: int = 0
    present: bytearray = msgspec.field(default_factory=bytearray)
    missing: int = 0
    bytes_there: int = 0
    descriptor: int | None = None
    writing: int = 0
    over: bool = False
    partial_suffix: str = ""

    @property
    def partial(self) -> str:
        """The temporary name."""
        return partial_name(self.todo.content, self.todo.name, self.partial_suffix)
