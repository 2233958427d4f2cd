"""Room kept aside on the disk for what has to go on when there is none: deleting, accounts, the audit log, maintenance.

The floor of free space keeps those who store from filling the disk. It does not bind other programs; what they leave is
0 bytes. So a file of blocks that are really taken lies in the storage directory, and whoever has to go on and finds the
disk full gives some of it back and tries again. A piece at a time, for whoever else is writing would take all at once;
and what it lacks counts as not free to those who store, so that it is there again before they go on.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from sfos.protocol import StorageFull
from sfos.server.disk.sqlite import FULL, DatabaseError

_log = logging.getLogger(__name__)

RESERVE_FILE = "reserve"  # no space's id is like that
_PIECES = 8
_LEAST_BYTES = 256 * 1024  # less is not worth a change of the file

R = TypeVar("R")


class Reserve:
    """The file at `path`. Safe from several threads, and from several processes: each may give back, and one prepares.

    On a file system that compresses or never writes over anything, its blocks may not be worth what they say.
    """

    def __init__(self, path: Path, size_bytes: int) -> None:
        """`size_bytes`: 0 keeps nothing aside, and costs nothing."""
        self._path = path
        self._size_bytes = size_bytes
        self._kept = 0  # the most that it has been seen to hold
        self._lock = threading.Lock()
        self._at_work = 0  # how many are giving back and trying again: it does not grow under them

    def prepare(self) -> None:
        """Set aside what is lacking, at the most half of what is free. Raises: OSError."""
        with self._lock:
            if not self._size_bytes:
                self._path.unlink(missing_ok=True)
                return
            held = self._held()
            wanted = min(self._size_bytes, (held + _free_bytes(self._path.parent)) // 2)
            if held > self._size_bytes:
                os.truncate(self._path, self._size_bytes)
            elif not self._at_work and wanted >= min(held + _LEAST_BYTES, self._size_bytes) > held:
                self._grow(held, wanted)
            self._kept = min(max(self._kept, self._held()), self._size_bytes)

    def _grow(self, held: int, wanted: int) -> None:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, held, wanted - held)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, held)  # what it got until then
            if error.errno not in FULL:  # somebody was faster
                raise
        finally:
            os.close(descriptor)

    def lacking(self) -> int:
        """Bytes that were given back and are not there again."""
        return max(0, self._kept - self._held()) if self._kept else 0

    def give_back(self, piece_bytes: int) -> bool:
        """Let the disk have so much of it, or what is left; whether there was anything."""
        with self._lock:
            held = self._held()
            if not held:
                return False
            self._kept = max(self._kept, held)
            try:
                os.truncate(self._path, max(0, held - piece_bytes))
            except OSError as error:
                _log.error("%s: the reserve cannot be given back: %s", self._path, error)
                return False
        _log.warning("the disk is full: %d of the %d bytes kept aside are given back", min(held, piece_bytes), held)
        return True

    def ensure(self, free_bytes: int) -> None:
        """Give back until so much is free, or nothing is left to give. Raises: OSError."""
        while self._held() and (free := _free_bytes(self._path.parent)) < free_bytes:
            if not self.give_back(max(free_bytes - free, _LEAST_BYTES)):
                return

    def through(self, work: Callable[[], R]) -> R:
        """Do `work`; where the disk is too full for it, again with a piece of the reserve given back.

        A try that fails has to leave nothing behind.
        """
        piece = max(self._size_bytes // _PIECES, _LEAST_BYTES)
        with self._working():
            while True:
                try:
                    return work()
                except (StorageFull, OSError, DatabaseError) as error:
                    if not says_full(error) or not self.give_back(piece):
                        raise
                piece *= 2

    @contextlib.contextmanager
    def _working(self) -> Iterator[None]:
        with self._lock:
            self._at_work += 1
        try:
            yield
        finally:
            with self._lock:
                self._at_work -= 1

    def _held(self) -> int:
        """Bytes that it has now."""
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0


def through_reserve(reserve: Reserve | None, work: Callable[[], R]) -> R:
    """`work` through the reserve, if there is one."""
    return work() if reserve is None else reserve.through(work)


def says_full(error: Exception) -> bool:
    """Whether the error says that there is no room on the disk."""
    if isinstance(error, OSError):
        return error.errno in FULL
    return isinstance(error, StorageFull) or (isinstance(error, DatabaseError) and error.is_full())


def _free_bytes(directory: Path) -> int:
    status = os.statvfs(directory)
    return status.f_bavail * status.f_frsize
