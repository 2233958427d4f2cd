"""Rows that are dragged, cut, pasted, renamed where they stand; and the menu of a folder in the left pane."""

from __future__ import annotations

import tkinter as tk
from pathlib import Path

import pytest

from sfos.client.session.session import Session
from sfos.gui.files.dragging import accepts
from sfos.gui.model import FolderPath
from sfos.gui.widgets.menus import Menu
from sfos.protocol import Entry
from tests.gui.conftest import Hand, put

pytestmark = [pytest.mark.display, pytest.mark.timeout(180)]

Point = tuple[int, int]


def names_in(session: Session, folder: str) -> list[str]:
    return sorted(entry.name for entry in session.api.list_folder(folder))


def chosen(hand: Hand) -> list[str]:
    return [entry.name for entry in hand.views.list.selected()]


def at_row(hand: Hand, name: str) -> Point:
    """Where the row `name` is on the screen."""
    tree = hand.views.list.tree
    box = hand.box(name)
    assert box
    return tree.winfo_rootx() + box[0] + 60, tree.winfo_rooty() + box[1] + box[3] // 2


def at_branch(hand: Hand, path: str) -> Point:
    """Where the folder at `path` is in the left pane."""
    tree = hand.views.tree.tree
    item = str(hand.space.session.api.stat(path).node)
    hand.wait(lambda: tree.exists(item) and tree.bbox(item), what=f"{path} in the left pane")
    box = tree.bbox(item)
    assert box
    return tree.winfo_rootx() + box[0] + box[2] // 2, tree.winfo_rooty() + box[1] + box[3] // 2


def middle_of(widget: tk.Misc) -> Point:
    return widget.winfo_rootx() + widget.winfo_width() // 2, widget.winfo_rooty() + widget.winfo_height() // 2


def hold(hand: Hand, start: Point, end: Point) -> None:
    """Press at `start` and move to `end`, without letting go."""
    hand.xdo("mousemove", str(start[0]), str(start[1]), "mousedown", "1")
    half = (start[0] + end[0]) // 2, (start[1] + end[1]) // 2
    for x, y in (half, (end[0] + 1, end[1]), end):
        hand.xdo("mousemove", str(x), str(y))


def drag(hand: Hand, start: Point, end: Point) -> None:
    hold(hand, start, end)
    hand.xdo("mouseup", "1")


def test_nothing_goes_into_itself_or_where_it_is() -> None:
    a = Entry(node=5, parent=1, name="a", kind="folder", revision="1")
    file = Entry(node=6, parent=1, name="f", kind="file", revision="1")
    root = FolderPath()
    inside = root.into(a).child(7, "b")
    assert not accepts(inside, [a], copy=True) and not accepts(root.into(a), [file, a], copy=False)
    assert not accepts(root, [file], copy=False)
    assert accepts(root, [file], copy=True) and accepts(inside, [file], copy=False)


def test_rows_dragged_onto_a_folder_of_the_list_are_moved_and_put_back_by_undo(
    hand: Hand, session: Session, folder: str, tmp_path: Path
) -> None:
    put(session, folder, tmp_path, "a.txt", "b.txt", "c.txt")
    session.api.make_folder(f"{folder}/sub")
    hand.click_row("a.txt")
    hand.xdo("keydown", "ctrl")
    hand.click_row("b.txt")
    hand.xdo("keyup", "ctrl")
    hand.wait(lambda: chosen(hand) == ["a.txt", "b.txt"], what="both")
    hold(hand, at_row(hand, "a.txt"), at_row(hand, "sub"))
    hand.wait(lambda: hand.views.drag.text == "Move “a.txt” and “b.txt” to “sub”", what="the sentence")
    hand.xdo("mouseup", "1")
    hand.wait(lambda: names_in(session, f"{folder}/sub") == ["a.txt", "b.txt"], what="both in it")
    hand.wait(lambda: hand.names() == ["sub", "c.txt"], what="the rows gone")
    assert hand.views.drag.text == ""
    hand.wait(lambda: "moved" in hand.app.window.toast.text, what="the sentence")
    hand.click(hand.app.window.toast.button("Undo"))
    hand.wait(lambda: names_in(session, folder) == ["a.txt", "b.txt", "c.txt", "sub"], what="both back")
    hand.wait(lambda: chosen(hand) == ["a.txt", "b.txt"], what="their selection")


