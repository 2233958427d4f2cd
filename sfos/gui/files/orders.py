"""Orders of the person for files: each command with the question it asks first, if it asks one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from sfos.gui.choosing.choose import choose_where_last
from sfos.gui.files.browser import BrowserPresenter
from sfos.gui.files.opened import OpenedFiles
from sfos.gui.files.operations import OperationsPresenter, deletion_text, name_problem, named
from sfos.gui.files.views import FilesViews
from sfos.gui.model import FolderPath, Notice, Selection
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
        opened: OpenedFiles,
        renew: Callable[[], None],
    ) -> None:
        self.views, self.browser, self.operations = views, browser, operations
        self._desk, self._viewer, self._opened, self._renew = desk, viewer, opened, renew
        self._root, self._theme = views.room.root, views.room.theme
        self.selection = Selection()

    @property
    def place(self) -> FolderPath:
        """The folder into which things are put: the one that is shown."""
        return self.browser.folder

    def _path_of_selected(self) -> str:
        return f"{self.place.path.rstrip('/')}/{self.selection.entries[0].name}"

    def open_selected(self) -> None:
        """Open what is selected."""
        self.open_entry(self.selection.entries[0])

    def open_entry(self, entry: Entry) -> None:
        """Go into a folder, open a file with its application, or look where a link points."""
        if entry.kind == "folder":
            self.browser.go(self.browser.folder.into(entry))
        elif entry.kind == "file":
            self._opened.open(entry, self.browser.folder)
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
        self._desk.upload(paths, folder or self.place)

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

    def _is_taken(self, name: str) -> bool:
        """Whether something there is known to be called so."""
        return self.browser.has_name(name)

    def ask_new_folder(self) -> None:
        """Ask for a name, and make a folder of it where one is."""
        folder = self.place
        ask_name(
            self._root, self._theme, title="New folder", label="Name", value="New folder", verb="Make",
            check=lambda name: name_problem(name, self._is_taken),
            on_done=lambda name: self.operations.make_folder(folder, name),
        )  # fmt: skip

    def rename(self) -> None:
        """Let the name of what is selected be changed in its row."""
        entry = self.selection.entries[0]
        self.views.list.edit_name(
            entry, lambda name: name_problem(name, self._is_taken, entry.name),
            lambda name: self.operations.rename(entry, name),
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
        verb(self.selection.entries)
        self.views.list.show_cut(self.operations.cut_nodes)
        self._renew()

    def paste(self) -> None:
        """Move or copy what was taken into the folder that is shown."""
        self.operations.paste(self.place)
        self._renew()

    def put_into(self, entries: Sequence[Entry], folder: FolderPath, *, copy: bool) -> None:
        """Move, or copy, what was dragged into `folder`."""
        self.operations.put_into("copy" if copy else "move", entries, folder)

    def undo(self) -> None:
        """Put back what was moved or renamed last."""
        if self.operations.undo is not None:
            self.operations.undo()

    def copy_path(self) -> None:
        """Put the path of what is selected into the system's clipboard."""
        path = self._path_of_selected()
        self._root.clipboard_clear()
        self._root.clipboard_append(path)
        self._desk.say(Notice(f"Copied: {printable(path)}"))
