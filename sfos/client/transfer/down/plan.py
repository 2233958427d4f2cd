"""The plan of a download: remote folders walked, local ones made, conflicts settled, before a byte of content comes.

Nothing that the server sends is trusted to name a place: each name becomes one checked component, and two of them that
mean the same file are an error of the second.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from sfos.client.errors import Cancelled, KindUnknown, LocalFileError
from sfos.client.local.chunking import Stamp, nearest_time_ns
from sfos.client.local.destination import Destination
from sfos.client.local.left_over import LeftOver
from sfos.client.local.names import all_plain, numbered, to_local
from sfos.client.local.writing import NOTHING, LocalFolder
from sfos.client.transfer.conflicts import Answers, Conflicts
from sfos.client.transfer.down.files import AttributesToSet, FileToFetch, FolderToMake, Step
from sfos.client.transfer.down.roots import Root, Roots
from sfos.client.transfer.events import Direction, ItemState, OnConflict
from sfos.client.transfer.ledger import Row
from sfos.client.transfer.run import Run
from sfos.protocol import (
    OTHER_KIND,
    ROOT_NODE,
    AlreadyExists,
    Entry,
    IsAFolder,
    NameNotAllowed,
    Ref,
    RemoteProtocolError,
    SfosError,
    SpaceInfo,
    fold_name,
    printable,
)

_MOST_NUMBERS = 1000
_PERMISSIONS = 0o777
_WINDOWS = sys.platform == "win32"


class DownloadPlanner:
    """Plans for one run of a job. In the job's own thread."""

    def __init__(
        self,
        run: Run,
        space: SpaceInfo,
        answers: Answers,
        destination: Destination,
        roots: Roots,
        *,
        checksum: bool = False,
    ) -> None:
        """`roots` is told how each row can be tried again."""
        self._api = run.session.space(space)
        self._ledger = run.ledger
        self._switch = run.switch
        self._conflicts = Conflicts(Direction.DOWNLOAD, answers, run.switch, space, checksum=checksum)
        self._destination = destination
        self._checksum = checksum
        self._taken: dict[tuple[str, ...], set[bytes]] = {}
        self._closed: set[int] = set()  # remote folders that have no place here
        self._folders: list[FolderToMake] = []  # of the next step
        self._files: list[FileToFetch] = []  # of the next step: those that go where nothing is yet
        self._others: list[FileToFetch] = []  # of the last step, and those attributes
        self._attributes: list[AttributesToSet] = []
        self._announced = False
        self._missing: set[tuple[str, ...]] = set()  # local folders that were not there when they were planned
        self._roots = roots

    def plan(self, roots: Sequence[Root]) -> Iterator[Step]:
        """Steps towards what was asked for. Files that may replace something are in the last one: whoever answers a
        question by cancelling finds everything that was there as it was. The content of a missing folder is planned
        when the step with that folder has been done; nothing is, if its row says that it could not be made.

        Raises: Cancelled; ConnectionFailed and the like, which end the job.
        """
        left_over: dict[tuple[str, ...], LeftOver] = {}
        for root in roots:
            self._switch.wait_open()
            remote = root.entry.path or root.entry.name
            if root.row is not None:
                self._ledger.again(root.row, max(0, root.entry.size))
            if root.entry.kind == "folder":
                yield from self._walk(root, remote)
            else:
                with self._destination.look_in(root.folder) as opened:
                    if opened is not None:
                        if root.folder not in left_over:
                            left_over[root.folder] = LeftOver(opened)
                        left_over[root.folder].remove_others(root.entry.content or b"", root.name or root.entry.name)
                    self._take(root.entry, remote, root.folder, opened, root.name, root.row)
                yield from self._next_step()
        if self._others or self._attributes:
            yield Step(files=self._others, attributes=self._attributes)

    def _next_step(self) -> Iterator[Step]:
        """Whatever was taken since the last step, if there is anything; or the word that there will be."""
        if self._folders or self._files or (self._others and not self._announced):
            folders, self._folders = self._folders, []
            files, self._files = self._files, []
            self._announced = True
            yield Step(folders, files)
            self._closed.update(folder.entry.node for folder in folders if folder.row.state is ItemState.FAILED)

    def plan_again(self, rows: Sequence[Row]) -> Iterator[Step]:
        """Plan anew for the items that failed, as they are on the server now."""
        roots: list[Root] = []
        for row in rows:
            root = self._roots.get(row)
            assert root is not None  # the job was planned to its end
            roots.append(Root(root.entry, root.folder, root.name, row))
        yield from self.plan(self._refreshed(roots))

    # ── folders ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _walk(self, root: Root, remote: str) -> Iterator[Step]:
        local_of: dict[tuple[str, ...], tuple[str, ...]] = {}
        base = self._enter(root.entry, remote, root.folder, root.name, root.row)
        yield from self._next_step()
        if base is None or root.entry.node in self._closed:
            return
        local_of[()] = base
        # A folder that cannot be made here is not entered: neither it nor anything in it has a place.
        for listing in self._api.walk(root.entry, follow=lambda node: node not in self._closed):
            self._switch.wait_open()
            folder = local_of.get(listing.path)
            if folder is None:
                continue
            path = "/".join((remote.rstrip("/"), *listing.path))
            if listing.error is not None:
                self._problem(Root(root.entry, root.folder, root.name), path, folder, "folder", listing.error)
                continue
            with self._destination.look_in(folder) as opened:
                if opened is not None and folder not in self._missing:
                    left = LeftOver(opened)
                    for entry in listing.entries if left.is_any else ():
                        left.remove_others(entry.content or b"", entry.name)
                for entry in self._take_together(listing.entries, path, folder, opened):
                    if entry.kind != "folder":
                        self._take(entry, f"{path}/{entry.name}", folder, opened, None, None)
            yield from self._next_step()
            for entry in listing.entries:
                if entry.kind == "folder":
                    local = self._enter(entry, f"{path}/{entry.name}", folder, None, None)
                    if local is not None:
                        local_of[(*listing.path, entry.name)] = local
            if folder:  # nothing more comes into it; into the first one, other roots do
                self._taken.pop(folder, None)
                local_of.pop(listing.path, None)
            yield from self._next_step()

    def _enter(
        self, entry: Entry, remote: str, above: tuple[str, ...], name: str | None, row: Row | None
    ) -> tuple[str, ...] | None:
        """The local folder for a remote one, which is there or to be made; None if there can be none."""
        root = Root(entry, above, name)
        try:
            whole_space = (
                entry.node == ROOT_NODE and name is None
            )  # the root has no name: its contents come as they are
            local = above if whole_space else (*above, self._local_name(entry, above, name))
            with self._destination.look_in(local) as opened:
                is_missing = opened is None
                there = opened.status() if opened is not None and not whole_space else None
        except SfosError as error:
            self._closed.add(entry.node)
            self._problem(root, remote, above, "folder", error, row)
            return None
        if is_missing:
            row = row or self._ledger.add(self._destination.root.joinpath(*local), remote, "folder", 0)
            self._roots.add(row, root)
            self._missing.add(local)
            self._folders.append(FolderToMake(row, entry, local))
            return local
        differs = there is not None and self._compare_attributes(
            entry,
            there,
            lambda mode: AttributesToSet(
                row or self._ledger.add(self._destination.root.joinpath(*local), remote, "folder", 0),
                local,
                "",
                Stamp.of(there),
                mode,
                is_folder=True,
            ),
        )
        if row is not None and not differs:
            self._ledger.end(row, ItemState.DONE)
        return local

    def _local_name(self, entry: Entry, folder: tuple[str, ...], name: str | None) -> str:
        local = to_local(name if name is not None else entry.name)
        taken = self._taken.setdefault(folder, set())
        folded = fold_name(local)
        if folded in taken:
            raise NameNotAllowed("Two things of this name would end up in one folder.", subject=printable(local))
        taken.add(folded)
        return local

    def _problem(
        self,
        root: Root,
        remote: str,
        folder: tuple[str, ...],
        kind: str,
        error: SfosError,
        row: Row | None = None,
    ) -> None:
        if isinstance(error, Cancelled) or error.retryable:
            raise error
        local = self._destination.root.joinpath(*folder)
        row = row or self._ledger.add(local, printable(remote), kind, 0)
        self._roots.add(row, root)
        self._ledger.end(row, ItemState.FAILED, error)

    # ── files ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _take_together(
        self, entries: Sequence[Entry], remote: str, folder: tuple[str, ...], opened: LocalFolder | None
    ) -> Sequence[Entry]:
        """The short way for files of a folder where nothing is the matter with any name: those that are the same here,
        or all of them, if nothing was in the folder before this download. Returns what is left for the long way.
        """
        if _WINDOWS or self._taken.get(folder) or not all_plain([entry.name for entry in entries]):
            return entries
        files = [entry for entry in entries if entry.kind == "file" and entry.content is not None and entry.size >= 0]
        seen = self._seen(folder, opened)
        if seen is not None:
            files = [] if self._checksum else [entry for entry in files if _is_here(entry, seen)]
        if not files:
            return entries
        above = printable(remote) + "/"
        if seen is None:
            self._add_new(files, above, folder)
        else:
            names, sizes = [entry.name for entry in files], [entry.size for entry in files]
            self._ledger.add_unchanged(seen.path, above, names, sizes)
        # As `fold_name` has them, which for plain names are but small letters.
        self._taken[folder] = {entry.name.lower().encode() for entry in files}
        nodes = {entry.node for entry in files}
        return [entry for entry in entries if entry.node not in nodes]

    def _seen(self, folder: tuple[str, ...], opened: LocalFolder | None) -> LocalFolder | None:
        """The folder as others left it; None if what is in it by now is of this download."""
        return None if folder in self._missing else opened

    def _add_new(self, files: Sequence[Entry], above: str, folder: tuple[str, ...]) -> None:
        path = self._destination.root.joinpath(*folder)
        rows = self._ledger.add_files(path, above, [(entry.name, entry.name, entry.size) for entry in files])
        self._roots.add_run(rows[0], files, folder)
        over = self._over_unseen
        self._files += [
            FileToFetch(row, entry, folder, entry.name, over) for row, entry in zip(rows, files, strict=True)
        ]

    @property
    def _over_unseen(self) -> Stamp | None:
        """The precondition where nothing was seen: who said "replace" beforehand means whatever is there by then."""
        return None if self._conflicts.replaces else NOTHING

    def _take(
        self,
        entry: Entry,
        remote: str,
        folder: tuple[str, ...],
        opened: LocalFolder | None,
        name: str | None,
        row: Row | None,
    ) -> None:
        if row is None:
            shown = printable(name if name is not None else entry.name)
            size = max(0, entry.size) if entry.kind == "file" else 0
            path = self._destination.root.joinpath(*folder)
            row = self._ledger.add(path, printable(remote), entry.kind, size, leaf=shown)
        self._roots.add(row, Root(entry, folder, name))
        try:
            local = self._local_name(entry, folder, name)
            if entry.kind == OTHER_KIND:
                raise KindUnknown(subject=printable(remote))
            if entry.kind == "file" and (entry.content is None or entry.size < 0):
                raise RemoteProtocolError("The server does not say what is in this file.")
            self._decide(entry, remote, folder, opened, local, row)
        except SfosError as error:
            self._problem(Root(entry, folder, name), remote, folder, entry.kind, error, row)

    def _decide(
        self, entry: Entry, remote: str, folder: tuple[str, ...], opened: LocalFolder | None, name: str, row: Row
    ) -> None:
        seen = self._seen(folder, opened)
        there = seen.look(name) if seen is not None else None
        over = self._over_unseen
        if seen is not None and there is not None:
            path = seen.path / name
            if stat.S_ISDIR(there.st_mode):
                raise IsAFolder("A folder of this name is here.", subject=str(path))
            if self._same(entry, there, path):
                if not stat.S_ISREG(there.st_mode) or not self._compare_attributes(
                    entry,
                    there,
                    lambda mode: AttributesToSet(row, folder, name, Stamp.of(there), mode),
                    row,
                ):
                    self._ledger.end(row, ItemState.UNCHANGED)
                    self._roots.forget(row)
                return
            choice, was_looked_at = self._conflicts.settle(
                name, path, there.st_size, there.st_mtime_ns, entry, printable(remote)
            )
            if choice is OnConflict.SKIP:
                self._ledger.end(row, ItemState.SKIPPED)
                return
            over = Stamp.of(there) if was_looked_at else None  # else as above: it was said beforehand
            if choice is OnConflict.KEEP_BOTH:
                name, over = self._free_name(seen, folder, name), NOTHING
                row.leaf = name
        self._others.append(FileToFetch(row, entry, folder, name, over))

    def _compare_attributes(
        self,
        entry: Entry,
        there: os.stat_result,
        change: Callable[[int], AttributesToSet],
        row: Row | None = None,
    ) -> bool:
        """Whether the mode of what is here is to be set, for another one comes with the same content.

        Without a word of the person, only what closes: bits of the group and of others that the server does not have.
        What else differs, somebody here may have wanted so. `row`: by which that is told.
        """
        mode = entry.attrs.mode if entry.attrs is not None else None
        here = there.st_mode & _PERMISSIONS
        if _WINDOWS or mode is None or mode & _PERMISSIONS == here or self._conflicts.skips:
            return False
        mode &= _PERMISSIONS
        if not self._conflicts.replaces and not _only_closes(here, mode):
            if row is not None:
                self._ledger.remark(row, f"Its mode is {here:04o} here and {mode:04o} on the server; it was left so.")
            return False
        self._attributes.append(change(mode))
        return True

    def _same(self, entry: Entry, there: os.stat_result, path: Path) -> bool:
        if entry.kind == "symlink":
            is_link = stat.S_ISLNK(there.st_mode)
            return is_link and entry.attrs is not None and str(path.readlink()) == entry.attrs.link
        if not stat.S_ISREG(there.st_mode):
            return False
        return self._conflicts.same_file(path, there.st_size, there.st_mtime_ns, entry)

    def _free_name(self, opened: LocalFolder, folder: tuple[str, ...], name: str) -> str:
        taken = self._taken.setdefault(folder, set())
        for number in range(2, _MOST_NUMBERS):
            candidate = numbered(name, number)
            if fold_name(candidate) not in taken and opened.look(candidate) is None:
                taken.add(fold_name(candidate))
                return candidate
        raise AlreadyExists(subject=name)

    def _refreshed(self, roots: Sequence[Root]) -> list[Root]:
        """Roots that failed, as they are on the server now."""
        again: list[Root] = []
        for root in roots:
            try:
                entry = self._api.stat(Ref(node=root.entry.node))
            except SfosError as error:
                assert root.row is not None
                if error.retryable:
                    raise
                self._ledger.again(root.row, root.row.size)
                self._roots.add(root.row, root)
                self._ledger.end(root.row, ItemState.FAILED, error)
            else:
                again.append(Root(entry, root.folder, root.name, root.row))
        return again


def _only_closes(here: int, coming: int) -> bool:
    """Whether the coming mode is the one here without some bits of the group and of others."""
    return not coming & ~here and not (here & ~coming) & stat.S_IRWXU


def _is_here(entry: Entry, folder: LocalFolder) -> bool:
    """Whether a file of this name, size and time is in the folder."""
    try:
        there = folder.look(entry.name)
    except LocalFileError:
        return False  # to be looked at again, and told of
    if there is None or there.st_size != entry.size:
        return False
    mode = entry.attrs.mode if entry.attrs is not None and not _WINDOWS else None
    if mode is not None and (mode ^ there.st_mode) & _PERMISSIONS:
        return False
    if there.st_mtime_ns != entry.mtime_ns and nearest_time_ns(there.st_mtime_ns) != entry.mtime_ns:
        return False
    return stat.S_ISREG(there.st_mode)
