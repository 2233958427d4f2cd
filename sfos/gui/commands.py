"""Everything a person can tell the window to do: one table, from which keys, menus, tool tips and the help are made."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal


class Command(Enum):
    """One thing to do; `COMMANDS` says how it is called and reached."""

    BACK = "back"
    FORWARD = "forward"
    UP = "up"
    REFRESH = "refresh"
    EDIT_PATH = "edit_path"
    SEARCH = "search"
    OPEN = "open"
    PREVIEW = "preview"
    UPLOAD_FILES = "upload_files"
    UPLOAD_FOLDER = "upload_folder"
    DOWNLOAD = "download"
    DOWNLOAD_TO = "download_to"
    NEW_FOLDER = "new_folder"
    RENAME = "rename"
    DELETE = "delete"
    COPY = "copy"
    CUT = "cut"
    PASTE = "paste"
    COPY_PATH = "copy_path"
    SELECT_ALL = "select_all"
    DETAILS = "details"
    TRANSFERS = "transfers"
    DETAILS_PANE = "details_pane"
    NEXT_PANE = "next_pane"
    MENU = "menu"
    THEME = "theme"
    CONTRAST = "contrast"
    TEXT_LARGER = "text_larger"
    TEXT_SMALLER = "text_smaller"
    TEXT_NORMAL = "text_normal"
    SESSIONS = "sessions"
    CHANGE_PASSWORD = "change_password"  # noqa: S105 - the name of a command
    SIGN_OUT = "sign_out"
    HELP = "help"
    QUIT = "quit"


Scope = Literal["window", "list", "none"]


@dataclass(frozen=True, slots=True)
class Spec:
    """How a command is called and reached.

    `keys` as people write them, the first one shown. `scope`: where they act: "list" keys act while the file list has
    the focus, so that Delete or Ctrl+A in a field stays the field's own (nemo#3209). `list_keys` act only there anyway.
    """

    label: str
    keys: tuple[str, ...] = ()
    icon: str | None = None
    scope: Scope = "window"
    group: str = ""
    list_keys: tuple[str, ...] = ()


COMMANDS: dict[Command, Spec] = {
    Command.BACK: Spec("Back", ("Alt+Left",), "arrow-left", "window", "Go", ("Backspace",)),
    Command.FORWARD: Spec("Forward", ("Alt+Right",), "arrow-right", "window", "Go"),
    Command.UP: Spec("Up to the parent folder", ("Alt+Up",), "arrow-up", "window", "Go"),
    Command.REFRESH: Spec("Refresh", ("F5", "Ctrl+R"), "arrow-clockwise", "window", "Go"),
    Command.EDIT_PATH: Spec("Type a path", ("Ctrl+L",), "input-cursor-text", "window", "Go"),
    Command.SEARCH: Spec("Search this folder", ("Ctrl+F",), "search", "window", "Go"),
    Command.OPEN: Spec("Open", ("Return",), "folder2-open", "list", "Files"),
    Command.PREVIEW: Spec("Preview", ("space",), "eye", "list", "Files"),
    Command.UPLOAD_FILES: Spec("Upload files…", ("Ctrl+U",), "upload", "window", "Files"),
    Command.UPLOAD_FOLDER: Spec("Upload a folder…", ("Ctrl+Shift+U",), "folder-plus", "window", "Files"),
    Command.DOWNLOAD: Spec("Download", ("Ctrl+D",), "download", "window", "Files"),
    Command.DOWNLOAD_TO: Spec("Download to…", ("Ctrl+Shift+D",), "folder-symlink", "window", "Files"),
    Command.NEW_FOLDER: Spec("New folder…", ("Ctrl+Shift+N",), "folder-plus", "window", "Files"),
    Command.RENAME: Spec("Rename…", ("F2",), "pencil", "list", "Files"),
    Command.DELETE: Spec("Delete…", ("Delete", "Shift+Delete"), "trash", "list", "Files"),
    Command.COPY: Spec("Copy", ("Ctrl+C",), "copy", "list", "Files"),
    Command.CUT: Spec("Cut", ("Ctrl+X",), "scissors", "list", "Files"),
    Command.PASTE: Spec("Paste", ("Ctrl+V",), "clipboard", "list", "Files"),
    Command.COPY_PATH: Spec("Copy the path", ("Ctrl+Shift+C",), "link-45deg", "list", "Files"),
    Command.SELECT_ALL: Spec("Select all", ("Ctrl+A",), "check2-square", "list", "Files"),
    Command.DETAILS: Spec("Details", ("Alt+Return",), "info-circle", "list", "Files"),
    Command.TRANSFERS: Spec("Show or hide transfers", ("Ctrl+J",), "arrow-down-up", "window", "Window"),
    Command.DETAILS_PANE: Spec("Show or hide the preview", ("F8",), "layout-sidebar-reverse", "window", "Window"),
    Command.NEXT_PANE: Spec("Go to the next pane", ("F6",), "window-split", "window", "Window"),
    Command.MENU: Spec("Menu of the selection", ("Shift+F10",), "three-dots", "list", "Window"),
    Command.THEME: Spec("Switch between light and dark", (), "circle-half", "none", "Window"),
    Command.CONTRAST: Spec("Switch strong contrast on or off", (), "brightness-high", "none", "Window"),
    Command.TEXT_LARGER: Spec("Larger text", ("Ctrl+plus", "Ctrl+equal"), "zoom-in", "window", "Window"),
    Command.TEXT_SMALLER: Spec("Smaller text", ("Ctrl+minus",), "zoom-out", "window", "Window"),
    Command.TEXT_NORMAL: Spec("Text of the usual size", ("Ctrl+0",), "fonts", "window", "Window"),
    Command.SESSIONS: Spec("Where you are signed in…", (), "display", "none", "Window"),
    Command.CHANGE_PASSWORD: Spec("Change the password…", (), "key", "none", "Window"),
    Command.SIGN_OUT: Spec("Sign out", (), "box-arrow-right", "none", "Window"),
    Command.HELP: Spec("Keys and help", ("F1",), "question-circle", "window", "Window"),
    Command.QUIT: Spec("Close the window", ("Ctrl+Q",), "x-lg", "window", "Window"),
}
# What changes the look of the window, whoever is signed in.
LOOK_COMMANDS = (
    Command.THEME,
    Command.CONTRAST,
    Command.TEXT_LARGER,
    Command.TEXT_SMALLER,
    Command.TEXT_NORMAL,
)

_SHOWN = {
    "Left": "←",
    "Right": "→",
    "Up": "↑",
    "Return": "Enter",
    "space": "Space",
    "Delete": "Del",
    "plus": "+",
    "equal": "=",
    "minus": "−",
}
_MODIFIERS = {"Ctrl": "Control", "Alt": "Alt", "Shift": "Shift"}
_MAC_MODIFIERS = {"Ctrl": "Command", "Alt": "Option", "Shift": "Shift"}
_NAMED = {"Backspace": "BackSpace"}


def shown_keys(command: Command, *, mac: bool = False) -> str:
    """The first keys of a command as a person reads them (`Ctrl+U`), "" if it has none."""
    keys = COMMANDS[command].keys
    return readable(keys[0], mac=mac) if keys else ""


def readable(keys: str, *, mac: bool = False) -> str:
    """`Alt+Left` as `Alt+←`; on a Mac `⌥←`."""
    parts = keys.split("+")
    last = _SHOWN.get(parts[-1], parts[-1])
    if mac:
        return "".join({"Ctrl": "⌘", "Alt": "⌥", "Shift": "⇧"}[part] for part in parts[:-1]) + last
    return "+".join([*parts[:-1], last])


def sequence(keys: str, *, mac: bool = False) -> str:
    """The Tk event sequence of `keys`: `Ctrl+Shift+N` is `<Control-Shift-KeyPress-N>`."""
    *modifiers, key = keys.split("+")
    names = _MAC_MODIFIERS if mac else _MODIFIERS
    key = _NAMED.get(key, key)
    if len(key) == 1:
        # With Shift held, X reports the capital letter.
        key = key.upper() if "Shift" in modifiers else key.lower()
    return "<" + "".join(f"{names[m]}-" for m in modifiers) + f"KeyPress-{key}>"
