"""What SQLite's errors mean for us, told by their codes and never by their texts."""

from __future__ import annotations

import errno
import os
import sqlite3
import tempfile
from pathlib import Path

from sfos.protocol import ServerBusy, ServerFault, SfosError, StorageFailed, StorageFull

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
_MAYBE_FULL = frozenset((sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMOPEN, sqlite3.SQLITE_IOERR_SHMSIZE))
_PASSING = frozenset(
    (
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
    )
)
_PROBE_BYTES = 1024 * 1024


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
    return primary_code(error) in _PASSING


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
