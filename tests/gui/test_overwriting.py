"""The question that is asked before a file is replaced."""

from __future__ import annotations

from pathlib import Path

import pytest

from sfos.client.session.session import Session
from sfos.gui.transfers.conflict_dialog import ConflictDialog
from tests.gui.conftest import Hand, put, write

pytestmark = [pytest.mark.display, pytest.mark.timeout(180)]


def ask_conflict(hand: Hand, session: Session, folder: str, tmp_path: Path) -> Path:
    put(session, folder, tmp_path, "same.txt")
    hand.row("same.txt")
    mine = write(tmp_path / "mine" / "same.txt", "mine")
    hand.files.orders.upload([mine])
    hand.wait(lambda: hand.dialog(ConflictDialog) is not None, what="the question")
    hand.wait(lambda: bool(hand.dialog(ConflictDialog).winfo_viewable()))  # type: ignore[union-attr]
    return mine


def answer(hand: Hand, label: str) -> None:
    dialog = hand.dialog(ConflictDialog)
    assert dialog is not None
    todo = list(dialog.winfo_children())
    while todo:
        widget = todo.pop()
        if widget.winfo_class() == "TButton" and widget.cget("text") == label:
            hand.click(widget)
            return
        todo += widget.winfo_children()
    pytest.fail(f"no button {label}")


@pytest.mark.parametrize(
    ("label", "names", "content"),
    [
        ("Replace", ["same.txt"], b"mine"),
        ("Skip", ["same.txt"], b"content of same.txt"),
        ("Keep both", ["same.txt", "same (2).txt"], b"content of same.txt"),
        ("Cancel", ["same.txt"], b"content of same.txt"),
    ],
)
def test_the_overwrite_question_does_what_its_buttons_say(
    hand: Hand, session: Session, folder: str, tmp_path: Path, label: str, names: list[str], content: bytes
) -> None:
    ask_conflict(hand, session, folder, tmp_path)
    answer(hand, label)
    hand.wait(lambda: not hand.space.transfers.unfinished, what="the end of the transfer")
    hand.wait(lambda: sorted(hand.names()) == sorted(names), what="the list")
    entry = next(e for e in session.api.list_folder(folder) if e.name == "same.txt")
    assert session.api.read_range(entry) == content
    if label == "Skip":
        hand.wait(lambda: hand.space.transfers.board.completed, what="all skipped to be a success")


def test_return_in_the_overwrite_question_replaces_nothing(
    hand: Hand, session: Session, folder: str, tmp_path: Path
) -> None:
    for content in ("first", "second"):
        (tmp_path / "same.txt").write_text(content)
        hand.files.orders.upload([tmp_path / "same.txt"])
        hand.row("same.txt")
    hand.wait(lambda: hand.dialog(ConflictDialog) is not None, what="the question")
    hand.wait(lambda: str(hand.app.root.focus_get()).startswith(str(hand.dialog(ConflictDialog))), what="its focus")
    hand.press("Return")
    hand.wait(lambda: not hand.space.transfers.unfinished, what="the end of the transfer")
    assert session.api.read_range(session.api.list_folder(folder)[0]) == b"first"
