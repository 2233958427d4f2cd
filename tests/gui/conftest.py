"""A real window on a real screen against a real server, and a hand that moves mouse and keyboard."""

from __future__ import annotations

import builtins
import os
import shutil
import subprocess
import tkinter as tk
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tkinter import ttk
from typing import Any, TypeVar
from uuid import uuid4

import pytest
from PIL import ImageGrab

from sfos import config
from sfos.client.address import Address
from sfos.client.net.trust import ACCEPT_NEW, Trust, TrustStore
from sfos.client.options import ClientOptions
from sfos.client.session.session import Session
from sfos.client.transfer import TransferEngine
from sfos.gui.choices import Choices
from sfos.gui.files.page import FilesPage
from sfos.gui.files.session import FilesSession
from sfos.gui.files.views import FilesViews
from sfos.gui.model import Notice, Say, Sort
from sfos.gui.shell.app import App
from sfos.gui.shell.places import PLACES
from sfos.gui.shell.workspace import Workspace
from sfos.gui.signing_in.new_password import NewPasswordCard
from sfos.gui.signing_in.sign_in_card import SignInCard
from sfos.gui.signing_in.trust_cards import TrustCard
from sfos.gui.threads.bridge import TaskBridge
from sfos.gui.transfers.canvas import TransferRows
from sfos.gui.widgets.dialogs.base import Dialog
from sfos.protocol import SessionEnded
from tests.gui.second_page import NotesPage
from tests.support.server_process import ServerProcess, prepare_home, running_server

USER, PASSWORD = "user1", "user123"
SIZE = "1200x760+0+0"
SLOW = 5_000  # bytes a second: nothing comes to its end by itself, however busy the machine is
USUAL = Choices(tell_desktop=False)  # whoever runs the tests has a desktop of their own

Wait = Callable[..., None]
MiscT = TypeVar("MiscT", bound=tk.Misc)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare_home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def server(home: Path) -> Iterator[ServerProcess]:
    with running_server(home) as server:
        yield server


@pytest.fixture
def session(server: ServerProcess, tmp_path: Path) -> Iterator[Session]:
    """Another client of the same account."""
    trust = Trust(TrustStore(tmp_path / "other-pins.json"), ACCEPT_NEW)
    session = Session.sign_in(Address.parse(server.address), USER, PASSWORD, trust, ClientOptions())
    yield session
    session.logout()


@pytest.fixture
def folder(session: Session) -> str:
    """The path of a new folder on the server."""
    path = f"/{uuid4().hex[:8]}"
    session.api.make_folder(path)
    return path


@pytest.fixture
def bridge() -> Iterator[TaskBridge]:
    """A bridge without Tk, for presenters; its threads have ended when the test has."""
    bridge = TaskBridge()
    yield bridge
    bridge.close()


@pytest.fixture
def settle(bridge: TaskBridge, wait_until: Wait) -> Callable[..., None]:
    """Drains the bridge until something is true."""

    def settle(predicate: Callable[[], object], timeout_s: float = 15.0, *, what: str = "") -> None:
        wait_until(predicate, timeout_s, what=what, pump=bridge.drain)

    return settle


_WITH_TEXT = (tk.Label, tk.Button, ttk.Label, ttk.Button, ttk.Checkbutton)


def _labels(widget: tk.Misc) -> Iterator[tuple[str, tk.Misc]]:
    if isinstance(widget, _WITH_TEXT) and (text := str(widget.cget("text"))):
        yield text, widget
    for child in widget.winfo_children():
        if child.winfo_ismapped():
            yield from _labels(child)


def keep_box(hand: Hand, form: tk.Misc) -> ttk.Checkbutton:
    """The box by which one stays signed in."""
    text = "Keep me signed in (system keyring)"
    hand.wait(lambda: text in hand.words(form), what="the form")
    box = hand.labelled(form, text)
    assert isinstance(box, ttk.Checkbutton)
    return box


def button_of(rows: TransferRows, *, second: bool = False) -> int:
    """Where a button of a row lies, in pixels from the left."""
    columns = rows._columns(rows.winfo_width())
    return int(columns.second_button if second else columns.first_button)


def height_of(rows: TransferRows) -> int:
    """How high a row is, in pixels."""
    return int(rows._row)


