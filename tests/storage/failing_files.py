"""A disk that fails at its nth call of one kind, once or from then on."""

from __future__ import annotations

import errno
import os
import threading
from collections import Counter
from pathlib import Path

from sfos.server.chunks.files import LocalFiles, SyncFailed

SHORT = -1  # no error: the write loses its last byte without a word
# What each kind of call may be told by a real system.
ERRORS = {
    "create": (errno.EIO, errno.ENOSPC, errno.EMFILE, errno.EACCES),
    "write": (errno.EIO, errno.ENOSPC, errno.EDQUOT, SHORT),
    "sync": (errno.EIO, errno.ENOSPC),
    "close": (errno.EIO, errno.ENOSPC),
    "rename": (errno.EIO, errno.ENOSPC),
    "unlink": (errno.EIO,),
    "make_directory": (errno.EIO, errno.ENOSPC, errno.EMFILE),
    "sync_directory": (errno.EIO, errno.ENOSPC, errno.EMFILE),
    "read": (errno.EIO, errno.EMFILE),
    "free_bytes": (errno.EIO,),
}


class FailingFiles(LocalFiles):
    """Fails at the nth `step` (counted from 1) with `error`; `sticky`: and at every later one. n = 0: only counts."""

    def __init__(self, step: str = "", n: int = 0, error: int = 0, *, sticky: bool = False) -> None:
        self._step, self._n, self._error, self._sticky = step, n, error, sticky
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        self.failed = 0
        self._unsynced_for_ever: set[int] = set()  # descriptors whose fsync has failed
        self.retried_syncs = 0

    def _due(self, step: str) -> bool:
        with self._lock:
            self.counts[step] += 1
            at = self.counts[step]
            due = step == self._step and self._n > 0 and (at == self._n or (self._sticky and at > self._n))
            self.failed += due
        return due

    def _pass(self, step: str) -> None:
        if self._due(step):
            raise OSError(self._error, os.strerror(self._error))

    def create(self, path: Path) -> int:
        self._pass("create")
        descriptor = super().create(path)
        self._unsynced_for_ever.discard(descriptor)
        return descriptor

    def write(self, descriptor: int, data: memoryview) -> None:
        if not self._due("write"):
            super().write(descriptor, data)
            return
        super().write(descriptor, data[:-1] if self._error == SHORT else data[: len(data) // 2])
        if self._error != SHORT:
            raise OSError(self._error, os.strerror(self._error))

    def sync(self, descriptor: int) -> None:
        self.retried_syncs += descriptor in self._unsynced_for_ever
        try:
            self._pass("sync")
        except OSError:
            self._unsynced_for_ever.add(descriptor)
            raise
        super().sync(descriptor)

    def close(self, descriptor: int) -> None:
        super().close(descriptor)
        self._pass("close")

    def rename(self, source: Path, target: Path) -> None:
        self._pass("rename")
        super().rename(source, target)

    def unlink(self, path: Path) -> None:
        self._pass("unlink")
        super().unlink(path)

    def make_directory(self, path: Path) -> None:
        self._pass("make_directory")
        super().make_directory(path)

    def sync_directory(self, path: Path) -> None:
        if self._due("sync_directory"):
            kind = OSError if self._error == errno.EMFILE else SyncFailed  # without a descriptor nothing is synced
            raise kind(self._error, os.strerror(self._error))
        super().sync_directory(path)

    def read(self, path: Path, scratch: memoryview) -> int:
        self._pass("read")
        return super().read(path, scratch)

    def free_bytes(self, path: Path) -> int:
        self._pass("free_bytes")
        return super().free_bytes(path)
