"""Survey of what an upload would take, before anything of it goes: how much there is, and what nobody may expect."""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from sfos.client.local.scan import is_hidden

MOST_ITEMS = 1_000_000  # where counting ends: nobody needs to know it more exactly, and a disk may hold many more
_TELL_ITEMS = 2_000  # between two words on how far it has come
_NAMES = 4


class Survey(msgspec.Struct, frozen=True):
    """Files (links among them) and folders that `paths` and all below them are.

    `hidden_files`, `hidden_folders`: those of them that are hidden or below what is; what is one of `paths` was named,
    and is not. `hidden_names`: some that hide the others. `homes`: of the paths, which are or hold the user's own
    directory. `counted_all`: False where counting ended at `MOST_ITEMS`.
    """

    files: int = 0
    folders: int = 0
    size_bytes: int = 0
    hidden_files: int = 0
    hidden_folders: int = 0
    hidden_names: tuple[str, ...] = ()
    homes: tuple[Path, ...] = ()
    counted_all: bool = True


class _Count:
    """Numbers of a survey while it is made."""

    def __init__(self, told: Callable[[int], object]) -> None:
        self._told = told
        self.files = self.folders = self.size_bytes = self.hidden_files = self.hidden_folders = 0
        self.hidden_names: dict[str, None] = {}

    @property
    def items(self) -> int:
        return self.files + self.folders

    def add(self, status: os.stat_result, *, hidden: bool) -> bool:
        """Count one; whether it is a folder."""
        is_folder = stat.S_ISDIR(status.st_mode)
        if is_folder:
            self.folders += 1
            self.hidden_folders += hidden
        else:
            self.files += 1
            self.hidden_files += hidden
            self.size_bytes += status.st_size if stat.S_ISREG(status.st_mode) else 0
        if self.items % _TELL_ITEMS == 0:
            self._told(self.files)
        return is_folder


def survey(
    paths: Sequence[Path],
    *,
    home: Path,
    wanted: Callable[[], object] = lambda: None,
    told: Callable[[int], object] = lambda _files: None,
) -> Survey:
    """Count what is at `paths` and below, level by level, links not followed. Blocks on the disk.

    `wanted` is called often, and raises if nobody waits any more; `told` hears now and then of the files so far. What
    cannot be read is not counted: the upload tells of it.
    """
    count = _Count(told)
    folders: deque[tuple[str, bool]] = deque()  # path, and whether it is hidden or below what is
    for path in paths:
        try:
            status = path.lstat()
        except (OSError, ValueError):
            continue
        if count.add(status, hidden=False):
            folders.append((str(path), False))
    while folders and count.items < MOST_ITEMS:
        wanted()
        folder, hidden = folders.popleft()
        for listed in _listing(folder):
            if count.items % _TELL_ITEMS == 0:
                wanted()
            if count.items >= MOST_ITEMS:
                break
            try:
                status = listed.stat(follow_symlinks=False)
            except OSError:
                continue
            here = hidden or is_hidden(listed)
            if here and not hidden and len(count.hidden_names) < _NAMES:
                count.hidden_names[listed.name] = None
            if count.add(status, hidden=here):
                folders.append((listed.path, here))
    return Survey(
        count.files, count.folders, count.size_bytes, count.hidden_files, count.hidden_folders,
        tuple(count.hidden_names), _holding(paths, home), counted_all=count.items < MOST_ITEMS,
    )  # fmt: skip


def _listing(folder: str) -> Iterable[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as listing:
            return sorted(listing, key=lambda listed: listed.name)
    except OSError:
        return ()


def _holding(paths: Sequence[Path], home: Path) -> tuple[Path, ...]:
    """Those of `paths` that are `home` or above it. A link is none of them: it goes up as a link."""
    try:
        at = home.resolve()
        return tuple(
            path for path in paths if not path.is_symlink() and path.is_dir() and at.is_relative_to(path.resolve())
        )
    except (OSError, RuntimeError):  # RuntimeError: links in a ring
        return ()
