"""Changes of one commit to the tree: collected as they are decided, written in bulk.

A commit of 5,000 items makes a handful of statements of it, each carried out many times. Nodes that the same commit
touches twice end as one state; a state that began and ended in the same commit was never visible, and no row says it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter

import msgspec
from sqlalchemy import bindparam, delete, insert, literal_column, select, update

from sfos.server.catalog.engine import Transaction
from sfos.server.catalog.schema import nodes, past
from sfos.server.catalog.space_row import SpaceRow
from sfos.server.catalog.statement import Insert, InStatement, Statement, for_no_index
from sfos.server.catalog.states import (
    CHILDREN,
    FIND_CHILDREN,
    STATE_FIELDS,
    EndedAs,
    State,
    StateKind,
    find_child,
    find_node,
)
from sfos.server.catalog.weights import STATE_BYTES, weight_of
from sfos.server.process.waiting import count_done
from sfos.server.vault.names import NameSealer
from sfos.server.vault.rows import Digest, PlainState, RowAuthenticator

_INSERT_NODE = Insert(nodes, STATE_FIELDS)
_INSERT_PAST = Insert(past, (*STATE_FIELDS, "seq_to", "ended_as"))
_UPDATE_NODE = Statement(
    update(nodes).where(
        nodes.c.space == bindparam("space"),
        nodes.c.parent == bindparam("at_parent"),
        nodes.c.name_key == bindparam("at_name_key"),
    ),
    columns=[name for name in STATE_FIELDS if name not in ("parent", "name_key", "node")],
)
_DELETE_NODE = Statement(
    delete(nodes).where(
        nodes.c.space == bindparam("space"),
        nodes.c.parent == bindparam("at_parent"),
        nodes.c.name_key == bindparam("at_name_key"),
    )
)
_ANY_CHILD = Statement(
    select(nodes.c.node).where(nodes.c.space == bindparam("space"), nodes.c.parent == bindparam("parent")).limit(1)
)
# Of many folders at a time: each statement for each folder would take longer than what is in it, where that is little.
_SCAN_FOLDERS = InStatement(
    lambda names: select(nodes.c.node, nodes.c.kind, nodes.c.size, nodes.c.mac, nodes.c.seq_from).where(
        nodes.c.space == bindparam("space"), nodes.c.parent.in_([bindparam(name) for name in names])
    )
)
_FOLDERS_AT_ONCE = 256
_FILE = int(StateKind.FILE)  # an enumeration's member takes ten times as long to compare
_mac_of = itemgetter(STATE_FIELDS.index("mac"))
_PLACE_FIELDS = ("at_parent", "at_name_key")
_PAST_NAMES = [column.name for column in past.columns]
# The planner finds the index of `seq_from` as good as that of `parent`, and every row began before now: it read the
# whole table for each folder.
_CLOSE_FOLDERS = InStatement(
    lambda names: insert(past).from_select(
        _PAST_NAMES,
        select(
            *(
                bindparam("seq")
                if name == "seq_to"
                else literal_column(str(int(EndedAs.DELETED_WITH_PARENT)))
                if name == "ended_as"
                else nodes.c[name]
                for name in _PAST_NAMES
            )
        )
        .where(
            nodes.c.space == bindparam("space"),
            nodes.c.parent.in_([bindparam(name) for name in names]),
            for_no_index(nodes.c.seq_from) < bindparam("seq"),
        )
        # In the order of the table that they go to: more than twice as fast as in that of the table they come from.
        .order_by(for_no_index(nodes.c.node)),
    )
)
_EMPTY_FOLDERS = InStatement(
    lambda names: delete(nodes).where(
        nodes.c.space == bindparam("space"), nodes.c.parent.in_([bindparam(name) for name in names])
    )
)


@dataclass(slots=True)
class _Touched:
    """A node in this commit: the row it had before (None: new), and what it has now (None: gone)."""

    before: State | None
    now: State | None
    ended_as: EndedAs


class _Leaf(msgspec.Struct, frozen=True, gc=False):  # up to 5,000 a commit: the collector need not visit them
    """A new file or symlink, of which nothing is sealed yet, nor is its code made. `where`: as in `create_leaf`."""

    node: int
    where: tuple[int, bytes]
    kind: int
    name: str
    size: int
    mtime_ns: int
    attrs: bytes | None
    content: bytes | None


class ChangeSet:
    """The changes of one commit, in one writing transaction."""

    def __init__(self, tx: Transaction, row: SpaceRow, time_ms: int, rows: RowAuthenticator, names: NameSealer) -> None:
        """`row`: with the number of this commit."""
        self.tx = tx
        self.seq = row.seq
        self.time_ms = time_ms
        self.next_node = row.next_node
        self.bytes_delta = 0
        self.files_delta = 0
        self.entries_delta = 0
        self.rows_delta = 0  # bytes that the rows of states take more (weights)
        self.digest_delta = Digest()
        self.is_empty = True
        self._rows = rows
        self._names = names
        self._touched: dict[int, _Touched] = {}
        self._leaves: dict[int, _Leaf] = {}
        self._bare: set[int] = set()  # folders of which all that is in them is in `_places`
        self._prefetched: dict[tuple[int, bytes], State | None] = {}
        self._places: dict[tuple[int, bytes], int | None] = {}  # who is there now, as far as this commit changed it

    # --- looking, through what is not written yet ---------------------------------------------------------------

    def child(self, parent: int, name_key: bytes) -> State | None:
        """State of the node with that name in the folder, with this commit's own changes; None if there is none."""
        place = (parent, name_key)
        if place in self._places:
            node = self._places[place]
            return None if node is None else self.node(node)
        if parent in self._bare:
            return None
        if place in self._prefetched:
            return self._prefetched[place]
        return find_child(self.tx, parent, name_key)

    def prefetch(self, parent: int, name_keys: Sequence[bytes]) -> None:
        """Look up many names of a folder at once; `child` then knows the answers until the next `flush`."""
        if parent in self._bare:
            return
        if self.tx.one(_ANY_CHILD, parent=parent) is None:
            self._bare.add(parent)
            return
        self._prefetched |= dict.fromkeys((parent, key) for key in name_keys)
        for row in self.tx.all_in(FIND_CHILDREN, name_keys, parent=parent):
            state = State(*row)
            self._prefetched[parent, state.name_key] = state

    def node(self, node: int) -> State | None:
        """The node's state now."""
        if node in self._leaves:  # it is looked at before it is written: from here on it is like any other
            self.create(State(*self._sealed(self._leaves.pop(node))))
        touched = self._touched.get(node)
        return find_node(self.tx, node) if touched is None else touched.now

    # --- changing -----------------------------------------------------------------------------------------------

    def new_node(self) -> int:
        """An id that no node had before."""
        self.next_node += 1
        return self.next_node - 1

    def create(self, state: State) -> State:
        """Put a new node in place; its state with number and code."""
        state = self._begun(state)
        self._touched[state.node] = _Touched(None, state, EndedAs.REPLACED)
        self._places[state.parent, state.name_key] = state.node
        if state.is_folder:
            self._bare.add(state.node)
        self.is_empty = False
        return state

    def create_leaf(
        self,
        where: tuple[int, bytes],
        kind: int,
        name: str,
        size: int,
        mtime_ns: int,
        attrs: bytes | None,
        content: bytes | None,
    ) -> int:
        """Put a new file or symlink in place, which is sealed when it is written, with all the others; its id.

        `where`: the folder, and the name's key in it. `attrs`: not sealed yet.
        """
        node = self.next_node
        self.next_node = node + 1
        self._leaves[node] = _Leaf(node, where, kind, name, size, mtime_ns, attrs, content)
        self._places[where] = node
        self.is_empty = False
        return node

    def replace(self, old: State, new: State) -> State:
        """Give a node a new state; one in another place or of another name counts as moved."""
        new = self._begun(new)
        moved = (old.parent, old.name) != (new.parent, new.name)
        touched = self._touch(old)
        touched.now = new
        touched.ended_as = EndedAs.MOVED if moved or touched.ended_as == EndedAs.MOVED else EndedAs.REPLACED
        if (old.parent, old.name_key) != (new.parent, new.name_key):
            self._places[old.parent, old.name_key] = None
        self._places[new.parent, new.name_key] = new.node
        self.is_empty = False
        return new

    def delete(self, state: State) -> None:
        """End a node, and with a folder all that is below it."""
        touched = self._touch(state)
        touched.now = None
        touched.ended_as = EndedAs.DELETED
        self._places[state.parent, state.name_key] = None
        self.is_empty = False
        if state.is_folder:
            self.flush()
            self._delete_below(state.node)

    def _touch(self, state: State) -> _Touched:
        touched = self._touched.get(state.node)
        if touched is None:
            touched = self._touched[state.node] = _Touched(state, state, EndedAs.REPLACED)
        return touched

    def _begun(self, state: State) -> State:
        """`state` as it begins with this commit, with its code."""
        node, parent, name_key, _, kind, name, size, mtime_ns, attrs, content, _ = state
        mac = self._rows.mac(
            node=node,
            parent=parent,
            seq_from=self.seq,
            kind=kind,
            size=size,
            mtime_ns=mtime_ns,
            name=name,
            attrs=attrs,
            content=content,
        )
        return State(node, parent, name_key, self.seq, kind, name, size, mtime_ns, attrs, content, mac)

    # --- writing ------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Write what has been collected."""
        if not self._touched and not self._leaves:
            return
        touched = [one for one in self._touched.values() if one.before is not None or one.now is not None]
        closed = [
            (one.before, one.ended_as)
            for one in touched
            if one.before is not None and one.before.seq_from < self.seq and one.before is not one.now
        ]
        self.tx.insert(_INSERT_PAST, [(*state, self.seq, int(end)) for state, end in closed])
        self._write_rows(touched)
        count_done(len(touched) + len(self._leaves))
        self._count(touched, closed)
        self._write_leaves()
        self._touched.clear()
        self._places.clear()
        self._prefetched.clear()
        self._bare.clear()

    def _write_rows(self, touched: Iterable[_Touched]) -> None:
        leaving: list[State] = []
        staying: list[State] = []
        coming: list[State] = []
        for one in touched:
            if one.before is not None and one.now is not None and _place(one.before) == _place(one.now):
                staying.append(one.now)
                continue
            if one.before is not None:
                leaving.append(one.before)
            if one.now is not None:
                coming.append(one.now)
        # In this order, for one node may come to where another has left.
        self.tx.run_many(_DELETE_NODE, _PLACE_FIELDS, (_place(state) for state in leaving))
        self.tx.run_many(_UPDATE_NODE, (*STATE_FIELDS, *_PLACE_FIELDS), ((*state, *_place(state)) for state in staying))
        self.tx.insert(_INSERT_NODE, coming)

    def _write_leaves(self) -> None:
        """Seal and write the new files and symlinks together, for a commit can bring 5,000."""
        states = self._rows.coded([self._sealed(leaf) for leaf in self._leaves.values()])  # plain: there are many
        self._leaves.clear()
        self.tx.insert(_INSERT_NODE, states)
        self.digest_delta += self._rows.live(map(_mac_of, states))
        self.entries_delta += len(states)
        self.rows_delta += STATE_BYTES * len(states)
        self.rows_delta += sum([len(name) + len(attrs or b"") for _, _, _, _, _, name, _, _, attrs, *_ in states])
        sizes = [size for _, _, _, _, kind, _, size, *_ in states if kind == _FILE]
        self.files_delta += len(sizes)
        self.bytes_delta += sum(sizes)

    def _sealed(self, leaf: _Leaf) -> PlainState:
        """Its state, but for the code."""
        node, (parent, name_key) = leaf.node, leaf.where
        name = self._names.seal_name(parent, leaf.name)
        attrs = self._names.seal_attrs(node, leaf.attrs)
        return (
            node, parent, name_key, self.seq, leaf.kind, name, leaf.size, leaf.mtime_ns, attrs, leaf.content, b"",
        )  # fmt: skip

    def _count(self, touched: Iterable[_Touched], closed: Sequence[tuple[State, EndedAs]]) -> None:
        before = [one.before for one in touched if one.before is not None]
        now = [one.now for one in touched if one.now is not None]
        self.digest_delta -= self._rows.live(state.mac for state in before)
        self.digest_delta += self._rows.live(state.mac for state in now)
        self.digest_delta += self._rows.ended((state.mac, self.seq, int(end)) for state, end in closed)
        self.entries_delta += len(now) - len(before)
        self.rows_delta += weight_of(now) - weight_of(before) + weight_of([state for state, _ in closed])
        for states, sign in ((before, -1), (now, 1)):
            files = [state.size for state in states if state.kind == StateKind.FILE]
            self.files_delta += sign * len(files)
            self.bytes_delta += sign * sum(files)

    def _delete_below(self, folder: int) -> None:
        """Move all rows below `folder` to the past, many folders at a time, within SQL (100,000 rows: 0.8 s)."""
        folders = [folder]
        end = int(EndedAs.DELETED_WITH_PARENT)
        while folders:
            some = folders[-_FOLDERS_AT_ONCE:]
            del folders[-_FOLDERS_AT_ONCE:]
            count, has_new = 0, False
            for found in self.tx.batches_in(_SCAN_FOLDERS, some):
                count += len(found)
                count_done(len(found))
                folders += [node for node, kind, _, _, _ in found if kind == StateKind.FOLDER]
                files = [size for _, kind, size, _, _ in found if kind == StateKind.FILE]
                self.files_delta -= len(files)
                self.bytes_delta -= sum(files)
                self.digest_delta -= self._rows.live(mac for _, _, _, mac, _ in found)
                ended = [mac for _, _, _, mac, seq_from in found if seq_from < self.seq]
                has_new = has_new or len(ended) < len(found)
                self.digest_delta += self._rows.ended_together(ended, self.seq, end)
            if has_new:
                self.rows_delta -= sum(map(self._weight_of_new, some))
            if count:
                self.tx.run_in(_CLOSE_FOLDERS, some, seq=self.seq)
                self.tx.run_in(_EMPTY_FOLDERS, some)
                self.entries_delta -= count

    def _weight_of_new(self, parent: int) -> int:
        """Bytes that the states of this commit in a folder count: of these nothing goes to the past."""
        rows = self.tx.all(CHILDREN, parent=parent)
        return weight_of([state for state in map(State._make, rows) if state.seq_from >= self.seq])


def _place(state: State) -> tuple[int, bytes]:
    return state.parent, state.name_key
