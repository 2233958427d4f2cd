"""The main window: panes around the page that is shown. Knows pages and transfers, never what a page is about."""

from __future__ import annotations

import sys
import tkinter as tk
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from tkinter import ttk
from typing import Literal

from sfos import PRODUCT
from sfos.gui.commands import AnyCommand, MenuName, Offer, Offers, keys_of_list, sequence
from sfos.gui.look import styles
from sfos.gui.look.theme import Theme, Window
from sfos.gui.model import Connection, Direction, Notice, TransferBoard
from sfos.gui.page import Page, PageMaker, Room, Stop
from sfos.gui.shell.navigator import Navigator
from sfos.gui.shell.side_pane import SidePane
from sfos.gui.shell.status_bar import StatusBar
from sfos.gui.shell.toolbar import Toolbar
from sfos.gui.transfers.panel import Tab, TransferPanel
from sfos.gui.transfers.row_actions import RowAction
from sfos.gui.widgets.banner import Banner
from sfos.gui.widgets.menus import command_menu, popup
from sfos.gui.widgets.toast import Toast

_SIDEBAR, _DETAILS, _TRANSFERS = 216, 300, 236
_MIN_SIZE = (640, 420)
_FOLDS_BELOW = 800  # design pixels: narrower, the side panes give their room to the list until they are asked for
_LIST_LEAST = 320
_PAGE_ROW = 4  # of the middle pane, below the banners
_ENTRY_CLASSES = ("TEntry", "Entry", "Text")


@dataclass(frozen=True, slots=True)
class Reactions:
    """Calls of the window when the person does something. All run in Tk's thread and return at once."""

    transfer: Callable[[int, RowAction], None]
    pause_all: Callable[[bool], None]
    limit: Callable[[Direction, int | None], None]
    clear: Callable[[Tab], None]
    close: Callable[[], None]


Fold = Literal["side", "aside"]


@dataclass(frozen=True, slots=True)
class WindowState:
    """State that decides which commands for the window itself can be given."""

    signed_in: bool = False
    can_back: bool = False
    can_forward: bool = False
    has_aside: bool = False
    aside_shown: bool = False
    side_shown: bool = False
    has_menu: bool = False


