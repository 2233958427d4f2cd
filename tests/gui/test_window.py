"""Window: its memory, and how it fails and closes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sfos.gui import choices
from sfos.gui.shell.commands import DETAILS_PANE, THEME
from sfos.gui.widgets.dialogs.base import Dialog
from tests.gui.conftest import SLOW, Hand, write

pytestmark = [pytest.mark.display, pytest.mark.timeout(180)]


def test_theme_and_panes_are_remembered(hand: Hand) -> None:
    hand.app.window.offers.run(THEME)
    hand.app.window.offers.run(DETAILS_PANE)
    assert hand.app.theme.mode == "dark"
    assert not hand.app.window.aside_shown
    hand.wait(lambda: not choices.load(hand.state_dir).details, what="the choices on the disk")
    assert choices.load(hand.state_dir).theme == "dark"
    hand.app.window.offers.run(DETAILS_PANE)


@pytest.mark.allows_errors("provokes an error in a callback")
def test_an_error_in_a_callback_is_logged_and_shown(hand: Hand, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> None:
        raise ValueError("planted")

    hand.app.root.after(1, broken)
    hand.wait(lambda: hand.app.window.banner.notice is not None and "went wrong" in hand.app.window.banner.notice.text)
    assert "ValueError: planted" in caplog.text
    hand.app.bridge.post(broken)
    hand.wait(lambda: caplog.text.count("ValueError: planted") >= 2)


def test_closing_during_a_transfer_asks_first(hand: Hand, tmp_path: Path) -> None:
    write(tmp_path / "big.bin", os.urandom(5_000_000))
    hand.space.transfers.set_limit(SLOW)
    hand.files.orders.upload([tmp_path / "big.bin"])
    hand.wait(lambda: hand.space.transfers.board.active)
    hand.app.close()
    hand.wait(lambda: hand.dialog(Dialog) is not None, what="the question")
    dialog = hand.dialog(Dialog)
    assert isinstance(dialog, Dialog)
    dialog.cancel()
    assert hand.app.workspace is not None
