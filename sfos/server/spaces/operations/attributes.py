"""Times and modes, set without content: a new state of each node, so that the history tells of it, and no version."""

from __future__ import annotations

from collections.abc import Sequence

from sfos.protocol import (
    ROOT_NODE,
    Attributes,
    AttributesItem,
    AttributesRead,
    ItemResult,
    MalformedMessage,
    NotFound,
    PermissionDenied,
    SfosError,
)
from sfos.server.catalog.states import State
from sfos.server.spaces.operations.change import Change, apply_change
from sfos.server.spaces.operations.context import Caller, IdempotencyKey, SpaceContext
from sfos.server.spaces.operations.entries import check_row, decode_attrs, encode_fields, revision_of
from sfos.server.spaces.operations.items import check_revision
from sfos.server.spaces.stored_answers import ITEMS_ANSWERS, ItemsDone


def set_attributes(
    context: SpaceContext, caller: Caller, key: IdempotencyKey, items: Sequence[AttributesItem]
) -> ItemsDone:
    """See Space.set_attributes."""

    def work(change: Change) -> ItemsDone:
        results = [_set_one(context, change, item) for item in items]
        return ItemsDone(results=results, cursor=change.cursor, commit=change.commit)

    return apply_change(context, caller, key, ITEMS_ANSWERS, work)


def _set_one(context: SpaceContext, change: Change, item: AttributesItem) -> ItemResult:
    subject = f"node {item.node}"
    try:
        state = change.tree.node(item.node)
        if state is None:
            raise NotFound(subject=subject)
        if item.node == ROOT_NODE:
            raise PermissionDenied("The top folder has no attributes that could be set.", subject=subject)
        check_revision(context, item.if_revision, state, subject)
        check_row(context, state)
        new = state._replace(
            mtime_ns=state.mtime_ns if item.mtime_ns is None else item.mtime_ns,
            attrs=state.attrs if item.attrs is None else _with(context, state, item.attrs, subject),
        )
        if new != state:
            state = change.tree.replace(state, new)
    except SfosError as error:
        return ItemResult(error=error.info())
    return ItemResult(node=state.node, revision=revision_of(context, state.seq_from))


def _with(context: SpaceContext, state: State, attrs: Attributes, subject: str) -> bytes | None:
    """The sealed attributes of a state with some of them set: also those that a newer program wrote stay."""
    if attrs.link is not None:
        raise MalformedMessage("Where a link points is its content.", subject=subject)
    if attrs.mode is None:
        return state.attrs
    before = None if state.attrs is None else decode_attrs(context.names.open_attrs(state.node, state.attrs))
    before = before or AttributesRead()
    after = AttributesRead(mode=attrs.mode, link=before.link, unknown=before.unknown)
    return context.names.seal_attrs(state.node, encode_fields(after))
