"""Asking for files and folders of this computer: by the system's own dialog on Windows and macOS, elsewhere by ours.

Tk's fallback on X11 is drawn in 1990s colours that no style reaches, and takes one folder at a time.
"""

from __future__ import annotations

import sys
import tkinter as tk
from collections.abc import Callable
from pathlib import Path
from tkinter import filedialog

from sfos.gui.choosing.dialog import TITLES, ChooserDialog
from sfos.gui.choosing.presenter import DOWNLOAD, ChooserPresenter, DestinationWords
from sfos.gui.choosing.resolving import Mode
from sfos.gui.look.theme import Theme
from sfos.gui.model import Direction
from sfos.gui.page import Desk
from sfos.gui.threads.bridge import TaskBridge

_SYSTEM_HAS_ITS_OWN = sys.platform in ("win32", "darwin")


def choose_where_last(
    parent: tk.Misc, theme: Theme, desk: Desk, mode: Mode, on_chosen: Callable[[tuple[Path, ...]], None]
) -> None:
    """Ask for what is to be uploaded or where a download is to go, beginning where the person was last; `on_chosen`
    gets at least one path, or is never called.
    """
    direction: Direction = "down" if mode == "destination" else "up"
    memory = desk.memory

    def chosen(paths: tuple[Path, ...]) -> None:
        # Of what goes up, the folder above is where one begins the next time.
        memory.keep_folder(direction, paths[0] if direction == "down" else paths[0].parent)
        on_chosen(paths)

    choose(parent, theme, desk.bridge, mode, memory.last_folder(direction) or Path.home(), chosen)


def choose(
    parent: tk.Misc,
    theme: Theme,
    bridge: TaskBridge,
    mode: Mode,
    start: Path,
    on_chosen: Callable[[tuple[Path, ...]], None],
    *,
    title: str | None = None,
    words: DestinationWords = DOWNLOAD,
) -> None:
    """Ask for files or folders, beginning at `start`. `title`, `words`: other ones than those of a transfer."""
    if _SYSTEM_HAS_ITS_OWN:
        paths = _by_the_system(parent, mode, start, title or TITLES[mode].rstrip("…"))
        if paths:
            on_chosen(paths)
        return

    def taken(paths: tuple[Path, ...]) -> None:
        dialog.close()
        on_chosen(paths)

    presenter = ChooserPresenter(bridge, mode, start, home=Path.home(), on_chosen=taken)
    dialog = ChooserDialog(parent, theme, presenter, title=title, words=words)
    dialog.open()


def _by_the_system(parent: tk.Misc, mode: Mode, start: Path, title: str) -> tuple[Path, ...]:
    """Waits for the person, while the window lives on."""
    if mode == "files":
        names = filedialog.askopenfilenames(parent=parent, title=title, initialdir=str(start))
        return tuple(map(Path, names or ()))
    name = filedialog.askdirectory(parent=parent, title=title, initialdir=str(start), mustexist=mode == "folders")
    return (Path(name),) if name else ()
