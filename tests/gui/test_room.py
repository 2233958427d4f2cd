"""Room: what a narrow window puts away, names that are shortened and grow again, and where the keyboard is."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Iterator
from pathlib import Path
from tkinter import ttk

import pytest
from PIL import Image, ImageChops

from sfos.client.session.session import Session
from sfos.gui.shell.commands import DETAILS_PANE, SIDE_PANE
from tests.gui.conftest import SIZE, Hand, put, resize

pytestmark = [pytest.mark.display, pytest.mark.timeout(180)]

LONG = "a name that is much longer than a narrow window has room for, and still tells its type.txt"


@pytest.fixture
def usual_size(hand: Hand) -> Iterator[None]:
    yield
    resize(hand, *map(int, SIZE.split("+")[0].split("x")))


@pytest.mark.usefixtures("usual_size")
def test_names_shortened_in_a_narrow_window_grow_again(
    hand: Hand, session: Session, folder: str, tmp_path: Path
) -> None:
    middling = "a name of some length that ends with its type.txt"
    put(session, folder, tmp_path, LONG, middling, "short.txt")
    hand.wait(lambda: len(hand.names()) == 3, what="the rows")
    hand.app.window.show_aside(False)
    resize(hand, 640, 600)
    hand.wait(lambda: not {middling, LONG} & {*hand.drawn_names()}, what="both shortened")
    resize(hand, 1280, 760)
    hand.wait(lambda: hand.drawn_names() == [middling, LONG, "short.txt"], what="all in full")


@pytest.mark.usefixtures("usual_size")
def test_a_narrow_window_folds_its_side_panes_and_a_wide_one_shows_them_again(hand: Hand) -> None:
    window = hand.app.window
    assert window.side_shown and window.aside_shown
    resize(hand, 790, 600)
    hand.wait(lambda: not window.side_shown and not window.aside_shown, what="both put away")
    hand.press("F7")
    hand.wait(lambda: window.side_shown, what="the folders, asked for")
    resize(hand, 700, 600)
    assert window.side_shown, "what was asked for stays"
    hand.press("F8")
    hand.wait(lambda: window.aside_shown, what="the preview, asked for")
    window.offers.run(DETAILS_PANE)
    window.offers.run(SIDE_PANE)
    assert not window.side_shown and not window.aside_shown
    window.show_side(True)
    window.show_aside(True)
    resize(hand, 640, 600)
    resize(hand, 1200, 760)
    hand.wait(lambda: window.side_shown and window.aside_shown, what="both again")


@pytest.mark.usefixtures("usual_size")
def test_nothing_of_the_toolbar_is_cut_off_in_the_smallest_window(
    hand: Hand, session: Session, folder: str, tmp_path: Path
) -> None:
    put(session, folder, tmp_path, "one.txt", "two.txt")
    hand.wait(lambda: len(hand.names()) == 2, what="the rows")
    least = hand.app.root.minsize()
    for width in (least[0], 700, 730, 850):
        resize(hand, width, 600)
        bar = hand.views.bar
        for widget in (bar.breadcrumb, bar.upload, hand.app.window.toolbar.settings, *bar.breadcrumb.winfo_children()):
            if widget.winfo_ismapped():
                assert widget.winfo_width() >= min(widget.winfo_reqwidth(), 60), (width, widget)
                right = widget.winfo_rootx() + widget.winfo_width()
                assert right <= widget.master.winfo_rootx() + widget.master.winfo_width(), (width, widget)
    resize(hand, least[0], 600)
    assert not hand.views.bar.search.winfo_ismapped()
    hand.press("ctrl+f")
    hand.wait(hand.views.bar.search.winfo_ismapped, what="the search field, in place of the path")
    hand.type("tw")
    hand.wait(lambda: hand.names() == ["two.txt"], what="what was searched for")
    hand.press("Escape")
    hand.wait(hand.views.bar.breadcrumb.winfo_ismapped, what="the path again")
    assert not hand.views.bar.search.winfo_ismapped()


def test_each_stop_of_tab_can_be_seen_and_is_no_hidden_or_disabled_one(
    hand: Hand, session: Session, folder: str, tmp_path: Path
) -> None:
    put(session, folder, tmp_path, "one.txt")
    hand.click_row("one.txt")
    hand.wait(lambda: hand.files.viewer.pane.shown.block is not None, what="the preview")
    hand.app.window.show_transfers(True)
    hand.app.window.toast.hide()
    seen: list[tk.Misc] = []
    hand.views.list.take_focus()
    before = picture(hand, tmp_path, "before")
    for _ in range(40):
        hand.press("Tab")
        widget = hand.app.root.focus_get()
        assert isinstance(widget, tk.Misc) and widget.winfo_viewable()
        if widget in seen:
            break
        seen.append(widget)
        if isinstance(widget, ttk.Widget):
            assert "disabled" not in str(widget.tk.call(str(widget), "state")), widget
        now = picture(hand, tmp_path, "now")
        assert ImageChops.difference(before, now).getbbox() is not None, f"{widget} does not show that it has it"
        before = now
    classes = [widget.winfo_class() for widget in seen]
    assert classes.count("Treeview") == 2 and "Text" in classes and "Canvas" in classes and "TEntry" in classes


def picture(hand: Hand, place: Path, name: str) -> Image.Image:
    hand.app.root.update()
    with Image.open(hand.screenshot(place / f"{name}.png")) as opened:
        opened.load()
        return opened.convert("RGB")
