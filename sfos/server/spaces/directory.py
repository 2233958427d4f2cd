"""The directory of a space: how it is made, and opened. `server_storage/<space id>/` holds

keys         the space's keys, wrapped under the master key      (server.vault.keyring)
catalog.db   its tree, history and chunk rows                    (server.catalog)
small.db     sealed chunks of at most 64 KiB                     (server.chunks.small)
chunks/      the longer ones, a file each                        (server.chunks.disk)
HEAD         how far the history was when last heard of          (server.catalog.head)
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import logging
import os
import re
import secrets
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from sfos.protocol import NotFound
from sfos.server.catalog.engine import Catalog, CatalogError
from sfos.server.catalog.head import HEAD_FILE, Head, read_head, write_head
from sfos.server.catalog.migrations import create_catalog, migrate
from sfos.server.catalog.space_row import SpaceRow, read_space_row
from sfos.server.catalog.wrong_values import check_space_row
from sfos.server.chunks.files import LocalFiles
from sfos.server.chunks.local import CHUNKS_DIRECTORY, open_local_store
from sfos.server.disk.durable_files import Signature, signature_of, sync_directory
from sfos.server.disk.reserve import Reserve
from sfos.server.disk.storage_faults import CatalogRolledBack, CatalogUnreadable, KeysDamaged
from sfos.server.process.memory_pool import MemoryPool
from sfos.server.spaces.commit_feed import CommitFeed
from sfos.server.spaces.lost_chunks import find_lost_chunks
from sfos.server.spaces.operations.context import SpaceContext, StoreLimits
from sfos.server.spaces.operations.entries import epoch_tag
from sfos.server.spaces.operations.list_cache import ListCache
from sfos.server.spaces.unknown_chunks import check_vouched
from sfos.server.vault.keyring import KEYS_FILE, SpaceKeys, read_keys_now, write_keys
from sfos.server.vault.locks import master_kept
from sfos.server.vault.master import LiveMasterKey, MasterKey
from sfos.server.vault.names import NameSealer
from sfos.server.vault.opened_names import Opened
from sfos.server.vault.rows import RowAuthenticator
from sfos.server.vault.sealing import Sealer

_log = logging.getLogger(__name__)

CATALOG_FILE = "catalog.db"

_SPACE_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Parts that all spaces of a process share. `syncing` runs fsyncs. `files`: the layer below the disk store."""

    storage_dir: Path
    temp_dir: Path
    master: LiveMasterKey
    limits: StoreLimits
    reserve: Reserve
    now_ms: Callable[[], int]
    syncing: ThreadPoolExecutor
    scratch: MemoryPool
    lists: ListCache
    opened: Opened
    commit_feed: CommitFeed
    files: LocalFiles


def is_space_id(text: str) -> bool:
    """Whether `text` may name a space's directory: nothing else from outside ever becomes part of a path."""
    return _SPACE_ID.fullmatch(text) is not None


def directory_of(around: Surroundings, space_id: str) -> Path:
    """The directory of a space, which need not be there. Raises: NotFound for what is no id."""
    if not is_space_id(space_id):
        raise NotFound("There is no such account.")
    return around.storage_dir / space_id


def create_space(around: Surroundings, space_id: str) -> None:
    """Make an empty space, whole or not at all, durable when this returns. One that is there already is left alone."""
    directory = directory_of(around, space_id)
    half_made = around.temp_dir / f"space-{space_id}-{secrets.token_hex(4)}"
    half_made.mkdir(mode=0o700, parents=True)
    try:
        with master_kept(around.storage_dir):  # a rotation that begins later finds the space in its place
            _fill(half_made, space_id, around.master.newest())
            try:
                half_made.rename(directory)
            except OSError:  # someone else was quicker: a directory that is not empty is never replaced
                if not directory.is_dir():
                    raise
                shutil.rmtree(half_made)
    except BaseException:
        shutil.rmtree(half_made, ignore_errors=True)
        raise
    sync_directory(around.storage_dir)


def _fill(directory: Path, space_id: str, master: MasterKey) -> None:
    space = bytes.fromhex(space_id)
    keys = SpaceKeys.generate(space)
    write_keys(directory, keys, master)
    rows = RowAuthenticator(keys)
    (directory / CATALOG_FILE).touch(mode=0o600)  # SQLite would make it readable by all
    catalog = Catalog(directory / CATALOG_FILE, space)
    with contextlib.closing(catalog):
        create_catalog(catalog, secrets.token_bytes(16), rows)
        with catalog.read() as tx:
            row = read_space_row(tx)
    write_head(directory, Head(row.epoch, row.seq, row.digest))
    (directory / CHUNKS_DIRECTORY).mkdir(mode=0o700)
    sync_directory(directory)


