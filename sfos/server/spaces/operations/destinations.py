"""References and targets of requests, resolved to rows within one transaction.

A path costs one look-up for each of its names: the key of a name takes its folder's id in (server.vault.names), so the
whole path cannot be asked at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import BigInteger, bindparam, cast, exists, literal, select

from sfos.protocol import (
    MAX_DEPTH,
    ROOT_NODE,
    MalformedMessage,
    NameNotAllowed,
    NotAFolder,
    NotFound,
    Ref,
    SfosError,
    Target,
    TooMuch,
    check_name,
    join_path,
    printable,
    split_path,
)
from sfos.server.catalog.changeset import ChangeSet
from sfos.server.catalog.engine import Transaction
from sfos.server.catalog.schema import nodes
from sfos.server.catalog.statement import Statement
from sfos.server.catalog.states import (
    ROOT_PARENT,
    LookBack,
    State,
    StateKind,
    find_child,
    find_child_at,
    find_node,
    find_node_at,
    root_state,
)
from sfos.server.disk.storage_faults import TokenDamaged
from sfos.server.spaces.operations.context import SpaceContext

# Of a path in an error, as it is shown: 5,000 of them have to fit a body, and one character may be shown as ten.
_MAX_SUBJECT_CHARS = 200
_TOO_MANY_NAMES = "The paths of this request have too many names together; ask for fewer at once."
_TOO_DEEP = f"Folders can be nested {MAX_DEPTH} deep at the most."
# No node is so deep: who has so many above it is above itself, as no program of ours can have written it.
_MOST_ABOVE = 2 * MAX_DEPTH
# Names on the ways of one request that are looked up, or whose folders are made: some 0.8 s.
MOST_NAMES = 65_536


def _ancestors() -> Statement:
    up = (
        select(nodes.c.node, nodes.c.parent, nodes.c.name, cast(literal(0), BigInteger).label("depth"))
        .where(nodes.c.space == bindparam("space"), nodes.c.node == bindparam("node"))
        .cte("up", recursive=True)
    )
    above = select(nodes.c.node, nodes.c.parent, nodes.c.name, up.c.depth + 1).where(
        nodes.c.space == bindparam("space"), nodes.c.node == up.c.parent, up.c.depth < _MOST_ABOVE
    )
    up = up.union_all(above)
    return Statement(select(up.c.node, up.c.parent, up.c.name).order_by(up.c.depth))


_ANCESTORS = _ancestors()


def _below() -> Statement:
    """A folder `levels` below another in which there is something."""
    top = select(cast(bindparam("folder"), BigInteger).label("node"), cast(literal(0), BigInteger).label("level")).cte(
        "below", recursive=True
    )
    # Folders alone: what else there is, which is most, is passed over in the table's own order.
    deeper = select(nodes.c.node, top.c.level + 1).where(
        nodes.c.space == bindparam("space"),
        nodes.c.parent == top.c.node,
        nodes.c.kind == int(StateKind.FOLDER),
        top.c.level < bindparam("levels"),
    )
    below = top.union_all(deeper)
    inside = exists(select(nodes.c.node).where(nodes.c.space == bindparam("space"), nodes.c.parent == below.c.node))
    return Statement(select(below.c.node).where(below.c.level == bindparam("levels"), inside).limit(1))


_DEEPER_THAN = _below()


def subject_of(ref: Ref | Target) -> str:
    """Subject of an error about it."""
    if ref.path is not None:
        return _cut(ref.path)
    if isinstance(ref, Target):
        return _cut(ref.name or "")
    return f"node {ref.node}"


def _cut(text: str) -> str:
    shown = printable(text[: _MAX_SUBJECT_CHARS + 1])
    return shown if len(shown) <= _MAX_SUBJECT_CHARS else shown[: _MAX_SUBJECT_CHARS - 1] + "…"


def find_ref(context: SpaceContext, tx: Transaction, ref: Ref) -> State:
    """The state that `ref` means now. Raises: NotFound, NotAFolder, NameNotAllowed, MalformedMessage."""
    return find_way(context, tx, ref)[-1]


def find_way(context: SpaceContext, tx: Transaction, ref: Ref) -> list[State]:
    """Resolve `ref` to its state; if it is a path, behind the states of the folders on the way there, without the root.

    Raises: as `find_ref`.
    """
    return RefFinder(context, tx).find_way(ref)


class RefFinder:
    """Resolves the references of one request, now or `then`.

    Folders on the ways are looked up once: what they are may change meanwhile, not what they are called.
    """

    def __init__(self, context: SpaceContext, tx: Transaction, then: LookBack | None = None) -> None:
        self._context = context
        self._tx = tx
        self._then = then
        self._known: dict[tuple[int, str], State] = {}
        self._room = MOST_NAMES

    def find(self, ref: Ref) -> State:
        """The state that `ref` means.

        Raises: NotFound, NotAFolder, NameNotAllowed, MalformedMessage, TooMuch, ResyncRequired.
        """
        return self.find_way(ref)[-1]

    def find_way(self, ref: Ref) -> list[State]:
        """See the function of that name. Raises: as `find`."""
        if (ref.node is None) == (ref.path is None):
            raise MalformedMessage("A reference has either a node or a path.")
        if ref.path is not None:
            return self._walk(split_path(ref.path), ref) or [root_state(self._tx)]
        assert ref.node is not None
        then = self._then
        state = find_node(self._tx, ref.node) if then is None else find_node_at(self._tx, ref.node, then)
        if state is None:
            raise NotFound(subject=subject_of(ref))
        return [state]

    def _walk(self, names: tuple[str, ...], ref: Ref) -> list[State]:
        way: list[State] = []
        parent = ROOT_NODE
        for name in names:
            if way:
                if not way[-1].is_folder:
                    raise NotAFolder(subject=subject_of(ref))
                self._known[way[-1].parent, names[len(way) - 1]] = way[-1]
            state = self._known.get((parent, name)) or self._look_up(parent, name, ref)
            way.append(state)
            parent = state.node
        return way

    def _look_up(self, parent: int, name: str, ref: Ref) -> State:
        self._room -= 1
        if self._room < 0:
            raise TooMuch(_TOO_MANY_NAMES, subject=subject_of(ref))
        key = self._context.names.key(parent, name)
        then = self._then
        state = find_child(self._tx, parent, key) if then is None else find_child_at(self._tx, parent, key, then)
        if state is None:
            raise NotFound(subject=subject_of(ref))
        return state


class Destination(msgspec.Struct, frozen=True, gc=False):  # one for each item of a commit, as `_Plan`
    """Where something is to be put: `name` in `folder`, below which the folders `missing` have to be made first.

    `name_key` is that of the name in `folder`; b"" while folders are missing.
    """

    folder: int
    missing: tuple[str, ...]
    name: str
    name_key: bytes
    target: Target

    @property
    def subject(self) -> str:
        """Subject of an error about it."""
        return subject_of(self.target)


class DestinationFinder:
    """Resolves the targets of one change. Folders are looked up once: nothing moves them while it lasts."""

    def __init__(self, context: SpaceContext, changes: ChangeSet) -> None:
        self._context = context
        self._changes = changes
        self._known: dict[str, int] = {}  # folders that are there, by their paths
        self._lacking: dict[str, tuple[int, tuple[str, ...]]] = {}  # others: (the lowest that is there, the rest)
        self._inside: dict[tuple[int, str], int] = {}  # those on the ways there, by the folder that each is in
        self._room = MOST_NAMES
        self._checked: set[int] = set()

    def find(self, target: Target) -> Destination:
        """Raises: NotFound (the parent), NotAFolder, NameNotAllowed, MalformedMessage."""
        folder, missing, name = self._resolve(target)
        return Destination(folder, missing, name, b"" if missing else self._context.names.key(folder, name), target)

    def find_all(self, targets: Sequence[Target | SfosError]) -> list[Destination | SfosError]:
        """`find` of each, or why it has none (or what stands there already instead of a target).

        What is in these destinations is looked up a folder at a time; `ChangeSet.child` then knows it.
        """
        found: list[tuple[int, tuple[str, ...], str, Target] | SfosError] = []
        inside: dict[int, tuple[list[int], list[str]]] = {}  # in folders that are there: (ordinals, names)
        for at, target in enumerate(targets):
            try:
                if isinstance(target, SfosError):
                    raise target
                folder, missing, name = self._resolve(target)
            except SfosError as error:
                found.append(error)
                continue
            found.append((folder, missing, name, target))
            if not missing:
                if folder not in inside:
                    inside[folder] = ([], [])
                inside[folder][0].append(at)
                inside[folder][1].append(name)
        keys = [b""] * len(found)
        for folder, (ordinals, names) in inside.items():
            own = self._context.names.keys(folder, names)
            self._changes.prefetch(folder, own)
            for at, key in zip(ordinals, own, strict=True):
                keys[at] = key
        destinations: list[Destination | SfosError] = []
        for one, key in zip(found, keys, strict=True):
            if isinstance(one, SfosError):
                destinations.append(one)
            else:
                folder, missing, name, target = one
                destinations.append(Destination(folder, missing, name, key, target))
        return destinations

    def _resolve(self, target: Target) -> tuple[int, tuple[str, ...], str]:
        """(The folder, the names of folders that are missing below it, the checked name). Raises: as `find`."""
        parent, name, path = target.parent, target.name, target.path
        if path is None and parent is not None and name is not None:
            if parent not in self._checked:
                self._check_parent(parent, subject_of(target))
            return parent, (), check_name(name)
        if path is not None and parent is None and name is None:
            front, _, last = path.removesuffix("/").rpartition("/")
            if not last or not path.startswith("/") or front.endswith("/"):
                split_path(path)  # says what is wrong, unless it is the root
                raise NameNotAllowed("This needs a name.", subject=subject_of(target))
            return *self._folder(front, target), check_name(last)
        raise MalformedMessage("A target has either a path, or a parent and a name.")

    def made(self) -> None:
        """Something has been made: look again for all that was missing, for it may be that, or in the way of that."""
        self._lacking.clear()

    def _folder(self, path: str, target: Target) -> tuple[int, tuple[str, ...]]:
        known = self._known.get(path)
        if known is not None:
            return known, ()
        found = self._lacking.get(path)
        if found is None:
            found = folder, missing = self._look(split_path(path or "/"), subject_of(target))
            if missing:
                self._lacking[path] = found
            else:
                self._known[path] = folder
        return found

    def _look(self, names: tuple[str, ...], subject: str) -> tuple[int, tuple[str, ...]]:
        if len(names) >= MAX_DEPTH:
            raise NameNotAllowed(_TOO_DEEP, subject=subject)
        folder = ROOT_NODE
        for depth, name in enumerate(names):
            known = self._inside.get((folder, name))
            if known is None:
                self._take_room(1, subject)
                state = self._changes.child(folder, self._context.names.key(folder, name))
                if state is None:
                    self._take_room(len(names) - depth, subject)
                    return folder, names[depth:]
                if not state.is_folder:
                    raise NotAFolder(subject=subject)
                known = self._inside[folder, name] = state.node
            folder = known
        return folder, ()

    def _take_room(self, names: int, subject: str) -> None:
        """So many names are looked up, or their folders made. Raises: TooMuch."""
        self._room -= names
        if self._room < 0:
            raise TooMuch(_TOO_MANY_NAMES, subject=subject)

    def _check_parent(self, parent: int, subject: str) -> None:
        state = self._changes.node(parent)
        if state is None:
            raise NotFound("The folder is not there any more.", subject=subject)
        if not state.is_folder:
            raise NotAFolder(subject=subject)
        self._changes.flush()  # the folder may be new, and the look upwards is the database's
        if depth_of(self._changes.tx, parent) >= MAX_DEPTH:
            raise NameNotAllowed(_TOO_DEEP, subject=subject)
        self._checked.add(parent)


def ancestors(tx: Transaction, node: int) -> list[tuple[int, int, bytes]]:
    """(Node, parent, sealed name) of the node and of all above it, up to the root, which ends the list.

    Raises: TokenDamaged for a node that is above itself.
    """
    found = tx.all(_ANCESTORS, node=node)
    if len(found) > _MOST_ABOVE:
        raise TokenDamaged(f"the folders above node {node} have no end")
    return [(one, parent, name) for one, parent, name in found]


def depth_of(tx: Transaction, node: int) -> int:
    """How many names the node's path has."""
    return len(ancestors(tx, node)) - 1


def check_room_below(tx: Transaction, source: State, to: Destination) -> None:
    """Check that `source`, put there with all that is below it, lies nowhere deeper than paths may go.

    Walks through what is below a folder, unless it comes to lie no deeper than it does: that ends, since who is below
    the root is not below itself. Raises: NameNotAllowed, TokenDamaged.
    """
    depth, present = depth_of(tx, to.folder) + 1, depth_of(tx, source.node)
    if not source.is_folder or depth <= present:
        return
    if tx.one(_DEEPER_THAN, folder=source.node, levels=MAX_DEPTH - depth) is not None:
        raise NameNotAllowed(_TOO_DEEP, subject=to.subject)


def path_of(context: SpaceContext, tx: Transaction, node: int) -> str:
    """The node's path, in the spelling of its names. Raises: TokenDamaged."""
    above = ancestors(tx, node)
    names = [context.names.open_folder_name(parent, name) for _, parent, name in above if parent != ROOT_PARENT]
    return join_path(*reversed(names))
