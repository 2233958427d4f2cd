"""The dialog of settings. Each is carried out and kept at once, so that there is nothing to confirm or to lose."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from tkinter import ttk

from sfos.gui import wording
from sfos.gui.choices import MOST_AT_ONCE, Choices, Memory
from sfos.gui.look import styles
from sfos.gui.look.palette import Mode
from sfos.gui.look.theme import TEXT_SCALES, Theme
from sfos.gui.model import Direction
from sfos.gui.transfers.panel import steps_with
from sfos.gui.widgets.dialogs.base import Dialog
from sfos.gui.widgets.picking import PickButton, Segments
from sfos.gui.widgets.tabs import Tabs
from sfos.protocol import printable

_WIDTH, _LABEL = 540, 170
_TABS = (("look", "Look"), ("transfers", "Transfers"), ("questions", "Questions"), ("messages", "Messages"))
_MODES: tuple[tuple[Mode | None, str], ...] = ((None, "As the system"), ("light", "Light"), ("dark", "Dark"))
STEP = 0.1  # of the text's size


@dataclass(frozen=True, slots=True)
class LookActions:
    """Changes of the look, which are more than a value to be kept."""

    set_mode: Callable[[Mode | None], None]
    set_contrast: Callable[[bool], None]
    scale_text: Callable[[float | None], None]
    choose_download_dir: Callable[[], None]


class SettingsDialog(Dialog):
    """Settings in four tabs."""

    def __init__(
        self, parent: tk.Misc, theme: Theme, memory: Memory, actions: LookActions, *, desktop_tells: bool
    ) -> None:
        """`desktop_tells`: whether the desktop can show messages."""
        super().__init__(parent, theme, "Settings", width=_WIDTH)
        self._memory, self._actions, self._desktop_tells = memory, actions, desktop_tells
        px = theme.px
        self.add_label("Settings", styles.HEADING, below=8)
        self.tabs = Tabs(self.body, theme, _TABS, self.open_tab)
        self.tabs.pack(fill="x")
        ttk.Frame(self.body, style=styles.LINE, height=max(1, px(1))).pack(fill="x", pady=(0, px(14)))
        room = self._room = ttk.Frame(self.body, style=styles.SURFACE)
        room.pack(fill="both", expand=True)
        room.rowconfigure(0, weight=1)
        room.columnconfigure(0, weight=1)
        self._panes: dict[str, ttk.Frame] = {}
        self.checks: dict[str, tk.BooleanVar] = {}
        for name, make in (
            ("look", self._add_look),
            ("transfers", self._add_transfers),
            ("questions", self._add_questions),
            ("messages", self._add_messages),
        ):
            pane = self._panes[name] = ttk.Frame(room, style=styles.SURFACE)
            pane.columnconfigure(1, weight=1)
            pane.columnconfigure(0, minsize=px(_LABEL))
            pane.grid(row=0, column=0, sticky="nsew")
            make(pane)
        self.add_button("Close", self.cancel, default=True)
        self._stop = memory.on_change(self._changed)
        theme.on_change(self._hold_size)
        self._hold_size()
        self.open_tab("look")

    def _hold_size(self) -> None:
        """Give every tab the room of the largest: the dialog must not jump when another one is opened."""
        self.update_idletasks()
        panes = self._panes.values()
        self._room.rowconfigure(0, minsize=max(pane.winfo_reqheight() for pane in panes))
        self._room.columnconfigure(0, minsize=max(pane.winfo_reqwidth() for pane in panes))

    def open(self) -> None:
        """Show it."""
        self.open_over(self.tabs.buttons["look"])

    def close(self) -> None:
        """Close it; no change is told of any more."""
        self._stop()
        super().close()

    def open_tab(self, name: str) -> None:
        """Show the pane `name`."""
        for each, pane in self._panes.items():
            (pane.grid if each == name else pane.grid_remove)()

    # --- rows ------------------------------------------------------------------------------------------------------

    def _row(self, pane: ttk.Frame, label: str, widget: tk.Widget) -> None:
        row, px = pane.grid_size()[1], self._theme.px
        ttk.Label(pane, text=label, style=styles.TEXT).grid(row=row, column=0, sticky="w", pady=px(5), padx=(0, px(14)))
        widget.grid(row=row, column=1, sticky="w", pady=px(5))

    def _check(self, pane: ttk.Frame, field: str, label: str, *, possible: bool = True) -> ttk.Checkbutton:
        """A box for a choice that is on or off."""
        value = self.checks[field] = tk.BooleanVar(self, value=getattr(self._memory.now, field))
        box = ttk.Checkbutton(
            pane, text=label, style=styles.CHECK, variable=value,
            command=lambda: self._memory.remember(**{field: value.get()}),
        )  # fmt: skip
        if not possible:
            box.state(["disabled"])
        box.grid(row=pane.grid_size()[1], column=0, columnspan=2, sticky="w", pady=self._theme.px(4))
        return box

    def _note(self, pane: ttk.Frame, text: str) -> None:
        label = ttk.Label(pane, text=text, style=styles.MUTED, wraplength=self.width, justify="left")
        label.grid(row=pane.grid_size()[1], column=0, columnspan=2, sticky="w", pady=(0, self._theme.px(6)))

    # --- tabs ------------------------------------------------------------------------------------------------------

    def _add_look(self, pane: ttk.Frame) -> None:
        theme, px, actions = self._theme, self._theme.px, self._actions
        self.modes: Segments[Mode | None] = Segments(pane, theme, _MODES, self._memory.now.theme, actions.set_mode)
        self._row(pane, "Colours", self.modes)
        size = ttk.Frame(pane, style=styles.SURFACE)
        self.smaller = ttk.Button(size, style=styles.BUTTON, text="Smaller", command=lambda: actions.scale_text(-STEP))
        self.larger = ttk.Button(size, style=styles.BUTTON, text="Larger", command=lambda: actions.scale_text(STEP))
        self.usual = ttk.Button(size, style=styles.BUTTON, text="Usual", command=lambda: actions.scale_text(None))
        self._size = ttk.Label(size, style=styles.TEXT, anchor="center", width=6)
        for part in (self.smaller, self._size, self.larger, self.usual):
            part.pack(side="left", padx=(0, px(6)))
        self._row(pane, "Text size", size)
        self._strong = tk.BooleanVar(self, value=theme.high_contrast)
        box = ttk.Checkbutton(
            pane, text="Strong contrast", style=styles.CHECK, variable=self._strong,
            command=lambda: actions.set_contrast(self._strong.get()),
        )  # fmt: skip
        self._row(pane, "", box)
        self._show_size()

    def _add_transfers(self, pane: ttk.Frame) -> None:
        theme, memory = self._theme, self._memory
        self.limits: dict[Direction, PickButton[int | None]] = {}
        ways: tuple[tuple[Direction, str], ...] = (("up", "Uploads take at most"), ("down", "Downloads take at most"))
        for direction, label in ways:
            self.limits[direction] = self._limit_button(pane, direction)
            self._row(pane, label, self.limits[direction])
        self.at_once: PickButton[int] = PickButton(
            pane, theme, _at_once_rows, memory.now.at_once, lambda jobs: memory.remember(at_once=jobs)
        )
        self._row(pane, "At the same time", self.at_once)
        place = ttk.Frame(pane, style=styles.SURFACE)
        self._download_dir = ttk.Label(place, style=styles.TEXT)
        self._download_dir.pack(side="left", padx=(0, theme.px(10)))
        self.change_dir = ttk.Button(
            place, text="Change…", style=styles.BUTTON, command=self._actions.choose_download_dir
        )
        self.change_dir.pack(side="left")
        self._row(pane, "Downloads go to", place)
        self._show_place()

    def _limit_button(self, pane: ttk.Frame, direction: Direction) -> PickButton[int | None]:
        memory = self._memory
        return PickButton(
            pane, self._theme, lambda: _limit_rows(memory.limit(direction)), memory.limit(direction),
            lambda limit: self._set_limit(direction, limit),
        )  # fmt: skip

    def _add_questions(self, pane: ttk.Frame) -> None:
        self._note(pane, "Ask before")
        self._check(pane, "ask_delete", "deleting files and folders")
        self._check(pane, "ask_uploads", "uploading more than 1,000 files, hidden files, or the home folder")
        self._check(pane, "ask_leaving", "closing the window or signing out while something is transferred")

    def _add_messages(self, pane: ttk.Frame) -> None:
        self._note(pane, "Whatever goes wrong is always said.")
        self._check(pane, "tell_done", "Say when a transfer is complete")
        label = "Say it on the desktop too, while another window is in front"
        self._check(pane, "tell_desktop", label, possible=self._desktop_tells)
        if not self._desktop_tells:
            self._note(pane, "This desktop shows no messages of programs (notify-send is not installed).")

    # --- what changes ----------------------------------------------------------------------------------------------

    def _set_limit(self, direction: Direction, limit: int | None) -> None:
        self._memory.remember(**{"upload_limit" if direction == "up" else "download_limit": limit or 0})

    def _changed(self) -> None:
        """Show choices that were made here or elsewhere."""
        now: Choices = self._memory.now
        self.modes.show(now.theme)
        self._strong.set(now.contrast == "high")
        for direction, button in self.limits.items():
            button.show(self._memory.limit(direction))
        self.at_once.show(now.at_once)
        for field, value in self.checks.items():
            value.set(getattr(now, field))
        self._show_size()
        self._show_place()

    def _show_size(self) -> None:
        scale = self._memory.now.text_scale
        self._size.configure(text=f"{scale:.0%}")
        self.smaller.state(["disabled" if scale <= TEXT_SCALES[0] else "!disabled"])
        self.larger.state(["disabled" if scale >= TEXT_SCALES[1] else "!disabled"])

    def _show_place(self) -> None:
        path = printable(wording.with_home(self._memory.download_dir))
        self._download_dir.configure(text=self._theme.elide(path, self._theme.px(_WIDTH - _LABEL - 130)))


def _limit_rows(now: int | None) -> Sequence[tuple[int | None, str]]:
    return [(limit, "No limit" if limit is None else wording.speed(limit)) for limit in steps_with(now)]


def _at_once_rows() -> Sequence[tuple[int, str]]:
    return [(jobs, wording.count(jobs, "transfer")) for jobs in range(1, MOST_AT_ONCE + 1)]
