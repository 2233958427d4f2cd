"""Commands of the files: where to go, and what to do with what is selected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from sfos.gui.commands import Command
from sfos.gui.model import Listing, Selection

if TYPE_CHECKING:  # loads the client, which the first picture of the window need not wait for
    from sfos.gui.files.orders import Orders


@dataclass(frozen=True, slots=True)
class FilesState:
    """State that decides which commands for files can be given."""

    listing: Listing
    selection: Selection
    can_paste: bool
    can_undo: bool = False


FileCommand: TypeAlias = Command[FilesState, "Orders"]


def _always(_state: FilesState) -> bool:
    return True


def _some(state: FilesState) -> bool:
    return bool(state.selection.entries)


def _one(state: FilesState) -> bool:
    return len(state.selection.entries) == 1


def _one_file(state: FilesState) -> bool:
    return _one(state) and state.selection.entries[0].kind != "folder"


def _below_root(state: FilesState) -> bool:
    return state.listing.folder.parent() is not None


UP = FileCommand(
    "up", "Up to the parent folder", _below_root, lambda do: do.browser.go_up(),
    ("Alt+Up",), "arrow-up", group="Go", at={"go": 3},
)  # fmt: skip
REFRESH = FileCommand(
    "refresh", "Refresh", _always, lambda do: do.browser.refresh(),
    ("F5", "Ctrl+R"), "arrow-clockwise", group="Go", at={"go": 4, "folder": 31},
)  # fmt: skip
EDIT_PATH = FileCommand(
    "edit_path", "Type a path", _always, lambda do: do.views.bar.breadcrumb.edit(),
    ("Ctrl+L",), "input-cursor-text", group="Go",
)  # fmt: skip
SEARCH = FileCommand(
    "search", "Search this folder", _always, lambda do: do.views.bar.take_search(),
    ("Ctrl+F",), "search", group="Go",
)  # fmt: skip
OPEN = FileCommand(
    "open", "Open", _one, lambda do: do.open_selected(),
    ("Return",), "folder2-open", "list", "Files", at={"selection": 11, "branch": 11},
)  # fmt: skip
PREVIEW = FileCommand(
    "preview", "Preview", _one_file, lambda do: do.preview(),
    ("space",), "eye", "list", "Files", at={"selection": 12},
)  # fmt: skip
UPLOAD_FILES = FileCommand(
    "upload_files", "Upload files…", _always, lambda do: do.choose_files(),
    ("Ctrl+U",), "upload", group="Files", field_first=True, at={"upload": 1, "folder": 11, "branch": 21},
)  # fmt: skip
UPLOAD_FOLDER = FileCommand(
    "upload_folder", "Upload folders…", _always, lambda do: do.choose_folder(),
    ("Ctrl+Shift+U",), "folder-plus", group="Files", at={"upload": 2, "folder": 12, "branch": 22},
)  # fmt: skip
DOWNLOAD = FileCommand(
    "download", "Download", _some, lambda do: do.download(),
    ("Ctrl+D",), "download", group="Files", field_first=True, at={"tools": 2, "selection": 21, "branch": 31},
)  # fmt: skip
DOWNLOAD_TO = FileCommand(
    "download_to", "Download to…", _some, lambda do: do.download_to(),
    ("Ctrl+Shift+D",), "folder-symlink", group="Files", at={"selection": 22, "branch": 32},
)  # fmt: skip
NEW_FOLDER = FileCommand(
    "new_folder", "New folder…", _always, lambda do: do.ask_new_folder(),
    ("Ctrl+Shift+N",), "folder-plus", group="Files", at={"tools": 1, "folder": 13, "branch": 23},
)  # fmt: skip
RENAME = FileCommand(
    "rename", "Rename", _one, lambda do: do.rename(),
    ("F2",), "pencil", "list", "Files", at={"selection": 41, "branch": 51},
)  # fmt: skip
DELETE = FileCommand(
    "delete", "Delete…", _some, lambda do: do.ask_delete(),
    ("Delete", "Shift+Delete"), "trash", "list", "Files", at={"tools": 3, "selection": 42, "branch": 52},
)  # fmt: skip
COPY = FileCommand(
    "copy", "Copy", _some, lambda do: do.copy(),
    ("Ctrl+C",), "copy", "list", "Files", at={"selection": 32, "branch": 42},
)  # fmt: skip
CUT = FileCommand(
    "cut", "Cut", _some, lambda do: do.cut(),
    ("Ctrl+X",), "scissors", "list", "Files", at={"selection": 31, "branch": 41},
)  # fmt: skip
PASTE = FileCommand(
    "paste", "Paste", lambda state: state.can_paste, lambda do: do.paste(),
    ("Ctrl+V",), "clipboard", "list", "Files", at={"folder": 21, "branch": 43},
)  # fmt: skip
UNDO = FileCommand(
    "undo", "Undo the last move or new name", lambda state: state.can_undo, lambda do: do.undo(),
    ("Ctrl+Z",), "arrow-counterclockwise", "list", "Files", at={"folder": 23},
)  # fmt: skip
COPY_PATH = FileCommand(
    "copy_path", "Copy the path", _one, lambda do: do.copy_path(),
    ("Ctrl+Shift+C",), "link-45deg", "list", "Files", at={"selection": 33, "branch": 44},
)  # fmt: skip
SELECT_ALL = FileCommand(
    "select_all", "Select all", _always, lambda do: do.views.list.choice.select_all(),
    ("Ctrl+A",), "check2-square", "list", "Files", at={"folder": 22},
)  # fmt: skip
DETAILS = FileCommand(
    "details", "Details", _always, lambda do: do.show_details(),
    ("Alt+Return",), "info-circle", "list", "Files", at={"selection": 51},
)  # fmt: skip

COMMANDS: tuple[FileCommand, ...] = (
    UP, REFRESH, EDIT_PATH, SEARCH, OPEN, PREVIEW, UPLOAD_FILES, UPLOAD_FOLDER, DOWNLOAD, DOWNLOAD_TO, NEW_FOLDER,
    RENAME, DELETE, COPY, CUT, PASTE, UNDO, COPY_PATH, SELECT_ALL, DETAILS,
)  # fmt: skip
