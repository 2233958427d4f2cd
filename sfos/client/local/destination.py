"""The folder that a download goes to, and the folders below it: made, opened, and kept open while somebody works there.

Everything below the destination is opened relative to its folder's descriptor, component by component, with O_NOFOLLOW:
a link that lies there, or that the server sent a moment ago, is never followed (CVE-2019-6111, rsync CVE-2024-12087).
Where the system has no such calls (Windows), paths are looked at before they are used.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from sfos.client.errors import LocalAccess
from sfos.client.local.writing import NOFOLLOW_FLAGS, LocalFolder, local_error

_BY_DESCRIPTOR = os.open in os.supports_dir_fd and os.rename in os.supports_dir_fd and sys.platform != "win32"
_FOLDER_FLAGS = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | NOFOLLOW_FLAGS
_OPEN_FOLDERS = 64  # descriptors kept open; macOS gives a process 256


class _OpenFolder:
    """A folder of the destination that stays open while somebody works in it."""

    def __init__(self, folder: LocalFolder) -> None:
        self.folder = folder
        self.users = 0
        self.dropped = False


class _Use:
    """One use of a folder. A class of its own: a generator would cost each small file 3 µs more (measured)."""

    __slots__ = ("_destination", "_held", "_names")

    def __init__(self, destination: Destination, names: tuple[str, ...]) -> None:
        self._destination = destination
        self._names = names

    def __enter__(self) -> LocalFolder:
        self._held = self._destination.take(self._names)
        return self._held.folder

    def __exit__(self, *_: object) -> None:
        self._destination.give_back(self._held)


class Destination:
    """The folder that a download goes to, and what is below it. Thread-safe."""

    def __init__(self, root: Path) -> None:
        """Make `root` if it is missing; links on the way are followed: the user named it. Raises: LocalFileError."""
        self.root = root
        try:
            root.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(root, _FOLDER_FLAGS & ~getattr(os, "O_NOFOLLOW", 0)) if _BY_DESCRIPTOR else None
        except OSError as error:
            raise local_error(error, root) from error
        self._lock = threading.Lock()
        self._root = _OpenFolder(LocalFolder(root, descriptor))
        self._open: OrderedDict[tuple[str, ...], _OpenFolder] = OrderedDict()
        self._made: set[tuple[str, ...]] = set()

    def free_bytes(self) -> int | None:
        """Bytes that this user may still write there; None where the system does not say (some network drives)."""
        try:
            found = shutil.disk_usage(self.root)
        except OSError:
            return None
        return found.free if found.total else None

    def was_made(self, names: tuple[str, ...]) -> bool:
        """Whether the folder was not there before: then what is in it came from here."""
        return names in self._made

    def folder(self, names: tuple[str, ...]) -> AbstractContextManager[LocalFolder]:
        """The folder below the root, of local names already checked, made where missing; valid within the block.

        Raises: LocalFileError, when it is entered, also where a link or a file is in the way.
        """
        return _Use(self, names)

    @contextlib.contextmanager
    def look_in(self, names: tuple[str, ...]) -> Iterator[LocalFolder | None]:
        """The folder for a look at what is in it, or None: nothing is made. Raises: as `folder`."""
        with self._lock:
            held = self._find(names, make=False)
            if held is not None:
                held.users += 1
        if held is None:
            yield None
            return
        try:
            yield held.folder
        finally:
            self.give_back(held)

    def take(self, names: tuple[str, ...]) -> _OpenFolder:
        """Take an open folder into use; for `folder` only."""
        with self._lock:
            held = self._find(names, make=True)
            assert held is not None
            held.users += 1
        return held

    def give_back(self, held: _OpenFolder) -> None:
        """End the use of an open folder; for `folder` only."""
        with self._lock:
            held.users -= 1
            if held.dropped and not held.users:
                _close(held.folder)

    def _find(self, names: tuple[str, ...], *, make: bool) -> _OpenFolder | None:
        if not names:
            return self._root
        found = self._open.get(names)
        if found is not None:
            self._open.move_to_end(names)
            return found
        above = self._find(names[:-1], make=make)
        if above is None:
            return None
        folder, made = _enter(above.folder, names[-1], make=make)
        if folder is None:
            return None
        found = _OpenFolder(folder)
        if made:
            self._made.add(names)
        self._open[names] = found
        if len(self._open) > _OPEN_FOLDERS:
            _, oldest = self._open.popitem(last=False)
            self._drop(oldest)
        return found

    def _drop(self, held: _OpenFolder) -> None:
        held.dropped = True
        if not held.users:
            _close(held.folder)

    def close(self) -> None:
        """Free the descriptors, those in use once they no longer are. Idempotent."""
        with self._lock:
            for held in (*self._open.values(), self._root):
                if not held.dropped:
                    self._drop(held)
            self._open.clear()


def _enter(above: LocalFolder, name: str, *, make: bool) -> tuple[LocalFolder | None, bool]:
    """The folder `name`, and whether it was missing and is made now; None if it is not to be made."""
    path = above.path / name
    target, made = above.at(name), False
    try:
        if above.descriptor is not None:
            # First, for most folders are there: their descriptors were given up for others.
            with contextlib.suppress(FileNotFoundError):
                return LocalFolder(path, os.open(target, _FOLDER_FLAGS, dir_fd=above.descriptor)), made
        if make:
            with contextlib.suppress(FileExistsError):
                os.mkdir(target, 0o777, dir_fd=above.descriptor)
                made = True
        elif above.look(name) is None:
            return None, False
        if above.descriptor is not None:
            return LocalFolder(path, os.open(target, _FOLDER_FLAGS, dir_fd=above.descriptor)), made
        if path.is_symlink() or path.resolve() != above.path.resolve() / name:  # the second: a junction of Windows
            raise LocalAccess("A link is in the way; links below the destination are not followed.", subject=str(path))
        if not path.is_dir():
            raise LocalAccess("A file is in the way.", subject=str(path))
    except OSError as error:
        raise local_error(error, path) from error
    return LocalFolder(path, None), made


def _close(folder: LocalFolder) -> None:
    if folder.descriptor is not None:
        os.close(folder.descriptor)
