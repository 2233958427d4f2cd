"""Rows dragged with the mouse onto a folder: moved, and with Ctrl held copied. Escape gives it up."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from tkinter import ttk
from typing import Protocol

from sfos.gui.files.operations import named
from sfos.gui.files.row_choice import RowChoice
from sfos.gui.files.visible_rows import VisibleRows
from sfos.gui.look.theme import Theme
from sfos.gui.model import FolderPath
from sfos.gui.nodes import NodeKey
from sfos.gui.rows import has_any, in_one_folder
from sfos.protocol import Entry, printable

_FAR = 6  # design pixels that the mouse moves before a press is a drag
_EDGE = 18  # from the edge of a list on, it scrolls
_SCROLL_MS = 80
_SHIFT, _CONTROL = 0x1, 0x4  # bits of an event's state


class Source(Protocol):
    """The list that rows are dragged out of."""

    @property
    def tree(self) -> VisibleRows: ...

    @property
    def choice(self) -> RowChoice: ...

    def selected(self) -> Sequence[Entry]: ...

    def double_click(self, event: tk.Event[ttk.Treeview]) -> str | None: ...


class Target(Protocol):
    """A view with folders that rows can be dropped on. Places are those of the screen."""

    def drop_target_at(self, x: int, y: int) -> FolderPath | None:
        """The folder that is shown there."""

    def mark_drop_target(self, folder: FolderPath | None) -> None:
        """Show that a drop now would go into `folder`; None ends that."""

    def hover(self, x: int, y: int, edge: int) -> None:
        """Something is held there: show what lies beyond the edge."""


@dataclass(slots=True)
class _Held:
    """Rows that are held, and where they would go."""

    entries: Sequence[Entry]
    target: FolderPath | None = None
    view: Target | None = None
    copy: bool = False


class RowDrag:
    """Watches the mouse in `source`; `on_drop(entries, folder, copy)` does what the drop means."""

    def __init__(
        self,
        source: Source,
        targets: Sequence[Target],
        theme: Theme,
        on_drop: Callable[[Sequence[Entry], FolderPath, bool], None],
    ) -> None:
        self._source, self._targets, self._theme, self._on_drop = source, targets, theme, on_drop
        self._pressed: tuple[int, int] | None = None
        self._narrow_to: NodeKey | None = None  # a press on one of several selected rows may be the start of a drag
        self._dropped = False  # and not pressed again since
        self._held: _Held | None = None
        self._flag: tk.Toplevel | None = None
        self._words: ttk.Label | None = None
        self._after: str | None = None
        self._at = (0, 0)
        tree = source.tree
        tree.bind("<Button-1>", self._press, add="+")
        tree.bind("<B1-Motion>", self._motion)
        tree.bind("<ButtonRelease-1>", self._release, add="+")
        tree.bind("<Double-Button-1>", self._double_press)
        tree.bind("<Escape>", self._give_up, add="+")
        for side in ("L", "R"):
            tree.bind(f"<KeyPress-Control_{side}>", lambda _event: self._set_copy(True), add="+")
            tree.bind(f"<KeyRelease-Control_{side}>", lambda _event: self._set_copy(False), add="+")

    @property
    def text(self) -> str:
        """Sentence beside the mouse; "" while nothing is held."""
        return str(self._words.cget("text")) if self._words is not None else ""

    # --- mouse -----------------------------------------------------------------------------------------------------

    def _press(self, event: tk.Event[ttk.Treeview]) -> str | None:
        self._dropped = False
        tree, choice = self._source.tree, self._source.choice
        row = tree.row_at(event.y) if tree.is_row(event.x, event.y) else None
        self._pressed = (event.x_root, event.y_root) if row is not None else None
        self._narrow_to = None
        if row is None or int(event.state) & (_SHIFT | _CONTROL):
            return None
        if choice.is_selected(row) and choice.selected_count > 1:
            # They stay selected while they may be about to be dragged.
            self._narrow_to = choice.rows.key(row)
            tree.focus_set()
            choice.put_focus(row)
            return "break"
        return None

    def _double_press(self, event: tk.Event[ttk.Treeview]) -> str | None:
        if not self._dropped:
            self._pressed = self._narrow_to = None
            return self._source.double_click(event)
        # Where something was just dragged away from, the next row has come under the mouse: a first press on it.
        row, choice = self._source.tree.row_at(event.y), self._source.choice
        if row is not None and not choice.is_selected(row):
            choice.select(row)
        self._press(event)
        return "break"

    def _motion(self, event: tk.Event[ttk.Treeview]) -> str | None:
        if self._held is None:
            if self._pressed is None:
                return None
            far = max(abs(event.x_root - self._pressed[0]), abs(event.y_root - self._pressed[1]))
            entries = self._source.selected()
            if far < self._theme.px(_FAR) or not entries:
                return "break"
            self._take(entries)
        self._at = event.x_root, event.y_root
        self._look(copy=bool(int(event.state) & _CONTROL))
        return "break"

    def _release(self, event: tk.Event[ttk.Treeview]) -> str | None:
        held, narrow_to = self._held, self._narrow_to
        self._pressed = self._narrow_to = None
        if held is None:
            if narrow_to is not None:
                self._narrow(narrow_to)
            return None
        self._at = event.x_root, event.y_root
        self._look(copy=bool(int(event.state) & _CONTROL))
        target, copy = held.target, held.copy
        self._let_go()
        self._dropped = True
        if target is not None:
            self._on_drop(held.entries, target, copy)
        return "break"

    def _narrow(self, key: NodeKey) -> None:
        choice = self._source.choice
        row = choice.rows.position(key)
        if row is not None:
            choice.select(row)

    def _give_up(self, _event: object) -> str | None:
        if self._held is None:
            return None
        self._let_go()
        self._pressed = self._narrow_to = None
        return "break"

    # --- what is held ----------------------------------------------------------------------------------------------

    def _take(self, entries: Sequence[Entry]) -> None:
        theme, palette = self._theme, self._theme.palette
        self._held = _Held(entries)
        tree = self._source.tree
        tree.configure(cursor="fleur")
        flag = self._flag = tk.Toplevel(tree, background=palette.border)
        flag.withdraw()
        flag.overrideredirect(True)
        self._words = ttk.Label(
            flag, font="SfSmallFont", foreground=palette.surface, background=palette.text,
            padding=(theme.px(8), theme.px(4)), wraplength=theme.px(360),
        )  # fmt: skip
        self._words.pack()
        self._after = tree.after(_SCROLL_MS, self._scroll_on)

    def _set_copy(self, copy: bool) -> None:
        if self._held is not None:
            self._look(copy=copy)

    def _look(self, *, copy: bool) -> None:
        """Find out where a drop now would go, and say so."""
        held = self._held
        if held is None:
            return
        held.copy = copy
        x, y = self._at
        found: FolderPath | None = None
        over: Target | None = None
        for view in self._targets:
            folder = view.drop_target_at(x, y)
            if folder is not None and accepts(folder, held.entries, copy=copy):
                found, over = folder, view
                break
        if held.view is not None and held.view is not over:
            held.view.mark_drop_target(None)
        if over is not None:
            over.mark_drop_target(found)
        held.target, held.view = found, over
        self._say(held)

    def _say(self, held: _Held) -> None:
        flag, words = self._flag, self._words
        if flag is None or words is None:
            return
        what = named(held.entries) if len(held.entries) <= 2 else f"{len(held.entries):,} items"
        if held.target is not None:
            place = printable(held.target.crumbs[-1].name) or "My files"
            text = f"{'Copy' if held.copy else 'Move'} {what} to “{place}”"
        else:
            text = what
        words.configure(text=text)
        flag.update_idletasks()
        px = self._theme.px
        left = min(self._at[0] + px(14), flag.winfo_screenwidth() - flag.winfo_reqwidth())
        top = min(self._at[1] + px(16), flag.winfo_screenheight() - flag.winfo_reqheight())
        flag.geometry(f"+{max(0, left)}+{max(0, top)}")
        flag.deiconify()
        flag.lift()

    def _scroll_on(self) -> None:
        """Show what lies beyond the edge of the view that is held over, and look what is under the mouse then."""
        self._after = None
        held = self._held
        if held is None:
            return
        for view in self._targets:
            view.hover(*self._at, self._theme.px(_EDGE))
        self._look(copy=held.copy)
        self._after = self._source.tree.after(_SCROLL_MS, self._scroll_on)

    def _let_go(self) -> None:
        held, self._held = self._held, None
        if held is not None and held.view is not None:
            held.view.mark_drop_target(None)
        for view in self._targets:
            view.hover(-1, -1, 0)
        tree = self._source.tree
        if self._after is not None:
            tree.after_cancel(self._after)
            self._after = None
        tree.configure(cursor="")
        if self._flag is not None:
            self._flag.destroy()
        self._flag = self._words = None


def accepts(folder: FolderPath, entries: Sequence[Entry], *, copy: bool) -> bool:
    """Whether `entries` can be put into `folder`: nothing goes into itself, and what is there already is not moved."""
    if has_any(entries, [crumb.key for crumb in folder.crumbs]):
        return False
    return copy or not in_one_folder(entries, folder.key)
