"""A server process seen from outside: its memory, threads and descriptors, asked of /proc."""

from __future__ import annotations

import os
import resource
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.server_process import ServerProcess

_GRACE_S = 10.0  # for connections that were closed just now to be gone on the server too
_KEPT_OPEN = 48  # what a server opens with its first work and keeps: catalogs, two for each reader at a time; logs
_KEPT_THREADS = 12  # the pools that begin with the first work (fsync, upkeep)
MIB = 2**20


def address_of(server: ServerProcess) -> tuple[str, int]:
    """The address as sockets take it."""
    host, port = server.address.rsplit(":", 1)
    return host, int(port)


def resident_bytes(pid: int) -> int:
    """The memory that the process holds now (VmRSS)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024
    raise AssertionError("a process without memory")


def threads_of(pid: int) -> int:
    """How many threads the process has."""
    return len(os.listdir(f"/proc/{pid}/task"))


def sockets_of(pid: int) -> int:
    """How many sockets the process has open."""
    return sum(target.startswith("socket:") for target in _descriptors(pid))


def descriptors_of(pid: int) -> int:
    """How many descriptors the process has open."""
    return len(_descriptors(pid))


def _descriptors(pid: int) -> list[str]:
    found = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            found.append(os.readlink(f"/proc/{pid}/fd/{name}"))  # noqa: PTH115 - "socket:[7]" is not a path
        except OSError:
            continue  # closed since the listing
    return found


@dataclass(frozen=True)
class Watched:
    """Resources of a process at one moment."""

    pid: int
    threads: int
    sockets: int
    descriptors: int
    resident_bytes: int

    @classmethod
    def of(cls, pid: int) -> Watched:
        """As of now."""
        return cls(pid, threads_of(pid), sockets_of(pid), descriptors_of(pid), resident_bytes(pid))

    def left_over(self, *, strict: bool = False) -> list[str]:
        """Resources still held beyond it after a grace. `strict`: the pools that begin with the first work are
        there."""
        more_threads, more_open = (0, 0) if strict else (_KEPT_THREADS, _KEPT_OPEN)

        def settled() -> bool:
            now = Watched.of(self.pid)
            return (
                now.sockets <= self.sockets
                and now.threads <= self.threads + more_threads
                and now.descriptors <= self.descriptors + more_open
            )

        if wait_until(settled, _GRACE_S):
            return []
        now = Watched.of(self.pid)
        return [f"left over: {now}, where there were {self}"]


def wait_until(look: Callable[[], bool], timeout_s: float) -> bool:
    """Whether `look()` became true in time."""
    deadline, pause = time.monotonic() + timeout_s, threading.Event()
    while not look():
        if time.monotonic() > deadline:
            return False
        pause.wait(0.02)
    return True


@contextmanager
def many_descriptors(count: int) -> Iterator[None]:
    """This process, and those that it starts, may have `count` descriptors. Raises: ValueError where they may not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
