"""A state of a node: what it is from one sequence number on, until the next state or its end. Live ones are rows of
`nodes`, closed ones rows of `past`.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import ColumnElement, Select, Table, bindparam, case, literal_column, select, tuple_

from sfos.protocol import ROOT_NODE
from sfos.server.catalog.engine import Transaction
from sfos.server.catalog.schema import nodes, past
from sfos.server.catalog.statement import InStatement, Statement
from sfos.server.disk.storage_faults import TokenDamaged
from sfos.server.vault.rows import RowAuthenticator

ROOT_PARENT = 0  # what no node has as its id
ROOT_NAME_KEY = bytes(16)


class StateKind(IntEnum):
    """`kind` in the rows."""

    FILE = 1
    FOLDER = 2
    SYMLINK = 3


class EndedAs(IntEnum):
    """End of a closed state. DELETED is the root of a deletion, of which `changes` and the trash speak."""

    REPLACED = 1
    MOVED = 2
    DELETED = 3
    DELETED_WITH_PARENT = 4


class State(NamedTuple):
    """One state. `name` and `attrs` are sealed, `mac` is the code over all of it (server.vault.rows)."""

    node: int
    parent: int
    name_key: bytes
    seq_from: int
    kind: int
    name: bytes
    size: int
    mtime_ns: int
    attrs: bytes | None
    content: bytes | None
    mac: bytes

    @property
    def is_folder(self) -> bool:
        """Whether other nodes can be in it."""
        return self.kind == StateKind.FOLDER


STATE_FIELDS = State._fields


def mac_of(rows: RowAuthenticator, state: State) -> bytes:
    """The code that the state should bear."""
    node, parent, _, seq_from, kind, name, size, mtime_ns, attrs, content, _ = state
    return rows.mac(
        node=node,
        parent=parent,
        seq_from=seq_from,
        kind=kind,
        size=size,
        mtime_ns=mtime_ns,
        name=name,
        attrs=attrs,
        content=content,
    )


LIVE_COLUMNS = tuple(nodes.c[name] for name in STATE_FIELDS)
PAST_COLUMNS = tuple(past.c[name] for name in STATE_FIELDS)

_live: Select[tuple[object, ...]] = select(*LIVE_COLUMNS).where(nodes.c.space == bindparam("space"))
_past: Select[tuple[object, ...]] = select(*PAST_COLUMNS).where(past.c.space == bindparam("space"))

FIND_CHILD = Statement(_live.where(nodes.c.parent == bindparam("parent"), nodes.c.name_key == bindparam("name_key")))
FIND_CHILDREN = InStatement(
    lambda names: _live.where(
        nodes.c.parent == bindparam("parent"), nodes.c.name_key.in_([bindparam(name) for name in names])
    )
)
FIND_NODE = Statement(_live.where(nodes.c.node == bindparam("node")))
_FIND_PAST_CHILD = Statement(
    _past.where(
        past.c.parent == bindparam("parent"),
        past.c.name_key == bindparam("name_key"),
        past.c.seq_to > bindparam("at"),
        past.c.seq_from <= bindparam("at"),
    )
)
_FIND_PAST_NODE = Statement(
    _past.where(past.c.node == bindparam("node"), past.c.seq_from <= bindparam("at"), past.c.seq_to > bindparam("at"))
)
HAD_CONTENT = Statement(_past.where(past.c.node == bindparam("node"), past.c.content == bindparam("content")).limit(1))
CHILDREN = Statement(_live.where(nodes.c.parent == bindparam("parent")))


# Of a state, what a list of names needs: (name key, node, kind, sealed name). Plain tuples, to be unpacked: to give
# the fields names would cost a list a third more.
Listed: TypeAlias = tuple[bytes, int, int, bytes]
_LISTED_FIELDS = ("name_key", "node", "kind", "name")
_name_key_of = itemgetter(_LISTED_FIELDS.index("name_key"))
# And what a list of entries needs: the same, then seq_from, size, mtime_ns, sealed attributes, content. Of a brief list
# the attributes of symlinks alone: a column that is NULL costs little.
ListedEntry: TypeAlias = tuple[bytes, int, int, bytes, int, int, int, bytes | None, bytes | None]
ENTRY_FIELDS = (*_LISTED_FIELDS, "seq_from", "size", "mtime_ns", "attrs", "content")


def _page_of(table: Table, fields: Iterable[str], *, brief: bool = False) -> Statement:
    """The states in a folder as of `at`, from behind a name key on: of `past`, those that ended later."""
    columns: dict[str, ColumnElement[object]] = {name: table.c[name] for name in fields}
    if brief:
        columns["attrs"] = case((table.c.kind == literal_column(str(int(StateKind.SYMLINK))), table.c.attrs))
    wanted = select(*columns.values()).where(
        table.c.space == bindparam("space"),
        table.c.parent == bindparam("parent"),
        table.c.name_key > bindparam("after"),
        table.c.seq_from <= bindparam("at"),
    )
    if table is past:
        wanted = wanted.where(past.c.seq_to > bindparam("at"))
    return Statement(wanted.order_by(table.c.name_key).limit(bindparam("limit")))


_ENTRIES_PAGE = _page_of(nodes, ENTRY_FIELDS)
_PAST_ENTRIES_PAGE = _page_of(past, ENTRY_FIELDS)
_BRIEF_PAGE = _page_of(nodes, ENTRY_FIELDS, brief=True)
_PAST_BRIEF_PAGE = _page_of(past, ENTRY_FIELDS, brief=True)
_LISTED_PAGE = _page_of(nodes, _LISTED_FIELDS)
_PAST_LISTED_PAGE = _page_of(past, _LISTED_FIELDS)
LIVE_CHANGED = Statement(
    _live.where(tuple_(nodes.c.seq_from, nodes.c.node) > tuple_(bindparam("seq"), bindparam("after")))
    .order_by(nodes.c.seq_from, nodes.c.node)
    .limit(bindparam("limit"))
)


def find_child(tx: Transaction, parent: int, name_key: bytes) -> State | None:
    """Live state of the node with that name in the folder, or None."""
    row = tx.one(FIND_CHILD, parent=parent, name_key=name_key)
    return None if row is None else State(*row)


def find_node(tx: Transaction, node: int) -> State | None:
    """The node's state now."""
    row = tx.one(FIND_NODE, node=node)
    return None if row is None else State(*row)


