"""Databases of small chunks as files: rows copied from one into another, in the order in which they lie there.

A backup's has two things that a server's has not: an index that tells what is held without a look at the tokens, and
the table `gone`: the chunks that the catalog names no more, each with the first generation of the catalog
(server.maintenance.catalog_pages) that did not. So no run reads what was stored before it, and to let snapshots go
costs what goes with them. It keeps no write-ahead log, so that it is one file, on network drives too, and new tokens
are written once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

from sfos.server.chunks.small import PAGE_SIZE, TOKENS_TABLE
from sfos.server.disk.durable_files import sync_directory
from sfos.server.disk.sqlite import Connection, SqliteError, is_damaged, open_database, transaction

_ROWS_AT_ONCE = 10_000  # in a transaction, each of which costs a few fsyncs
_BYTES_AT_ONCE = 32 * 1024 * 1024
# KiB: room for all that a transaction writes. What has none is written before its time, after an fsync of the journal.
_CACHE = "PRAGMA cache_size = -65536"

_HELD_INDEX = "CREATE INDEX IF NOT EXISTS tokens_held ON tokens (location, chunk)"
_GONE_TABLE = "CREATE TABLE IF NOT EXISTS gone (location INTEGER PRIMARY KEY, generation INTEGER NOT NULL)"
_LACKING_TABLE = (
    "CREATE TEMP TABLE lacking (number INTEGER PRIMARY KEY, chunk BLOB NOT NULL, sealed_len INTEGER NOT NULL)"
)
_HELD = """
    SELECT held.location, held.chunk, gone.generation
    FROM tokens AS held INDEXED BY tokens_held LEFT JOIN gone ON gone.location = held.location
    WHERE held.location > ? ORDER BY held.location LIMIT ?
"""
_COPY = """
    INSERT OR FAIL INTO main.tokens (location, chunk, stored_ms, token)
    SELECT found.location, found.chunk, found.stored_ms, found.token
    FROM temp.lacking CROSS JOIN source.tokens AS found ON found.location = lacking.number
    WHERE found.chunk = lacking.chunk AND length(found.token) = lacking.sealed_len ORDER BY lacking.number
"""
_NOT_COPIED = """
    SELECT lacking.number, found.location IS NULL
    FROM temp.lacking LEFT JOIN source.tokens AS found ON found.location = lacking.number
    WHERE found.location IS NULL OR found.chunk <> lacking.chunk OR length(found.token) <> lacking.sealed_len
    ORDER BY lacking.number
