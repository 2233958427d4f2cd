"""Fetching files that a plan has decided about.

Lanes ask for chunks (`queue`), check each by its name, and write it where it belongs (`arrivals`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sfos.client.errors import Cancelled, LocalAccess, LocalDiskFull, LocalFileError
from sfos.client.local.destination import Destination
from sfos.client.transfer.down.arrivals import Arrivals
from sfos.client.transfer.down.files import AttributesToSet, FileToFetch, FolderToMake, Step
from sfos.client.transfer.down.queue import FetchQueue
from sfos.client.transfer.events import ItemState
from sfos.client.transfer.lane import lanes
from sfos.client.transfer.run import Run
from sfos.protocol import MIN_CHUNK_BYTES, BadChunk, SfosError, SpaceInfo, chunk_id


class Fetcher:
    """Fetches files out of one space, once. What becomes of each is in the books of the run."""

    def __init__(self, run: Run, space: SpaceInfo, destination: Destination) -> None:
        self._run = run
        self._destination = destination
        api = run.session.space(space)
        self._arrivals = Arrivals(
            api, run.ledger, run.switch, destination, fsync_small=run.options.fsync_small_downloads
        )
        self._queue = FetchQueue(self._arrivals, run.switch)
        self._free_bytes = destination.free_bytes()
        self._begun_bytes = 0

        self.made: list[FolderToMake] = []
        """Folders that were not there before, outer ones first. Their times and modes are still to be set."""

    def fetch(self, plan: Iterable[Step]) -> None:
        """Make the folders and fetch the files of all steps of `plan`: small ones at once, others when it has come to
        its end.

        A file is begun only if all that is known of by then fits the disk: better now than after hours. One of which a
        precondition does not hold fails alone: LocalChanged or AlreadyExists here, unless the very content is in its
        place already, whoever put it there; what the server says of a content that it no longer gives. Parts of large
        files stay for the next time, unless this is cancelled for good.
        Blocks. Raises: Cancelled; LocalDiskFull; what `plan` raises; an error that concerns all that is left.
        """
        run, cancelled = self._run, False
        try:
            with lanes(run, self._queue):
                held: list[FileToFetch] = []
                attributes: list[AttributesToSet] = []
                for step in plan:
                    self._queue.expect()
                    for folder in step.folders:
                        self._make_folder(folder)
                    held += self._begin(step.files)
                    attributes += step.attributes
                run.ledger.set_planned(True)
                self._check_room(held)
                self._queue.add([file for file in held if file.needs_server])
                for file in held:
                    if not file.needs_server:
                        run.switch.wait_open()
                        self._make(file)
                self._queue.planned()
            for change in attributes:
                self._set_attributes(change)
        except Cancelled:
            cancelled = True
            raise
        finally:
            self._arrivals.close(remove_partials=cancelled and not run.switch.interrupted)

    def _begin(self, files: Sequence[FileToFetch]) -> Sequence[FileToFetch]:
        """Fetch small ones while others are still planned; returns what is for later."""
        now = [file for file in files if file.entry.size <= MIN_CHUNK_BYTES and file.needs_server]
        size = sum([file.entry.size for file in now])
        if self._free_bytes is not None and self._begun_bytes + size > self._free_bytes:
            return files
        self._begun_bytes += size
        self._queue.add(now)
        return [] if len(now) == len(files) else [file for file in files if not (file.is_small and file.needs_server)]

    def _check_room(self, files: Sequence[FileToFetch]) -> None:
        """Whether these fit too. What an interrupted download has left counts as come. Raises: LocalDiskFull."""
        needed = self._begun_bytes + sum(file.entry.size for file in files if file.needs_server)
        if self._free_bytes is None or needed <= self._free_bytes:
            return
        needed -= sum(self._bytes_left_over(file) for file in files if not file.is_small)
        if needed > self._free_bytes:
            raise LocalDiskFull(
                f"{needed:,} bytes are to come, and the disk of this computer has {self._free_bytes:,} bytes left.",
                subject=str(self._destination.root),
            )

    def _bytes_left_over(self, file: FileToFetch) -> int:
        with self._destination.folder(file.folder) as folder:
            found = folder.look(file.partial)
        return 0 if found is None else min(getattr(found, "st_blocks", 0) * 512, file.entry.size)

    def _make_folder(self, folder: FolderToMake) -> None:
        try:
            with self._destination.folder(folder.names):
                pass
        except LocalFileError as error:
            self._run.ledger.end(folder.row, ItemState.FAILED, error)
            return
        if self._destination.was_made(folder.names):
            self.made.append(folder)
        self._run.ledger.end(folder.row, ItemState.DONE)

    def _set_attributes(self, change: AttributesToSet) -> None:
        self._run.switch.check()
        try:
            with self._destination.folder(change.folder) as folder:
                folder.set_mode("" if change.is_folder else change.name, change.stamp, change.mode)
        except LocalFileError as error:
            self._run.ledger.end(change.row, ItemState.FAILED, error)
        else:
            self._run.ledger.end(change.row, ItemState.ATTRIBUTES)

    def _make(self, file: FileToFetch) -> None:
        """A link or an empty file, for which nothing need come."""
        entry = file.entry
        try:
            with self._destination.folder(file.folder) as folder:
                if entry.kind == "symlink":
                    if entry.attrs is None or not entry.attrs.link:
                        raise LocalAccess("The server does not say where this link points.", subject=file.row.remote)
                    folder.make_link(file.partial, entry.attrs.link)
                else:
                    if entry.content != chunk_id(self._arrivals.space.chunk_key, b""):
                        raise BadChunk(subject=file.row.remote)
                    folder.write_file(file.partial, memoryview(b""), entry.attrs, entry.mtime_ns, durable=False)
                self._arrivals.place(folder, file.partial, file)
        except SfosError as error:
            self._run.ledger.end(file.row, ItemState.FAILED, error)
        else:
            self._run.ledger.end(file.row, ItemState.DONE)
