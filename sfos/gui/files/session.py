"""The files of one signed-in session: presenters, wired to the views."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from pathlib import Path

from sfos.gui.commands import rows_of
from sfos.gui.files.branch_orders import BranchOrders
from sfos.gui.files.browser import BrowserPresenter
from sfos.gui.files.commands import COMMANDS, OPEN, FilesState
from sfos.gui.files.folders import FoldersPresenter
from sfos.gui.files.opened import OpenedFiles
from sfos.gui.files.operations import OperationsPresenter
from sfos.gui.files.orders import Orders
from sfos.gui.files.views import FilesViews
from sfos.gui.model import FolderPath, Listing, Notice, Selection
from sfos.gui.nodes import NodeKey, key_of
from sfos.gui.page import Desk
from sfos.gui.preview.viewer import Areas, Viewer
from sfos.gui.rows import Rows
from sfos.gui.widgets.menus import command_menu, popup
from sfos.protocol import Change, Entry


class FilesSession:
    """Lives from signing in to signing out; after `close` nothing of it touches the views any more."""

    def __init__(self, desk: Desk, views: FilesViews, *, on_gone_to: Callable[[], None]) -> None:
        """`on_gone_to`: called when the person went to a folder, from wherever."""
        self._desk, self._views, self._on_gone_to = desk, views, on_gone_to
        self._closed = False
        self._shown_node = FolderPath().key
        self._learned: tuple[NodeKey, array[int]] | None = None  # the folder that the left pane learned of last
        bridge, api, room = desk.bridge, desk.session.api, views.room
        self.browser = BrowserPresenter(
            bridge, api, on_listing=self._listed, on_reveal=self._reveal, on_notice=self._say
        )
        self.folders = FoldersPresenter(bridge, api, self._show_folders)
        self.operations = OperationsPresenter(bridge, api, on_notice=self._say, on_done=self._changed_by_us)
        desk.session.on_working = self.operations.note_working
        self.viewer = Viewer(
            Areas(views.details, room.aside_shown, room.root, room.theme),
            bridge, api, desk.settings.preview_max_bytes,
            listing=lambda: self.browser.listing,
            on_download=lambda entry: self.orders.download_entries((entry,)),
            on_step=lambda entry: views.list.select((key_of(entry),)),
            on_closed=views.list.take_focus,
        )  # fmt: skip
        self.opened = OpenedFiles(desk, on_notice=self._say, preview=self.viewer.open_large)
        self.orders = Orders(
            desk, views, browser=self.browser, operations=self.operations, viewer=self.viewer, opened=self.opened,
            renew=room.renew,
        )  # fmt: skip

    def start(self) -> None:
        """Show the root folder."""
        self._views.tree.clear()
        self.browser.go(FolderPath())

    def close(self) -> None:
        """End it."""
        self._closed = True
        self._desk.session.on_working = None
        self.opened.close()
        self.viewer.close()

    @property
    def unsaved(self) -> str:
        """Sentence about copies that were edited and are not on the server; "" for none."""
        copies = self.opened.unsaved
        if not copies:
            return ""
        if len(copies) == 1:
            return (
                f"“{copies[0].name}” was edited and is not uploaded; the edited copy stays in {copies[0].path.parent}."
            )
        folder = copies[0].path.parent.parent
        return f"{len(copies):,} files were edited and are not uploaded; the edited copies stay in {folder}."

    @property
    def state(self) -> FilesState:
        """State that decides which commands for files can be given."""
        operations = self.operations
        return FilesState(
            self.browser.listing, self.orders.selection, operations.clipboard is not None, operations.undo is not None
        )

    # --- what the presenters say -----------------------------------------------------------------------------------

    def _say(
        self, notice: Notice, *, act: Callable[[], object] | None = None, other: Callable[[], object] | None = None
    ) -> None:
        if not self._closed:
            self._desk.say(notice, act=act, other=other)

    def _listed(self, listing: Listing) -> None:
        if self._closed:
            return
        if listing.folder.key != self._shown_node:
            # What was selected is elsewhere, also where the new folder cannot be shown.
            self._shown_node = listing.folder.key
            self.orders.selection = Selection()
        self._views.show_listing(listing)
        if listing.phase == "ready" and not listing.filter:
            self._learn(listing.folder.key, self.browser.folders_here)
            for crumb in listing.folder.crumbs[:-1]:
                self.folders.expand(crumb.key)
        self._renew_selection(listing)
        self._views.room.renew()
        self.viewer.show(self.orders.selection)
        self.viewer.renew(listing)

    def _learn(self, folder: NodeKey, folders: Rows) -> None:
        # Changed files leave the folders as they are, of which entries are made here.
        learned, self._learned = self._learned, (folder, folders.order)
        if learned is None or learned[0] != folder or learned[1] is not folders.order:
            self.folders.learn(folder, folders)

    def _renew_selection(self, listing: Listing) -> None:
        """Take what is selected as it now is: it may be called differently."""
        old = self.orders.selection
        if not old.entries:
            return
        if isinstance(old.entries, Rows):
            if listing.rows.table is not old.entries.table:
                self.orders.selection = Selection(self._views.list.selected(), old.focus)
            return
        keys = {key_of(entry) for entry in (*old.entries, *((old.focus,) if old.focus else ()))}
        now = {key: listing.rows[at] for key, at in listing.rows.positions(keys).items()}
        entries = tuple(now.get(key_of(entry), entry) for entry in old.entries)
        focus = now.get(key_of(old.focus), old.focus) if old.focus is not None else None
        if entries != old.entries:
            self.orders.selection = Selection(entries, focus)

    def _reveal(self, nodes: Sequence[NodeKey]) -> None:
        self._views.list.select(nodes)

    def _show_folders(self, parent: NodeKey, folders: Sequence[Entry]) -> None:
        if not self._closed:
            self._views.tree.set_folders(parent, folders)

    def _changed_by_us(self, nodes: Sequence[NodeKey]) -> None:
        if self._closed:
            return
        self._views.list.show_cut(self.operations.cut_nodes)
        self._views.room.renew()
        if not self._desk.online():
            self.browser.refresh()  # nobody tells us of our own change
        self.browser.reveal(nodes)

    # --- what the server says --------------------------------------------------------------------------------------

    def changed(self, changes: Sequence[Change]) -> None:
        """Take in what was changed."""
        self.browser.apply(changes)
        self.folders.apply(changes)

    def missed(self) -> None:
        """Read anew."""
        self.browser.reread_all()
        self.folders.reread()

    def back_online(self) -> None:
        """Try again what could not be shown."""
        if self.browser.listing.phase == "failed":
            self.browser.refresh()

    # --- what the person does --------------------------------------------------------------------------------------

    def go(self, folder: FolderPath) -> None:
        """Show `folder`."""
        self._on_gone_to()
        self.browser.go(folder)

    def select(self, entries: Sequence[Entry], focus: Entry | None) -> None:
        """Take these as selected."""
        self.orders.selection = Selection(entries, focus)
        self.browser.chosen(entries)
        self._views.room.renew()
        self.viewer.show(self.orders.selection)

    def open_branch_menu(self, folder: FolderPath, x: int, y: int) -> None:
        """Open the menu of a folder in the left pane there on the screen."""
        room, tree = self._views.room, self._views.tree
        orders = BranchOrders(self.orders, folder, self.folders.entry_of(folder.key), self.go)
        state = FilesState(Listing(folder=folder), orders.selection, self.operations.clipboard is not None)
        rows = rows_of(COMMANDS, "branch")
        possible = [each for each in rows if each is not None and (each is OPEN or each.when(state))]
        menu = command_menu(room.root, room.theme, rows, possible, lambda command: command.do(orders), keys=False)
        tree.mark_drop_target(folder)  # so that one sees what the menu is about
        menu.bind("<Unmap>", lambda _event: tree.mark_drop_target(None), add="+")
        popup(menu, x, y)

    def drop(self, paths: tuple[Path, ...], y: int) -> None:
        """Upload what was dropped at this height of the screen: into the folder there, or the one that is shown."""
        target = self._views.list.folder_at(y)
        here = self.browser.folder
        self.orders.upload(paths, here.into(target) if target is not None else here)
