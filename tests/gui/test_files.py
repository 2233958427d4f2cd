"""Files in the window: put, shown, fetched, renamed, deleted, and what others do to them meanwhile."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from PIL import Image

from sfos.client.session.session import Session
from sfos.gui.widgets.dialogs.base import Dialog
from sfos.protocol import Ref
from tests.gui.conftest import SLOW, Hand, button_of, height_of, put, write

pytestmark = [pytest.mark.display, pytest.mark.timeout(180)]


def test_dropped_files_and_folders_are_uploaded_shown_and_come_back_equal(hand: Hand, tmp_path: Path) -> None:
    picture = tmp_path / "in" / "Ferien bilder" / "hero {1} ü.png"
    picture.parent.mkdir(parents=True)
    Image.new("RGB", (400, 300), "navy").save(picture)
    note = write(tmp_path / "in" / "notes.md", "# Hello\n\nsome **text**\n")
    hand.files.drop((picture.parent, note), 0)
    hand.wait(lambda: hand.names() == ["Ferien bilder", "notes.md"], what="both in the list")
    hand.wait(lambda: not hand.space.transfers.unfinished)
    hand.click_row("Ferien bilder", times=2)
    hand.wait(lambda: hand.names() == [picture.name], what="the folder's content")
    hand.press("alt+Up")
    hand.wait(lambda: "notes.md" in hand.names())
    hand.views.list.choice.select_all()
    hand.press("ctrl+d")
    hand.wait(lambda: (hand.downloads / "notes.md").exists() and not hand.space.transfers.unfinished)
    assert (hand.downloads / "notes.md").read_bytes() == note.read_bytes()
    assert (hand.downloads / "Ferien bilder" / picture.name).read_bytes() == picture.read_bytes()


def test_an_upload_shows_in_the_panel_and_then_among_the_completed(hand: Hand, tmp_path: Path) -> None:
    write(tmp_path / "big.bin", os.urandom(6_000_000))
    hand.space.transfers.set_limit(1_000_000)
    hand.files.orders.upload([tmp_path / "big.bin"])
    hand.wait(lambda: hand.app.window.transfers_shown, what="the panel")
    board = hand.space.transfers.board
    assert board.active[0].title == "big.bin"
    hand.wait(lambda: (hand.space.transfers.board.active[0].fraction or 0) > 0.1, what="progress")
    hand.space.transfers.set_limit(None)
    hand.wait(lambda: hand.space.transfers.board.completed, what="the end")
    assert hand.app.window.transfers.tab == "completed"


def test_a_transfer_is_paused_goes_on_and_is_cancelled_by_the_buttons_of_its_row(hand: Hand, tmp_path: Path) -> None:
    write(tmp_path / "big.bin", os.urandom(5_000_000))
    hand.space.transfers.set_limit(SLOW)
    hand.files.orders.upload([tmp_path / "big.bin"])
    hand.wait(lambda: hand.app.window.transfers_shown)
    rows = hand.app.window.transfers.rows
    hand.click(rows, button_of(rows), 23)
    hand.wait(lambda: hand.space.transfers.board.active[0].phase == "paused", what="the pause")
    hand.click(rows, button_of(rows), 23)
    hand.wait(lambda: hand.space.transfers.board.active[0].phase == "running", what="going on")
    hand.click(rows, button_of(rows, second=True), 23)
    hand.wait(lambda: not hand.space.transfers.board.active, what="the cancellation")
    assert [row.phase for row in hand.space.transfers.board.cancelled] == ["cancelled"]
    assert hand.names() == []


def test_a_file_that_cannot_be_read_stands_among_the_failed_with_its_reason(hand: Hand, tmp_path: Path) -> None:
    hand.files.orders.upload([tmp_path / "not-there.txt"])
    hand.wait(lambda: hand.space.transfers.board.failed, what="the failure")
    row = hand.space.transfers.board.failed[0]
    assert row.title == "not-there.txt"
    assert row.note
    hand.wait(lambda: hand.app.window.transfers_shown)


def test_a_new_folder_is_made_renamed_and_deleted_by_keys(hand: Hand, session: Session, folder: str) -> None:
    hand.press("ctrl+shift+n")
    hand.wait(lambda: hand.dialog(Dialog) is not None)
    hand.press("ctrl+a")
    hand.type("first")
    hand.press("Return")
    hand.wait(lambda: hand.names() == ["first"], what="the new folder")
    hand.wait(hand.views.list.selected, what="its selection")
    hand.views.list.take_focus()
    hand.press("F2")
    hand.wait(lambda: hand.views.list.editor is not None, what="the field in the row")
    hand.press("ctrl+a")
    hand.type("second")
    hand.press("Return")
    hand.wait(lambda: hand.names() == ["second"], what="the new name")
    hand.wait(lambda: hand.app.root.focus_get() is hand.views.list.tree, what="the keyboard in the list")
    hand.press("Delete")
    hand.wait(lambda: hand.dialog(Dialog) is not None, what="the question")
    hand.press("Return")
    hand.wait(lambda: hand.dialog(Dialog) is None)
    assert hand.names() == ["second"], "Return by habit does no harm"
    hand.views.list.take_focus()
    hand.press("Delete")
    hand.wait(lambda: hand.dialog(Dialog) is not None)
    hand.press("Tab", "Return")
    hand.wait(lambda: hand.names() == [], what="the deletion")
    assert session.api.list_folder(folder) == []


def test_a_name_that_is_not_allowed_is_refused_while_it_is_typed(hand: Hand) -> None:
    hand.press("ctrl+shift+n")
    hand.wait(lambda: hand.dialog(Dialog) is not None)
    hand.press("ctrl+a")
    hand.type("a/b")
    dialog = hand.dialog(Dialog)
    assert isinstance(dialog, Dialog)
    hand.press("Return")
    hand.app.root.update()
    assert hand.dialog(Dialog) is not None
    dialog.cancel()


def test_what_another_client_changes_shows_within_a_second(
    hand: Hand, session: Session, folder: str, tmp_path: Path
) -> None:
    put(session, folder, tmp_path, "theirs.txt")
    began = time.monotonic()
    hand.wait(lambda: hand.names() == ["theirs.txt"], 5, what="their file")
    entry = session.api.list_folder(folder)[0]
    session.api.move(Ref(node=entry.node), f"{folder}/renamed.txt")
    hand.wait(lambda: hand.names() == ["renamed.txt"], 5, what="the new name")
    session.api.delete([f"{folder}/renamed.txt"])
    hand.wait(lambda: hand.names() == [], 5, what="the deletion")
    assert time.monotonic() - began < 5


def test_a_folder_deleted_by_others_while_it_is_shown_leads_to_the_one_above(
    hand: Hand, session: Session, folder: str
) -> None:
    session.api.delete([folder])
    hand.wait(lambda: hand.files.browser.folder.path == "/", what="the folder above")
    assert "was deleted" in hand.app.window.toast.text


def test_a_folder_renamed_by_others_while_it_is_shown_keeps_its_rows_and_changes_its_name(
    hand: Hand, session: Session, folder: str, tmp_path: Path
) -> None:
    put(session, folder, tmp_path, "a.txt")
    hand.row("a.txt")
    session.api.move(folder, folder + "-new")
    hand.wait(lambda: hand.files.browser.folder.path == folder + "-new", what="the new name")
    assert hand.names() == ["a.txt"]


def test_cut_and_paste_moves_and_copying_beside_the_original_numbers_the_copy(
    hand: Hand, session: Session, folder: str, tmp_path: Path
) -> None:
    put(session, folder, tmp_path, "a.txt")
    session.api.make_folder(f"{folder}/sub")
    hand.click_row("a.txt")
    hand.press("ctrl+c", "ctrl+v")
    hand.wait(lambda: "a (2).txt" in hand.names(), what="the copy")
    hand.click_row("a.txt")
    hand.press("ctrl+x")
    hand.click_row("sub", times=2)
    hand.wait(lambda: hand.files.browser.folder.path == f"{folder}/sub")
    hand.press("ctrl+v")
    hand.wait(lambda: hand.names() == ["a.txt"], what="the moved file")
    assert sorted(e.name for e in session.api.list_folder(folder)) == ["a (2).txt", "sub"]


def test_the_status_bar_says_that_something_is_being_uploaded(hand: Hand, tmp_path: Path) -> None:
    status = hand.app.window.status
    assert "Up to date" in hand.words(status)
    (tmp_path / "big.bin").write_bytes(os.urandom(2_000_000))
    hand.space.transfers.set_limit(SLOW)
    hand.files.orders.upload([tmp_path / "big.bin"])
    hand.wait(lambda: "Uploading…" in hand.words(status), what="the word")
    hand.space.transfers.set_limit(None)
    hand.wait(lambda: "Up to date" in hand.words(status), what="the end")


def test_the_keyboard_and_the_menu_of_a_row_change_the_order(hand: Hand, tmp_path: Path) -> None:
    hand.space.transfers.set_limit(SLOW)
    for name in ("a.bin", "b.bin", "c.bin", "d.bin"):
        hand.files.orders.upload([write(tmp_path / name, os.urandom(1_000_000))])
    hand.wait(lambda: len(hand.space.transfers.board.active) == 4 and hand.app.window.transfers_shown, what="the rows")
    rows = hand.app.window.transfers.rows

    def titles() -> list[str]:
        return [row.title for row in hand.space.transfers.board.active]

    hand.wait(lambda: [row.queued for row in hand.space.transfers.board.active] == [None, None, 0, 1])
    hand.click(rows, 100, 3 * height_of(rows) + 20)
    hand.press("ctrl+Home")
    hand.wait(lambda: titles() == ["a.bin", "b.bin", "d.bin", "c.bin"], what="the last one first")
    hand.press("ctrl+Down")
    hand.wait(lambda: titles() == ["a.bin", "b.bin", "c.bin", "d.bin"], what="and back: the choice went with it")
    hand.press("shift+F10")
    hand.wait(lambda: str(hand.app.root.tk.call("grab", "current")), what="the menu")
    hand.press("Down", "Down", "Return")  # pause, then move to the top
    hand.wait(lambda: titles() == ["a.bin", "b.bin", "d.bin", "c.bin"], what="the menu's work")
    for row in hand.space.transfers.board.active:
        hand.space.transfers.act(row.key, "cancel")
    hand.wait(lambda: len(hand.space.transfers.board.cancelled) == 4)
    assert hand.app.window.transfers.tab == "cancelled"
    rows.focus_set()
    hand.press("End", "Down", "Down", "Down")
    hand.views.list.take_focus()
    hand.space.transfers.clear("cancelled")
    hand.wait(lambda: hand.app.window.transfers.tab == "active")
    rows.focus_set()  # the row that was chosen is gone
    hand.press("Down", "space", "Delete", "ctrl+Up", "shift+F10")
