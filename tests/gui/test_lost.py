"""Transfers that lose their server, and sentences about what was typed wrongly."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from sfos.client.address import Address
from sfos.client.transfer import Conflict, ConflictAnswer, Direction, OnConflict
from sfos.gui.signing_in.sign_in_card import SignInCard
from sfos.gui.threads.bridge import TaskBridge
from sfos.gui.transfers.conflicts import ConflictsPresenter
from sfos.protocol import Entry
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
        hand.files.orders.upload([tmp_path / "big.bin"])
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
        hand.leave()
        hand.wait(lambda: not hand.app.bridge.alive())


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
    hand.wait(lambda: any("Nothing answers" in words for words in hand.words(card)), what="the reason")
    hand.app.root.update()
    assert hand.app.root.focus_get() is card.server
    assert (card.winfo_rooty(), card.submit.winfo_rooty()) == before
