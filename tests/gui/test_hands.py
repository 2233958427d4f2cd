"""Mouse and keyboard: scroll bars, menus, the keyboard after a dialog, and colours after a switch."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from pathlib import Path

import pytest

from sfos.client.session.session import Session
from sfos.gui.account.commands import CHANGE_PASSWORD
from sfos.gui.model import Notice
from sfos.gui.shell.commands import THEME
from sfos.gui.signing_in.new_password import PasswordDialog
from sfos.gui.widgets.dialogs.base import Dialog
from sfos.gui.widgets.menus import Menu
from sfos.gui.widgets.scroll import AutoScrollbar
from sfos.protocol import Ref
from tests.gui.conftest import SIZE, Hand

pytestmark = [pytest.mark.display, pytest.mark.timeout(180)]


def folders(session: Session, folder: str, count: int) -> None:
    for number in range(count):
        session.api.make_folder(f"{folder}/f{number:02}")


def chosen(hand: Hand) -> list[str]:
    return [entry.name for entry in hand.views.list.selected()]


def menus(hand: Hand) -> list[Menu]:
    return [child for child in hand.app.root.winfo_children() if isinstance(child, Menu)]


def test_the_scroll_bar_is_dragged_and_its_trough_clicked(hand: Hand, session: Session, folder: str) -> None:
    folders(session, folder, 60)
    hand.wait(lambda: len(hand.names()) == 60, what="all folders")
    tree = hand.views.list.tree
    bar = next(child for child in hand.views.list.winfo_children() if isinstance(child, AutoScrollbar))
    hand.wait(bar.winfo_ismapped, what="the scroll bar")
    hand.app.root.update()
    middle, height = bar.winfo_width() // 2, bar.winfo_height()
    assert "thumb" in str(bar.identify(middle, 8))
    assert "trough" in str(bar.identify(middle, height - 5)), "the thumb is as long as what is visible"
    hand.click(bar, y=height - 5)
    hand.wait(lambda: tree.yview()[0] > 0.1, what="a page further down")
    page = tree.yview()[0]
    x, y = bar.winfo_rootx() + middle, bar.winfo_rooty()
    at = y + int(sum(tree.yview()) / 2 * height)
    hand.xdo("mousemove", str(x), str(at), "mousedown", "1", "mousemove", str(x), str(y + 2), "mouseup", "1")
    hand.wait(lambda: tree.yview()[0] < page, what="the way back up")


@pytest.mark.parametrize("how", ["a click elsewhere", "Escape"])
def test_a_menu_is_closed_and_the_keyboard_is_the_lists_again(hand: Hand, how: str) -> None:
    hand.click(hand.app.window.toolbar.settings)
    hand.wait(lambda: any(menu.winfo_ismapped() for menu in menus(hand)), what="the menu")
    if how == "Escape":
        hand.press("Escape")
    else:
        hand.click(hand.views.list.tree, 200, 300)
    hand.wait(lambda: not menus(hand), what="its end")
    assert hand.app.root.focus_get() is hand.views.list.tree


def test_what_a_menu_offers_is_done_by_a_click(hand: Hand) -> None:
    hand.click(hand.app.window.toolbar.settings)
    hand.wait(lambda: any(menu.winfo_ismapped() for menu in menus(hand)), what="the menu")
    menu = menus(hand)[0]
    labels = [str(menu.entrycget(row, "label")) for row in range(int(menu.index("end") or 0) + 1)]
    row = next(row for row, label in enumerate(labels) if THEME.label in label)
    hand.click(menu, y=menu.yposition(row) + 12)
    hand.wait(lambda: hand.app.theme.mode == "dark", what="the dark colours")
    hand.wait(lambda: not menus(hand), what="its end")


@pytest.mark.parametrize("answer", ["Escape", "Return"])
def test_after_a_dialog_the_keyboard_is_where_it_was(hand: Hand, session: Session, folder: str, answer: str) -> None:
    folders(session, folder, 3)
    hand.click_row("f01")
    hand.press("ctrl+shift+n")
    hand.wait(lambda: hand.dialog(Dialog) is not None and str(hand.app.root.focus_get()).startswith(".!dialog"))
    hand.press(answer)
    hand.wait(lambda: hand.dialog(Dialog) is None, what="the end of the dialog")
    hand.wait(lambda: hand.app.root.focus_get() is hand.views.list.tree, what="the keyboard")
    if answer == "Return":
        hand.wait(lambda: chosen(hand) == ["New folder"], what="the new folder")
    hand.press("Up" if answer == "Return" else "Down")
    hand.wait(lambda: chosen(hand) == ["f02"], what="the next row")


def test_the_colours_change_after_a_large_preview_was_closed_and_the_list_stays_where_it_is(
    hand: Hand, session: Session, folder: str, tmp_path: Path
) -> None:
    folders(session, folder, 60)
    (tmp_path / "notes.md").write_text("# Notes\n\nsome text\n")
    hand.files.orders.upload([tmp_path / "notes.md"])
    hand.click_row("notes.md")
    hand.press("space")
    hand.wait(lambda: hand.files.viewer.large_window is not None)
    hand.wait(lambda: hand.files.viewer.large.shown.block is not None, what="the preview")
    hand.press("Escape")
    hand.wait(lambda: hand.files.viewer.large_window is None)
    tree = hand.views.list.tree
    top, text = tree.yview()[0], hand.previewed
    before = {option: str(text.cget(option)) for option in ("padx", "pady", "borderwidth", "highlightthickness")}
    assert top > 0
    for mode in ("dark", "light"):
        hand.app.window.offers.run(THEME)
        hand.app.root.update()
        assert hand.app.theme.mode == mode
        assert tree.yview()[0] == top
        assert {option: str(text.cget(option)) for option in before} == before


@pytest.mark.allows_errors("provokes an error in a listener")
def test_a_view_that_fails_to_change_its_colours_does_not_stop_the_others(hand: Hand) -> None:
    seen: list[str] = []
    theme = hand.app.theme

    class View(tk.Frame):
        def broken(self) -> None:
            raise ValueError("planted")

        def change(self) -> None:
            seen.append(theme.mode)

    view = View(hand.app.root)
    theme.on_change(view.broken)
    theme.on_change(view.change)
    try:
        with pytest.raises(ValueError, match="planted"):
            theme.set_mode("dark")
    finally:
        view.destroy()
    assert seen == ["dark"]
    theme.set_mode("light")
    assert seen == ["dark"], "what is gone is not told"


def test_a_file_renamed_by_others_is_called_by_its_new_name_in_the_details(
    hand: Hand, session: Session, folder: str, tmp_path: Path
) -> None:
    (tmp_path / "old.txt").write_text("text")
    hand.files.orders.upload([tmp_path / "old.txt"])
    hand.click_row("old.txt")
    details = hand.views.details
    hand.wait(lambda: "old.txt" in hand.words(details), what="its details")
    entry = session.api.list_folder(folder)[0]
    session.api.move(Ref(node=entry.node), f"{folder}/new.txt")
    hand.wait(lambda: "new.txt" in hand.words(details), what="the new name")
    assert [chosen.name for chosen in hand.files.orders.selection.entries] == ["new.txt"]


def test_a_cancelled_upload_takes_its_question_back_and_says_that_it_was_cancelled(
    hand: Hand, session: Session, folder: str, tmp_path: Path
) -> None:
    from sfos.gui.transfers.conflict_dialog import ConflictDialog

    for content in ("first", "second and longer"):
        (tmp_path / "same.txt").write_text(content)
        hand.files.orders.upload([tmp_path / "same.txt"])
        hand.row("same.txt")
    hand.wait(lambda: hand.dialog(ConflictDialog) is not None, what="the question")
    board = lambda: hand.space.transfers.board  # noqa: E731
    hand.wait(lambda: [row.note for row in board().active] == ["Waits for your answer"], what="the note")
    hand.space.transfers.act(hand.space.transfers.board.active[0].key, "cancel")
    hand.wait(lambda: hand.dialog(ConflictDialog) is None, what="the end of the question")
    hand.wait(lambda: hand.space.transfers.board.cancelled, what="the end of the transfer")
    assert hand.space.transfers.board.failed == ()
    assert session.api.read_range(session.api.list_folder(folder)[0]) == b"first"


def test_a_small_window_keeps_the_folders_name_and_most_of_the_list(hand: Hand, session: Session, folder: str) -> None:
    path = folder
    for name in ("Projects of the year", "A customer with a long name", "Final versions"):
        path += f"/{name}"
        session.api.make_folder(path)
    window, root = hand.app.window, hand.app.root
    root.geometry("900x600+0+0")
    try:
        hand.wait(lambda: root.winfo_width() == 900, what="the small window")
        hand.go(path)
        hand.app.root.update()
        crumb = hand.views.bar.breadcrumb
        last = hand.labelled(crumb, "Final versions")
        assert last.winfo_x() + last.winfo_reqwidth() <= crumb.winfo_width()
        window.show_transfers(True)
        root.update()
        height = window.transfers.winfo_height()
        assert height <= 600 // 3
        for shown in (False, True):
            window.show_transfers(shown)
            root.update()
        assert abs(window.transfers.winfo_height() - height) <= 2, "it comes back as high as it was"
    finally:
        root.geometry(SIZE)
        hand.wait(lambda: root.winfo_width() == 1200, what="the usual window")


def test_a_wrong_current_password_is_called_that_and_can_be_typed_again(hand: Hand) -> None:
    hand.app.window.offers.run(CHANGE_PASSWORD)
    dialog = hand.dialog(PasswordDialog)
    assert isinstance(dialog, PasswordDialog)
    hand.wait(lambda: hand.app.root.focus_get() is dialog.old, what="its focus")
    hand.type("nonsense")
    for _ in range(2):
        hand.press("Tab")
        hand.type("a much longer password")
    hand.press("Return")
    hand.wait(lambda: "The current password is not right." in hand.words(dialog), what="the sentence")
    assert hand.app.root.focus_get() is dialog.old
    dialog.cancel()


def test_a_dialog_closed_before_the_answer_leaves_the_reason_to_the_window(
    hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    show = hand.app.window.toast.show

    def listen(notice: Notice, **behind: Callable[[], object] | None) -> None:
        said.append(notice.text)
        show(notice, **behind)

    monkeypatch.setattr(hand.app.window.toast, "show", listen)
    hand.app.window.offers.run(CHANGE_PASSWORD)
    dialog = hand.dialog(PasswordDialog)
    assert isinstance(dialog, PasswordDialog)
    dialog.old.insert(0, "nonsense")
    for entry in (dialog.fields.new, dialog.fields.again):
        entry.insert(0, "a much longer password")
    dialog.submit()
    dialog.cancel()  # the answer waits for Tk's loop, which has not run since
    hand.wait(lambda: said, what="the sentence")
    assert said == ["The password was not changed: The current password is not right."]


def test_a_folder_known_to_have_no_folders_has_no_arrow(hand: Hand, session: Session, folder: str) -> None:
    session.api.make_folder(f"{folder}/leaf")
    hand.go(f"{folder}/leaf")
    tree = hand.views.tree.tree
    item = str(hand.files.browser.folder.node)
    hand.wait(lambda: tree.exists(item), what="the folder in the tree")
    hand.wait(lambda: tree.get_children(item) == (), what="the end of its arrow")