def find_child_at(tx: Transaction, parent: int, name_key: bytes, at: int) -> State | None:
    """State of the node that had that name in the folder when `at` was the latest commit, or None."""
    live = find_child(tx, parent, name_key)
    if live is not None and live.seq_from <= at:
        return live
    row = tx.one(_FIND_PAST_CHILD, parent=parent, name_key=name_key, at=at)
    return None if row is None else State(*row)


def find_node_at(tx: Transaction, node: int, at: int) -> State | None:
    """The node's state when `at` was the latest commit."""
    live = find_node(tx, node)
    if live is not None and live.seq_from <= at:
        return live
    row = tx.one(_FIND_PAST_NODE, node=node, at=at)
    return None if row is None else State(*row)


def entries_page(tx: Transaction, parent: int, *, after: bytes, at: int, limit: int, now: int) -> list[ListedEntry]:
    """Up to `limit` states in the folder when `at` was the latest commit, by name key, from behind `after` on.

    `now` is the latest commit in this transaction. Where it is `at`, the past need not be asked.
    """
    return _merged(tx, _ENTRIES_PAGE, _PAST_ENTRIES_PAGE, parent, after, at, limit, now)


def brief_page(tx: Transaction, parent: int, *, after: bytes, at: int, limit: int, now: int) -> list[ListedEntry]:
    """`entries_page`, without the attributes of what is no symlink."""
    return _merged(tx, _BRIEF_PAGE, _PAST_BRIEF_PAGE, parent, after, at, limit, now)


def listed_page(tx: Transaction, parent: int, *, after: bytes, at: int, limit: int, now: int) -> list[Listed]:
    """`entries_page`, with no more than a list of names needs."""
    return _merged(tx, _LISTED_PAGE, _PAST_LISTED_PAGE, parent, after, at, limit, now)


def _merged(
    tx: Transaction, live: Statement, ended: Statement, parent: int, after: bytes, at: int, limit: int, now: int
) -> list[Any]:
    page = tx.all(live, parent=parent, after=after, at=at, limit=limit)
    if at == now:
        return page
    closed = tx.all(ended, parent=parent, after=after, at=at, limit=limit)
    return sorted(page + closed, key=_name_key_of)[:limit]


def root_state(tx: Transaction) -> State:
    """The space's root folder. Raises: TokenDamaged."""
    root = find_node(tx, ROOT_NODE)
    if root is None:  # every catalog is made with one
        raise TokenDamaged("the row of the root folder is not there")
    return root
