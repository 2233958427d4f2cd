"""Questions before an upload: asked where more would go than one may expect, in order, and never in vain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sfos.gui.model import Crumb, FolderPath, Notice
from sfos.gui.threads.bridge import TaskBridge
from sfos.gui.transfers.beforehand import MANY_FILES, UploadQuestion, UploadsBeforehand
from sfos.gui.transfers.upload_dialog import UploadDialog
from tests.gui.conftest import Hand, write

Settle = Callable[..., None]
PLACE = FolderPath((*FolderPath().crumbs, Crumb(7, "backup")))


@dataclass
class Asked:
    """A dialog that knows what it was told."""

    on_upload: Callable[[bool], None]
    on_cancel: Callable[[], None]
    questions: list[UploadQuestion] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    closed: bool = False

    def count(self, files: int) -> None:
        self.counts.append(files)

    def ask(self, question: UploadQuestion) -> None:
        self.questions.append(question)

    def close(self) -> None:
        self.closed = True


@dataclass
class Beforehand:
    """The presenter, and what came of it."""

    presenter: UploadsBeforehand
    dialogs: list[Asked]
    begun: list[tuple[tuple[Path, ...], bool]]
    wanted: bool = True


@pytest.fixture
def anna(tmp_path: Path) -> Path:
    write(tmp_path / "home" / "anna" / ".ssh" / "id_ed25519", "secret")
    write(tmp_path / "home" / "anna" / ".cache" / "x", "y")
    write(tmp_path / "home" / "anna" / "Documents" / "letter.txt", "Dear")
    return tmp_path / "home" / "anna"


@pytest.fixture
def beforehand(bridge: TaskBridge, anna: Path) -> Beforehand:
    dialogs: list[Asked] = []
    begun: list[tuple[tuple[Path, ...], bool]] = []

    def view(on_upload: Callable[[bool], None], on_cancel: Callable[[], None]) -> Asked:
        dialogs.append(Asked(on_upload, on_cancel))
        return dialogs[-1]

    def begin(paths: Sequence[Path], place: FolderPath, *, hidden: bool = True) -> None:
        assert place is PLACE
        begun.append((tuple(paths), hidden))

    def say(notice: Notice) -> None:
        pytest.fail(notice.text)

    presenter = UploadsBeforehand(
        bridge, begin=begin, view=view, on_notice=say, home=anna, wanted=lambda: made.wanted
    )  # fmt: skip
    made = Beforehand(presenter, dialogs, begun)
    return made


def ask(beforehand: Beforehand, settle: Settle, *paths: Path) -> UploadQuestion:
    beforehand.presenter.upload(paths, PLACE)
    settle(lambda: beforehand.dialogs and beforehand.dialogs[-1].questions)
    return beforehand.dialogs[-1].questions[-1]


def test_what_is_as_expected_begins_without_a_question_and_in_order(
    beforehand: Beforehand, settle: Settle, anna: Path, tmp_path: Path
) -> None:
    many = [write(tmp_path / "many" / str(number), "") for number in range(MANY_FILES)]
    single = [anna / "Documents", anna / ".ssh", anna / ".ssh" / "id_ed25519"]
    beforehand.presenter.upload(many, PLACE)
    for path in single:
        beforehand.presenter.upload((path,), PLACE)
    settle(lambda: len(beforehand.begun) == 4)
    assert beforehand.begun == [(tuple(many), True), *(((path,), True) for path in single)]
    assert beforehand.dialogs == []


@pytest.mark.parametrize("chosen", [".", "..", "../.."])
def test_the_home_and_whatever_holds_it_is_asked_about_by_name_and_count(
    beforehand: Beforehand, settle: Settle, anna: Path, chosen: str
) -> None:
    path = Path(anna, chosen)
    question = ask(beforehand, settle, path)
    assert question.title.startswith("Upload 3 files (")
    assert "whole home folder" in question.lines[0]
    assert "4 items are hidden: .cache and .ssh." in question.lines
    assert beforehand.begun == []
    beforehand.dialogs[-1].on_upload(True)
    assert beforehand.begun == [((path,), True)] and beforehand.dialogs[-1].closed


def test_more_than_a_thousand_files_are_asked_about_whether_chosen_or_in_a_folder(
    beforehand: Beforehand, settle: Settle, tmp_path: Path
) -> None:
    many = [write(tmp_path / "many" / str(number), "") for number in range(MANY_FILES + 1)]
    for paths in (many, [tmp_path / "many"]):
        question = ask(beforehand, settle, *paths)
        assert question.title.startswith("Upload 1,001 files (0 B)") and question.without_hidden == ""
        assert question.lines == ("All of it goes to /backup on the server.",)
        beforehand.dialogs[-1].on_cancel()
    assert beforehand.begun == []


def test_what_is_hidden_is_asked_about_and_can_be_left_out(
    beforehand: Beforehand, settle: Settle, tmp_path: Path
) -> None:
    for name in ("src/main.py", "src/.git/config", "src/deep/.env", "src/.a", "src/.b"):
        write(tmp_path / name, "x")
    question = ask(beforehand, settle, tmp_path / "src")
    assert question.title == "Upload 5 files (5 B) of “src”?"
    assert question.lines[0] == "5 items are hidden: .a, .b, .git and others."
    assert (question.verb, question.without_hidden) == ("Upload 5 files", "Without hidden (1)")
    beforehand.dialogs[-1].on_upload(False)
    assert beforehand.begun == [((tmp_path / "src",), False)]


def test_the_next_one_waits_for_the_answer_and_goes_on_after_a_no(
    beforehand: Beforehand, settle: Settle, anna: Path
) -> None:
    ask(beforehand, settle, anna)
    beforehand.presenter.upload((anna / "Documents",), PLACE)
    beforehand.dialogs[-1].on_cancel()
    settle(lambda: beforehand.begun)
    assert beforehand.begun == [((anna / "Documents",), True)] and len(beforehand.dialogs) == 1


def test_who_wants_no_questions_gets_none_and_a_closed_session_begins_nothing(
    beforehand: Beforehand, settle: Settle, anna: Path
) -> None:
    beforehand.wanted = False
    beforehand.presenter.upload((anna,), PLACE)
    assert beforehand.begun == [((anna,), True)]
    beforehand.wanted = True
    ask(beforehand, settle, anna)
    beforehand.presenter.upload((anna / "Documents",), PLACE)
    beforehand.presenter.close()
    assert beforehand.dialogs[-1].closed and len(beforehand.begun) == 1


@pytest.mark.display
@pytest.mark.timeout(180)
def test_a_dropped_folder_with_hidden_files_goes_up_only_after_the_answer(hand: Hand, tmp_path: Path) -> None:
    for name in ("src/main.py", "src/.env"):
        write(tmp_path / name, "x")

    def question() -> UploadDialog:
        hand.files.drop((tmp_path / "src",), 0)
        hand.wait(lambda: (found := hand.dialog(UploadDialog)) is not None and found.upload is not None)
        dialog = hand.dialog(UploadDialog)
        assert isinstance(dialog, UploadDialog) and dialog.upload is not None and dialog.without_hidden is not None
        hand.wait(dialog.winfo_viewable)
        hand.wait(lambda: hand.app.root.focus_get() is dialog.cancel_button, what="the keyboard on Cancel")
        return dialog

    question()
    hand.press("Return")
    hand.wait(lambda: hand.dialog(UploadDialog) is None, what="its end")
    hand.press("Escape")
    assert not hand.space.transfers.board.active and hand.names() == []
    hand.click(question().without_hidden)  # type: ignore[arg-type]
    hand.wait(lambda: hand.space.transfers.board.completed, what="the upload")
    hand.click_row("src", times=2)
    hand.wait(lambda: hand.names() == ["main.py"], what="what is not hidden")
    hand.press("alt+Up")
    hand.wait(lambda: hand.names() == ["src"])
    hand.click(question().upload)  # type: ignore[arg-type]
    hand.wait(lambda: len(hand.space.transfers.board.completed) == 2, what="the second upload")
    hand.click_row("src", times=2)
    hand.wait(lambda: hand.names() == [".env", "main.py"], what="all of it")
