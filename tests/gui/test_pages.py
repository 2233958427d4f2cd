"""Pages in the window: going to a second one and back, and what each brings along."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sfos.client.session.session import Session
from sfos.gui.account.commands import SESSIONS
from sfos.gui.files.commands import DELETE, UPLOAD_FILES
from sfos.gui.page import Page
from sfos.gui.shell.commands import BACK, DETAILS_PANE, FORWARD, HELP, TRANSFERS
from sfos.gui.shell.navigator import Navigator
from sfos.gui.widgets.dialogs.base import Dialog
from tests.gui.conftest import Hand, put, sign_in
from tests.gui.second_page import CROSS_OUT, SHOUT, NotesPage


class Steps(Page):
    """A page with positions of its own, counted."""

    def __init__(self) -> None:
        self.at, self.ahead = 0, 0

    @property
    def can_back(self) -> bool:
        return self.at > 0

    @property
    def can_forward(self) -> bool:
        return self.ahead > 0

    def go_on(self) -> None:
        self.at, self.ahead = self.at + 1, 0

    def back(self) -> None:
        self.at, self.ahead = self.at - 1, self.ahead + 1

    def forward(self) -> None:
        self.at, self.ahead = self.at + 1, self.ahead - 1


def test_back_leads_through_a_page_and_then_to_the_one_before() -> None:
    shown: list[Page | None] = []
    navigator = Navigator(shown.append)
    first, second, elsewhere = Steps(), Steps(), Steps()
    navigator.begin((first, second))
    assert not navigator.can_back and not navigator.can_forward
    navigator.show(elsewhere)
    assert navigator.current is first, "a page that the session does not have is not shown"
    navigator.show(second)
    second.go_on()
    navigator.back()
    assert (navigator.current, second.at) == (second, 0)
    navigator.back()
    assert navigator.current is first and not navigator.can_back
    navigator.forward()
    navigator.forward()
    assert (navigator.current, second.at) == (second, 1)
    assert not navigator.can_forward
    navigator.end()
    assert navigator.current is None and not navigator.can_back
    assert shown == [first, second, first, second, None]


@pytest.fixture
def notes(signed_out: Hand, monkeypatch: pytest.MonkeyPatch) -> Iterator[NotesPage]:
    """The second page, in a window that is signed in for this test alone."""
    page = signed_out.app.window.pages[-1]
    assert isinstance(page, NotesPage)
    monkeypatch.setattr(NotesPage, "wanted", True)
    sign_in(signed_out)
    yield page
    page.list.selection_clear(0, "end")
    page.shouted.clear()
    page.crossed_out.clear()


def click_place(hand: Hand, title: str) -> None:
    tree = hand.app.window.side.places
    item = next(each for each in tree.get_children() if str(tree.item(each, "text")) == title)
    box = tree.bbox(item)
    assert box
    hand.click(tree, box[0] + 40, box[1] + box[3] // 2)


@pytest.mark.display
@pytest.mark.timeout(180)
def test_a_second_page_is_gone_to_worked_in_and_left(
    signed_out: Hand, notes: NotesPage, session: Session, folder: str, tmp_path: Path
) -> None:
    hand, window = signed_out, signed_out.app.window
    possible = window.offers.possible
    put(session, folder, tmp_path, "a.txt", "b.txt")
    hand.go(folder)
    hand.click_row("b.txt")
    hand.wait(lambda: DELETE in possible() and window.aside_shown)

    click_place(hand, "Notes")
    hand.wait(notes.widget.winfo_ismapped, what="the page")
    assert not hand.views.list.winfo_ismapped() and not hand.views.bar.winfo_ismapped()
    assert hand.app.root.title().startswith("Notes – ")
    assert "3 notes · 0 selected" in hand.words(window.status)
    assert not window.aside_shown, "it has nothing to show there"
    assert hand.views.tree.tree.winfo_ismapped() and hand.views.tree.tree.selection() == ()

    # What can be done is the page's own and the window's; what the files could do is not on offer.
    assert {HELP, TRANSFERS, SESSIONS, BACK} <= possible()
    assert not {UPLOAD_FILES, DELETE, SHOUT, DETAILS_PANE, FORWARD} & possible()
    assert UPLOAD_FILES not in window.offers.commands
    assert window.toolbar.button(SHOUT).winfo_ismapped()
    assert window.toolbar.button(SHOUT).instate(["disabled"])
    assert not window.toolbar.button(DELETE).winfo_ismapped()

    # The keyboard, the selection, and a key that means something else on each page.
    notes.take_focus()
    hand.wait(lambda: hand.app.root.focus_get() is notes.list, what="the keyboard")
    hand.press("Up", "Up", "Up", "Down", "space")
    hand.wait(lambda: notes.selected == ("second",), what="the selection")
    assert "3 notes · 1 selected" in hand.words(window.status)
    assert {SHOUT, CROSS_OUT} <= possible()
    hand.press("F9")
    hand.press("Delete")
    hand.click(window.toolbar.button(SHOUT))
    hand.wait(lambda: notes.shouted == ["second", "second"] and notes.crossed_out == ["second"])
    assert hand.dialog(Dialog) is None, "no file was in question"

    # Back and forward, with selection, keyboard and panes as they were left.
    notes.take_focus()
    hand.press("alt+Left")
    hand.wait(hand.views.list.winfo_ismapped, what="the files")
    hand.wait(lambda: hand.app.root.focus_get() is hand.views.list.tree, what="the keyboard")
    assert [entry.name for entry in hand.views.list.selected()] == ["b.txt"]
    assert hand.files.browser.folder.path == folder
    assert window.aside_shown and DELETE in possible() and SHOUT not in window.offers.commands
    assert not hand.app.root.title().startswith("Notes")
    hand.press("alt+Right")
    hand.wait(notes.widget.winfo_ismapped, what="the page again")
    assert notes.selected == ("second",) and SHOUT in possible()

    # Whoever chooses a folder means the files.
    tree = hand.views.tree.tree
    tree.selection_set("1")
    hand.wait(lambda: hand.views.list.winfo_ismapped() and hand.files.browser.folder.path == "/", what="the root")


@pytest.mark.display
@pytest.mark.timeout(180)
def test_one_page_alone_needs_no_list_of_places(hand: Hand) -> None:
    assert hand.space.pages == (hand.page,)
    assert not hand.app.window.side.places.winfo_ismapped()
