"""The list of files under mouse and keyboard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sfos.client.api import new_op_id
from sfos.client.session.session import Session
from sfos.gui import wording
from sfos.gui.files.file_list import FileList
from sfos.gui.files.ordering import SortedRows
from sfos.gui.model import Listing, Sort
from sfos.gui.nodes import key_of
from sfos.gui.rows import Rows
from sfos.gui.shell.commands import THEME
from sfos.gui.widgets.dialogs.base import Dialog
from sfos.gui.widgets.scroll import AutoScrollbar
from sfos.protocol import CommitItem, Entry, Target, pack_commit
from tests.gui.conftest import Hand, put

pytestmark = [pytest.mark.display, pytest.mark.timeout(180)]


def test_a_click_on_a_heading_sorts_and_a_second_one_turns_the_order_round(
    hand: Hand, session: Session, folder: str, tmp_path: Path
) -> None:
    put(session, folder, tmp_path, "file10.txt", "file2.txt", "Alpha.txt")
    session.api.make_folder(f"{folder}/zoo")
    hand.wait(lambda: hand.names() == ["zoo", "Alpha.txt", "file2.txt", "file10.txt"], what="natural order")
    tree = hand.views.list.tree
    hand.click(tree, 60, 12)
    hand.wait(lambda: hand.names() == ["zoo", "file10.txt", "file2.txt", "Alpha.txt"], what="the other way round")
    size_at = int(tree.column("#0", "width")) + 20
    hand.click(tree, size_at, 12)
    hand.wait(lambda: hand.files.browser.listing.sort.column == "size")
    assert hand.names()[0] == "zoo"


def test_home_end_shift_and_typing_move_through_the_list(
    hand: Hand, session: Session, folder: str, tmp_path: Path
) -> None:
    put(session, folder, tmp_path, "apple.txt", "banana.txt", "berry.txt", "cherry.txt")
    hand.row("cherry.txt")
    files = hand.views.list
    files.take_focus()

    def chosen() -> list[str]:
        return [entry.name for entry in files.selected()]

    hand.press("End")
    hand.wait(lambda: chosen() == ["cherry.txt"])
    hand.press("Home")
    hand.wait(lambda: chosen() == ["apple.txt"])
    hand.press("shift+Down", "shift+Down")
    hand.wait(lambda: chosen() == ["apple.txt", "banana.txt", "berry.txt"])
    hand.press("shift+Up")
    hand.wait(lambda: chosen() == ["apple.txt", "banana.txt"])
    hand.press("shift+End")
    hand.wait(lambda: len(chosen()) == 4)
    hand.press("b")
    hand.wait(lambda: chosen() == ["banana.txt"], what="the first b")
    hand.press("e")
    hand.wait(lambda: chosen() == ["berry.txt"], what="be")
    hand.press("ctrl+a")
    hand.wait(lambda: len(chosen()) == 4)


def test_the_search_field_filters_and_escape_shows_all_again(
    hand: Hand, session: Session, folder: str, tmp_path: Path
) -> None:
    put(session, folder, tmp_path, "one.txt", "two.txt")
    hand.row("two.txt")
    hand.press("ctrl+f")
    hand.type("TW")
    hand.wait(lambda: hand.names() == ["two.txt"])
    hand.type("qq")
    hand.wait(hand.views.placeholder.winfo_ismapped, what="nothing found")
    hand.press("Escape")
    hand.wait(lambda: hand.names() == ["one.txt", "two.txt"])


def test_delete_and_ctrl_a_in_the_search_field_belong_to_the_field(
    hand: Hand, session: Session, folder: str, tmp_path: Path
) -> None:
    put(session, folder, tmp_path, "one.txt")
    hand.click_row("one.txt")
    hand.press("ctrl+f")
    hand.type("on")
    hand.press("ctrl+a", "Delete")
    hand.app.root.update()
    assert hand.dialog(Dialog) is None
    assert hand.views.bar.search.entry.get() == ""


def test_a_typed_path_goes_there_and_a_wrong_one_is_explained(hand: Hand, session: Session, folder: str) -> None:
    session.api.make_folder(f"{folder}/deep")
    hand.press("ctrl+l")
    hand.press("ctrl+a")
    hand.type(f"{folder}/deep")
    hand.press("Return")
    hand.wait(lambda: hand.files.browser.folder.path == f"{folder}/deep", what="the typed folder")
    hand.press("alt+Left")
    hand.wait(lambda: hand.files.browser.folder.path == folder, what="back")
    hand.press("alt+Right")
    hand.wait(lambda: hand.files.browser.folder.path == f"{folder}/deep", what="forward")
    hand.press("ctrl+l")
    hand.press("ctrl+a")
    hand.type("/nowhere")
    hand.press("Return")
    hand.wait(lambda: "Cannot go to" in hand.app.window.toast.text, what="the explanation")


def test_f6_walks_through_the_panes(hand: Hand) -> None:
    window = hand.app.window
    window.show_transfers(True)
    hand.app.root.update()
    seen = []
    for _ in range(4):
        seen.append(str(hand.app.root.focus_get()))
        hand.press("F6")
    assert len(set(seen)) == 4, seen


def many(count: int) -> Rows:
    """So many files, whose names and nodes stand in this order."""
    return Rows.of(
        Entry(node=10_000 + n, parent=1, name=f"file{n:06}.txt", kind="file", revision="1", size=n)
        for n in range(count)
    )


def show(hand: Hand, rows: Rows) -> None:
    """Show `rows` for a folder that is nowhere, until the end of the test."""
    place = hand.files.browser.folder
    folder = place if place.crumbs[-1].name == "many" else place.child(9, "many")
    hand.views.show_listing(Listing(folder, rows, len(rows), phase="ready"))


@pytest.fixture
def files(hand: Hand) -> Iterator[FileList]:
    """The list, which shows what is real again afterwards."""
    yield hand.views.list
    hand.files.browser.refresh()


def test_of_a_hundred_thousand_rows_only_those_that_are_seen_are_made(hand: Hand, files: FileList) -> None:
    rows, tree = many(100_000), files.tree
    show(hand, rows)
    ways: list[Callable[[], object]] = [
        lambda: tree.yview_moveto(0.5),
        lambda: tree.yview_moveto(1.0),
        lambda: tree.yview_scroll(-1, "pages"),
        lambda: tree.yview_scroll(3, "units"),
        lambda: tree.event_generate("<Button-4>"),
        lambda: tree.event_generate("<Button-5>"),
        lambda: files.choice.select(70_001),
        files.choice.select_all,
        lambda: hand.app.window.offers.run(THEME),
        lambda: hand.app.window.offers.run(THEME),
    ]
    for way in ways:
        way()
        hand.app.root.update()
        items = tree.get_children()
        assert tree.fitting <= len(items) <= tree.fitting + 1
        for position, item in enumerate(items, tree.top):
            assert tree.item(item, "text") == rows.name(position)
            assert str(tree.item(item, "values")[0]).strip() == wording.size(rows[position].size)
            assert ("odd" in tree.item(item, "tags")) == bool(position % 2)
            assert (item in tree.selection()) == files.choice.is_selected(position)
    assert len(files.selected()) == len(rows)


def test_the_thumb_of_a_long_list_can_be_taken_and_leads_to_both_ends(hand: Hand, files: FileList) -> None:
    show(hand, many(100_000))
    bar = next(child for child in files.winfo_children() if isinstance(child, AutoScrollbar))
    hand.wait(bar.winfo_ismapped, what="the scroll bar")
    hand.app.root.update()
    x, middle, height = bar.winfo_rootx() + bar.winfo_width() // 2, bar.winfo_width() // 2, bar.winfo_height()
    thumb = [y for y in range(height) if "thumb" in str(bar.identify(middle, y))]
    assert len(thumb) >= 2 * bar.winfo_width()
    grip = bar.winfo_rooty() + thumb[len(thumb) // 2]
    steps = ("mousemove", str(x), str(grip), "mousedown", "1")
    hand.xdo(*steps, "mousemove", str(x), str(grip + height), "mouseup", "1")
    hand.wait(lambda: files.tree.sees(99_999), what="the last row")
    down = [y for y in range(height) if "thumb" in str(bar.identify(middle, y))]
    assert down[-1] > height - 6 and len(down) == pytest.approx(len(thumb), abs=2)
    hand.xdo("mousemove", str(x), str(bar.winfo_rooty() + down[len(down) // 2]), "mousedown", "1")
    hand.xdo("mousemove", str(x), str(bar.winfo_rooty() + height // 2), "mouseup", "1")
    hand.wait(lambda: 48_000 < files.tree.top < 52_000, what="the middle")
    hand.click(bar, y=height - 8)
    top = files.tree.top
    hand.click(bar, y=height - 8)
    hand.wait(lambda: files.tree.top == top + files.tree.fitting, what="a page further down")


def test_keys_go_through_a_hundred_thousand_rows(hand: Hand, files: FileList) -> None:
    rows, tree = many(100_000), files.tree
    show(hand, rows)
    files.take_focus()

    def at(position: int) -> bool:
        return [*files.selected()] == [rows[position]] and tree.sees(position) and files.choice.focus == position

    hand.press("End")
    hand.wait(lambda: at(99_999), what="the last")
    hand.press("Prior")
    hand.wait(lambda: at(99_999 - (tree.fitting - 1)), what="a page up")
    hand.press("Home")
    hand.wait(lambda: at(0), what="the first")
    hand.press("Next")
    hand.wait(lambda: at(tree.fitting - 1), what="a page down")
    hand.press("Next")
    hand.wait(lambda: at(2 * (tree.fitting - 1)), what="another one")
    hand.press("Down", "Down", "Up")
    hand.wait(lambda: at(2 * tree.fitting - 1), what="the next row")
    hand.type("file05")
    hand.wait(lambda: at(50_000), what="what was typed")


def test_ranges_are_as_long_as_wanted_and_what_is_deleted_leaves_them(hand: Hand, files: FileList) -> None:
    rows = many(100_000)
    show(hand, rows)
    files.choice.select(500)
    hand.press("shift+End")
    hand.wait(lambda: len(hand.files.orders.selection.entries) == 99_500, what="the range")
    chosen = hand.files.orders.selection
    assert chosen.entries[0] == rows[500] and chosen.entries[-1] == rows[-1] and chosen.focus == rows[99_999]
    assert chosen.size_bytes == sum(range(500, 100_000))
    assert "99,500 selected" in hand.page.summary
    hand.press("shift+Home")
    hand.wait(lambda: len(files.selected()) == 501, what="the other side of where it began")
    hand.press("ctrl+a")
    hand.wait(lambda: len(files.selected()) == 100_000, what="all")
    gone = SortedRows.of(rows, Sort()).changed({rows.key(n): None for n in range(1_000, 3_000)}).rows()
    show(hand, gone)
    hand.wait(lambda: len(hand.files.orders.selection.entries) == 98_000, what="the others")
    assert files.choice.focus is None or files.rows.key(files.choice.focus) not in rows[1_000:3_000]


def test_a_range_of_thousands_is_deleted_and_the_rest_stays(hand: Hand, session: Session, folder: str) -> None:
    node = session.api.stat(folder).node
    names = [f"file{number:04}" for number in range(6_000)]
    items = [CommitItem(target=Target(parent=node, name=name)) for name in names]
    for start in (0, 3_000):
        session.call(*pack_commit(new_op_id(), items[start : start + 3_000], []))
    files = hand.views.list
    hand.wait(lambda: hand.files.browser.listing.total == len(names), what="all files")
    files.take_focus()
    hand.type("file1")
    hand.wait(lambda: files.choice.focus == 1_000, what="what was typed")
    hand.press("shift+End")
    hand.wait(lambda: len(files.selected()) == 5_000, what="the range")
    hand.press("shift+Up", "shift+Prior", "Delete")
    taken = 5_000 - 1 - (files.tree.fitting - 1)
    hand.wait(lambda: hand.dialog(Dialog) is not None, what="the question")
    hand.press("Tab", "Return")
    hand.wait(lambda: len(session.api.list_folder(folder)) == 6_000 - taken, what="the deletion")
    hand.wait(lambda: hand.names() == names[:1_000] + names[1_000 + taken :], what="the rest of the list")
    assert [*files.selected()] == []


def test_rows_that_come_above_leave_in_its_place_what_is_seen(hand: Hand, files: FileList) -> None:
    rows = many(10_000)
    show(hand, rows)
    files.choice.select(5_000)
    hand.app.root.update()
    top, seen = files.tree.top, files.rows.key(files.tree.top)
    new = [Entry(node=5 + n, parent=1, name=f"a {n}", kind="file", revision="1") for n in range(7)]
    show(hand, SortedRows.of(rows, Sort()).changed({key_of(each): each for each in new}).rows())
    assert files.tree.top == top + 7 and files.rows.key(files.tree.top) == seen
    assert [*files.selected()] == [rows[5_000]]


def test_sorted_anew_a_list_stays_where_it_was_scrolled_to_but_shows_the_row_with_the_keyboard(
    hand: Hand, files: FileList
) -> None:
    rows = many(10_000)
    place = hand.files.browser.folder.child(9, "many")
    up, down = Sort("size"), Sort("size", descending=True)
    by_size = SortedRows.of(rows, Sort()).sorted_by(up)

    def show_sorted(sort: Sort) -> None:
        now = by_size.sorted_by(sort).rows()
        hand.views.show_listing(Listing(place, now, len(now), sort=sort, phase="ready"))
        hand.app.root.update()

    show_sorted(up)
    files.choice.select(10)
    files.tree.scroll_to(4_000)
    show_sorted(down)
    assert files.tree.top == 4_000 and files.rows.name(4_000) == rows.name(5_999)
    files.choice.select(9_999 - 10)
    assert files.tree.sees(9_989)
    show_sorted(up)
    assert files.tree.sees(10) and files.choice.focus == 10 and [*files.selected()] == [rows[10]]


def test_deleting_many_selected_rows_tells_of_the_selection_a_few_times_only(hand: Hand, files: FileList) -> None:
    rows = many(1_500)
    show(hand, rows)
    files.choice.select_all()
    hand.app.root.update()
    told: list[int] = []
    tell = files._on_select
    files._on_select = lambda entries, focus: told.append(len(entries))
    try:
        show(hand, rows[1_000:])
        hand.wait(lambda: len(files.rows) == 500, what="the others gone")
        hand.app.root.update()
    finally:
        files._on_select = tell
    assert told and told[-1] == 500 and len(told) <= 3, "each costs the whole window a moment"
