"""Connections to one space's catalog, and its transactions.

The driver's own transaction handling is off: it begins them late, and two threads that read, change and write then
lose updates without an error (53 of 400 arrived; with explicit BEGINs 400 of 400). Writers say BEGIN IMMEDIATE, readers
BEGIN, and one lock per space keeps the writers of this process from waiting for each other inside SQLite.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine import URL, Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from sfos.protocol import ServerFault, SfosError, StorageFailed
from sfos.server.catalog.statement import Insert, InStatement, Row, Statement
from sfos.server.disk.sqlite import ConnectionPool, DatabaseError, as_wire_error, is_failed_sync, primary_code
from sfos.server.disk.stopped_paths import stop, why_stopped
from sfos.server.disk.storage_faults import CatalogUnreadable
from sfos.server.process.turns import aside
from sfos.server.process.waiting import LookingLock, begin_writing, brought_to_end, is_to_stop, look, raise_found

_log = logging.getLogger(__name__)

_KEPT_CONNECTIONS = 2  # 215 KiB and 3 descriptors each
# More at once would only compete for the interpreter, and SQLite keeps as many descriptors as there ever were
# connections at once, until the last one is closed (for POSIX locks' sake: its os_unix.c). A reader that finds so many
# waits a moment for one of them, and no longer, so that nobody waits for ever.
_MOST_CONNECTIONS = 16
_CACHED_STATEMENTS = 256
_FETCHED_AT_ONCE = 5_000
# Of SQLite's own machine, some 10 to 50 ms: so often it is looked within a statement whether somebody still waits.
_LOOK_EVERY_STEPS = 500_000
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

    def __init__(self, cursor: sqlite3.Cursor, dialect: Dialect, space: bytes) -> None:
        self._cursor = cursor
        self._dialect = dialect
        self.space = space
        self.is_in_doubt = False  # whether nobody knows if it was committed: the disk failed while it was

    def all(self, statement: Statement, **parameters: object) -> list[Row]:
        """All rows; the space is bound by itself."""
        self._run(statement, parameters)
        rows: list[Row] = self._cursor.fetchall()
        return rows

    def one(self, statement: Statement, **parameters: object) -> Row | None:
        """The first row, or None."""
        self._run(statement, parameters)
        row: Row | None = self._cursor.fetchone()
        return row

    def each(self, statement: Statement, *, at_once: int = 1_000, **parameters: object) -> Iterator[Row]:
        """The rows one after the other, for results that need not fit in memory; `at_once` are fetched together.

        Nothing else may be asked of the transaction meanwhile, but of one `beside` it.
        """
        self._run(statement, parameters)
        while rows := self._cursor.fetchmany(at_once):
            yield from rows

    @contextlib.contextmanager
    def beside(self) -> Iterator[Transaction]:
        """This transaction with a cursor of its own, so that several results can be read side by side."""
        with contextlib.closing(self._cursor.connection.cursor()) as cursor:
            yield Transaction(cursor, self._dialect, self.space)

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

    def insert(self, insert: Insert, rows: Sequence[tuple[object, ...]]) -> int:
        """Write new rows; how many of them were new, if it passes over those that are there."""
        count = 0
        for sql, values in insert.blocks(self._dialect, self.space, rows):
            count += int(self._cursor.execute(sql, values).rowcount)
        return count

    def all_in(self, statement: InStatement, values: Iterable[object], **parameters: object) -> list[Row]:
        """The rows of an IN over any number of values."""
        rows: list[Row] = []
        parameters["space"] = self.space
        for sql, bound in statement.blocks(self._dialect, values, parameters):
            rows += self._cursor.execute(sql, bound).fetchall()
        return rows

    def batches_in(self, statement: InStatement, values: Iterable[object], **parameters: object) -> Iterator[list[Row]]:
        """The rows of `all_in`, some thousands at a time: they need not fit in memory. To be read to the end."""
        parameters["space"] = self.space
        for sql, bound in statement.blocks(self._dialect, values, parameters):
            self._cursor.execute(sql, bound)
            while rows := self._cursor.fetchmany(_FETCHED_AT_ONCE):
                look()
                yield rows

    def run_in(self, statement: InStatement, values: Iterable[object], **parameters: object) -> None:
        """Carry out an IN over any number of values."""
        parameters["space"] = self.space
        for sql, bound in statement.blocks(self._dialect, values, parameters):
            self._cursor.execute(sql, bound)

    def execute(self, sql: str, *parameters: object) -> list[Row]:
        """Plain SQL, for what is SQLite's own (pragmas, EXPLAIN)."""
        self._cursor.execute(sql, parameters)
        rows: list[Row] = self._cursor.fetchall()
        return rows

    def undo(self) -> None:
        """Take back everything; the transaction goes on with nothing in it."""
        self._cursor.execute("ROLLBACK")
        self._cursor.execute("BEGIN")

    def _run(self, statement: Statement, parameters: dict[str, object]) -> None:
        parameters["space"] = self.space
        self._cursor.execute(*statement.bind(self._dialect, parameters))


