"""Small files that only their owner may read: written whole or not at all, locked against other processes.

PrivateJson is the one way to keep a value in such a file, and to read it back, though the file may be damaged.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from sfos.client.errors import LocalAccess, LocalFileError
from sfos.protocol import decoder_of

if sys.platform != "win32":
    import fcntl

MAX_BYTES = 1024 * 1024
# All of them lie in the user's state directory.
_ELSEWHERE = " Set XDG_STATE_HOME to a folder that you may write to." if sys.platform != "win32" else ""

T = TypeVar("T")


class DamagedFile(LocalFileError):
    """This file cannot be read; it is damaged, or others can read it."""

    code = "damaged_file"


class PrivateJson(Generic[T]):
    """A value as JSON in a small private file. Blocks on the disk."""

    def __init__(self, path: Path, kind: type[T], *, secret: bool = False) -> None:
        """`secret`: a file that others than its owner can read is not used."""
        self._path = path
        self._kind = kind
        self._secret = secret

    def read(self) -> T | None:
        """The value, or None when there is no such file. Raises: LocalAccess, DamagedFile."""
        content = read_private(self._path)
        if content is None:
            return None
        try:
            if self._secret and not is_private(self._path):
                raise DamagedFile("This file can be read by others and is not used.", subject=str(self._path))
            return decoder_of(self._kind).decode(content)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as error:
            raise DamagedFile(f"This file cannot be read: {error}.", subject=str(self._path)) from error
        except FileNotFoundError:  # gone since
            return None

    def write(self, value: T, *, pretty: bool = False, newline: bool = False) -> None:
        """Keep `value` in place of what is there. `pretty`: for people too. Raises: LocalAccess."""
        content = msgspec.json.encode(value)
        if pretty:
            content = msgspec.json.format(content, indent=2)
        write_private(self._path, content + b"\n" if newline else content)


def make_private_directory(path: Path) -> None:
    """Make `path` and what is missing above it; itself for its owner alone. Raises: LocalAccess."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise LocalAccess(f"This folder cannot be made: {error.strerror}.{_ELSEWHERE}", subject=str(path)) from error


def read_private(path: Path) -> bytes | None:
    """The content, or None when there is no such file. Raises: LocalAccess, also for one of more than 1 MiB."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise LocalAccess(f"This file cannot be read: {error.strerror}.", subject=str(path)) from error
    if len(content) > MAX_BYTES:
        raise LocalAccess("This file is far larger than it can be.", subject=str(path))
    return content


def is_private(path: Path) -> bool:
    """Whether nobody but its owner, who is the user of this process, may read `path` (on POSIX; else True)."""
    if sys.platform == "win32":
        return True  # the user's profile directory is the user's alone
    facts = path.lstat()
    return stat.S_ISREG(facts.st_mode) and facts.st_uid == os.geteuid() and not facts.st_mode & 0o077


def write_private(path: Path, content: bytes) -> None:
    """Put `content` in place (mode 0600, fsync, rename): a reader sees the old or the new. Raises: LocalAccess."""
    make_private_directory(path.parent)
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise LocalAccess(f"This file cannot be written: {error.strerror}.{_ELSEWHERE}", subject=str(path)) from error


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file beside `path` against other processes (POSIX; elsewhere the rename alone has to do).

    Raises: LocalAccess.
    """
    if sys.platform == "win32":
        yield
        return
    make_private_directory(path.parent)
    try:
        descriptor = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise LocalAccess(f"Nothing can be written here: {error.strerror}.{_ELSEWHERE}", subject=str(path)) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
