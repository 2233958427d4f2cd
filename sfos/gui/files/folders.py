"""The tree of folders in the sidebar: a branch is read when it is first opened, and then kept up to date."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing

from sfos.client.api import Api
from sfos.client.nodes import SpaceNaming
from sfos.client.tree import RemoteTree
from sfos.gui.files.sorting import natural
from sfos.gui.nodes import HOME, ROOT, NodeKey, key_of, parent_of, ref_to
from sfos.gui.threads.bridge import CancelToken, TaskBridge
from sfos.protocol import FOLDER_KIND, Change, Entry


class FoldersPresenter:
    """Tells `on_folders(parent, folders)` whenever the folders of a branch are known or change."""

    def __init__(self, bridge: TaskBridge, api: Api, on_folders: Callable[[NodeKey, Sequence[Entry]], None]) -> None:
        self._bridge, self._api, self._on_folders = bridge, api, on_folders
        self._trees: dict[str, RemoteTree] = {}  # by space, of folders alone
        self._known: set[NodeKey] = set()  # branches that were read
        self._reading: set[NodeKey] = set()
        self._meanwhile: list[Change] = []  # what a branch that is read may lack

    def expand(self, node: NodeKey) -> None:
        """Read the folders in `node`, unless they are known or on their way."""
        if node in self._known or node in self._reading:
            return
        self._reading.add(node)

        def failed(_error: Exception) -> None:
            # The list, which reads the same folders, says why. Here the branch can simply be opened again.
            self._reading.discard(node)
            self._settle()

        self._bridge.run_in_thread(
            lambda token: self._folders_in(node, token),
            lambda folders: self._read(node, folders),
            failed,
            name="gui-folders",
        )

    def _folders_in(self, node: NodeKey, token: CancelToken) -> list[Entry]:
        """Folders alone are kept of what may be very many entries."""
        folders: list[Entry] = []
        with closing(self._api.read_folder(ref_to(node))) as pages:
            for page in pages:
                token.check()
                folders += [page.entry(at) for at, kind in enumerate(page.kinds) if kind == FOLDER_KIND]
        return folders

    def _read(self, node: NodeKey, folders: Iterable[Entry]) -> None:
        self._reading.discard(node)
        self.learn(node, folders)
        self.apply(self._meanwhile)
        self._settle()

    def _settle(self) -> None:
        if not self._reading:
            self._meanwhile.clear()

    def learn(self, node: NodeKey, entries: Iterable[Entry]) -> None:
        """Learn all entries of `node`, as the list has read them anyway."""
        tree = self._tree(node.space)
        folders = {entry.node: entry for entry in entries if entry.kind == "folder"}
        if node not in self._known or folders != {entry.node: entry for entry in tree.children(node)}:
            self._known.add(node)
            tree.take_list(node, folders.values())
            self._tell(node)

    def entry_of(self, node: NodeKey) -> Entry | None:
        """The folder `node`, if it is known; the root has no entry."""
        return self._tree(node.space).get(node)

    def reread(self) -> None:
        """Read every known branch anew: changes were missed."""
        known = self._known or {ROOT}
        self._known = set()
        self._trees.clear()
        for node in known:
            self.expand(node)

    def apply(self, changes: Sequence[Change]) -> None:
        """Take in what changed on the server."""
        if self._reading and changes is not self._meanwhile:
            self._meanwhile += changes
        touched: set[NodeKey] = set()
        for change in changes:
            entry, key = change.entry, key_of(change.entry)
            tree = self._tree(key.space)
            known = key in tree
            if not known and (entry.kind != "folder" or change.deleted or parent_of(entry) not in self._known):
                continue  # nothing that is shown, nor leads to it
            before = tree.take(change)
            if before is not None and (change.deleted or before != entry):
                touched.add(parent_of(before))
            if not change.deleted and before != entry:
                touched.add(parent_of(entry))
            if change.deleted:
                self._known.discard(key)
        for tree in self._trees.values():
            tree.settle()
        for node in touched & self._known:
            self._tell(node)

    def _tree(self, space: str) -> RemoteTree:
        if space not in self._trees:
            self._trees[space] = RemoteTree(SpaceNaming(HOME, space))
        return self._trees[space]

    def _tell(self, node: NodeKey) -> None:
        folders = sorted(self._tree(node.space).children(node), key=lambda entry: (natural(entry.name), entry.node))
        self._on_folders(node, folders)
