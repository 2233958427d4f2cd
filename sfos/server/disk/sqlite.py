"""SQLite as this program uses it: its errors by their codes, never by their texts, values as its driver takes them
fastest, and connections lent and kept.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal, NamedTuple

from sfos.protocol import ServerBusy, ServerFault, SfosError, StorageFailed, StorageFull

Connection = sqlite3.Connection
SqliteError = sqlite3.Error

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""The errors of the system that say that there is no room: on the disk, in a quota of it, in a limit of the process."""

_PRIMARY = 0xFF  # an extended result code keeps its primary code in the low byte

# What SQLite was about to write or to read did not get that far: it takes the transaction back, and the next one may
# well succeed. All other errors of the disk may be a failed fsync, after which nobody knows what was written. (ENOSPC
# has a code of its own, but a quota's EDQUOT is an error of writing to SQLite, and in the -shm file ENOSPC is one too.)
_NOT_WRITTEN = frozenset(
    (
        sqlite3.SQLITE_IOERR_READ,
        sqlite3.SQLITE_IOERR_SHORT_READ,
        sqlite3.SQLITE_IOERR_WRITE,
        sqlite3.SQLITE_IOERR_SHMOPEN,
        sqlite3.SQLITE_IOERR_SHMSIZE,
        sqlite3.SQLITE_IOERR_SHMMAP,
        sqlite3.SQLITE_IOERR_SHMLOCK,
        sqlite3.SQLITE_IOERR_LOCK,
        sqlite3.SQLITE_IOERR_NOMEM,
    )
)
_MAYBE_FULL = frozenset(
    (
        sqlite3.SQLITE_IOERR_WRITE,
        sqlite3.SQLITE_IOERR_SHMOPEN,
        sqlite3.SQLITE_IOERR_SHMSIZE,
        sqlite3.SQLITE_CANTOPEN,
    )
)
_PASSING = frozenset(
    (
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
    )
)
_PROBE_BYTES = 1024 * 1024
_SOON_S = 2.0  # the moment for which somebody waits for a connection of another


def extended_code(error: sqlite3.Error) -> int:
    """SQLite's extended result code (https://www.sqlite.org/rescode.html), 0 if the error has none."""
    code = getattr(error, "sqlite_errorcode", None)
    return int(code) if code is not None else 0


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code, 0 if the error has none."""
    return extended_code(error) & _PRIMARY


def is_failed_sync(error: sqlite3.Error) -> bool:
    """Whether nobody knows any more what is on the disk: an fsync failed, or may have. Never retry."""
    return primary_code(error) == sqlite3.SQLITE_IOERR and extended_code(error) not in _NOT_WRITTEN


def is_full(error: sqlite3.Error, database: Path) -> bool:
    """Whether there is no room for more beside `database`. May write and remove a file there to find out."""
    if primary_code(error) == sqlite3.SQLITE_FULL:
        return True
    return extended_code(error) in _MAYBE_FULL and _no_room_in(database.parent)


def is_passing(error: sqlite3.Error) -> bool:
    """Whether the error says nothing about what is in the file: the disk or another program refused something."""
    return is_passing_code(primary_code(error))


def is_passing_code(code: int) -> bool:
    """`is_passing` of a result code, where SQLite tells no more."""
    return code & _PRIMARY in _PASSING


def refusal_of(error: sqlite3.Error, database: Path | None = None) -> OSError | None:
    """Error of the system behind SQLite's; None if that may say something about what is in the file.

    SQLite does not say why. `database`: what is tried beside it, or with it, tells.
    """
    if not is_passing(error):
        return None
    if primary_code(error) == sqlite3.SQLITE_FULL or (database is not None and is_full(error, database)):
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if primary_code(error) == sqlite3.SQLITE_NOMEM:
        return OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
    if primary_code(error) == sqlite3.SQLITE_CANTOPEN and database is not None:
        try:
            os.close(os.open(database, os.O_RDONLY | os.O_CLOEXEC))
        except FileNotFoundError:
            return None
        except OSError as failed:
            return failed
    return OSError(errno.EIO, str(error))


def is_damaged(error: sqlite3.Error) -> bool:
    """Whether what the file says is no database, or one that contradicts itself."""
    return primary_code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def as_wire_error(error: sqlite3.Error, database: Path | None = None) -> SfosError:
    """The error that a client gets; the caller logs the original. `database`: the file, if it is known."""
    code = primary_code(error)
    if code == sqlite3.SQLITE_FULL or (database is not None and is_full(error, database)):
        return StorageFull()
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return ServerBusy("Another program holds the storage of this account; try again shortly.", retry_after_s=1.0)
    if isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError):
        return ServerFault()  # the rows or the statement were wrong, not the disk
    return StorageFailed()


class DatabaseError(Exception):
    """A database could not be read or written. The cause is SQLite's own error, and the text is that one's."""

    def __init__(self, error: sqlite3.Error, path: Path) -> None:
        super().__init__(str(error))
        self._error = error
        self.path = path

    def is_damaged(self) -> bool:
        """See the function of that name."""
        return is_damaged(self._error)

    def is_failed_sync(self) -> bool:
        """See the function of that name."""
        return is_failed_sync(self._error)

    def is_passing(self) -> bool:
        """See the function of that name."""
        return is_passing(self._error)

    def is_full(self) -> bool:
        """See the function of that name."""
        return is_full(self._error, self.path)

    def refusal(self) -> OSError | None:
        """See the function `refusal_of`."""
        return refusal_of(self._error, self.path)

    def as_wire_error(self) -> SfosError:
        """See the function of that name."""
        return as_wire_error(self._error, self.path)


@contextlib.contextmanager
def open_database(path: Path, mode: str) -> Iterator[sqlite3.Connection]:
    """A connection for the programs that copy databases; `mode` as in SQLite's URIs. Raises: DatabaseError."""
    try:
        uri = f"{path.absolute().as_uri()}?mode={mode}"
        with contextlib.closing(sqlite3.connect(uri, uri=True, isolation_level=None, timeout=30)) as connection:
            connection.execute("PRAGMA synchronous = FULL")
            yield connection
    except sqlite3.Error as error:
        raise DatabaseError(error, path) from error


