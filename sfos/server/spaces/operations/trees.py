"""Folders made, things moved, copied and deleted."""

from __future__ import annotations

from sfos.protocol import (
    ROOT_NODE,
    AlreadyExists,
    CopyRequest,
    DeleteItem,
    DeleteRequest,
    IsAFolder,
    ItemResult,
    ItemsReply,
    MakeFolderRequest,
    MovedBelowItself,
    MoveRequest,
    NodeReply,
    NotAFolder,
    NotFound,
    PermissionDenied,
    SfosError,
    TreeError,
    pack_results,
)
from sfos.server.catalog.states import State
from sfos.server.spaces.operations.change import Change, Outcome, apply_change, identify
from sfos.server.spaces.operations.commits import check_revision, make_folders, new_folder
from sfos.server.spaces.operations.context import Caller, SpaceContext
from sfos.server.spaces.operations.copying import copy_below, copy_onto, copy_single
from sfos.server.spaces.operations.entries import check_row, encode_attrs, revision_of
from sfos.server.spaces.operations.places import Place, PlaceFinder, ancestors, check_room_below, find_ref, subject_of


def make_folder(context: SpaceContext, caller: Caller, request: MakeFolderRequest) -> NodeReply:
    """Raises: AlreadyExists, NotFound, NotAFolder, NameNotAllowed."""

    def work(change: Change) -> Outcome:
        place = PlaceFinder(context, change.tree).find(request.target)
        existing = _at(change, place)
        if existing is not None:
            if not request.parents:
                raise AlreadyExists(subject=place.subject)
            if not existing.is_folder:
                raise NotAFolder(subject=place.subject)
            return _node_reply(change, existing)
        if place.missing and not request.parents:
            raise NotFound("The folder in which to make it is not there.", subject=place.subject)
        parent = make_folders(context, change, place)
        mtime_ns = request.mtime_ns or change.tree.time_ms * 1_000_000
        attrs = encode_attrs(request.attrs)
        state = new_folder(context, change, parent, place.name, mtime_ns=mtime_ns, attrs=attrs)
        return _node_reply(change, state)

    return apply_change(context, caller, request.op_id, NodeReply, work, asked=identify(caller, request))[0]


def move(context: SpaceContext, caller: Caller, request: MoveRequest) -> NodeReply:
    """One row changes, however much is below it. Raises: see Space.move."""

    def work(change: Change) -> Outcome:
        source, place = _source_and_place(context, change, request)
        existing = _at(change, place)
        name = context.names.seal_name(place.folder, place.name)
        if existing is not None and existing.node == source.node:
            if existing.name == name:
                return _node_reply(change, source)
        else:
            _make_room(change, source, existing, place, replace=request.replace)
            if existing is not None:
                change.tree.delete(existing)
        moved = source._replace(parent=place.folder, name_key=place.name_key, name=name)
        return _node_reply(change, change.tree.replace(source, moved))

    return apply_change(context, caller, request.op_id, NodeReply, work, asked=identify(caller, request))[0]


def copy(context: SpaceContext, caller: Caller, request: CopyRequest) -> NodeReply:
    """New nodes with the same contents. A file that is replaced gets a new version. Raises: see Space.copy."""

    def work(change: Change) -> Outcome:
        source, place = _source_and_place(context, change, request)
        existing = _at(change, place)
        if existing is not None and existing.node == source.node:
            raise AlreadyExists("It cannot be copied onto itself.", subject=place.subject)
        _make_room(change, source, existing, place, replace=request.replace)
        if existing is not None and not existing.is_folder:
            return _node_reply(change, copy_onto(context, change, source, existing))
        if existing is not None:
            change.tree.delete(existing)
        copied = copy_single(context, change, source, place.folder, place.name)
        if source.is_folder:
            copy_below(context, change, source.node, copied.node)
        return _node_reply(change, copied)

    return apply_change(context, caller, request.op_id, NodeReply, work, asked=identify(caller, request))[0]


def delete(context: SpaceContext, caller: Caller, request: DeleteRequest) -> tuple[ItemsReply, bytes]:
    """Ends the states of the items and of all below them; what they were stays in the history."""

    def work(change: Change) -> Outcome:
        results = [_delete_one(context, change, item) for item in request.items]
        if request.atomic and any(result.error for result in results):
            change.abandoned = True
            undone = TreeError("Nothing was deleted, because another item could not be.").info()
            results = [result if result.error else ItemResult(error=undone) for result in results]
        results_bytes, _, body = pack_results(results)
        return Outcome(ItemsReply(cursor=change.cursor, results_bytes=results_bytes, commit=change.commit), body)

    return apply_change(context, caller, request.op_id, ItemsReply, work, asked=identify(caller, request))


def _delete_one(context: SpaceContext, change: Change, item: DeleteItem) -> ItemResult:
    subject = subject_of(item.ref)
    try:
        state = find_ref(context, change.tx, item.ref)
        if change.tree.node(state.node) is None:  # by an item before this one
            raise NotFound(subject=subject)
        if state.node == ROOT_NODE:
            raise PermissionDenied("The top folder cannot be deleted.", subject=subject)
        check_revision(context, item.if_revision, state, subject)
        change.tree.delete(state)
    except SfosError as error:
        return ItemResult(error=error.info())
    return ItemResult(node=state.node, revision=revision_of(context, change.tree.seq))


def _source_and_place(context: SpaceContext, change: Change, request: MoveRequest | CopyRequest) -> tuple[State, Place]:
    """Source and destination of a move or copy, once it is clear that it can be done."""
    subject = subject_of(request.source)
    source = find_ref(context, change.tx, request.source)
    if source.node == ROOT_NODE:
        raise PermissionDenied("The top folder cannot be moved or copied.", subject=subject)
    check_revision(context, request.if_revision, source, subject)
    check_row(context, source)
    place = PlaceFinder(context, change.tree).find(request.target)
    if place.missing:
        raise NotFound("The folder to put it in is not there.", subject=place.subject)
    if source.is_folder and source.node in _above(change, place.folder):
        raise MovedBelowItself(subject=place.subject)
    check_room_below(change.tx, source, place)
    return source, place


def _make_room(change: Change, source: State, existing: State | None, place: Place, *, replace: bool) -> None:
    """Check that whatever is at the destination may give way. Raises: AlreadyExists, IsAFolder, NotAFolder,
    MovedBelowItself."""
    if existing is None:
        return
    if not replace:
        raise AlreadyExists(subject=place.subject)
    if existing.is_folder and not source.is_folder:
        raise IsAFolder(subject=place.subject)
    if source.is_folder and not existing.is_folder:
        raise NotAFolder(subject=place.subject)
    if existing.is_folder and existing.node in _above(change, source.parent):
        raise MovedBelowItself("A folder cannot take the place of one that it is in.", subject=place.subject)


def _above(change: Change, folder: int) -> set[int]:
    """The folder and all that it is in."""
    return {node for node, _, _ in ancestors(change.tx, folder)}


def _at(change: Change, place: Place) -> State | None:
    return None if place.missing else change.tree.child(place.folder, place.name_key)


def _node_reply(change: Change, state: State) -> Outcome:
    revision = revision_of(change.context, state.seq_from)
    return Outcome(NodeReply(node=state.node, revision=revision, cursor=change.cursor, commit=change.commit))
