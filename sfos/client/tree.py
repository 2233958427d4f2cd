"""The nodes of a space and where they are: filled by lists, kept up to date by changes.

A node keeps its identity through renames and moves; of a folder that moves, no more than its own row changes, so paths
are made when they are asked for. A page of changes takes as long as it has changes, and each node that goes once more.

What is known may be a part: a folder that turned up and was not listed yet is in `unlisted`, and above a part that was
listed by itself nothing is known. For one thread at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sfos.client.api import Api
from sfos.client.listing import check_count
from sfos.client.nodes import NodeKey, SpaceNaming
from sfos.protocol import MAX_DEPTH, MAX_LIST_FOLDERS, ROOT_NODE, Change, Cursor, Entry, LocalProtocolError, NotFound


class RemoteTree:
    """Known part of one space. Paths are absolute; the root's is `/`."""

    def __init__(self, naming: SpaceNaming) -> None:
        self._naming = naming
        self._entries: dict[int, Entry] = {}
        self._inside: dict[int, set[int]] = {}  # by folder, whether it is known itself or not; none is empty
        self._unlisted: set[int] = set()
        self._deleted: list[int] = []  # roots of deletions whose insides are still here; see `settle`

    # ── looking ─────────────────────────────────────────────────────────────────────────────────────────────────

    def __len__(self) -> int:
        """Number of known nodes, without the root."""
        return len(self._entries)

    def __contains__(self, key: NodeKey) -> bool:
        return self.get(key) is not None

    def get(self, key: NodeKey) -> Entry | None:
        """Known entry of a node, or None. The root never has one: no change is about it."""
        return self._entries.get(key.node) if key.space == self._naming.space else None

    def path(self, key: NodeKey) -> str | None:
        """Path of a node; None if that is not known."""
        if key == self._naming.root:
            return "/"
        entry = self.get(key)
        return None if entry is None else self.path_of(entry)

    def path_of(self, entry: Entry) -> str | None:
        """Path of `entry`, which need not be there any more; None if that is not known."""
        top, names = self.trace(entry)
        return "/" + "/".join(names) if top == ROOT_NODE else None

    def trace(self, entry: Entry) -> tuple[int | None, list[str]]:
        """The nearest folder above `entry` that is not known, or the root; and the names from there down to `entry`.

        None: there is no end to it, which only a hostile server can bring about.
        """
        names = [entry.name]
        folder = entry.parent
        while folder != ROOT_NODE:
            above = self._entries.get(folder)
            if above is None:
                break
            if len(names) > MAX_DEPTH:
                return None, names
            names.append(above.name)
            folder = above.parent
        return folder, names[::-1]

    def children(self, folder: NodeKey) -> list[Entry]:
        """Known entries of a folder, in no order."""
        if folder.space != self._naming.space:
            return []
        return [self._entries[node] for node in self._inside.get(folder.node, ())]

    def walk(self) -> Iterator[tuple[str, Entry]]:
        """All that is below the root, each with its path; a folder before what is in it."""
        ways = [("/", ROOT_NODE)]
        while ways:
            above, folder = ways.pop()
            for node in self._inside.get(folder, ()):
                entry = self._entries[node]
                yield above + entry.name, entry
                if node in self._inside:
                    ways.append((f"{above}{entry.name}/", node))

    @property
    def unlisted(self) -> list[NodeKey]:
        """Folders that turned up and have not been listed since.

        Of one that was made after all else was known, changes tell all; not of one that came from where nothing is.
        """
        return [NodeKey(self._naming.space, node) for node in self._unlisted]

    # ── filling ─────────────────────────────────────────────────────────────────────────────────────────────────

    def take_list(self, folder: NodeKey, entries: Iterable[Entry]) -> None:
        """Take all entries of a folder; what was in it before and is not among them is gone."""
        self._check(folder)
        self._unlisted.discard(folder.node)
        gone = set(self._inside.get(folder.node, ()))
        for entry in entries:
            self._check(self._naming.key(entry))
            gone.discard(entry.node)
            self._put(entry)
        for node in gone:
            if node in self._entries:  # else it has gone with another: folders of a hostile server hold each other
                self._drop(node)

    def apply(self, changes: Iterable[Change], *, more: bool = False) -> None:
        """Bring the tree to where these changes lead. `more`: others follow that belong to the same moment."""
        for change in changes:
            self.take(change)
        if not more:
            self.settle()

    def take(self, change: Change) -> Entry | None:
        """Take one change; what was known of its node before. Once a moment's changes are taken, `settle` is due."""
        key = self._naming.changed(change)
        self._check(key)
        before = self._entries.get(key.node)
        if change.deleted:
            self._remove(key.node)
        else:
            self._put(change.entry)
        return before

    def settle(self) -> None:
        """Let go of what was in deleted folders.

        Not before all changes of a moment are taken: what was moved out of a folder that is deleted then may be told
        of later, and once more changed it comes after the deletion.
        """
        for node in self._deleted:
            if node not in self._entries:
                self._drop_inside(node)
        self._deleted.clear()

    def clear(self) -> None:
        """Forget everything: something was missed."""
        self._entries.clear()
        self._inside.clear()
        self._unlisted.clear()
        self._deleted.clear()

    def _check(self, key: NodeKey) -> None:
        if key.space != self._naming.space:
            raise LocalProtocolError(f"a node of the space {key.space} in a tree of {self._naming.space}")

    def _put(self, entry: Entry) -> None:
        node = entry.node
        before = self._entries.get(node)
        if before is None:
            if entry.kind == "folder":
                self._unlisted.add(node)
        elif before.parent != entry.parent:
            self._leave(before)
        self._entries[node] = entry
        if before is None or before.parent != entry.parent:
            self._inside.setdefault(entry.parent, set()).add(node)

    def _leave(self, entry: Entry) -> None:
        inside = self._inside[entry.parent]
        inside.discard(entry.node)
        if not inside:
            del self._inside[entry.parent]

    def _remove(self, node: int) -> None:
        """A node is gone; what was in it stays until it is settled."""
        entry = self._entries.pop(node, None)
        self._unlisted.discard(node)
        if entry is not None:
            self._leave(entry)
        if node in self._inside:
            self._deleted.append(node)

    def _drop(self, node: int) -> None:
        """A node is gone with all that is in it."""
        entry = self._entries.pop(node)
        self._unlisted.discard(node)
        self._leave(entry)
        self._drop_inside(node)

    def _drop_inside(self, node: int) -> None:
        left = [node]
        while left:
            for child in self._inside.pop(left.pop(), ()):
                self._entries.pop(child, None)
                self._unlisted.discard(child)
                left.append(child)


def load_tree(api: Api) -> tuple[RemoteTree, Cursor]:
    """The whole tree of a space at one moment, and the cursor of that: from there on its changes keep it up to date.

    Blocks for the network. Raises: TooMuch, ResyncRequired, RemoteProtocolError.
    """
    tree = RemoteTree(api.naming)
    (listing,) = api.list_folders([api.root])
    if listing.error is not None:
        raise listing.error
    cursor = listing.at
    tree.take_list(api.root, listing.entries)
    while True:
        _list_all(api, tree)
        changes, cursor = api.changes(cursor)
        tree.apply(changes)
        if not tree.unlisted:
            return tree, cursor


def _list_all(api: Api, tree: RemoteTree) -> None:
    """List what turned up, and what turns up by that, until there is no more. A folder that is gone was empty.

    Raises: TooMuch, and what the server says of a folder.
    """
    while level := tree.unlisted:
        for start in range(0, len(level), MAX_LIST_FOLDERS):
            folders = level[start : start + MAX_LIST_FOLDERS]
            for folder, listing in zip(folders, api.list_folders(folders), strict=True):
                if listing.error is not None and not isinstance(listing.error, NotFound):
                    raise listing.error
                tree.take_list(folder, listing.entries)
            check_count(len(tree))
