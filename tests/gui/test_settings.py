"""Settings of the window: carried out at once, kept, and found again; those of an older window are read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sfos import config
from sfos.client.session.session import Session
from sfos.client.transfer import TransferEngine
from sfos.gui import choices
from sfos.gui.choices import Choices, Memory
from sfos.gui.choosing.dialog import ChooserDialog
from sfos.gui.files.commands import DELETE
from sfos.gui.model import Notice
from sfos.gui.shell import desktop
from sfos.gui.shell.commands import SETTINGS
from sfos.gui.shell.settings_dialog import SettingsDialog
from sfos.gui.threads.bridge import TaskBridge
from sfos.gui.transfers.upload_dialog import UploadDialog
from sfos.gui.widgets.menus import Menu
from tests.gui.conftest import Hand, put, write

Settle = Callable[..., None]


def test_the_limit_of_an_older_window_holds_for_both_directions(tmp_path: Path) -> None:
    write(tmp_path / "window.json", '{"limit_bytes_per_s": 100000, "details": false}').chmod(0o600)
    kept = choices.load(tmp_path)
    assert (kept.upload_limit, kept.download_limit, kept.details) == (100_000, 100_000, False)
    choices.save(tmp_path, kept)
    assert "limit_bytes_per_s" not in (tmp_path / "window.json").read_text()
    assert choices.load(tmp_path) == kept


def test_what_was_not_chosen_is_as_the_settings_file_says(bridge: TaskBridge, tmp_path: Path, settle: Settle) -> None:
    settings = config.Client(upload_limit_bytes_s=5_000, download_dir=Path("~/in"))
    memory = Memory(bridge, tmp_path, settings)
    assert (memory.limit("up"), memory.limit("down"), memory.download_dir) == (5_000, None, Path.home() / "in")
    heard: list[Choices] = []
    stop = memory.on_change(lambda: heard.append(memory.now))
    memory.remember(upload_limit=0, download_limit=7_000, download_dir=b"/x")
    assert (memory.limit("up"), memory.limit("down"), memory.download_dir) == (None, 7_000, Path("/x"))
    memory.remember(upload_limit=0)
    stop()
    memory.remember(at_once=5)
    settle(lambda: not bridge.alive())
    assert [each.download_limit for each in heard] == [7_000]
    assert Memory(bridge, tmp_path, settings).now == memory.now


def test_as_many_transfers_run_as_is_said_while_they_wait(session: Session, folder: str, tmp_path: Path) -> None:
    with TransferEngine(session) as engine:
        engine.set_rates(20_000, 0)
        jobs = [engine.upload([write(tmp_path / str(n), b"x" * 200_000)], folder) for n in range(5)]
        assert len(engine.waiting) == 3
        engine.set_parallel_jobs(4)
        assert engine.waiting == (jobs[4],)
        engine.set_parallel_jobs(1)
        engine.set_rates(0, 0)
        assert all(job.wait(30) for job in jobs)


def settings_dialog(hand: Hand) -> SettingsDialog:
    hand.app.window.offers.run(SETTINGS)
    dialog = hand.dialog(SettingsDialog)
    assert isinstance(dialog, SettingsDialog)
    hand.wait(dialog.winfo_viewable)
    return dialog


def menu_of(hand: Hand, widget: object) -> Menu:
    found: list[Menu] = []

    def look() -> bool:
        found[:] = [each for each in widget.winfo_children() if isinstance(each, Menu)]  # type: ignore[attr-defined]
        return bool(found)

    hand.wait(look, what="the menu")
    return found[0]


@pytest.mark.display
@pytest.mark.timeout(180)
def test_colours_size_and_contrast_are_changed_where_one_sees_them(hand: Hand) -> None:
    theme, dialog = hand.app.theme, settings_dialog(hand)
    hand.click(dialog.modes.buttons["dark"])
    hand.wait(lambda: theme.mode == "dark" and hand.app.memory.now.theme == "dark", what="the dark")
    hand.click(dialog.larger)
    hand.wait(lambda: theme.text_scale == 1.1, what="larger text")
    hand.click(dialog.usual)
    hand.wait(lambda: theme.text_scale == 1.0, what="the usual text")
    hand.click(dialog.modes.buttons[None])
    hand.wait(lambda: hand.app.memory.now.theme is None, what="the colours of the system")
    hand.wait(lambda: "gui-system-theme" not in hand.app.bridge.alive())
    hand.press("Escape")
    hand.wait(lambda: hand.dialog(SettingsDialog) is None)
    hand.wait(lambda: choices.load(hand.app._state_dir) == hand.app.memory.now, what="the choices on the disk")


@pytest.mark.display
@pytest.mark.timeout(180)
def test_each_tab_has_the_room_of_the_largest_and_all_of_its_rows_are_seen(hand: Hand) -> None:
    dialog = settings_dialog(hand)
    sizes = set()
    for name, pane in dialog._panes.items():
        dialog.tabs.open(name)
        hand.app.root.update()
        sizes.add((dialog.winfo_width(), dialog.winfo_height()))
        assert [each for each, other in dialog._panes.items() if other.winfo_ismapped()] == [name]
        right, bottom = pane.winfo_width(), pane.winfo_height()
        for part in pane.winfo_children():
            assert part.winfo_x() + part.winfo_reqwidth() <= right, name
            assert part.winfo_y() + part.winfo_reqheight() <= bottom, name
    assert len(sizes) == 1
    dialog.tabs.open("look")
    hand.click(dialog.tabs.buttons["look"])
    dialog.tabs.buttons["look"].focus_set()
    hand.press("Right", "Right")
    assert dialog.tabs.current == "questions"
    dialog.cancel()


@pytest.mark.display
@pytest.mark.timeout(180)
def test_each_direction_has_its_limit_here_and_in_the_panel(hand: Hand) -> None:
    dialog = settings_dialog(hand)
    dialog.tabs.open("transfers")
    dialog.limits["up"].invoke()
    menu = menu_of(hand, dialog.limits["up"])
    menu.invoke(2)
    menu.unpost()
    board = lambda: hand.space.transfers.board  # noqa: E731
    hand.wait(lambda: board().up_limit == 1_000_000, what="the limit")
    assert board().down_limit is None and str(dialog.limits["up"].cget("text")) == "1.0 MB/s"
    hand.app._set_limit("down", 100_000)
    hand.wait(lambda: board().down_limit == 100_000, what="the panel's limit")
    assert str(dialog.limits["down"].cget("text")) == "100 kB/s"
    hand.wait(lambda: "↑ 1.0 MB/s  ↓ 100 kB/s" in str(hand.app.window.transfers._limit.cget("text")))
    dialog.at_once.invoke()
    menu = menu_of(hand, dialog.at_once)
    menu.invoke(3)
    menu.unpost()
    assert hand.app.memory.now.at_once == 4 and hand.space.engine._parallel_jobs == 4
    dialog.cancel()


@pytest.mark.display
@pytest.mark.timeout(180)
def test_questions_and_messages_that_are_not_wanted_do_not_come(
    hand: Hand, session: Session, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[Notice] = []
    monkeypatch.setattr(hand.app.window.toast, "show", lambda notice, **_: said.append(notice))
    dialog = settings_dialog(hand)
    dialog.tabs.open("questions")
    box = next(each for each in dialog._panes["questions"].winfo_children() if "deleting" in _text(each))
    hand.click(box, x=10)
    hand.wait(lambda: not hand.app.memory.now.ask_delete, what="the choice")
    dialog.cancel()
    hand.app.memory.remember(ask_uploads=False, tell_done=False)
    write(tmp_path / "src" / ".env", "x")
    hand.files.drop((tmp_path / "src",), 0)
    hand.wait(lambda: hand.space.transfers.board.completed, what="the upload")
    assert hand.dialog(UploadDialog) is None
    put(session, folder, tmp_path, "a.txt")
    hand.click_row("a.txt")
    hand.app.window.offers.run(DELETE)
    hand.wait(lambda: hand.names() == ["src"], what="the deletion")
    hand.wait(lambda: said, what="its sentence")
    assert [notice.text for notice in said] == ["“a.txt” was deleted."]


def _text(widget: object) -> str:
    return str(widget.cget("text"))  # type: ignore[attr-defined]


def test_the_desktop_is_told_by_words_and_never_by_a_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not desktop.can_notify()
    desktop.notify("SFOS", "nobody hears it")
    told = tmp_path / "told"
    program = write(tmp_path / "notify-send", f'#!/bin/sh\nprintf "%s\\n" "$@" > {told}\n')
    program.chmod(0o700)
    assert desktop.can_notify()
    desktop.notify("SFOS", "“--help <b>.txt” was uploaded.")
    assert told.read_text().splitlines() == [
        "--app-name", "SFOS", "--", "SFOS", "“--help &lt;b&gt;.txt” was uploaded.",
    ]  # fmt: skip


@pytest.mark.display
@pytest.mark.timeout(180)
def test_downloads_go_where_the_settings_say(hand: Hand, session: Session, folder: str, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    dialog = settings_dialog(hand)
    dialog.tabs.open("transfers")
    hand.click(dialog.change_dir)
    hand.wait(lambda: any(isinstance(each, ChooserDialog) for each in dialog.winfo_children()), what="the dialog")
    chooser = next(each for each in dialog.winfo_children() if isinstance(each, ChooserDialog))
    hand.wait(lambda: hand.app.root.focus_get() is chooser.path, what="the keyboard in the path field")
    assert str(chooser.primary.cget("text")) == "Use this folder"
    hand.type(str(tmp_path / "elsewhere"))
    hand.press("Return")
    hand.wait(lambda: hand.app.memory.download_dir == tmp_path / "elsewhere", what="the choice")
    assert "elsewhere" in str(dialog._download_dir.cget("text"))
    hand.press("Escape")
    hand.wait(lambda: hand.dialog(SettingsDialog) is None, what="the end of the settings")
    put(session, folder, tmp_path, "a.txt")
    hand.click_row("a.txt")
    hand.press("ctrl+d")
    hand.wait((tmp_path / "elsewhere" / "a.txt").exists, what="the file")
