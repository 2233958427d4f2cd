"""The lower pane: what is under way, what is done, what failed; and the controls that concern all of it."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from tkinter import ttk
from typing import Any, Literal

from sfos.gui import wording
from sfos.gui.look import styles
from sfos.gui.look.theme import Theme
from sfos.gui.model import Direction, Transfer, TransferBoard
from sfos.gui.transfers.canvas import TransferRows
from sfos.gui.transfers.row_actions import RowAction
from sfos.gui.widgets.menus import Menu, popup
from sfos.gui.widgets.scroll import AutoScrollbar
from sfos.gui.widgets.tooltip import Tooltip

Tab = Literal["active", "completed", "failed", "cancelled"]
_TABS: tuple[tuple[Tab, str], ...] = (
    ("active", "Transfers"), ("completed", "Completed"), ("failed", "Failed"), ("cancelled", "Cancelled"),
)  # fmt: skip
_EMPTY = {
    "active": "Nothing is being transferred. Ctrl+U uploads, Ctrl+D downloads, and files can be dropped into the list.",
    "completed": "Nothing has been transferred since the window opened.",
    "failed": "Nothing has failed.",
    "cancelled": "Nothing was cancelled.",
}
_ENDS: tuple[Tab, ...] = ("failed", "cancelled", "completed")
_NARROW = 960  # design pixels
LIMITS = (100_000, 1_000_000, 5_000_000, 20_000_000, 50_000_000)  # bytes a second


class TransferPanel(ttk.Frame):
    """Tabs over rows; reports every click."""

    def __init__(
        self,
        parent: tk.Misc,
        theme: Theme,
        *,
        on_action: Callable[[int, RowAction], None],
        on_pause_all: Callable[[bool], None],
        on_limit: Callable[[Direction, int | None], None],
        on_clear: Callable[[Tab], None],
        on_close: Callable[[], None],
    ) -> None:
        super().__init__(parent, style=styles.SURFACE)
        self._theme = theme
        self._on_pause_all, self._on_limit, self._on_clear = on_pause_all, on_limit, on_clear
        self._board = TransferBoard()
        self._tab: Tab = "active"
        self.dismissed = False
        px = theme.px
        ttk.Frame(self, style=styles.BORDER, height=max(1, px(1))).grid(row=0, column=0, columnspan=2, sticky="ew")
        head = ttk.Frame(self, style=styles.SURFACE, padding=(px(12), px(5), px(12), 0))
        head.grid(row=1, column=0, columnspan=2, sticky="ew")
        self._tabs: dict[Tab, ttk.Button] = {}
        self._marks: dict[Tab, tk.Frame] = {}
        for column, (tab, label) in enumerate(_TABS):
            button = ttk.Button(head, text=label, style=styles.TAB, command=lambda chosen=tab: self.open(chosen))  # type: ignore[misc]
            button.grid(row=0, column=column, sticky="ew", padx=(0, px(4)))
            if tab != "cancelled":  # which is there only when it is needed
                # As wide as it will ever be: counting must not push its neighbours about.
                head.columnconfigure(column, minsize=theme.measure(f"{label}  9,999", "SfBoldFont") + px(20))
            mark = tk.Frame(head, height=px(2))
            mark.grid(row=1, column=column, sticky="ew", padx=px(8))
            self._tabs[tab], self._marks[tab] = button, mark
        end = len(_TABS)
        head.columnconfigure(end, weight=1)
        self._summary = ttk.Label(head, style=styles.SMALL, anchor="e")
        self._summary.grid(row=0, column=end, sticky="e", padx=px(10))
        self._clear = ttk.Button(head, text="Clear list", style=styles.TAB, command=lambda: self._on_clear(self._tab))
        self._clear.grid(row=0, column=end + 1)
        self._pause = ttk.Button(head, style=styles.TOOL, compound="left", command=self._toggle_all)
        self._pause.grid(row=0, column=end + 2, padx=px(2))
        self._limit = ttk.Button(head, style=styles.TOOL, compound="left", command=self._limit_menu)
        self._limit.grid(row=0, column=end + 3, padx=px(2))
        self._close = ttk.Button(head, style=styles.TOOL, command=on_close)
        self._close.grid(row=0, column=end + 4)
        Tooltip(self._close, theme, "Hide the transfers (Ctrl+J)")
        Tooltip(self._pause, theme, "Pause or resume all")
        Tooltip(self._limit, theme, "Limit the speed of each direction")
        self.rows = TransferRows(self, theme, on_action)
        self.rows.grid(row=2, column=0, sticky="nsew")
        bar = AutoScrollbar(self, "vertical", self._scrolled, row=2, column=1, sticky="ns")
        self.rows.configure(yscrollcommand=bar.set)
        self.rowconfigure(2, weight=1)
        self.columnconfigure(0, weight=1)
        self._narrow = False
        self.bind("<Configure>", self._share)
        theme.on_change(self._draw)
        self.open("active")

    def _share(self, event: tk.Event[tk.Misc]) -> None:
        """Share out the width: in a narrow window the buttons lose their words, and their tool tips say them."""
        narrow = event.width < self._theme.px(_NARROW)
        if event.widget is self and narrow != self._narrow:
            self._narrow = narrow
            self._draw()

    def _scrolled(self, *args: Any) -> None:
        self.rows.yview(*args)
        self.rows.redraw()

    @property
    def tab(self) -> Tab:
        """Tab that is open."""
        return self._tab

    def open(self, tab: Tab) -> None:
        """Open a tab."""
        self._tab = tab
        self._draw()

    def show(self, board: TransferBoard) -> None:
        """Show the state of all transfers."""
        before, self._board = self._board, board
        if before.active and not board.active and self._tab == "active":
            # What has just ended is what one looks for now.
            grown = (tab for tab in _ENDS if len(_rows_of(board, tab)) > len(_rows_of(before, tab)))
            self._tab = next(grown, "completed")
        elif len(board.failed) > len(before.failed) and self._tab != "active":
            self._tab = "failed"
        elif board.active and not before.active:
            self._tab = "active"
        self._draw()

    def _draw(self) -> None:
        theme, palette, board = self._theme, self._theme.palette, self._board
        if self._tab == "cancelled" and not board.cancelled:
            self._tab = "active"
        rows = _rows_of(board, self._tab)
        for widget in (self._tabs["cancelled"], self._marks["cancelled"]):
            (widget.grid if board.cancelled else widget.grid_remove)()
        for tab, label in _TABS:
            here = tab == self._tab
            count = len(_rows_of(board, tab))
            number = f"  {count:,}" if count else ""
            self._tabs[tab].configure(text=label + number, style=styles.TAB_HERE if here else styles.TAB)
            self._marks[tab].configure(background=palette.accent if here else palette.surface)
        active = self._tab == "active"
        self._summary.configure(text=self._sum(board) if active else "")
        (self._pause.grid if active and board.active else self._pause.grid_remove)()
        (self._clear.grid if not active and rows else self._clear.grid_remove)()
        icon, text = ("play-fill", " Resume all") if board.all_paused else ("pause-fill", " Pause all")
        narrow = self._narrow
        if narrow:
            self._summary.configure(text="")
        self._pause.configure(text="" if narrow else text, image=theme.icon(icon, None, 15))
        self._limit.configure(
            text="" if narrow else f" Limit: {limit_text(board)}", image=theme.icon("speedometer2", None, 15)
        )
        self._close.configure(image=theme.icon("x-lg", None, 13))
        self.rows.empty_text = _EMPTY[self._tab]
        self.rows.show(rows)

    def _sum(self, board: TransferBoard) -> str:
        if not board.active or not board.total_bytes:
            return ""
        parts = [wording.size_of(board.done_bytes, board.total_bytes)]
        speed = board.up_bytes_per_s + board.down_bytes_per_s
        if speed >= 1:
            parts.append(wording.speed(speed))
        if board.eta_s is not None:
            parts.append(f"about {wording.duration(board.eta_s)} left")
        return " · ".join(parts)

    def _toggle_all(self) -> None:
        self._on_pause_all(not self._board.all_paused)

    def _limit_menu(self) -> None:
        menu = Menu(self, self._theme)
        self._limit_rows(menu, "up", "Uploads", self._board.up_limit)
        menu.add_line()
        self._limit_rows(menu, "down", "Downloads", self._board.down_limit)
        x, y = self._limit.winfo_rootx(), self._limit.winfo_rooty()
        popup(menu, x, y - menu.winfo_reqheight())

    def _limit_rows(self, menu: Menu, direction: Direction, what: str, now: int | None) -> None:
        for limit in steps_with(now):
            label = f"{what}: {'no limit' if limit is None else wording.speed(limit)}"
            icon = "check-lg" if limit == now else ""
            menu.add_row(label, lambda chosen=limit: self._on_limit(direction, chosen), icon=icon)  # type: ignore[misc]


def steps_with(limit: int | None) -> tuple[int | None, ...]:
    """Limits to choose from, `limit` among them."""
    return (None, *sorted({step for step in (*LIMITS, limit) if step is not None}))


def limit_text(board: TransferBoard) -> str:
    """Limits of both directions in a few signs."""
    if board.up_limit == board.down_limit:
        return "off" if board.up_limit is None else wording.speed(board.up_limit)
    both = (("↑", board.up_limit), ("↓", board.down_limit))
    return "  ".join(f"{sign} {'off' if limit is None else wording.speed(limit)}" for sign, limit in both)


def _rows_of(board: TransferBoard, tab: Tab) -> tuple[Transfer, ...]:
    return {
        "active": board.active, "completed": board.completed, "failed": board.failed, "cancelled": board.cancelled,
    }[tab]  # fmt: skip
