"""Transfers that lose their server, and sentences about what was typed wrongly."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from client.address import Address
from client.session import Session
from client.transfer import Conflict, ConflictAnswer, Direction, OnConflict
from gui.commands import Command
from gui.presenters.conflicts import ConflictsPresenter
from gui.tasks import TaskBridge
from gui.views.dialogs.conflict import ConflictDialog
from gui.views.dialogs.new_password import PasswordDialog
from gui.views.dialogs.sign_in import SignInCard
from protocol import Entry
from tests.gui.conftest import Hand
from tests.support.server_process import running_server

pytestmark = [pytest.mark.timeout(180)]


def conflict(revision: str = "1") -> Conflict:
    there = Entry(node=7, parent=1, name="a.txt", kind="file", revision=revision, size=3, mtime_ns=5)
    return Conflict(Direction.UPLOAD, "a.txt", Path("/tmp/a.txt"), 4, 6, there, "/a.txt")


def asked(work: Callable[[], ConflictAnswer]) -> tuple[threading.Thread, list[ConflictAnswer]]:
    answers: list[ConflictAnswer] = []
    thread = threading.Thread(target=lambda: answers.append(work()))
    thread.start()
    return thread, answers


def test_a_job_tried_again_is_not_asked_anew_unless_the_file_changed(
    bridge: TaskBridge, settle: Callable[..., None]
) -> None:
    shown: list[str] = []

    def show(question: object, answer: Callable[[ConflictAnswer], None]) -> Callable[[], None]:
        shown.append("asked")
        bridge.post(lambda: answer(ConflictAnswer(OnConflict.SKIP)))
        return lambda: None

    questions = ConflictsPresenter(bridge, show).for_job()
    for revision, times in (("1", 1), ("1", 1), ("2", 2)):
        thread, answers = asked(lambda now=revision: questions.ask(conflict(now)))  # type: ignore[misc]
        settle(lambda: answers, what="the answer")  # noqa: B023
        thread.join()
        assert answers[0].choice is OnConflict.SKIP
        assert len(shown) == times


def test_a_cancelled_job_takes_its_question_back_and_asks_nothing_more(
    bridge: TaskBridge, settle: Callable[..., None]
) -> None:
    closed: list[str] = []
    presenter = ConflictsPresenter(bridge, lambda _question, _answer: lambda: closed.append("closed"))
    first, second = presenter.for_job(), presenter.for_job()
    thread, answers = asked(lambda: first.ask(conflict()))
    settle(lambda: first.pending, what="the question")
    later, others = asked(lambda: second.ask(conflict()))
    settle(lambda: second.pending, what="the question of the other job")
    first.cancel()
    settle(lambda: answers, what="the answer")
    thread.join()
    assert answers[0].choice is OnConflict.CANCEL
    assert closed == ["closed"]
    assert first.ask(conflict()).choice is OnConflict.CANCEL
    assert not others, "the other job's question is still open"
    presenter.close()
    later.join()


@pytest.mark.display
def test_a_transfer_that_lost_its_server_goes_on_by_itself_when_it_is_back(
    own_home: Path, enter: Callable[[str], Hand], tmp_path: Path
) -> None:
    (tmp_path / "big.bin").write_bytes(os.urandom(3_000_000))
    with running_server(own_home) as server:
        hand = enter(server.address)
        port = Address.parse(server.address, 1).port
        banner = hand.app.window.offline_banner
        hand.space.transfers.set_limit(300_000)
        hand.space.orders.upload([tmp_path / "big.bin"])
        hand.wait(lambda: any((row.fraction or 0) > 0.02 for row in hand.space.transfers.board.active), what="progress")
        server.process.kill()
        hand.wait(lambda: banner.notice is not None, what="the banner")
        assert banner.notice is not None and "EOF" not in banner.notice.text
        hand.wait(lambda: hand.space.transfers.board.failed, 40, what="the failure")
        assert "EOF" not in hand.space.transfers.board.failed[0].note
    hand.space.transfers.set_limit(None)
    with running_server(own_home, port=port):
        banner.invoke()
        hand.wait(lambda: hand.space.transfers.board.completed, 60, what="the upload")
        assert hand.space.transfers.board.failed == ()
        hand.wait(lambda: "big.bin" in hand.names(), what="the file in the list")
        hand.app._leave(logout=True)
        hand.wait(lambda: not hand.app.bridge.alive())


@pytest.mark.display
def test_return_in_the_overwrite_question_replaces_nothing(
    fresh_hand: Hand, session: Session, folder: str, tmp_path: Path
) -> None:
    hand = fresh_hand
    for content in ("first", "second"):
        (tmp_path / "same.txt").write_text(content)
        hand.space.orders.upload([tmp_path / "same.txt"])
        hand.row("same.txt")
    hand.wait(lambda: hand.dialog(ConflictDialog) is not None, what="the question")
    hand.wait(lambda: str(hand.app.root.focus_get()).startswith(str(hand.dialog(ConflictDialog))), what="its focus")
    hand.press("Return")
    hand.wait(lambda: not hand.space.transfers.unfinished, what="the end of the transfer")
    assert session.api.read_range(session.api.list_folder(folder)[0]) == b"first"


@pytest.mark.display
def test_a_wrong_current_password_is_called_that_and_can_be_typed_again(fresh_hand: Hand) -> None:
    hand = fresh_hand
    hand.app.run_command(Command.CHANGE_PASSWORD)
    dialog = hand.dialog(PasswordDialog)
    assert isinstance(dialog, PasswordDialog)
    hand.wait(lambda: hand.app.root.focus_get() is dialog.old, what="its focus")
    hand.type("nonsense")
    for _ in range(2):
        hand.press("Tab")
        hand.type("a much longer password")
    hand.press("Return")
    hand.wait(lambda: str(dialog._problem.cget("text")) == "The current password is not right.", what="the sentence")
    assert hand.app.root.focus_get() is dialog.old
    dialog.cancel()


@pytest.mark.display
def test_a_dialog_closed_before_the_answer_leaves_the_reason_to_the_window(
    fresh_hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand = fresh_hand
    said: list[str] = []
    show = hand.app.window.toast.show
    monkeypatch.setattr(hand.app.window.toast, "show", lambda notice: (said.append(notice.text), show(notice)))
    hand.app.run_command(Command.CHANGE_PASSWORD)
    dialog = hand.dialog(PasswordDialog)
    assert isinstance(dialog, PasswordDialog)
    dialog.old.insert(0, "nonsense")
    for entry in (dialog.fields.new, dialog.fields.again):
        entry.insert(0, "a much longer password")
    dialog.submit()
    dialog.cancel()  # the answer waits for Tk's loop, which has not run since
    hand.wait(lambda: said, what="the sentence")
    assert said == ["The password was not changed: The current password is not right."]


@pytest.mark.display
def test_a_wrong_address_is_where_the_keyboard_is_and_nothing_jumps(signed_out: Hand) -> None:
    hand = signed_out
    card = hand.app.gate.card
    assert isinstance(card, SignInCard)
    card.server.delete(0, "end")
    card.server.insert(0, "127.0.0.1:1")
    hand.click(card.password)
    hand.type("x")
    before = card.winfo_rooty(), card.submit.winfo_rooty()
    hand.press("Return")
    hand.wait(lambda: "Nothing answers" in str(card._problem.cget("text")), what="the reason")
    hand.app.root.update()
    assert hand.app.root.focus_get() is card.server
    assert (card.winfo_rooty(), card.submit.winfo_rooty()) == before


@pytest.mark.display
def test_a_folder_known_to_have_no_folders_has_no_arrow(fresh_hand: Hand, session: Session, folder: str) -> None:
    hand = fresh_hand
    session.api.make_folder(f"{folder}/leaf")
    hand.go(f"{folder}/leaf")
    tree = hand.app.window.sidebar.tree
    item = str(hand.space.browser.place.node)
    hand.wait(lambda: tree.exists(item), what="the folder in the tree")
    hand.wait(lambda: tree.get_children(item) == (), what="the end of its arrow")


@pytest.mark.display
def test_the_status_bar_says_that_something_is_being_uploaded(fresh_hand: Hand, tmp_path: Path) -> None:
    hand = fresh_hand
    fresh = hand.app.window.status._fresh
    assert str(fresh.cget("text")) == "Up to date"
    (tmp_path / "big.bin").write_bytes(os.urandom(2_000_000))
    hand.space.transfers.set_limit(500_000)
    hand.space.orders.upload([tmp_path / "big.bin"])
    hand.wait(lambda: str(fresh.cget("text")) == "Uploading…", what="the word")
    hand.space.transfers.set_limit(None)
    hand.wait(lambda: str(fresh.cget("text")) == "Up to date", what="the end")
