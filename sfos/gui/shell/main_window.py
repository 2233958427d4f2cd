"""The main window: panes and their places. Every view below it is given its callbacks by `gui.shell.app`."""

from __future__ import annotations

import sys
import tkinter as tk
from collections.abc import Callable, Collection
from dataclasses import dataclass
from tkinter import ttk

from sfos.gui.commands import COMMANDS, Command, sequence
from sfos.gui.files.file_list import FileList
from sfos.gui.files.placeholder import Placeholder
from sfos.gui.files.sidebar import Sidebar
from sfos.gui.look import styles
from sfos.gui.look.theme import Theme, Window
from sfos.gui.model import Connection, Listing, Notice, Place, Selection, SortColumn, TransferBoard
from sfos.gui.preview.details import DetailsPane
from sfos.gui.shell.status_bar import StatusBar
from sfos.gui.shell.toolbar import Toolbar
from sfos.gui.transfers.canvas import RowAction
from sfos.gui.transfers.panel import Tab, TransferPanel
from sfos.gui.widgets.banner import Banner
from sfos.gui.widgets.menus import command_menu, popup
from sfos.gui.widgets.toast import Toast
from sfos.protocol import Entry

_SIDEBAR, _DETAILS, _TRANSFERS = 216, 300, 236
_MIN_SIZE = (720, 480)
_LIST_LEAST = 320
_LIST_ROW = 3  # of the middle pane, below the banners
_ENTRY_CLASSES = ("TEntry", "Entry", "Text")

_FILE_MENU: tuple[Command | None, ...] = (
    Command.OPEN, Command.PREVIEW, None,
    Command.DOWNLOAD, Command.DOWNLOAD_TO, None,
    Command.CUT, Command.COPY, Command.COPY_PATH, None,
    Command.RENAME, Command.DELETE, None,
    Command.DETAILS,
)  # fmt: skip
_FOLDER_MENU: tuple[Command | None, ...] = (
    Command.UPLOAD_FILES, Command.UPLOAD_FOLDER, Command.NEW_FOLDER, None,
    Command.PASTE, Command.SELECT_ALL, None,
    Command.REFRESH,
)  # fmt: skip
_SETTINGS_MENU: tuple[Command | None, ...] = (
    Command.THEME, Command.CONTRAST, Command.TEXT_LARGER, Command.TEXT_SMALLER, None,
    Command.DETAILS_PANE, Command.TRANSFERS, None,
    Command.SESSIONS, Command.CHANGE_PASSWORD, Command.SIGN_OUT, None,
    Command.HELP, Command.QUIT,
)  # fmt: skip
_UPLOAD_MENU: tuple[Command | None, ...] = (Command.UPLOAD_FILES, Command.UPLOAD_FOLDER)


@dataclass(frozen=True, slots=True)
class Reactions:
    """What the window calls when the person does something. All run in Tk's thread and return at once."""

    run: Callable[[Command], None]
    go: Callable[[Place], None]
    go_path: Callable[[str], None]
    filter: Callable[[str], None]
    open: Callable[[Entry], None]
    select: Callable[[tuple[Entry, ...], Entry | None], None]
    sort: Callable[[SortColumn], None]
    expand: Callable[[int], None]
    page: Callable[[int], None]
    transfer: Callable[[int, RowAction], None]
    pause_all: Callable[[bool], None]
    limit: Callable[[int | None], None]
    clear: Callable[[Tab], None]
    close: Callable[[], None]


