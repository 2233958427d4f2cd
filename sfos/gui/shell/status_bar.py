"""The bottom row: connection, encryption, what is selected, speeds, and whether all is up to date."""

from __future__ import annotations

import tkinter as tk
from tkinter import ttk

from sfos.gui import wording
from sfos.gui.look import styles
from sfos.gui.look.theme import Theme
from sfos.gui.model import Connection, TransferBoard

_SHIELD = {"online": "Connected", "offline": "Offline", "connecting": "Connecting…", "signed_out": "Signed out"}
_NARROW = 860  # design pixels


class StatusBar(ttk.Frame):
    """Draws states; nothing here can be clicked."""

    def __init__(self, parent: tk.Misc, theme: Theme) -> None:
        px = theme.px
        super().__init__(parent, style=styles.SIDE, padding=(px(18), px(4)))
        self._theme = theme
        self._connection = Connection()
        self._board = TransferBoard()
        self._summary = ""
        self._state = self._part("left")
        self._tls = self._part("left")
        self._count = self._part("left")
        self._fresh = self._part("right")
        self._down = self._part("right")
        self._up = self._part("right")
        self.bind("<Configure>", lambda event: self._share(event.width))
        theme.on_change(self._recolour)
        self._recolour()

    def _share(self, width: int) -> None:
        """Share out the width: in a narrow window what never changes gives way to what does."""
        narrow, shown = width < self._theme.px(_NARROW), bool(self._tls.winfo_manager())
        if narrow and shown:
            self._tls.pack_forget()
        elif not narrow and not shown:
            self._tls.pack(side="left", padx=(0, self._theme.px(22)), after=self._state)

    def _part(self, side: str) -> ttk.Label:
        label = ttk.Label(self, style=styles.SIDE_MUTED, compound="left")
        gap = self._theme.px(22)
        if side == "left":
            label.pack(side="left", padx=(0, gap))
        else:
            label.pack(side="right", padx=(gap, 0))
        return label

    def show_connection(self, connection: Connection) -> None:
        """Show how things stand with the server."""
        self._connection = connection
        self._recolour()

    def _recolour(self) -> None:
        theme, palette, connection = self._theme, self._theme.palette, self._connection
        colour = {"online": palette.success, "offline": palette.danger, "connecting": palette.warning}
        text = _SHIELD[connection.phase]
        if connection.phase in ("online", "offline"):
            text += f" · {connection.user}@{connection.server}"
        # The shape differs as well as the colour: a filled disc, a crossed one, a ring.
        icon = {"online": "circle-fill", "offline": "x-circle-fill"}.get(connection.phase, "circle")
        self._state.configure(
            text=text, image=theme.icon(icon, colour.get(connection.phase, palette.muted), 11, pad_right=6)
        )
        online = connection.phase == "online"
        self._tls.configure(
            text="TLS 1.3 · key pinned" if online else "",
            image=theme.icon("lock-fill", palette.muted, 12, pad_right=6) if online else "",
        )
        text, icon, tint = self._freshness()
        self._fresh.configure(
            text=text if online else "", image=theme.icon(icon, tint, 12, pad_right=6) if online else ""
        )

    def _freshness(self) -> tuple[str, str, str]:
        """Whether all is where it should be: sentence, icon, colour."""
        palette, board = self._theme.palette, self._board
        if not board.active:
            return "Up to date", "check-circle", palette.success
        if board.all_paused:
            return "Paused", "pause-fill", palette.warning
        if any(row.phase == "asking" for row in board.active):
            return "Waiting for your answer", "question-circle", palette.warning
        directions = {row.direction for row in board.active}
        if len(directions) == 1:
            return ("Uploading…", "upload", palette.accent) if "up" in directions else (
                "Downloading…", "download", palette.accent,
            )  # fmt: skip
        return "Transferring…", "arrow-down-up", palette.accent

    def show_summary(self, text: str) -> None:
        """Show how many things there are and how many are selected."""
        if text != self._summary:
            self._summary = text
            self._count.configure(text=text)

    def show_transfers(self, board: TransferBoard) -> None:
        """Show the speeds of both directions, while there are any, and whether all is done."""
        before, self._board = self._freshness(), board
        if self._freshness() != before:
            self._recolour()
        self._up.configure(text=f"↑ {wording.speed(board.up_bytes_per_s)}" if board.up_bytes_per_s >= 1 else "")
        self._down.configure(text=f"↓ {wording.speed(board.down_bytes_per_s)}" if board.down_bytes_per_s >= 1 else "")
