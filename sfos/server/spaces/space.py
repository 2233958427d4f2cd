"""One opened space: what the handlers of commands call.

A method per command, from protocol's typed request to its typed reply; where a command has bodies, they go in as a
memoryview and come out beside the reply. All raise protocol's errors alone (`SfosError`), may block on the disk, and
are safe from several threads. Rights are the caller's affair: who holds a Space may do anything in it, and `space` in
references is not looked at again.
"""

from __future__ import annotations

from collections.abc import Callable

from sfos.protocol import (
    Buffer,
    ChangesReply,
    ChangesRequest,
    CommitRequest,
    CopyRequest,
    Cursor,
    DeleteRequest,
    GetChunksReply,
    GetChunksRequest,
    HaveReply,
    HaveRequest,
    ItemsReply,
    ListReply,
    ListRequest,
    MakeFolderRequest,
    ManifestReply,
    ManifestRequest,
    MoveRequest,
    NodeReply,
    PutChunksReply,
    PutChunksRequest,
    SpaceInfo,
    StatReply,
    StatRequest,
    UsageReply,
)
from sfos.server.catalog.wrong_values import first_wrong_value
from sfos.server.spaces.operations import changes, commits, downloads, listing, reads, trees, uploads
from sfos.server.spaces.operations.context import Caller, SpaceContext
from sfos.server.spaces.operations.guard import guarded

__all__ = ["Caller", "Space"]


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
    def stat(self, request: StatRequest) -> StatReply:
        """Raises: NotFound, NotAFolder."""
        return reads.stat(self._context, request)

    @guarded
    def list_folders(self, request: ListRequest) -> tuple[ListReply, bytes]:
        """A page and its body. What is wrong with one folder is said in its place. Raises: ResyncRequired."""
        return listing.list_folders(self._context, request)

    @guarded
    def manifest(self, request: ManifestRequest) -> tuple[ManifestReply, bytes]:
        """Raises: NotFound, IsAFolder, DataDamaged."""
        return downloads.manifest(self._context, request)

    @guarded
    def get_chunks(
        self, request: GetChunksRequest, body: Buffer, take_memory: Callable[[int], memoryview]
    ) -> tuple[GetChunksReply, memoryview]:
        """The chunks asked for, in what `take_memory` gives. Raises: NotFound, DataDamaged (of the first one)."""
        return downloads.get_chunks(self._context, request, body, take_memory)

    @guarded
    def changes(self, request: ChangesRequest) -> tuple[ChangesReply, bytes]:
        """Costs one look-up where nothing changed. Raises: ResyncRequired."""
        return changes.changes(self._context, request)

    @guarded
    def usage(self, caller: Caller) -> UsageReply:
        """Bytes and files kept, and the caller's quota."""
        return changes.usage(self._context, caller)

    @guarded
    def have(self, caller: Caller, request: HaveRequest, body: Buffer) -> tuple[HaveReply, bytes]:
        """Counts what the space refers to, and what this caller has put and not committed yet."""
        return uploads.have(self._context, caller, request, body)

    # --- changing ---------------------------------------------------------------------------------------------

    @guarded
    def put_chunks(self, caller: Caller, request: PutChunksRequest, body: memoryview) -> PutChunksReply:
        """Durable when this returns. Raises: BadChunk, StorageFull, QuotaExceeded, StorageFailed."""
        return uploads.put_chunks(self._context, caller, request, body)

    @guarded
    def commit(self, caller: Caller, request: CommitRequest, body: memoryview) -> tuple[ItemsReply, bytes]:
        """Durable when this returns; a repeated op_id gets the first reply. Raises: what concerns the whole request."""
        return commits.commit(self._context, caller, request, body)

    @guarded
    def make_folder(self, caller: Caller, request: MakeFolderRequest) -> NodeReply:
        """Raises: AlreadyExists, NotFound, NotAFolder, NameNotAllowed."""
        return trees.make_folder(self._context, caller, request)

    @guarded
    def move(self, caller: Caller, request: MoveRequest) -> NodeReply:
        """One row changes. Raises: NotFound, AlreadyExists, RevisionConflict, MovedBelowItself, NameNotAllowed."""
        return trees.move(self._context, caller, request)

    @guarded
    def copy(self, caller: Caller, request: CopyRequest) -> NodeReply:
        """Copy without storing any content again. Raises: as `move`."""
        return trees.copy(self._context, caller, request)

    @guarded
    def delete(self, caller: Caller, request: DeleteRequest) -> tuple[ItemsReply, bytes]:
        """Delete items; the history keeps them. An error of one item is said in its place."""
        return trees.delete(self._context, caller, request)
