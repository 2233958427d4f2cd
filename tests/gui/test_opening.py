"""Files opened with their application: what has arrived, what was edited, and what is never run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sfos.client.session.session import Session
from sfos.client.transfer import TransferEngine
from sfos.gui import applications
from sfos.gui.transfers.conflict_dialog import ConflictDialog
from sfos.gui.widgets.dialogs.base import Dialog
from tests.gui.conftest import Hand, button_of, put, write

pytestmark = [pytest.mark.display, pytest.mark.timeout(180)]


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A desktop whose applications write down what they were given; the list of it."""
    programs, told = tmp_path / "programs", tmp_path / "opened"
    for name, script in (
        ("xdg-open", f'#!/bin/sh\necho "$1" >> "{told}"\n[ -z "$SFOS_PASSWORD" ]\n'),
        (
            "dbus-send",
            f'#!/bin/sh\nfor last in "$@"; do case $last in array:*) echo "$last" >> "{told}";; esac; done\n',
        ),
    ):
        write(programs / name, script).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere")
    monkeypatch.setenv("SFOS_PASSWORD", "a secret")
    return told


def lines(told: Path) -> list[str]:
    return told.read_text().splitlines() if told.exists() else []


def open_copy(hand: Hand, opened: Path) -> Path:
    """Open a.txt by Enter; the copy that its application was given."""
    hand.click_row("a.txt")
    hand.press("Return")
    hand.wait(lambda: lines(opened), what="its application")
    return Path(lines(opened)[0])


def put_theirs(session: Session, folder: str, tmp_path: Path) -> None:
    """Somebody else's newer a.txt."""
    theirs = write(tmp_path / "put" / "a.txt", "theirs, and longer")
    with TransferEngine(session) as engine:
        assert engine.upload([theirs], folder).wait(30)


def test_what_was_downloaded_is_opened_and_shown_in_its_folder(
    hand: Hand, session: Session, folder: str, tmp_path: Path, opened: Path
) -> None:
    put(session, folder, tmp_path, "a, b.txt")
    hand.click_row("a, b.txt")
    hand.press("ctrl+d")
    toast, here = hand.app.window.toast, hand.downloads / "a, b.txt"
    hand.wait(lambda: "was downloaded" in toast.text, what="the sentence")
    hand.click(toast.button("Open"))
    hand.wait(lambda: lines(opened) == [str(here)], what="its application")
    window = hand.app.window
    window.show_transfers(True)
    window.transfers.open("completed")
    hand.app.root.update()
    rows = window.transfers.rows
    hand.click(rows, button_of(rows), 23)
    hand.wait(lambda: len(lines(opened)) == 2, what="the file manager")
    assert lines(opened)[1] == f"array:string:{here.as_uri().replace(',', '%2C')}"
    rows.focus_set()
    hand.press("Return")
    hand.wait(lambda: lines(opened)[2:] == [str(here)], what="its application, by Enter")
    here.unlink()
    hand.press("Return")
    hand.wait(lambda: "no longer" in toast.text, what="the reason")


def test_enter_opens_a_file_with_its_application_and_what_was_saved_there_is_uploaded(
    hand: Hand, session: Session, folder: str, tmp_path: Path, opened: Path
) -> None:
    put(session, folder, tmp_path, "a.txt", "b.txt")
    copy, banner = open_copy(hand, opened), hand.app.window.edited_banner
    assert copy.name == "a.txt" and copy.read_text() == "content of a.txt"
    assert copy.stat().st_mode & 0o777 == 0o600 and copy.parent.stat().st_mode & 0o777 == 0o700
    assert hand.space.transfers.board.completed == (), "opening is no download of one's own"
    write(tmp_path / "saved", "edited")
    (tmp_path / "saved").replace(copy)  # as editors save
    hand.wait(lambda: banner.notice is not None, what="the offer")
    assert banner.notice is not None and "a.txt" in banner.notice.text
    banner.invoke()
    hand.wait(lambda: session.api.read_range(session.api.stat(f"{folder}/a.txt")) == b"edited", what="the upload")
    hand.wait(lambda: banner.notice is None, what="the end of the offer")
    copy.write_text("edited again")
    hand.wait(lambda: banner.notice is not None, what="the next offer")
    banner._close.invoke()
    assert banner.notice is None, "not now"
    assert "edited copy stays in" in hand.space.unsaved
    hand.views.list.take_focus()
    hand.press("Return")
    hand.wait(lambda: len(lines(opened)) == 2, what="the same copy")
    assert Path(lines(opened)[1]) == copy and copy.read_text() == "edited again"
    copy.write_text("edited once more")
    hand.wait(lambda: banner.notice is not None, what="an offer, since it was saved once more")
    banner.invoke()
    hand.wait(lambda: hand.space.unsaved == "", what="the upload")


