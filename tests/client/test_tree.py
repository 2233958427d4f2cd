from __future__ import annotations

import random
from itertools import count
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfos.client.nodes import NodeKey, SpaceNaming
from sfos.client.session.session import Session
from sfos.client.tree import RemoteTree, load_tree
from sfos.protocol import ROOT_NODE, Change, Entry, LocalProtocolError, Ref, Target

HOME, TEAM = "0" * 32, "7" * 32
NAMING = SpaceNaming(HOME, HOME)
ROOT = NAMING.root


def key(node: int) -> NodeKey:
    return NodeKey(HOME, node)


def entry(node: int, parent: int = ROOT_NODE, name: str = "", folder: bool = False, revision: str = "1") -> Entry:
    kind: Literal["folder", "file"] = "folder" if folder else "file"
    return Entry(node=node, parent=parent, name=name or f"n{node}", kind=kind, revision=revision)


class Server:
    """The tree of a space and its changes, told as the server tells them: each node once, in the order of its latest
    state; of a deletion its root; and of what was moved into a folder that is gone now, that it is gone.
    """

    def __init__(self) -> None:
        self._numbers = count(2)
        self.seq = 0
        self.alive: dict[int, Entry] = {}
        self._moved: set[int] = set()
        self._changed: dict[int, tuple[int, Entry, bool]] = {}  # by node: the latest that is told of it

    def nodes(self) -> list[int]:
        return sorted(self.alive)

    def folders(self) -> list[int]:
        return [ROOT_NODE, *(node for node in self.nodes() if self.alive[node].kind == "folder")]

    def put(self, node: int, parent: int, name: str, folder: bool) -> None:
        self.seq += 1
        self.alive[node] = found = entry(node, parent, name, folder, str(self.seq))
        self._changed[node] = (self.seq, found, False)

    def make(self, parent: int, folder: bool) -> None:
        node = next(self._numbers)
        self.put(node, parent, f"n{node}", folder)

    def below(self, node: int) -> list[int]:
        inside = [other for other in self.nodes() if self.alive[other].parent == node]
        return [node, *(deeper for child in inside for deeper in self.below(child))]

    def move(self, node: int, parent: int) -> None:
        if parent not in self.below(node):
            self.put(node, parent, f"n{node}.{self.seq}", self.alive[node].kind == "folder")
            self._moved.add(node)

    def delete(self, node: int) -> None:
        self.seq += 1
        for gone in self.below(node):
            found = self.alive.pop(gone)
            if gone == node:
                self._changed[gone] = (self.seq, found, True)
            elif gone in self._moved:  # whoever saw neither would keep it in its old place
                self._changed[gone] = (self._changed[gone][0], found, True)
            else:
                self._changed.pop(gone)

    def changes(self, since: int) -> list[Change]:
        told = sorted(self._changed.values(), key=lambda change: change[0])
        return [Change(entry=found, deleted=gone) for seq, found, gone in told if seq > since]

    def listed(self) -> RemoteTree:
        """A fresh listing of all."""
        tree = RemoteTree(NAMING)
        for folder in self.folders():
            tree.take_list(key(folder), [found for found in self.alive.values() if found.parent == folder])
        return tree


def contents(tree: RemoteTree) -> dict[str, Entry]:
    found = dict(tree.walk())
    assert len(found) == len(tree), "nothing is kept that is nowhere"
    for path, known in found.items():
        assert tree.path(NodeKey(HOME, known.node)) == path
        assert tree.get(key(known.node)) == known
        assert known in tree.children(key(known.parent))
    return found


MOST_NODES = 7  # so that chance comes back to the same ones
ACTIONS = ["folder", "folder", "file", "change", "change", "move", "move", "move", "delete"]


def run(server: Server, chance: random.Random, steps: int) -> None:
    for _ in range(steps):
        what, first, second = chance.choice(ACTIONS), chance.randrange(MOST_NODES), chance.randrange(MOST_NODES)
        nodes, folders = server.nodes(), server.folders()
        parent = folders[second % len(folders)]
        if what in ("folder", "file"):
            if len(nodes) < MOST_NODES:
                server.make(parent, what == "folder")
        elif nodes:
            node = nodes[first % len(nodes)]
            if what == "change":
                known = server.alive[node]
                server.put(node, known.parent, known.name, known.kind == "folder")
            elif what == "move":
                server.move(node, parent)
            else:
                server.delete(node)


@settings(max_examples=600, deadline=None)
@given(seed=st.integers(0, 2**32), rounds=st.integers(1, 4), steps=st.integers(1, 20), page=st.integers(1, 5))
def test_any_changes_lead_to_what_a_fresh_listing_shows(seed: int, rounds: int, steps: int, page: int) -> None:
    chance = random.Random(seed)
    server = Server()
    run(server, chance, 20)
    tree = server.listed()
    assert contents(tree) == contents(server.listed())
    for _ in range(rounds):
        since = server.seq
        run(server, chance, steps)
        changes = server.changes(since)
        for start in range(0, len(changes), page):
            tree.apply(changes[start : start + page], more=start + page < len(changes))
        assert contents(tree) == contents(server.listed())
        tree.apply(server.changes(since))  # and once more: what is known changes nothing
        assert contents(tree) == contents(server.listed())


