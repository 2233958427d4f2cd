"""Other programs of this computer: opening a file with its application, showing it in the file manager.

All block, a few seconds at the most: call them from a thread.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from sfos.protocol import printable

_SOON_S = 3.0  # who has not failed by then has opened it
_SECRETS = ("SFOS_PASSWORD",)

# Opened, these are run. What comes from a server is never run by a key press; scripts go to an editor, since copies
# that are opened bear no executable bit.
_PROGRAMS = frozenset(
    "app appimage bat cmd com command cpl desktop exe hta jar jnlp lnk msc msi msp pif ps1 reg run scr scf url vbe vbs "
    "workflow wsf wsh".split()
)
_PROGRAMS_OF_WINDOWS = frozenset("js jse py pyw pyz".split())


class NotOpened(Exception):
    """A file that no application has taken. Its text is for people."""


def is_program(name: str) -> bool:
    """Whether a file of this name would be run, and not shown, when it is opened."""
    extension = name.rpartition(".")[2].lower()
    return extension in _PROGRAMS or (sys.platform == "win32" and extension in _PROGRAMS_OF_WINDOWS)


def can_open() -> bool:
    """Whether this computer has a way to find a file's application."""
    return sys.platform in ("win32", "darwin") or _opener() is not None


def open_file(path: Path) -> None:
    """Open `path` with its application. Raises: NotOpened."""
    if not path.exists():
        raise NotOpened(f"“{printable(path.name)}” is no longer where it was.")
    if sys.platform == "win32":
        try:
            os.startfile(path)  # noqa: S606 - the system's own way
        except OSError as error:
            raise NotOpened(f"Windows does not open it: {error.strerror or error}.") from error
        return
    opener = ["open"] if sys.platform == "darwin" else _opener()
    if opener is None:
        raise NotOpened("This computer has no program that finds a file's application (xdg-open).")
    if not _runs([*opener, str(path)]):
        raise NotOpened(f"No application of this computer opens “{printable(path.name)}”.")


def show_in_folder(path: Path) -> None:
    """Show `path` in the file manager, selected if that can do so. Raises: NotOpened."""
    if not path.exists():
        raise NotOpened(f"“{printable(path.name)}” is no longer where it was.")
    if sys.platform == "win32":
        # The exit code says nothing: it is 1 also when the folder is shown.
        subprocess.Popen(["explorer", "/select,", str(path)])
    elif sys.platform == "darwin":
        _runs(["open", "-R", str(path)])
    elif not _shown_by_desktop(path):
        open_file(path if path.is_dir() else path.parent)


def _opener() -> list[str] | None:
    for command in (["xdg-open"], ["gio", "open"]):
        if shutil.which(command[0]) is not None:
            return command
    return None


def _shown_by_desktop(path: Path) -> bool:
    """Whether a file manager has answered to the desktops' common call."""
    if shutil.which("dbus-send") is None or "DBUS_SESSION_BUS_ADDRESS" not in os.environ:
        return False
    place = path.absolute().as_uri().replace(",", "%2C")  # which else divides the array
    return _runs(
        ["dbus-send", "--session", "--print-reply", "--reply-timeout=2500", "--type=method_call",
         "--dest=org.freedesktop.FileManager1", "/org/freedesktop/FileManager1",
         "org.freedesktop.FileManager1.ShowItems", f"array:string:{place}", "string:"]
    )  # fmt: skip


def _runs(command: list[str]) -> bool:
    """Whether `command` goes on, or ends well: it may be the application itself."""
    environment = {name: value for name, value in os.environ.items() if name not in _SECRETS}
    try:
        process = subprocess.Popen(
            command, env=environment, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    except OSError:
        return False
    try:
        return process.wait(_SOON_S) == 0
    except subprocess.TimeoutExpired:
        return True
