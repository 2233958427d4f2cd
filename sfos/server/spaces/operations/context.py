"""Context of all operations on a space: the parts that they work on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from sfos.protocol import StorageFull
from sfos.server.catalog.engine import Catalog
from sfos.server.chunks.store import ChunkStore
from sfos.server.disk.reserve import Reserve
from sfos.server.disk.storage_faults import StorageFault
from sfos.server.process.memory_pool import MemoryPool
from sfos.server.spaces.commit_feed import CommitFeed
from sfos.server.spaces.operations.list_cache import ListCache
from sfos.server.vault.keyring import SpaceKeys
from sfos.server.vault.names import NameSealer
from sfos.server.vault.rows import RowAuthenticator
from sfos.server.vault.sealing import Sealer

FINGERPRINT_BYTES = 16


@dataclass(frozen=True, slots=True)
class Caller:
    """On whose behalf something is done. `actor`: the account's opaque id. The quotas: None is no limit.

    `quota_bytes`: of stored bytes, history and pending ones included. `quota_files`: of files, folders and links now.
    """

    actor: str
    quota_bytes: int | None = None
    quota_files: int | None = None


class IdempotencyKey(NamedTuple):
    """Name of one change, by which it is known when it is asked for again: then its first answer is given once more.

    `fingerprint`: 16 bytes that tell a repetition from another request under the same `op_id`; zeros where no client
    asks, and none is expected.
    """

    op_id: bytes
    fingerprint: bytes = bytes(FINGERPRINT_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreLimits:
    """How the spaces of a server are kept.

    `free_floor_bytes`: with less free space whatever grows is refused. `small_token_bytes`: tokens of at most this
    length go into the database of small ones. `history_kept_s`: so long after it ended a state's bytes are freed; None
    if that needs an administrator. `verify_after_seal`: open each fresh token before it is stored.
    """

    free_floor_bytes: int = 2**30
    small_token_bytes: int = 64 * 1024
    busy_timeout_s: float = 30.0
    verify_after_seal: bool = False
    history_kept_s: float | None = 91 * 86_400.0


@dataclass(frozen=True, slots=True)
class SpaceContext:
    """One opened space. `now_ms`: the clock, milliseconds since 1970. `epoch_tag`: the epoch as revisions bear it.

    `faults`: what was found wrong when it was opened, and does not keep the rest from being served.
    """

    space_id: str
    directory: Path
    epoch: bytes
    epoch_tag: str
    keys: SpaceKeys
    catalog: Catalog
    store: ChunkStore
    sealer: Sealer
    names: NameSealer
    rows: RowAuthenticator
    now_ms: Callable[[], int]
    limits: StoreLimits
    reserve: Reserve
    scratch: MemoryPool
    lists: ListCache
    commit_feed: CommitFeed
    faults: tuple[StorageFault, ...] = ()

    def check_room(self, more_bytes: int = 0) -> None:
        """Check that the disk has room for so much that is new above the floor. Raises: StorageFull, OSError."""
        free = self.store.free_bytes() - self.reserve.lacking()
        if free - more_bytes < max(self.limits.free_floor_bytes, 1):
            raise StorageFull

    def forget_pages(self) -> None:
        """Let go of what is kept in memory of its files. Raises: DatabaseError."""
        self.catalog.forget_pages()
        self.store.forget_pages()

    def close(self) -> None:
        """Let go of connections and descriptors."""
        self.catalog.close()
        self.store.close()