class MainWindow:
    """Toolbar over [side | page | aside] over transfers over the status bar."""

    def __init__(self, root: Window, theme: Theme, reactions: Reactions, makers: Sequence[PageMaker]) -> None:
        """`makers`: of all pages that there can be."""
        self.root = root
        self.theme = theme
        self.offers = Offers()
        self.navigator = Navigator(self._show_page)
        self._own: tuple[Offer, ...] = ()
        self._session_offers: tuple[Offer, ...] = ()
        self._connection = Connection()
        self._covered = True
        self._narrow = False
        self._folded: set[Fold] = set()  # panes that a narrow window has put away
        self._side_wanted = True
        self._transfers_height = 0  # of the lower pane when it was last hidden; 0: not yet
        px = theme.px
        root.minsize(px(_MIN_SIZE[0]), px(_MIN_SIZE[1]))
        self.frame = ttk.Frame(root, style=styles.SURFACE)
        self.frame.rowconfigure(1, weight=1)
        self.frame.columnconfigure(0, weight=1)
        self.toolbar = Toolbar(
            self.frame, theme, run=self.offers.run, on_settings_menu=lambda x, y: self.open_menu("settings", x, y)
        )
        self.toolbar.grid(row=0, column=0, sticky="ew")
        self._vertical = ttk.Panedwindow(self.frame, orient="vertical", style=styles.PANES)
        self._vertical.grid(row=1, column=0, sticky="nsew")
        # Packed before the panes grow: a status bar laid out last is the first to be cut off.
        self.status = StatusBar(self.frame, theme)
        ttk.Frame(self.frame, style=styles.LINE, height=max(1, px(1))).grid(row=2, column=0, sticky="ew")
        self.status.grid(row=3, column=0, sticky="ew")
        self._build_middle(makers)
        self.transfers = TransferPanel(
            self._vertical, theme, on_action=reactions.transfer, on_pause_all=reactions.pause_all,
            on_limit=reactions.limit, on_clear=reactions.clear, on_close=self.toggle_transfers,
        )  # fmt: skip
        self.toast = Toast(root, theme)
        self._vertical.bind("<Configure>", lambda event: self._keep_list_high(event.height))
        self._across.bind("<Configure>", lambda event: self._keep_list_wide(event.width))
        self.frame.bind("<Configure>", lambda event: self._fold(event.width))
        root.protocol("WM_DELETE_WINDOW", reactions.close)

    def _build_middle(self, makers: Sequence[PageMaker]) -> None:
        theme, px = self.theme, self.theme.px
        top = ttk.Frame(self._vertical, style=styles.SURFACE)
        ttk.Frame(top, style=styles.LINE, height=max(1, px(1))).pack(side="top", fill="x")
        # Two nested pairs: a sash shows the background of its Panedwindow, and so seems part of the pane on its left.
        outer = self._outer = ttk.Panedwindow(top, orient="horizontal", style=styles.PANES_SIDE)
        outer.pack(side="top", fill="both", expand=True)
        self.side = SidePane(outer, theme, on_page=self.navigator.show)
        self.side.configure(width=px(_SIDEBAR))
        self.side.grid_propagate(False)
        outer.add(self.side, weight=0)
        right = ttk.Frame(outer, style=styles.BORDER, padding=(max(1, px(1)), 0, 0, 0))
        outer.add(right, weight=1)
        self._across = ttk.Panedwindow(right, orient="horizontal", style=styles.PANES)
        self._across.pack(fill="both", expand=True)
        self._centre = ttk.Frame(self._across, style=styles.SURFACE)
        self._centre.rowconfigure(_PAGE_ROW, weight=1)
        self._centre.columnconfigure(0, weight=1)
        self.offline_banner = Banner(self._centre, theme, icon="wifi-off")
        self.offline_banner.grid(row=0, column=0, sticky="ew")
        self.banner = Banner(self._centre, theme)
        self.banner.grid(row=1, column=0, sticky="ew")
        self.offer_banner = Banner(self._centre, theme, icon="arrow-repeat")
        self.offer_banner.grid(row=2, column=0, sticky="ew")
        self.edited_banner = Banner(self._centre, theme, icon="pencil-square")
        self.edited_banner.grid(row=3, column=0, sticky="ew")
        for banner in (self.offline_banner, self.banner, self.offer_banner, self.edited_banner):
            banner.show(None)
        self._aside = ttk.Frame(self._across, style=styles.SURFACE, width=px(_DETAILS))
        self._aside.pack_propagate(False)
        self._aside_wanted = False
        room = Room(
            self.root, theme, self.toolbar, self.side, self._centre, self._aside,
            aside_shown=lambda: self.aside_shown, show_aside=lambda: self.show_aside(True),
            run=self.offers.run, menu=self.open_menu, renew=self.renew,
        )  # fmt: skip
        self.pages: tuple[Page, ...] = tuple(maker(room) for maker in makers)
        for page in self.pages:
            if page.side is not None:
                self.side.keep(page.side)
        self._across.add(self._centre, weight=1)
        self._vertical.add(top, weight=1)

    def show(self) -> None:
        """Show all of it. Hidden, it takes part in nothing: neither Tab nor keys reach what the sign-in covers."""
        self._covered = False
        self._renew_offers()
        self.frame.pack(fill="both", expand=True)
        self.root.update_idletasks()

    def hide(self) -> None:
        """Hide all of it."""
        self._covered = True
        self._renew_offers()
        self.frame.pack_forget()
        self.toast.hide()

    def _renew_offers(self) -> None:
        page = None if self._covered else self.page
        pages = (page.offer, *self._session_offers) if page is not None else ()
        self.offers.set(*self._own, *pages)

    def offer(self, own: Offer) -> None:
        """Offer the window's own commands, on every page and without one; bind the keys of all there are."""
        self._own = (own,)
        self._show_page(None)
        self._keys()

    # --- pages -----------------------------------------------------------------------------------------------------

    def begin(self, pages: Sequence[Page], *offers: Offer) -> None:
        """Show the first of `pages`; `offers`: what the session offers on every one."""
        self._session_offers = offers
        self.side.show_pages(pages)
        self.navigator.begin(pages)

    def end(self) -> None:
        """Show no page, and offer only what needs no session."""
        self._session_offers = ()
        self.navigator.end()

    @property
    def page(self) -> Page | None:
        """The page that is shown."""
        return self.navigator.current

    def _show_page(self, page: Page | None) -> None:
        had_keyboard = self._keyboard_in_page()
        for each in self.pages:
            if each is not page:
                each.widget.grid_remove()
                if each.aside is not None:
                    each.aside.pack_forget()
        if page is not None:
            page.widget.grid(row=_PAGE_ROW, column=0, sticky="nsew")
            if page.aside is not None:
                page.aside.pack(fill="both", expand=True)
        self._renew_offers()
        self.toolbar.arrange(self.offers, page.bar if page is not None else None)
        self.side.show_page(page)
        self._arrange_aside()
        self._title()
        if page is not None and had_keyboard:
            page.take_focus()

    def _keyboard_in_page(self) -> bool:
        """Whether the keyboard is in a page's own widgets, which are about to go."""
        here = str(self.root.tk.call("focus"))
        return any(here.startswith(str(part)) for page in self.pages for part in (page.widget, page.bar, page.aside)
                   if part is not None)  # fmt: skip

    @property
    def in_front(self) -> bool:
        """Whether a window of this program has the keyboard."""
        return bool(str(self.root.tk.call("focus")))

    def state(self) -> WindowState:
        """State that decides which commands for the window can be given."""
        page = self.page
        if page is None or self._covered:
            return WindowState()
        return WindowState(
            signed_in=True, can_back=self.navigator.can_back, can_forward=self.navigator.can_forward,
            has_aside=page.aside is not None, aside_shown=self.aside_shown, side_shown=self.side_shown,
            has_menu=page.menu_position() is not None,
        )  # fmt: skip

    def renew(self) -> None:
        """Show anew what can be done, and what there is to count."""
        self.toolbar.show(self.offers.possible(), self.offers.switched_on())
        self.status.show_summary(self.page.summary if self.page is not None else "")

    # --- showing states --------------------------------------------------------------------------------------------

    def show_connection(self, connection: Connection) -> None:
        """Show how things stand with the server; while it is away, what happens next."""
        self.status.show_connection(connection)
        self._connection = connection
        self._title()

    def _title(self) -> None:
        parts = [PRODUCT]
        if self._connection.user:
            parts.insert(0, f"{self._connection.user}@{self._connection.server}")
        if self.page is not None and self.page is not self.pages[0]:
            parts.insert(0, self.page.title)
        self.root.title(" – ".join(parts))

    def show_board(self, board: TransferBoard) -> None:
        """Show the transfers."""
        self.transfers.show(board)
        self.status.show_transfers(board)

    def say(
        self, notice: Notice, *, act: Callable[[], object] | None = None, other: Callable[[], object] | None = None
    ) -> None:
        """Show a passing message; see `Say`."""
        self.toast.show(notice, act=act, other=other)

    def _keep_list_high(self, height: int) -> None:
        """A window made smaller takes from the transfers too, not from the list alone."""
        if self.transfers_shown and _sash(self._vertical, 0) < height * 0.55:
            _place_sash(self._vertical, 0, int(height * 0.55))

    def _keep_list_wide(self, width: int) -> None:
        if self.aside_shown and _sash(self._across, 0) < (least := min(self.theme.px(_LIST_LEAST), width * 2 // 3)):
            _place_sash(self._across, 0, least)

    # --- panes -----------------------------------------------------------------------------------------------------

    @property
    def aside_shown(self) -> bool:
        """Whether the right pane is there."""
        return _has_pane(self._across, self._aside)

    def _fold(self, width: int) -> None:
        """Put the side panes away in a narrow window, and show them again in a wide one."""
        narrow = width < self.theme.px(_FOLDS_BELOW)
        if narrow != self._narrow:
            self._narrow = narrow
            self._folded = {"side", "aside"} if narrow else set()
            self._arrange_side()
            self._arrange_aside()

    @property
    def side_shown(self) -> bool:
        """Whether the left pane is there."""
        return _has_pane(self._outer, self.side)

    def show_side(self, shown: bool) -> None:
        """Show or hide the left pane."""
        self._side_wanted = shown
        self._folded.discard("side")
        self._arrange_side()

    def _arrange_side(self) -> None:
        shown = self._side_wanted and "side" not in self._folded
        if shown and not self.side_shown:
            self._outer.insert(0, self.side, weight=0)
        elif not shown and self.side_shown:
            had_keyboard = str(self.root.tk.call("focus")).startswith(str(self.side))
            self._outer.forget(self.side)
            if had_keyboard:
                self._focus_page()

    def prefer_aside(self, wanted: bool) -> None:
        """Show the right pane where there is room, or do not; as it was the last time."""
        self._aside_wanted = wanted
        self._arrange_aside()

    def show_aside(self, shown: bool) -> None:
        """Show or hide the right pane, of this page and of all that have one."""
        self._aside_wanted = shown
        self._folded.discard("aside")
        self._arrange_aside()
        if self.page is not None:
            self.page.aside_shown()

    def _arrange_aside(self) -> None:
        wanted = self._aside_wanted and "aside" not in self._folded
        shown = wanted and self.page is not None and self.page.aside is not None
        if shown and not self.aside_shown:
            self._across.add(self._aside, weight=0)
            self.root.update_idletasks()
            width = self._across.winfo_width()
            if width > self.theme.px(_DETAILS) * 2:
                _place_sash(self._across, 0, width - self.theme.px(_DETAILS))
        elif not shown and self.aside_shown:
            self._across.forget(self._aside)
        self.renew()

    @property
    def transfers_shown(self) -> bool:
        """Whether the lower pane is there."""
        return _has_pane(self._vertical, self.transfers)

    def show_transfers(self, shown: bool) -> None:
        """Show or hide the lower pane."""
        if shown and not self.transfers_shown:
            self._vertical.add(self.transfers, weight=0)
            self.root.update_idletasks()
            height = self._vertical.winfo_height()
            wanted = self._transfers_height or self.theme.px(_TRANSFERS)
            _place_sash(self._vertical, 0, max(height * 2 // 3, height - wanted - self.theme.px(styles.SASH)))
        elif not shown and self.transfers_shown:
            self._transfers_height = self.transfers.winfo_height()
            self._vertical.forget(self.transfers)

    def toggle_transfers(self) -> None:
        """Show the lower pane, or hide it; hidden by hand, it stays hidden until the next transfer after these."""
        self.transfers.dismissed = self.transfers_shown
        self.show_transfers(not self.transfers_shown)

    def next_pane(self) -> None:
        """Move the keyboard to the next pane: those of the page, then the transfers."""
        stops = list(self.page.stops()) if self.page is not None else []
        if self.transfers_shown:
            stops.append(Stop(self.transfers.rows, self.transfers.rows.focus_set))
        if not stops:
            return
        here = str(self.root.focus_get() or "")
        now = next((index for index, stop in enumerate(stops) if here.startswith(str(stop.widget))), -1)
        stops[(now + 1) % len(stops)].take_focus()

    # --- menus and keys --------------------------------------------------------------------------------------------

    def open_menu(self, name: MenuName, x: int, y: int) -> None:
        """Open the menu `name` there on the screen."""
        offers = self.offers
        popup(command_menu(self.root, self.theme, offers.of_menu(name), offers.possible(), offers.run), x, y)

    def open_page_menu(self) -> None:
        """Open the page's context menu, from the keyboard."""
        position = self.page.menu_position() if self.page is not None else None
        if self.page is not None and position is not None:
            self.open_menu(self.page.menu, *position)

    @property
    def all_commands(self) -> tuple[AnyCommand, ...]:
        """The window's own commands, and those of every page there can be."""
        offers = (*self._own, *(page.offer for page in self.pages))
        return tuple(command for offer in offers for command in offer.commands)

    @property
    def commands_of_session(self) -> tuple[AnyCommand, ...]:
        """The window's own commands, and those of every page that whoever is signed in has."""
        offers = (*self._own, *(page.offer for page in self.navigator.pages or self.pages[:1]))
        return tuple(command for offer in offers for command in offer.commands)

    def _keys(self) -> None:
        mac = sys.platform == "darwin"
        everywhere = {keys for each in self.all_commands if each.scope == "window" for keys in each.keys}
        for page in self.pages:
            board = page.keyboard
            for keys in {keys for each in self.all_commands for keys in keys_of_list(each)}:
                board.bind(sequence(keys, mac=mac), self._list_key(keys))
            board.bind("<KP_Enter>", self._list_key("Return"))
            # The menu key of PC keyboards; Tk knows it as App on Windows and Menu on X11, each unknown to the other.
            board.bind("<App>" if sys.platform == "win32" else "<Menu>", self._list_key("Shift+F10"))
        # On the lists as well: there a plain `<Up>` would answer Alt+Up before the window is asked.
        lists = [stop.widget for page in self.pages for stop in page.stops()]
        for widget in (self.root, self.side.places, *lists):
            for keys in everywhere:
                widget.bind(sequence(keys, mac=mac), self._key(keys))
        # The window itself does nothing with keys; where nobody else has the keyboard, it is the page's.
        self.root.bind("<FocusIn>", self._focus_in, add="+")
        for event in ("<<SearchDone>>", "<<PathDone>>"):
            self.root.bind(event, lambda _event: self._focus_page())

    def _focus_page(self) -> None:
        if self.page is not None:
            self.page.take_focus()

    def _focus_in(self, event: tk.Event[tk.Misc]) -> None:
        if event.widget is self.root:
            self.root.after_idle(self._adopt_focus)

    def _adopt_focus(self) -> None:
        # Asked of Tk: tkinter's own answer fails for widgets that it has not made, such as those of a file chooser.
        nobody_else = str(self.root.tk.call("focus")) == str(self.root)
        if nobody_else and self.frame.winfo_ismapped() and not str(self.root.tk.call("grab", "current")):
            self._focus_page()

    def _list_key(self, keys: str) -> Callable[[object], str | None]:
        def pressed(_event: object) -> str | None:
            command = self.offers.by_list_key(keys)
            if command is None:
                return None  # it is another page's: here the key is the list's own
            self.offers.run(command)
            return "break"

        return pressed

    def _key(self, keys: str) -> Callable[[tk.Event[tk.Misc]], str | None]:
        def pressed(event: tk.Event[tk.Misc]) -> str | None:
            command = self.offers.by_key(keys)
            if command is None or self._belongs_elsewhere(event.widget, command):
                return None
            self.offers.run(command)
            return "break"

        return pressed

    def _belongs_elsewhere(self, widget: object, command: AnyCommand) -> bool:
        """Whether the key was pressed in a dialog, or in a field where it means something to the field."""
        if not isinstance(widget, tk.Misc):
            return True
        if widget.winfo_toplevel() is not self.root:
            return True
        return widget.winfo_class() in _ENTRY_CLASSES and command.field_first


# Tk's own commands: tkinter's wrappers of these two have no types.
def _has_pane(panes: ttk.Panedwindow, pane: tk.Misc) -> bool:
    return str(pane) in map(str, panes.tk.splitlist(panes.tk.call(str(panes), "panes")))


def _sash(panes: ttk.Panedwindow, index: int) -> int:
    return int(panes.tk.call(str(panes), "sashpos", index))


def _place_sash(panes: ttk.Panedwindow, index: int, position: int) -> None:
    panes.tk.call(str(panes), "sashpos", index, position)
