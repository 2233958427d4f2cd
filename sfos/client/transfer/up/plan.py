"""The plan of an upload: local folders beside remote ones, level by level, before a byte of content is read.

Nothing is done here but looking, asking and deciding: folders that are missing are for the steps of the plan to make,
before those with files for them, which are put by folder and not by path. What is there already is settled by the
policy; what is the same by size and time is left alone, as rsync does.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import msgspec

from sfos.client.errors import Cancelled, KindUnknown
from sfos.client.local.scan import (
    MODE_BITS,
    Found,
    LeftOut,
    LocalEntry,
    LocalProblem,
    is_hidden,
    look_at,
    scan_folder,
)
from sfos.client.transfer.conflicts import Answers, Conflicts
from sfos.client.transfer.events import Direction, ItemState, OnConflict
from sfos.client.transfer.ledger import Row
from sfos.client.transfer.run import Run
from sfos.client.transfer.up.files import AttributesToSend, FileToSend, PathToMake, Step, mode_of
from sfos.client.transfer.up.folders import RemoteFolders, Wanted
from sfos.client.transfer.up.remote_folder import RemoteFolder
from sfos.protocol import (
    MUST_NOT_EXIST,
    OTHER_KIND,
    Entry,
    FolderEntries,
    IsAFolder,
    NotAFolder,
    NotFound,
    Ref,
    Revision,
    SfosError,
    SpaceInfo,
)

_FEW_ROOTS = 16  # so many names are asked for one by one; for more, the folder is listed
_FILES_AT_ONCE = 1_000
_WINDOWS = sys.platform == "win32"


class Root(msgspec.Struct, frozen=True):
    """One thing to upload: into which folder, under which name. `row`: when it is tried again."""

    local: Path
    parent: RemoteFolder
    name: str | None = None
    row: Row | None = None


class UploadPlanner:
    """Plans for one run of a job. In the job's own thread."""

    def __init__(
        self,
        run: Run,
        space: SpaceInfo,
        answers: Answers,
        *,
        follow_symlinks: bool,
        checksum: bool = False,
        hidden: bool = True,
    ) -> None:
        self._api = run.session.space(space)
        self._ledger = run.ledger
        self._switch = run.switch
        self._conflicts = Conflicts(Direction.UPLOAD, answers, run.switch, space, checksum=checksum)
        self._follow = follow_symlinks
        self._checksum = checksum
        self._left_out = None if hidden else is_hidden  # of what is in a folder
        self._attributes: list[AttributesToSend] = []  # of the next step, as the files
        self._files: list[FileToSend] = []
        self._folders = RemoteFolders(self._api, run.ledger, follow_symlinks=follow_symlinks, found=self._folder_found)

    def _destination(self, folder: str | Ref | Entry) -> tuple[int | PathToMake, str]:
        """The folder to upload into, and its path. Raises: NotAFolder, TreeError."""
        if isinstance(folder, Entry):
            return folder.node, folder.path or "/"
        ref = Ref(path=folder) if isinstance(folder, str) else folder
        try:
            entry = self._api.stat(ref)
        except NotFound:
            if ref.path is None:
                raise
            return PathToMake(ref.path), ref.path
        if entry.kind != "folder":
            raise NotAFolder(subject=entry.path)
        return entry.node, entry.path or "/"

    def _roots(self, paths: Sequence[Path], folder: str | Ref | Entry, rename_to: str | None) -> list[Root]:
        """Roots that were asked for. Raises: what the server says of the folder."""
        node, path = self._destination(folder)
        parts: Sequence[FolderEntries] | None = None
        if isinstance(node, PathToMake):
            parts = ()
        elif len(paths) > _FEW_ROOTS:
            (listing,) = self._api.list_folders([Ref(node=node)])
            if listing.error is not None:
                raise listing.error
            parts = listing.columns
        parent = RemoteFolder(self._api, node, path, parts)
        return [Root(local, parent, rename_to) for local in paths]

    def _roots_again(self, rows: Sequence[Row], folder: str | Ref | Entry) -> list[Root]:
        """Roots that failed, with the folders where they were to go."""
        roots: list[Root] = []
        node, path = self._destination(folder)
        nodes: dict[str, int | PathToMake] = {path.rstrip("/"): node}
        for row in rows:
            above, _, name = row.remote.rpartition("/")
            if above not in nodes:
                nodes[above] = self._destination(above or "/")[0]
            parts = () if isinstance(nodes[above], PathToMake) else None
            roots.append(Root(row.local, RemoteFolder(self._api, nodes[above], above or "/", parts), name, row))
        return roots

    def plan(self, paths: Sequence[Path], folder: str | Ref | Entry, rename_to: str | None) -> Iterator[Step]:
        """Steps towards what was asked for, of a good deal each. The content of a missing folder is planned when the
        step with that folder has been done; nothing is, if its row says that it could not be made.

        Raises: Cancelled; what the server says of the folder; ConnectionFailed and the like, which end the job.
        """
        yield from self._plan(self._roots(paths, folder, rename_to))

    def plan_again(self, rows: Sequence[Row], folder: str | Ref | Entry) -> Iterator[Step]:
        """Plan anew for the items that failed."""
        yield from self._plan(self._roots_again(rows, folder))

    def _next_step(self) -> Iterator[Step]:
        """The next step: the files taken since the last one, and attributes, if there are any."""
        if self._files or self._attributes:
            files, self._files = self._files, []
            attributes, self._attributes = self._attributes, []
            yield Step(files=files, attributes=attributes)

    def _plan(self, roots: Sequence[Root]) -> Iterator[Step]:
        paths = list(dict.fromkeys([node for root in roots if isinstance(node := root.parent.node, PathToMake)]))
        if paths:
            yield Step(folders=paths)
        level: list[Wanted] = []
        for root in roots:
            found = look_at(root.local, follow_symlinks=self._follow, name=root.name)
            self._take(found, root.parent, root.row, level)
            if not root.parent.is_listed:  # the next one is a question to the server: connect meanwhile
                yield from self._next_step()
        yield from self._next_step()
        while level:
            below: list[Wanted] = []
            for local, remote in self._folders.matching(level):
                yield from self._plan_folder(local, remote, below)
            yield from self._next_step()
            missing = self._folders.missing()
            if missing:
                yield Step(folders=[folder for folder, _ in missing])
            for folder, remote in missing:
                if folder.row.state is not ItemState.FAILED:
                    yield from self._plan_folder(folder.local, remote, below)
            level = below

    def _plan_folder(self, local: LocalEntry, remote: RemoteFolder, below: list[Wanted]) -> Iterator[Step]:
        self._switch.wait_open()
        scanned = self._scan(local.path, remote)
        while some := list(islice(scanned, _FILES_AT_ONCE)):
            self._take_some(some, remote, below)
            yield from self._next_step()

    def _scan(self, folder: Path, remote: RemoteFolder) -> Iterator[Found]:
        """Content of a local folder, without the files that are the same on both sides: those are done with here.

        They are most of what there is, and this is all that is spent on each.
        """
        follow, holds, left_out = self._follow, remote.holds, self._left_out
        if remote.is_empty or self._checksum:
            yield from scan_folder(folder, follow_symlinks=follow, settled=left_out)
            return
        leaves: list[str] = []
        sizes: list[int] = []

        def settled(listed: os.DirEntry[str]) -> bool:
            if _WINDOWS:  # where a name may stand for another
                return False
            try:
                status = listed.stat(follow_symlinks=follow)
            except OSError:
                return False  # to be looked at again, and told of
            name, size = listed.name, status.st_size
            mode = status.st_mode
            if not holds(name, size, status.st_mtime_ns, mode & MODE_BITS) or not stat.S_ISREG(mode):
                return False
            leaves.append(name)
            sizes.append(size)
            return True

        def left_out_or_settled(listed: os.DirEntry[str]) -> bool:
            return is_hidden(listed) or settled(listed)

        passed_over = settled if left_out is None else left_out_or_settled
        yield from scan_folder(folder, follow_symlinks=follow, settled=passed_over)
        if leaves:
            self._ledger.add_unchanged(folder, remote.path_of(""), leaves, sizes)

    def _take_some(
        self,
        some: Sequence[Found],
        remote: RemoteFolder,
        folders: list[Wanted],
    ) -> None:
        """As `_take`, with a short way for files that go where nothing is yet."""
        files: list[LocalEntry] = []
        for found in some:
            if remote.is_empty and isinstance(found, LocalEntry) and found.kind == "file":
                files.append(found)
            else:
                self._take(found, remote, None, folders)
        if not files:
            return
        named = [(file.leaf, file.name, file.stamp.size) for file in files]
        rows = self._ledger.add_files(files[0].folder, remote.path_of(""), named)
        revision = None if self._conflicts.replaces else MUST_NOT_EXIST
        node = remote.node
        self._files += [FileToSend(row, file, node, file.name, revision) for row, file in zip(rows, files, strict=True)]

    def _take(
        self,
        found: Found,
        remote: RemoteFolder,
        row: Row | None,
        folders: list[Wanted],
    ) -> None:
        path = remote.path_of(found.name)
        if isinstance(found, LocalProblem):
            if row is None and found.is_scanned:  # tried again, it goes where this folder goes
                row = self._ledger.add(found.path, remote.path, "folder", 0)
            row = row or self._ledger.add(found.path, path, "file", 0)
            self._ledger.end_anew(row, ItemState.FAILED, found.error)
        elif isinstance(found, LeftOut):
            row = row or self._ledger.add(found.path, path, "file", 0)
            self._ledger.end_anew(row, ItemState.SKIPPED)
            self._ledger.remark(row, found.reason)
        elif found.kind == "folder":
            folders.append((found, remote, row))
        else:
            size = found.stamp.size if found.kind == "file" else 0
            if row is None:
                row = self._ledger.add(found.folder, path, found.kind, size, leaf=found.leaf)
            else:
                self._ledger.again(row, size)
            try:
                self._decide(found, remote, row)
            except SfosError as error:
                if isinstance(error, Cancelled) or error.retryable:
                    raise
                self._ledger.end_anew(row, ItemState.FAILED, error)

    # ── conflicts ───────────────────────────────────────────────────────────────────────────────────────────────

    def _decide(self, local: LocalEntry, remote: RemoteFolder, row: Row) -> None:
        there = remote.find(local.name)
        if there is None:
            self._add(row, local, remote, local.name, None if self._conflicts.replaces else MUST_NOT_EXIST)
            return
        if there.kind == OTHER_KIND:
            raise KindUnknown(subject=row.remote)
        if there.kind == "folder":
            raise IsAFolder("On the server a folder has this name.", subject=row.remote)
        if self._same(local, there):
            if not self._compare_attributes(local, there, lambda: row):
                self._ledger.end(row, ItemState.UNCHANGED)
            return
        stamp = local.stamp
        choice, seen = self._conflicts.settle(local.name, local.path, stamp.size, stamp.mtime_ns, there, row.remote)
        if choice is OnConflict.REPLACE:
            # Who was asked has seen this version; who said "replace" beforehand means whatever is there.
            self._add(row, local, remote, there.name, there.revision if seen else None, there)
        elif choice is OnConflict.KEEP_BOTH:
            self._add(row, local, remote, remote.free_name(local.name), MUST_NOT_EXIST, there)
        else:
            self._ledger.end(row, ItemState.SKIPPED)

    def _folder_found(self, local: LocalEntry, there: Entry, path: str, row: Row | None) -> None:
        """Take a folder that is on both sides: no item of the job, unless it is tried again, or its mode differs."""
        if row is not None:
            self._ledger.again(row, 0)
        differs = self._compare_attributes(local, there, lambda: row or self._ledger.add(local.path, path, "folder", 0))
        if row is not None and not differs:
            self._ledger.end(row, ItemState.DONE)

    def _compare_attributes(self, local: LocalEntry, there: Entry, row: Callable[[], Row]) -> bool:
        """Whether its mode is to be sent, for there is another one with the same content."""
        mode = mode_of(local)
        if mode is None or not self._conflicts.overrides or (there.attrs is not None and there.attrs.mode == mode):
            return False
        self._attributes.append(AttributesToSend(row(), there.node, there.revision, mode))
        return True

    def _same(self, local: LocalEntry, there: Entry) -> bool:
        if local.kind != there.kind:
            return False
        if local.kind == "symlink":
            return there.attrs is not None and there.attrs.link == local.link
        stamp = local.stamp
        return self._conflicts.same_file(local.path, stamp.size, stamp.mtime_ns, there, follow_symlinks=self._follow)

    def _add(
        self,
        row: Row,
        local: LocalEntry,
        remote: RemoteFolder,
        name: str,
        if_revision: Revision | None,
        earlier: Entry | None = None,
    ) -> None:
        if name != local.name:
            row.remote = remote.path_of(name)
        self._files.append(FileToSend(row, local, remote.node, name, if_revision, earlier))
