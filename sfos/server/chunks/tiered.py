"""One chunk store out of two: short tokens (64 KiB at the most, as a rule) go to the small one, longer to the disk.

A location says which one holds it: `small:<row>` or `disk:<directory>/<file>`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType

from sfos.protocol import Buffer
from sfos.server.chunks.store import Batch, Behind, ChunkStore, StoredChunk
from sfos.server.disk.sqlite import DatabaseError
from sfos.server.disk.storage_faults import StorageFault

_SMALL = "small"
_DISK = "disk"


class TieredStore:
    """See the module's first lines. `small_token_bytes`: the longest token that counts as short."""

    def __init__(self, small: ChunkStore, disk: ChunkStore, small_token_bytes: int) -> None:
        self._small_token_bytes = small_token_bytes
        self._stores = {_SMALL: small, _DISK: disk}

    def batch(self) -> TieredBatch:
        """See ChunkStore."""
        return TieredBatch(self._stores, self._small_token_bytes)

    def read(self, location: str, sealed_len: int, scratch: memoryview) -> Buffer:
        """See ChunkStore."""
        name, inner = _split(location)
        return self._stores[name].read(inner, sealed_len, scratch)

    def holds(self, location: str, sealed_len: int) -> bool:
        """See ChunkStore."""
        try:
            name, inner = _split(location)
        except FileNotFoundError:
            return False
        return self._stores[name].holds(inner, sealed_len)

    def read_short(self, locations: Sequence[str]) -> dict[str, bytes]:
        """See ChunkStore."""
        front = f"{_SMALL}:"
        inner = [location.removeprefix(front) for location in locations if location.startswith(front)]
        found = self._stores[_SMALL].read_short(inner) if inner else {}
        return {front + location: token for location, token in found.items()}

    def delete(self, locations: Iterable[str]) -> None:
        """See ChunkStore."""
        inner: dict[str, list[str]] = {name: [] for name in self._stores}
        for location in locations:
            with contextlib.suppress(FileNotFoundError):
                name, rest = _split(location)
                inner[name].append(rest)
        for name, rests in inner.items():
            if rests:
                self._stores[name].delete(rests)

    def list_stored(self) -> Iterator[StoredChunk]:
        """See ChunkStore."""
        for name, store in self._stores.items():
            for stored in store.list_stored():
                yield stored._replace(location=f"{name}:{stored.location}")

    def mark_of(self, locations: Iterable[str]) -> int:
        """See ChunkStore. The small store's: the disk's has none."""
        front = f"{_SMALL}:"
        return self._stores[_SMALL].mark_of([one[len(front) :] for one in locations if one.startswith(front)])

    def behind(self, mark: int) -> Behind | None:
        """See ChunkStore."""
        found = self._stores[_SMALL].behind(mark)
        return found and found._replace(front=f"{_SMALL}:{found.front}")

    def which_are_there(self, locations: Sequence[str]) -> set[str]:
        """See ChunkStore."""
        found: set[str] = set()
        for name, store in self._stores.items():
            front = f"{name}:"
            inner = [location.removeprefix(front) for location in locations if location.startswith(front)]
            found |= {front + one for one in store.which_are_there(inner)} if inner else set()
        return found

    def go_on_above(self, mark: int) -> None:
        """See ChunkStore."""
        self._stores[_SMALL].go_on_above(mark)

    def compact(self) -> None:
        """See ChunkStore."""
        for store in self._stores.values():
            store.compact()

    def forget_pages(self) -> None:
        """See ChunkStore."""
        for store in self._stores.values():
            store.forget_pages()

    def free_bytes(self) -> int:
        """See ChunkStore."""
        return min(store.free_bytes() for store in self._stores.values())

    def close(self) -> None:
        """See ChunkStore."""
        for store in self._stores.values():
            store.close()


class TieredBatch:
    """See Batch."""

    def __init__(self, stores: Mapping[str, ChunkStore], small_token_bytes: int) -> None:
        self._small_token_bytes = small_token_bytes
        self._stores = stores
        self._batches: dict[str, Batch] = {name: store.batch() for name, store in stores.items()}
        self._order: list[str] = []
        self._open = ExitStack()

    def add(self, chunk_id: bytes, token: memoryview) -> None:
        """See Batch."""
        name = _SMALL if len(token) <= self._small_token_bytes else _DISK
        self._batches[name].add(chunk_id, token)
        self._order.append(name)

    def add_short(self, chunks: Iterable[tuple[bytes, bytes]]) -> None:
        """See Batch."""
        waiting = list(chunks)
        if all(len(token) <= self._small_token_bytes for _, token in waiting):
            self._batches[_SMALL].add_short(waiting)
            self._order += [_SMALL] * len(waiting)
            return
        for chunk_id, token in waiting:
            self.add(chunk_id, memoryview(token))

    def finish(self) -> list[str]:
        """See Batch. What one store has made durable is taken out again if the other one fails."""
        finished: dict[str, list[str]] = {}
        try:
            for name, batch in self._batches.items():
                finished[name] = batch.finish()
        except BaseException:
            for name, stored in finished.items():
                with contextlib.suppress(OSError, StorageFault, DatabaseError):  # orphans, which go some other day
                    self._stores[name].delete(stored)
            raise
        locations = {name: iter(stored) for name, stored in finished.items()}
        return [f"{name}:{next(locations[name])}" for name in self._order]

    def __enter__(self) -> TieredBatch:
        for batch in self._batches.values():
            self._open.enter_context(batch)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)


def _split(location: str) -> tuple[str, str]:
    name, _, rest = location.partition(":")
    if name not in (_SMALL, _DISK):
        raise FileNotFoundError(f"no store holds {location!r}")
    return name, rest
