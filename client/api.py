"""What programs want of a space: list, walk, look, make, move, copy, delete, read a piece.

Every method blocks for the network, may be called from any thread, and raises what the server reports (`protocol`'s
errors) or ConnectionLost / ServerUnreachable once reconnecting has failed. Each logical change has one op_id that is
kept over its retries. Names in the entries are what the server sent: `protocol.printable` before showing them,
`client.local_files.local_name` before writing them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from protocol import (
    Change,
    Cursor,
    DeleteItem,
    Entry,
    ItemResult,
    NodeReply,
    Ref,
    Revision,
    SfosError,
    Target,
    UsageReply,
)

from client.commands import Commands

Place = Ref | str  # a str is an absolute path in the home space


@dataclass(frozen=True, slots=True)
class Listing:
    """What is in one folder, or why it could not be listed. `path`: names below where the walk began, () for itself."""

    path: tuple[str, ...]
    node: int | None
    entries: tuple[Entry, ...]
    error: SfosError | None = None


class Api:
    """Conveniences over `commands`, which has one typed method for each command."""

    commands: Commands

    def stat(self, place: Place) -> Entry:
        """What is there. `entry.path` is set. Raises: NotFound."""
        ...

    def exists(self, place: Place) -> Entry | None:
        """What is there, or None."""
        ...

    def list_folder(self, place: Place) -> list[Entry]:
        """All entries of a folder, of one moment, in no order. Raises: NotFound, NotAFolder."""
        ...

    def list_folder_at(self, place: Place) -> tuple[list[Entry], Cursor]:
        """The same, and the cursor of that moment, from which `watch` goes on without a gap."""
        ...

    def list_folders(self, places: Sequence[Place]) -> list[Listing]:
        """Many folders in few requests, in the order asked; a folder that fails has its error."""
        ...

    def walk(self, place: Place, *, follow: Callable[[Entry], bool] | None = None) -> Iterator[Listing]:
        """The folder and all below it, breadth first, up to 256 folders a request. `follow`: which folders to enter."""
        ...

    def make_folder(self, place: Target | str, *, parents: bool = False) -> NodeReply:
        """Make a folder. `parents`: also what is missing above it, and accept that it is there. Raises: AlreadyExists."""
        ...

    def move(
        self, source: Place, target: Target | str, *, replace: bool = False, if_revision: Revision | None = None
    ) -> NodeReply:
        """Rename or move. Raises: NotFound, AlreadyExists, RevisionConflict, MovedBelowItself, NameNotAllowed."""
        ...

    def copy(
        self, source: Place, target: Target | str, *, replace: bool = False, if_revision: Revision | None = None
    ) -> NodeReply:
        """Copy a file or a whole folder on the server. Raises: as `move`."""
        ...

    def delete(self, items: Sequence[Place | DeleteItem], *, atomic: bool = False) -> list[ItemResult]:
        """Delete; folders go with all that is in them. One result each, in order (`result.error`)."""
        ...

    def usage(self) -> UsageReply:
        """Bytes and files of the home space."""
        ...

    def changes(self, since: Cursor) -> tuple[list[Change], Cursor]:
        """All that changed since, and the cursor of now. Raises: ResyncRequired."""
        ...

    def read_range(self, entry: Entry, offset: int = 0, length: int | None = None) -> bytes:
        """Bytes of a file, for previews; shorter at its end. Each chunk is verified. Raises: DataDamaged, BadChunk."""
        ...

    def read_stream(self, entry: Entry) -> Iterator[memoryview]:
        """The whole content in pieces of at most 4 MiB, each verified, valid until the next is asked for."""
        ...
