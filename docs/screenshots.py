"""Take the pictures of the README: a real window, signed in at a real server, with real files and a real upload.

    python docs/screenshots.py            needs Xvfb; writes docs/images/*.png

Everything happens in a temporary directory; the server listens on 127.0.0.1 alone.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the checkout is found by the line below
    from sfos.gui.files.page import FilesPage
    from sfos.gui.files.session import FilesSession

CHECKOUT = Path(__file__).resolve().parents[1]
IMAGES = CHECKOUT / "docs" / "images"
SIZE = (1360, 840)
USER, PASSWORD = "alice", "correct horse battery"
PORTS = range(8443, 8453)  # the first that is free

sys.path.insert(0, str(CHECKOUT))

NOTES = """# Atlas design notes

A **secure** file server client with `ttk`. See the [protocol](protocol.md).

## To do

- [x] Palette
- [x] Icons from *Bootstrap Icons*
- [ ] Review with the team
    - colours
    - spacing

> What is not in the list did not happen.

```python
def shade(colour: str, by: float) -> str:
    return mix(colour, "#000000", by)  # darker
```

| Name | Size |
|---|---|
| hero@2x.png | 14 MB |
| metrics.csv | 318 KB |
"""

CODE = '''"""Colours, mixed."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Colour:
    """Red, green and blue, 0 to 255."""

    red: int
    green: int
    blue: int

    def mixed(self, other: "Colour", share: float) -> "Colour":
        # The share of `other`, 0 to 1.
        pairs = zip(self.parts(), other.parts())
        return Colour(*(round(a + (b - a) * share) for a, b in pairs))

    def parts(self) -> tuple[int, int, int]:
        return self.red, self.green, self.blue


