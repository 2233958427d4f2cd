"""Choosing files and folders of this computer: what is typed, selected and kept, and that nothing else is taken."""

from __future__ import annotations

import os
import tkinter as tk
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sfos.client.session.session import Session
from sfos.gui import choices
from sfos.gui.choosing import spelling
from sfos.gui.choosing.dialog import ChooserDialog
from sfos.gui.choosing.places import places
from sfos.gui.choosing.presenter import ChooserPresenter, field_text, summary_of, verb_of
from sfos.gui.choosing.resolving import Mode, resolve
from sfos.gui.files.commands import DOWNLOAD_TO, UPLOAD_FILES, UPLOAD_FOLDER
from sfos.gui.threads.bridge import TaskBridge
from sfos.gui.transfers.upload_dialog import UploadDialog
from tests.gui.conftest import Hand, put, write

Settle = Callable[..., None]


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A small disk of someone's."""
    disk = tmp_path / "disk"
    for name in (
        "photos/a.jpg", "photos/summer holidays/b.jpg", "photos-old/c.jpg", "letter to Anna.txt", "notes.txt",
        ".ssh/id_ed25519", "it's/d", "Ünïcode/e",
    ):  # fmt: skip
        write(disk / name, name)
    return disk


# --- What is typed --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("{disk}/photos/summer holidays", "photos/summer holidays"),
        ("  {disk}/photos \n", "photos"),
        ("{disk}/photos/../photos-old/", "photos-old"),
        ("photos", "photos"),
        ("./photos/.", "photos"),
        ("'{disk}/photos/summer holidays'", "photos/summer holidays"),
        ("{disk}/photos/summer\\ holidays", "photos/summer holidays"),
        ("file://{disk}/photos/summer%20holidays", "photos/summer holidays"),
        ("{disk}/it's", "it's"),
        ("~/photos", "photos"),
        ("~", ""),
        ("Ünïcode", "Ünïcode"),
    ],
)
def test_a_typed_folder_is_taken_however_it_is_spelt(
    disk: Path, text: str, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(disk))
    for mode in ("folders", "destination"):
        assert resolve(text.format(disk=disk), disk, mode).paths == (disk / meant,)


def test_a_typed_file_is_taken_for_files_and_a_folder_is_gone_into(disk: Path) -> None:
    assert resolve(f"{disk}/letter to Anna.txt", disk, "files").paths == (disk / "letter to Anna.txt",)
    assert resolve("photos", disk, "files").go_to == disk / "photos"
    several = resolve(f"{disk}/notes.txt\n{disk}/letter to Anna.txt\n", disk, "files")
    assert several.paths == (disk / "notes.txt", disk / "letter to Anna.txt")
    (disk / "dangling").symlink_to("nowhere")
    assert resolve("dangling", disk, "files").paths == (disk / "dangling",)


@pytest.mark.parametrize(
    ("text", "mode", "sentence"),
    [
        ("nothing", "folders", "There is no “{disk}/nothing” on this computer."),
        ("nothing", "files", "There is no “{disk}/nothing” on this computer."),
        ("notes.txt/x", "files", "There is no “{disk}/notes.txt/x” on this computer."),
        ("nowhere/new", "destination", "There is no “{disk}/nowhere/new” on this computer."),
        ("notes.txt", "folders", "“notes.txt” is a file. “Upload files…” takes it."),
        ("notes.txt", "destination", "“notes.txt” is a file. Downloads need a folder."),
        ("photos\nnotes.txt", "folders", "“notes.txt” is a file. “Upload files…” takes it."),
        ("photos\nnothing", "folders", "There is no “{disk}/nothing” on this computer."),
        ("a\0b", "folders", "There is no “{disk}/a\\x00b” on this computer."),
    ],
)
def test_what_is_not_there_or_of_the_wrong_kind_is_said_and_nothing_is_taken(
    disk: Path, text: str, mode: Mode, sentence: str
) -> None:
    found = resolve(text, disk, mode)
    assert found.paths == () and found.go_to is None and found.problem == sentence.format(disk=disk)


