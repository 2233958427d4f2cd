"""Folders made, things moved, copied and deleted."""

from __future__ import annotations

from collections.abc import Sequence

from sfos.protocol import (
    ROOT_NODE,
    AlreadyExists,
    Attributes,
    DeleteItem,
    IsAFolder,
    ItemResult,
    MovedBelowItself,
    NodeReply,
    NotAFolder,
    NotFound,
    PermissionDenied,
    Ref,
    Revision,
    SfosError,
    Target,
    TreeError,
)
from sfos.server.catalog.states import State
from sfos.server.spaces.operations.change import Change, apply_change
from sfos.server.spaces.operations.context import Caller, IdempotencyKey, SpaceContext
from sfos.server.spaces.operations.copying import copy_below, copy_onto, copy_single
from sfos.server.spaces.operations.destinations import (
    Destination,
    DestinationFinder,
    ancestors,
    check_room_below,
    find_ref,
    subject_of,
)
from sfos.server.spaces.operations.entries import check_row, encode_attrs, revision_of
from sfos.server.spaces.operations.items import check_revision, make_folders, new_folder
from sfos.server.spaces.stored_answers import ITEMS_ANSWERS, NODE_ANSWERS, ItemsDone


def make_folder(
    context: SpaceContext,
    caller: Caller,
    key: IdempotencyKey,
    target: Target,
    *,
    parents: bool,
    mtime_ns: int,
    attrs: Attributes | None,
) -> NodeReply:
    """See Space.make_folder."""

    def work(change: Change) -> NodeReply:
        to = DestinationFinder(context, change.tree).find(target)
        existing = _at(change, to)
        if existing is not None:
            if not parents:
                raise AlreadyExists(subject=to.subject)
            if not existing.is_folder:
                raise NotAFolder(subject=to.subject)
            return _node_reply(change, existing)
        if to.missing and not parents:
            raise NotFound("The folder in which to make it is not there.", subject=to.subject)
        parent = make_folders(context, change, to)
        made_ns = mtime_ns or change.tree.time_ms * 1_000_000
        state = new_folder(context, change, parent, to.name, mtime_ns=made_ns, attrs=encode_attrs(attrs))
        return _node_reply(change, state)

    return apply_change(context, caller, key, NODE_ANSWERS, work)


def move(
    context: SpaceContext,
    caller: Caller,
    key: IdempotencyKey,
    source: Ref,
    target: Target,
    *,
    replace: bool,
    if_revision: Revision | None,
) -> NodeReply:
    """One row changes, however much is below it. Raises: see Space.move."""

    def work(change: Change) -> NodeReply:
        state, to = _source_and_destination(context, change, source, target, if_revision)
        existing = _at(change, to)
        name = context.names.seal_name(to.folder, to.name)
        if existing is not None and existing.node == state.node:
            if existing.name == name:
                return _node_reply(change, state)
        else:
            _make_room(change, state, existing, to, replace=replace)
            if existing is not None:
                change.tree.delete(existing)
        moved = state._replace(parent=to.folder, name_key=to.name_key, name=name)
        return _node_reply(change, change.tree.replace(state, moved))

    return apply_change(context, caller, key, NODE_ANSWERS, work)


def copy(
    context: SpaceContext,
    caller: Caller,
    key: IdempotencyKey,
    source: Ref,
    target: Target,
    *,
    replace: bool,
    if_revision: Revision | None,
) -> NodeReply:
    """New nodes with the same contents. A file that is replaced gets a new version. Raises: see Space.copy."""

    def work(change: Change) -> NodeReply:
        state, to = _source_and_destination(context, change, source, target, if_revision)
        existing = _at(change, to)
        if existing is not None and existing.node == state.node:
            raise AlreadyExists("It cannot be copied onto itself.", subject=to.subject)
        _make_room(change, state, existing, to, replace=replace)
        if existing is not None and not existing.is_folder:
            return _node_reply(change, copy_onto(context, change, state, existing))
        if existing is not None:
            change.tree.delete(existing)
        copied = copy_single(context, change, state, to.folder, to.name)
        if state.is_folder:
            copy_below(context, change, state.node, copied.node)
        return _node_reply(change, copied)

    return apply_change(context, caller, key, NODE_ANSWERS, work)


def delete(
    context: SpaceContext, caller: Caller, key: IdempotencyKey, items: Sequence[DeleteItem], *, atomic: bool
) -> ItemsDone:
    """Ends the states of the items and of all below them; what they were stays in the history."""

    def work(change: Change) -> ItemsDone:
        results = [_delete_one(context, change, item) for item in items]
        if atomic and any(result.error for result in results):
            change.abandoned = True
            undone = TreeError("Nothing was deleted, because another item could not be.").info()
            results = [result if result.error else ItemResult(error=undone) for result in results]
        return ItemsDone(results=results, cursor=change.cursor, commit=change.commit)

    return apply_change(context, caller, key, ITEMS_ANSWERS, work, takes_away=True)


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


def _source_and_destination(
    context: SpaceContext, change: Change, source: Ref, target: Target, if_revision: Revision | None
) -> tuple[State, Destination]:
    """Source and destination of a move or copy, once it is clear that it can be done."""
    subject = subject_of(source)
    state = find_ref(context, change.tx, source)
    if state.node == ROOT_NODE:
        raise PermissionDenied("The top folder cannot be moved or copied.", subject=subject)
    check_revision(context, if_revision, state, subject)
    check_row(context, state)
    to = DestinationFinder(context, change.tree).find(target)
    if to.missing:
        raise NotFound("The folder to put it in is not there.", subject=to.subject)
    if state.is_folder and state.node in _above(change, to.folder):
        raise MovedBelowItself(subject=to.subject)
    check_room_below(change.tx, state, to)
    return state, to


def _make_room(change: Change, source: State, existing: State | None, to: Destination, *, replace: bool) -> None:
    """Check that whatever is at the destination may give way.

    Raises: AlreadyExists, IsAFolder, NotAFolder, MovedBelowItself.
    """
    if existing is None:
        return
    if not replace:
        raise AlreadyExists(subject=to.subject)
    if existing.is_folder and not source.is_folder:
        raise IsAFolder(subject=to.subject)
    if source.is_folder and not existing.is_folder:
        raise NotAFolder(subject=to.subject)
    if existing.is_folder and existing.node in _above(change, source.parent):
        raise MovedBelowItself("A folder cannot take the place of one that it is in.", subject=to.subject)


def _above(change: Change, folder: int) -> set[int]:
    """The folder and all that it is in."""
    return {node for node, _, _ in ancestors(change.tx, folder)}


def _at(change: Change, to: Destination) -> State | None:
    return None if to.missing else change.tree.child(to.folder, to.name_key)


def _node_reply(change: Change, state: State) -> NodeReply:
    revision = revision_of(change.context, state.seq_from)
    return NodeReply(node=state.node, revision=revision, cursor=change.cursor, commit=change.commit)