def test_a_copy_of_an_earlier_state_that_is_saved_later_is_not_forgotten(
    hand: Hand, session: Session, folder: str, tmp_path: Path, opened: Path
) -> None:
    put(session, folder, tmp_path, "a.txt")
    open_copy(hand, opened)
    put_theirs(session, folder, tmp_path)
    hand.wait(lambda: hand.files.browser.listing.rows[0].size == len("theirs, and longer"), what="their state")
    hand.press("Return")
    hand.wait(lambda: len(lines(opened)) == 2, what="a copy of their state")
    older, newer = map(Path, lines(opened))
    assert older != newer and newer.read_text() == "theirs, and longer"
    older.write_text("saved in a window that was still open")
    hand.wait(lambda: hand.app.window.edited_banner.notice is not None, what="the offer")
    assert len(hand.files.opened.unsaved) == 1
    older.unlink()
    hand.wait(lambda: hand.app.window.edited_banner.notice is None, what="its end")


def test_a_file_that_somebody_else_changed_meanwhile_is_not_replaced_unasked(
    hand: Hand, session: Session, folder: str, tmp_path: Path, opened: Path
) -> None:
    put(session, folder, tmp_path, "a.txt")
    copy, banner = open_copy(hand, opened), hand.app.window.edited_banner
    put_theirs(session, folder, tmp_path)
    session.api.move(f"{folder}/a.txt", f"{folder}/renamed.txt")
    copy.write_text("mine")
    hand.wait(lambda: banner.notice is not None, what="the offer")
    banner.invoke()
    hand.wait(lambda: hand.dialog(ConflictDialog) is not None, what="the question")
    assert session.api.read_range(session.api.stat(f"{folder}/renamed.txt")) == b"theirs, and longer"
    hand.wait(lambda: hand.space.transfers.board.active, what="its row")
    hand.space.transfers.act(hand.space.transfers.board.active[0].key, "cancel")
    hand.wait(lambda: not hand.space.transfers.unfinished, what="its end")
    hand.app.close()
    hand.wait(lambda: hand.dialog(Dialog) is not None, what="the question")
    dialog = hand.dialog(Dialog)
    assert isinstance(dialog, Dialog)
    dialog.cancel()
    assert copy.read_text() == "mine"
    copy.unlink()


def test_where_there_is_no_place_for_a_copy_that_is_told(
    hand: Hand, session: Session, folder: str, tmp_path: Path, opened: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(session, folder, tmp_path, "a.txt")
    in_the_way = write(tmp_path / "in-the-way", "")
    monkeypatch.setattr(hand.files.opened, "_directory", in_the_way)
    hand.click_row("a.txt", times=2)
    hand.wait(lambda: "was not opened" in hand.app.window.toast.text, what="the reason")
    assert lines(opened) == []


def test_a_program_is_never_run(hand: Hand, session: Session, folder: str, tmp_path: Path, opened: Path) -> None:
    put(session, folder, tmp_path, "setup.exe", "x.desktop")
    for name in ("setup.exe", "x.desktop"):
        hand.click_row(name, times=2)
        hand.wait(lambda: "is a program" in hand.app.window.toast.text, what="the reason")
        hand.app.window.toast.hide()
    assert lines(opened) == []


def test_where_nothing_opens_a_file_there_is_its_preview(
    hand: Hand, session: Session, folder: str, tmp_path: Path, opened: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(session, folder, tmp_path, "a.txt")
    write(tmp_path / "programs" / "xdg-open", "#!/bin/sh\nexit 3\n")
    hand.click_row("a.txt", times=2)
    toast = hand.app.window.toast
    hand.wait(lambda: "No application" in toast.text, what="the reason")
    hand.click(toast.button("Preview"))
    hand.wait(lambda: hand.files.viewer.large_window is not None, what="the preview")
    monkeypatch.setattr(applications, "_opener", lambda: None)
    assert hand.files.viewer.large_window is not None
    hand.files.viewer.large_window.close()
    hand.views.list.take_focus()
    hand.click_row("a.txt", times=2)
    hand.wait(lambda: hand.files.viewer.large_window is not None, what="the preview at once")
