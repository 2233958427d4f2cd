"""Where the chunks of a download go as they arrive: each into its file, and each file into its place.

A large file's partial file outlives a broken transfer: the next one reads it, checks each chunk in it by its name, and
asks only for the others. What the file that it takes the place of has in common with it is copied from there.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import groupby
from operator import attrgetter

from sfos.client.api import Api
from sfos.client.errors import LocalChanged, LocalFileError
from sfos.client.local.chunking import Cutter, name_whole
from sfos.client.local.destination import Destination
from sfos.client.local.writing import (
    NOTHING,
    LocalFolder,
    finish_file,
    local_error,
    mode_of,
    write_all,
)
from sfos.client.transfer.down.files import FetchingFile, FileToFetch
from sfos.client.transfer.down.local_copy import chunks_in_common
from sfos.client.transfer.events import ItemState
from sfos.client.transfer.ledger import Ledger, Row
from sfos.client.transfer.switch import Switch
from sfos.protocol import AlreadyExists, SfosError, chunk_id

if sys.platform != "win32":
    import fcntl


class Arrivals:
    """The files of a download on this computer. Thread-safe; told by the answers, in the threads of the lanes."""

    def __init__(
        self, api: Api, ledger: Ledger, switch: Switch, destination: Destination, *, fsync_small: bool
    ) -> None:
        """`api`: of the space that they come from."""
        self.space = api.info
        self.asked = api.naming.asked
        self.changed = threading.Condition()
        self.open_files: list[FetchingFile] = []  # large ones that have begun
        self._ledger = ledger
        self._switch = switch
        self._destination = destination
        self._fsync_small = fsync_small
        self._place_lock = threading.Lock()  # where the system cannot write at a place without moving to it

    # ── small files ─────────────────────────────────────────────────────────────────────────────────────────────

    def small_arrived(
        self, files: Sequence[FileToFetch], contents: Iterator[memoryview]
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

    def _write_small(self, file: FileToFetch, folder: LocalFolder | SfosError, data: memoryview) -> bool:
        """Whether the file is in its place. Raises: LocalDiskFull."""
        try:
            if isinstance(folder, SfosError):
                raise folder
            entry, partial = file.entry, file.partial
            folder.write_file(partial, data, entry.attrs, entry.mtime_ns, durable=self._fsync_small)
            self.place(folder, partial, file)
        except SfosError as error:
            self.fail_small(file, error)
            return False
        return True

    def place(self, folder: LocalFolder, partial: str, file: FileToFetch) -> None:
        """Give the temporary file its name, if the precondition holds; else remove it.

        Well, too, if the very content (or link) is in its place already: a program that was killed after it had put it
        there, and is given the same again, has succeeded. Raises: LocalChanged; AlreadyExists; LocalFileError.
        """
        try:
            folder.place(partial, file.name, if_stamp=file.if_stamp)
        except (AlreadyExists, LocalChanged):
            if not self._is_there(folder, file):
                raise

    def _is_there(self, folder: LocalFolder, file: FileToFetch) -> bool:
        entry = file.entry
        if entry.kind == "symlink":
            return entry.attrs is not None and folder.read_link(file.name) == entry.attrs.link
        found = folder.open_file(file.name)
        if found is None:
            return False
        with found as source:
            if source.stamp.size != entry.size:
                return False
            try:
                return name_whole(self.space, Cutter(self.space.cut_seed), source)[0] == entry.content
            except LocalFileError:
                return False

    def fail_small(self, file: FileToFetch, error: SfosError) -> None:
        """Give up a small file. Raises: LocalDiskFull."""
        if error.code == "local_disk_full":
            raise error
        self._ledger.end(file.row, ItemState.FAILED, error)

    # ── large files ─────────────────────────────────────────────────────────────────────────────────────────────

    def manifest_arrived(self, file: FetchingFile) -> None:
        """Open the partial file, and find out what of it is there already. Raises: LocalFileError."""
        file.offsets, at = [], 0
        for record in file.records:
            file.offsets.append(at)
            at += record.length
        self._ledger.begin(file.todo.row)
        descriptor = self._open_partial(file)
        try:
            file.present = self._verify_partial(file, descriptor)
            if file.todo.if_stamp != NOTHING:
                self._take_from_earlier(file, descriptor)
        except BaseException:
            with self.changed:
                file.over, file.descriptor = True, descriptor  # to be closed by whoever clears up
            raise
        file.missing = file.present.count(0)
        file.next_ordinal = 0
        self._ledger.advance(file.todo.row, _bytes_present(file))
        with self.changed:
            file.descriptor = descriptor
            self.changed.notify_all()
        if file.missing == 0:
            self._finish(file)

    def _open_partial(self, file: FetchingFile) -> int:
        with self._destination.folder(file.todo.folder) as folder:
            descriptor = folder.open_partial(file.partial)
            if sys.platform != "win32":
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:  # another program fetches the same just now: each for itself
                    os.close(descriptor)
                    file.partial_suffix = os.urandom(4).hex()
                    descriptor = folder.open_partial(file.partial)
            return descriptor

    def _verify_partial(self, file: FetchingFile, descriptor: int) -> bytearray:
        """Look which chunks are there: 1 or 0 each."""
        present = bytearray(len(file.records))
        size = os.fstat(descriptor).st_size
        for ordinal, (record, offset) in enumerate(zip(file.records, file.offsets, strict=True)):
            if offset + record.length > size:
                break
            self._switch.check()
            data = self._read_at(descriptor, record.length, offset)
            present[ordinal] = chunk_id(self.space.chunk_key, data) == record.chunk_id
        return present

    def _take_from_earlier(self, file: FetchingFile, descriptor: int) -> None:
        """Copy what the file that has its name now has in common with it. Raises: LocalFileError, Cancelled."""
        lacking: dict[bytes, list[int]] = {}
        for ordinal, record in enumerate(file.records):
            if not file.present[ordinal]:
                lacking.setdefault(record.chunk_id, []).append(ordinal)
        with self._destination.folder(file.todo.folder) as folder:
            earlier = folder.open_file(file.todo.name) if lacking else None
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
                        raise local_error(error, file.todo.row.local) from error
                    file.present[ordinal] = 1
                if not lacking:
                    return

    def _read_at(self, descriptor: int, count: int, offset: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(descriptor, count, offset)
        with self._place_lock:
            os.lseek(descriptor, offset, os.SEEK_SET)
            return os.read(descriptor, count)

    def chunk_arrived(self, file: FetchingFile, ordinal: int, data: memoryview) -> None:
        """Write a chunk at its place. Raises: LocalFileError."""
        with self.changed:
            if file.descriptor is None or file.over:
                return
            file.writing += 1
            descriptor = file.descriptor
        try:
            self._write_at(descriptor, data, file.offsets[ordinal])
        except OSError as error:
            raise local_error(error, file.todo.row.local) from error
        finally:
            with self.changed:
                file.writing -= 1
                self.changed.notify_all()
        with self.changed:
            file.missing -= not file.present[ordinal]
            file.present[ordinal] = 1
            file.bytes_there += len(data)
        self._ledger.advance(file.todo.row, file.bytes_there)
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

    def _finish(self, file: FetchingFile) -> None:
        """All of it is there and checked: give it its name."""
        with self.changed:
            if file.over or file.descriptor is None:
                return
            file.over = True
            descriptor = file.descriptor
        todo = file.todo
        try:
            try:
                os.ftruncate(descriptor, file.todo.entry.size)
                finish_file(descriptor, mode_of(file.todo.entry.attrs), file.todo.entry.mtime_ns, durable=True)
            except OSError as error:
                raise local_error(error, file.todo.row.local) from error
            finally:
                self._forget(file, keep=True)
            with self._destination.folder(file.todo.folder) as folder:
                self.place(folder, file.partial, todo)
        except LocalFileError as error:
            self._ledger.end(file.todo.row, ItemState.FAILED, error)
        except SfosError as error:
            self._remove_partial(file)
            self._ledger.end(file.todo.row, ItemState.FAILED, error)
        else:
            self._ledger.end(file.todo.row, ItemState.DONE)

    def fail(self, file: FetchingFile, error: SfosError) -> None:
        """Give up a file; what has come of a large one stays for the next time. Raises: LocalDiskFull."""
        if error.code == "local_disk_full":
            raise error
        file.over = True
        self._forget(file, remove=bool(file.partial_suffix))  # that one nobody would find again
        self._ledger.end(file.todo.row, ItemState.FAILED, error)

    def _forget(self, file: FetchingFile, *, remove: bool = False, keep: bool = False) -> None:
        """Close its descriptor, once nobody writes to it. With `remove` the partial file goes too; without `keep`, an
        empty one."""
        with self.changed:
            self.changed.wait_for(lambda: file.writing == 0)
            descriptor, file.descriptor = file.descriptor, None
            if file in self.open_files:
                self.open_files.remove(file)
            self.changed.notify_all()
        if descriptor is None:
            return
        is_empty = os.fstat(descriptor).st_size == 0
        os.close(descriptor)
        if remove or (is_empty and not keep):
            self._remove_partial(file)

    def _remove_partial(self, file: FetchingFile) -> None:
        with self._destination.folder(file.todo.folder) as folder:
            folder.remove(file.partial)

    def close(self, *, remove_partials: bool) -> None:
        """All lanes have ended: free what is open."""
        for file in tuple(self.open_files):
            file.over = True
            remove = remove_partials or bool(file.partial_suffix)
            self._forget(file, remove=remove, keep=self._switch.interrupted)  # then the same goes on soon


def _bytes_present(file: FetchingFile) -> int:
    file.bytes_there = sum(record.length for record, there in zip(file.records, file.present, strict=True) if there)
    return file.bytes_there
