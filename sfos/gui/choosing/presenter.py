"""State of the dialog in which files and folders of this computer are chosen. Pure: no Tk; the disk is read in threads.

What the path field says is what will be taken: choosing a row writes it there, and typing there lets go of the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from sfos.gui import wording
from sfos.gui.choosing import spelling
from sfos.gui.choosing.local_folder import Column, LocalRow, in_order, read_folder
from sfos.gui.choosing.places import Place, places
from sfos.gui.choosing.resolving import Found, Mode, resolve
from sfos.gui.threads.bridge import CancelToken, Epoch, TaskBridge
from sfos.protocol import printable

Phase = Literal["reading", "ready", "failed"]


@dataclass(frozen=True, slots=True)
class ChooserState:
    """State that the dialog draws. `rows`: those that are shown; `selected`: names of some of them, in their order.

    `typed`: what the person wrote, None where the field shows what is chosen. `start`: all rows begin with it.
    `to_make`: a folder that is not there, which the next press of the button takes all the same.
    """

    mode: Mode
    folder: Path
    phase: Phase = "reading"
    rows: tuple[LocalRow, ...] = ()
    selected: tuple[str, ...] = ()
    typed: str | None = None
    start: str = ""
    show_hidden: bool = False
    column: Column = "name"
    descending: bool = False
    files: int = 0
    hidden: int = 0
    places: tuple[Place, ...] = ()
    said: str = ""
    wrong: bool = False
    busy: bool = False
    to_make: Path | None = None

    @property
    def chosen(self) -> tuple[LocalRow, ...]:
        """Rows that are selected."""
        wanted = set(self.selected)
        return tuple(row for row in self.rows if row.name in wanted)


class ChooserPresenter:
    """`on_chosen` is told the paths, once; after `close` nobody is told anything."""

    def __init__(
        self,
        bridge: TaskBridge,
        mode: Mode,
        start: Path,
        *,
        home: Path,
        on_chosen: Callable[[tuple[Path, ...]], None],
        show_hidden: bool = False,
    ) -> None:
        self._bridge, self._home, self._on_chosen = bridge, home, on_chosen
        self.on_state: Callable[[ChooserState], None] = lambda _state: None
        self.state = ChooserState(mode, start, show_hidden=show_hidden)
        self._all: tuple[LocalRow, ...] = ()
        self._read = Epoch()
        self._asked = Epoch()
        self._token = CancelToken()
        self._base = start  # where a typed path begins that is not whole
        self._closed = False

    def start(self) -> None:
        """Read where it begins; if that is gone, what is left above it."""

        def found(what: tuple[Path, tuple[Place, ...]]) -> None:
            folder, known = what
            self._show(places=known)
            if self.state.typed is None:  # who types already, has been somewhere else
                self.go(folder)

        start, home = self.state.folder, self._home
        self._bridge.run_in_thread(
            lambda _token: (_still_there(start, home), places(home)), found, self._failed, name="gui-choose"
        )

    def close(self) -> None:
        """Close: nobody looks any more."""
        self._closed = True
        self._token.cancel()

    # --- going about -----------------------------------------------------------------------------------------------

    def go(self, folder: Path) -> None:
        """Show `folder`."""
        self._base = folder
        self._show(typed=None, start="", selected=(), said="", wrong=False, to_make=None)
        self._list(folder)

    def go_up(self) -> None:
        """Show the folder above."""
        here = self.state.folder
        if here.parent != here:
            self.go(here.parent)

    def open(self, name: str) -> None:
        """Go into the folder `name`, or take the file."""
        row = next((row for row in self.state.rows if row.name == name), None)
        if row is None:
            return
        if row.is_folder:
            self.go(self.state.folder / name)
        else:
            self.select((name,))
            self.submit()

    def _list(self, folder: Path) -> None:
        epoch = self._read.advance()
        self._token.cancel()

        def read(rows: tuple[LocalRow, ...]) -> None:
            if self._read.is_current(epoch):
                self._all = self._sorted(rows)
                self._arrange(phase="ready")

        def failed(error: Exception) -> None:
            if self._read.is_current(epoch):
                self._all = ()
                self._arrange(phase="failed", said=_unreadable(error), wrong=self.state.typed is None)

        self._show(folder=folder, phase="reading")
        self._token = self._bridge.run_in_thread(
            lambda token: read_folder(folder, token.check), read, failed, name="gui-choose"
        )

    # --- the list --------------------------------------------------------------------------------------------------

    def _arrange(self, **changed: object) -> None:
        """Work out which rows are shown."""
        state = replace(self.state, **changed)  # type: ignore[arg-type]
        start = state.start
        seen = [row for row in self._all if state.show_hidden or not row.hidden or start.startswith(".")]
        rows = tuple(
            row
            for row in seen
            if (row.is_folder or state.mode == "files") and (not start or spelling.begins(row.name, start))
        )
        names = {row.name for row in rows}
        self._set(replace(
            state, rows=rows, selected=tuple(name for name in state.selected if name in names),
            files=sum(not row.is_folder for row in seen),
            hidden=0 if state.show_hidden else sum(row.hidden for row in self._all),
        ))  # fmt: skip

    def select(self, names: Sequence[str]) -> None:
        """Choose these rows, and let go of what was typed."""
        wanted = set(names)
        chosen = tuple(row.name for row in self.state.rows if row.name in wanted)
        self._base = self.state.folder
        # The rows stay, also those that follow what was typed: none must move away from under the mouse.
        self._show(selected=chosen, typed=None, said="", wrong=False, to_make=None)

    def set_hidden(self, shown: bool) -> None:
        """Show hidden files, or do not."""
        self._arrange(show_hidden=shown)

    def sort_by(self, column: Column) -> None:
        """Sort by a column; again: the other way round."""
        state = self.state
        self._show(column=column, descending=not state.descending if column == state.column else column != "name")
        self._all = in_order(self._all, self.state.column, descending=self.state.descending)
        self._arrange()

    def _sorted(self, rows: tuple[LocalRow, ...]) -> tuple[LocalRow, ...]:
        """Rows in the order of now. They are kept so: what is typed only picks some, however many there are."""
        column, descending = self.state.column, self.state.descending
        return rows if column == "name" and not descending else in_order(rows, column, descending=descending)

    # --- the path field --------------------------------------------------------------------------------------------

    def type(self, text: str) -> None:
        """Take what the field says; the list follows it."""
        if text == self.state.typed:
            return
        folder, start = spelling.split(text, self._base)
        self._show(typed=text, start=start, selected=(), said="", wrong=False, to_make=None)
        if folder != self.state.folder:
            self._list(folder)
        else:
            self._arrange()

    def complete(self) -> bool:
        """Write on as far as there is only one way to go on; whether there was anything to write."""
        text = self.state.typed
        if not text or self.state.phase != "ready":
            return False
        _, start = spelling.split(text, self._base)
        candidates = [row for row in self.state.rows if spelling.begins(row.name, start)]
        completed = spelling.completion(start, [row.name for row in candidates])
        only = [row for row in candidates if row.name == completed]
        ending = "/" if len(candidates) == 1 and only and only[0].is_folder else ""
        if not start or completed + ending == start:
            return False
        self.type(text[: len(text) - len(start)] + completed + ending)
        return True

    # --- the buttons -----------------------------------------------------------------------------------------------

    @property
    def can_submit(self) -> bool:
        """Whether the first button does anything."""
        state = self.state
        return not state.busy and bool(state.selected or state.typed or state.mode == "destination")

    def submit(self) -> None:
        """Take what the field says, or what is selected."""
        state = self.state
        if not self.can_submit:
            if not state.busy:
                self._show(said="Choose from the list, or type a path.", wrong=True)
        elif state.typed:
            self._resolve(state.typed)
        elif state.mode == "files" and len(state.chosen) == 1 and state.chosen[0].is_folder:
            self.open(state.chosen[0].name)
        elif state.selected:
            self._choose(tuple(state.folder / name for name in state.selected))
        else:
            self._choose((state.folder,))

    def take_this_folder(self) -> None:
        """Take the folder that is shown."""
        if not self.state.busy:
            self._choose((self.state.folder,))

    def _resolve(self, text: str) -> None:
        epoch, mode, base = self._asked.advance(), self.state.mode, self._base
        make = self.state.to_make

        def found(what: Found) -> None:
            self._show(busy=False)
            if not self._asked.is_current(epoch) or self.state.typed != text:
                return  # it was written on meanwhile
            if what.go_to is not None:
                self.go(what.go_to)
            elif what.paths:
                self._choose(what.paths)
            else:
                self._show(said=what.problem, wrong=what.to_make is None, to_make=what.to_make)

        self._show(busy=True, said="")
        self._bridge.run_in_thread(
            lambda _token: resolve(text, base, mode, make=make), found, self._failed, name="gui-choose"
        )

    def _choose(self, paths: tuple[Path, ...]) -> None:
        self.close()
        self._on_chosen(paths)

    # --- telling ---------------------------------------------------------------------------------------------------

    def _failed(self, error: Exception) -> None:
        self._show(busy=False, said=wording.explain(error), wrong=True)

    def _show(self, **changed: object) -> None:
        self._set(replace(self.state, **changed))  # type: ignore[arg-type]

    def _set(self, state: ChooserState) -> None:
        if not self._closed:
            self.state = state
            self.on_state(state)


def _still_there(folder: Path, home: Path) -> Path:
    """`folder`, or what of the way to it is still there; the home, where nothing else is."""
    for above in (folder, *folder.parents):
        try:
            if above.is_dir() and above != above.parent:
                return above
        except OSError:
            continue
    return home


def _unreadable(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "There is no such folder."
    if isinstance(error, NotADirectoryError):
        return "This is a file."
    if isinstance(error, PermissionError):
        return "This computer does not let you look into this folder."
    return wording.explain(error)


def field_text(state: ChooserState) -> str:
    """Text of the path field: what was typed, the one thing that is chosen, or the folder."""
    if state.typed is not None:
        return state.typed
    if len(state.selected) == 1:
        return printable(str(state.folder / state.selected[0]))
    folder = printable(str(state.folder))
    return folder if folder.endswith("/") else folder + "/"


@dataclass(frozen=True, slots=True)
class DestinationWords:
    """Words of the button that takes a folder to be filled: a typed one, one that has to be made, the one that is
    shown, one with a name."""

    typed: str
    made: str
    shown: str
    named: str


DOWNLOAD = DestinationWords("Download", "Make the folder and download", "Download here", "Download to “{}”")
USE = DestinationWords("Use it", "Make the folder", "Use this folder", "Use “{}”")


def verb_of(state: ChooserState, words: DestinationWords = DOWNLOAD) -> str:
    """Words of the first button: what it will do, to what."""
    mode, chosen = state.mode, state.chosen
    if mode == "destination":
        if state.to_make is not None:
            return words.made
        if state.typed is not None:
            return words.typed
        return words.named.format(printable(chosen[0].name)) if len(chosen) == 1 else words.shown
    if not chosen:
        return "Upload"
    if len(chosen) == 1:
        row = chosen[0]
        return f"{'Open' if mode == 'files' and row.is_folder else 'Upload'} “{printable(row.name)}”"
    folders = sum(row.is_folder for row in chosen)
    noun = "folder" if folders == len(chosen) else "item" if folders else "file"
    return f"Upload {wording.count(len(chosen), noun)}"


def summary_of(state: ChooserState) -> str:
    """A line on what the folder holds, also of what is not shown."""
    if state.phase != "ready":
        return ""
    folders = sum(row.is_folder for row in state.rows)
    if state.start:
        return (
            f"{len(state.rows):,} here {'begins' if len(state.rows) == 1 else 'begin'} with “{printable(state.start)}”"
        )
    parts = []
    if folders or not state.files:
        parts.append(wording.count(folders, "folder"))
    if state.files:
        parts.append(wording.count(state.files, "file"))
    text = ", ".join(parts)
    if state.hidden:
        text += f", {state.hidden:,} hidden"
    return text
