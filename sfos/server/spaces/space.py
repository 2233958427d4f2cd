"""One opened space: what can be done in it, from values to values.

Commands reach it through handlers, which take bodies apart and pack them; a program in the same process calls it as it
is. All methods raise protocol's errors alone (`SfosError`), may block on the disk, and are safe from several threads.
Rights are the caller's affair: who holds a Space may do anything in it, and `space` in references is not looked at
again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sfos.protocol import (
    MAX_PAGE_ENTRIES,
    Attributes,
    AttributesItem,
    ChunkWant,
    CommitItem,
    Cursor,
    DeleteItem,
    Entry,
    NodeReply,
    PlainRecord,
    Ref,
    Revision,
    SpaceInfo,
    Target,
    UsageReply,
)
from sfos.server.catalog.wrong_values import first_wrong_value
from sfos.server.spaces.operations import attributes, changes, downloads, items, listing, trees, uploads
from sfos.server.spaces.operations.changes import ChangesPage
from sfos.server.spaces.operations.context import Caller, IdempotencyKey, SpaceContext
from sfos.server.spaces.operations.downloads import MOST_RECORDS, ChunkData, Manifest, TakeMemory
from sfos.server.spaces.operations.guard import guarded
from sfos.server.spaces.operations.listing import EntriesPage, NamesPage
from sfos.server.spaces.stored_answers import ItemsDone

__all__ = ["Caller", "IdempotencyKey", "Space"]

_NOTHING = memoryview(b"")


class Space:
    """See the module's first lines. Comes from `SpaceRegistry.lease`; who is told of commits stands there too."""

    def __init__(self, context: SpaceContext) -> None:
        self._context = context

    @property
    def space_id(self) -> str:
        """Id of the space, 32 hexadecimal digits."""
        return self._context.space_id

    def wrong_value(self) -> str | None:
        """The first catalog value that this program cannot have written, or None. Scans all tables."""
        return first_wrong_value(self._context.catalog)

    # --- reading ----------------------------------------------------------------------------------------------

    @guarded
    def info(self) -> SpaceInfo:
        """The secrets that the space's clients share, and the cursor of now."""
        return changes.info(self._context)

    @guarded
    def cursor(self) -> Cursor:
        """The cursor of now."""
        return changes.now(self._context)

    @guarded
    def stat(self, ref: Ref) -> Entry:
        """The entry, with its path. Raises: NotFound, NotAFolder."""
        return listing.stat(self._context, ref)

    @guarded
    def list_entries(
        self,
        folders: Sequence[Ref],
        *,
        limit: int = MAX_PAGE_ENTRIES,
        cursor: str | None = None,
        brief: bool = False,
    ) -> EntriesPage:
        """A page of what is in the folders, as it was when the first page was made; `cursor`: `next` of the one before.

        What is wrong with one folder is said in its place. `brief`: without attributes of files and folders.
        Raises: ResyncRequired.
        """
        return listing.list_entries(self._context, folders, limit=limit, cursor=cursor, brief=brief)

    @guarded
    def list_names(
        self, folders: Sequence[Ref], *, limit: int = MAX_PAGE_ENTRIES, cursor: str | None = None
    ) -> NamesPage:
        """Names alone; otherwise as `list_entries`."""
        return listing.list_names(self._context, folders, limit=limit, cursor=cursor)

    @guarded
    def manifest(self, ref: Ref, *, first: int = 0, limit: int = MOST_RECORDS) -> Manifest:
        """The chunks of a file from ordinal `first` on. Raises: NotFound, IsAFolder, DataDamaged."""
        return downloads.manifest(self._context, ref, first=first, limit=limit)

    @guarded
    def get_chunks(self, wants: Sequence[ChunkWant], max_bytes: int, take_memory: TakeMemory) -> ChunkData:
        """The longest prefix of what is wanted that fits, at least one chunk, in what `take_memory` gives.

        Raises: NotFound, DataDamaged (of the first one).
        """
        return downloads.get_chunks(self._context, wants, max_bytes, take_memory)

    @guarded
    def changes(self, since: Cursor, limit: int = MAX_PAGE_ENTRIES) -> ChangesPage:
        """Changes after `since`. Costs one look-up where there are none. Raises: ResyncRequired."""
        return changes.changes(self._context, since, limit)

    @guarded
    def usage(self, caller: Caller) -> UsageReply:
        """Bytes and files kept, and the caller's quota."""
        return changes.usage(self._context, caller)

    @guarded
    def have(self, caller: Caller, ids: Sequence[bytes]) -> list[bool]:
        """For each chunk whether it is there: referred to in the space, or put by this caller and not committed yet."""
        return uploads.have(self._context, caller, ids)

    # --- changing ---------------------------------------------------------------------------------------------

    @guarded
    def put_chunks(self, caller: Caller, records: Iterable[PlainRecord], data: memoryview) -> int:
        """Store chunks, their `data` one after the other; how many were new. Durable when this returns.

        Raises: BadChunk, StorageFull, QuotaExceeded, StorageFailed, MalformedMessage.
        """
        return uploads.put_chunks(self._context, caller, records, data)

    @guarded
    def put_items(
        self,
        caller: Caller,
        key: IdempotencyKey,
        new: Sequence[CommitItem],
        records: Sequence[PlainRecord] = (),
        inline: Sequence[PlainRecord] = (),
        data: memoryview = _NOTHING,
        *,
        atomic: bool = False,
    ) -> ItemsDone:
        """Put files, folders and symlinks in place, in one commit. Durable when this returns.

        `records`: of the items' chunks, in order; `inline`: of chunks that come along, with their `data`.
        What is wrong with one item is said in its place. Raises: what concerns all (BadChunk, StorageFull, …).
        """
        return items.put_items(self._context, caller, key, new, records, inline, data, atomic=atomic)

    @guarded
    def make_folder(
        self,
        caller: Caller,
        key: IdempotencyKey,
        target: Target,
        *,
        parents: bool = False,
        mtime_ns: int = 0,
        attrs: Attributes | None = None,
    ) -> NodeReply:
        """A new folder. `mtime_ns`: 0 is now. Raises: AlreadyExists, NotFound, NotAFolder, NameNotAllowed."""
        return trees.make_folder(self._context, caller, key, target, parents=parents, mtime_ns=mtime_ns, attrs=attrs)

    @guarded
    def move(
        self,
        caller: Caller,
        key: IdempotencyKey,
        source: Ref,
        target: Target,
        *,
        replace: bool = False,
        if_revision: Revision | None = None,
    ) -> NodeReply:
        """One row changes. Raises: NotFound, AlreadyExists, RevisionConflict, MovedBelowItself, NameNotAllowed."""
        return trees.move(self._context, caller, key, source, target, replace=replace, if_revision=if_revision)

    @guarded
    def copy(
        self,
        caller: Caller,
        key: IdempotencyKey,
        source: Ref,
        target: Target,
        *,
        replace: bool = False,
        if_revision: Revision | None = None,
    ) -> NodeReply:
        """No content is stored again. Raises: as `move`."""
        return trees.copy(self._context, caller, key, source, target, replace=replace, if_revision=if_revision)

    @guarded
    def delete(
        self, caller: Caller, key: IdempotencyKey, which: Sequence[DeleteItem], *, atomic: bool = False
    ) -> ItemsDone:
        """Delete items; the history keeps them. What is wrong with one item is said in its place."""
        return trees.delete(self._context, caller, key, which, atomic=atomic)

    @guarded
    def set_attributes(self, caller: Caller, key: IdempotencyKey, which: Sequence[AttributesItem]) -> ItemsDone:
        """Set times and modes, without content. What is wrong with one item is said in its place."""
        return attributes.set_attributes(self._context, caller, key, which)
