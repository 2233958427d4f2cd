"""A bound on work: what a request costs is a constant plus a rate times what it changes or returns, however full the
space is and however much happened in it.

Work is counted (tests/storage/work.py), not timed. `docs/security.md` has the rule.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest

from sfos.protocol import (
    MAX_WANTS,
    ChunkWant,
    DataDamaged,
    DeleteItem,
    MalformedMessage,
    NotFound,
    Ref,
    ResyncRequired,
    TooMuch,
    from_info,
)
from sfos.server.catalog import states
from sfos.server.catalog.engine import Transaction
from sfos.server.catalog.states import EndedAs
from sfos.server.spaces.operations import changes, destinations, downloads
from sfos.server.spaces.operations.contents import listed_records
from sfos.server.spaces.operations.context import SpaceContext
from sfos.server.spaces.registry import SpaceRegistry
from sfos.server.spaces.space import IdempotencyKey, Space
from tests.storage.crowded import add_live, add_past, add_pending_chunks, state_of, tree
from tests.storage.desk import Desk, fresh_memory, new_op
from tests.storage.work import Meter

FULL = 20_000  # entries: what reads all of them takes 60,000 steps at least
FAR = 1_000_000  # an id above all others of a test


@pytest.fixture
def meter(monkeypatch: pytest.MonkeyPatch) -> Meter:
    return Meter(monkeypatch)


@pytest.fixture
def registry(meter: Meter, new_registry: Callable[..., SpaceRegistry]) -> SpaceRegistry:
    return new_registry()


# --- Deleting ---------------------------------------------------------------------------------------------------------


def test_deleting_a_tree_costs_the_same_however_much_else_is_there(
    desk: Desk, space: Space, context: SpaceContext, meter: Meter
) -> None:
    desk.make_folder("/empty")
    desk.make_folder("/full")
    add_live(context, tree(context, 10_000, 60, 5, parent=desk.stat("/empty").node))
    alone = meter.of(lambda: desk.delete("/empty"))
    add_live(context, tree(context, 20_000, 60, 5, parent=desk.stat("/full").node))
    add_live(context, tree(context, 30_000, 20, FULL // 20))
    among_others = meter.of(lambda: desk.delete("/full"))
    assert among_others.steps < 1.2 * alone.steps
    assert among_others.calls < 1.2 * alone.calls
    assert not desk.exists("/full") and len(desk.entries("/")) == 20


def test_deleting_many_folders_costs_little_for_each_of_them(desk: Desk, context: SpaceContext, meter: Meter) -> None:
    desk.make_folder("/few")
    desk.make_folder("/many")
    add_live(context, tree(context, 10_000, 1, 2_000, parent=desk.stat("/few").node))
    add_live(context, tree(context, 20_000, 1_000, 1, parent=desk.stat("/many").node))
    in_one, in_many = meter.of(lambda: desk.delete("/few")), meter.of(lambda: desk.delete("/many"))
    assert in_many.steps < 3 * in_one.steps
    assert in_many.calls < 5 * in_one.calls


def test_deleting_a_folder_holds_no_more_of_its_rows_at_once_than_some_thousand(
    desk: Desk, context: SpaceContext, meter: Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sfos.server.catalog.engine._FETCHED_AT_ONCE", 100)
    desk.make_folder("/large")
    add_live(context, tree(context, 10_000, 1, 1_050, parent=desk.stat("/large").node))
    before = desk.space.cursor()
    desk.delete("/large")
    assert [change.entry.name for change in desk.changes(before)[0]] == ["large"]
    assert desk.space.usage(desk.caller).entries_current == 0


@pytest.mark.leaves_damage
def test_what_is_pending_costs_nothing_when_chunks_are_committed(
    desk: Desk, context: SpaceContext, meter: Meter
) -> None:
    records = desk.upload(os.urandom(50_000), 1_000)
    others = desk.upload(os.urandom(50_000), 1_000)
    alone = meter.of(lambda: desk.commit([desk.item("/a", records)], records))
    add_pending_chunks(context, FULL)
    among_others = meter.of(lambda: desk.commit([desk.item("/b", others)], others))
    assert among_others.steps < 1.2 * alone.steps


# --- Long ago ---------------------------------------------------------------------------------------------------------


def past_files(context: SpaceContext, folder: int, count: int, *, first: int, begun: int, ended: int) -> None:
    add_past(
        context,
        (
            (state_of(context, first + number, folder, f"old {number}", seq=begun), ended, EndedAs.DELETED)
            for number in range(count)
        ),
    )


def cursor_of(space: Space, at: int) -> str:
    """A page's cursor as somebody could write it who has seen others."""
    return f"{at}.0.0.{space.cursor().rsplit('.', 1)[1]}"


