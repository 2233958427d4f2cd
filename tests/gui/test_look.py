"""How the window looks, and that it looks the same each time."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from sfos.client.session.session import Session
from sfos.gui.files.drop import DropTarget
from sfos.gui.shell.commands import CONTRAST, THEME
from tests.gui.conftest import Hand, height_of

pytestmark = [pytest.mark.display, pytest.mark.timeout(180)]


def differing_pixels(first: Path, second: Path) -> int:
    with Image.open(first) as one, Image.open(second) as two:
        difference = ImageChops.difference(one.convert("RGB"), two.convert("RGB")).convert("L")
        return sum(difference.point(lambda value: value > 0 and 255).histogram()[1:])


def calm(hand: Hand) -> None:
    """No caret, no mouse over anything, no passing message."""
    subprocess.run(["xdotool", "mousemove", "1900", "1190"], check=True)
    hand.app.window.toast.hide()
    hand.views.list.take_focus()
    for _ in range(20):
        hand.app.root.update()


def test_dark_and_back_again_leaves_not_a_pixel_changed(hand: Hand, session: Session, tmp_path: Path) -> None:
    for name in ("report.pdf", "picture.png", "notes.md", "x.zip"):
        (tmp_path / name).write_bytes(name.encode())
    hand.files.drop(tuple(tmp_path / name for name in ("report.pdf", "picture.png", "notes.md", "x.zip")), 0)
    hand.wait(lambda: len(hand.names()) == 4 and not hand.space.transfers.unfinished)
    hand.app.window.show_transfers(False)
    files = session.api.usage().files_current
    usage = hand.app.window.side.usage
    hand.wait(lambda: any(f"in {files:,} file" in words for words in hand.words(usage)), what="the sum of all files")
    calm(hand)
    light = hand.screenshot(tmp_path / "light.png")
    hand.app.window.offers.run(THEME)
    calm(hand)
    dark = hand.screenshot(tmp_path / "dark.png")
    hand.app.window.offers.run(THEME)
    calm(hand)
    again = hand.screenshot(tmp_path / "again.png")
    assert differing_pixels(light, again) == 0
    assert differing_pixels(light, dark) > 500_000
    with Image.open(dark) as picture:
        bright = sum(picture.convert("L").crop((0, 0, 1200, 760)).histogram()[200:])
    assert bright < 0.05 * 1200 * 760, "no part of the dark window stayed light"


def test_text_grows_with_its_rows_and_goes_back(hand: Hand) -> None:
    theme = hand.app.theme
    before, rows = theme.line_height(), height_of(hand.app.window.transfers.rows)
    hand.press("ctrl+plus", "ctrl+plus", "ctrl+plus")
    hand.wait(lambda: theme.text_scale == 1.3)
    assert theme.line_height() > before
    hand.press(*["ctrl+plus"] * 4)
    hand.wait(lambda: theme.text_scale == 1.6, what="the largest")
    assert height_of(hand.app.window.transfers.rows) > rows
    hand.press("ctrl+0")
    hand.wait(lambda: theme.text_scale == 1.0)
    assert theme.line_height() == before


def test_strong_contrast_changes_the_palette_and_back(hand: Hand) -> None:
    before = hand.app.theme.palette
    hand.app.window.offers.run(CONTRAST)
    assert hand.app.theme.palette.muted != before.muted
    hand.app.window.offers.run(CONTRAST)
    assert hand.app.theme.palette == before


def test_dropped_names_arrive_whole_whatever_is_in_them(hand: Hand) -> None:
    dropped: list[tuple[Path, ...]] = []
    target = DropTarget(
        hand.app.window.side, on_over=lambda _x, _y: None, on_leave=lambda: None,
        on_drop=lambda paths, _x, _y: dropped.append(paths),
    )  # fmt: skip
    assert target.available
    paths = (Path("/a b/c"), Path("/{x}"), Path("/ü $HOME [exit]"), Path("/plain"))
    data = hand.app.root.tk.call("list", *map(str, paths))
    target._drop("1", "1", str(hand.app.root.tk.call("format", "%s", data)))
    hand.wait(lambda: dropped)
    assert dropped == [paths]
