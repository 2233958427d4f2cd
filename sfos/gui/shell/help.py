"""Help: a word on the program, and every key it knows, made from the commands."""

from __future__ import annotations

import sys
import tkinter as tk
from collections.abc import Callable, Sequence
from tkinter import ttk
from typing import Literal

from sfos import FULL_NAME, PRODUCT
from sfos.gui.commands import AnyCommand, readable
from sfos.gui.look import styles
from sfos.gui.look.theme import Theme
from sfos.gui.widgets.dialogs.base import Dialog
from sfos.gui.widgets.scroll import AutoScrollbar

_MORE = (
    ("Files", "Find a name", "type its beginning"),
    ("Files", "Extend the selection", "Shift+↑ ↓ Home End"),
    ("Files", "Add one row to the selection", "Ctrl+Space"),
    ("Transfers", "Choose a row", "↑ ↓"),
    ("Transfers", "Pause, go on, or try again", "Space"),
    ("Transfers", "Cancel or clear a row", "Del"),
    ("Transfers", "Let one go sooner or later", "Ctrl+↑ ↓ Home"),
)
_SCROLLS: tuple[tuple[str, int, Literal["units", "pages"]], ...] = (
    ("<Up>", -1, "units"), ("<Down>", 1, "units"), ("<Prior>", -1, "pages"), ("<Next>", 1, "pages"),
    ("<Button-4>", -2, "units"), ("<Button-5>", 2, "units"),
)  # fmt: skip


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
    table, fit = _scrolled(dialog.body, theme)
    groups: dict[str, list[tuple[str, str]]] = {}
    mac = sys.platform == "darwin"
    for spec in commands:
        if spec.keys:
            keys = "  ".join(readable(each, mac=mac) for each in (*spec.keys, *spec.list_keys))
            groups.setdefault(spec.group, []).append((spec.label.rstrip("…"), keys))
    for group, label, keys in _MORE:
        groups.setdefault(group, []).append((label, keys))
    sides: list[ttk.Frame] = []
    for column, names in enumerate((("Files", "Administration"), ("Go", "Window", "Transfers"))):
        side = ttk.Frame(table, style=styles.SURFACE)
        sides.append(side)
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
    table.update_idletasks()
    if table.winfo_reqwidth() > table.winfo_screenwidth() - px(100):  # large text on a small screen
        sides[1].grid_configure(row=1, column=0)
    fit()
    dialog.open_over(close)
    return dialog


def _scrolled(parent: tk.Misc, theme: Theme) -> tuple[ttk.Frame, Callable[[], None]]:
    """A frame that scrolls where the screen is too low for it, and a function to call once it is filled."""
    place = ttk.Frame(parent, style=styles.SURFACE)
    place.pack(fill="both", expand=True)
    canvas = tk.Canvas(place, highlightthickness=0, borderwidth=0, background=theme.palette.surface)
    frame = ttk.Frame(canvas, style=styles.SURFACE)
    canvas.create_window(0, 0, window=frame, anchor="nw")
    bar = AutoScrollbar(place, "vertical", canvas.yview, row=0, column=1, sticky="ns")
    canvas.configure(yscrollcommand=bar.set)
    canvas.grid(row=0, column=0, sticky="nsew")
    place.rowconfigure(0, weight=1)
    place.columnconfigure(0, weight=1)

    def fit() -> None:
        parent.update_idletasks()
        height, most = frame.winfo_reqheight(), parent.winfo_screenheight() - theme.px(260)
        canvas.configure(
            width=frame.winfo_reqwidth(), height=min(height, max(theme.px(120), most)),
            scrollregion=(0, 0, frame.winfo_reqwidth(), height), yscrollincrement=theme.px(24),
        )  # fmt: skip
        window = parent.winfo_toplevel()
        for keys, amount, what in _SCROLLS:
            window.bind(keys, lambda _event, by=amount, of=what: canvas.yview_scroll(by, of))  # type: ignore[misc]
        window.bind("<MouseWheel>", lambda event: canvas.yview_scroll(-1 if event.delta > 0 else 1, "units"))

    return frame, fit
