"""Chunks that a catalog names, read out of its file in the order in which they are stored.

By location and not by id: ids are random, and so would be every read and every write of a million small chunks. Some
at a time, for no list of them need fit in memory; SQLite sorts in a temporary file.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from sfos.server.chunks.small_files import SmallChunk
from sfos.server.disk.sqlite import Connection, open_database
from sfos.server.maintenance.backup_layout import NoBackup

_DISK_LOCATION = re.compile(r"disk:([0-9a-f]{2}/[0-9a-f]{64}-[0-9a-f]{8})")
_SMALL_LOCATION = re.compile(r"small:([1-9][0-9]{0,18})")  # as they are written: otherwise their order would be another

_IN_ORDER = "SELECT id, location, sealed_len FROM chunks WHERE location GLOB ? ORDER BY length(location), location"
_KINDS = "SELECT substr(location, 1, 5), count(*), min(location) FROM chunks GROUP BY 1"
_AT_ONCE = 1_000
_SORTER = "PRAGMA cache_size = -16384"  # KiB: as much is sorted in memory at a time


class NamedChunks:
    """See the module's first lines. `small` and `on_disk`: how many there are of each."""

    def __init__(self, connection: Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        row = connection.execute("SELECT epoch, seq, digest FROM spaces").fetchone()
        if row is None:
            raise NoBackup(f"{path} is empty")
        self.epoch: bytes = row[0]
        self.seq: int = row[1]
        self.digest: bytes = row[2]
        kinds = {front: (count, one) for front, count, one in connection.execute(_KINDS)}
        self.small, _ = kinds.pop("small", (0, ""))
        self.on_disk, _ = kinds.pop("disk:", (0, ""))
        for _, wrong in kinds.values():
            raise NoBackup(f"{path}: {wrong!r} is no location")

    def each_small(self) -> Iterator[SmallChunk]:
        """Those in the database of small ones, in the order of their numbers. Raises: NoBackup."""
        for chunk, location, sealed_len in self._each("small*"):
            found = _SMALL_LOCATION.fullmatch(location)
            if found is None or int(found[1]) >= 2**63:
                raise NoBackup(f"{self._path}: {location!r} is no location")
            yield SmallChunk(int(found[1]), chunk, sealed_len)

    def each_on_disk(self) -> Iterator[tuple[str, int]]:
        """(Path below chunks/, bytes) of those that are files, in order. Raises: NoBackup."""
        for _, location, sealed_len in self._each("disk:*"):
            found = _DISK_LOCATION.fullmatch(location)
            if found is None:
                raise NoBackup(f"{self._path}: {location!r} is no location")
            yield found[1], sealed_len

    def _each(self, front: str) -> Iterator[tuple[bytes, str, int]]:
        cursor = self._connection.execute(_IN_ORDER, (front,))
        while rows := cursor.fetchmany(_AT_ONCE):
            yield from rows


@contextlib.contextmanager
def named_chunks(catalog: Path) -> Iterator[NamedChunks]:
    """Chunks named by a catalog that nobody writes to. Raises: DatabaseError, NoBackup for a name that is no
    location."""
    with open_database(catalog, "ro") as connection:
        connection.execute(_SORTER)
        yield NamedChunks(connection, catalog)
