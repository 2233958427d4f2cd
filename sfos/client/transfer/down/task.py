"""A download from its plan to its last rename."""

from __future__ import annotations

import logging
import stat
from collections.abc import Sequence
from pathlib import Path

from sfos.client.errors import Cancelled, LocalAccess, LocalDiskFull, LocalFileError
from sfos.client.local.writing import Destination
from sfos.client.transfer.conflicts import Answers
from sfos.client.transfer.down.plan import DownloadFile, DownloadPlanner, Root, Roots
from sfos.client.transfer.down.source import DownloadWork, is_small
from sfos.client.transfer.events import ConflictPolicy, ItemState
from sfos.client.transfer.ledger import Ledger, Row
from sfos.client.transfer.run import Run, run_lanes
from sfos.protocol import BadChunk, Entry, SfosError, chunk_id, printable

_log = logging.getLogger(__name__)

_ENTERED = stat.S_IWUSR | stat.S_IXUSR  # what a folder needs for its owner to put something into it
_WINDOW = 4  # requests under way on a connection; more only fill buffers (the rule allows 64 KiB of them)


class DownloadTask:
    """See `Task`."""

    def __init__(
        self, entries: Sequence[Entry], folder: Path, policy: ConflictPolicy, rename_to: str | None, checksum: bool
    ) -> None:
        self._entries = tuple(entries)
        self._folder = folder
        self._answers = Answers(policy)
        self._rename_to = rename_to
        self._checksum = checksum
        self._roots = Roots()
        self._made: dict[tuple[str, ...], Entry] = {}  # folders, outer ones first; over all runs of the job

    def first_row(self, ledger: Ledger) -> Row:
        """See `Task`."""
        name = self._entries[0].path or self._entries[0].name if self._entries else ""
        return ledger.add(self._folder, printable(name), "folder", 0)

    def run(self, run: Run, again: list[Row]) -> None:
        """See `Task`."""
        destination = Destination(self._folder)
        try:
            self._run(run, again, destination)
        finally:
            destination.close()

    def _run(self, run: Run, again: list[Row], destination: Destination) -> None:
        space = run.session.info.home
        first_roots = [Root(entry, name=self._rename_to) for entry in self._entries]
        if not again:
            self._roots = Roots()
        work = DownloadWork(space, run.ledger, run.switch, destination, fsync_small=run.options.fsync_small_downloads)
        room = _Room(work, destination)
        planner = DownloadPlanner(
            run.session.api,
            space,
            run.ledger,
            run.switch,
            self._answers,
            destination,
            work.expect,
            room.begin,
            self._roots,
            checksum=self._checksum,
        )

        def plan() -> None:
            planner.plan(self._roots_again(planner, again) if again else first_roots)
            run.ledger.set_planned(True)
            fetched = [file for file in planner.files if not self._made_here(run, destination, file)]
            room.check(fetched)
            work.add(fetched)
            work.planned()

        cancelled = complete = False
        try:
            with run.switch.breaking(work.wake):
                run_lanes(run, work, run.options.connections, min(run.options.depth, _WINDOW), plan)
            complete = True
        except Cancelled:
            cancelled = True
            raise
        finally:
            work.close(remove_partials=cancelled and not run.switch.interrupted)
            self._made.update(planner.folders)
            self._finish_folders(destination, complete=complete and not run.ledger.has_failures)

    def _finish_folders(self, destination: Destination, *, complete: bool) -> None:
        """Give the folders that this job made their times and modes, however a run of it has ended.

        Unless it is `complete`: none that would keep out what is still to come.
        """
        for names, entry in reversed(self._made.items()):  # inner ones first, for their times to stay
            attrs = entry.attrs
            if not complete and attrs is not None and (attrs.mode or 0) & _ENTERED != _ENTERED:
                attrs = None
            try:
                with destination.folder(names) as folder:
                    folder.set_attributes(attrs, entry.mtime_ns)
            except LocalFileError as error:  # somebody has put something else there
                _log.debug("attributes of %s: %s", names, error)

    def _roots_again(self, planner: DownloadPlanner, again: list[Row]) -> list[Root]:
        roots: list[Root] = []
        for row in again:
            root = self._roots.get(row)
            assert root is not None  # the job was planned to its end
            roots.append(Root(root.entry, root.folder, root.name, row))
        return planner.refreshed(roots)

    def _made_here(self, run: Run, destination: Destination, file: DownloadFile) -> bool:
        """Links and empty files: whether it is one, and is dealt with."""
        if file.entry.kind == "file" and file.entry.size:
            return False
        run.switch.wait_open()
        try:
            with destination.folder(file.folder) as folder:
                if file.entry.kind == "symlink":
                    if file.entry.attrs is None or not file.entry.attrs.link:
                        raise LocalAccess("The server does not say where this link points.", subject=file.row.remote)
                    folder.make_link(file.partial, file.entry.attrs.link)
                else:
                    if file.content != chunk_id(run.session.info.home.chunk_key, b""):
                        raise BadChunk(subject=file.row.remote)
                    folder.write_file(
                        file.partial, memoryview(b""), file.entry.attrs, file.entry.mtime_ns, durable=False
                    )
                folder.place(file.partial, file.name, replace=file.replace)
        except SfosError as error:
            run.ledger.end(file.row, ItemState.FAILED, error)
        else:
            run.ledger.end(file.row, ItemState.DONE)
        return True

    def clean_up(self) -> None:
        """Partial files were removed where they were open."""


class _Room:
    """What the disk has room for: a file is begun only if all that is known of by then fits. Better now than after
    hours."""

    def __init__(self, work: DownloadWork, destination: Destination) -> None:
        self._work = work
        self._destination = destination
        self._free = destination.free_bytes()
        self._begun = 0

    def begin(self, files: list[DownloadFile]) -> list[DownloadFile]:
        """Fetch small ones while others are still planned; returns what is for later.

        Only what goes into folders that this download makes: whoever answers a question by cancelling finds everything
        that was there as it was.
        """
        now = [file for file in files if file.entry.size and is_small(file)]
        size = sum([file.entry.size for file in now])
        if self._free is not None and self._begun + size > self._free:
            return files
        self._begun += size
        self._work.add(now)
        return [] if len(now) == len(files) else [file for file in files if not file.entry.size or not is_small(file)]

    def check(self, files: Sequence[DownloadFile]) -> None:
        """Whether these fit too. What an interrupted download has left counts as come. Raises: LocalDiskFull."""
        needed = self._begun + sum(file.entry.size for file in files)
        if self._free is None or needed <= self._free:
            return
        needed -= sum(_bytes_left_over(self._destination, file) for file in files if not is_small(file))
        if needed > self._free:
            raise LocalDiskFull(
                f"{needed:,} bytes are to come, and the disk of this computer has {self._free:,} bytes left.",
                subject=str(self._destination.root),
            )


def _bytes_left_over(destination: Destination, file: DownloadFile) -> int:
    with destination.folder(file.folder) as folder:
        found = folder.look(file.partial)
    return 0 if found is None else min(getattr(found, "st_blocks", 0) * 512, file.entry.size)