def test_a_folder_to_download_into_that_is_not_there_is_made_when_that_was_said(disk: Path) -> None:
    first = resolve("new", disk, "destination")
    assert first.paths == () and first.to_make == disk / "new"
    assert resolve("new", disk, "destination", make=first.to_make).paths == (disk / "new",)
    assert resolve("other", disk, "destination", make=first.to_make).paths == ()


@pytest.mark.parametrize(
    ("start", "names", "completed"),
    [
        ("pho", ["photos", "photos-old", "notes"], "photos"),
        ("photos-", ["photos", "photos-old"], "photos-old"),
        ("PHO", ["photos"], "photos"),
        ("x", ["photos"], "x"),
        ("", ["photos"], "photos"),
        (".s", [".ssh", "s"], ".ssh"),
        ("a", ["Abba", "abacus"], "abacus"),
    ],
)
def test_a_name_is_completed_as_far_as_there_is_one_way(start: str, names: list[str], completed: str) -> None:
    assert spelling.completion(start, names) == completed


def test_places_are_those_that_are_there_with_the_names_that_the_desktop_gives(tmp_path: Path) -> None:
    home = tmp_path / "anna"
    (home / "Musik").mkdir(parents=True)
    (home / "Downloads").mkdir()
    (tmp_path / "project a").mkdir()
    write(home / ".config" / "user-dirs.dirs", '# x\nXDG_MUSIC_DIR="$HOME/Musik"\nXDG_DESKTOP_DIR="$HOME"\n')
    bookmarks = f"file://{tmp_path}/project%20a Work\nsftp://elsewhere/x\nfile://{tmp_path}/gone\n"
    write(home / ".config" / "gtk-3.0" / "bookmarks", bookmarks)
    known = [(place.name, place.path) for place in places(home, {}) if place.path.is_relative_to(tmp_path)]
    assert known == [
        ("Home", home), ("Downloads", home / "Downloads"), ("Musik", home / "Musik"),
        ("Work", tmp_path / "project a"),
    ]  # fmt: skip


# --- The dialog without a screen ------------------------------------------------------------------------------------


@pytest.fixture
def made(bridge: TaskBridge, disk: Path, settle: Settle) -> Callable[..., tuple[ChooserPresenter, list[Path]]]:
    def make(mode: Mode, start: Path = disk) -> tuple[ChooserPresenter, list[Path]]:
        taken: list[Path] = []
        presenter = ChooserPresenter(bridge, mode, start, home=disk, on_chosen=taken.extend)
        presenter.start()
        settle(lambda: presenter.state.phase != "reading" and presenter.state.places)
        return presenter, taken

    return make


def names(presenter: ChooserPresenter) -> list[str]:
    return [row.name for row in presenter.state.rows]


def test_nothing_chosen_uploads_nothing_and_what_is_chosen_stands_in_the_field(
    made: Callable[..., tuple[ChooserPresenter, list[Path]]], disk: Path
) -> None:
    presenter, taken = made("folders")
    assert names(presenter) == ["it's", "photos", "photos-old", "Ünïcode"]
    assert summary_of(presenter.state) == "4 folders, 2 files, 1 hidden"
    assert field_text(presenter.state) == f"{disk}/" and not presenter.can_submit
    presenter.submit()
    assert taken == [] and presenter.state.said == "Choose from the list, or type a path."
    presenter.select(("photos",))
    assert field_text(presenter.state) == f"{disk}/photos" and verb_of(presenter.state) == "Upload “photos”"
    presenter.select(("photos", "it's"))
    assert field_text(presenter.state) == f"{disk}/" and verb_of(presenter.state) == "Upload 2 folders"
    presenter.submit()
    assert taken == [disk / "it's", disk / "photos"]