def test_a_list_of_long_ago_ends_where_too_much_has_happened_since(
    desk: Desk, space: Space, context: SpaceContext, meter: Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(states, "MOST_IN_VAIN", 1_000)
    folders = [desk.make_folder(f"/f{number}").node for number in range(40)]
    then = int(space.cursor().split(".")[0]) - 1
    desk.put("/last", b"x")
    for number, folder in enumerate(folders):
        past_files(context, folder, 400, first=FAR + 400 * number, begun=then, ended=then + 1)
    for refs in ([Ref(node=folder) for folder in folders], [Ref(path=f"/f{number}/x") for number in range(40)]):
        cost = meter.of(lambda refs=refs: space.list_entries(refs, cursor=cursor_of(space, then)))  # type: ignore[misc]
        assert cost.steps < 60_000
        with pytest.raises(ResyncRequired):
            space.list_entries(refs, cursor=cursor_of(space, then))
    found = space.list_entries([Ref(node=folders[0])], cursor=cursor_of(space, then), limit=5_000)
    assert len(found.columns.head.names) == 400  # as much as may be is read


def test_a_list_of_long_ago_does_not_read_all_that_came_since(
    desk: Desk, space: Space, context: SpaceContext, meter: Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = desk.make_folder("/f").node
    desk.put_many({f"/f/old {number}": b"" for number in range(50)})
    then = int(space.cursor().split(".")[0]) - 1
    desk.put("/last", b"x")
    add_live(
        context, (state_of(context, FAR + number, folder, f"new {number}", seq=then + 1) for number in range(FULL))
    )
    found = space.list_entries([Ref(node=folder)], cursor=cursor_of(space, then))
    assert sorted(found.columns.head.names) == sorted(f"old {number}" for number in range(50))
    monkeypatch.setattr(states, "MOST_IN_VAIN", 2_000)
    cost = meter.of(lambda: space.list_entries([Ref(node=folder)], cursor=cursor_of(space, then)))
    assert cost.steps < 60_000
    with pytest.raises(ResyncRequired):
        space.list_entries([Ref(node=folder)], cursor=cursor_of(space, then))


def test_a_node_of_long_ago_is_found_without_all_that_it_was(
    desk: Desk, space: Space, context: SpaceContext, meter: Meter
) -> None:
    folder = desk.make_folder("/f").node
    first = int(space.cursor().split(".")[0]) - 1
    for number in range(30):
        desk.move(f"/f{number if number else ''}", f"/f{number + 1}")
    then = int(space.cursor().split(".")[0]) - 1
    costs = [
        meter.of(lambda at=at: space.list_entries([Ref(node=folder)], cursor=cursor_of(space, at)))  # type: ignore[misc]
        for at in (first + 1, then - 1)
    ]
    assert abs(costs[0].steps - costs[1].steps) <= 400
    assert space.list_entries([Ref(node=folder)], cursor=cursor_of(space, first + 1)).next is None


@pytest.mark.leaves_damage
def test_changes_pass_over_what_is_there_again_a_page_at_a_time(
    desk: Desk, space: Space, context: SpaceContext, meter: Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "_MOST_LOOKED_AT", 500)
    since = space.cursor()
    desk.put("/moved", b"x")
    node = desk.stat("/moved").node
    desk.put("/other", b"x")
    desk.delete("/other")
    desk.make_folder("/last")
    last = int(space.cursor().split(".")[0]) - 1
    add_past(
        context,
        (
            (state_of(context, node, 1, f"name {seq}", seq=last + seq), last + seq + 1, EndedAs.MOVED)
            for seq in range(FULL)
        ),
    )
    with closing(sqlite3.connect(context.catalog.path)) as rows:  # as after as many moves
        rows.execute("UPDATE spaces SET seq = ?", (last + FULL + 1,))
        rows.commit()
    page = space.changes(since, 100)
    assert page.more
    assert meter.of(lambda: space.changes(since, 100)).steps < 40_000
    names: list[str] = []
    rounds = 0
    while True:
        names += [change.entry.name for change in page.changes]
        if not page.more:
            break
        page, rounds = space.changes(page.cursor, 100), rounds + 1
    assert sorted(names) == ["last", "moved", "other"]
    assert rounds < 100


# --- Chunks -----------------------------------------------------------------------------------------------------------


def get(space: Space, wants: list[ChunkWant], max_bytes: int = 4 * 1024 * 1024) -> list[int]:
    return space.get_chunks(wants, max_bytes, fresh_memory).lengths


def test_who_wants_no_chunk_gets_no_work(desk: Desk, space: Space, meter: Meter) -> None:
    desk.put("/a", os.urandom(300_000))
    entry = desk.stat("/a")
    assert entry.content is not None
    nothing = [ChunkWant(entry.node, entry.content, 0, 0)] * 400
    once = meter.of(lambda: get(space, nothing[:1]))
    assert meter.of(lambda: get(space, nothing)).calls < 20 * once.calls
    with pytest.raises(MalformedMessage):
        get(space, nothing)


def test_lists_of_chunks_are_opened_once_and_not_too_many_of_them_for_a_reply(
    desk: Desk, space: Space, context: SpaceContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[bytes] = []

    def counted(context: SpaceContext, tx: Transaction, content: bytes) -> bytes:
        opened.append(content)
        return listed_records(context, tx, content)

    monkeypatch.setattr(downloads, "listed_records", counted)
    monkeypatch.setattr(downloads, "_MOST_LIST_BYTES", 3 * 36 * 3 - 1)
    for name in range(10):
        desk.put(f"/{name}", os.urandom(300_000))
    entries = [desk.stat(f"/{name}") for name in range(10)]
    wants = [ChunkWant(entry.node, entry.content or b"", ordinal, 1) for ordinal in range(3) for entry in entries[:3]]
    assert len(get(space, wants)) == 9
    assert len(opened) == 3
    opened.clear()
    assert len(get(space, [ChunkWant(entry.node, entry.content or b"", 0, 1) for entry in entries])) == 3
    assert len(opened) == 3


def test_a_reply_has_no_more_chunks_than_may_be_however_short_they_are(
    desk: Desk, space: Space, meter: Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "MOST_CHUNKS", 20)
    desk.put("/a", os.urandom(1))
    records = desk.upload(bytes(range(100)), 1)
    desk.commit([desk.item("/many", records)], records)
    many, one = desk.stat("/many"), desk.stat("/a")
    assert many.content is not None and one.content is not None
    assert get(space, [ChunkWant(many.node, many.content, 5, 90)]) == [1] * 20
    assert get(space, [ChunkWant(one.node, one.content, 0, 1)] * 30) == [1] * 20


def test_what_is_wanted_behind_what_fits_costs_little(desk: Desk, space: Space, meter: Meter) -> None:
    desk.put("/a", b"data")
    entry = desk.stat("/a")
    wants = [ChunkWant(node, entry.content or b"", 0, 1) for node in range(entry.node, entry.node + MAX_WANTS)]
    few = meter.of(lambda: get(space, wants[:4_096], max_bytes=1))
    assert meter.of(lambda: get(space, wants, max_bytes=1)).steps < 1.2 * few.steps


def test_versions_are_looked_through_once_for_each_content_and_not_too_many_for_a_reply(
    desk: Desk, space: Space, context: SpaceContext, meter: Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = []
    for number in range(60):
        desk.put("/a", b"%d" % number)
        contents.append(desk.stat("/a").content or b"")
    node = desk.stat("/a").node
    new, old = ([ChunkWant(node, contents[at], 0, 1)] * 400 for at in (-1, 0))
    assert meter.of(lambda: get(space, old)).steps < meter.of(lambda: get(space, new)).steps + 20 * 400
    assert len(get(space, [ChunkWant(node, content, 0, 1) for content in contents])) == 60
    monkeypatch.setattr(downloads, "_MOST_VERSIONS", 150)
    assert len(get(space, [ChunkWant(node, content, 0, 1) for content in contents])) == 3
    with pytest.raises(NotFound):
        get(space, [ChunkWant(2**64 - 1, contents[0], 0, 1)])


# --- Paths ------------------------------------------------------------------------------------------------------------


def test_the_names_of_a_request_are_looked_up_once_and_not_too_many(
    desk: Desk, space: Space, meter: Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = "/d" * 50
    desk.make_folder(deep, parents=True)
    desk.put(f"{deep}/file", b"x")
    once = meter.of(lambda: space.list_names([Ref(path=deep)]))
    assert meter.of(lambda: space.list_names([Ref(path=deep)] * 100)).steps < 10 * once.steps
    monkeypatch.setattr(destinations, "MOST_NAMES", 60)
    page = space.list_names([Ref(path=deep), Ref(path="/d/x"), *[Ref(path=f"/d/d/{n}/y") for n in range(30)]])
    errors = [type(from_info(folder.error)) for folder in page.folders if folder.error is not None]
    assert errors == [NotFound] * 10 + [TooMuch] * 21
    items = [DeleteItem(ref=Ref(path=f"{deep[:-2]}/{number}/x")) for number in range(30)]
    done = space.delete(desk.caller, IdempotencyKey(new_op()), items)
    assert [result.error.code for result in done.results if result.error] == ["not_found"] * 11 + ["too_much"] * 19
    results, _ = desk.commit([desk.item(f"/{number}/a/b/c/d", kind="folder") for number in range(30)])
    failed = [result.error.code for result in results if result.error]
    assert 0 < len(failed) < 30 and set(failed) == {"too_much"}
    results, _ = desk.commit([desk.item(f"{deep}/{number}", kind="folder") for number in range(100)])
    assert not [result.error for result in results if result.error]  # one folder, looked up once


# --- Rows that somebody forged ----------------------------------------------------------------------------------------


def forge_parent(context: SpaceContext, node: int, parent: int) -> None:
    with closing(sqlite3.connect(context.catalog.path)) as rows:
        rows.execute("UPDATE nodes SET parent = ? WHERE node = ?", (parent, node))
        rows.commit()


@pytest.mark.allows_errors("damage is logged")
@pytest.mark.leaves_damage
def test_folders_that_are_above_themselves_do_not_keep_a_request_for_ever(
    desk: Desk, space: Space, context: SpaceContext, meter: Meter
) -> None:
    inner = desk.make_folder("/top/middle/inner", parents=True).node
    middle, top = desk.stat("/top/middle").node, desk.stat("/top").node
    desk.put("/top/middle/inner/file", b"x")
    file = desk.stat("/top/middle/inner/file").node
    forge_parent(context, top, inner)
    for node in (top, middle, inner, file):
        assert meter.of(lambda node=node: space.stat(Ref(node=node))).steps < 100_000  # type: ignore[misc]
        with pytest.raises(DataDamaged):
            space.stat(Ref(node=node))
    asked = [
        lambda: desk.copy_node(middle, "/copied"),
        lambda: desk.move_node(middle, "/moved"),
        lambda: desk.commit([desk.item(desk.target(inner, "new"), kind="folder")]),
    ]
    for ask in asked:
        assert meter.of(ask).steps < 200_000
        with pytest.raises(DataDamaged):
            ask()
    space.delete(desk.caller, IdempotencyKey(new_op()), [DeleteItem(ref=Ref(node=top))])
    with pytest.raises(NotFound):
        space.stat(Ref(node=file))


def test_a_folder_is_moved_deeper_by_a_look_at_its_folders_alone(
    desk: Desk, context: SpaceContext, meter: Meter
) -> None:
    desk.make_folder("/deeper")
    few, many = desk.make_folder("/few").node, desk.make_folder("/many").node
    add_live(context, tree(context, 10_000, 10, 0, parent=few))
    add_live(context, tree(context, 20_000, 10, FULL // 10, parent=many))
    cost = meter.of(lambda: desk.move("/many", "/deeper/many"))
    assert cost.steps < meter.of(lambda: desk.move("/few", "/deeper/few")).steps + 8 * FULL
