"""Machine of a run, as far as it matters to whoever reads the figures; nothing that names a machine or a person."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True)
class Machine:
    """The machine and the day. `filesystem`: the kind of the one that everything was written to."""

    date: str
    cpu: str
    cores: int
    memory_gib: int
    system: str
    python: str
    filesystem: str


def describe(directory: Path) -> Machine:
    """This machine; `directory` is where the run keeps its files."""
    return Machine(
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
        cpu=_cpu_model(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        system=_system(),
        python=platform.python_version(),
        filesystem=_filesystem(directory),
    )


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _system() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    except OSError:
        return platform.system()


def _filesystem(directory: Path) -> str:
    best, kind = "", "unknown"
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mounted, form, *_ = line.split()
        point = mounted.replace("\\040", " ")
        if directory.resolve().is_relative_to(point) and len(point) >= len(best):
            best, kind = point, form
    return kind


def commit_of(checkout: Path) -> str:
    """The commit that is checked out, with a + behind it if files differ from it; "" outside of a clone."""
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        changed = _git(checkout, "status", "--porcelain", "--untracked-files=no")
        return _git(checkout, "rev-parse", "HEAD") + ("+" if changed else "")
    return ""


def _git(checkout: Path, *words: str) -> str:
    command = ["git", "-C", str(checkout), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
