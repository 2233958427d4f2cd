"""Points to be killed at: before each call by which Python code changes a disk, and around each of SQLite's commits."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sfos.server.catalog.engine import Catalog, Transaction

CALLS = ("fsync", "replace", "rename", "unlink", "rmdir", "mkdir", "write", "pwrite")


class KillPoints:
    """Kills this process at the nth point that it passes; with n = -1 it only counts. For a process that ends soon."""

    def __init__(self, at: int, calls: Sequence[str] = CALLS, *, commits: bool = True) -> None:
        self._at = at
        self._calls = calls
        self._commits = commits
        self.passed = 0

    def point(self) -> None:
        if self.passed == self._at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.passed += 1

    def install(self) -> None:
        """Nothing is put back."""
        for name in self._calls:
            setattr(os, name, self._guarded(getattr(os, name)))
        if not self._commits:
            return
        original = Catalog.write

        @contextmanager
        def write(catalog: Catalog) -> Iterator[Transaction]:
            with original(catalog) as tx:
                yield tx
                self.point()
            self.point()

        Catalog.write = write  # type: ignore[method-assign, assignment]

    def _guarded(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*args: object, **kwargs: object) -> object:
            self.point()
            return call(*args, **kwargs)

        return guarded
