"""Orders of the person for files: each command with the question it asks first, if it asks one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from sfos.gui.choosing.choose import choose_where_last
from sfos.gui.files.browser import BrowserPresenter
from sfos.gui.files.operations import OperationsPresenter, deletion_text, name_problem, named
from sfos.gui.files.views import FilesViews
from sfos.gui.model import FolderPath, Notice, Selection
from sfos.gui.nodes import key_of
from sfos.gui.page import Desk
from sfos.gui.preview.viewer import Viewer
from sfos.gui.widgets.dialogs.ask import ask_name, confirm
from sfos.protocol import Entry, printable


class Orders:
    """Carries out commands on one session's presenters. All return at once."""

    def __init__(
        self,
        desk: Desk,
        views: FilesViews,
        *,
        browser: BrowserPresenter,
        operations: OperationsPresenter,
        viewer: Viewer,
        renew: Callable[[], None],
    ) -> None:
        self.views, self.browser, self.operations = views, browser, operations
        self._desk, self._viewer, self._renew = desk, viewer, renew
        self._root, self._theme = views.room.root, views.room.theme
        self.selection = Selection()

    def open_selected(self) -> None:
        """Open what is selected."""
        self.open_entry(self.selection.entries[0])

    def open_entry(self, entry: Entry) -> None:
        """Go into a folder, or look at a file."""
        if entry.kind == "folder":
            self.browser.go(self.browser.folder.into(entry))
        else:
            self._viewer.open_large(entry)

    def preview(self) -> None:
        """Look at the selected file in a window of its own."""
        self._viewer.open_large(self.selection.entries[0])

    def show_details(self) -> None:
        """Show the right pane, or where it is."""
        if self.views.room.aside_shown():
            self.views.details.flash()
        self.views.room.show_aside()
        self._viewer.show(self.selection)

    # --- up and down -----------------------------------------------------------------------------------------------

    def choose_files(self) -> None:
        """Ask for files, and upload them into the folder that was shown then."""
        folder = self.browser.folder
        choose_where_last(self._root, self._theme, self._desk, "files", lambda paths: self.upload(paths, folder))

    def choose_folder(self) -> None:
        """Ask for folders, and upload them."""
        folder = self.browser.folder
        choose_where_last(self._root, self._theme, self._desk, "folders", lambda paths: self.upload(paths, folder))

    def upload(self, paths: Sequence[Path], folder: FolderPath | None = None) -> None:
        """Upload into `folder`, or the one that is shown."""
        self._desk.upload(paths, folder or self.browser.folder)

    def download(self) -> None:
        """Download what is selected into the usual folder."""
        self.download_entries(self.selection.entries)

    def download_to(self) -> None:
        """Ask for a folder, and download what is selected into it."""
        entries = self.selection.entries
        choose_where_last(
            self._root, self._theme, self._desk, "destination", lambda paths: self.download_entries(entries, paths[0])
        )

    def download_entries(self, entries: Sequence[Entry], folder: Path | None = None) -> None:
        """Download into `folder`, or the usual one."""
        self._desk.download(entries, folder or self._desk.memory.download_dir)

    # --- names and deletion ----------------------------------------------------------------------------------------

    def _taken(self) -> list[str]:
        return [entry.name for entry in self.browser.listing.rows]

    def ask_new_folder(self) -> None:
        """Ask for a name, and make a folder of it where one is."""
        folder = self.browser.folder
        ask_name(
            self._root, self._theme, title="New folder", label="Name", value="New folder", verb="Make",
            check=lambda name: name_problem(name, self._taken()),
            on_done=lambda name: self.operations.make_folder(folder, name),
        )  # fmt: skip

    def ask_rename(self) -> None:
        """Ask for another name of what is selected."""
        entry = self.selection.entries[0]
        ask_name(
            self._root, self._theme, title="Rename", label="New name", value=entry.name, verb="Rename",
            check=lambda name: name_problem(name, self._taken(), entry.name),
            on_done=lambda name: self.operations.rename(entry, name), select_stem=entry.kind != "folder",
        )  # fmt: skip

    def ask_delete(self) -> None:
        """Ask whether to delete what is selected."""
        entries = self.selection.entries
        title = f"Delete {named(entries)}?" if len(entries) == 1 else f"Delete {len(entries):,} items?"
        if not self._desk.memory.now.ask_delete:
            self.operations.delete(entries)
            return
        confirm(
            self._root, self._theme, title=title, text=deletion_text(entries), verb="Delete", danger=True,
            on_yes=lambda: self.operations.delete(entries),
        )  # fmt: skip

    # --- cut, copy, paste ------------------------------------------------------------------------------------------

    def copy(self) -> None:
        """Copy what is selected with each paste."""
        self._take(self.operations.copy)

    def cut(self) -> None:
        """Move what is selected with the next paste."""
        self._take(self.operations.cut)

    def _take(self, verb: Callable[[Sequence[Entry]], None]) -> None:
        entries = self.selection.entries
        verb(entries)
        board = self.operations.clipboard
        cut = board is not None and board.verb == "move"
        self.views.list.show_cut(frozenset(key_of(entry) for entry in entries) if cut else frozenset())
        self._renew()

    def paste(self) -> None:
        """Move or copy what was taken into the folder that is shown."""
        self.operations.paste(self.browser.folder)
        self._renew()

    def copy_path(self) -> None:
        """Put the path of what is selected into the system's clipboard."""
        path = f"{self.browser.folder.path.rstrip('/')}/{self.selection.entries[0].name}"
        self._root.clipboard_clear()
        self._root.clipboard_append(path)
        self._desk.say(Notice(f"Copied: {printable(path)}"))
