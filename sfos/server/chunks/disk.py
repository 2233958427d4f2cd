"""Chunks as files: `chunks/<2 hex digits>/<chunk id>-<8 random hex digits>`, each one token.

Write order: a temporary file → write → length check → fsync → close → rename → fsync of the directory. The files of
a batch are synced by a few threads while the next ones are still being sealed, and all go to one directory, chosen at
random for each batch, so that one fsync makes all their names durable.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from sfos.protocol import Buffer
from sfos.server.chunks.files import LocalFiles, SyncFailed
from sfos.server.chunks.store import Behind, StoredChunk
from sfos.server.disk.stopped_paths import refuse_if_stopped, stop
from sfos.server.disk.storage_faults import StoreStopped

# Fan-out: 256 directories keep each small enough for a million chunks.
_DIRECTORY_HEX = 2
_SUFFIX_BYTES = 4
_DIRECTORY_NAME = re.compile(r"[0-9a-f]{2}")
_FILE_NAME = re.compile(r"([0-9a-f]{64})-[0-9a-f]{8}")


class DiskStore:
    """A chunk store of files below `root`; half-written ones lie in `temp`, on the same device.

    `syncing` runs fsyncs; it is shared by the stores of a server and is not closed here.
    """

    def __init__(
        self,
        root: Path,
        temp: Path,
        syncing: ThreadPoolExecutor,
        *,
        files: LocalFiles | None = None,
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._root = root
        self._temp = temp
        self._syncing = syncing
        self.files = files or LocalFiles()
        self._random = random
        self._known_directories: set[str] = set()

    def batch(self) -> DiskBatch:
        """See ChunkStore."""
        refuse_if_stopped(self._root)
        return DiskBatch(self)

    def read(self, location: str, sealed_len: int, scratch: memoryview) -> Buffer:
        """See ChunkStore."""
        return scratch[: self.files.read(self._path(location), scratch[: sealed_len + 1])]

    def holds(self, location: str, sealed_len: int) -> bool:
        """See ChunkStore."""
        return self._size_of(location) == sealed_len

    def read_short(self, locations: Sequence[str]) -> dict[str, bytes]:  # noqa: ARG002 - each is a file of its own
        """See ChunkStore."""
        return {}

    def delete(self, locations: Iterable[str]) -> None:
        """See ChunkStore. Not synced: after a power loss the files are orphans, which go with the next collection."""
        for location in locations:
            with contextlib.suppress(FileNotFoundError):
                self.files.unlink(self._path(location))

    def list_stored(self) -> Iterator[StoredChunk]:
        """See ChunkStore. A directory at a time."""
        for directory in sorted(self._root.iterdir()) if self._root.is_dir() else ():
            if not directory.is_dir():
                continue
            with os.scandir(directory) as listed:
                found = sorted(listed, key=lambda entry: entry.name)
            is_ours = _DIRECTORY_NAME.fullmatch(directory.name) is not None
            for entry in found:
                with contextlib.suppress(FileNotFoundError):
                    status = entry.stat(follow_symlinks=False)
                    yield StoredChunk(
                        f"{directory.name}/{entry.name}",
                        _id_in(entry.name) if is_ours else None,
                        status.st_size,
                        status.st_mtime_ns // 1_000_000,
                    )

    def mark_of(self, locations: Iterable[str]) -> int:  # noqa: ARG002 - files are not numbered
        """See ChunkStore."""
        return 0

    def behind(self, mark: int) -> Behind | None:  # noqa: ARG002
        """See ChunkStore."""
        return None

    def which_are_there(self, locations: Sequence[str]) -> set[str]:
        """See ChunkStore."""
        return {location for location in locations if self._size_of(location) is not None}

    def _size_of(self, location: str) -> int | None:
        """Length of the token there in bytes; None if nothing lies there, or nothing can."""
        try:
            return self.files.size_of(self._path(location))
        except FileNotFoundError:
            return None

    def go_on_above(self, mark: int) -> None:
        """See ChunkStore."""

    def compact(self) -> None:
        """See ChunkStore: files leave nothing behind."""

    def forget_pages(self) -> None:
        """See ChunkStore: nothing is kept."""

    def free_bytes(self) -> int:
        """See ChunkStore."""
        return self.files.free_bytes(self._root)

    def close(self) -> None:
        """See ChunkStore: nothing is kept open."""

    # --- for batches ------------------------------------------------------------------------------------------

    def begin_file(self) -> tuple[Path, int]:
        """A new temporary file and its descriptor."""
        path = self._temp / f"chunk-{self._random(8).hex()}"
        return path, self.files.create(path)

    def sync_later(self, descriptor: int) -> Future[None]:
        """Sync the file on another thread."""
        return self._syncing.submit(self._sync, descriptor)

    def _sync(self, descriptor: int) -> None:
        try:
            self.files.sync(descriptor)
        except OSError as error:
            self.stop(error)
            raise StoreStopped(str(error)) from error

    def place(self, chunks: list[tuple[bytes, Path]]) -> list[str]:
        """Give synced temporary files their final names, and make the names durable. Raises: StoreStopped, OSError."""
        refuse_if_stopped(self._root)  # another batch may have failed since this one was begun
        directory = self._random(1).hex()[:_DIRECTORY_HEX]
        if directory not in self._known_directories:
            self._durably(self.files.make_directory, self._root / directory)
            self._known_directories.add(directory)
        locations: list[str] = []
        try:
            for chunk_id, path in chunks:
                location = f"{directory}/{chunk_id.hex()}-{self._random(_SUFFIX_BYTES).hex()}"
                if self._path(location).exists():  # one in 2³²; renaming would silently replace it
                    raise OSError(errno.EEXIST, os.strerror(errno.EEXIST), location)
                self.files.rename(path, self._path(location))
                locations.append(location)
            self._durably(self.files.sync_directory, self._root / directory)
        except BaseException:
            for location in locations:  # nobody learns of these: they would be orphans
                with contextlib.suppress(OSError):
                    self.files.unlink(self._path(location))
            raise
        return locations

    def _durably(self, step: Callable[[Path], None], directory: Path) -> None:
        try:
            step(directory)
        except OSError as error:
            if not isinstance(error, SyncFailed) and error.errno != errno.EIO:
                raise  # no room for a directory, no descriptor left: nothing was promised and nothing lost
            self.stop(error)
            raise StoreStopped(str(error)) from error

    def stop(self, error: OSError) -> None:
        """Take no more writes."""
        stop(self._root, error)

    def _path(self, location: str) -> Path:
        """Raises: FileNotFoundError for what leads out of the store: a catalog may have been tampered with."""
        directory, _, name = location.partition("/")
        if "/" in name or "\0" in location or {directory, name} & {"", ".", ".."}:
            raise FileNotFoundError(f"{self._root}: no chunk can lie at {location!r}")
        return self._root / directory / name


def _id_in(name: str) -> bytes | None:
    """The chunk id that a file's name begins with."""
    found = _FILE_NAME.fullmatch(name)
    return bytes.fromhex(found[1]) if found else None