def open_space(around: Surroundings, space_id: str, *, rolled_back_too: bool = False) -> SpaceContext:
    """Open a space that is there, after bringing its catalog to this version.

    `rolled_back_too`: even if the catalog is older than its HEAD file says, or looks so without one, for those who look
    into what happened.

    Raises: NotFound, MasterKeyWrong, KeysDamaged, CatalogUnreadable, CatalogTooNew, CatalogRolledBack,
    CatalogUnvouched, SmallChunksUnreadable, StorageMisplaced, OSError, DatabaseError where the disk fails.
    """
    directory = directory_of(around, space_id)
    if not directory.is_dir():
        raise NotFound("There is no such account.")
    space = bytes.fromhex(space_id)
    keys = read_keys_now(directory, space, around.master)
    # A rotation may have put them there this moment, and what is sealed under them has to open after a power cut too.
    sync_directory(directory)
    if not (directory / CATALOG_FILE).is_file():  # SQLite would make an empty one
        raise CatalogUnreadable(f"{directory / CATALOG_FILE}: not there")
    with contextlib.ExitStack() as opened:
        catalog = Catalog(directory / CATALOG_FILE, space, busy_timeout_s=around.limits.busy_timeout_s)
        opened.callback(catalog.close)
        row = _checked_row(catalog, directory, rolled_back_too=rolled_back_too)
        store = open_local_store(
            directory,
            around.temp_dir,
            around.now_ms,
            around.syncing,
            around.files,
            small_token_bytes=around.limits.small_token_bytes,
            busy_timeout_s=around.limits.busy_timeout_s,
            mark=row.store_mark,
        )
        opened.callback(store.close)
        if not rolled_back_too and not (directory / HEAD_FILE).exists():
            check_vouched(catalog, store, row)
            _log.error(
                "%s is not there, so an old catalog that was put back would not be noticed", directory / HEAD_FILE
            )
        lost = find_lost_chunks(catalog, store, row.store_mark)
        opened.pop_all()
    return SpaceContext(
        space_id=space_id,
        directory=directory,
        epoch=row.epoch,
        epoch_tag=epoch_tag(row.epoch),
        keys=keys,
        catalog=catalog,
        store=store,
        sealer=_sealer(around, directory, keys),
        names=NameSealer(keys, around.opened),
        rows=RowAuthenticator(keys),
        now_ms=around.now_ms,
        limits=around.limits,
        reserve=around.reserve,
        scratch=around.scratch,
        lists=around.lists,
        commit_feed=around.commit_feed,
        faults=() if lost is None else (lost,),
    )


def keys_signature(around: Surroundings, space_id: str) -> Signature | None:
    """Signature that is another once the space's keys file has been replaced; None if there is none. Raises:
    OSError."""
    return signature_of(directory_of(around, space_id) / KEYS_FILE)


def with_present_keys(around: Surroundings, context: SpaceContext) -> SpaceContext:
    """The space with the keys that its file holds now, over the same catalog and chunks.

    What is sealed under a new key has to open after a power cut too, so the file's name is made durable first.
    Raises: MasterKeyWrong, KeysDamaged (also for keys that do not open what those in use do), OSError.
    """
    keys = _present_keys(around, context.directory, context.keys)
    return dataclasses.replace(context, keys=keys, sealer=_sealer(around, context.directory, keys))


def _present_keys(around: Surroundings, directory: Path, in_use: SpaceKeys) -> SpaceKeys:
    """Those in the space's file, durable there, which open all that those `in_use` do."""
    keys = read_keys_now(directory, in_use.space, around.master)
    if not keys.extends(in_use):
        raise KeysDamaged(f"{directory / KEYS_FILE}: it lacks keys that are in use; restore the right one")
    sync_directory(directory)
    return keys


def _sealer(around: Surroundings, directory: Path, keys: SpaceKeys) -> Sealer:
    return Sealer(keys, lambda: around.now_ms() // 1_000, lambda: _present_keys(around, directory, keys))


def _checked_row(catalog: Catalog, directory: Path, *, rolled_back_too: bool) -> SpaceRow:
    """The catalog's row, once it is of this version and not older than the HEAD file says."""
    try:
        head = read_head(directory)  # before the row: a server at work moves both, the catalog first
    except (OSError, ValueError) as error:  # it is an aid; `verify` tells of it
        _log.warning("%s: the HEAD file cannot be read: %s", directory, error)
        head = None
    try:
        migrate(catalog)
        with catalog.read() as tx:
            check_space_row(tx)
            row = read_space_row(tx)
    except TypeError as error:  # of the version that it says it has
        raise CatalogUnreadable(f"{catalog.path}: its version is no number") from error
    except CatalogError as error:
        if error.is_full():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(catalog.path)) from error
        if error.is_passing():  # the file may be as it should be: nobody is told to restore it
            raise
        raise CatalogUnreadable(f"{catalog.path}: {error}") from error
    if head is not None and head.epoch == row.epoch and head.seq > row.seq and not rolled_back_too:
        raise CatalogRolledBack(f"{catalog.path} is at {row.seq}, and was at {head.seq} already")
    return row