def test_what_is_typed_lets_go_of_what_is_selected_and_the_list_follows(
    made: Callable[..., tuple[ChooserPresenter, list[Path]]], disk: Path, settle: Settle
) -> None:
    presenter, taken = made("folders")
    presenter.select(("it's",))
    presenter.type(f"{disk}/pho")
    assert presenter.state.selected == () and names(presenter) == ["photos", "photos-old"]
    assert presenter.complete() and presenter.state.typed == f"{disk}/photos"
    assert not presenter.complete(), "two ways to go on"
    presenter.type(f"{disk}/photos/")
    settle(lambda: names(presenter) == ["summer holidays"])
    presenter.type(f"{disk}/photos/su")
    assert presenter.complete() and presenter.state.typed == f"{disk}/photos/summer holidays/"
    presenter.submit()
    settle(lambda: taken)
    assert taken == [disk / "photos/summer holidays"]


def test_hidden_names_are_shown_when_that_is_said_or_their_dot_is_typed(
    made: Callable[..., tuple[ChooserPresenter, list[Path]]], settle: Settle, disk: Path
) -> None:
    presenter, taken = made("folders")
    presenter.type(".s")
    assert names(presenter) == [".ssh"]
    presenter.type("")
    presenter.set_hidden(True)
    assert ".ssh" in names(presenter)
    presenter.select((".ssh",))
    presenter.set_hidden(False)
    assert presenter.state.selected == (), "what is not seen is not chosen"
    presenter.submit()
    assert taken == []


def test_a_wrong_path_is_said_and_stays_to_be_mended(
    made: Callable[..., tuple[ChooserPresenter, list[Path]]], settle: Settle, disk: Path
) -> None:
    presenter, taken = made("files")
    presenter.type(f"{disk}/lettre")
    presenter.submit()
    settle(lambda: not presenter.state.busy)
    assert presenter.state.wrong and "lettre" in presenter.state.said and presenter.state.typed == f"{disk}/lettre"
    presenter.type("photos")
    presenter.submit()
    settle(lambda: presenter.state.folder == disk / "photos" and presenter.state.phase == "ready")
    assert taken == [] and presenter.state.typed is None and not presenter.state.wrong
    presenter.open("a.jpg")
    assert taken == [disk / "photos/a.jpg"]


def test_a_folder_that_is_gone_or_closed_leads_to_what_is_left_above_it(
    made: Callable[..., tuple[ChooserPresenter, list[Path]]], disk: Path
) -> None:
    presenter, _ = made("folders", disk / "photos" / "gone" / "deeper")
    assert presenter.state.folder == disk / "photos"
    presenter, _ = made("folders", Path("/not-there-at-all/x"))
    assert presenter.state.folder == disk


def test_columns_sort_and_folders_stay_first(
    made: Callable[..., tuple[ChooserPresenter, list[Path]]], disk: Path
) -> None:
    os.utime(disk / "notes.txt", ns=(1, 1))
    presenter, _ = made("files")
    presenter.sort_by("modified")
    assert names(presenter)[-2:] == ["letter to Anna.txt", "notes.txt"]
    presenter.sort_by("modified")
    assert names(presenter)[-2:] == ["notes.txt", "letter to Anna.txt"]
    presenter.sort_by("name")
    presenter.sort_by("name")
    assert names(presenter)[:2] == ["Ünïcode", "photos-old"]


def test_only_what_was_asked_for_is_taken_once_more_typed_meanwhile_or_closed(
    made: Callable[..., tuple[ChooserPresenter, list[Path]]], bridge: TaskBridge, settle: Settle
) -> None:
    presenter, taken = made("folders")
    presenter.type("photos")
    presenter.submit()
    presenter.type("photos-old")
    settle(lambda: not presenter.state.busy)
    assert taken == [], "the answer is to what is no longer there"
    presenter.submit()
    presenter.close()
    settle(lambda: not bridge.alive())
    assert taken == []


# --- In the window --------------------------------------------------------------------------------------------------


