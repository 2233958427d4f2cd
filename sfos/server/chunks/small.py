"""Small chunks in a database of their own, `small.db`: ten thousand of them cost one fsync, not ten thousand.

In the catalog they would make every backup of it whole, and its file would never shrink. The table is an ordinary
rowid table (a third faster than WITHOUT ROWID for rows that carry blobs). SQLite here is a file format behind the chunk
store, so this speaks to the standard library's module directly.

Locations are numbers that grow with the time of day, so that none comes twice, not even after the file was lost or an
old copy of it was put back: the milliseconds at which a store began to number, 17 random bits, and counting from there,
but always above the highest that was ever given out (AUTOINCREMENT keeps it, whatever is deleted). So that number tells
an older copy of the file from a newer one; the catalog remembers how high it was, as the mark of its store.
"""

from __future__ import annotations

import errno
import os
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from sfos.protocol import Buffer
from sfos.server.chunks.files import LocalFiles
from sfos.server.chunks.store import Behind, StoredChunk
from sfos.server.disk.locks import locked
from sfos.server.disk.number_runs import runs_of
from sfos.server.disk.sqlite import ConnectionPool, DatabaseError, bindable, is_failed_sync, is_full
from sfos.server.disk.stopped_paths import refuse_if_stopped, stop
from sfos.server.disk.storage_faults import (
    SmallChunksLost,
    SmallChunksRolledBack,
    SmallChunksUnreadable,
    StoreStopped,
    TokenDamaged,
)

_IDLE_CONNECTIONS = 2
_LIST_PAGE = 1_000
_READ_AT_ONCE = 256
_INSERT_AT_ONCE = 20  # a third less than one by one; more gain nothing
_LOCATION_DIGITS = 19
# Marks are plain numbers that anybody can change who can write the catalog. Locations are below this until long after
# the year 2200; to go on above one at the end of what SQLite counts would end all writing.
_BEYOND = 2**62
_RANDOM_BITS = 17  # behind the milliseconds; 18 digits until the year 2211

# Pages as long as the longest token: 1,000 tokens of 4 KiB go in within 14 ms instead of 71, of 20 KiB within 49
# instead of 139, one alone as fast as ever (0.3 ms). The price: tokens of 33 to 64 KiB have a page each.
PAGE_SIZE = "PRAGMA page_size = 65536"
TOKENS_TABLE = """CREATE TABLE IF NOT EXISTS tokens (
        location INTEGER PRIMARY KEY AUTOINCREMENT,
        chunk BLOB NOT NULL,
        stored_ms INTEGER NOT NULL,
        token BLOB NOT NULL
    )"""
_SCHEMA = f"PRAGMA auto_vacuum = 2; PRAGMA journal_mode = WAL; {TOKENS_TABLE};"