class DiskBatch:
    """See Batch."""

    def __init__(self, store: DiskStore) -> None:
        self._store = store
        self._files: list[tuple[bytes, Path, int]] = []
        self._syncs: list[Future[None]] = []

    def add(self, chunk_id: bytes, token: memoryview) -> None:
        """See Batch."""
        files = self._store.files
        path, descriptor = self._store.begin_file()
        self._files.append((chunk_id, path, descriptor))
        files.write(descriptor, token)
        if files.length(descriptor) != len(token):
            raise OSError(errno.EIO, "the file is not as long as what was written to it", str(path))
        self._syncs.append(self._store.sync_later(descriptor))

    def add_short(self, chunks: Iterable[tuple[bytes, bytes]]) -> None:
        """See Batch."""
        for chunk_id, token in chunks:
            self.add(chunk_id, memoryview(token))

    def finish(self) -> list[str]:
        """See Batch."""
        for sync in self._syncs:
            sync.result()
        chunks = [(chunk_id, path) for chunk_id, path, _ in self._files]
        self._close_files()
        if not chunks:
            return []
        locations = self._store.place(chunks)
        self._files.clear()
        return locations

    def __enter__(self) -> DiskBatch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for sync in self._syncs:  # no thread may still use a descriptor that is about to be closed
            with contextlib.suppress(StoreStopped):
                sync.result()
        self._close_files()
        for _, path, _ in self._files:
            with contextlib.suppress(OSError):  # what stays is a half-written file, removed at the next start
                self._store.files.unlink(path)
        self._files.clear()

    def _close_files(self) -> None:
        failed: OSError | None = None
        for at, (chunk_id, path, descriptor) in enumerate(self._files):
            if descriptor >= 0:
                self._files[at] = (chunk_id, path, -1)
                try:
                    self._store.files.close(descriptor)
                except OSError as error:
                    failed = failed or error
        if failed is None:
            return
        if failed.errno == errno.EIO:  # what was written did not reach the disk
            self._store.stop(failed)
            raise StoreStopped(str(failed)) from failed
        raise failed
