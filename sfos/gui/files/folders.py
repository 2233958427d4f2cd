"""The tree of folders in the sidebar: a branch is read when it is first opened, and then kept up to date."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from sfos.client.api import Api
from sfos.gui.files.ordering import natural
from sfos.gui.nodes import ROOT, NodeKey, key_of, parent_of, ref_to
from sfos.gui.threads.bridge import TaskBridge
from sfos.protocol import Change, Entry


class FoldersPresenter:
    """Tells `on_folders(parent, folders)` whenever the folders of a branch are known or change."""

    def __init__(self, bridge: TaskBridge, api: Api, on_folders: Callable[[NodeKey, Sequence[Entry]], None]) -> None:
        self._bridge, self._api, self._on_folders = bridge, api, on_folders
        self._branches: dict[NodeKey, dict[NodeKey, Entry]] = {}
        self._reading: set[NodeKey] = set()

    def expand(self, node: NodeKey) -> None:
        """Read the folders in `node`, unless they are known or on their way."""
        if node in self._branches or node in self._reading:
            return
        self._reading.add(node)

        def failed(_error: Exception) -> None:
            # The list, which reads the same folders, says why. Here the branch can simply be opened again.
            self._reading.discard(node)

        self._bridge.run_in_thread(
            lambda _token: [entry for entry in self._api.list_folder(ref_to(node)) if entry.kind == "folder"],
            lambda folders: self._read(node, folders),
            failed,
            name="gui-folders",
        )

    def _read(self, node: NodeKey, folders: Iterable[Entry]) -> None:
        self._reading.discard(node)
        self.learn(node, folders)

    def learn(self, node: NodeKey, entries: Iterable[Entry]) -> None:
        """Learn all entries of `node`, as the list has read them anyway."""
        folders = {key_of(entry): entry for entry in entries if entry.kind == "folder"}
        if self._branches.get(node) != folders:
            self._branches[node] = folders
            self._tell(node)

    def reread(self) -> None:
        """Read every known branch anew: changes were missed."""
        known = list(self._branches)
        self._branches.clear()
        for node in known or [ROOT]:
            self.expand(node)

    def apply(self, changes: Sequence[Change]) -> None:
        """Take in what changed on the server."""
        touched: set[NodeKey] = set()
        for change in changes:
            entry = change.entry
            key, home = key_of(entry), parent_of(entry)
            for parent, branch in self._branches.items():
                if key in branch and (change.deleted or parent != home or branch[key] != entry):
                    del branch[key]
                    touched.add(parent)
            if entry.kind == "folder" and not change.deleted and home in self._branches:
                branch = self._branches[home]
                if branch.get(key) != entry:
                    branch[key] = entry
                    touched.add(home)
            if change.deleted:
                self._branches.pop(key, None)
        for node in touched:
            if node in self._branches:
                self._tell(node)

    def _tell(self, node: NodeKey) -> None:
        folders = sorted(self._branches[node].values(), key=lambda entry: (natural(entry.name), entry.node))
        self._on_folders(node, folders)
