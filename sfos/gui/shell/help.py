"""Help: a word on the program, and every key it knows, made from the commands."""

from __future__ import annotations

import sys
import tkinter as tk
from collections.abc import Sequence
from tkinter import ttk

from sfos import FULL_NAME, PRODUCT
from sfos.gui.commands import AnyCommand, readable
from sfos.gui.look import styles
from sfos.gui.look.theme import Theme
from sfos.gui.widgets.dialogs.base import Dialog

_MORE = (
    ("Files", "Find a name", "type its beginning"),
    ("Files", "Extend the selection", "Shift+↑ ↓ Home End"),
    ("Files", "Add one row to the selection", "Ctrl+Space"),
    ("Transfers", "Choose a row", "↑ ↓"),
    ("Transfers", "Pause, go on, or try again", "Space"),
    ("Transfers", "Cancel or clear a row", "Del"),
    ("Transfers", "Let one go sooner or later", "Ctrl+↑ ↓ Home"),
)


def show_help(
    parent: tk.Misc, theme: Theme, commands: Sequence[AnyCommand], *, version: str, fingerprint: str
) -> Dialog:
    """Show the help with all `commands`; `fingerprint` is that of the server's key, "" while not connected."""
    dialog = Dialog(parent, theme, "Help", width=640)
    px = theme.px
    dialog.add_label(f"{PRODUCT} {version}", styles.HEADING, below=4)
    text = f"{FULL_NAME}.\nFiles travel under TLS 1.3 to a server whose key is pinned, and lie there encrypted."
    if fingerprint:
        text += f"\nThe server's key: {fingerprint}"
    dialog.add_label(text, styles.MUTED, below=12)
    table = ttk.Frame(dialog.body, style=styles.SURFACE)
    table.pack(fill="both", expand=True)
    groups: dict[str, list[tuple[str, str]]] = {}
    mac = sys.platform == "darwin"
    for spec in commands:
        if spec.keys:
            keys = "  ".join(readable(each, mac=mac) for each in (*spec.keys, *spec.list_keys))
            groups.setdefault(spec.group, []).append((spec.label.rstrip("…"), keys))
    for group, label, keys in _MORE:
        groups.setdefault(group, []).append((label, keys))
    for column, names in enumerate((("Files", "Administration"), ("Go", "Window", "Transfers"))):
        side = ttk.Frame(table, style=styles.SURFACE)
        side.grid(row=0, column=column, sticky="n", padx=(0, px(36)) if column == 0 else 0)
        row = 0
        for group in (name for name in names if name in groups):
            ttk.Label(side, text=group, style=styles.BOLD).grid(row=row, column=0, sticky="w", pady=(px(6), px(4)))
            row += 1
            for label, keys in groups.get(group, []):
                ttk.Label(side, text=label, style=styles.TEXT).grid(row=row, column=0, sticky="w", pady=px(2))
                key = ttk.Label(side, text=keys, style=styles.MUTED)
                key.grid(row=row, column=1, sticky="w", padx=(px(18), 0), pady=px(2))
                row += 1
    close = dialog.add_button("Close", dialog.cancel, default=True)
    dialog.open_over(close)
    return dialog
