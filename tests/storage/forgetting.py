"""A disk that loses its power: what was not synced by then is gone, or is there, as POSIX leaves open.

`RememberingFiles` works on a real directory and notes beside it what of all this is durable: the bytes of a file once
it was synced, a name once its directory was. `Moment` is that, at one point of a session, together with copies of the
databases, which SQLite syncs by itself. From a moment any home can be made that a power loss may leave behind.
"""

from __future__ import annotations

import os
import random
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sfos.server.chunks.files import LocalFiles

# What survives of that which was not synced: nothing; names without their bytes; names with zeros; some of all.
Survival = Literal["nothing", "names", "zeros", "some"]
SURVIVALS: tuple[Survival, ...] = ("nothing", "names", "zeros", "some")
_DATABASES = ("catalog.db", "catalog.db-wal", "small.db", "small.db-wal", "keys", "HEAD")


@dataclass(slots=True)
class _File:
    durable: bytes = b""
    current: bytes = b""


@dataclass(frozen=True)
class Moment:
    """The disk at one point. `durable`, `current`: names and files, as synced and as seen by running programs."""

    acknowledged: int
    what: str
    durable: dict[Path, _File]
    current: dict[Path, _File]
    directories: frozenset[Path]
    databases: dict[Path, bytes]
    master: bytes

    def restore(self, home: Path, survival: Survival, dice: random.Random) -> None:
        """Make the home that the power loss leaves behind."""
        shutil.rmtree(home, ignore_errors=True)
        for directory in (home / "temp", home / "server_storage"):
            directory.mkdir(parents=True)
        (home / "master.key").write_bytes(self.master)
        for path, data in self.databases.items():
            (home / path).parent.mkdir(parents=True, exist_ok=True)
            (home / path).write_bytes(data)
            (home / path).parent.joinpath("chunks").mkdir(exist_ok=True)
        for directory in self.directories:
            (home / directory).mkdir(parents=True, exist_ok=True)
        for path in sorted({*self.durable, *self.current}):
            file = self._surviving(path, survival, dice)
            if file is not None:
                (home / path).parent.mkdir(parents=True, exist_ok=True)
                (home / path).write_bytes(_bytes_of(file, survival, dice))

    def _surviving(self, path: Path, survival: Survival, dice: random.Random) -> _File | None:
        if survival == "nothing":
            return self.durable.get(path)
        if survival == "some":
            return dice.choice((self.durable.get(path), self.current.get(path)))
        return self.current.get(path) or self.durable.get(path)


def _bytes_of(file: _File, survival: Survival, dice: random.Random) -> bytes:
    """Synced bytes survive; of the others, what `survival` says."""
    if file.durable == file.current or survival in ("nothing", "names"):
        return file.durable
    if survival == "zeros":
        return bytes(len(file.current))
    return dice.choice((file.durable, file.current, file.current[: dice.randrange(len(file.current) + 1)]))


class RememberingFiles(LocalFiles):
    """See the module's first lines. `seen` is called with the moment before and after each operation."""

    def __init__(self, home: Path, seen: Callable[[Moment], object]) -> None:
        self._home = home
        self._seen = seen
        self._lock = threading.RLock()
        self._open: dict[int, _File] = {}
        self._durable: dict[Path, _File] = {}
        self._current: dict[Path, _File] = {}
        self._directories: set[Path] = set()
        self.acknowledged = 0

    def adopt(self) -> None:
        """Take what is there already for durable."""
        for path in self._home.glob("server_storage/*/chunks/*/*"):
            data = path.read_bytes()
            self._durable[self._inside(path)] = self._current[self._inside(path)] = _File(data, data)
            self._directories.add(self._inside(path.parent))

    def acknowledge(self, step: int) -> None:
        """Note that a step was answered."""
        with self._lock:
            self.acknowledged = step + 1
            self.point(f"acknowledged step {step}")

    def point(self, what: str) -> None:
        """A moment worth a look."""
        with self._lock:
            storage = self._home / "server_storage"
            databases = {
                path.relative_to(self._home): path.read_bytes()
                for name in _DATABASES
                for path in storage.glob(f"*/{name}")
            }
            self._seen(
                Moment(
                    self.acknowledged,
                    what,
                    _copied(self._durable),
                    _copied(self._current),
                    frozenset(self._directories),
                    databases,
                    (self._home / "master.key").read_bytes(),
                )
            )

    def create(self, path: Path) -> int:
        with self._lock:
            descriptor = super().create(path)
            self._open[descriptor] = self._current[self._inside(path)] = _File()
            self.point("create")
            return descriptor

    def write(self, descriptor: int, data: memoryview) -> None:
        with self._lock:
            super().write(descriptor, data)
            self._open[descriptor].current += bytes(data)
            self.point("write")

    def sync(self, descriptor: int) -> None:
        with self._lock:
            super().sync(descriptor)
            self._open[descriptor].durable = self._open[descriptor].current
            self.point("fsync")

    def close(self, descriptor: int) -> None:
        with self._lock:
            self._open.pop(descriptor)
            super().close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        with self._lock:
            super().rename(source, target)
            self._current[self._inside(target)] = self._current.pop(self._inside(source))
            self.point("rename")

    def unlink(self, path: Path) -> None:
        with self._lock:
            self.point("the rows were deleted")
            super().unlink(path)
            self._current.pop(self._inside(path), None)
            self.point("unlink")

    def make_directory(self, path: Path) -> None:
        with self._lock:
            super().make_directory(path)
            self._directories.add(self._inside(path))
            self.point("make directory")

    def sync_directory(self, path: Path) -> None:
        with self._lock:
            super().sync_directory(path)
            inside = self._inside(path)
            for name in [name for name in self._durable if name.parent == inside and name not in self._current]:
                del self._durable[name]
            self._durable |= {name: file for name, file in self._current.items() if name.parent == inside}
            self.point("fsync of a directory")

    def _inside(self, path: Path) -> Path:
        return Path(os.path.relpath(path, self._home))


def _copied(files: dict[Path, _File]) -> dict[Path, _File]:
    """Files that no later write changes; one that has two names stays one."""
    copies = {id(file): _File(file.durable, file.current) for file in files.values()}
    return {path: copies[id(file)] for path, file in files.items()}