def test_a_folder_keeps_what_is_in_it_wherever_it_goes() -> None:
    tree = RemoteTree(NAMING)
    tree.take_list(ROOT, [entry(2, name="a", folder=True), entry(3, name="b", folder=True)])
    tree.take_list(key(2), [entry(4, 2, "inner", folder=True)])
    tree.take_list(key(4), [entry(5, 4, "file")])
    before = tree.get(key(4))
    assert before is not None and tree.path_of(before) == "/a/inner"
    assert tree.take(Change(entry=entry(4, 3, "moved", folder=True, revision="2"))) == before
    assert tree.path(key(5)) == "/b/moved/file"
    assert tree.children(key(2)) == []
    assert tree.unlisted == [key(3)]


def test_what_leaves_a_deleted_folder_may_be_told_of_after_the_deletion() -> None:
    tree = RemoteTree(NAMING)
    tree.take_list(ROOT, [entry(2, name="doomed", folder=True)])
    tree.take_list(key(2), [entry(3, 2, "saved", folder=True), entry(4, 2, "lost")])
    tree.take_list(key(3), [entry(5, 3, "inside")])
    tree.apply([Change(entry=entry(2, name="doomed", folder=True), deleted=True)], more=True)
    assert tree.path(key(5)) is None, "it is nowhere for now"
    tree.apply([Change(entry=entry(3, name="saved", folder=True, revision="9"))])
    assert tree.path(key(5)) == "/saved/inside"
    assert key(4) not in tree
    assert len(tree) == 2


def test_a_node_of_another_space_is_none_of_this_tree() -> None:
    tree = RemoteTree(NAMING)
    tree.take_list(ROOT, [entry(2)])
    assert NodeKey(TEAM, 2) not in tree
    assert tree.path(NodeKey(TEAM, ROOT_NODE)) is None
    assert tree.children(NodeKey(TEAM, ROOT_NODE)) == []
    for change in (
        Change(entry=entry(2), deleted=True, space=TEAM),
        Change(entry=Entry(node=2, parent=1, name="x", kind="file", revision="1", space=TEAM), deleted=True),
    ):
        with pytest.raises(LocalProtocolError):
            tree.apply([change])
    with pytest.raises(LocalProtocolError):
        tree.take_list(NodeKey(TEAM, ROOT_NODE), [])
    assert tree.path(key(2)) == "/n2"


def test_folders_that_hold_each_other_have_no_path_and_do_not_hang() -> None:
    tree = RemoteTree(NAMING)
    tree.apply([Change(entry=entry(2, 3, folder=True)), Change(entry=entry(3, 2, folder=True))])
    assert tree.path(key(2)) is None
    assert dict(tree.walk()) == {}
    tree.apply([Change(entry=entry(2, 3, folder=True), deleted=True)])
    assert len(tree) == 0


def test_folders_that_hold_each_other_can_be_listed_anew() -> None:
    tree = RemoteTree(NAMING)
    tree.take_list(ROOT, [entry(2, folder=True)])
    tree.take_list(key(2), [entry(3, 2, folder=True), entry(4, 2)])
    tree.take_list(key(3), [entry(2, 3, folder=True)])
    tree.take_list(key(2), [])
    assert len(tree) == 0


def test_the_nearest_folder_that_is_not_known_is_named() -> None:
    tree = RemoteTree(NAMING)
    tree.apply([Change(entry=entry(7, 6, "b", folder=True)), Change(entry=entry(8, 7, "c"))])
    known = tree.get(key(8))
    assert known is not None
    assert tree.trace(known) == (6, ["b", "c"])
    assert tree.path_of(known) is None


def shown(session: Session) -> dict[str, int]:
    return {
        "/" + "/".join((*listing.path, found.name)): found.node
        for listing in session.api.walk("/")
        for found in listing.entries
    }


def test_changes_of_a_real_server_lead_to_what_it_lists(session: Session, folder: str) -> None:
    api, chance = session.api, random.Random(10)
    tree, cursor = load_tree(api)
    made = [folder]
    for turn in range(60):
        what = chance.choice(["make", "make", "move", "rename", "delete"])
        if what == "make" or len(made) < 3:
            path = f"{chance.choice(made)}/f{turn}"
            api.make_folder(path)
            made.append(path)
        elif what == "delete":
            path = chance.choice(made[1:])
            api.delete([path])
            made = [other for other in made if other != path and not other.startswith(path + "/")]
        else:
            path = chance.choice(made[1:])
            homes = [other for other in made if other != path and not other.startswith(path + "/")]
            to = f"{chance.choice(homes)}/m{turn}" if what == "move" else f"{path.rpartition('/')[0]}/r{turn}"
            api.move(Ref(path=path), Target(path=to))
            made = [
                to + other[len(path) :] if other == path or other.startswith(path + "/") else other for other in made
            ]
        if turn % 7 == 6:
            changes, cursor = api.changes(cursor)
            tree.apply(changes)
            assert {path: found.node for path, found in tree.walk()} == shown(session)
    changes, cursor = api.changes(cursor)
    tree.apply(changes)
    assert {path: found.node for path, found in tree.walk()} == shown(session)
