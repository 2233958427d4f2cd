"""Connections to one space's catalog, and its transactions.

The driver's own transaction handling is off: it begins them late, and two threads that read, change and write then
lose updates without an error (53 of 400 arrived; with explicit BEGINs 400 of 400). Writers say BEGIN IMMEDIATE, readers
BEGIN, and one lock per space keeps the writers of this process from waiting for each other inside SQLite.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from protocol import ServerFault, SfosError, StorageFailed
from server.catalog.statement import InStatement, Row, Statement
from server.sqlite_faults import as_wire_error, is_broken_disk

logger = logging.getLogger(__name__)

_KEPT_CONNECTIONS = 2  # 215 KiB and 3 descriptors each
# A writer's page cache, in KiB. Deleting a folder of 100,000 takes half as long with room for the pages it touches;
# readers do with SQLite's 2 MiB, and so does a writer once it is done.
_WRITER_CACHE = "PRAGMA cache_size = -32768"
_READER_CACHE = "PRAGMA cache_size = -2000"
_PRAGMAS = (
    _READER_CACHE,
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA fullfsync = ON",  # macOS: fsync alone does not reach the platter
    "PRAGMA foreign_keys = ON",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA journal_size_limit = 67108864",
)


_BEGIN_READ = "BEGIN"
_BEGIN_WRITE = "BEGIN IMMEDIATE"


class Transaction:
    """A running transaction on one connection. Belongs to one thread."""

    def __init__(self, cursor: DBAPICursor, engine: Engine, space: bytes) -> None:
        self._cursor = cursor
        self._dialect = engine.dialect
        self.space = space

    def all(self, statement: Statement, **parameters: object) -> list[Row]:
        """All rows; the space is bound by itself."""
        self._run(statement, parameters)
        rows: list[Row] = self._cursor.fetchall()  # type: ignore[assignment]
        return rows

    def one(self, statement: Statement, **parameters: object) -> Row | None:
        """The first row, or None."""
        self._run(statement, parameters)
        row: Row | None = self._cursor.fetchone()
        return row

    def each(self, statement: Statement, **parameters: object) -> Iterator[Row]:
        """The rows one after the other, for results that need not fit in memory. One at a time per transaction."""
        self._run(statement, parameters)
        while rows := self._cursor.fetchmany(1_000):
            yield from rows

    def run(self, statement: Statement, **parameters: object) -> int:
        """Carry out; how many rows it changed."""
        self._run(statement, parameters)
        return int(self._cursor.rowcount)

    def run_many(self, statement: Statement, fields: Sequence[str], rows: Iterable[tuple[object, ...]]) -> None:
        """Carry out once for each row; `fields` names what is where in it."""
        space = (self.space,)
        sql, values = statement.bind_rows(self._dialect, (*fields, "space"), (tuple(row) + space for row in rows))
        if values:
            self._cursor.executemany(sql, values)

    def all_in(self, statement: InStatement, values: Iterable[object], **parameters: object) -> list[Row]:
        """The rows of an IN over any number of values."""
        rows: list[Row] = []
        for block, block_parameters in statement.blocks(list(values)):
            rows += self.all(block, **block_parameters, **parameters)
        return rows

    def run_in(self, statement: InStatement, values: Iterable[object], **parameters: object) -> None:
        """Carry out an IN over any number of values."""
        for block, block_parameters in statement.blocks(list(values)):
            self._run(block, block_parameters | parameters)

    def execute(self, sql: str, *parameters: object) -> list[Row]:
        """Plain SQL, for what is SQLite's own (pragmas, EXPLAIN)."""
        self._cursor.execute(sql, parameters)
        rows: list[Row] = self._cursor.fetchall()  # type: ignore[assignment]
        return rows

    def undo(self) -> None:
        """Take back everything; the transaction goes on with nothing in it."""
        self._cursor.execute("ROLLBACK")
        self._cursor.execute("BEGIN")

    def _run(self, statement: Statement, parameters: dict[str, object]) -> None:
        parameters["space"] = self.space
        self._cursor.execute(*statement.bind(self._dialect, parameters))


class Catalog:
    """The database of one space. Safe to use from several threads."""

    def __init__(self, path: Path, space: bytes, *, busy_timeout_s: float = 30.0) -> None:
        """`busy_timeout_s`: how long to wait for a lock of another process."""
        self.path = path
        self.space = space
        self.engine = _sqlite_engine(path, int(busy_timeout_s * 1_000))
        self._writing = threading.RLock()
        self._broken = False

    @contextlib.contextmanager
    def read(self) -> Iterator[Transaction]:
        """A transaction that sees one state of the catalog. Waits for no writer. Raises: SfosError."""
        with self._transaction(_BEGIN_READ) as transaction:
            yield transaction

    @contextlib.contextmanager
    def write(self) -> Iterator[Transaction]:
        """A transaction whose changes are durable once the block is left; an exception undoes them.

        Waits for the other writers of this space; never hold it across network I/O. Raises: SfosError.
        """
        with self._writing:
            if self._broken:
                raise StorageFailed
            with self._transaction(_BEGIN_WRITE) as transaction:
                yield transaction

    @contextlib.contextmanager
    def exclusively(self) -> Iterator[None]:
        """Keeps the other writers of this process out, around a `write` and what must follow it in order."""
        with self._writing:
            yield

    @contextlib.contextmanager
    def core(self) -> Iterator[Connection]:
        """A writing transaction for Core's own execution: schema and migrations. Raises: sqlite3.Error."""
        try:
            with self._writing, self.engine.begin() as connection:
                yield connection
        except DBAPIError as error:
            if isinstance(error.orig, sqlite3.Error):  # one kind of error for all who ask what the disk did
                raise error.orig from error
            raise

    def close(self) -> None:
        """Close all connections that are not in use."""
        self.engine.dispose()

    @contextlib.contextmanager
    def _transaction(self, begin: str) -> Iterator[Transaction]:
        try:
            connection = self.engine.raw_connection()
        except sqlite3.Error as error:
            raise self._failed(error) from error
        try:
            cursor = connection.cursor()
            try:
                if begin is _BEGIN_WRITE:
                    cursor.execute(_WRITER_CACHE)
                cursor.execute(begin)
                yield Transaction(cursor, self.engine, self.space)
                cursor.execute("COMMIT")
            except sqlite3.Error as error:
                raise self._failed(error) from error
            finally:
                if begin is _BEGIN_WRITE:
                    with contextlib.suppress(sqlite3.Error):
                        cursor.execute(_READER_CACHE)
        finally:
            connection.close()  # back to the pool, which rolls back what was not committed

    def _failed(self, error: sqlite3.Error) -> SfosError:
        """What the caller is told. After an error of the disk the catalog takes no more writes."""
        self._broken = self._broken or is_broken_disk(error)
        told = as_wire_error(error)
        if isinstance(told, StorageFailed | ServerFault):
            logger.error("%s: SQLite failed", self.path, exc_info=error)
        else:
            logger.warning("%s: %s", self.path, error)
        return told


def _sqlite_engine(path: Path, busy_timeout_ms: int) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        poolclass=QueuePool,
        pool_size=_KEPT_CONNECTIONS,
        max_overflow=-1,
        pool_use_lifo=True,
        # The pool hands connections from thread to thread, never to two at once.
        connect_args={"check_same_thread": False, "cached_statements": 256},
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {busy_timeout_ms}").close()
        for pragma in _PRAGMAS:
            connection.execute(pragma).close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(_BEGIN_WRITE)

    return engine
