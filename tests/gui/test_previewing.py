"""Previews beside the list and in a window of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from sfos.gui.preview.blocks import PictureBlock, TextBlock
from sfos.gui.preview.presenter import Shown
from tests.gui.conftest import Hand, write

pytestmark = [pytest.mark.display, pytest.mark.timeout(180)]


def test_pictures_and_code_are_previewed_beside_the_list(hand: Hand, tmp_path: Path) -> None:
    Image.new("RGB", (640, 480), "teal").save(tmp_path / "p.png")
    write(tmp_path / "code.py", "def hello():\n    return 1\n")
    hand.files.orders.upload([tmp_path / "p.png", tmp_path / "code.py"])
    hand.click_row("p.png")
    pane = hand.files.viewer.pane
    hand.wait(lambda: isinstance(pane.shown.block, PictureBlock), what="the picture")
    hand.click_row("code.py")
    hand.wait(lambda: isinstance(pane.shown.block, TextBlock), what="the code")
    text = hand.previewed
    hand.wait(lambda: "def hello" in text.get("1.0", "end"))
    assert "keyword" in text.tag_names("1.0")


def shows(shown: Shown, name: str) -> bool:
    """Whether the content of that file is to be seen."""
    return shown.block is not None and shown.entry is not None and shown.entry.name == name


def test_space_opens_a_large_preview_and_arrows_walk_through_the_files(hand: Hand, tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        write(tmp_path / name, f"this is {name}")
    hand.files.orders.upload([tmp_path / "a.txt", tmp_path / "b.txt"])
    hand.row("b.txt")
    hand.click_row("a.txt")
    hand.press("space")
    hand.wait(lambda: hand.files.viewer.large_window is not None)
    large = hand.files.viewer.large
    hand.wait(lambda: shows(large.shown, "a.txt"), what="a.txt")
    window = hand.files.viewer.large_window
    assert window is not None
    hand.wait(lambda: str(hand.app.root.focus_displayof() or "").startswith(str(window)), what="its focus")
    hand.press("Right")
    hand.wait(lambda: shows(large.shown, "b.txt"), what="b.txt")
    hand.press("space")
    hand.wait(lambda: hand.files.viewer.large_window is None)


def test_a_kind_without_a_preview_says_so(hand: Hand, tmp_path: Path) -> None:
    hand.files.orders.upload([write(tmp_path / "x.exe", b"MZ\0\0"), write(tmp_path / "odd.xyz", b"\0\1\2" * 50)])
    for name in ("x.exe", "odd.xyz"):
        hand.click_row(name)
        hand.wait(
            lambda: "no preview" in getattr(hand.files.viewer.pane.shown.block, "reason", ""), what="the sentence"
        )