def test_with_ctrl_held_they_are_copied_and_escape_gives_it_up(
    hand: Hand, session: Session, folder: str, tmp_path: Path
) -> None:
    put(session, folder, tmp_path, "a.txt")
    session.api.make_folder(f"{folder}/sub")
    hold(hand, at_row(hand, "a.txt"), at_row(hand, "sub"))
    hand.press("Escape")
    hand.xdo("mouseup", "1")
    assert hand.views.drag.text == ""
    hold(hand, at_row(hand, "a.txt"), at_row(hand, "sub"))
    hand.xdo("keydown", "ctrl")
    hand.wait(lambda: hand.views.drag.text == "Copy “a.txt” to “sub”", what="the word")
    hand.xdo("mouseup", "1", "keyup", "ctrl")
    hand.wait(lambda: names_in(session, f"{folder}/sub") == ["a.txt"], what="the copy")
    assert names_in(session, folder) == ["a.txt", "sub"]


def test_rows_are_dragged_onto_the_left_pane_and_onto_the_path(
    hand: Hand, session: Session, folder: str, tmp_path: Path
) -> None:
    session.api.make_folder(f"{folder}/left")
    session.api.make_folder(f"{folder}/here")
    put(session, f"{folder}/here", tmp_path, "a.txt", "b.txt")
    hand.go(folder)
    hand.go(f"{folder}/here")
    drag(hand, at_row(hand, "a.txt"), at_branch(hand, f"{folder}/left"))
    hand.wait(lambda: names_in(session, f"{folder}/left") == ["a.txt"], what="it in the left pane's folder")
    hand.wait(lambda: hand.names() == ["b.txt"], what="its row gone")
    crumb = hand.labelled(hand.views.bar.breadcrumb, folder.strip("/"))
    drag(hand, at_row(hand, "b.txt"), middle_of(crumb))
    hand.wait(lambda: "b.txt" in names_in(session, folder), what="it in the folder above")
    assert names_in(session, f"{folder}/here") == []


def test_a_click_on_one_of_several_selected_rows_selects_it_alone(
    hand: Hand, session: Session, folder: str, tmp_path: Path
) -> None:
    put(session, folder, tmp_path, "a.txt", "b.txt", "c.txt")
    hand.row("c.txt")
    hand.press("ctrl+a")
    hand.wait(lambda: len(chosen(hand)) == 3, what="all")
    hand.click_row("b.txt")
    hand.wait(lambda: chosen(hand) == ["b.txt"], what="one")


def menu_of(hand: Hand) -> Menu:
    """The menu that is open."""
    hand.wait(lambda: any(isinstance(child, Menu) for child in hand.app.root.winfo_children()), what="the menu")
    menu = next(child for child in hand.app.root.winfo_children() if isinstance(child, Menu))
    hand.wait(menu.winfo_ismapped, what="the menu on the screen")
    return menu


def row_of_menu(menu: Menu, label: str) -> int:
    """The number of the row that begins so."""
    last = menu.index("end")
    assert last is not None
    return next(
        row for row in range(last + 1) if str(menu.entrycget(row, "label")).strip() == label
    )  # fmt: skip


def test_a_folder_of_the_left_pane_has_its_menu(hand: Hand, session: Session, folder: str, tmp_path: Path) -> None:
    for name in ("one", "two"):
        session.api.make_folder(f"{folder}/{name}")
    put(session, folder, tmp_path, "a.txt")
    hand.go(f"{folder}/two")
    hand.go(folder)
    hand.click_row("a.txt")
    hand.press("ctrl+c")
    place = at_branch(hand, f"{folder}/one")

    def choose(label: str) -> None:
        hand.xdo("mousemove", str(place[0]), str(place[1]), "click", "3")
        menu = menu_of(hand)
        row = row_of_menu(menu, label)
        hand.xdo("mousemove", str(menu.winfo_rootx() + 60), str(menu.winfo_rooty() + int(menu.yposition(row)) + 8))
        hand.wait(lambda: menu.index("active") == row, what="the row under the mouse")
        hand.xdo("click", "1")
        hand.wait(lambda: not any(isinstance(child, Menu) for child in hand.app.root.winfo_children()), what="its end")

    choose("Paste")
    hand.wait(lambda: names_in(session, f"{folder}/one") == ["a.txt"], what="the copy in it")
    assert hand.files.browser.folder.path == folder, "a right click goes nowhere"
    choose("New folder…")
    hand.wait(lambda: str(hand.app.root.focus_get()).startswith(".!dialog"), what="the question for a name")
    hand.press("Return")
    hand.wait(lambda: "New folder" in names_in(session, f"{folder}/one"), what="the new folder in it")
    choose("Rename")
    hand.wait(lambda: str(hand.app.root.focus_get()).startswith(".!dialog"), what="the question for its name")
    hand.press("ctrl+a")
    hand.type("once")
    hand.press("Return")
    hand.wait(lambda: names_in(session, folder) == ["a.txt", "once", "two"], what="the new name")
    choose("Delete…")
    hand.wait(lambda: str(hand.app.root.focus_get()).startswith(".!dialog"), what="the question")
    hand.press("Tab", "Return")
    hand.wait(lambda: names_in(session, folder) == ["a.txt", "two"], what="the deletion")


