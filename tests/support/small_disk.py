"""A small disk of its own, that a test can fill to the last byte."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sfos.server.disk.reserve import Reserve
from sfos.server.spaces.operations.context import StoreLimits
from sfos.server.spaces.registry import SpaceRegistry
from sfos.server.vault.master import MasterKey
from tests.storage.clock import Clock

MAY_MOUNT = sys.platform == "linux" and os.geteuid() == 0
needs_a_small_disk = pytest.mark.skipif(not MAY_MOUNT, reason="only on Linux as root, who may mount a small disk")

_BLOCK = bytes(64 * 1024)


@contextlib.contextmanager
def small_disk(path: Path, size_bytes: int) -> Iterator[Path]:
    """A file system of so many bytes at `path`, in memory, while the block lasts."""
    path.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(path)], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def registry_on(disk: Path, key: MasterKey, clock: Clock, reserve_bytes: int) -> SpaceRegistry:
    """The spaces on that disk, with a reserve and no other floor, as a server that has been started anew opens them."""
    reserve = Reserve(disk / "reserve", reserve_bytes)
    registry = SpaceRegistry(
        disk / "server_storage",
        disk / "temp",
        key,
        limits=StoreLimits(free_floor_bytes=0),
        now_ms=clock,
        sync_threads=1,
        reserve=reserve,
    )
    reserve.prepare()
    return registry


def fill(disk: Path, name: str = "filled by something else") -> None:
    """Take what is free on the disk, to the last byte."""
    with (disk / name).open("ab", buffering=0) as file, contextlib.suppress(OSError):
        block = _BLOCK
        while block:
            written = file.write(block) or 0
            block = _BLOCK if written == len(_BLOCK) else block[written:]
    assert free_bytes(disk) == 0


def free_bytes(disk: Path) -> int:
    status = os.statvfs(disk)
    return status.f_bavail * status.f_frsize
