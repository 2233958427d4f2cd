"""What SQLite's errors mean for us, told by their codes and never by their texts."""

from __future__ import annotations

import sqlite3

from protocol import ServerBusy, ServerFault, SfosError, StorageFailed, StorageFull

_PRIMARY = 0xFF  # an extended result code keeps its primary code in the low byte


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code (https://www.sqlite.org/rescode.html), 0 if the error has none."""
    code = getattr(error, "sqlite_errorcode", None)
    return int(code) & _PRIMARY if code is not None else 0


def is_broken_disk(error: sqlite3.Error) -> bool:
    """Whether the disk failed under SQLite. After a failed fsync nobody knows what was written: never retry."""
    return primary_code(error) == sqlite3.SQLITE_IOERR


def is_damaged(error: sqlite3.Error) -> bool:
    """Whether what the file says is no database, or one that contradicts itself."""
    return primary_code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def as_wire_error(error: sqlite3.Error) -> SfosError:
    """The error that a client gets; the caller logs the original."""
    code = primary_code(error)
    if code == sqlite3.SQLITE_FULL:
        return StorageFull()
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return ServerBusy("Another program holds the storage of this account; try again shortly.", retry_after_s=1.0)
    if isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError):
        return ServerFault()  # the rows or the statement were wrong, not the disk
    return StorageFailed()
