"""The spaces of a server: made when first asked for, opened when needed, and closed again when idle.

An open space costs some 215 KiB and three descriptors for each connection to its catalog, so only the last used ones
stay open. One that somebody works with is never closed under them.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from sfos.protocol import ServerStopping
from sfos.server.chunks.files import LocalFiles
from sfos.server.chunks.scratch import SCRATCH_BYTES
from sfos.server.disk.durable_files import Signature
from sfos.server.disk.reserve import RESERVE_FILE, Reserve
from sfos.server.disk.sqlite import DatabaseError
from sfos.server.disk.storage_faults import (
    KeysDamaged,
    MasterKeyWrong,
    SpaceMissing,
    StorageFault,
    StorageMisplaced,
)
from sfos.server.process.memory_pool import MemoryPool
from sfos.server.process.waiting import LookingLock
from sfos.server.spaces.commit_feed import CommitFeed
from sfos.server.spaces.directory import (
    Surroundings,
    create_space,
    directory_of,
    is_space_id,
    keys_signature,
    open_space,
    with_present_keys,
)
from sfos.server.spaces.known_spaces import KnownSpaces
from sfos.server.spaces.operations.context import SpaceContext, StoreLimits
from sfos.server.spaces.operations.guard import as_storage_error
from sfos.server.spaces.operations.list_cache import ListCache
from sfos.server.spaces.restore_mark import check_restored
from sfos.server.spaces.space import Space
from sfos.server.vault.keyring import read_keys_now
from sfos.server.vault.master import LiveMasterKey, MasterKey
from sfos.server.vault.opened_names import Opened

_log = logging.getLogger(__name__)

KEPT_OPEN = 64
_LOOK_AT_KEYS_S = 1.0  # so soon a rotation of keys beside the server is noticed, for a stat a second and space
_SYNC_THREADS = 4  # 200 files of 1 MiB: 0.18 s one after the other, 0.14 with a few at once; more gain nothing


def wall_clock_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


@dataclass(slots=True)
class _Slot:
    """A space's place among the open ones. `leases`: how many work with it, guarded by the registry's lock.

    `keys`: what its keys file looked like when it was last read. `looked`: when it was last looked at (monotonic).
    `told`: what it looked like when it was last said that it cannot be read.
    """

    leases: int = 0
    opening: LookingLock = field(default_factory=LookingLock)
    context: SpaceContext | None = None
    keys: Signature | None = None
    looked: float = 0.0
    told: tuple[Signature | None] | None = None


class SpaceRegistry:
    """Lends spaces. Safe from several threads; `close` once nobody holds a lease any more."""

    def __init__(
        self,
        storage_dir: Path,
        temp_dir: Path,
        master: MasterKey | LiveMasterKey,
        *,
        limits: StoreLimits | None = None,
        keep_open: int = KEPT_OPEN,
        sync_threads: int = _SYNC_THREADS,
        now_ms: Callable[[], int] = wall_clock_ms,
        files: LocalFiles | None = None,
        known: KnownSpaces | None = None,
        reserve: Reserve | None = None,
    ) -> None:
        """Nothing is written before the master key is known to be the right one.

        `known`: the spaces that there have been before; none of them is ever made anew. `reserve`: of the disk.
        Raises: MasterKeyWrong, StorageMisplaced, RestoreUnfinished, OSError.
        """
        check_restored(storage_dir)
        live = master if isinstance(master, LiveMasterKey) else LiveMasterKey(master)
        _check_master(storage_dir, live)
        _check_directories(storage_dir, temp_dir)
        self._around = Surroundings(
            storage_dir=storage_dir,
            temp_dir=temp_dir,
            master=live,
            limits=limits or StoreLimits(),
            reserve=reserve or Reserve(storage_dir / RESERVE_FILE, 0),
            now_ms=now_ms,
            syncing=ThreadPoolExecutor(sync_threads, thread_name_prefix="fsync"),
            scratch=MemoryPool(SCRATCH_BYTES),
            lists=ListCache(),
            opened=Opened(),
            commit_feed=CommitFeed(),
            files=files or LocalFiles(),
        )
        self._keep_open = keep_open
        self._known = KnownSpaces(None) if known is None else known
        if known is not None:
            stored = stored_ids(storage_dir)
            known.add(*stored)
            if lost := known.missing(stored):
                _log.error("%s", SpaceMissing(f"{storage_dir} lacks {len(lost)} of the spaces in {known.path}"))
        self._lock = threading.Lock()
        self._slots: OrderedDict[str, _Slot] = OrderedDict()
        self._closed = False

    @property
    def commit_feed(self) -> CommitFeed:
        """The commits to all spaces, as they happen."""
        return self._around.commit_feed

    @property
    def reserve(self) -> Reserve:
        """Room that is kept aside on their disk."""
        return self._around.reserve

    def space_ids(self) -> list[str]:
        """The ids of all spaces that are stored."""
        return stored_ids(self._around.storage_dir)

    @contextlib.contextmanager
    def lease(self, space_id: str, *, create: bool = True) -> Iterator[Space]:
        """The space as long as the block lasts, made if it is not there (unless `create` is false).

        Whether the caller may have it is for the caller to know. One that there has been is not made anew.
        Raises: NotFound, DataDamaged, StorageFailed, StorageMissing.
        """
        slot = self._take(space_id)
        try:
            try:
                context = self._opened(slot, space_id, create=create)
            except (StorageFault, OSError, DatabaseError) as error:
                raise as_storage_error(error, space_id) from error
            yield Space(context)
        finally:
            self._give_back(space_id, slot)

    @contextlib.contextmanager
    def inspect(self, space_id: str, *, rolled_back_too: bool = False) -> Iterator[SpaceContext]:
        """Open a stored space on its own, for maintenance: its context; see `open_space`.

        Raises: NotFound, StorageFault, OSError.
        """
        context = self._around.reserve.through(
            lambda: open_space(self._around, space_id, rolled_back_too=rolled_back_too)
        )
        try:
            yield context
        finally:
            context.close()

    def remove_half_written(self) -> int:
        """Empty the directory of half-written files; how many there were.

        For the start of a server, while it alone holds the home's lock.
        """
        count = 0
        for path in self._around.temp_dir.iterdir():
            if path.name.startswith(("chunk-", "space-")):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
                count += 1
        return count

    def forget_pages(self) -> None:
        """Let go of what is kept in memory of the files of open spaces that nobody uses, up to 8 MiB for each."""
        with self._lock:
            idle = {name: slot for name, slot in self._slots.items() if slot.context is not None and not slot.leases}
            for slot in idle.values():
                slot.leases += 1  # or it could be closed meanwhile
        for name, slot in idle.items():
            try:
                if slot.context is not None:
                    slot.context.forget_pages()
            except DatabaseError as error:  # whoever needs the space will hear of it
                _log.debug("space %s keeps its pages: %s", name, error)
            finally:
                self._give_back(name, slot)

    def close(self) -> None:
        """Close all spaces. Raises: RuntimeError if one is still lent."""
        with self._lock:
            self._closed = True
            slots = dict(self._slots)
            self._slots.clear()
        for slot in slots.values():
            if slot.context is not None:
                slot.context.close()
        self._around.syncing.shutdown()
        lent = [space_id for space_id, slot in slots.items() if slot.leases]
        if lent:
            raise RuntimeError(f"closed while spaces were lent: {', '.join(lent)}")

    def _take(self, space_id: str) -> _Slot:
        directory_of(self._around, space_id)
        with self._lock:
            if self._closed:
                raise ServerStopping
            slot = self._slots.get(space_id)
            if slot is None:
                slot = self._slots[space_id] = _Slot()
            slot.leases += 1
            self._slots.move_to_end(space_id)
            return slot

    def _give_back(self, space_id: str, slot: _Slot) -> None:
        closing: list[SpaceContext] = []
        with self._lock:
            slot.leases -= 1
            if slot.context is None and slot.leases == 0 and self._slots.get(space_id) is slot:
                del self._slots[space_id]
            if len(self._slots) > self._keep_open:
                idle = [name for name, one in self._slots.items() if one.leases == 0]
                for name in idle[: len(self._slots) - self._keep_open]:
                    context = self._slots.pop(name).context
                    if context is not None:
                        closing.append(context)
        for context in closing:
            context.close()

    def _opened(self, slot: _Slot, space_id: str, *, create: bool) -> SpaceContext:
        with slot.opening.held():  # not the registry's lock: opening one space must not hold up the others
            if slot.context is None:
                directory = directory_of(self._around, space_id)
                if not directory.is_dir():
                    if space_id in self._known:
                        raise SpaceMissing(
                            f"{directory}; to begin anew without it, take its line out of {self._known.path}"
                        )
                    if create:
                        self._around.reserve.through(lambda: create_space(self._around, space_id))
                        _log.info("made space %s", space_id)
                slot.keys, slot.looked = keys_signature(self._around, space_id), time.monotonic()
                # SQLite makes files to read a database as well, and a user may want to delete.
                slot.context = self._around.reserve.through(lambda: open_space(self._around, space_id))
                self._around.reserve.through(lambda: self._known.add(space_id))
            elif time.monotonic() - slot.looked >= _LOOK_AT_KEYS_S:
                slot.looked = time.monotonic()
                slot.context = self._with_present_keys(slot, slot.context)
            return slot.context

    def _with_present_keys(self, slot: _Slot, context: SpaceContext) -> SpaceContext:
        """`context`, sealing under the new key if the keys have been rotated. Who works with the old one goes on."""
        found: Signature | None = None
        try:
            found = keys_signature(self._around, context.space_id)
            if found is None or found == slot.keys:
                slot.told = None
                return context
            renewed = with_present_keys(self._around, context)
        except (StorageFault, OSError) as error:  # which may pass: it is tried again at the next look, and said once
            if slot.told != (found,):
                _log.error("space %s goes on with the keys that it has: %s", context.space_id, error)
            slot.told = (found,)
            return context
        slot.keys, slot.told = found, None
        _log.info("space %s seals under its data key %d from now on", context.space_id, renewed.sealer.key_no)
        return renewed


def stored_ids(storage_dir: Path) -> list[str]:
    """The ids of the spaces that lie there; none if there is no such directory. Raises: OSError."""
    if not storage_dir.is_dir():
        return []
    return sorted(path.name for path in storage_dir.iterdir() if is_space_id(path.name) and path.is_dir())


def _check_master(storage_dir: Path, master: LiveMasterKey) -> None:
    """Check that at least one stored space opens with `master`. Raises: MasterKeyWrong."""
    wrong: MasterKeyWrong | None = None
    for space_id in stored_ids(storage_dir):
        try:
            read_keys_now(storage_dir / space_id, bytes.fromhex(space_id), master)
        except MasterKeyWrong as error:
            wrong = wrong or error
        except (KeysDamaged, OSError) as error:
            _log.error("%s", error)  # the other spaces shall be served all the same
        else:
            return
    if wrong is not None:
        raise wrong


def _check_directories(storage_dir: Path, temp_dir: Path) -> None:
    """Check that both are there and on one device, or no file could be renamed into place. Raises: StorageMisplaced."""
    for directory in (storage_dir, temp_dir):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if storage_dir.stat().st_dev != temp_dir.stat().st_dev:
        raise StorageMisplaced(f"{temp_dir} has to be on the same device as {storage_dir}")
