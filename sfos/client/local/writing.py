"""Writing files into a folder here so that nothing half-written is ever seen, and never through a link.

    temporary name in the destination's own folder → write → attributes → fsync → rename

Names are used relative to the folder's descriptor, with O_NOFOLLOW; how the folder was come to, see
`client.local.destination`. A partial file has a name made of the content's name (`names.partial_name`), so that the
next download of the same finds it.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import stat
import sys
from pathlib import Path

import msgspec

from sfos.client.errors import LocalAccess, LocalChanged, LocalDiskFull, LocalFileError
from sfos.client.local.chunking import SourceFile, Stamp, explain_os_error, open_source
from sfos.protocol import AlreadyExists, AttributesRead, IsAFolder, printable

if sys.platform != "win32":
    import fcntl

_log = logging.getLogger(__name__)

_UTIME_BY_DESCRIPTOR = os.utime in os.supports_fd
NOFOLLOW_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_LOOKING_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | NOFOLLOW_FLAGS
_NEW_FILE_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL | NOFOLLOW_FLAGS
_PERMISSIONS = 0o777  # of a mode from the server: no set-user-id, no sticky bit
_NO_NAMES = frozenset({"", ".", ".."})
_FULL = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})


NOTHING = Stamp(-1, 0, 0, 0, 0, 0)
"""The stamp of a name that nothing has."""


def local_error(error: OSError, path: Path) -> LocalFileError:
    """Error for a person, from the system's own when writing `path`."""
    if error.errno in _FULL:
        return LocalDiskFull(subject=str(path))
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return LocalAccess(
            "A link or a file is in the way; links below the destination are not followed.", subject=str(path)
        )
    if isinstance(error, FileNotFoundError | PermissionError):
        # In the sentence, for the subject may be what was to be downloaded. A missing file is one that could not be
        # made, as below /proc.
        folder = printable(str(path if os.path.isdir(path) else path.parent))  # noqa: PTH112 - is_dir() may raise
        may = "You may not write" if isinstance(error, PermissionError) else "Nothing can be written"
        return LocalAccess(f"{may} to {folder} on this computer.", subject=str(path))
    return explain_os_error(error, path)


