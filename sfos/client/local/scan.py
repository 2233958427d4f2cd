"""Scan of local folders to upload, level by level, without following links and without stopping at trouble.

What cannot be taken (a name that is not Unicode, a device, a second name that differs only in case) is told with its
reason, and the rest goes on.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from pathlib import Path

import msgspec

from sfos.client.errors import LocalAccess
from sfos.client.local.chunking import Stamp, explain_os_error
from sfos.client.local.names import all_plain, is_partial, to_remote
from sfos.protocol import Kind, NameNotAllowed, SfosError, fold_name, printable

MAX_LINK_BYTES = 4096
_HAS_ATTRIBUTES = sys.platform in ("win32", "darwin")  # there a file can be hidden whatever its name is
MODE_BITS = 0o7777  # permissions, as `stat.S_IMODE` has them


class LocalEntry(msgspec.Struct, frozen=True):
    """A local file, folder or symlink. `name`: what it is called on the server. `link`: where a symlink points.

    `leaf`: its name in `folder`, or "" for the folder itself. Most need no Path of their own, and each costs 2 µs.
    """

    folder: Path
    leaf: str
    name: str
    kind: Kind
    stamp: Stamp
    link: str | None = None

    @property
    def path(self) -> Path:
        """Path on this computer."""
        return self.folder / self.leaf

    @property
    def text(self) -> str:
        """`path` as text, for the system."""
        return f"{self.folder}{os.sep}{self.leaf}" if self.leaf else str(self.folder)


class LocalProblem(msgspec.Struct, frozen=True):
    """Thing that cannot be uploaded, and the reason. `name`: for people. `is_scanned`: it is the folder whose content
    was asked for, and not something in it."""

    path: Path
    name: str
    error: SfosError
    is_scanned: bool = False


class LeftOut(msgspec.Struct, frozen=True):
    """Thing that is never uploaded, and why: a sentence for people."""

    path: Path
    name: str
    reason: str


Found = LocalEntry | LocalProblem | LeftOut

_UNFINISHED = "What an interrupted download has left; it was left out."


def look_at(path: Path, *, follow_symlinks: bool = False, name: str | None = None) -> Found:
    """Entry for `path`, or the reason why it cannot be uploaded. `name`: on the server, instead of its own."""
    shown = printable(path.name)
    if is_partial(path.name) and name is None:
        return LeftOut(path, shown, _UNFINISHED)
    try:
        status = path.stat() if follow_symlinks else path.lstat()
        remote = to_remote(name if name is not None else path.name or path.resolve().name)
        return _entry(path, "", remote, status)
    except SfosError as error:
        return LocalProblem(path, shown, error)
    except (OSError, ValueError) as error:
        return LocalProblem(path, shown, explain_os_error(error, path))


def scan_folder(
    folder: Path, *, follow_symlinks: bool = False, settled: Callable[[os.DirEntry[str]], bool] | None = None
) -> Iterator[Found]:
    """Content of `folder`, sorted by name, without whatever is `settled`. A folder that cannot be read is one
    problem."""
    try:
        with os.scandir(folder) as listing:
            found = sorted(listing, key=attrgetter("name"))
    except OSError as error:
        yield LocalProblem(folder, printable(folder.name), explain_os_error(error, folder), is_scanned=True)
        return
    left, over = _divided(found, settled)
    if left and all_plain([entry.name for entry in found]):
        yield from _look_at_plain(folder, left, follow_symlinks)
        return
    # A settled name can have a double, which differs in case alone, only beside others.
    taken = {fold_name(name): name for name in over} if left else {}
    for listed in left:
        if is_partial(listed.name):
            yield LeftOut(folder / listed.name, listed.name, _UNFINISHED)
            continue
        entry = look_at_listed(folder, listed, follow_symlinks)
        if isinstance(entry, LocalEntry):
            folded = fold_name(entry.name)
            other = taken.setdefault(folded, listed.name)
            if other != listed.name:
                reason = f"Here it stands beside “{printable(other)}”, and the server takes both for the same name."
                entry = LocalProblem(
                    entry.path, printable(listed.name), NameNotAllowed(reason, subject=str(entry.path))
                )
        yield entry


def is_hidden(listed: os.DirEntry[str]) -> bool:
    """Whether the system's own programs would not show it."""
    if listed.name.startswith("."):
        return True
    if not _HAS_ATTRIBUTES:
        return False
    try:
        status = listed.stat(follow_symlinks=False)
    except OSError:
        return False
    flags = getattr(status, "st_flags", 0) & getattr(stat, "UF_HIDDEN", 0)
    return bool(flags or getattr(status, "st_file_attributes", 0) & stat.FILE_ATTRIBUTE_HIDDEN)


def _look_at_plain(
    folder: Path, listed: Sequence[os.DirEntry[str]], follow_symlinks: bool
) -> Iterator[LocalEntry | LocalProblem]:
    """Entries of a folder where nothing is the matter with any name: each of many files costs as little as it can."""
    for entry in listed:
        try:
            status = entry.stat(follow_symlinks=follow_symlinks)
            mode = status.st_mode
        except OSError:
            mode = 0
        if stat.S_ISREG(mode):
            stamp = Stamp(
                status.st_size,
                status.st_mtime_ns,
                status.st_dev,
                status.st_ino,
                mode & MODE_BITS,
                status.st_ctime_ns,
            )
            yield LocalEntry(folder, entry.name, entry.name, "file", stamp)
        else:
            yield look_at_listed(folder, entry, follow_symlinks)


def _divided(
    found: list[os.DirEntry[str]], settled: Callable[[os.DirEntry[str]], bool] | None
) -> tuple[list[os.DirEntry[str]], list[str]]:
    """Divide into the entries to look at, and the names of those that are settled."""
    if settled is None:
        return found, []
    left: list[os.DirEntry[str]] = []
    over: list[str] = []
    for listed in found:
        if settled(listed):
            over.append(listed.name)
        else:
            left.append(listed)
    return left, over


def look_at_listed(folder: Path, listed: os.DirEntry[str], follow_symlinks: bool) -> LocalEntry | LocalProblem:
    """Entry of something listed: like `look_at`, with what the folder's listing says already."""
    leaf = listed.name
    try:
        return _entry(folder, leaf, to_remote(leaf), listed.stat(follow_symlinks=follow_symlinks))
    except SfosError as error:
        return LocalProblem(folder / leaf, printable(leaf), error)
    except (OSError, ValueError) as error:
        return LocalProblem(folder / leaf, printable(leaf), explain_os_error(error, folder / leaf))


def _entry(folder: Path, leaf: str, name: str, status: os.stat_result) -> LocalEntry:
    stamp = Stamp.of(status)
    if stat.S_ISREG(status.st_mode):
        return LocalEntry(folder, leaf, name, "file", stamp)
    if stat.S_ISDIR(status.st_mode):
        return LocalEntry(folder, leaf, name, "folder", stamp)
    path = folder / leaf
    if stat.S_ISLNK(status.st_mode):
        link = str(path.readlink())
        if len(os.fsencode(link)) > MAX_LINK_BYTES or not _is_text(link):
            raise LocalAccess("The link points to something that cannot be written down.", subject=str(path))
        return LocalEntry(folder, leaf, name, "symlink", stamp, link)
    raise LocalAccess("This is neither a file nor a folder nor a link.", subject=str(path))


def _is_text(link: str) -> bool:
    try:
        link.encode()
    except UnicodeEncodeError:
        return False
    return True
