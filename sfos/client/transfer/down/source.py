"""Fetching files: lanes ask for chunks, check each by its name, and write it where it belongs.

    small files    get_chunks for many files at once ─▶ temporary file ─▶ renamed
    larger files   manifest ─▶ get_chunks, on all lanes at once ─▶ written at their places ─▶ fsync ─▶ renamed

Very small files come over lane 0 alone: each takes six calls of the system, and two lanes would hand Python's lock to
and fro at every one of them (measured: a tenth more CPU time for both sides together). Unless the server is far away,
for then two connections ask for more in a round trip. Larger contents are fetched by all lanes.

A large file's partial file outlives a broken transfer: the next one reads it, checks each chunk in it by its name, and
asks only for the others. What the file that it takes the place of has in common with it is copied from there.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import groupby
from operator import attrgetter

from sfos.client.errors import LocalFileError
from sfos.client.local.writing import Destination, LocalFolder, finish_file, local_error, mode_of, write_all
from sfos.client.net.connection import Connection
from sfos.client.transfer.down.exchanges import Manifest, Range, SmallFiles
from sfos.client.transfer.down.local_copy import chunks_in_common
from sfos.client.transfer.down.plan import DownloadFile
from sfos.client.transfer.events import ItemState
from sfos.client.transfer.feed import FAR_S, Exchange, Feed
from sfos.client.transfer.ledger import Ledger, Row
from sfos.client.transfer.switch import Switch
from sfos.protocol import MAX_CHUNK_BYTES, MIN_CHUNK_BYTES, SfosError, SpaceInfo, chunk_id

if sys.platform != "win32":
    import fcntl

# Four requests of so many wants are what may be unanswered while their replies are large (64 KiB). Fewer towards the
# end, so that both sides have something to do to the last.
_SMALL_FILES_AT_ONCE = 335
_LEAST_FILES_AT_ONCE = 75
_SMALL_BYTES_AT_ONCE = 4 * 1024 * 1024
_LARGE_FILES_OPEN = 8
_RANGE_BYTES = MAX_CHUNK_BYTES
# On an average; larger ones take longer to receive, check and copy, which two lanes can do at the same time.
_VERY_SMALL_BYTES = 32 * 1024
# What is less is not worth a second connection.
_SMALL_JOB_BYTES = 1024 * 1024
_SMALL_JOB_FILES = 64


class DownloadWork(Feed):
    """The feed of a download's lanes, and where what they fetch goes. Thread-safe."""

    def __init__(
        self,
        space: SpaceInfo,
        ledger: Ledger,
        switch: Switch,
        destination: Destination,
        *,
        fsync_small: bool,
    ) -> None:
        super().__init__(switch)
        self.space = space
        self._ledger = ledger
        self._destination = destination
        self._fsync_small = fsync_small
        self._small: deque[DownloadFile] = deque()
        self._large: deque[DownloadFile] = deque()
        self._planning = True
        self._expected = False
        self._small_files = self._small_bytes = self._large_bytes = 0
        self._open: list[DownloadFile] = []
        self._returned: deque[Exchange] = deque()
        self._place_lock = threading.Lock()  # where the system cannot write at a place without moving to it

    # ── for the plan ────────────────────────────────────────────────────────────────────────────────────────────────

    def expect(self) -> None:
        """Something is to be fetched: time to connect."""
        if not self._expected:
            with self._changed:
                self._expected = True
                self._changed.notify_all()

    def add(self, files: Sequence[DownloadFile]) -> None:
        """These are to be fetched, and more may come; not links and empty files, which need no server."""
        with self._changed:
            small = [file for file in files if is_small(file)]
            self._small += small
            self._small_files += len(small)
            self._small_bytes += sum([file.entry.size for file in small])
            if len(small) < len(files):
                large = [file for file in files if not is_small(file)]
                self._large += large
                self._large_bytes += sum([file.entry.size for file in large])
            self._changed.notify_all()

    def planned(self) -> None:
        """That was all."""
        with self._changed:
            self._planning = False
            self._changed.notify_all()

    # ── for the lanes (Feed) ────────────────────────────────────────────────────────────────────────────────────

    def connected(self, connection: Connection) -> None:
        """See `Feed`."""
        connection.ask_ahead()
        super().connected(connection)

    def _wants(self, lane: int) -> bool:
        if self._ended():
            return False
        if lane == 0:
            return self._expected
        many = self._small_files > _SMALL_JOB_FILES or self._small_bytes > _SMALL_JOB_BYTES
        return self._large_bytes > _SMALL_JOB_BYTES or (many and self._shares_small)

    @property
    def _shares_small(self) -> bool:
        """Whether all lanes carry small files."""
        return self._handshake_s > FAR_S or self._small_bytes > self._small_files * _VERY_SMALL_BYTES

    def _pick(self, lane: int) -> Exchange | None:
        if self._returned:
            return self._returned.popleft()
        if lane == 0:
            return self._next_small() or self._next_large()
        return self._next_large() or (self._next_small() if self._shares_small else None)

    def _next_small(self) -> Exchange | None:
        files: list[DownloadFile] = []
        total, most = 0, min(max(_LEAST_FILES_AT_ONCE, len(self._small) // 4), _SMALL_FILES_AT_ONCE)
        while self._small and len(files) < most:
            total += self._small[0].entry.size
            if files and total > _SMALL_BYTES_AT_ONCE:
                break
            files.append(self._small.popleft())
        return SmallFiles(self, files) if files else None

    def _next_large(self) -> Exchange | None:
        for file in self._open:
            if not file.over and file.records and (found := self._next_range(file)) is not None:
                return found
        if self._large and len(self._open) < _LARGE_FILES_OPEN:
            file = self._large.popleft()
            file.records = []
            self._open.append(file)
            return Manifest(self, file)
        return None

    def _next_range(self, file: DownloadFile) -> Range | None:
        """The next run of missing chunks that fits one reply; none while the file is not open yet, or all are asked."""
        ordinal, end = file.next_ordinal, len(file.records)
        if file.descriptor is None:
            return None
        while ordinal < end and file.present[ordinal]:
            ordinal += 1
        first, total = ordinal, 0
        while ordinal < end and not file.present[ordinal]:
            total += file.records[ordinal].length
            if ordinal > first and total > _RANGE_BYTES:
                break
            ordinal += 1
        file.next_ordinal = ordinal
        return Range(self, file, first, ordinal - first) if ordinal > first else None

    def _ended(self) -> bool:
        return not (self._planning or self._active or self._small or self._large or self._returned or self._open)

    def _put_back(self, exchange: Exchange) -> None:
        self._returned.appendleft(exchange)

    # ── small files ─────────────────────────────────────────────────────────────────────────────────────────────

    def small_arrived(
        self, files: Sequence[DownloadFile], contents: Iterator[memoryview]
    ) -> tuple[int, SfosError | None]:
        """Write whole files, as long as there are contents: how many, and by which error these came to an end.

        Raises: LocalDiskFull.
        """
        done: list[Row] = []
        arrived = 0
        try:
            for names, together in groupby(files, key=attrgetter("folder")):
                with ExitStack() as use:
                    folder: LocalFolder | SfosError
                    try:
                        folder = use.enter_context(self._destination.folder(names))
                    except SfosError as error:
                        folder = error  # by which each file in it fails
                    for file in together:
                        try:
                            data = next(contents, None)
                        except SfosError as error:
                            return arrived, error
                        if data is None:
                            return arrived, None
                        arrived += 1
                        if self._write_small(file, folder, data):
                            done.append(file.row)
        finally:
            self._ledger.done_all_of(done)
        return arrived, None

    def _write_small(self, file: DownloadFile, folder: LocalFolder | SfosError, data: memoryview) -> bool:
        """Whether the file is in its place. Raises: LocalDiskFull."""
        try:
            if isinstance(folder, SfosError):
                raise folder
            entry, partial = file.entry, file.partial
            folder.write_file(partial, data, entry.attrs, entry.mtime_ns, durable=self._fsync_small)
            folder.place(partial, file.name, replace=file.replace)
        except SfosError as error:
            self.fail(file, error)
            return False
        return True

    # ── large files ─────────────────────────────────────────────────────────────────────────────────────────────

    def manifest_arrived(self, file: DownloadFile) -> None:
        """Open the partial file, and find out what of it is there already. Raises: LocalFileError."""
        file.offsets, at = [], 0
        for record in file.records:
            file.offsets.append(at)
            at += record.length
        self._ledger.begin(file.row)
        descriptor = self._open_partial(file)
        try:
            file.present = self._verify_partial(file, descriptor)
            if file.replace:
                self._take_from_earlier(file, descriptor)
        except BaseException:
            with self._changed:
                file.over, file.descriptor = True, descriptor  # to be closed by whoever clears up
            raise
        file.missing = file.present.count(0)
        file.next_ordinal = 0
        self._ledger.advance(file.row, _bytes_present(file))
        with self._changed:
            file.descriptor = descriptor
            self._changed.notify_all()
        if file.missing == 0:
            self._finish(file)

    def _open_partial(self, file: DownloadFile) -> int:
        with self._destination.folder(file.folder) as folder:
            descriptor = folder.open_partial(file.partial)
            if sys.platform != "win32":
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:  # another program fetches the same just now: each for itself
                    os.close(descriptor)
                    file.partial_suffix = os.urandom(4).hex()
                    descriptor = folder.open_partial(file.partial)
            return descriptor

    def _verify_partial(self, file: DownloadFile, descriptor: int) -> bytearray:
        """Which chunks are there: 1 or 0 each."""
        present = bytearray(len(file.records))
        size = os.fstat(descriptor).st_size
        for ordinal, (record, offset) in enumerate(zip(file.records, file.offsets, strict=True)):
            if offset + record.length > size:
                break
            self._switch.check()
            data = self._read_at(descriptor, record.length, offset)
            present[ordinal] = chunk_id(self.space.chunk_key, data) == record.chunk_id
        return present

    def _take_from_earlier(self, file: DownloadFile, descriptor: int) -> None:
        """Copy what the file that has its name now has in common with it. Raises: LocalFileError, Cancelled."""
        lacking: dict[bytes, list[int]] = {}
        for ordinal, record in enumerate(file.records):
            if not file.present[ordinal]:
                lacking.setdefault(record.chunk_id, []).append(ordinal)
        with self._destination.folder(file.folder) as folder:
            earlier = folder.open_file(file.name) if lacking else None
        if earlier is None:
            return
        with earlier:
            for name, data in chunks_in_common(self.space, earlier, file.records, lacking, self._switch.check):
                for ordinal in lacking.pop(name):
                    if len(data) != file.records[ordinal].length:
                        continue
                    try:
                        self._write_at(descriptor, data, file.offsets[ordinal])
                    except OSError as error:
                        raise local_error(error, file.row.local) from error
                    file.present[ordinal] = 1
                if not lacking:
                    return

    def _read_at(self, descriptor: int, count: int, offset: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(descriptor, count, offset)
        with self._place_lock:
            os.lseek(descriptor, offset, os.SEEK_SET)
            return os.read(descriptor, count)

    def chunk_arrived(self, file: DownloadFile, ordinal: int, data: memoryview) -> None:
        """Write a chunk at its place. Raises: LocalFileError."""
        with self._changed:
            if file.descriptor is None or file.over:
                return
            file.writing += 1
            descriptor = file.descriptor
        try:
            self._write_at(descriptor, data, file.offsets[ordinal])
        except OSError as error:
            raise local_error(error, file.row.local) from error
        finally:
            with self._changed:
                file.writing -= 1
                self._changed.notify_all()
        with self._changed:
            file.missing -= not file.present[ordinal]
            file.present[ordinal] = 1
            file.bytes_there += len(data)
        self._ledger.advance(file.row, file.bytes_there)
        if file.missing == 0:
            self._finish(file)

    def _write_at(self, descriptor: int, data: memoryview, offset: int) -> None:
        if hasattr(os, "pwrite"):
            while data:
                count = os.pwrite(descriptor, data, offset)
                data, offset = data[count:], offset + count
            return
        with self._place_lock:
            os.lseek(descriptor, offset, os.SEEK_SET)
            write_all(descriptor, data)

    def _finish(self, file: DownloadFile) -> None:
        """All of it is there and checked: give it its name."""
        with self._changed:
            if file.over or file.descriptor is None:
                return
            file.over = True
            descriptor = file.descriptor
        try:
            try:
                os.ftruncate(descriptor, file.entry.size)
                finish_file(descriptor, mode_of(file.entry.attrs), file.entry.mtime_ns, durable=True)
            except OSError as error:
                raise local_error(error, file.row.local) from error
            finally:
                self._forget(file)
            with self._destination.folder(file.folder) as folder:
                folder.place(file.partial, file.name, replace=file.replace)
        except LocalFileError as error:
            self._ledger.end(file.row, ItemState.FAILED, error)
        except SfosError as error:
            self._remove_partial(file)
            self._ledger.end(file.row, ItemState.FAILED, error)
        else:
            self._ledger.end(file.row, ItemState.DONE)

    def fail(self, file: DownloadFile, error: SfosError) -> None:
        """It is given up; what has come of a large file stays for the next time. Raises: LocalDiskFull."""
        if error.code == "local_disk_full":
            raise error
        file.over = True
        self._forget(file)
        if file.partial_suffix:  # nobody would find it again
            self._remove_partial(file)
        self._ledger.end(file.row, ItemState.FAILED, error)

    def _forget(self, file: DownloadFile) -> None:
        """Close its descriptor, once nobody writes to it."""
        with self._changed:
            self._changed.wait_for(lambda: file.writing == 0)
            descriptor, file.descriptor = file.descriptor, None
            if file in self._open:
                self._open.remove(file)
            self._changed.notify_all()
        if descriptor is not None:
            os.close(descriptor)

    def _remove_partial(self, file: DownloadFile) -> None:
        with self._destination.folder(file.folder) as folder:
            folder.remove(file.partial)

    def close(self, *, remove_partials: bool) -> None:
        """All lanes have ended: free what is open."""
        for file in tuple(self._open):
            file.over = True
            opened = file.descriptor is not None
            self._forget(file)
            if opened and (remove_partials or file.partial_suffix):  # nobody would find that one again
                self._remove_partial(file)


def is_small(file: DownloadFile) -> bool:
    """Whether its content is one chunk, whose name is the content's."""
    return file.entry.size <= MIN_CHUNK_BYTES


def _bytes_present(file: DownloadFile) -> int:
    file.bytes_there = sum(record.length for record, there in zip(file.records, file.present, strict=True) if there)
    return file.bytes_there
