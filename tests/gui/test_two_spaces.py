"""Two spaces whose nodes have the same numbers: the window never takes one for the other."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from sfos.client.session.session import Session
from sfos.gui.files.ordering import SortedRows
from sfos.gui.model import FolderPath, Listing, Sort
from sfos.gui.nodes import HOME, NodeKey, item_of, key_of, ref_to
from sfos.gui.rows import Rows
from sfos.gui.transfers.work import Download, Upload
from sfos.protocol import Change, Entry, Ref
from tests.gui.conftest import Hand, put

TEAM = "7" * 32
MINE = Entry(node=9_001, parent=1, name="mine", kind="folder", revision="1")
OURS = Entry(node=9_001, parent=1, name="ours", kind="folder", revision="1", space=TEAM)


def test_a_key_names_the_space_and_leads_back_to_its_node() -> None:
    assert key_of(MINE) != key_of(OURS)
    assert ref_to(key_of(MINE)) == Ref(node=9_001)
    assert ref_to(key_of(OURS)) == Ref(space=TEAM, node=9_001)
    assert item_of(key_of(MINE)) != item_of(key_of(OURS))
    shared = FolderPath().into(OURS)
    assert shared.key == NodeKey(TEAM, 9_001)
    assert shared.child(5, "inside").key == NodeKey(TEAM, 5), "below a folder of the team all is the team's"
    assert FolderPath().into(MINE).child(5, "inside").key == NodeKey(HOME, 5)


def test_rows_of_two_spaces_stand_side_by_side_and_go_one_by_one() -> None:
    rows = SortedRows.of((MINE, OURS), Sort())
    assert tuple(rows.rows()) == (MINE, OURS)
    rows = rows.changed({key_of(OURS): None})
    assert tuple(rows.rows()) == (MINE,)
    rows = rows.put(OURS)
    rows = rows.put(replace(OURS, name="a team's"))
    assert [row.name for row in rows.rows()] == ["a team's", "mine"]


def test_what_is_of_another_space_is_not_written_down_as_if_it_were_of_the_home() -> None:
    folder = Path("/downloads")
    assert Download((MINE,), folder).in_home and not Download((MINE, OURS), folder).in_home
    assert Upload((Path("/x"),), key_of(MINE), "/mine").in_home
    assert not Upload((Path("/x"),), key_of(OURS), "/ours").in_home


@pytest.mark.display
@pytest.mark.timeout(180)
def test_selection_cut_rows_and_folders_of_two_spaces_are_told_apart(hand: Hand) -> None:
    views, here = hand.views, hand.files.browser.folder
    views.show_listing(Listing(here.child(9_000, "both"), Rows.of((MINE, OURS)), 2, phase="ready"))
    for wanted in (OURS, MINE):
        hand.click_row(wanted.name)
        hand.wait(lambda: hand.files.orders.selection.entries == (wanted,), what=wanted.name)  # noqa: B023 - at once
        assert views.list.selected() == (wanted,)
    views.list.show_cut(frozenset({key_of(OURS)}))
    tags = {name: hand.drawn(name, "tags") for name in ("mine", "ours")}
    assert "cut" in tags["ours"] and "cut" not in tags["mine"]
    views.list.show_cut(frozenset())

    tree = views.tree
    tree.set_folders(here.crumbs[0].key, (MINE, OURS))
    tree.set_folders(key_of(OURS), (replace(OURS, node=9_002, name="deeper"),))
    children = {name: tree.tree.get_children(item_of(key_of(row))) for name, row in (("mine", MINE), ("ours", OURS))}
    assert [str(tree.tree.item(item, "text")) for item in children["ours"]] == ["deeper"]
    assert all("pending" in item for item in children["mine"]), "nothing is known of it yet"
    assert tree._folder_of(item_of(NodeKey(TEAM, 9_002))).key == NodeKey(TEAM, 9_002)
    hand.files.missed()


@pytest.mark.display
@pytest.mark.timeout(180)
def test_a_change_in_another_space_leaves_the_node_of_the_same_number(
    hand: Hand, session: Session, folder: str, tmp_path: Path
) -> None:
    put(session, folder, tmp_path, "a.txt", "b.txt")
    hand.row("b.txt")
    mine = session.api.stat(f"{folder}/a.txt")
    theirs = replace(mine, space=TEAM, path=None)
    hand.files.changed([Change(entry=theirs, deleted=True, space=TEAM)])
    session.api.delete([f"{folder}/b.txt"])
    hand.wait(lambda: hand.names() == ["a.txt"], what="the one that was deleted here")
    hand.files.changed([Change(entry=replace(mine, path=None), deleted=True)])
    hand.wait(lambda: hand.names() == [], what="its own deletion")
