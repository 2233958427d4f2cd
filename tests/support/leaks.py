"""Leaks of a piece of work: threads that live on and file descriptors that stay open."""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

# Long enough for a thread on a loaded machine to see that its socket was shut, short beside the 120 s of a hung test.
LEAK_GRACE_S = float(os.environ.get("SFOS_TEST_LEAK_GRACE_S", "5"))
POLL_S = 0.005

# Descriptors that libraries open once for the whole process and rightly keep.
_PROCESS_WIDE = ("/dev/null", "/dev/urandom", "/dev/random", "/dev/pts/", "/dev/tty", "/proc/", "anon_inode:inotify")


def open_descriptors() -> dict[int, str]:
    """Target of each open descriptor of this process; empty where there is no /proc."""
    found: dict[int, str] = {}
    if sys.platform != "linux":
        return found
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")  # noqa: PTH115 - "socket:[7]" is not a path
        except OSError:
            continue  # the descriptor of this very listing
        if not target.startswith(_PROCESS_WIDE):
            found[int(name)] = target
    return found


@dataclass(frozen=True)
class Resources:
    """The threads and descriptors of this process at one moment."""

    threads: frozenset[threading.Thread]
    descriptors: dict[int, str]

    @classmethod
    def now(cls) -> Resources:
        """Resources held now."""
        return cls(frozenset(threading.enumerate()), open_descriptors())

    def new_threads(self) -> list[str]:
        """Threads started since and still alive after a grace."""
        return _until_deadline(self._alive)

    def new_descriptors(self) -> list[str]:
        """Descriptors opened since and still open after a grace."""
        if not self._open():
            return []
        gc.collect()  # objects in a cycle close their files only now
        return _until_deadline(self._open)

    def left_behind(self) -> list[str]:
        """All that is new and stays."""
        return [f"thread {one}" for one in self.new_threads()] + [f"file {one}" for one in self.new_descriptors()]

    def _alive(self) -> list[str]:
        new = (thread for thread in threading.enumerate() if thread not in self.threads and thread.is_alive())
        return sorted(f"{thread.name} (daemon={thread.daemon})" for thread in new)

    def _open(self) -> list[str]:
        new = ((fd, target) for fd, target in open_descriptors().items() if self.descriptors.get(fd) != target)
        return sorted(f"{fd} -> {target}" for fd, target in new)


def _until_deadline(left: Callable[[], list[str]]) -> list[str]:
    """Names that `left()` still gives when the grace is over; [] as soon as it gives none."""
    deadline = time.monotonic() + LEAK_GRACE_S
    pause = threading.Event()
    remaining = left()
    while remaining and time.monotonic() < deadline:
        pause.wait(POLL_S)
        remaining = left()
    return remaining
