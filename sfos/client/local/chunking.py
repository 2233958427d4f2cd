"""Cutting files at boundaries that their content chooses, and naming the pieces.

FastCDC (Xia et al., 2020), 256 KiB / 1 MiB / 4 MiB, normalization 1, with the space's cut seed: a byte put in at the
front moves few boundaries, and nobody outside of the space can guess them. Chunks are named by BLAKE3 with the space's
key. Both are frozen by the first stored byte: a test holds golden boundaries.

Files are read by `readinto`, never mapped: a file that is truncated while it is mapped kills the process.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from sfos.client.errors import FileChanged, LocalAccess, LocalChanged, SizeNotTold
from sfos.protocol import (
    AVERAGE_CHUNK_BYTES,
    MAX_CHUNK_BYTES,
    MAX_TIME_NS,
    MIN_CHUNK_BYTES,
    ChunkRecord,
    ContentMismatch,
    SpaceInfo,
    chunk_id,
    content_id,
    pack_records,
    printable,
)

if TYPE_CHECKING:
    from pyfastcdc import FastCDC

_MAX_SEED = 2**63 - 1  # it is shifted left by one within 64 bits
_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
# A FIFO or device that took a file's place must not block us; O_NONBLOCK means nothing to a regular file.
_OPEN_FLAGS |= getattr(os, "O_NONBLOCK", 0)
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)


class Cutter:
    """Cuts one stream at a time. Holds the GIL while it cuts (some 2.5 GB/s)."""

    def __init__(self, seed: int) -> None:
        """`seed`: the space's. Raises: ContentMismatch for one that cannot be."""
        if not 0 <= seed <= _MAX_SEED:
            raise ContentMismatch("The server sent an impossible seed for cutting files.")
        self._seed = seed

    @cached_property
    def _cdc(self) -> FastCDC:
        # Loaded by who cuts: what is unchanged or small is not cut, and loading it is a tenth of a short command.
        from pyfastcdc import FastCDC

        # Its pure Python stands in without a word where the compiled one is missing; it is a hundred times slower.
        if FastCDC.__module__ != "pyfastcdc.cy.fastcdc":
            raise ImportError("the compiled pyfastcdc is missing; install a wheel of it for this platform")
        return FastCDC(
            AVERAGE_CHUNK_BYTES,
            min_size=MIN_CHUNK_BYTES,
            max_size=MAX_CHUNK_BYTES,
            normalized_chunking=1,
            seed=self._seed,
        )

    def cut(self, source: SourceFile) -> Iterator[memoryview]:
        """The chunks of the file, in order; each valid only until the next is asked for. Raises: LocalAccess."""
        for chunk in self._cdc.cut_stream(source):
            yield chunk.data

    def cut_front(self, data: memoryview, *, ended: bool, most: int | None = None) -> list[int]:
        """The lengths of the chunks that `data` begins with, at the `most` so many, the same that `cut` finds.

        Unless the stream `ended` with `data`, what comes last is left out while more bytes could make it longer. At
        least one chunk if there are MAX_CHUNK_BYTES, or if it ended and there is anything.
        """
        lengths = [chunk.length for chunk in islice(self._cdc.cut_buf(data), most)]
        if lengths and not ended and lengths[-1] < MAX_CHUNK_BYTES and sum(lengths) == len(data):
            lengths.pop()
        return lengths


class Stamp(NamedTuple):
    """The state of a file as the system tells of it: while the stamp is the same, so is the file."""

    size: int
    mtime_ns: int
    device: int
    inode: int
    mode: int
    ctime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Stamp:
        """Stamp out of a stat."""
        mode = stat.S_IMODE(status.st_mode)
        return cls(status.st_size, status.st_mtime_ns, status.st_dev, status.st_ino, mode, status.st_ctime_ns)

    def same_content_as(self, other: Stamp) -> bool:
        """Whether nothing was written in between, as far as the system tells. A new name or mode is nothing written."""
        return self[:4] == other[:4]


def nearest_time_ns(mtime_ns: int) -> int:
    """The nearest time to one of this computer that the server can keep."""
    return max(-MAX_TIME_NS, min(MAX_TIME_NS, mtime_ns))


