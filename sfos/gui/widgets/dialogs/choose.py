"""Choosing files and folders of this computer: the system's own dialog, and on X11 a themed one in its place.

Tk's fallback on X11 is drawn in 1990s colours that no style reaches; ttkbootstrap brings one of ttk widgets.
"""

from __future__ import annotations

import tkinter as tk
from pathlib import Path

from ttkbootstrap.dialogs import Querybox


def choose_files(parent: tk.Misc, title: str, start: Path) -> tuple[Path, ...]:
    """The files chosen, () for none. Waits for the person, while the window lives on."""
    names = Querybox.get_open_filenames(parent=parent, title=title, initialdir=str(start))
    return tuple(Path(name) for name in names or ())


def choose_folder(parent: tk.Misc, title: str, start: Path) -> Path | None:
    """The folder chosen, None for none. Waits for the person, while the window lives on."""
    name = Querybox.get_directory(parent=parent, title=title, initialdir=str(start))
    return Path(name) if name else None