class LocalFolder(msgspec.Struct, frozen=True):
    """A folder of the destination. `descriptor`: None where the system cannot work relative to one."""

    path: Path
    descriptor: int | None

    def at(self, name: str) -> str | Path:
        """Path to use together with `dir_fd=descriptor`. Raises: LocalAccess for a name that leads elsewhere.

        Names were looked at before they come here; a descriptor would not hold back one that is a path.
        """
        if "/" in name or name in _NO_NAMES:
            raise LocalAccess("This is no name of a file in this folder.", subject=printable(name[:200]))
        return name if self.descriptor is not None else self.path / name

    def look(self, name: str) -> os.stat_result | None:
        """Status of `name` (a link is a link), or None if it is not there. Raises: LocalFileError."""
        try:
            return os.stat(self.at(name), dir_fd=self.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise local_error(error, self.path / name) from error

    def status(self) -> os.stat_result:
        """Status of the folder itself. Raises: LocalFileError."""
        try:
            return self.path.stat() if self.descriptor is None else os.fstat(self.descriptor)
        except OSError as error:
            raise local_error(error, self.path) from error

    def _create(self, name: str, mode: int) -> int:
        """A new temporary file in place of whatever had its name (a leftover; a link is removed, not followed)."""
        path = self.at(name)
        try:
            try:
                return os.open(path, _NEW_FILE_FLAGS, mode, dir_fd=self.descriptor)
            except FileExistsError:
                os.unlink(path, dir_fd=self.descriptor)
                return os.open(path, _NEW_FILE_FLAGS, mode, dir_fd=self.descriptor)
        except OSError as error:
            raise local_error(error, self.path / name) from error

    def open_partial(self, name: str) -> int:
        """A descriptor to write the temporary file `name`, with what is in it already. Raises: LocalFileError."""
        try:
            descriptor = os.open(self.at(name), os.O_RDWR | os.O_CREAT | NOFOLLOW_FLAGS, 0o600, dir_fd=self.descriptor)
        except OSError as error:
            raise local_error(error, self.path / name) from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise LocalAccess("Something else has the name of the temporary file.", subject=str(self.path / name))
        return descriptor

    def open_file(self, name: str) -> SourceFile | None:
        """The regular file `name`, for reading; None if it is something else, or cannot be read."""
        self.at(name)  # which refuses what leads elsewhere
        try:
            return open_source(self.path / name, folder=self.descriptor)
        except LocalAccess:
            return None

    def write_file(
        self, partial: str, data: memoryview, attrs: AttributesRead | None, mtime_ns: int, *, durable: bool
    ) -> None:
        """A whole temporary file; nothing is left of it when that fails. Raises: LocalFileError."""
        mode = mode_of(attrs)
        descriptor = self._create(partial, mode)
        try:
            write_all(descriptor, data)
            unmade = mode & _umask()  # what the system left out
            finish_file(descriptor, mode if unmade else None, mtime_ns, durable=durable)
        except OSError as error:
            self.remove(partial)
            raise local_error(error, self.path / partial) from error
        finally:
            os.close(descriptor)

    def place(self, partial: str, name: str, *, if_stamp: Stamp | None) -> None:
        """Give the temporary file its name, in place of whatever has it; else remove it.

        `if_stamp`: only in place of the file that has this stamp; NOTHING, only if nothing has the name. What has it is
        looked at right before the system is told to replace it: who writes between these two calls is not seen.
        Raises: LocalChanged; AlreadyExists; LocalFileError.
        """
        try:
            if if_stamp is not None:
                if if_stamp == NOTHING:
                    if self._linked(partial, name):
                        return
                    if self.look(name) is not None:
                        raise FileExistsError
                else:
                    self._check_is(name, if_stamp)
            os.replace(self.at(partial), self.at(name), src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)
        except LocalFileError:
            self.remove(partial)
            raise
        except FileExistsError as error:
            self.remove(partial)
            raise AlreadyExists(subject=str(self.path / name)) from error
        except IsADirectoryError as error:
            self.remove(partial)
            raise IsAFolder("A folder of this name is here.", subject=str(self.path / name)) from error
        except OSError as error:
            self.remove(partial)
            raise local_error(error, self.path / name) from error

    def _check_is(self, name: str, stamp: Stamp) -> None:
        there = self.look(name)
        if there is None or Stamp.of(there) != stamp:
            raise LocalChanged(subject=str(self.path / name))

    def _linked(self, partial: str, name: str) -> bool:
        """Name it without ever replacing (a hard link fails where a rename overwrites); False where links cannot be."""
        if self.descriptor is None:
            return False
        try:
            os.link(
                self.at(partial),
                self.at(name),
                src_dir_fd=self.descriptor,
                dst_dir_fd=self.descriptor,
                follow_symlinks=False,
            )
        except FileExistsError:
            raise
        except OSError:  # FAT, some network disks
            return False
        os.unlink(partial, dir_fd=self.descriptor)
        return True

    def remove(self, name: str) -> None:
        """Remove a temporary file, if it is there."""
        with contextlib.suppress(OSError):
            os.unlink(self.at(name), dir_fd=self.descriptor)

    def remove_unused(self, name: str) -> None:
        """Remove a temporary file that no program is writing."""
        if sys.platform != "win32":  # which removes nothing that is open
            try:
                descriptor = os.open(self.at(name), _LOOKING_FLAGS, dir_fd=self.descriptor)
            except OSError:
                return
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self.remove(name)
            except OSError:
                return
            finally:
                os.close(descriptor)
        else:
            self.remove(name)

    def make_link(self, temporary: str, target: str) -> None:
        """A symlink under a temporary name. Raises: LocalFileError, also where the system allows none."""
        self.remove(temporary)
        try:
            os.symlink(target, self.at(temporary), dir_fd=self.descriptor)
        except (OSError, ValueError, NotImplementedError) as error:
            raise LocalAccess("A link cannot be made here.", subject=str(self.path / temporary)) from error

    def read_link(self, name: str) -> str | None:
        """Target of the symlink `name`; None if it is something else, or cannot be read."""
        try:
            return os.readlink(self.at(name), dir_fd=self.descriptor)
        except OSError:
            return None

    def set_mode(self, name: str, stamp: Stamp, mode: int) -> None:
        """Set the mode of the file `name` in the state of `stamp`, or of the folder itself for "".

        Raises: LocalChanged; LocalFileError, also where the system refuses.
        """
        path = self.path / name
        try:
            if name:
                descriptor = os.open(self.at(name), _LOOKING_FLAGS, dir_fd=self.descriptor)
            else:
                descriptor = os.open(path, os.O_RDONLY) if self.descriptor is None else os.dup(self.descriptor)
            try:
                if name and Stamp.of(os.fstat(descriptor)) != stamp:
                    raise LocalChanged(subject=str(path))
                os.fchmod(descriptor, mode & _PERMISSIONS)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise local_error(error, path) from error

    def set_attributes(self, attrs: AttributesRead | None, mtime_ns: int) -> None:
        """Set the attributes of the folder itself, once all is in it; those that the system refuses are left."""
        target = self.descriptor if self.descriptor is not None else self.path
        with contextlib.suppress(OSError):
            if attrs is not None and attrs.mode is not None:
                os.chmod(target, attrs.mode & _PERMISSIONS)  # noqa: PTH101 - a descriptor, where there is one
        with contextlib.suppress(OSError):
            if mtime_ns:
                os.utime(target, ns=(mtime_ns, mtime_ns))


def write_all(descriptor: int, data: memoryview) -> None:
    """All of `data`, from where the descriptor is. Raises: OSError."""
    while (count := os.write(descriptor, data)) < len(data):
        data = data[count:]


def mode_of(attrs: AttributesRead | None) -> int:
    """The permissions that a file is to have: as the server keeps them, or as the user gives new files."""
    mode = attrs.mode if attrs is not None and attrs.mode is not None else 0o666 & ~_umask()
    return mode & _PERMISSIONS


def finish_file(descriptor: int, mode: int | None, mtime_ns: int, *, durable: bool) -> None:
    """Set mode and time and, if `durable`, fsync; the descriptor stays open. Raises: OSError of the fsync."""
    try:  # disks without modes or times (FAT): the content is what counts
        if mode is not None and hasattr(os, "fchmod"):
            os.fchmod(descriptor, mode)
        if mtime_ns and _UTIME_BY_DESCRIPTOR:
            os.utime(descriptor, ns=(mtime_ns, mtime_ns))
    except OSError as error:
        _log.debug("attributes: %s", error)
    if durable:
        os.fsync(descriptor)


_UMASK: int | None = None


def _umask() -> int:
    """The process's umask, asked for once: asking means setting it, for all threads."""
    global _UMASK  # noqa: PLW0603 - there is one for the process
    if _UMASK is None:
        _UMASK = os.umask(0o077)
        os.umask(_UMASK)
    return _UMASK