class CatalogError(DatabaseError):
    """SQLite's error as it leaves the catalog, where it is none of the protocol's."""


class Catalog:
    """The database of one space. Safe to use from several threads.

    Its transactions run on connections of its own: SQLAlchemy's pool took a sixth of what a `stat` takes.
    """

    def __init__(self, path: Path, space: bytes, *, busy_timeout_s: float = 30.0) -> None:
        """`busy_timeout_s`: how long to wait for a lock of another process."""
        self.path = path
        self.space = space
        self._busy_timeout_ms = int(busy_timeout_s * 1_000)
        connect = partial(_connect, path, self._busy_timeout_ms)
        self.engine = create_engine(URL.create("sqlite", database=str(path)), poolclass=NullPool, creator=connect)
        event.listen(self.engine, "begin", _begin_core)
        self._pool = ConnectionPool(connect, kept=_KEPT_CONNECTIONS, most=_MOST_CONNECTIONS, while_waiting=aside)
        self._writing = LookingLock()

    def read(self, *, at_once: bool = False) -> AbstractContextManager[Transaction]:
        """A transaction that sees one state of the catalog. Waits for no writer.

        `at_once`: nor for a connection, for who works in a turn of its own (server.commands.calls.Handler), of which
        there are few: the long requests of one user would make all others wait. Raises: SfosError.
        """
        return self._transaction(_BEGIN_READ, may_wait=not at_once)

    @contextlib.contextmanager
    def write(self) -> Iterator[Transaction]:
        """A transaction whose changes are durable once the block is left; an exception undoes them.

        Waits for the other writers of this space; never hold it across network I/O. Raises: SfosError.
        """
        with self.exclusively():
            self.refuse_if_stopped()
            begin_writing()
            with self._transaction(_BEGIN_WRITE, may_wait=False) as transaction:
                yield transaction

    @contextlib.contextmanager
    def exclusively(self) -> Iterator[None]:
        """Keeps the other writers of this process out, around a `write` and what must follow it in order.

        Waits for them as long as somebody waits for the answer. Raises: NobodyWaits.
        """
        with self._writing.held():
            yield

    def outside_transactions(self, sql: str) -> None:
        """Carry out to its end what SQLite does in a transaction of its own (VACUUM). The writers of this process wait.

        Raises: SfosError.
        """
        with self._writing.held():
            self.refuse_if_stopped()
            try:
                lent = self._pool.lend()
                try:
                    # `execute` would take one step of a pragma that does its work row by row.
                    lent.connection.executescript(sql)
                finally:
                    self._pool.give_back(lent, reset=f"PRAGMA busy_timeout = {self._busy_timeout_ms}")
            except sqlite3.Error as error:
                raise self._failed(error) from error

    @contextlib.contextmanager
    def core(self) -> Iterator[Connection]:
        """A writing transaction for Core's own execution, for schema and migrations.

        Raises: StorageFailed, CatalogError, CatalogUnreadable.
        """
        with self._writing.held():
            self.refuse_if_stopped()
            # A migration that is undone whenever who waits for it has gone would never end.
            with brought_to_end(), self._cores_errors(), self.engine.begin() as connection:
                yield connection

    @contextlib.contextmanager
    def core_reading(self) -> Iterator[Connection]:
        """Connection of SQLAlchemy that changes nothing and waits for no writer. Raises: CatalogError,
        CatalogUnreadable."""
        with self._cores_errors(), self.engine.connect().execution_options(reads_only=True) as connection:
            yield connection

    @contextlib.contextmanager
    def _cores_errors(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            if not isinstance(error.orig, sqlite3.Error):
                raise CatalogUnreadable(f"{self.path}: {error}") from error
            if is_failed_sync(error.orig):
                stop(self.path, error.orig)
            raise CatalogError(error.orig, self.path) from error.orig

    def close(self) -> None:
        """Close all connections: now, or once they are no longer in use."""
        self._pool.close()

    def forget_pages(self) -> None:
        """Let go of what idle connections keep in memory of the file. Raises: CatalogError."""
        try:
            self._pool.forget_pages()
        except sqlite3.Error as error:
            raise CatalogError(error, self.path) from error

    @contextlib.contextmanager
    def _transaction(self, begin: str, *, may_wait: bool) -> Iterator[Transaction]:
        """Writers wait for no connection: they come one at a time anyway."""
        writes = begin is _BEGIN_WRITE
        try:
            lent = self._pool.lend(may_wait=may_wait)
        except sqlite3.Error as error:
            raise self._failed(error) from error
        cursor = lent.cursor
        transaction = Transaction(cursor, self.engine.dialect, self.space)
        try:
            if writes:
                cursor.execute(_WRITER_CACHE)
            if writes:
                with aside():  # another program may write just now
                    cursor.execute(begin)
            else:
                cursor.execute(begin)
            yield transaction
            transaction.is_in_doubt = writes
            if writes:
                with aside():  # it waits for the disk
                    cursor.execute("COMMIT")
            else:
                cursor.execute("COMMIT")
            transaction.is_in_doubt = False
        except sqlite3.Error as error:
            transaction.is_in_doubt = transaction.is_in_doubt and is_failed_sync(error)
            if primary_code(error) == sqlite3.SQLITE_INTERRUPT:
                raise_found()
            raise self._failed(error) from error
        finally:
            self._pool.give_back(lent, reset=_READER_CACHE if writes else None)

    def refuse_if_stopped(self) -> None:
        """Raises: StorageFailed, once a write to it could not be made durable."""
        if why_stopped(self.path) is not None:
            raise StorageFailed

    def _failed(self, error: sqlite3.Error) -> SfosError:
        """Error for the caller. After a failed fsync the catalog takes no more writes, whoever opens it."""
        if is_failed_sync(error):
            stop(self.path, error)
        told = as_wire_error(error, self.path)
        if isinstance(told, StorageFailed | ServerFault):
            _log.error("%s: SQLite failed", self.path, exc_info=error)
        else:
            _log.warning("%s: %s", self.path, error)
        return told


def _begin_core(connection: Connection) -> None:
    """As the execution option `reads_only` says: what changes nothing waits for no writer."""
    reads = connection.get_execution_options().get("reads_only")
    connection.exec_driver_sql(_BEGIN_READ if reads else _BEGIN_WRITE)


def _connect(path: Path, busy_timeout_ms: int) -> sqlite3.Connection:
    # Handed from thread to thread, never to two at once.
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, cached_statements=_CACHED_STATEMENTS
    )
    try:
        for pragma in (f"PRAGMA busy_timeout = {busy_timeout_ms}", *_PRAGMAS):
            connection.execute(pragma).close()
        connection.set_progress_handler(is_to_stop, _LOOK_EVERY_STEPS)
    except BaseException:
        connection.close()
        raise
    return connection