class SmallStore:
    """A chunk store of rows in the database at `path`, made at need. Raises: SmallChunksUnreadable, DatabaseError."""

    def __init__(
        self,
        path: Path,
        now_ms: Callable[[], int],
        *,
        busy_timeout_s: float = 30.0,
        files: LocalFiles | None = None,
        above: int = 0,
    ) -> None:
        """`above`: no location up to this one is given out, for it was before, or so someone says."""
        self.path = path
        self._busy_timeout_ms = int(busy_timeout_s * 1_000)
        self._now_ms = now_ms
        self._files = files or LocalFiles()
        self._writing = threading.Lock()
        self._pool = ConnectionPool(self._connect, kept=_IDLE_CONNECTIONS)
        self._above = above
        self._next = 0  # the next location; 0: begin to number anew
        path.touch(mode=0o600)  # SQLite would make it readable by all
        try:
            with self._alone_if_new(), self._connection() as connection:
                connection.executescript(_SCHEMA)
        except DatabaseError as error:
            self.close()
            if error.is_damaged():
                raise SmallChunksUnreadable(f"{path}: {error}") from error
            if error.is_full():
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
            if error.is_failed_sync():
                stop(path, error)
            raise

    @contextmanager
    def _alone_if_new(self) -> Iterator[None]:
        """Keeps all others out who would make the file: of two that do so at once, SQLite refuses one without a wait.

        Each would hold what the other needs to turn a new file into one with a write-ahead log.
        """
        if self.path.stat().st_size:
            yield
            return
        with locked(self.path.parent):
            yield

    def batch(self) -> SmallBatch:
        """See ChunkStore."""
        refuse_if_stopped(self.path)
        return SmallBatch(self)

    def read(self, location: str, sealed_len: int, scratch: memoryview) -> Buffer:  # noqa: ARG002 - SQLite makes bytes
        """See ChunkStore."""
        try:
            with self._connection() as connection:
                row = connection.execute("SELECT token FROM tokens WHERE location = ?", (_row_of(location),)).fetchone()
        except DatabaseError as error:
            if error.is_damaged():
                raise TokenDamaged(f"{self.path}: {error}") from error
            raise
        if row is None:
            raise FileNotFoundError(f"{self.path}: no token {location}")
        token: bytes
        (token,) = row
        return token

    def holds(self, location: str, sealed_len: int) -> bool:
        """See ChunkStore."""
        try:
            with self._connection() as connection:
                found = connection.execute("SELECT length(token) FROM tokens WHERE location = ?", (_row_of(location),))
                return bool(found.fetchone() == (sealed_len,))
        except DatabaseError as error:
            if error.is_damaged():
                return False
            raise

    def read_short(self, locations: Sequence[str]) -> dict[str, bytes]:
        """See ChunkStore."""
        of_row = {_row_of(location): location for location in locations}
        with self._connection() as connection:
            return {of_row[row]: token for row, token in _tokens(connection, list(of_row))}

    def delete(self, locations: Iterable[str]) -> None:
        """See ChunkStore."""
        self._write(
            lambda connection: connection.executemany(
                "DELETE FROM tokens WHERE location = ?", [(_row_of(location),) for location in locations]
            )
        )

    def list_stored(self) -> Iterator[StoredChunk]:
        """See ChunkStore. A page at a time, so that no read transaction stays open while the caller thinks."""
        last = 0
        while True:
            with self._connection() as connection:
                rows = connection.execute(
                    "SELECT location, chunk, length(token), stored_ms FROM tokens WHERE location > ?"
                    " ORDER BY location LIMIT ?",
                    (last, _LIST_PAGE),
                ).fetchall()
            if not rows:
                return
            for location, chunk, length, stored_ms in rows:
                yield StoredChunk(str(location), chunk, length, stored_ms)
            last = location

    def compact(self) -> None:
        """See ChunkStore."""
        with self._changing() as connection:
            # `execute` would take one step of it, and so free one page; executescript runs it to its end.
            connection.executescript("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE);")

    def forget_pages(self) -> None:
        """See ChunkStore."""
        try:
            self._pool.forget_pages()
        except sqlite3.Error as error:
            raise DatabaseError(error, self.path) from error

    def highest_location(self) -> int:
        """The highest location that was ever given out; 0 if none was. Raises: DatabaseError."""
        with self._connection() as connection:
            return _highest(connection)

    def mark_of(self, locations: Iterable[str]) -> int:
        """See ChunkStore. The highest of them, for locations grow."""
        return max(map(int, locations), default=0)

    def behind(self, mark: int) -> Behind | None:
        """See ChunkStore."""
        highest, possible = self.highest_location(), mark < _BEYOND
        if highest >= mark and possible:
            return None
        return Behind(SmallChunksRolledBack if highest else SmallChunksLost, self.path, "", possible)

    def go_on_above(self, mark: int) -> None:
        """See ChunkStore."""

        def raise_it(connection: sqlite3.Connection) -> None:
            raised = connection.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'tokens'", (mark,))
            if raised.rowcount == 0:
                connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('tokens', ?)", (mark,))

        self._write(raise_it)

    def which_are_there(self, locations: Sequence[str]) -> set[str]:
        """See ChunkStore."""
        found: set[str] = set()
        with self._connection() as connection:
            for at in range(0, len(locations), _READ_AT_ONCE):
                wanted = [_row_of(location) for location in locations[at : at + _READ_AT_ONCE]]
                marks = ",".join("?" * len(wanted))
                rows = connection.execute(f"SELECT location FROM tokens WHERE location IN ({marks})", wanted)  # noqa: S608
                found.update(str(location) for (location,) in rows)
        return found

    def free_bytes(self) -> int:
        """See ChunkStore."""
        return self._files.free_bytes(self.path.parent)

    def close(self) -> None:
        """See ChunkStore."""
        self._pool.close()

    def insert(self, tokens: list[tuple[bytes, bytes]]) -> list[str]:
        """Store (chunk id, token) pairs in one transaction, durable when this returns; their locations."""
        locations: list[str] = []
        now_ms = self._now_ms()

        def fill(connection: sqlite3.Connection) -> None:
            first = self._unused(connection, len(tokens), now_ms)
            for at in range(0, len(tokens), _INSERT_AT_ONCE):
                block = tokens[at : at + _INSERT_AT_ONCE]
                rows = enumerate(block, first + at)
                values = [value for location, (chunk, token) in rows for value in (location, chunk, now_ms, token)]
                marks = ", ".join(["(?, ?, ?, ?)"] * len(block))
                # OR FAIL, for to undo one statement alone SQLite would keep a copy of each page; what fails undoes all.
                connection.execute(
                    f"INSERT OR FAIL INTO tokens (location, chunk, stored_ms, token) VALUES {marks}",  # noqa: S608
                    bindable(values),
                )
            locations.extend(map(str, range(first, first + len(tokens))))

        self._write(fill)
        return locations

    def _unused(self, connection: sqlite3.Connection, count: int, now_ms: int) -> int:
        """The first of `count` locations in a row that nothing has. Within a writing transaction."""
        while True:
            by_time = ((now_ms << _RANDOM_BITS) + secrets.randbits(_RANDOM_BITS) + 1) % 2**62
            first = self._next or max(by_time, self._above + 1, _highest(connection) + 1)
            taken = connection.execute(
                "SELECT 1 FROM tokens WHERE location BETWEEN ? AND ? LIMIT 1", (first, first + count - 1)
            ).fetchone()
            self._next = 0 if taken else first + count
            if not taken:
                return first

    def _write(self, work: Callable[[sqlite3.Connection], object]) -> None:
        with self._changing() as connection:
            connection.execute("BEGIN IMMEDIATE")
            work(connection)
            connection.execute("COMMIT")

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """A connection to write through, one at a time."""
        with self._writing, self._connection() as connection:
            refuse_if_stopped(self.path)
            try:
                yield connection
            except sqlite3.Error as error:
                if is_full(error, self.path):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path)) from error
                if is_failed_sync(error):
                    stop(self.path, error)
                    raise StoreStopped(str(error)) from error
                raise

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """A connection that nobody else uses meanwhile; what is begun and not committed is undone."""
        try:
            lent = self._pool.lend()
            try:
                yield lent.connection
            finally:
                self._pool.give_back(lent)
        except sqlite3.Error as error:
            raise DatabaseError(error, self.path) from error

    def _connect(self) -> sqlite3.Connection:
        # Handed from thread to thread, but never used by two at once.
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        try:
            # Before all else: a connection that has looked at a new file before it knows how long the pages are reckons
            # its cache in pages of 4 KiB, and keeps 31 MiB in place of 2 (measured; SQLite's pcache.c).
            connection.execute(PAGE_SIZE)
            connection.execute(f"PRAGMA busy_timeout = {self._busy_timeout_ms}")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA fullfsync = ON")  # on macOS fsync alone does not reach the platter
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA journal_size_limit = 67108864")
            connection.execute("PRAGMA wal_autocheckpoint = 256")  # pages: 16 MiB
        except sqlite3.Error:
            connection.close()
            raise
        return connection