def test_a_name_is_changed_in_its_row_which_stays_in_view(
    hand: Hand, session: Session, folder: str, tmp_path: Path
) -> None:
    for number in range(60):
        session.api.make_folder(f"{folder}/f{number:02}")
    hand.wait(lambda: len(hand.names()) == 60, what="all folders")
    hand.click_row("f03")
    hand.press("F2")
    editor = hand.views.list.editor
    assert editor is not None
    box = hand.box("f03")
    assert box and abs(editor.field.winfo_y() - box[1]) <= 2
    hand.press("ctrl+a")
    hand.type("f05")
    hand.wait(lambda: "already here" in editor.problem, what="the reason")
    hand.press("Return")
    assert hand.views.list.editor is editor, "what will not do is not taken"
    hand.press("Escape")
    assert hand.views.list.editor is None
    hand.wait(lambda: hand.app.root.focus_get() is hand.views.list.tree, what="the keyboard")
    hand.press("F2", "ctrl+a")
    hand.type("zz")
    hand.press("Return")
    hand.wait(lambda: "zz" in hand.names(), what="the new name")
    hand.wait(lambda: hand.box("zz"), what="the row in view")
    assert chosen(hand) == ["zz"]
    hand.press("ctrl+z")
    hand.wait(lambda: "f03" in hand.names() and "zz" not in hand.names(), what="the old name again")
    hand.wait(lambda: chosen(hand) == ["f03"], what="its selection")
    hand.press("F2")
    hand.type("y")
    hand.click(hand.views.bar.search.entry)
    hand.wait(lambda: "y" in names_in(session, folder), what="a click elsewhere takes the name")
    assert hand.app.root.focus_get() is hand.views.bar.search.entry


def test_cut_rows_are_pale_and_what_was_pasted_is_selected(
    hand: Hand, session: Session, folder: str, tmp_path: Path
) -> None:
    put(session, folder, tmp_path, "a.txt", "b.txt", "c.txt")
    session.api.make_folder(f"{folder}/sub")
    tree, palette = hand.views.list.tree, hand.app.theme.palette
    hand.click_row("a.txt")
    usual = str(hand.drawn("a.txt", "image")[0])
    hand.press("shift+Down", "ctrl+x")
    assert "cut" in hand.drawn("a.txt", "tags") and str(hand.drawn("a.txt", "image")[0]) != usual
    assert str(tree.tag_configure("cut", "foreground")) == palette.muted
    picture = hand.screenshot(tmp_path / "cut.png")
    assert not dark_pixels(hand, picture, "a.txt") and dark_pixels(hand, picture, "c.txt")
    hand.click_row("sub", times=2)
    hand.wait(lambda: hand.files.browser.folder.path == f"{folder}/sub")
    hand.press("ctrl+v")
    hand.wait(lambda: chosen(hand) == ["a.txt", "b.txt"], what="both selected")


def dark_pixels(hand: Hand, picture: Path, name: str) -> int:
    """How many pixels of a row's name are as dark as text is."""
    from PIL import Image

    tree = hand.views.list.tree
    box = hand.box(name)
    assert box
    x, y = tree.winfo_rootx() + box[0] + 36, tree.winfo_rooty() + box[1]
    with Image.open(picture) as opened:
        text = opened.convert("L").crop((x, y + 4, x + 60, y + box[3] - 4))
    return sum(text.histogram()[:70])
