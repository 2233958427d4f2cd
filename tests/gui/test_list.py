"""The list of files under mouse and keyboard."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import pytest

from sfos.client.session.session import Session
from sfos.gui.widgets.dialogs.base import Dialog
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


def test_twenty_thousand_rows_fill_without_stalling_the_window(hand: Hand) -> None:
    from sfos.gui.model import Listing
    from sfos.protocol import Entry

    rows = tuple(
        Entry(node=10_000 + n, parent=1, name=f"file {n:05}.txt", kind="file", revision="1", size=n)
        for n in range(20_000)
    )
    ticks: list[float] = []

    def tick() -> None:
        ticks.append(time.perf_counter())
        hand.app.root.after(1, tick)

    tick()
    place = hand.files.browser.folder
    hand.views.show_listing(Listing(place.child(9, "many"), rows, len(rows), phase="ready"))
    hand.wait(lambda: len(hand.views.list.tree.get_children()) == len(rows), 30, what="all rows")
    gaps = [later - earlier for earlier, later in itertools.pairwise(ticks)]
    # 8 ms a slice; the bound leaves room for a machine that runs other things too.
    assert max(gaps) < 2.0, max(gaps)  # UX asks for 0.01; this bound only finds a fill in one piece
    hand.files.browser.refresh()


def test_deleting_many_selected_rows_tells_of_the_selection_a_few_times_only(
    hand: Hand, session: Session, folder: str
) -> None:
    from sfos.gui.model import Listing
    from sfos.protocol import Entry

    rows = tuple(
        Entry(node=10_000 + n, parent=1, name=f"file {n:05}.txt", kind="file", revision="1", size=n)
        for n in range(1_500)
    )
    place, files = hand.files.browser.folder.child(9, "many"), hand.views.list
    hand.views.show_listing(Listing(place, rows, len(rows), phase="ready"))
    hand.wait(lambda: len(files.tree.get_children()) == len(rows), 30, what="all rows")
    files.moves.select_all()
    hand.app.root.update()
    told: list[int] = []
    tell = files._on_select
    files._on_select = lambda entries, focus: told.append(len(entries))
    try:
        hand.views.show_listing(Listing(place, rows[1_000:], 500, phase="ready"))
        hand.wait(lambda: len(files.tree.get_children()) == 500, what="the others gone")
        hand.app.root.update()
    finally:
        files._on_select = tell
    assert told and told[-1] == 500 and len(told) <= 3, "each costs the whole window a moment"
    hand.files.browser.refresh()
