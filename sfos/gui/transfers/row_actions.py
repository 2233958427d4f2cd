"""Actions on a row of the transfers: which it has, and how they are called, drawn and given by keys."""

from __future__ import annotations

from typing import Literal

from sfos.gui.model import Transfer

RowAction = Literal["pause", "resume", "retry", "cancel", "clear", "top", "up", "down", "open", "show"]


def buttons_of(transfer: Transfer) -> tuple[RowAction | None, RowAction]:
    """The two buttons of a row: pause or its opposite, or where it has arrived (None: neither), and what removes it."""
    if transfer.phase in ("running", "waiting", "asking", "retrying"):
        return "pause", "cancel"
    if transfer.phase == "paused":
        return "resume", "cancel"
    if transfer.phase in ("failed", "cancelled"):
        return "retry", "clear"
    return "show" if transfer.arrived else None, "clear"


# What the menu of a row calls what can be done, and the keys that do it.
MENU: dict[RowAction, tuple[str, str, str]] = {
    "open": ("Open", "folder2-open", "Enter"),
    "show": ("Show in folder", "folder", "Space"),
    "pause": ("Pause", "pause", "Space"),
    "resume": ("Go on", "play", "Space"),
    "retry": ("Try again", "arrow-clockwise", "Space"),
    "top": ("Move to the top", "chevron-double-up", "Ctrl+Home"),
    "up": ("Move up", "chevron-up", "Ctrl+↑"),
    "down": ("Move down", "chevron-down", "Ctrl+↓"),
    "cancel": ("Cancel", "x-lg", "Del"),
    "clear": ("Remove from the list", "x-lg", "Del"),
}
MOVES: dict[str, RowAction] = {"Up": "up", "Down": "down", "Home": "top"}
BUTTON_ICON = {
    "show": "folder",
    "pause": "pause-fill",
    "resume": "play-fill",
    "retry": "arrow-clockwise",
    "cancel": "x-lg",
    "clear": "x-lg",
}