class SourceFile:
    """An open local file, read from its beginning; knows whether it changed meanwhile. Close it by `with`."""

    __slots__ = ("_descriptor", "_read", "path", "stamp")

    def __init__(self, descriptor: int, path: Path, stamp: Stamp) -> None:
        self._descriptor = descriptor
        self.path = path
        self.stamp = stamp
        self._read = 0

    def readinto(self, buffer: memoryview) -> int:
        """Read bytes into `buffer`, as a raw stream does; their number, 0 at the end. Raises: LocalAccess."""
        try:
            count = _read_into(self._descriptor, buffer)
        except OSError as error:
            raise explain_os_error(error, self.path) from error
        self._read += count
        return count

    def fill(self, buffer: memoryview) -> tuple[int, bool]:
        """Read until `buffer` is full or the file ends: how many bytes, and whether it ended.

        Raises: LocalAccess; FileChanged as soon as there is more than there was.
        """
        filled = 0
        while filled < len(buffer):
            count = self.readinto(buffer[filled:])
            if not count:
                return filled, True
            filled += count
        if self._read > self.stamp.size:
            self._raise_changed(Stamp.of(os.fstat(self._descriptor)))
        return filled, False

    def step_back(self, count: int) -> None:
        """Step back by so many bytes, which will be read again. Raises: LocalAccess."""
        try:
            os.lseek(self._descriptor, -count, os.SEEK_CUR)
        except OSError as error:
            raise explain_os_error(error, self.path) from error
        self._read -= count

    def check_unchanged(self) -> None:
        """Call at the end. Raises: FileChanged unless what was read is one state of the file."""
        now = Stamp.of(os.fstat(self._descriptor))
        if self._read != self.stamp.size or not now.same_content_as(self.stamp):
            self._raise_changed(now)

    def _raise_changed(self, now: Stamp) -> NoReturn:
        """Raises: FileChanged; SizeNotTold, where the size that is told has nothing to do with what is read."""
        told = now.size != self.stamp.size or self._read == self.stamp.size
        raise (FileChanged if told else SizeNotTold)(subject=str(self.path))

    def check_is(self, stamp: Stamp) -> None:
        """Raises: LocalChanged if this is no longer the state in which it was seen."""
        if self.stamp != stamp:
            raise LocalChanged(subject=str(self.path))

    def __enter__(self) -> SourceFile:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


if hasattr(os, "readv"):

    def _read_into(descriptor: int, buffer: memoryview) -> int:
        return os.readv(descriptor, (buffer,))

else:

    def _read_into(descriptor: int, buffer: memoryview) -> int:
        content = os.read(descriptor, len(buffer))  # Windows has no read into memory that is there already
        buffer[: len(content)] = content
        return len(content)


def open_source(path: Path, *, follow_symlinks: bool = False, folder: int | None = None) -> SourceFile:
    """A regular file, opened for reading. Raises: LocalAccess, also for a link, unless they are followed.

    `folder`: the descriptor of the folder that it is in, where that has been opened already.
    """
    place = path if folder is None else path.name
    try:
        descriptor = os.open(place, _OPEN_FLAGS if follow_symlinks else _OPEN_FLAGS | _NOFOLLOW, dir_fd=folder)
    except (OSError, ValueError) as error:
        raise explain_os_error(error, path) from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise LocalAccess("This is not a regular file.", subject=str(path))
    return SourceFile(descriptor, path, Stamp.of(status))


def read_small(
    place: str, stamp: Stamp, space: memoryview, *, follow_symlinks: bool = False, exactly: bool = False
) -> bool:
    """Read a small file to `space`, which has a byte to spare, if it is still in the state of `stamp`.

    `exactly`: with no other mode or name either. False if it is not, or cannot be read: look closer. Opened, read,
    looked at and closed: the fewest calls that notice a change since `stamp` was taken.
    """
    try:
        descriptor = os.open(place, _OPEN_FLAGS if follow_symlinks else _OPEN_FLAGS | _NOFOLLOW)
    except (OSError, ValueError):
        return False
    try:
        count = _read_into(descriptor, space)
        now = os.fstat(descriptor)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    if count != stamp.size or now.st_size != stamp.size or now.st_mtime_ns != stamp.mtime_ns:
        return False
    if exactly and Stamp.of(now) != stamp:
        return False
    return now.st_ino == stamp.inode and now.st_dev == stamp.device


def name_whole(space: SpaceInfo, cutter: Cutter, source: SourceFile) -> tuple[bytes, list[ChunkRecord]]:
    """The content id and the chunks of a file, without keeping any of it. Raises: FileChanged, LocalAccess."""
    if source.stamp.size <= MIN_CHUNK_BYTES:  # not cut, whatever it holds
        space_for_all = memoryview(bytearray(source.stamp.size + 1))
        count, _ = source.fill(space_for_all)
        pieces = iter([space_for_all[:count]] if count else [])
    else:
        pieces = cutter.cut(source)
    records = [ChunkRecord(chunk_id(space.chunk_key, piece), len(piece)) for piece in pieces]
    source.check_unchanged()
    return content_id(space.chunk_key, pack_records(records)), records


def explain_os_error(error: OSError | ValueError, path: Path) -> LocalAccess:
    """Error of the operating system, in words that name the file."""
    reason = (getattr(error, "strerror", None) or str(error)).rstrip(".")
    if isinstance(error, PermissionError):
        reason = "You may not read it" if sys.platform != "win32" else "It is in use, or you may not read it"
    elif isinstance(error, FileNotFoundError):
        reason = "It is no longer there"
        with contextlib.suppress(OSError):
            reason = f"This link points to something that is not there ({printable(str(path.readlink()))})"
    return LocalAccess(f"{reason}.", subject=str(path))
