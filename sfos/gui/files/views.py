"""The views of the files, and what they report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tkinter import ttk

from sfos.gui.files.bar import BarKeys, FilesBar
from sfos.gui.files.dragging import RowDrag
from sfos.gui.files.drop import DropTarget
from sfos.gui.files.file_list import FileList
from sfos.gui.files.folder_tree import FolderTree
from sfos.gui.files.placeholder import Placeholder
from sfos.gui.look import styles
from sfos.gui.model import FolderPath, Listing, SortColumn
from sfos.gui.nodes import NodeKey
from sfos.gui.page import Room
from sfos.gui.preview.details import DetailsPane
from sfos.protocol import Entry


@dataclass(frozen=True, slots=True)
class Reactions:
    """Calls of the views when the person does something. All run in Tk's thread and return at once."""

    go: Callable[[FolderPath], None]
    go_path: Callable[[str], None]
    filter: Callable[[str], None]
    open: Callable[[Entry], None]
    select: Callable[[Sequence[Entry], Entry | None], None]
    sort: Callable[[SortColumn], None]
    expand: Callable[[NodeKey], None]
    retry: Callable[[], None]
    upload: Callable[[], None]
    turn_page: Callable[[int], None]
    context_menu: Callable[[int, int], None]
    drop_over: Callable[[int], None]
    drop: Callable[[tuple[Path, ...], int], None]
    put_into: Callable[[Sequence[Entry], FolderPath, bool], None]  # dragged there; True: to be copied
    branch_menu: Callable[[FolderPath, int, int], None]


class FilesViews:
    """The list with its placeholder in the middle, bar, tree and details around it."""

    def __init__(self, room: Room, react: Reactions, keys: BarKeys) -> None:
        self.room = room
        self._react = react
        self._listing = Listing()
        self.in_window = True
        self._drop_row: Entry | None = None  # that something is held over
        theme = room.theme
        self.bar = FilesBar(
            room.bar, theme, on_go=react.go, on_path=react.go_path, on_filter=react.filter,
            on_upload_menu=lambda x, y: room.menu("upload", x, y),
            keys=keys,
        )  # fmt: skip
        self.tree = FolderTree(room.side, theme, on_go=react.go, on_expand=react.expand, on_menu=react.branch_menu)
        self.centre = ttk.Frame(room.centre, style=styles.SURFACE)
        self.centre.rowconfigure(0, weight=1)
        self.centre.columnconfigure(0, weight=1)
        self.list = FileList(
            self.centre, theme, on_open=react.open, on_select=react.select, on_sort=react.sort,
            on_menu=react.context_menu,
        )  # fmt: skip
        self.list.grid(row=0, column=0, sticky="nsew")
        self.placeholder = Placeholder(
            self.centre, theme,
            on_retry=react.retry,
            on_upload=react.upload,
            on_clear_filter=lambda: react.filter(""),
        )  # fmt: skip
        self.details = DetailsPane(room.aside, theme, on_page=react.turn_page)
        self.drag = RowDrag(self.list, (self, self.tree, self.bar.breadcrumb), theme, react.put_into)
        room.root.after_idle(self._take_drops)

    def _take_drops(self) -> None:
        # The first picture of the window need not wait for it.
        self._drops = DropTarget(
            self.list,
            on_over=lambda _x, y: self._react.drop_over(y),
            on_leave=self.end_drop,
            on_drop=lambda paths, _x, y: self._react.drop(paths, y),
        )

    def show_listing(self, listing: Listing) -> None:
        """Show a folder, or why it cannot be shown."""
        same_place = listing.folder.key == self._listing.folder.key
        self._listing = listing
        if listing.phase in ("ready", "loading"):
            self.list.show(listing.rows, listing.sort, same_place=same_place)
        if self.placeholder.show(listing):
            self.placeholder.grid(row=0, column=0, sticky="nsew")
            self.placeholder.lift()
        else:
            self.placeholder.grid_remove()
        if self.in_window:
            self.tree.show_folder(listing.folder)
        self.bar.show(listing)

    # --- rows dragged onto a folder of the list: see `files.dragging.Target` ---------------------------------------

    def drop_target_at(self, x: int, y: int) -> FolderPath | None:
        self._drop_row = self.list.folder_at(y) if self.list.contains(x, y) else None
        return self._listing.folder.into(self._drop_row) if self._drop_row is not None else None

    def mark_drop_target(self, folder: FolderPath | None) -> None:
        self.list.mark_drop(self._drop_row if folder is not None else None)

    def hover(self, x: int, y: int, edge: int) -> None:
        self.list.scroll_at(x, y, edge)

    # --- files of other programs -----------------------------------------------------------------------------------

    def announce_drop(self, y: int, folder: FolderPath) -> None:
        """Show where a drop at this height of the screen would go, while `folder` is shown."""
        target = self.list.folder_at(y)
        name = target.name if target is not None else folder.crumbs[-1].name or "My files"
        self.placeholder.announce_drop(f"Release to upload to “{name}”")
        self.list.mark_drop(target)

    def end_drop(self) -> None:
        """Show that nothing is held over the list any more."""
        self.placeholder.announce_drop("")
        self.list.mark_drop(None)
