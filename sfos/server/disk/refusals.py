"""Errors by which the system refuses something: no room on a disk, no descriptor left, a disk that does not read.

None of them says that anything stored is other than it was written.
"""

from __future__ import annotations

import errno
import os

from sfos.protocol import StorageFull
from sfos.server.disk.sqlite import FULL, DatabaseError, SqliteError, refusal_of
from sfos.server.disk.storage_faults import StorageFault

# These do say something about what is stored: it is not there, or something else is in its place.
_TELLING = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG)
_SHORTAGES = (*FULL, errno.EMFILE, errno.ENFILE, errno.ENOMEM)


def refusal(error: BaseException) -> OSError | None:
    """Error of the system behind `error`; None if that may say something about what is stored."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError):
            return None if cause.errno is None or cause.errno in _TELLING else cause
        if isinstance(cause, DatabaseError):
            return cause.refusal()
        if isinstance(cause, SqliteError):
            return refusal_of(cause)
        if isinstance(cause, StorageFull):
            return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        cause = cause.__cause__
    return None


def is_shortage(refused: OSError | None) -> bool:
    """Whether something is lacking (room, descriptors, memory) that whatever is tried next would lack as well."""
    return refused is not None and refused.errno in _SHORTAGES


def told(error: BaseException) -> str:
    """The error for people: what the system refused, in its words and without its number; else its own sentence."""
    refused = None if isinstance(error, StorageFault) else refusal(error)
    if refused is not None and refused.strerror:
        return refused.strerror
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)