@contextlib.contextmanager
def transaction(connection: Connection, *, begin: Literal["BEGIN", "BEGIN IMMEDIATE"]) -> Iterator[None]:
    """All of what is done in it or nothing. IMMEDIATE keeps writers out at once, of attached databases too."""
    connection.execute(begin)
    try:
        yield
    except BaseException:
        if connection.in_transaction:  # SQLite ends it by itself where the disk is full
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def bindable(values: Iterable[object]) -> list[object]:
    """Parameters as sqlite3 takes them fastest: bytes as bytearray, which is stored and compared alike.

    For bytes it first asks in vain for an adapter: 3,300 instructions each, against 600; a commit binds some ten for
    each file. (So it does for None: what is always NULL is best left out of an insert.)
    """
    return [bytearray(value) if type(value) is bytes else value for value in values]


class Lent(NamedTuple):
    """A connection with its one cursor, lent to one user at a time."""

    connection: sqlite3.Connection
    cursor: sqlite3.Cursor


class ConnectionPool:
    """Connections to one database. Safe from several threads; a connection passes from thread to thread.

    `kept`: how many idle ones stay open. `most`: with so many open, who may wait does so for one of them, a moment and
    no longer, so that nobody waits for ever; None is no limit. `while_waiting`: around that wait.
    """

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        *,
        kept: int,
        most: int | None = None,
        while_waiting: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext,
    ) -> None:
        self._connect = connect
        self._while_waiting = while_waiting
        self._kept = kept
        self._most = most
        self._idle: deque[Lent] = deque()
        self._room = threading.Condition()
        self._open = 0  # and how many wait for one; both change under `_room`
        self._waiting = 0
        self._closed = False

    def lend(self, *, may_wait: bool = False) -> Lent:
        """An idle connection, or a new one. Raises: sqlite3.Error."""
        try:
            return self._idle.pop()
        except IndexError:
            pass
        most = self._most
        if may_wait and most is not None and self._open >= most:
            with self._while_waiting(), self._room:
                self._waiting += 1
                self._room.wait_for(lambda: self._idle or self._open < most, _SOON_S)
                self._waiting -= 1
        with self._room:
            if self._idle:
                with contextlib.suppress(IndexError):  # somebody else was faster
                    return self._idle.pop()
            self._open += 1
        try:
            connection = self._connect()
            return Lent(connection, connection.cursor())
        except BaseException:
            self._one_less()
            raise

    def give_back(self, lent: Lent, *, reset: str | None = None) -> None:
        """Undo whatever was not committed, run `reset`, and keep the connection for the next."""
        keep = False
        try:
            if lent.connection.in_transaction:
                lent.cursor.execute("ROLLBACK")
            if reset is not None:
                lent.cursor.execute(reset)
            keep = not self._closed and (len(self._idle) < self._kept or self._waiting > 0)
        except sqlite3.Error:
            pass
        finally:
            if not keep:
                lent.connection.close()  # which rolls back
                self._one_less()
        if not keep:
            return
        self._idle.append(lent)
        if self._closed:  # by somebody who did not find it here
            self.close()
        if self._waiting:
            with self._room:
                self._room.notify()

    def forget_pages(self) -> None:
        """Let go of what idle connections keep in memory of the file. Raises: sqlite3.Error."""
        for _ in range(len(self._idle)):
            try:
                lent = self._idle.popleft()
            except IndexError:  # they are wanted
                return
            try:
                lent.cursor.execute("PRAGMA shrink_memory")
            finally:
                self.give_back(lent)

    def close(self) -> None:
        """Close all connections: now, or once they are no longer in use."""
        self._closed = True
        with contextlib.suppress(IndexError):  # which ends it, also where two of them are at it
            while True:
                self._idle.pop().connection.close()

    def _one_less(self) -> None:
        """A connection is gone or was never made: who waits may open one."""
        with self._room:
            self._open -= 1
            self._room.notify()


def _no_room_in(directory: Path) -> bool:
    """Ask the disk itself, for SQLite does not say why it could not write."""
    try:
        descriptor, name = tempfile.mkstemp(prefix=".room-", dir=directory)
    except OSError as error:
        return error.errno in FULL
    try:
        Path(name).unlink()  # at once: a process that is killed from here on leaves nothing
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(descriptor, 0, _PROBE_BYTES)
        else:
            os.write(descriptor, bytes(_PROBE_BYTES))
    except OSError as error:
        return error.errno in FULL
    finally:
        os.close(descriptor)
    return False
