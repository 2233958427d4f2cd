"""Changes since a cursor. A second client that follows must always come to the same tree as a fresh look."""

from __future__ import annotations

import random

import pytest
from sqlalchemy import update

from sfos.protocol import ROOT_NODE, Change, Entry, MalformedMessage, ResyncRequired
from sfos.server.catalog.schema import spaces
from sfos.server.spaces.operations.context import SpaceContext
from sfos.server.spaces.space import Space
from tests.storage.desk import Desk


class Follower:
    """Keeps a tree by `changes` alone, as a sync client does."""

    def __init__(self, desk: Desk, limit: int = 1_000) -> None:
        self._desk = desk
        self._limit = limit
        self.nodes: dict[int, Entry] = {}
        self.cursor = desk.space.cursor()

    def follow(self) -> list[Change]:
        changes, self.cursor = self._desk.changes(self.cursor, self._limit)
        for change in changes:
            if change.deleted:
                self._forget(change.entry.node)
            else:
                self.nodes[change.entry.node] = change.entry
        return changes

    def _forget(self, node: int) -> None:
        self.nodes.pop(node, None)
        for child in [entry.node for entry in self.nodes.values() if entry.parent == node]:
            self._forget(child)

    def tree(self) -> dict[str, tuple[str, bytes | None]]:
        return {self._path(entry): (entry.revision, entry.content) for entry in self.nodes.values()}

    def _path(self, entry: Entry) -> str:
        front = "" if entry.parent == ROOT_NODE else self._path(self.nodes[entry.parent])
        return f"{front}/{entry.name}"


def look(desk: Desk) -> dict[str, tuple[str, bytes | None]]:
    """The tree by listing."""
    found: dict[str, tuple[str, bytes | None]] = {}
    waiting = [""]
    while waiting:
        prefix = waiting.pop()
        for name, entry in desk.entries(prefix or "/").items():
            found[f"{prefix}/{name}"] = (entry.revision, entry.content)
            if entry.kind == "folder":
                waiting.append(f"{prefix}/{name}")
    return found


def test_nothing_changed_is_an_empty_page_with_the_same_cursor(desk: Desk) -> None:
    desk.put("/a", b"x")
    cursor = desk.space.cursor()
    assert desk.changes(cursor) == ([], cursor)


def test_a_node_that_changed_often_comes_once_in_its_latest_state(desk: Desk) -> None:
    cursor = desk.space.cursor()
    for number in range(5):
        desk.put("/a", b"%d" % number)
    desk.move("/a", "/b")
    changes, after = desk.changes(cursor)
    assert [(change.entry.name, change.deleted) for change in changes] == [("b", False)]
    assert after == desk.space.cursor()


def test_of_a_deleted_folder_only_the_root_comes(desk: Desk) -> None:
    desk.put_many({f"/a/b{number}/c": b"" for number in range(50)})
    cursor = desk.space.cursor()
    desk.delete("/a")
    changes, _ = desk.changes(cursor)
    assert [(change.entry.name, change.deleted) for change in changes] == [("a", True)]


def test_what_came_and_went_between_two_looks_leaves_no_trace(desk: Desk) -> None:
    follower = Follower(desk)
    desk.put("/a/b", b"x")
    desk.delete("/a")
    follower.follow()
    assert follower.tree() == {}


def test_a_node_moved_into_a_folder_that_was_then_deleted_is_gone_for_the_follower_too(desk: Desk) -> None:
    desk.put_many({"/keep/file": b"x", "/keep/folder/below": b"y", "/doomed/z": b"z"})
    follower = Follower(desk)
    follower.cursor = follower.cursor.replace(follower.cursor.split(".")[0], "1", 1)
    follower.follow()
    assert follower.tree() == look(desk)
    desk.move("/keep/file", "/doomed/file")
    desk.move("/keep/folder", "/doomed/folder")
    desk.delete("/doomed")
    follower.follow()
    assert follower.tree() == look(desk) == {"/keep": follower.tree()["/keep"]}


@pytest.mark.parametrize("limit", [1, 3, 1_000])
def test_a_follower_sees_the_same_tree_after_any_changes(desk: Desk, limit: int) -> None:
    dice = random.Random(limit)
    follower = Follower(desk, limit)
    names = ["a", "b", "c"]
    for _ in range(40):
        for _ in range(dice.randrange(1, 6)):
            tree = sorted(look(desk)) or ["/a"]
            path = "/" + "/".join(dice.choices(names, k=dice.randrange(1, 4)))
            action = dice.randrange(5)
            try:
                if action <= 1:
                    desk.put(path, dice.randbytes(3))
                elif action == 2:
                    desk.delete(dice.choice(tree))
                elif action == 3:
                    desk.move(dice.choice(tree), path, replace=bool(dice.randrange(2)))
                else:
                    desk.copy(dice.choice(tree), path, replace=bool(dice.randrange(2)))
            except Exception as error:
                assert getattr(error, "code", None), error  # refused is fine, broken is not
        follower.follow()
        assert follower.tree() == look(desk)


def test_a_page_can_end_in_the_middle_of_a_commit_and_nothing_is_lost(desk: Desk) -> None:
    cursor = desk.space.cursor()
    desk.put_many({f"/f{number}": b"" for number in range(95)})
    changes, _ = desk.changes(cursor, limit=10)
    assert len(changes) == len({change.entry.node for change in changes}) == 95


def test_a_cursor_from_before_the_horizon_or_of_another_epoch_needs_a_resync(
    desk: Desk, space: Space, context: SpaceContext
) -> None:
    cursors = []
    for number in range(4):
        cursors.append(space.cursor())
        desk.put("/a", b"%d" % number)
    with context.catalog.core() as connection:
        connection.execute(update(spaces).values(horizon=2))
    for cursor in cursors[:2]:
        with pytest.raises(ResyncRequired):
            space.changes(cursor)
    for cursor in cursors[2:]:
        space.changes(cursor)
    seq, node, _ = space.cursor().split(".")
    for cursor in (f"{seq}.{node}.000000000000", f"{int(seq) + 1}.0.{cursors[0].split('.')[2]}"):
        with pytest.raises(ResyncRequired):
            space.changes(cursor)


@pytest.mark.parametrize("cursor", ["", "1", "a.b.c", "1.2.3.4", "1.-1.x", f"1.{2**63}.TAG"])
def test_what_is_no_cursor_is_refused(space: Space, cursor: str) -> None:
    tag = space.cursor().split(".")[-1]
    with pytest.raises((MalformedMessage, ResyncRequired)):
        space.changes(cursor.replace("TAG", tag))


def test_times_of_commits_never_decrease_whatever_the_clock_does(new_registry) -> None:  # type: ignore[no-untyped-def]
    times = iter([5_000, 4_000, 6_000, 1, 7_000])
    clock = {"now": 5_000}
    registry = new_registry(now_ms=lambda: clock["now"])
    with registry.lease("0" * 32) as space, registry.inspect("0" * 32) as context:
        desk = Desk(space)
        for number, now in enumerate(times):
            clock["now"] = now
            desk.put("/a", b"%d" % number)
        with context.catalog.read() as tx:
            assert [row[0] for row in tx.execute("SELECT time_ms FROM commits ORDER BY seq")] == [
                5_000,
                5_000,
                6_000,
                6_000,
                7_000,
            ]
