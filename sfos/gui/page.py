"""A place in the window: its views, the commands it offers, and its part of a signed-in session.

The window knows pages, never their kinds. A new place is a folder with a subclass of `Page`, named in one line of
`shell/places.py`. A page lives as long as the window; `begin` and `end` enclose each session.
"""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from sfos import config
from sfos.gui.choices import Memory
from sfos.gui.commands import AnyCommand, MenuName, Offer
from sfos.gui.look.theme import Theme, Window
from sfos.gui.model import FolderPath, Notice, Say
from sfos.gui.nodes import NodeKey
from sfos.gui.threads.bridge import TaskBridge
from sfos.protocol import Change, Entry

if TYPE_CHECKING:  # loaded by `Page.load`, in a thread, while the window is already there
    from sfos.client.session.session import Session
    from sfos.client.transfer import Job


@dataclass(frozen=True, slots=True)
class Room:
    """Room for a page's views, and what they report to. The widgets are parents: the window places what is made."""

    root: Window
    theme: Theme
    bar: tk.Misc
    side: tk.Misc
    centre: tk.Misc
    aside: tk.Misc
    aside_shown: Callable[[], bool]  # whether the right pane is there
    show_aside: Callable[[], None]
    run: Callable[[AnyCommand], None]
    menu: Callable[[MenuName, int, int], None]  # opens there on the screen
    renew: Callable[[], None]  # to be called when what can be done, or the summary, may have changed


@dataclass(frozen=True, slots=True)
class EditedFile:
    """An edited copy of `entry` at `local`, to be put in its place: `name` in `folder`, whose path is `path`."""

    local: Path
    entry: Entry
    folder: NodeKey
    path: str
    name: str


class Offering(Protocol):
    """Offering something above the page until it is answered, closed or taken back (None)."""

    def __call__(
        self, notice: Notice | None, *, act: Callable[[], None] | None = None, close: Callable[[], None] | None = None
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Desk:
    """A signed-in session, as pages get to work with it. All of it is for Tk's thread."""

    session: Session
    bridge: TaskBridge
    settings: config.Client
    say: Say
    go_to: Callable[[Page], None]
    online: Callable[[], bool]
    upload: Callable[[Sequence[Path], FolderPath], None]
    download: Callable[[Sequence[Entry], Path], None]
    fetch: Callable[[Entry, Path, Callable[[Job], None]], None]  # for whoever waits for the end of it
    put_edited: Callable[[EditedFile, Callable[[Job], None]], None]
    offer: Offering
    state_dir: Path
    memory: Memory


class Stop(NamedTuple):
    """A pane that the keyboard can go to, and how it does."""

    widget: tk.Misc
    take_focus: Callable[[], object]


class Page:
    """Base of all pages. Subclasses set the attributes in `__init__`, which takes a `Room`, and override as needed."""

    title: str
    icon: str
    offer: Offer
    widget: tk.Widget  # in the middle of the window
    bar: tk.Widget | None = None  # in the toolbar, between the arrows and the buttons
    side: tk.Widget | None = None  # in the left pane, whichever page is shown
    aside: tk.Widget | None = None  # in the right pane, which can be hidden
    keyboard: tk.Misc  # keys of scope "list" act there

    # --- the session -----------------------------------------------------------------------------------------------

    def load(self) -> None:
        """Import what a session will need; called in a thread, so that Tk's need not."""

    def is_for(self, session: Session) -> bool:  # noqa: ARG002 - of interest to pages that are not for everybody
        """Whether this session has the page at all."""
        return True

    def begin(self, desk: Desk) -> None:
        """Work with a session; what the window shows first is asked for now."""

    @property
    def unsaved(self) -> str:
        """Sentence about what would be left undone if the session ended now; "" for nothing."""
        return ""

    def end(self) -> None:
        """Let go of the session without waiting for it: from now on nothing of it touches the views."""

    def changed(self, changes: Sequence[Change]) -> None:
        """Take in what was changed on the server, by oneself or others."""

    def missed(self) -> None:
        """Read anew: changes were missed."""

    def covered(self) -> None:
        """Close what would show something beside the window: the session has ended, and may go on later."""

    def back_online(self) -> None:
        """Take up what failed while the server was away."""

    # --- being shown -----------------------------------------------------------------------------------------------

    def shown(self) -> None:
        """Be in the window from now on."""

    def hidden(self) -> None:
        """Give the window to another page; selection and position stay for the return."""

    def aside_shown(self) -> None:
        """Hear that the right pane was shown or hidden."""

    @property
    def summary(self) -> str:
        """Summary for the status bar: the number of things, and of those selected."""
        return ""

    @property
    def can_back(self) -> bool:
        """Whether `back` leads anywhere within the page."""
        return False

    @property
    def can_forward(self) -> bool:
        """Whether `forward` leads anywhere within the page."""
        return False

    def back(self) -> None:
        """Show what the page showed before."""

    def forward(self) -> None:
        """Undo `back`."""

    def take_focus(self) -> None:
        """Put the keyboard where most is done."""
        self.keyboard.focus_set()

    def stops(self) -> Sequence[Stop]:
        """Panes of the page, from the left, that the keyboard walks through."""
        return (Stop(self.keyboard, self.take_focus),)

    def menu_position(self) -> tuple[int, int] | None:
        """Where on the screen the context menu opens from the keyboard; None: there is none."""
        return None

    @property
    def menu(self) -> MenuName:
        """The context menu as things stand."""
        return "selection"


PageMaker = Callable[[Room], Page]
