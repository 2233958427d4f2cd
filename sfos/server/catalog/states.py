"""A state of a node: what it is from one sequence number on, until the next state or its end. Live ones are rows of
`nodes`, closed ones rows of `past`.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import ColumnElement, Select, Table, bindparam, case, func, literal_column, select, tuple_

from sfos.protocol import ROOT_NODE, ResyncRequired
from sfos.server.catalog.engine import Transaction
from sfos.server.catalog.schema import nodes, past
from sfos.server.catalog.statement import InStatement, Statement
from sfos.server.disk.storage_faults import TokenDamaged
from sfos.server.vault.rows import RowAuthenticator

ROOT_PARENT = 0  # what no node has as its id
ROOT_NAME_KEY = bytes(16)

MOST_IN_VAIN = 100_000  # rows; some 0.3 s
_STRETCH = 1_000  # rows
_LAST_KEY = b"\xff" * 16  # of all name keys


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
# The last of its states that began by then, which is the one of then if it had not ended.
_FIND_PAST_NODE = Statement(
    select(past.c.seq_to, *PAST_COLUMNS)
    .where(past.c.space == bindparam("space"), past.c.node == bindparam("node"), past.c.seq_from <= bindparam("at"))
    .order_by(past.c.seq_from.desc())
    .limit(1)
)
_ended_since = (
    select(past.c.node)
    .where(past.c.space == bindparam("space"), past.c.parent == bindparam("parent"), past.c.seq_to > bindparam("at"))
    .limit(bindparam("most"))
)
_COUNT_ENDED_SINCE = Statement(select(func.count()).select_from(_ended_since.subquery()))
HAD_CONTENT = Statement(_past.where(past.c.node == bindparam("node"), past.c.content == bindparam("content")).limit(1))
CHILDREN = Statement(
    _live.where(nodes.c.parent == bindparam("parent"), nodes.c.name_key > bindparam("after"))
    .order_by(nodes.c.name_key)
    .limit(bindparam("limit"))
)


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
    """The states in a folder as of `at`, from behind a name key on: of `past`, those that ended later; of `nodes`, up
    to a name key."""
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
    else:
        wanted = wanted.where(nodes.c.name_key <= bindparam("until"))
    return Statement(wanted.order_by(table.c.name_key).limit(bindparam("limit")))


_ENTRIES_PAGE = _page_of(nodes, ENTRY_FIELDS)
_PAST_ENTRIES_PAGE = _page_of(past, ENTRY_FIELDS)
_BRIEF_PAGE = _page_of(nodes, ENTRY_FIELDS, brief=True)
_PAST_BRIEF_PAGE = _page_of(past, ENTRY_FIELDS, brief=True)
_LISTED_PAGE = _page_of(nodes, _LISTED_FIELDS)
_PAST_LISTED_PAGE = _page_of(past, _LISTED_FIELDS)
_KEY_AFTER = Statement(
    select(nodes.c.name_key)
    .where(nodes.c.space == bindparam("space"), nodes.c.parent == bindparam("parent"))
    .where(nodes.c.name_key > bindparam("after"))
    .order_by(nodes.c.name_key)
    .limit(1)
    .offset(bindparam("rows"))
)
LIVE_CHANGED = Statement(
    _live.where(tuple_(nodes.c.seq_from, nodes.c.node) > tuple_(bindparam("seq"), bindparam("after")))
    .order_by(nodes.c.seq_from, nodes.c.node)
    .limit(bindparam("limit"))
)


class LookBack:
    """A look at what was when `at` was the latest commit, in a transaction in which `now` is. For one request.

    Rows that began or ended since are read in vain, and of those there can be any number: beyond MOST_IN_VAIN the look
    ends. Raises: ResyncRequired.
    """

    __slots__ = ("_room", "at", "now")

    def __init__(self, at: int, now: int) -> None:
        self.at = at
        self.now = now
        self._room = MOST_IN_VAIN

    def reads(self, rows: int) -> None:
        """So many rows are read in vain."""
        self._room -= rows
        if self._room < 0:
            raise ResyncRequired

    def reads_past_of(self, tx: Transaction, parent: int) -> None:
        """All that was in the folder and ended since is read."""
        ((count,),) = tx.all(_COUNT_ENDED_SINCE, parent=parent, at=self.at, most=self._room + 1)
        self.reads(count)


def find_child(tx: Transaction, parent: int, name_key: bytes) -> State | None:
    """Live state of the node with that name in the folder, or None."""
    row = tx.one(FIND_CHILD, parent=parent, name_key=name_key)
    return None if row is None else State(*row)


def find_node(tx: Transaction, node: int) -> State | None:
    """The node's state now."""
    row = tx.one(FIND_NODE, node=node)
    return None if row is None else State(*row)


