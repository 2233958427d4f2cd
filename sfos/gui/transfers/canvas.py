"""The rows of the transfer panel on one Canvas: only what is visible is drawn, some 0.1 ms a row.

(ttkbootstrap's progress bars are pictures that Pillow draws anew for each step: 20 of them cost more than a frame.)
Each row: direction · name over place · bar · per cent · bytes · speed or reason · time left · buttons.
The keyboard walks the rows: ↑ ↓ choose, Space pauses or goes on, R tries again, Delete cancels or clears, Enter opens
what has arrived, Ctrl+↑ ↓ and Ctrl+Home change the turn of what waits. The right button and Shift+F10 open a menu of
all that.
"""

from __future__ import annotations

import functools
import sys
import tkinter as tk
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from sfos.gui import wording
from sfos.gui.look.palette import Palette
from sfos.gui.look.theme import Theme
from sfos.gui.model import Transfer
from sfos.gui.transfers.row_actions import BUTTON_ICON, MENU, MOVES, RowAction, buttons_of
from sfos.gui.widgets.focus_ring import FocusRing
from sfos.gui.widgets.menus import Menu, popup
from sfos.gui.widgets.tooltip import Tooltip

ROW = 46
_MEASURED = 60  # rows whose titles decide how wide they stand; more are never in view at once
_PHASE_COLOUR = {
    "asking": "warning",
    "paused": "warning",
    "retrying": "danger",
    "failed": "danger",
    "done": "success",
    "cancelled": "disabled",
}
_SENTENCES = ("retrying", "asking")  # what these say is longer than a speed, and takes the place of the bytes too


@dataclass(frozen=True, slots=True)
class _Columns:
    """Columns in real pixels from the left; None: no room for it."""

    text: int
    text_end: int
    bar: int | None
    bar_end: int
    percent: int | None
    amount: int | None
    note: int
    note_end: int
    left: int | None
    first_button: int
    second_button: int


def _note_room(row: Transfer, at: _Columns) -> tuple[int, int]:
    """Left and right end of the room for the note of `row`."""
    if row.phase == "failed":
        start = at.bar if at.bar is not None else at.percent if at.percent is not None else at.note
    elif row.phase in _SENTENCES and at.amount is not None:
        start = at.amount
    else:
        start = at.note
    return start, at.note_end if row.phase in ("running", "waiting") or at.left is None else at.left