BLUE = Colour(37, 99, 235)
'''


def make_files(place: Path) -> Path:
    """A small project with files of many kinds; returns the folder that is shown."""
    from PIL import Image, ImageDraw

    design = place / "Projects" / "Atlas" / "Design"
    for name in ("Assets", "Exports", "Review 2026-Q4"):
        (design / name).mkdir(parents=True)
    for name in ("Atlas/Docs", "Atlas/Src", "Borealis", "Cassini"):
        (place / "Projects" / name).mkdir(parents=True)
    picture = Image.new("RGB", (1600, 1000))
    draw = ImageDraw.Draw(picture)
    for y in range(1000):
        draw.line((0, y, 1600, y), fill=(32 + y // 12, 84 + y // 12, 200 + y // 20))
    for ring in range(6):
        left = 60 + ring * 240
        draw.ellipse((left, 330, left + 340, 670), outline="white", width=8)
    picture.save(design / "hero@2x.png")
    pages = [Image.new("RGB", (1000, 1400), "white") for _ in range(3)]
    for number, page in enumerate(pages):
        sheet = ImageDraw.Draw(page)
        sheet.rectangle((90, 90, 910, 220), fill=(37, 99, 235))
        for line in range(22):
            sheet.rectangle(
                (90, 290 + line * 45, 910 - (line * 37 + number * 50) % 260, 308 + line * 45), fill="#cbd3dd"
            )
    pages[0].save(design / "brand-guidelines.pdf", save_all=True, append_images=pages[1:])
    with zipfile.ZipFile(design / "icons.zip", "w") as archive:
        for number in range(40):
            archive.writestr(f"icons/icon-{number:02}.svg", "<svg/>" * 20)
    rows = "\n".join(f"2026-11-{day:02},{day * 37 % 90 + 10},{day * 71 % 500}" for day in range(1, 31))
    texts = {
        "metrics.csv": f"day,visits,bytes\n{rows}\n",
        "notes.md": NOTES,
        "palette.py": CODE,
        "README.txt": "Atlas: the design of the window.\n",
    }
    for name, text in texts.items():
        (design / name).write_text(text, encoding="utf-8")
    sound = io.BytesIO(os.urandom(61_700))
    (design / "interview-03.mp3").write_bytes(sound.getvalue())
    day_s = 86_400
    for age, path in enumerate(sorted(design.iterdir(), reverse=True)):
        when = time.time() - age * day_s * 1.7 - 3_000
        os.utime(path, (when, when))
    return design


@contextmanager
def a_screen() -> Iterator[None]:
    """A screen of our own, of exactly the window's size, in DISPLAY."""
    read_end, write_end = os.pipe()
    screen = f"{SIZE[0]}x{SIZE[1]}x24"
    command = ["Xvfb", "-displayfd", str(write_end), "-screen", "0", screen, "-dpi", "96", "-nolisten", "tcp"]
    with subprocess.Popen(command, pass_fds=(write_end,), stderr=subprocess.DEVNULL) as server:
        os.close(write_end)
        with os.fdopen(read_end) as answer:
            os.environ["DISPLAY"] = ":" + answer.readline().strip()
        try:
            yield
        finally:
            server.terminate()


@contextmanager
def a_server(home: Path) -> Iterator[str]:
    """A server with one account; yields its address."""
    environment = {**os.environ, "SFOS_HOME": str(home)}
    scripts: tuple[tuple[list[str], str | None], ...] = (
        (["generate_certificate.py"], None),
        (["create_credentials.py", "add", USER, "--password-stdin"], PASSWORD + "\n"),
    )
    for arguments, typed in scripts:
        subprocess.run(
            [sys.executable, *arguments], cwd=CHECKOUT, env=environment, input=typed, text=True, check=True,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
    for port in PORTS:
        command = [sys.executable, "ssl_server.py", "--port", str(port)]
        with subprocess.Popen(command, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            if not server.stdout.readline().startswith("ready "):
                continue  # somebody else listens there
            try:
                yield f"localhost:{port}"
            finally:
                server.terminate()
            return
    raise SystemExit("the server did not start")


class Photographer:
    """Moves the window from state to state and takes its picture."""

    def __init__(self, address: str, place: Path, mode: str) -> None:
        from sfos import config
        from sfos.gui.shell.app import App

        place.mkdir(parents=True)
        overrides = {
            "client.server": address,
            "client.state_dir": str(place / "state"),
            "client.download_dir": str(place / "Downloads"),
        }
        settings = config.load(overrides, environ={}, home=place)
        self.app = App(settings, user=USER, mode="dark" if mode == "dark" else "light")
        self.app.root.geometry(f"{SIZE[0]}x{SIZE[1]}+0+0")
        self.mode = mode

    def wait(self, ready: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + 60
        while not ready():
            if time.monotonic() > deadline:
                raise SystemExit(f"waited in vain for {what}")
            self.app.root.update()
            time.sleep(0.005)

    def settle(self, seconds: float = 0.4) -> None:
        until = time.monotonic() + seconds
        self.wait(lambda: time.monotonic() > until, "time to pass")

    def take(self, name: str) -> None:
        from PIL import ImageGrab

        self.settle()
        IMAGES.mkdir(exist_ok=True)
        picture = ImageGrab.grab(xdisplay=os.environ["DISPLAY"])
        picture.save(IMAGES / f"{name}.png", optimize=True)

    def sign_in(self, *, pictures: bool) -> None:
        from sfos.gui.signing_in.sign_in_card import SignInCard
        from sfos.gui.signing_in.trust_cards import TrustCard

        gate = self.app.gate
        card = gate.card
        assert isinstance(card, SignInCard)
        card.password.insert(0, PASSWORD)
        if pictures:
            self.settle(1.5)  # until the keyring was looked for
            self.take("sign-in")
        card.submit.invoke()
        self.wait(lambda: isinstance(gate.card, TrustCard), "the fingerprint")
        trust = gate.card
        assert isinstance(trust, TrustCard)
        if pictures:
            self.take("trust")
        trust.check.invoke()
        trust.trust.invoke()
        self.wait(lambda: self.app.workspace is not None, "the workspace")

    @property
    def page(self) -> FilesPage:
        from sfos.gui.files.page import FilesPage

        page = self.app.window.pages[0]
        assert isinstance(page, FilesPage)
        return page

    @property
    def files(self) -> FilesSession:
        session = self.page.session
        assert session is not None
        return session

    def select(self, name: str) -> None:
        from sfos.gui.nodes import key_of

        files = self.files
        self.wait(lambda: any(row.name == name for row in files.browser.listing.rows), name)
        row = next(row for row in files.browser.listing.rows if row.name == name)
        self.page.views.list.select((key_of(row),))
        pane = files.viewer.pane
        self.wait(lambda: pane.shown.block is not None and pane.shown.entry is not None
                  and pane.shown.entry.name == name, f"the preview of {name}")  # fmt: skip

    def close(self) -> None:
        self.app.close_now()
        self.wait(lambda: self.app.closed, "the end")


def photograph(address: str, files: Path, place: Path, mode: str, *, first: bool) -> None:
    """All pictures of one palette."""
    from sfos.gui.files.commands import PREVIEW

    hand = Photographer(address, place, mode)
    hand.sign_in(pictures=first)
    space, shown = hand.app.workspace, hand.files
    assert space is not None
    if first:
        shown.orders.upload([files.parents[1]])
        hand.wait(lambda: space.transfers.board.completed, "the upload")  # first its files are counted
        space.transfers.clear("completed")
    shown.browser.go_path("/Projects/Atlas/Design")
    hand.wait(lambda: shown.browser.folder.path.endswith("Design"), "the folder")
    hand.select("notes.md")
    hand.app.window.offers.run(PREVIEW)
    hand.wait(lambda: shown.viewer.large.shown.block is not None, "the large preview")
    hand.app.window.toast.hide()
    if mode == "light":
        hand.take("preview")
    window = shown.viewer.large_window
    assert window is not None
    window.close()
    hand.select("hero@2x.png")
    space.transfers.set_limit(6_000_000)
    for name, size in (("wireframes-v3.fig", 42_000_000), ("rehearsal.mov", 61_700_000), ("photos.zip", 90_000_000)):
        (place / name).write_bytes(os.urandom(size))
        shown.orders.upload([place / name])
        hand.wait(lambda: space.transfers.board.active, "an upload")
    hand.wait(lambda: hand.app.window.transfers_shown, "the panel")
    fractions = lambda: [row.fraction or 0 for row in space.transfers.board.active]  # noqa: E731 - short-lived
    hand.wait(lambda: min(fractions()[:2]) > 0.07, "progress")
    space.transfers.act(space.transfers.board.active[1].key, "pause")
    hand.wait(lambda: space.transfers.board.active[1].phase == "paused", "a pause")
    hand.wait(lambda: fractions()[0] > 0.35, "more progress")
    hand.app.window.toast.hide()
    hand.take(f"main-{mode}")
    for row in space.transfers.board.active:
        space.transfers.act(row.key, "cancel")
    hand.wait(lambda: not space.transfers.unfinished, "the cancellations")
    hand.close()


def main() -> None:
    """Take them all."""
    if len(sys.argv) == 5:  # one palette to a process: Tk is not at ease with a second root in the same one
        address, files, place, mode = sys.argv[1:]
        photograph(address, Path(files), Path(place), mode, first=mode == "light")
        return
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.null.Keyring"
        shown = make_files(root / "files")
        with a_screen(), a_server(root / "home") as address:
            for mode in ("light", "dark"):
                subprocess.run([sys.executable, __file__, address, str(shown), str(root / mode), mode], check=True)


if __name__ == "__main__":
    main()