def _highest(connection: sqlite3.Connection) -> int:
    (highest,) = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'tokens'").fetchone() or (0,)
    return int(highest)


def _row_of(location: str) -> int:
    """The row that a location names; 0, which no row has, for what is none of ours."""
    is_number = location.isascii() and location.isdigit() and len(location) <= _LOCATION_DIGITS
    row = int(location) if is_number else 0
    return row if row < 2**63 else 0


def _tokens(connection: sqlite3.Connection, wanted: list[int]) -> Iterator[tuple[int, bytes]]:
    """Sealed chunks at these rows, each with its number; none for a row that is not there."""
    if (runs := runs_of(wanted)) is not None:
        for run in runs:
            yield from connection.execute("SELECT location, token FROM tokens WHERE location BETWEEN ? AND ?", run)
        return
    for at in range(0, len(wanted), _READ_AT_ONCE):
        some = wanted[at : at + _READ_AT_ONCE]
        marks = ",".join("?" * len(some))
        yield from connection.execute(f"SELECT location, token FROM tokens WHERE location IN ({marks})", some)  # noqa: S608


class SmallBatch:
    """See Batch."""

    def __init__(self, store: SmallStore) -> None:
        self._store = store
        self._tokens: list[tuple[bytes, bytes]] = []

    def add(self, chunk_id: bytes, token: memoryview) -> None:
        """See Batch."""
        self._tokens.append((chunk_id, bytes(token)))

    def add_short(self, chunks: Iterable[tuple[bytes, bytes]]) -> None:
        """See Batch."""
        self._tokens += chunks

    def finish(self) -> list[str]:
        """See Batch."""
        tokens, self._tokens = self._tokens, []
        return self._store.insert(tokens) if tokens else []

    def __enter__(self) -> SmallBatch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tokens = []