class TransferRows(tk.Canvas):
    """Draws transfers and reports clicks and keys on them."""

    def __init__(self, parent: tk.Misc, theme: Theme, on_action: Callable[[int, RowAction], None]) -> None:
        super().__init__(parent, highlightthickness=0, borderwidth=0, takefocus=True)
        self.ring = FocusRing(self, theme)
        self._theme = theme
        self._on_action = on_action
        self._rows: Sequence[Transfer] = ()
        self._chosen: int | None = None
        self._chosen_key: int | None = None  # the choice follows its row to another place
        self._hover: tuple[int, int] | None = None  # row index and button, 0 or 1
        self.empty_text = ""
        self.bind("<Configure>", lambda _event: self.redraw())
        self.bind("<Button-1>", self._click)
        self.bind("<Button-3>", self._context_click)
        self.bind("<Double-Button-1>", self._double_click)
        for keys in ("<Shift-F10>", "<App>" if sys.platform == "win32" else "<Menu>"):
            self.bind(keys, lambda _event: self._open_menu())
        for key, move in MOVES.items():
            self.bind(f"<Control-{key}>", lambda _event, where=move: self._move(where))  # type: ignore[misc]
        self.bind("<Motion>", self._motion)
        self.bind("<Leave>", lambda _event: self._set_hover(None))
        self.bind("<FocusIn>", lambda _event: self._focus_in())
        self.bind("<FocusOut>", lambda _event: self.redraw())
        self.bind("<Key>", self._key)
        for sequence in ("<MouseWheel>", "<Button-4>", "<Button-5>"):
            self.bind(sequence, self._wheel)
        Tooltip(self, theme, self._tip_at)
        theme.on_change(self.redraw)

    @property
    def _row(self) -> int:
        """The height of a row: two lines of text and some air."""
        lines = self._theme.line_height() + self._theme.line_height("SfSmallFont")
        return max(self._theme.px(ROW), lines + self._theme.px(14))

    def show(self, rows: Sequence[Transfer]) -> None:
        """Draw `rows` in place of what was there."""
        self._rows = rows
        if self._chosen_key is not None:
            self._chosen = next((i for i, row in enumerate(rows) if row.key == self._chosen_key), self._chosen)
        if self._chosen is not None and self._chosen >= len(rows):
            self._chosen = len(rows) - 1 if rows else None
        self.configure(scrollregion=(0, 0, 1, max(1, len(rows) * self._row)))
        self.redraw()

    # --- drawing ---------------------------------------------------------------------------------------------------

    def redraw(self) -> None:
        """Draw what is visible."""
        palette = self._theme.palette
        self.configure(background=palette.surface)
        self.delete("all")
        width, height = self.winfo_width(), self.winfo_height()
        if width < 10:
            return
        if not self._rows:
            self.create_text(
                width // 2, min(height // 2, self._theme.px(40)), text=self.empty_text, fill=palette.muted,
                font="TkDefaultFont", width=width - self._theme.px(40), justify="center",
            )  # fmt: skip
            return
        columns = self._columns(width)
        top = int(self.canvasy(0))
        first = max(0, top // self._row)
        last = min(len(self._rows), (top + height) // self._row + 1)
        for index in range(first, last):
            self._draw_row(index, self._rows[index], columns, width, palette)

    def _columns(self, width: int) -> _Columns:
        theme, px = self._theme, self._theme.px
        second = width - px(38)
        first = second - px(32)
        end = first - px(24)
        left_width = theme.measure("2 h 10 min", "SfSmallFont") + px(12)
        left: int | None = end
        end -= left_width
        reason = theme.measure("Connection lost — retry 2/5 in 8 s", "SfSmallFont") - left_width
        note_width = max(theme.measure("999.9 MB/s", "SfSmallFont") + px(24), min(reason, width // 7))
        amount_width = theme.measure("999.9 of 999.9 MB", "SfSmallFont") + px(16)
        percent_width = theme.measure("100%", "SfBoldFont") + px(14)
        text = px(52)
        if width < px(760):
            left, end = None, end + left_width
        amount: int | None = None
        note = end - note_width
        start = note
        if width >= px(620):
            start -= amount_width
            amount = start
        start -= percent_width
        percent = start
        longest = max((theme.measure(row.title) for row in self._rows[:_MEASURED]), default=0)
        text_end = text + min(max(px(290), longest + px(4)), (start - text) // 2)
        bar: int | None = text_end + px(16)
        if bar is not None and start - px(16) - bar < px(60):
            bar, text_end = None, start - px(12)
        return _Columns(text, text_end, bar, start - px(16), percent, amount, note, end, left, first, second)

    def _draw_row(self, index: int, row: Transfer, at: _Columns, width: int, palette: Palette) -> None:
        theme, px = self._theme, self._theme.px
        y = index * self._row
        middle = y + self._row // 2
        colour = getattr(palette, _PHASE_COLOUR.get(row.phase, "accent"))
        if index == self._chosen and self.focus_get() is self:
            self.create_rectangle(px(8), y + 1, width - px(8), y + self._row - 2, outline=palette.accent, width=px(2))
        icon = "slash-circle" if row.phase == "cancelled" else "upload" if row.direction == "up" else "download"
        self.create_image(px(28), middle, image=theme.icon(icon, colour, 17))
        room = at.text_end - at.text
        large, small = theme.line_height(), theme.line_height("SfSmallFont")
        self._text(at.text, middle - small // 2 - 1, theme.elide(row.title, room), palette.text, "TkDefaultFont")
        place = f"→ {row.place}"
        self._text(
            at.text, middle + large // 2 + 1, theme.elide(place, room, "SfSmallFont"), palette.muted, "SfSmallFont"
        )
        note, note_colour = self._note(row, palette)
        at = self._for_note(row, note, at)
        if row.phase != "failed":  # there the reason has all the room
            self._draw_progress(row, at, middle, colour, palette)
        start, end = _note_room(row, at)
        self._text(
            start, middle, theme.elide(note, end - start, "SfSmallFont", sentence=True), note_colour, "SfSmallFont"
        )
        if at.left is not None and row.phase == "running":
            left = "—" if row.eta_s is None else wording.duration(row.eta_s)
            self._text(at.left, middle, left, palette.muted, "SfSmallFont", anchor="e")
        for slot, action in enumerate(buttons_of(row)):
            if action is not None:
                self._button(at.first_button if slot == 0 else at.second_button, middle, action, (index, slot))
        self.create_line(px(12), y + self._row - 1, width - px(12), y + self._row - 1, fill=palette.line)

    def _for_note(self, row: Transfer, note: str, at: _Columns) -> _Columns:
        """The columns of this row: the bar gives room to a sentence, down to a third of its length."""
        if row.phase not in _SENTENCES or at.bar is None or at.percent is None:
            return at
        start, end = _note_room(row, at)
        lack = self._theme.measure(note, "SfSmallFont") + self._theme.px(4) - (end - start)
        shift = max(0, min(lack, (at.bar_end - at.bar) * 2 // 3))
        amount = at.amount - shift if at.amount is not None else None
        return replace(at, bar_end=at.bar_end - shift, percent=at.percent - shift, amount=amount, note=at.note - shift)

    def _draw_progress(self, row: Transfer, at: _Columns, middle: int, colour: str, palette: Palette) -> None:
        finished, ended = row.phase == "done", row.phase == "cancelled"
        if at.bar is not None:
            self._bar(at.bar, at.bar_end, middle, 1.0 if finished else row.fraction, colour, palette)
        if at.percent is not None and row.fraction is not None:
            percent = 100 if finished else min(99, int(row.fraction * 100)) if row.fraction < 1 else 100
            self._text(at.percent, middle, f"{percent}%", palette.muted if ended else palette.text, "SfBoldFont")
        if at.amount is not None and row.total_bytes and row.phase not in _SENTENCES:
            amount = wording.size(row.total_bytes) if finished else wording.size_of(row.done_bytes, row.total_bytes)
            self._text(at.amount, middle, amount, palette.muted, "SfSmallFont")

    def _tip_at(self, x: int, y: int) -> str | None:
        """Name of a button; the whole of a name or a sentence that had no room."""
        hit = self._hit(x, y)
        if hit is None:
            return None
        row = self._rows[hit[0]]
        if hit[1] is not None:
            action = buttons_of(row)[hit[1]]
            return MENU[action][0] if action is not None else None
        columns = self._columns(self.winfo_width())
        if columns.text <= x <= columns.text_end and self._theme.measure(row.title) > columns.text_end - columns.text:
            return row.title
        note = self._note(row, self._theme.palette)[0]
        start, end = _note_room(row, self._for_note(row, note, self._columns(self.winfo_width())))
        return note if start <= x <= end and self._theme.measure(note, "SfSmallFont") > end - start else None

    def _text(self, x: int, y: int, text: str, fill: str, font: str, anchor: Literal["w", "e"] = "w") -> None:
        self.create_text(x, y, text=text, fill=fill, font=font, anchor=anchor)

    def _note(self, row: Transfer, palette: Palette) -> tuple[str, str]:
        if row.phase == "running":
            return (row.note or wording.speed(row.bytes_per_s) if row.bytes_per_s >= 1 else row.note), palette.muted
        if row.phase == "waiting":
            return row.note or "Waiting", palette.muted
        if row.phase == "done":
            return " · ".join(part for part in (row.note, row.finished_at) if part), palette.muted
        text = row.note or {"paused": "Paused", "cancelled": "Cancelled"}.get(row.phase, "Failed")
        return text, getattr(palette, _PHASE_COLOUR.get(row.phase, "muted"))

    def _bar(self, x: int, end: int, y: int, fraction: float | None, colour: str, palette: Palette) -> None:
        thick = self._theme.px(6)
        self._theme.bar(self, x, end, y, thick, palette.trough)
        if fraction:
            self._theme.bar(self, x, x + int((end - x) * min(1.0, fraction)), y, thick, colour)

    def _button(self, x: int, y: int, action: RowAction, key: tuple[int, int]) -> None:
        theme, palette = self._theme, self._theme.palette
        over = self._hover == key
        if over:
            half = theme.px(13)
            self.create_rectangle(x - half, y - half, x + half, y + half, fill=palette.hover, outline="")
        size = 12 if action in ("cancel", "clear") else 16
        self.create_image(x, y, image=theme.icon(BUTTON_ICON[action], palette.text if over else palette.muted, size))

    # --- mouse and keys --------------------------------------------------------------------------------------------

    def _hit(self, x: int, y: int) -> tuple[int, int | None] | None:
        index = int(self.canvasy(y)) // self._row
        if not 0 <= index < len(self._rows):
            return None
        columns, half = self._columns(self.winfo_width()), self._theme.px(15)
        for slot, centre in enumerate((columns.first_button, columns.second_button)):
            if abs(x - centre) <= half:
                return index, slot
        return index, None

    def _motion(self, event: tk.Event[tk.Misc]) -> None:
        hit = self._hit(event.x, event.y)
        self._set_hover((hit[0], hit[1]) if hit is not None and hit[1] is not None else None)

    def _set_hover(self, hover: tuple[int, int] | None) -> None:
        if hover != self._hover:
            self._hover = hover
            self.configure(cursor="hand2" if hover is not None else "")
            self.redraw()

    def _click(self, event: tk.Event[tk.Misc]) -> None:
        self.focus_set()
        hit = self._hit(event.x, event.y)
        self._choose(None if hit is None else hit[0])
        if hit is not None and hit[1] is not None:
            self._do(hit[0], hit[1])

    def _double_click(self, event: tk.Event[tk.Misc]) -> None:
        hit = self._hit(event.x, event.y)
        if hit is not None and hit[1] is None:
            self._open_arrived(hit[0])
        else:
            self._click(event)

    def _open_arrived(self, index: int) -> None:
        row = self._rows[index]
        if row.arrived:
            self._on_action(row.key, "open" if row.opens else "show")

    def _do(self, index: int, slot: int) -> None:
        row = self._rows[index]
        action = buttons_of(row)[slot]
        if action is not None:
            self._on_action(row.key, action)

    def _move(self, where: RowAction) -> str:
        row = self._chosen_row()
        if row is not None and where in self._moves(row):
            self._on_action(row.key, where)
        return "break"

    def _chosen_row(self) -> Transfer | None:
        return self._rows[self._chosen] if self._chosen is not None and self._chosen < len(self._rows) else None

    def _moves(self, row: Transfer) -> tuple[RowAction, ...]:
        """Moves that `row` can make among those that wait for their turn."""
        if row.queued is None:
            return ()
        last = max((other.queued for other in self._rows if other.queued is not None), default=0)
        up: tuple[RowAction, ...] = ("top", "up") if row.queued else ()
        return (*up, "down") if row.queued < last else up

    def _context_click(self, event: tk.Event[tk.Misc]) -> None:
        self.focus_set()
        hit = self._hit(event.x, event.y)
        self._choose(None if hit is None else hit[0])
        self._open_menu(event.x_root, event.y_root)

    def _open_menu(self, x: int | None = None, y: int | None = None) -> str:
        row = self._chosen_row()
        if row is not None and self._chosen is not None:
            menu = Menu(self.winfo_toplevel(), self._theme)
            first, last = buttons_of(row)
            opens: tuple[RowAction, ...] = ("open",) if row.opens else ()
            for group in (opens, (first,), self._moves(row), (last,)):
                for action in group:
                    if action is not None:
                        label, icon, keys = MENU[action]
                        command = functools.partial(self._on_action, row.key, action)
                        menu.add_row(label, command, icon=icon, keys=keys)
            middle = int((self._chosen + 0.5) * self._row - self.canvasy(0))
            popup(
                menu, self.winfo_rootx() + self._theme.px(52) if x is None else x,
                self.winfo_rooty() + middle if y is None else y,
            )  # fmt: skip
        return "break"

    def _choose(self, index: int | None) -> None:
        self._chosen = index
        self._chosen_key = self._rows[index].key if index is not None else None
        self.redraw()

    def _focus_in(self) -> None:
        self._choose(0 if self._chosen is None and self._rows else self._chosen)

    def _key(self, event: tk.Event[tk.Misc]) -> str | None:
        if not self._rows:
            return None
        chosen = min(self._chosen or 0, len(self._rows) - 1)
        if event.keysym in ("Up", "Down"):
            step = -1 if event.keysym == "Up" else 1
            self._choose(min(len(self._rows) - 1, max(0, chosen + step)))
            self._scroll_to(self._chosen or 0)
        elif event.keysym in ("Return", "KP_Enter"):
            self._open_arrived(chosen)
        elif event.keysym in ("space", "r", "R"):
            self._do(chosen, 0)
        elif event.keysym in ("Delete", "BackSpace"):
            self._do(chosen, 1)
        else:
            return None
        return "break"

    def _scroll_to(self, index: int) -> None:
        whole = max(1, len(self._rows) * self._row)
        top, bottom = self.canvasy(0), self.canvasy(0) + self.winfo_height()
        if index * self._row < top:
            self.yview_moveto(index * self._row / whole)
        elif (index + 1) * self._row > bottom:
            self.yview_moveto(((index + 1) * self._row - self.winfo_height()) / whole)

    def _wheel(self, event: tk.Event[tk.Misc]) -> str:
        if len(self._rows) * self._row > self.winfo_height():
            up = event.num == 4 or event.delta > 0
            whole = len(self._rows) * self._row
            self.yview_moveto(max(0.0, (self.canvasy(0) + (-1 if up else 1) * self._row) / whole))
            self.redraw()
        return "break"