class MainWindow:
    """Toolbar over [sidebar | list | details] over transfers over the status bar."""

    def __init__(self, root: Window, theme: Theme, reactions: Reactions) -> None:
        self.root = root
        self.theme = theme
        self._react = reactions
        self._enabled: frozenset[Command] = frozenset()
        self._listing = Listing()
        self._selection = Selection()
        self._transfers_height = 0  # of the lower pane when it was last hidden; 0: not yet
        px = theme.px
        root.minsize(px(_MIN_SIZE[0]), px(_MIN_SIZE[1]))
        self.frame = ttk.Frame(root, style=styles.SURFACE)
        self.frame.rowconfigure(1, weight=1)
        self.frame.columnconfigure(0, weight=1)
        self.toolbar = Toolbar(
            self.frame, theme, run=reactions.run, on_go=reactions.go, on_path=reactions.go_path,
            on_filter=reactions.filter,
            on_upload_menu=lambda x, y: self._menu(_UPLOAD_MENU, x, y),
            on_settings_menu=lambda x, y: self._menu(_SETTINGS_MENU, x, y),
        )  # fmt: skip
        self.toolbar.grid(row=0, column=0, sticky="ew")
        self._vertical = ttk.Panedwindow(self.frame, orient="vertical", style=styles.PANES)
        self._vertical.grid(row=1, column=0, sticky="nsew")
        # Packed before the panes grow: a status bar laid out last is the first to be cut off.
        self.status = StatusBar(self.frame, theme)
        ttk.Frame(self.frame, style=styles.LINE, height=max(1, px(1))).grid(row=2, column=0, sticky="ew")
        self.status.grid(row=3, column=0, sticky="ew")
        self._build_middle()
        self.transfers = TransferPanel(
            self._vertical, theme, on_action=reactions.transfer, on_pause_all=reactions.pause_all,
            on_limit=reactions.limit, on_clear=reactions.clear, on_close=self.toggle_transfers,
        )  # fmt: skip
        self.toast = Toast(root, theme)
        self._keys()
        self._vertical.bind("<Configure>", lambda event: self._keep_list_high(event.height))
        self._across.bind("<Configure>", lambda event: self._keep_list_wide(event.width))
        root.protocol("WM_DELETE_WINDOW", reactions.close)

    def _build_middle(self) -> None:
        theme, react, px = self.theme, self._react, self.theme.px
        top = ttk.Frame(self._vertical, style=styles.SURFACE)
        ttk.Frame(top, style=styles.LINE, height=max(1, px(1))).pack(side="top", fill="x")
        # Two nested pairs: a sash shows the background of its Panedwindow, and so seems part of the pane on its left.
        outer = ttk.Panedwindow(top, orient="horizontal", style=styles.PANES_SIDE)
        outer.pack(side="top", fill="both", expand=True)
        self.sidebar = Sidebar(outer, theme, on_go=react.go, on_expand=react.expand)
        self.sidebar.configure(width=px(_SIDEBAR))
        self.sidebar.grid_propagate(False)
        outer.add(self.sidebar, weight=0)
        right = ttk.Frame(outer, style=styles.BORDER, padding=(max(1, px(1)), 0, 0, 0))
        outer.add(right, weight=1)
        self._across = ttk.Panedwindow(right, orient="horizontal", style=styles.PANES)
        self._across.pack(fill="both", expand=True)
        self._centre = ttk.Frame(self._across, style=styles.SURFACE)
        self._centre.rowconfigure(_LIST_ROW, weight=1)
        self._centre.columnconfigure(0, weight=1)
        self.offline_banner = Banner(self._centre, theme, icon="wifi-off")
        self.offline_banner.grid(row=0, column=0, sticky="ew")
        self.banner = Banner(self._centre, theme)
        self.banner.grid(row=1, column=0, sticky="ew")
        self.offer_banner = Banner(self._centre, theme, icon="arrow-repeat")
        self.offer_banner.grid(row=2, column=0, sticky="ew")
        for banner in (self.offline_banner, self.banner, self.offer_banner):
            banner.show(None)
        self.files = FileList(
            self._centre, theme, on_open=react.open, on_select=react.select, on_sort=react.sort, on_menu=self._file_menu
        )
        self.files.grid(row=_LIST_ROW, column=0, sticky="nsew")
        self.placeholder = Placeholder(
            self._centre, theme,
            on_retry=lambda: react.run(Command.REFRESH),
            on_upload=lambda: react.run(Command.UPLOAD_FILES),
            on_clear_filter=lambda: react.filter(""),
        )  # fmt: skip
        self._across.add(self._centre, weight=1)
        self.details = DetailsPane(self._across, theme, on_page=react.page)
        self.details.configure(width=px(_DETAILS))
        self.details.pack_propagate(False)
        self._vertical.add(top, weight=1)

    def show(self) -> None:
        """Show all of it. Hidden, it takes part in nothing: Tab must not walk through what the sign-in covers."""
        self.frame.pack(fill="both", expand=True)
        self.root.update_idletasks()

    def hide(self) -> None:
        """Hide all of it."""
        self.frame.pack_forget()
        self.toast.hide()

    # --- showing states --------------------------------------------------------------------------------------------

    def show_listing(self, listing: Listing) -> None:
        """Show a folder, or why it cannot be shown."""
        same_place = listing.place.node == self._listing.place.node
        self._listing = listing
        if listing.phase in ("ready", "loading"):
            self.files.show(listing.rows, listing.sort, same_place=same_place)
        if self.placeholder.show(listing):
            self.placeholder.grid(row=_LIST_ROW, column=0, sticky="nsew")
            self.placeholder.lift()
        else:
            self.placeholder.grid_remove()
        self.sidebar.show_place(listing.place)
        self._refresh()

    def show_selection(self, selection: Selection) -> None:
        """Show what is selected, in the status bar and in what can be done."""
        self._selection = selection
        self._refresh()

    def show_enabled(self, enabled: Collection[Command]) -> None:
        """From now on these commands can be given."""
        self._enabled = frozenset(enabled)
        self._refresh()

    def _refresh(self) -> None:
        self.toolbar.show(self._listing, self._enabled, details_shown=self.details_shown)
        self.status.show_items(self._listing, self._selection)

    def show_connection(self, connection: Connection) -> None:
        """Show how things stand with the server; while it is away, what happens next."""
        self.status.show_connection(connection)
        title = "Secure Files"
        if connection.user:
            title = f"{connection.user}@{connection.server} – {title}"
        self.root.title(title)

    def show_board(self, board: TransferBoard) -> None:
        """Show the transfers."""
        self.transfers.show(board)
        self.status.show_transfers(board)

    def say(self, notice: Notice) -> None:
        """Show a passing message."""
        self.toast.show(notice)

    def _keep_list_high(self, height: int) -> None:
        """A window made smaller takes from the transfers too, not from the list alone."""
        if self.transfers_shown and _sash(self._vertical, 0) < height * 0.55:
            _place_sash(self._vertical, 0, int(height * 0.55))

    def _keep_list_wide(self, width: int) -> None:
        if self.details_shown and _sash(self._across, 0) < (least := min(self.theme.px(_LIST_LEAST), width * 2 // 3)):
            _place_sash(self._across, 0, least)

    # --- panes -----------------------------------------------------------------------------------------------------

    @property
    def details_shown(self) -> bool:
        """Whether the right pane is there."""
        return _has_pane(self._across, self.details)

    def show_details(self, shown: bool) -> None:
        """Show or hide the right pane."""
        if shown and not self.details_shown:
            self._across.add(self.details, weight=0)
            self.root.update_idletasks()
            width = self._across.winfo_width()
            if width > self.theme.px(_DETAILS) * 2:
                _place_sash(self._across, 0, width - self.theme.px(_DETAILS))
        elif not shown and self.details_shown:
            self._across.forget(self.details)
        self._refresh()

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
        """Move the keyboard to the next pane: folders, list, preview, transfers."""
        stops: list[tk.Misc] = [self.sidebar.tree, self.files.tree]
        if self.details_shown:
            stops.append(self.details.preview)
        if self.transfers_shown:
            stops.append(self.transfers.rows)
        here = str(self.root.focus_get() or "")
        now = next((index for index, stop in enumerate(stops) if here.startswith(str(stop))), -1)
        target = stops[(now + 1) % len(stops)]
        if target is self.files.tree:
            self.files.take_focus()
        elif target is self.details.preview:
            self.details.preview.focus_content()
        else:
            target.focus_set()

    # --- menus and keys --------------------------------------------------------------------------------------------

    def _menu(self, commands: tuple[Command | None, ...], x: int, y: int) -> None:
        popup(command_menu(self.root, self.theme, commands, self._enabled, self._react.run), x, y)

    def _file_menu(self, x: int, y: int) -> None:
        self._menu(_FILE_MENU if self.files.selected() else _FOLDER_MENU, x, y)

    def open_file_menu(self) -> None:
        """Open the menu of the selection, from the keyboard."""
        self._file_menu(*self.files.menu_position())

    def _keys(self) -> None:
        mac = sys.platform == "darwin"
        for command, spec in COMMANDS.items():
            for keys in spec.list_keys:
                self.files.tree.bind(sequence(keys, mac=mac), self._key(command))
            for keys in spec.keys:
                if spec.scope == "list":
                    self.files.tree.bind(sequence(keys, mac=mac), self._key(command))
                elif spec.scope == "window":
                    # On the trees as well: there a plain `<Up>` would answer Alt+Up before the window is asked.
                    for widget in (self.root, self.files.tree, self.sidebar.tree):
                        widget.bind(sequence(keys, mac=mac), self._key(command, everywhere=True))
        self.files.tree.bind("<KP_Enter>", self._key(Command.OPEN))
        # The menu key of PC keyboards; Tk knows it as App on Windows and Menu on X11, each unknown to the other.
        self.files.tree.bind("<App>" if sys.platform == "win32" else "<Menu>", self._key(Command.MENU))
        # The window itself does nothing with keys; where nobody else has the keyboard, it is the list's.
        self.root.bind("<FocusIn>", self._focus_in, add="+")
        for event in ("<<SearchDone>>", "<<PathDone>>"):
            self.root.bind(event, lambda _event: self.files.take_focus())

    def _focus_in(self, event: tk.Event[tk.Misc]) -> None:
        if event.widget is self.root:
            self.root.after_idle(self._adopt_focus)

    def _adopt_focus(self) -> None:
        # Asked of Tk: tkinter's own answer fails for widgets that it has not made, such as those of a file chooser.
        nobody_else = str(self.root.tk.call("focus")) == str(self.root)
        if nobody_else and self.frame.winfo_ismapped() and not str(self.root.tk.call("grab", "current")):
            self.files.take_focus()

    def _key(self, command: Command, *, everywhere: bool = False) -> Callable[[tk.Event[tk.Misc]], str | None]:
        def pressed(event: tk.Event[tk.Misc]) -> str | None:
            if everywhere and self._belongs_elsewhere(event.widget, command):
                return None
            if command in self._enabled:
                self._react.run(command)
            return "break"

        return pressed

    def _belongs_elsewhere(self, widget: object, command: Command) -> bool:
        """Whether the key was pressed in a dialog, or in a field where it means something to the field."""
        if not isinstance(widget, tk.Misc):
            return True
        if widget.winfo_toplevel() is not self.root:
            return True
        return widget.winfo_class() in _ENTRY_CLASSES and command in (Command.UPLOAD_FILES, Command.DOWNLOAD)


# Tk's own commands: tkinter's wrappers of these two have no types.
def _has_pane(panes: ttk.Panedwindow, pane: tk.Misc) -> bool:
    return str(pane) in map(str, panes.tk.splitlist(panes.tk.call(str(panes), "panes")))


def _sash(panes: ttk.Panedwindow, index: int) -> int:
    return int(panes.tk.call(str(panes), "sashpos", index))


def _place_sash(panes: ttk.Panedwindow, index: int, position: int) -> None:
    panes.tk.call(str(panes), "sashpos", index, position)