@dataclass
class Hand:
    """Moves the real mouse and presses real keys in the window of `app`, and waits for what comes of it."""

    app: App
    wait_until: Wait
    downloads: Path

    def wait(self, predicate: Callable[[], object], timeout_s: float = 20.0, *, what: str = "") -> None:
        """Let the window live until `predicate()` is true."""
        self.wait_until(predicate, timeout_s, what=what, pump=self.app.root.update)

    @property
    def state_dir(self) -> Path:
        """Where the window keeps what it remembers."""
        return self.downloads.parent / "state"

    def leave(self, *, logout: bool = True) -> None:
        """End the session without a question."""
        self.app._leave(logout=logout)

    def session_ended(self, error: SessionEnded) -> None:
        """As if the server had said so."""
        self.app._session_ended(error)

    @property
    def previewed(self) -> tk.Text:
        """Text of the preview beside the list."""
        return self.views.details.preview._text.text

    @property
    def space(self) -> Workspace:
        """The signed-in session's workspace."""
        assert self.app.workspace is not None
        return self.app.workspace

    @property
    def page(self) -> FilesPage:
        """The page of the files."""
        page = self.app.window.pages[0]
        assert isinstance(page, FilesPage)
        return page

    @property
    def files(self) -> FilesSession:
        """The signed-in session's files."""
        assert self.page.session is not None
        return self.page.session

    @property
    def views(self) -> FilesViews:
        """Where they are shown."""
        return self.page.views

    def click(self, widget: tk.Misc, x: int | None = None, y: int | None = None, *, times: int = 1) -> None:
        """Click into `widget`, its middle by default."""
        self.app.root.update()
        left = widget.winfo_rootx() + (widget.winfo_width() // 2 if x is None else x)
        top = widget.winfo_rooty() + (widget.winfo_height() // 2 if y is None else y)
        subprocess.run(
            ["xdotool", "mousemove", str(left), str(top), "click", "--repeat", str(times), "--delay", "40", "1"],
            check=True,
        )
        self.app.root.update()

    def press(self, *keys: str) -> None:
        """Press and release keys, as xdotool names them (`ctrl+shift+n`)."""
        self.app.root.update()
        subprocess.run(["xdotool", "key", "--delay", "10", *keys], check=True)
        self.app.root.update()

    def xdo(self, *steps: str) -> None:
        """Whatever else xdotool can do."""
        self.app.root.update()
        subprocess.run(["xdotool", *steps], check=True)
        self.app.root.update()

    def type(self, text: str) -> None:
        """Type plain letters."""
        self.app.root.update()
        subprocess.run(["xdotool", "type", "--delay", "8", text], check=True)
        self.app.root.update()

    def names(self) -> list[str]:
        """The names of the list, in its order; those that are seen are drawn so."""
        rows, tree = self.views.list.rows, self.views.list.tree
        names = [rows.name(position) for position in range(len(rows))]
        drawn = self.drawn_names()
        assert len(drawn) >= min(len(names), tree.fitting)
        for name, text in zip(names[tree.top :], drawn, strict=False):
            assert name.startswith(text.partition("…")[0]), "what is drawn is what is there"
        return names

    def drawn_names(self) -> list[str]:
        """The names that are seen, as they are drawn: shortened where there is no room."""
        tree = self.views.list.tree
        return [str(tree.item(item, "text")) for item in tree.get_children()]

    def row(self, name: str) -> int:
        """The position of the row `name`, once it is there."""
        self.wait(lambda: name in self.names(), what=f"{name} in the list")
        return self.names().index(name)

    def box(self, name: str) -> tuple[int, int, int, int] | None:
        """Where the name of the row `name` is in the list, if it is seen."""
        return self.views.list.tree.box_of(self.row(name), "#0")

    def drawn(self, name: str, option: str) -> Any:
        """An option of the item that shows the row `name`."""
        tree = self.views.list.tree
        return tree.item(tree.get_children()[self.row(name) - tree.top], option)

    def click_row(self, name: str, *, times: int = 1) -> None:
        """Click the row `name`."""
        tree = self.views.list.tree
        tree.reveal(self.row(name))
        self.app.root.update()
        box = self.box(name)
        assert box
        self.click(tree, box[0] + 60, box[1] + box[3] // 2, times=times)

    def go(self, path: str) -> None:
        """Show the folder at `path`."""
        self.files.browser.go_path(path)
        self.wait(
            lambda: self.files.browser.folder.path == path and self.files.browser.listing.phase == "ready",
            what=f"the folder {path}",
        )

    def words(self, widget: tk.Misc) -> list[str]:
        """Texts that `widget` and what is in it show."""
        return [text for text, _ in _labels(widget)]

    def labelled(self, widget: tk.Misc, text: str) -> tk.Misc:
        """The button or label in `widget` that shows `text`."""
        return next(part for shown, part in _labels(widget) if shown == text)

    def dialog(self, kind: builtins.type[MiscT]) -> MiscT | None:
        """The open dialog of this kind."""
        return next((child for child in self.app.root.winfo_children() if builtins.type(child) is kind), None)

    def screenshot(self, path: Path) -> Path:
        """A picture of the screen."""
        with ImageGrab.grab(xdisplay=os.environ["DISPLAY"]) as picture:
            picture.save(path)
        return path


def settings_for(server: str, home: Path, downloads: Path, state: Path, **client: str) -> config.Config:
    """Settings of a window that offers `server`."""
    overrides = {"client.server": server, "client.download_dir": str(downloads), "client.state_dir": str(state)}
    return config.load(overrides | {f"client.{key}": value for key, value in client.items()}, environ={}, home=home)


@pytest.fixture(scope="session")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the window puts files; what it remembers lies beside it."""
    made = tmp_path_factory.mktemp("window") / "downloads"
    made.mkdir()
    return made


@pytest.fixture(scope="session")
def app(server: ServerProcess, downloads: Path, display: str, wait_until: Wait) -> Iterator[App]:
    """The one window of all these tests: Tk 8.6 keeps a pointer to the focus of a root that is gone, and crashes when
    a later root of the same process takes the focus by force.
    """
    if shutil.which("xdotool") is None:
        pytest.skip("xdotool is not installed (./run.sh test installs it)")
    place = downloads.parent
    # A transfer gives up soon when its server is gone: tests of that need not wait long.
    settings = settings_for(server.address, place, downloads, place / "state", retries="1")
    app = App(settings, user=USER, mode="light", places=(*PLACES, NotesPage))
    app.memory.now = USUAL
    app.root.geometry(SIZE)
    yield app
    app.close_now()
    wait_until(lambda: app.closed, what="the window to close", pump=app.root.update)


@pytest.fixture
def signed_out(app: App, downloads: Path, server: ServerProcess, wait_until: Wait) -> Iterator[Hand]:
    """The window with an empty form, as at the first start: no server is trusted."""
    hand = Hand(app, wait_until, downloads)
    empty(hand.downloads)
    (hand.state_dir / "pins.json").unlink(missing_ok=True)
    show_form(hand, server)
    yield hand
    tidy_up(hand)


def empty(directory: Path) -> None:
    """Remove all that is in it."""
    for left in directory.iterdir():
        shutil.rmtree(left) if left.is_dir() else left.unlink()


def show_form(hand: Hand, server: ServerProcess) -> None:
    """Ask for the way into `server`, with everything but the password filled in."""
    app = hand.app
    app.access.begin(server.address, USER, automatic=False)
    hand.wait(app.root.winfo_viewable, what="the window")
    app.root.focus_force()
    form = app.gate.card
    assert isinstance(form, SignInCard)
    for field, value in ((form.server, server.address), (form.user, USER), (form.password, "")):
        field.delete(0, "end")
        field.insert(0, value)
    hand.wait(lambda: not app.bridge.alive(), what="the keyring")


def tidy_up(hand: Hand) -> None:
    """Sign out and wait until nothing of the session is left; the panes as they were."""
    app = hand.app
    put_away_dialogs(app)
    if app.workspace is not None:
        app.workspace.transfers.set_limit(None)
        hand.leave()
    hand.wait(lambda: not app.bridge.alive(), what="the threads of the session")
    restore_look(app)


def sign_in(hand: Hand, password: str = PASSWORD, *, later: bool = True) -> None:
    """Fill in the password, trust the server, and `later` choose another password; by the fields and buttons, but
    without mouse and keyboard, which take a second more: see test_signing_in.py.

    Without `later`, one stands before the question for a new password, or is in.
    """
    form = hand.app.gate.card
    assert isinstance(form, SignInCard)
    form.password.delete(0, "end")
    form.password.insert(0, password)
    form.submit.invoke()
    through = lambda: isinstance(hand.app.gate.card, NewPasswordCard) or not hand.app.gate.shown  # noqa: E731
    hand.wait(lambda: isinstance(hand.app.gate.card, TrustCard) or through(), what="an answer")
    trust = hand.app.gate.card
    if isinstance(trust, TrustCard):
        trust.check.invoke()
        trust.trust.invoke()
    hand.wait(through, what="the way in")
    first = hand.app.gate.card
    if later and isinstance(first, NewPasswordCard):
        first.other.invoke()
    if not later:
        return
    hand.wait(lambda: not hand.app.gate.shown, what="the workspace")
    hand.wait(lambda: hand.files.browser.listing.phase == "ready", what="the first list")


@pytest.fixture
def fresh_hand(signed_out: Hand, folder: str) -> Hand:
    """The window, signed in for this test alone and in a new empty folder: for tests that end the session."""
    sign_in(signed_out)
    signed_out.go(folder)
    signed_out.views.list.take_focus()
    return signed_out


@pytest.fixture(scope="module")
def signed_in(
    app: App, downloads: Path, server: ServerProcess, wait_until: Wait, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Hand]:
    """The window, signed in once for all tests of a module."""
    hand = Hand(app, wait_until, downloads)
    show_form(hand, server)
    sign_in(hand)
    # The engine's thread begins with its first job, and stays.
    hand.files.orders.upload([write(tmp_path_factory.mktemp("first") / "first.txt", "1")])
    hand.wait(lambda: hand.space.transfers.board.completed, what="the first transfer")
    hand.space.transfers.clear("completed")
    yield hand
    tidy_up(hand)


@pytest.fixture
def hand(signed_in: Hand, folder: str) -> Iterator[Hand]:
    """The window, signed in and in a new empty folder; afterwards as it was."""
    hand, app = signed_in, signed_in.app
    empty(hand.downloads)
    app.window.toast.hide()
    app.root.focus_force()
    hand.go(folder)
    hand.views.list.take_focus()
    yield hand
    space = hand.space
    put_away_dialogs(app)
    if hand.files.viewer.large_window is not None:
        hand.files.viewer.large_window.close()
    space.transfers.set_limit(None)
    for row in space.transfers.board.active:
        space.transfers.act(row.key, "cancel")
    hand.wait(lambda: not space.transfers.unfinished, what="the end of all transfers")
    for tab in ("completed", "failed", "cancelled"):
        space.transfers.clear(tab)
    hand.files.operations.clipboard = None
    hand.files.browser.set_filter("")
    if hand.files.browser.listing.sort != Sort():
        hand.files.browser.sort_by("name")
    restore_look(app)
    hand.wait(lambda: app.bridge.alive() in ([], ["gui-watch"]), what="all threads but that which watches")


def put_away_dialogs(app: App) -> None:
    """Close what is open above the window."""
    for child in app.root.winfo_children():
        if isinstance(child, Dialog):
            child.cancel()


def restore_look(app: App) -> None:
    """Colours and panes as at the beginning."""
    app.theme.set_mode("light")
    app.window.show_transfers(False)
    app.window._transfers_height = 0  # a small window's would hide rows that the next test clicks
    app.window.show_aside(True)
    app.window.transfers.dismissed = False
    app.memory.now = USUAL
    app.window.banner.show(None)


@pytest.fixture
def own_home(tmp_path: Path) -> Path:
    return prepare_home(tmp_path / "own-home")


@pytest.fixture
def enter(signed_out: Hand) -> Iterator[Callable[[str], Hand]]:
    """Signs the window in at another server than the one of the other tests."""

    def enter(address: str) -> Hand:
        card = signed_out.app.gate.card
        assert isinstance(card, SignInCard)
        card.server.delete(0, "end")
        card.server.insert(0, address)
        sign_in(signed_out)
        return signed_out

    yield enter
    workspace = signed_out.app.workspace
    if workspace is not None:  # its server may be gone: nobody to say goodbye to
        signed_out.leave(logout=False)


def resize(hand: Hand, width: int, height: int) -> None:
    """Make the window that large, and wait until it is."""
    root = hand.app.root
    root.geometry(f"{width}x{height}+0+0")
    hand.wait(lambda: (root.winfo_width(), root.winfo_height()) == (width, height), what="the size")
    hand.app.root.update()


def said_to(notices: list[Notice]) -> Say:
    """A listener that keeps what is said in `notices`."""

    def say(notice: Notice, **_behind: object) -> None:
        notices.append(notice)

    return say


def write(path: Path, content: bytes | str) -> Path:
    """A local file of that content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def put(session: Session, folder: str, tmp_path: Path, *names: str) -> None:
    """Put files of these names into `folder` on the server, as another client."""
    files = [write(tmp_path / "put" / name, f"content of {name}") for name in names]
    with TransferEngine(session) as engine:
        assert engine.upload(files, folder).wait(30)