def opened(hand: Hand) -> ChooserDialog:
    hand.wait(lambda: hand.dialog(ChooserDialog) is not None, what="the dialog")
    dialog = hand.dialog(ChooserDialog)
    assert isinstance(dialog, ChooserDialog)
    hand.wait(lambda: hand.app.root.focus_get() is dialog.path, what="the keyboard in the path field")
    hand.wait(lambda: dialog._state.phase == "ready" and dialog._state.places, what="the folder")
    hand.app.root.update()
    return dialog


@pytest.fixture
def at_disk(hand: Hand, disk: Path) -> Iterator[Hand]:
    """The window, where files were chosen last on the small disk."""
    for direction in ("up", "down"):
        hand.app.memory.keep_folder(direction, disk)
    yield hand
    hand.app.memory.remember(upload_from=b"", download_to=b"")


@pytest.mark.parametrize("ending", ["", "/"])
@pytest.mark.display
@pytest.mark.timeout(180)
def test_a_folder_whose_path_is_typed_is_what_goes_up(
    at_disk: Hand, session: Session, folder: str, disk: Path, ending: str
) -> None:
    hand = at_disk
    hand.app.window.offers.run(UPLOAD_FOLDER)
    dialog = opened(hand)
    hand.type(f"{disk}/photos/summer holidays{ending}")
    hand.press("Return")
    hand.wait(lambda: hand.dialog(ChooserDialog) is None, what="the end of the dialog")
    hand.wait(lambda: hand.space.transfers.board.completed, what="the upload")
    assert not dialog.winfo_exists()
    assert [entry.name for entry in session.api.list_folder(folder)] == ["summer holidays"]
    assert hand.app.memory.now.upload_from == os.fsencode(disk / "photos")
    assert hand.app.memory.now.download_to == os.fsencode(disk), "apart from the way down"


