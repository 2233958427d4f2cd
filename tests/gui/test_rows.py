"""Rows of a folder in columns: what goes in comes out, little is kept of each, and a selection follows its nodes."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from sfos.gui.files.chosen import Chosen
from sfos.gui.files.known_folders import MOST_ROWS, KnownFolders
from sfos.gui.files.ordering import ArrivingRows, SortedRows
from sfos.gui.model import FolderPath, Listing, Selection, Sort
from sfos.gui.nodes import HOME, NodeKey, key_of
from sfos.gui.rows import Rows, files_among, folders_among, has_any, in_one_folder, nodes_of, picked, size_of
from sfos.protocol import AttributesRead, Change, Entry
from tests.support.entry_lists import parts_of

TEAM = "7" * 32
MANY = 100_000
MOST_BYTES_A_ROW = 130  # 105 are; once it was 2,300. Names of 19 bytes among them
Make = Callable[[Sequence[Entry]], SortedRows]


def entry(node: int, name: str, **fields: object) -> Entry:
    return Entry(**{"node": node, "parent": 1, "name": name, "kind": "file", "revision": "1", **fields})  # type: ignore[arg-type]


def arrived(entries: Sequence[Entry]) -> SortedRows:
    """Rows of these entries, as they come from a server."""
    rows = ArrivingRows()
    for start in range(0, len(entries), 5_000):
        for part in parts_of(entries[start : start + 5_000]):
            rows.add(part)
    return rows.rows(Sort())


def one_by_one(entries: Sequence[Entry]) -> SortedRows:
    return SortedRows.of(entries, Sort())


entries = st.lists(
    st.builds(
        entry,
        st.integers(1, 40),
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=9).filter(lambda name: "\0" not in name),
        kind=st.sampled_from(["file", "folder", "symlink"]),
        size=st.integers(0, 2**63 - 1),
        mtime_ns=st.integers(-(2**53), 2**53),
        revision=st.sampled_from(["1.a", "2.b"]),
        content=st.sampled_from([None, bytes(range(32))]),
        attrs=st.sampled_from([None, AttributesRead(mode=0o644), AttributesRead(mode=0o755, link="elsewhere")]),
    ),
    max_size=20,
    unique_by=lambda each: each.node,
)


@pytest.mark.parametrize("make", [arrived, one_by_one])
@given(those=entries)
def test_what_goes_into_the_columns_comes_out(make: Make, those: list[Entry]) -> None:
    rows = make(those).rows()
    assert sorted(rows, key=lambda each: each.node) == sorted(those, key=lambda each: each.node)
    for position, each in enumerate(rows):
        assert rows[position] == each and rows.name(position) == each.name and rows.key(position) == key_of(each)
        assert rows.is_folder(position) == (each.kind == "folder") and rows.position(key_of(each)) == position
    assert rows.positions([key_of(each) for each in those]) == {key_of(each): at for at, each in enumerate(rows)}
    assert size_of(rows) == sum(each.size for each in those)
    assert folders_among(rows) == folders_among(those) and files_among(rows) == files_among(those)
    nodes = nodes_of(rows)
    assert all(key_of(each) in nodes for each in those) and NodeKey(TEAM, 3) not in nodes


def test_names_that_no_server_should_send_are_kept_apart() -> None:
    strange = [entry(1, "a\0b"), entry(2, "\ud800"), entry(3, "z"), entry(4, "")]
    rows = one_by_one(strange).rows()
    assert {each.name for each in rows} == {each.name for each in strange}
    assert rows.find_typed("z", 0) == rows.position(NodeKey(HOME, 3))
    assert [each.node for each in one_by_one(strange).rows("b")] == [1]


def test_entries_of_several_folders_and_spaces_stay_what_they_are() -> None:
    those = [entry(5, "a"), entry(5, "b", space=TEAM), entry(6, "c", parent=9), entry(7, "d", path="/x/d")]
    rows = Rows.of(those)
    assert list(rows) == those
    assert rows.position(NodeKey(TEAM, 5)) == 1 and rows.position(NodeKey(HOME, 5)) == 0
    assert NodeKey(TEAM, 5) in nodes_of(rows) and NodeKey(TEAM, 6) not in nodes_of(rows)
    assert has_any(rows, [NodeKey(TEAM, 5)]) and not has_any(rows, [NodeKey(TEAM, 7)])
    assert not in_one_folder(rows, NodeKey(HOME, 1)) and in_one_folder(rows[:1], NodeKey(HOME, 1))
    assert list(picked(rows, (3, 0))) == [those[3], those[0]] == list(picked(tuple(those), (3, 0)))


def many(count: int = MANY) -> list[Entry]:
    return [
        entry(
            10_000 + n, f"picture {n * 7919 % count:06}.jpeg", parent=3, size=1_000 * n, mtime_ns=n * 10**9,
            content=bytes(32), revision=f"{n // 5_000}.0123456789ab",
        )
        for n in range(count)
    ]  # fmt: skip


def test_a_row_costs_little_however_many_there_are() -> None:
    parts = [part for start in range(0, MANY, 5_000) for part in parts_of(many()[start : start + 5_000])]
    gc.collect()
    tracemalloc.start()
    try:
        rows = ArrivingRows()
        for part in parts:
            rows.add(part)
        by_name = rows.rows(Sort())
        del rows
        gc.collect()
        held, peak = tracemalloc.get_traced_memory()
        assert len(by_name) == MANY
        assert held < MOST_BYTES_A_ROW * MANY, held / MANY
        assert peak < 2 * MOST_BYTES_A_ROW * MANY, "sorting takes keys as well, for a while"
        by_time = by_name.sorted_by(Sort("modified", descending=True))
        listing = Listing(FolderPath(), by_time.rows(), MANY, by_time.sort, phase="ready")
        chosen = Chosen(MANY)
        chosen.set_range(0, MANY - 1)
        selection = Selection(chosen.rows(listing.rows), listing.rows[0])
        assert len(selection.entries) == MANY and selection.size_bytes == 1_000 * sum(range(MANY))
        cut = nodes_of(selection.entries)
        assert key_of(listing.rows[MANY // 2]) in cut
        gc.collect()
        more = tracemalloc.get_traced_memory()[0] - held
        assert more < 40 * MANY, f"another order, all selected and cut: {more / MANY} bytes a row"
    finally:
        tracemalloc.stop()


def test_many_changes_cost_what_they_are_and_not_the_whole_list_again() -> None:
    entries = many(20_000)
    tracemalloc.start()
    try:
        rows = arrived(entries)
        before = rows.rows()
        gc.collect()
        at_first = tracemalloc.get_traced_memory()[0]
        for number in range(50):
            rows = rows.put(replace(before[number], name=f"called {number}", revision="9"))
        gc.collect()
        more = tracemalloc.get_traced_memory()[0] - at_first
    finally:
        tracemalloc.stop()
    assert more < 20 * 20_000, more
    assert [each.name for each in before[:50]] == [f"picture {n:06}.jpeg" for n in range(50)], "as it was then"
    assert {f"called {n}" for n in range(50)} == {each.name for each in rows.rows()[:50]}


changes = st.lists(st.tuples(st.integers(1, 40), st.sampled_from(["gone", "aa", "mm", "zz"])), max_size=8)


@given(those=entries, picks=st.sets(st.integers(0, 19)), changed=changes, anew=st.booleans(), wanted=st.booleans())
def test_a_selection_follows_its_nodes(
    those: list[Entry], picks: set[int], changed: list[tuple[int, str]], anew: bool, wanted: bool
) -> None:
    before = one_by_one(those)
    old = before.rows("a" if wanted else "")
    chosen = Chosen(len(old))
    chosen.set(pick for pick in picks if pick < len(old))
    chosen.focus = 0 if len(old) else None
    nodes = {key_of(old[at]) for at in chosen}
    after = before.changed(
        {NodeKey(HOME, node): entry(node, name) if name != "gone" else None for node, name in changed}
    )
    if anew:
        after = one_by_one(list(after.rows())[::-1])
    new = after.rows()
    carried = chosen.carried(old, new)
    assert {key_of(new[at]) for at in carried} == nodes & {key_of(each) for each in new}
    focus = key_of(old[0]) if len(old) else None
    assert carried.focus == (new.position(focus) if focus is not None else None)
    assert [*chosen.rows(old)] == [old[at] for at in chosen]


def test_a_long_selection_follows_its_nodes_through_changes_and_another_reading() -> None:
    before = one_by_one(many(3_000))
    old = before.rows()
    chosen = Chosen(len(old))
    chosen.set_range(10, 2_500)
    came = {key_of(each): each for each in (entry(n, f"new {n}", parent=3) for n in range(1, 40))}
    gone = {old.key(at): None for at in range(100, 600)}
    renamed = {key_of(old[at]): replace(old[at], name=f"a{at}") for at in (5, 20, 2_999)}
    for changed in (gone, renamed, {**gone, **renamed}, came):
        after = before.changed(changed)
        for new in (after.rows(), one_by_one(list(after.rows())).rows(), after.sorted_by(Sort("size", True)).rows()):
            carried = chosen.carried(old, new)
            here = {key_of(each) for each in new}
            wanted = {key_of(old[at]) for at in chosen} & here
            assert {key_of(new[at]) for at in carried} == wanted and len(wanted) > 1_900


def test_nodes_far_apart_are_found_as_those_side_by_side() -> None:
    for numbers in ([5, 6, 9], [5, 2**62, 9], []):
        rows = Rows.of(entry(number, f"f{number}") for number in numbers)
        for number in (4, 5, 6, 7, 9, 10, 2**62, 2**62 + 1):
            assert (NodeKey(HOME, number) in rows.nodes) == (number in numbers)
            assert NodeKey(TEAM, number) not in rows.nodes


def test_folders_known_are_those_looked_at_last_and_have_a_bound() -> None:
    known = KnownFolders()
    rows = {NodeKey(HOME, n): one_by_one([entry(100 * n + at, f"f{at}", parent=n) for at in range(3)]) for n in (2, 3)}
    for folder, those in rows.items():
        known.keep(folder, those)
    two, three = rows
    assert known.get(two) is rows[two] and known.get(three) is rows[three]
    moved_away = entry(201, "f1", parent=9)
    known.take([Change(entry=moved_away)], shown=three)
    assert known.get(two) is None, "what was in it is elsewhere"
    assert known.get(three) is rows[three]
    known.take([Change(entry=entry(999, "new", parent=3))], shown=two)
    assert known.get(three) is None
    known.keep(two, rows[two])
    known.keep(three, rows[three])
    known.make_room(MOST_ROWS)
    assert two not in known and three in known, "the last one stays"