"""


class SmallChunk(NamedTuple):
    """A small chunk as its row in the catalog says. `number`: where it lies; `sealed_len`: bytes of its token."""

    number: int
    chunk: bytes
    sealed_len: int


class _Held(NamedTuple):
    """A chunk that the target has. `gone`: since which generation nothing names it; None if something does."""

    number: int
    chunk: bytes
    gone: int | None


def copy_small(
    source: Path, target: Path, wanted: Iterable[SmallChunk], losses: list[str], step: Callable[[int], None]
) -> int:
    """Copy the `wanted` tokens, in the order of their numbers, into a new file, durably; how many.

    They keep their numbers. What cannot be copied whole is said in `losses`. `step` hears how many have been looked at.
    Raises: DatabaseError, OSError.
    """
    with _opened(target) as connection:
        copying = _Copying(connection, source, losses, step)
        copying.look(wanted, iter(()))
    sync_directory(target.parent)
    return copying.count


def add_small(
    source: Path,
    target: Path,
    wanted: Iterable[SmallChunk],
    generation: int,
    losses: list[str],
    step: Callable[[int], None],
) -> int:
    """Copy those of the `wanted` tokens that a backup lacks, and note which of its own are not wanted any more.

    `generation`: of the catalog that names those wanted. Otherwise as `copy_small`.
    """
    with _opened(target) as connection:
        connection.execute(_HELD_INDEX)
        connection.execute(_GONE_TABLE)
        copying = _Copying(connection, source, losses, step, generation)
        copying.look(wanted, _held(connection))
    sync_directory(target.parent)
    return copying.count


def prune_small(path: Path, oldest: int) -> int:
    """Take out the tokens that no catalog from generation `oldest` on names, and give their room back; how many went.

    Raises: DatabaseError.
    """
    count = 0
    with _opened(path) as connection:
        connection.execute(_GONE_TABLE)
        going = "SELECT location FROM gone WHERE generation <= ? ORDER BY location LIMIT ?"
        while numbers := connection.execute(going, (oldest, _ROWS_AT_ONCE)).fetchall():
            with transaction(connection, begin="BEGIN IMMEDIATE"):
                connection.executemany("DELETE FROM tokens WHERE location = ?", numbers)
                connection.executemany("DELETE FROM gone WHERE location = ?", numbers)
            count += len(numbers)
        if count:
            connection.executescript("PRAGMA incremental_vacuum")
    return count


def count_small(path: Path) -> int:
    """How many tokens are in it. Raises: DatabaseError."""
    with open_database(path, "rw") as connection:
        return int(connection.execute("SELECT count(*) FROM tokens").fetchone()[0])


class _Copying:
    """One run over what is wanted and what is held, side by side, both in the order of their numbers."""

    def __init__(
        self,
        connection: Connection,
        source: Path,
        losses: list[str],
        step: Callable[[int], None],
        generation: int = 0,
    ) -> None:
        self._connection = connection
        self._source = source
        self._losses = losses
        self._step = step
        self._generation = generation
        self._lacking: list[SmallChunk] = []
        self._lacking_bytes = 0
        self._gone: list[int] = []
        self._named_again: list[int] = []
        self.count = 0
        connection.execute(_LACKING_TABLE)
        self._attached = source.is_file()
        if self._attached:  # a write-ahead log beside it is read too, which takes "rw"
            connection.execute("ATTACH ? AS source", (f"{source.absolute().as_uri()}?mode=rw",))

    def look(self, wanted: Iterable[SmallChunk], held: Iterator[_Held]) -> None:
        """Copy what is wanted and not held; note what is held and not wanted."""
        there = next(held, None)
        looked = last = 0
        for looked, one in enumerate(wanted, 1):
            if one.number == last:
                self._losses.append(f"small chunk {last} is named twice")
                continue
            last = one.number
            while there is not None and there.number < one.number:
                self._unnamed(there)
                there = next(held, None)
            if there is None or there.number > one.number:
                self._lacking.append(one)
                self._lacking_bytes += one.sealed_len
            else:
                self._named(there, one)
                there = next(held, None)
            if looked % 1_000 == 0:
                self._step(looked)
                self._write_if_many()
        while there is not None:
            self._unnamed(there)
            self._write_if_many()
            there = next(held, None)
        self._write()
        self._step(looked)

    def _named(self, there: _Held, one: SmallChunk) -> None:
        if there.chunk != one.chunk:
            self._losses.append(f"small chunk {one.number} is another one in the backup")
        if there.gone is not None:
            self._named_again.append(there.number)

    def _unnamed(self, there: _Held) -> None:
        if there.gone is None:
            self._gone.append(there.number)

    def _write_if_many(self) -> None:
        rows = len(self._lacking) + len(self._gone) + len(self._named_again)
        if rows >= _ROWS_AT_ONCE or self._lacking_bytes >= _BYTES_AT_ONCE:
            self._write()

    def _write(self) -> None:
        """Write what has come together, durably."""
        if self._gone or self._named_again:
            with self._transaction():
                new = ((number, self._generation) for number in self._gone)
                self._connection.executemany("INSERT INTO gone VALUES (?, ?)", new)
                again = ((number,) for number in self._named_again)
                self._connection.executemany("DELETE FROM gone WHERE location = ?", again)
        if self._lacking and not self._attached:
            self._losses.append(f"{len(self._lacking)} small chunks: {self._source.name} is not there")
        elif self._lacking:
            self._copy()
        self._gone, self._named_again, self._lacking, self._lacking_bytes = [], [], [], 0

    def _copy(self) -> None:
        with self._transaction():
            self._connection.execute("DELETE FROM temp.lacking")
            self._connection.executemany("INSERT INTO temp.lacking VALUES (?, ?, ?)", self._lacking)
        try:
            copied = self._copied()
        except SqliteError as error:
            if not is_damaged(error):
                raise
            self._pass_over_unreadable()
            copied = self._copied()
        self.count += copied
        there = self._connection.execute("SELECT count(*) FROM temp.lacking").fetchone()[0]
        if copied < there:
            for number, absent in self._connection.execute(_NOT_COPIED):
                self._losses.append(f"small chunk {number} is {'not there' if absent else 'not as its row says'}")

    def _transaction(self) -> AbstractContextManager[None]:
        """Of the main database alone: IMMEDIATE would keep writers out of the attached one as well."""
        return transaction(self._connection, begin="BEGIN")

    def _copied(self) -> int:
        with self._transaction():
            return self._connection.execute(_COPY).rowcount

    def _pass_over_unreadable(self) -> None:
        """Take those that lie on damaged pages out of what is lacking."""
        for number, _, _ in self._lacking:
            try:
                self._connection.execute("SELECT token FROM source.tokens WHERE location = ?", (number,)).fetchone()
            except SqliteError as error:
                if not is_damaged(error):
                    raise
                self._losses.append(f"small chunk {number} cannot be read: {error}")
                self._connection.execute("DELETE FROM temp.lacking WHERE number = ?", (number,))


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Connection]:
    """The database, made at need, with no write-ahead log. Raises: DatabaseError, OSError."""
    path.touch(mode=0o600)
    with open_database(path, "rw") as connection:
        connection.execute(PAGE_SIZE)
        connection.execute(_CACHE)
        connection.execute("PRAGMA auto_vacuum = 2")
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute(TOKENS_TABLE)
        yield connection


def _held(connection: Connection) -> Iterator[_Held]:
    """All that the database has, some at a time: nothing is read while others write."""
    last = 0
    while rows := connection.execute(_HELD, (last, _ROWS_AT_ONCE)).fetchall():
        last = rows[-1][0]
        yield from map(_Held._make, rows)
