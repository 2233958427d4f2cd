"""Paths that this process writes no more: a database or a directory of chunks after an fsync that failed there.

Kept by path and for the whole process: whoever opens the same again (upkeep does, and whoever comes after a space was
closed for want of room) meets the same disk, of which nobody knows what is on it until a restart has read it anew.
"""

from __future__ import annotations

import logging
from pathlib import Path

from sfos.server.disk.storage_faults import StoreStopped

_log = logging.getLogger(__name__)

_why: dict[Path, str] = {}  # never emptied; single operations on a dict are atomic


def stop(path: Path, error: Exception) -> None:
    """Stop all writing there by this process; said in the log once."""
    if path.absolute() not in _why:
        _log.critical("%s takes no more writes until a restart: %s", path, error)
        _why[path.absolute()] = str(error)


def refuse_if_stopped(path: Path) -> None:
    """Raises: StoreStopped, with what failed there."""
    if (why := why_stopped(path)) is not None:
        raise StoreStopped(why)


def why_stopped(path: Path) -> str | None:
    """Failure that stopped this path; None if it may be written."""
    return _why.get(path.absolute()) if _why else None