@pytest.mark.display
@pytest.mark.timeout(180)
def test_the_button_takes_the_typed_path_and_not_the_row_that_was_selected(
    at_disk: Hand, session: Session, folder: str, disk: Path
) -> None:
    hand = at_disk
    hand.app.window.offers.run(UPLOAD_FILES)
    dialog = opened(hand)
    row = next(item for item in dialog.list.get_children() if dialog.list.item(item, "text") == "notes.txt")
    box = dialog.list.bbox(row)
    assert box
    hand.click(dialog.list, box[0] + 50, box[1] + box[3] // 2)
    hand.wait(lambda: dialog.path.get() == f"{disk}/notes.txt", what="its path in the field")
    hand.click(dialog.path)
    hand.press("ctrl+a")
    hand.type(f"{disk}/letter to Anna.txt")
    hand.wait(lambda: dialog.list.selection() == (), what="the end of the selection")
    hand.click(dialog.primary)
    hand.wait(lambda: hand.space.transfers.board.completed, what="the upload")
    assert [entry.name for entry in session.api.list_folder(folder)] == ["letter to Anna.txt"]


@pytest.mark.display
@pytest.mark.timeout(180)
def test_nothing_chosen_sends_nothing_and_several_folders_go_at_once(
    at_disk: Hand, session: Session, folder: str, disk: Path
) -> None:
    hand = at_disk
    hand.app.window.offers.run(UPLOAD_FOLDER)
    dialog = opened(hand)
    hand.press("Return")
    hand.click(dialog.primary)
    assert hand.dialog(ChooserDialog) is dialog and dialog.primary.instate(["disabled"])
    hand.press("Down", "Down", "shift+Down")
    hand.wait(lambda: str(dialog.primary.cget("text")) == "Upload 2 folders", what="two folders")
    hand.press("ctrl+Return")
    hand.wait(lambda: hand.space.transfers.board.completed, what="the upload")
    assert {entry.name for entry in session.api.list_folder(folder)} == {"photos", "photos-old"}


@pytest.mark.display
@pytest.mark.timeout(180)
def test_keys_and_mouse_go_about_and_this_folder_is_asked_for_by_its_own_button(
    at_disk: Hand, disk: Path, tmp_path: Path
) -> None:
    hand = at_disk
    hand.app.window.offers.run(UPLOAD_FOLDER)
    dialog = opened(hand)
    hand.type("pho")
    hand.press("Tab")
    hand.wait(lambda: dialog.path.get() == "photos", what="the completion")
    hand.press("Down")
    hand.wait(lambda: hand.app.root.focus_get() is dialog.list and dialog.list.selection(), what="the first row")
    hand.press("Return")
    hand.wait(lambda: dialog._state.folder == disk / "photos" and dialog._state.phase == "ready", what="its content")
    hand.press("BackSpace")
    hand.wait(lambda: dialog._state.folder == disk and dialog._state.phase == "ready", what="the folder above")
    hand.press("alt+Up")
    hand.wait(lambda: dialog._state.folder == tmp_path and dialog._state.phase == "ready", what="the one above that")
    hand.press("ctrl+l")
    hand.wait(lambda: hand.app.root.focus_get() is dialog.path, what="the field")
    hand.type(f"{disk}/")
    hand.wait(lambda: len(dialog.list.get_children()) == 4, what="the rows")
    hand.press("ctrl+h")
    hand.wait(lambda: len(dialog.list.get_children()) == 5, what="hidden ones too")
    assert dialog.this_folder is not None
    hand.click(dialog.this_folder)
    hand.wait(lambda: (asked := hand.dialog(UploadDialog)) is not None and asked.upload is not None, what="a question")
    hand.press("Escape")
    hand.wait(lambda: hand.dialog(UploadDialog) is None)
    assert not hand.space.transfers.board.active


@pytest.mark.display
@pytest.mark.timeout(180)
def test_a_download_goes_where_the_typed_path_says_and_a_missing_folder_is_made_after_a_word(
    at_disk: Hand, session: Session, folder: str, disk: Path, tmp_path: Path
) -> None:
    hand = at_disk
    put(session, folder, tmp_path, "a.txt")
    hand.click_row("a.txt")
    hand.app.window.offers.run(DOWNLOAD_TO)
    dialog = opened(hand)
    hand.type(f"{disk}/photos/new one")
    hand.press("Return")
    hand.wait(lambda: str(dialog.primary.cget("text")) == "Make the folder and download", what="the word")
    hand.press("Return")
    hand.wait((disk / "photos/new one/a.txt").exists, what="the file")
    hand.wait(lambda: hand.space.transfers.board.completed)
    assert hand.app.memory.now.download_to == os.fsencode(disk / "photos/new one")
    assert hand.app.memory.now.upload_from == os.fsencode(disk)
    hand.wait(lambda: choices.load(hand.app._state_dir) == hand.app.memory.now, what="the choices on the disk")


@pytest.mark.display
@pytest.mark.timeout(180)
def test_escape_takes_nothing_and_gives_the_keyboard_back(at_disk: Hand) -> None:
    hand = at_disk
    hand.app.window.offers.run(UPLOAD_FILES)
    opened(hand)
    hand.press("Down", "Escape")
    hand.wait(lambda: hand.dialog(ChooserDialog) is None)
    hand.wait(lambda: hand.app.root.focus_get() is hand.views.list.tree, what="the keyboard")
    assert not hand.space.transfers.board.active


@pytest.mark.display
@pytest.mark.timeout(180)
def test_on_a_narrow_screen_the_dialog_has_all_its_buttons(at_disk: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    hand = at_disk
    narrow = hand.app.theme.px(680)  # as 1,360 pixels are where everything is drawn twice as large
    monkeypatch.setattr(tk.Misc, "winfo_screenwidth", lambda _widget: narrow)
    hand.app.window.offers.run(UPLOAD_FILES)
    dialog = opened(hand)
    assert dialog.winfo_width() <= narrow
    for button in (dialog.primary, dialog.hidden):
        assert button.winfo_rootx() + button.winfo_width() <= dialog.winfo_rootx() + narrow
    hand.press("Escape")
    hand.wait(lambda: hand.dialog(ChooserDialog) is None)
