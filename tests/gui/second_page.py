"""A second page for tests, as small as one can be: a list of notes, one command, and nothing of the files."""

from __future__ import annotations

import tkinter as tk
from dataclasses import dataclass
from tkinter import ttk
from typing import ClassVar

from sfos.client.session.session import Session
from sfos.gui.commands import Command, Offer
from sfos.gui.look import styles
from sfos.gui.page import Desk, Page, Room

NOTES = ("first", "second", "third")


@dataclass(frozen=True, slots=True)
class NotesState:
    """Selection of the notes page."""

    selected: tuple[str, ...]


SHOUT = Command[NotesState, "NotesPage"](
    "shout", "Shout", lambda state: bool(state.selected), lambda page: page.shout(),
    ("F9",), "megaphone", group="Files", at={"tools": 1, "selection": 11},
)  # fmt: skip
CROSS_OUT = Command[NotesState, "NotesPage"](
    "cross_out", "Cross out", lambda state: bool(state.selected), lambda page: page.cross_out(),
    ("Delete",), "trash", "list", "Files", at={"selection": 12},
)  # fmt: skip
COMMANDS = (SHOUT, CROSS_OUT)


class NotesPage(Page):
    """Notes to be shouted or crossed out."""

    title, icon = "Notes", "journal-text"
    wanted: ClassVar[bool] = False  # whether the next session has the page

    def __init__(self, room: Room) -> None:
        self.shouted: list[str] = []
        self.crossed_out: list[str] = []
        frame = ttk.Frame(room.centre, style=styles.SURFACE)
        self.list = tk.Listbox(frame, exportselection=False)
        self.list.pack(fill="both", expand=True)
        self.list.insert("end", *NOTES)
        self.list.bind("<<ListboxSelect>>", lambda _event: room.renew())
        self.widget, self.keyboard = frame, self.list
        self.offer = Offer(COMMANDS, self._state, lambda: self)
        self.desk: Desk | None = None

    def is_for(self, session: Session) -> bool:
        return self.wanted

    def begin(self, desk: Desk) -> None:
        self.desk = desk

    def end(self) -> None:
        self.desk = None

    @property
    def selected(self) -> tuple[str, ...]:
        return tuple(str(self.list.get(index)) for index in self.list.curselection())

    def _state(self) -> NotesState | None:
        return NotesState(self.selected) if self.desk is not None else None

    @property
    def summary(self) -> str:
        return f"{len(NOTES)} notes · {len(self.selected)} selected"

    def shout(self) -> None:
        self.shouted += self.selected

    def cross_out(self) -> None:
        self.crossed_out += self.selected
