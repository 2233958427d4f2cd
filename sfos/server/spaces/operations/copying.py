"""Copies of nodes: new ids, names and attributes sealed anew for their new place, contents shared."""

from __future__ import annotations

from collections.abc import Iterator

from sfos.server.catalog.engine import Transaction
from sfos.server.catalog.states import CHILDREN, STATE_FIELDS, State
from sfos.server.process.waiting import look
from sfos.server.spaces.operations.change import Change
from sfos.server.spaces.operations.context import SpaceContext
from sfos.server.spaces.operations.entries import check_row, name_of
from sfos.server.vault.names import NAME_KEY_BYTES

_FLUSH_EVERY = 10_000  # nodes held in memory before they are written
_PAGE = 5_000


def copy_single(context: SpaceContext, change: Change, source: State, parent: int, name: str) -> State:
    """A copy of `source` alone, as `name` in the folder `parent`. Raises: TokenDamaged."""
    check_row(context, source)  # a row that someone has changed must not get a code of its own by being copied
    names = context.names
    node = change.tree.new_node()
    return change.tree.create(
        source._replace(
            node=node,
            parent=parent,
            name_key=names.key(parent, name),
            name=names.seal_name(parent, name),
            attrs=_attrs_for(context, source, node),
        )
    )


def copy_onto(context: SpaceContext, change: Change, source: State, existing: State) -> State:
    """`existing`, a file or symlink, with the content of `source`."""
    return change.tree.replace(
        existing,
        existing._replace(
            kind=source.kind,
            size=source.size,
            mtime_ns=source.mtime_ns,
            attrs=_attrs_for(context, source, existing.node),
            content=source.content,
        ),
    )


def copy_below(context: SpaceContext, change: Change, source: int, target: int) -> None:
    """Copies of all that is below the folder `source`, below the folder `target`, which is not in it.

    Raises: TokenDamaged, QuotaExceeded (as soon as it is clear).
    """
    folders = [(source, target)]
    waiting = 0
    while folders:
        from_folder, to_folder = folders.pop()
        for child in _children(change.tx, from_folder):
            copied = copy_single(context, change, child, to_folder, name_of(context, child))
            if child.is_folder:
                folders.append((child.node, copied.node))
            waiting += 1
            if waiting >= _FLUSH_EVERY:
                change.flush()
                waiting = 0


def _children(tx: Transaction, folder: int) -> Iterator[State]:
    """States in the folder, some at a time: it need not fit in memory, and the transaction is free for others."""
    after = bytes(NAME_KEY_BYTES)
    while page := tx.all(CHILDREN, parent=folder, after=after, limit=_PAGE):
        look()
        for row in page:
            yield State(*row)
        if len(page) < _PAGE:
            return
        after = page[-1][STATE_FIELDS.index("name_key")]


def _attrs_for(context: SpaceContext, source: State, node: int) -> bytes | None:
    if source.attrs is None:
        return None
    return context.names.seal_attrs(node, context.names.open_attrs(source.node, source.attrs))
