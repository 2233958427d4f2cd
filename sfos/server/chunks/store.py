"""The interface of a chunk store. It keeps opaque tokens under locations that it chooses itself.

Rules that every implementation holds, and `tests/storage/test_chunk_stores.py` asks of each:

- Once `Batch.finish` returns, all of the batch survives power loss as far as fsync does. Before that nobody knows its
  locations, and a batch that is left without `finish` leaves nothing behind (a crash may leave an orphan, which
  `list_stored` shows and garbage collection removes).
- A location is never used twice, not even for the same chunk: garbage collection deletes exactly the locations whose
  rows it has deleted, while the same chunk may be put again at that very moment.
- `delete` of what is not there is no error. `read` of what is not there raises FileNotFoundError.
- After a failed fsync `batch` raises StoreStopped for ever (a retried fsync lies: the kernel has dropped the pages,
  https://wiki.postgresql.org/wiki/Fsync_Errors); reading and deleting go on.
- All methods are safe from several threads; a Batch belongs to one. All block on the disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Protocol

from sfos.protocol import Buffer
from sfos.server.disk.storage_faults import StorageFault


class StoredChunk(NamedTuple):
    """Chunk in a store. `stored_ms`: when it was put, milliseconds since 1970. `chunk_id`: None of a foreign file."""

    location: str
    chunk_id: bytes | None
    sealed_len: int
    stored_ms: int


class Behind(NamedTuple):
    """A store that lacks tokens which it had, as its mark shows. `fault`: what to call it; `path`: the file.

    `front`: only locations that begin so can be lost. `possible`: whether the store can ever have had that mark.
    """

    fault: type[StorageFault]
    path: Path
    front: str
    possible: bool


class Batch(Protocol):
    """Tokens that become durable together. A context manager: leaving it without `finish` undoes it."""

    def add(self, chunk_id: bytes, token: memoryview) -> None:
        """Take `token` in. Its buffer is free again once this returns. Raises: OSError, StoreStopped."""

    def add_short(self, chunks: Iterable[tuple[bytes, bytes]]) -> None:
        """Take many short tokens in, (chunk id, token) each. Raises: as `add`."""

    def finish(self) -> list[str]:
        """Make all durable; their locations, in the order in which they came. Raises: OSError, StoreStopped."""

    def __enter__(self) -> Batch: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class ChunkStore(Protocol):
    """Keeps the sealed chunks of one space."""

    def batch(self) -> Batch:
        """A new batch. Raises: StoreStopped."""

    def read(self, location: str, sealed_len: int, scratch: memoryview) -> Buffer:
        """The token at `location`: at the front of `scratch` (at least `sealed_len` + 1 bytes) or its own bytes.

        What lies there may be shorter or longer than `sealed_len`, and is then returned as it is, cut at the room in
        `scratch`: opening it finds the damage. Raises: FileNotFoundError, OSError.
        """

    def holds(self, location: str, sealed_len: int) -> bool:
        """Whether something of that length lies there. Reads none of it. Raises: OSError."""

    def read_short(self, locations: Sequence[str]) -> dict[str, bytes]:
        """Those tokens that can be had together for little more than one; all others are to be `read`. Raises: OSError.

        Never more than what was asked for, nor anything that is not there.
        """

    def delete(self, locations: Iterable[str]) -> None:
        """Remove what lies there. Raises: OSError."""

    def list_stored(self) -> Iterator[StoredChunk]:
        """All that is stored, in the order of its locations (the shorter first) but for foreign files.

        What comes or goes meanwhile may be missed.
        """

    def mark_of(self, locations: Iterable[str]) -> int:
        """Mark of a store that holds `locations`: how far it has got, opaque to all others, and never falling.

        The catalog keeps the highest of those that it has registered. The store is durable first: so it may be ahead of
        that after a crash, and never behind, unless it was lost or an older one was put back. 0: nothing is known.
        """

    def behind(self, mark: int) -> Behind | None:
        """Complaint if the store has not got as far as `mark`, else None. Costs one look-up. Raises: DatabaseError."""

    def which_are_there(self, locations: Sequence[str]) -> set[str]:
        """Locations out of these where something lies. Reads none of it. Raises: OSError, DatabaseError."""

    def go_on_above(self, mark: int) -> None:
        """Give out no location up to this mark, in no process and at no time. Raises: OSError, DatabaseError."""

    def compact(self) -> None:
        """Give back to the file system what deletions left unused."""

    def forget_pages(self) -> None:
        """Let go of what is kept in memory of what was read and written."""

    def free_bytes(self) -> int:
        """Bytes that the disk has left for us."""

    def close(self) -> None:
        """Let go of descriptors and connections. Nothing may use the store any more."""