def find_child_at(tx: Transaction, parent: int, name_key: bytes, then: LookBack) -> State | None:
    """State of the node that had that name in the folder then, or None. Raises: ResyncRequired."""
    live = find_child(tx, parent, name_key)
    if then.at == then.now or (live is not None and live.seq_from <= then.at):
        return live
    then.reads_past_of(tx, parent)
    row = tx.one(_FIND_PAST_CHILD, parent=parent, name_key=name_key, at=then.at)
    return None if row is None else State(*row)


def find_node_at(tx: Transaction, node: int, then: LookBack) -> State | None:
    """The node's state then."""
    live = find_node(tx, node)
    if then.at == then.now or (live is not None and live.seq_from <= then.at):
        return live
    row = tx.one(_FIND_PAST_NODE, node=node, at=then.at)
    return None if row is None or row[0] <= then.at else State(*row[1:])


def entries_page(tx: Transaction, parent: int, *, after: bytes, limit: int, then: LookBack) -> list[ListedEntry]:
    """Up to `limit` states in the folder then, by name key, from behind `after` on. Raises: ResyncRequired."""
    return _merged(tx, _ENTRIES_PAGE, _PAST_ENTRIES_PAGE, parent, after, limit, then)


def brief_page(tx: Transaction, parent: int, *, after: bytes, limit: int, then: LookBack) -> list[ListedEntry]:
    """`entries_page`, without the attributes of what is no symlink."""
    return _merged(tx, _BRIEF_PAGE, _PAST_BRIEF_PAGE, parent, after, limit, then)


def listed_page(tx: Transaction, parent: int, *, after: bytes, limit: int, then: LookBack) -> list[Listed]:
    """`entries_page`, with no more than a list of names needs."""
    return _merged(tx, _LISTED_PAGE, _PAST_LISTED_PAGE, parent, after, limit, then)


def _merged(
    tx: Transaction, live: Statement, ended: Statement, parent: int, after: bytes, limit: int, then: LookBack
) -> list[Any]:
    if then.at == then.now:
        return tx.all(live, parent=parent, after=after, until=_LAST_KEY, at=then.at, limit=limit)
    then.reads_past_of(tx, parent)
    page = tx.all(ended, parent=parent, after=after, at=then.at, limit=limit)
    page += _begun_by_then(tx, live, parent, after, limit, then)
    return sorted(page, key=_name_key_of)[:limit]


def _begun_by_then(
    tx: Transaction, live: Statement, parent: int, after: bytes, limit: int, then: LookBack
) -> list[Any]:
    """Live states of then. A stretch of the folder at a time, for any number of them may have begun since."""
    step = max(limit, _STRETCH)
    found: list[Any] = []
    while True:
        last = tx.one(_KEY_AFTER, parent=parent, after=after, rows=step - 1)
        until = _LAST_KEY if last is None else last[0]
        part = tx.all(live, parent=parent, after=after, until=until, at=then.at, limit=limit - len(found))
        found += part
        if last is None or len(found) == limit:
            return found
        then.reads(step - len(part))
        after = until


def root_state(tx: Transaction) -> State:
    """The space's root folder. Raises: TokenDamaged."""
    root = find_node(tx, ROOT_NODE)
    if root is None:  # every catalog is made with one
        raise TokenDamaged("the row of the root folder is not there")
    return root
