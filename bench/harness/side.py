"""Interface of every program under test. A side only says how each thing is done; the harness runs and times it."""

from __future__ import annotations

import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from bench.harness.processes import Command

CHECKOUT = Path(__file__).resolve().parents[2]


class NotInstalled(Exception):
    """A peer that is not on this machine, or cannot run on it; the message says what is missing."""


def program(name: str) -> str:
    """The path of a program. Raises: NotInstalled."""
    found = shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin")))
    if found is None:
        raise NotInstalled(f"{name} is not installed")
    return found


def environment(home: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Environment of a program: a home directory of its own, nothing of the user's settings, and `extra`."""
    # PYTHON…: programs of Python keep their bytecode and buffer what they write, as they do for people.
    # PYTHONPATH: run.sh puts its checkout on it, and a program may be one of another checkout.
    python = ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PYTHONPATH")
    private = ("SFOS_", "XDG_", "RCLONE_", "RESTIC_", "RSYNC_", "SSH_", *python)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(private)}
    return inherited | {"HOME": str(home), "XDG_RUNTIME_DIR": str(home), "LC_ALL": "C.UTF-8"} | dict(extra or {})


class Side(ABC):
    """One program under test, with its server where it has one. Names are those of things in its store.

    `title`: the head of its column; `note`: what a reader must know to compare; `server_pid`: for watching it.
    """

    title = ""
    note = ""
    version = ""
    port: int | None = None
    server_pid: int | None = None

    @abstractmethod
    def start(self, stack: ExitStack) -> None:
        """Set up, and start what has to run; `stack` ends it. Raises: NotInstalled, ProgramFailed."""

    @abstractmethod
    def empty(self) -> None:
        """Forget all that is stored."""

    def reach(self, port: int | None) -> None:
        """From now on, talk to the server through this port of a relay; None: directly."""
        del port  # what has no wire does as if

    @abstractmethod
    def put_file(self, source: Path, name: str) -> Command:
        """Store a file, in place of one that is there."""

    @abstractmethod
    def get_file(self, name: str, target: Path) -> Command:
        """Fetch a file to `target`, a path in a folder that is there."""

    def stored_bytes(self) -> int | None:
        """For a side that has no wire: what its store holds; the difference counts as sent. None: count the wire."""
        return None

    def received(self, target: Path, source: Path) -> Path:
        """Where below `target` the content of `source` lies after `get_file` or `get_folder`."""
        del source
        return target


class Store(Side):
    """A side that does the whole work, folders and listings too."""

    @abstractmethod
    def put_folder(self, source: Path, name: str) -> Command:
        """Store a folder, updating one that is there."""

    @abstractmethod
    def get_folder(self, name: str, target: Path) -> Command:
        """Fetch a folder to `target`, which is not there yet."""

    @abstractmethod
    def provide_names(self, source: Path, name: str) -> None:
        """Get a folder of many files into the store by the cheapest way; only its listing is measured."""

    @abstractmethod
    def list_names(self, name: str, *, recursive: bool) -> Command | None:
        """Print the names in a folder, one a line (and perhaps some lines more); None: it cannot."""
