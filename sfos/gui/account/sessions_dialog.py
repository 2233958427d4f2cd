"""One's own sessions, and their end."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from tkinter import ttk

from sfos.gui.account.sessions import SessionRow, SessionsState
from sfos.gui.look import styles
from sfos.gui.look.theme import Theme
from sfos.gui.widgets.dialogs.base import Dialog
from sfos.gui.widgets.scroll import AutoScrollbar

_WIDTH, _ROWS = 680, 6
_COLUMNS = (
    ("#0", "Program", 250),
    ("address", "Address", 150),
    ("since", "Signed in", 130),
    ("used", "Last used", 130),
)


class SessionsDialog(Dialog):
    """A table of sessions; reports what shall become of them. That of this window is marked, and signed out as ever."""

    def __init__(
        self,
        parent: tk.Misc,
        theme: Theme,
        *,
        on_end: Callable[[str], None],
        on_end_others: Callable[[], None],
        on_sign_out: Callable[[], None],
        on_close: Callable[[], None],
    ) -> None:
        super().__init__(parent, theme, "Sessions", width=_WIDTH, on_cancel=on_close)
        self._on_end, self._on_sign_out = on_end, on_sign_out
        self._state = SessionsState()
        px = theme.px
        self.add_label("Where you are signed in", styles.HEADING, below=4)
        self.add_label("If you do not know one of these, sign it out and change your password.", styles.MUTED, below=12)
        frame = ttk.Frame(self.body, style=styles.BORDER, padding=max(1, px(1)))
        frame.pack(fill="both", expand=True)
        frame.columnconfigure(0, weight=1)
        frame.rowconfigure(0, weight=1)
        self.table = ttk.Treeview(
            frame, style=styles.TABLE, columns=[name for name, _, _ in _COLUMNS[1:]], height=_ROWS, selectmode="browse"
        )
        for name, title, width in _COLUMNS:
            self.table.heading(name, text=f" {title}" if name == "#0" else title, anchor="w")
            self.table.column(name, width=px(width), anchor="w", stretch=name == "#0")
        self.table.grid(row=0, column=0, sticky="nsew")
        bar = AutoScrollbar(frame, "vertical", self.table.yview, row=0, column=1, sticky="ns")
        self.table.configure(yscrollcommand=bar.set)
        self.table.bind("<<TreeviewSelect>>", lambda _event: self._enable())
        self.table.bind("<Delete>", lambda _event: self._end())
        self._said = self.add_label("", styles.MUTED)
        self._said.pack_configure(pady=(px(8), 0))
        self.add_button("Close", self.cancel, default=True)
        self.end = self.add_button("Sign out", self._end, styles.DANGER, side="left")
        self.end_others = self.add_button("Sign out everywhere else", on_end_others, side="left")
        theme.on_change(self._draw)
        self._draw()

    def open(self) -> None:
        """Show it."""
        self.open_over(self.table)

    def show(self, state: SessionsState) -> None:
        """Show the sessions, or what has become of them."""
        self._state = state
        self._draw()

    def _draw(self) -> None:
        state, theme = self._state, self._theme
        chosen = self._chosen()
        self.table.delete(*self.table.get_children())
        for row in state.rows or ():
            icon = "pc-display" if row.here else "terminal" if "command line" in row.program else "window"
            colour = theme.palette.accent if row.here else theme.palette.muted
            self.table.insert(
                "", "end", iid=row.id, text=f"{row.program} · this window" if row.here else row.program,
                image=theme.icon(icon, colour, 16, pad_right=8),
                values=(row.address, row.since, row.last_used), tags=("here",) if row.here else (),
            )  # fmt: skip
        self.table.tag_configure("here", font="SfBoldFont")
        if chosen is not None and self.table.exists(chosen.id):
            self.table.selection_set(chosen.id)
        text = state.said or ("Asking the server…" if state.rows is None else "")
        self._said.configure(text=text, style=styles.ERROR if state.failed else styles.MUTED)
        self._enable()

    def _chosen(self) -> SessionRow | None:
        selected = self.table.selection()
        return next((row for row in self._state.rows or () if row.id in selected), None)

    def _enable(self) -> None:
        chosen, busy = self._chosen(), self._state.busy
        self.end.configure(text="Sign out here" if chosen is not None and chosen.here else "Sign out")
        self.end.state(["!disabled" if chosen is not None and not busy else "disabled"])
        others = any(not row.here for row in self._state.rows or ())
        self.end_others.state(["!disabled" if others and not busy else "disabled"])

    def _end(self) -> None:
        chosen = self._chosen()
        if self._state.busy:
            return
        if chosen is not None and chosen.here:
            self.cancel()
            self._on_sign_out()
        elif chosen is not None:
            self._on_end(chosen.id)
