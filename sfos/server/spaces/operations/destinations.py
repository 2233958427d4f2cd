"""References and targets of requests, resolved to rows within one transaction.

A path costs one look-up for each of its names: the key of a name takes its folder's id in (server.vault.names), so the
whole path cannot be asked at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import BigInteger, bindparam, cast, literal, select

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
    State,
    StateKind,
    find_child,
    find_child_at,
    find_node,
    find_node_at,
    root_state,
)
from sfos.server.spaces.operations.context import SpaceContext

# Of a path in an error, as it is shown: 5,000 of them have to fit a body, and one character may be shown as ten.
_MAX_SUBJECT_CHARS = 200
_TOO_DEEP = f"Folders can be nested {MAX_DEPTH} deep at the most."


def _ancestors() -> Statement:
    up = (
        select(nodes.c.node, nodes.c.parent, nodes.c.name, cast(literal(0), BigInteger).label("depth"))
        .where(nodes.c.space == bindparam("space"), nodes.c.node == bindparam("node"))
        .cte("up", recursive=True)
    )
    above = select(nodes.c.node, nodes.c.parent, nodes.c.name, up.c.depth + 1).where(
        nodes.c.space == bindparam("space"), nodes.c.node == up.c.parent
    )
    up = up.union_all(above)
    return Statement(select(up.c.node, up.c.parent, up.c.name).order_by(up.c.depth))


_ANCESTORS = _ancestors()


def _below() -> Statement:
    top = (
        select(nodes.c.node, nodes.c.kind, cast(literal(1), BigInteger).label("level"))
        .where(nodes.c.space == bindparam("space"), nodes.c.parent == bindparam("folder"))
        .cte("below", recursive=True)
    )
    deeper = select(nodes.c.node, nodes.c.kind, top.c.level + 1).where(
        nodes.c.space == bindparam("space"),
        nodes.c.parent == top.c.node,
        top.c.kind == int(StateKind.FOLDER),
        top.c.level <= bindparam("levels"),
    )
    below = top.union_all(deeper)
    return Statement(select(below.c.node).where(below.c.level > bindparam("levels")).limit(1))


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


def find_ref(context: SpaceContext, tx: Transaction, ref: Ref, *, at: int | None = None) -> State:
    """The state that `ref` means now, or when `at` was the latest commit.

    Raises: NotFound, NotAFolder, NameNotAllowed, MalformedMessage.
    """
    return find_way(context, tx, ref, at=at)[-1]


def find_way(context: SpaceContext, tx: Transaction, ref: Ref, *, at: int | None = None) -> list[State]:
    """Resolve `ref` to its state; if it is a path, behind the states of the folders on the way there, without the root.

    Raises: as `find_ref`.
    """
    if (ref.node is None) == (ref.path is None):
        raise MalformedMessage("A reference has either a node or a path.")
    if ref.path is not None:
        return _walk(context, tx, split_path(ref.path), ref, at) or [root_state(tx)]
    assert ref.node is not None
    state = find_node(tx, ref.node) if at is None else find_node_at(tx, ref.node, at)
    if state is None:
        raise NotFound(subject=subject_of(ref))
    return [state]


def _walk(context: SpaceContext, tx: Transaction, names: tuple[str, ...], ref: Ref, at: int | None) -> list[State]:
    way: list[State] = []
    parent = ROOT_NODE
    for name in names:
        if way and not way[-1].is_folder:
            raise NotAFolder(subject=subject_of(ref))
        key = context.names.key(parent, name)
        state = find_child(tx, parent, key) if at is None else find_child_at(tx, parent, key, at)
        if state is None:
            raise NotFound(subject=subject_of(ref))
        way.append(state)
        parent = state.node
    return way


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
            state = self._changes.child(folder, self._context.names.key(folder, name))
            if state is None:
                return folder, names[depth:]
            if not state.is_folder:
                raise NotAFolder(subject=subject)
            folder = state.node
        return folder, ()

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
    """(Node, parent, sealed name) of the node and of all above it, up to the root, which ends the list."""
    return [(found, parent, name) for found, parent, name in tx.all(_ANCESTORS, node=node)]


def depth_of(tx: Transaction, node: int) -> int:
    """How many names the node's path has."""
    return len(ancestors(tx, node)) - 1


def check_room_below(tx: Transaction, source: State, to: Destination) -> None:
    """Check that `source`, put there with all that is below it, lies nowhere deeper than paths may go.

    Walks through what is below a folder, unless it comes to lie no deeper than it does. Raises: NameNotAllowed.
    """
    depth = depth_of(tx, to.folder) + 1
    if not source.is_folder or depth <= depth_of(tx, source.node):
        return
    if tx.one(_DEEPER_THAN, folder=source.node, levels=MAX_DEPTH - depth) is not None:
        raise NameNotAllowed(_TOO_DEEP, subject=to.subject)


def path_of(context: SpaceContext, tx: Transaction, node: int) -> str:
    """The node's path, in the spelling of its names. Raises: TokenDamaged."""
    above = ancestors(tx, node)
    names = [context.names.open_folder_name(parent, name) for _, parent, name in above if parent != ROOT_PARENT]
    return join_path(*reversed(names))
