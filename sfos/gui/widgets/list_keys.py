"""The keys that a Treeview lacks: Home and End, extending a selection, paging, and finding a name by typing it."""

from __future__ import annotations

import time
import tkinter as tk
from collections.abc import Callable, Sequence
from itertools import chain
from tkinter import ttk
from typing import Protocol

TYPE_AHEAD_PAUSE_S = 1.0


def walk(typed: str, here: int) -> tuple[str, int]:
    """Beginning of a name that is looked for, and from where on, once `typed` was typed on the row `here`.

    One letter again and again walks through the names that begin with it.
    """
    return (typed[0], here + 1) if len(set(typed.casefold())) == 1 else (typed, here)


def find_named(names: Sequence[str], beginning: str, start: int) -> int | None:
    """Index of the next name that begins so, ignoring case, from `start` on and round the end."""
    folded = beginning.casefold()
    order = chain(range(start, len(names)), range(min(start, len(names))))
    return next((at for at in order if names[at].casefold().startswith(folded)), None)


class KeyedRows(Protocol):
    """Rows of a list, by their positions, as keys go through them and select them."""

    def __len__(self) -> int: ...

    @property
    def focus(self) -> int | None:
        """Position of the row with the keyboard."""

    @property
    def page(self) -> int:
        """How many rows are seen at once."""

    def select(self, position: int) -> None:
        """Select the row there alone, and put the keyboard on it."""

    def extend(self, position: int) -> None:
        """Select all from where a range begins to the row there."""

    def toggle(self, position: int) -> None:
        """Select the row there, or do so no longer."""

    def find_typed(self, typed: str, start: int) -> int | None:
        """Position of the next name that begins with `typed`, from `start` on and round the end."""


class ListKeys:
    """Binds those keys to a widget that shows `rows`."""

    def __init__(self, widget: tk.Misc, rows: KeyedRows) -> None:
        self._rows = rows
        self._typed = ""
        self._typed_at = 0.0
        for key, step in (("Up", -1), ("Down", 1), ("Prior", None), ("Next", None), ("Home", None), ("End", None)):
            for modifier, go in (("", rows.select), ("Shift-", rows.extend)):
                widget.bind(f"<{modifier}Key-{key}>", self._mover(key, step, go))
        widget.bind("<Control-Key-space>", self._toggle)
        widget.bind("<Key>", self._type_ahead)
        # Ours replace ttk's own bindings of these keys, which open and close branches.
        for key in ("Left", "Right"):
            widget.bind(f"<Key-{key}>", lambda _event: "break")

    def _mover(self, key: str, step: int | None, go: Callable[[int], None]) -> Callable[[object], str]:
        def move(_event: object) -> str:
            count = len(self._rows)
            if count:
                here = self._rows.focus
                go(self._target(key, step, here if here is not None else (-1 if step == 1 else 0), count))
            return "break"

        return move

    def _target(self, key: str, step: int | None, index: int, count: int) -> int:
        if key == "Home":
            return 0
        if key == "End":
            return count - 1
        if step is None:
            page = max(1, self._rows.page - 1)  # less one so that the eye keeps its place
            step = page if key == "Next" else -page
        return min(count - 1, max(0, index + step))

    def _toggle(self, _event: object) -> str:
        if self._rows.focus is not None:
            self._rows.toggle(self._rows.focus)
        return "break"

    def _type_ahead(self, event: tk.Event[tk.Misc]) -> str | None:
        # Bits of Control and Alt (Mod1): a key with them is a command, not a letter.
        if not event.char or not event.char.isprintable() or int(event.state) & (0x4 | 0x8):
            return None
        now = time.monotonic()
        if now - self._typed_at > TYPE_AHEAD_PAUSE_S:
            self._typed = ""
        if event.char == " " and not self._typed:
            return None  # Space alone is the preview
        self._typed, self._typed_at = self._typed + event.char, now
        count, here = len(self._rows), self._rows.focus
        if count:
            wanted, start = walk(self._typed, here if here is not None else -1)
            found = self._rows.find_typed(wanted, start % count)
            if found is not None:
                self._rows.select(found)
        return "break"


class TreeRows:
    """Items of a Treeview as such rows. `names()`: their names, in that order."""

    def __init__(self, tree: ttk.Treeview, names: Callable[[], Sequence[str]]) -> None:
        self._tree, self._names = tree, names
        self._anchor = ""
        tree.bind("<ButtonRelease-1>", self._remember_anchor, add="+")

    def _remember_anchor(self, event: tk.Event[ttk.Treeview]) -> None:
        # With Shift held, the click itself extended the selection from the old anchor.
        if not int(event.state) & 0x1:
            self._anchor = self._tree.focus()

    def __len__(self) -> int:
        return len(self._tree.get_children())

    @property
    def focus(self) -> int | None:
        item = self._tree.focus()
        return self._tree.index(item) if item else None

    @property
    def page(self) -> int:
        first, last = self._tree.yview()
        return round((last - first) * len(self))

    def select(self, position: int) -> None:
        self._anchor = self._tree.get_children()[position]
        self._tree.selection_set((self._anchor,))
        self._go(self._anchor)

    def extend(self, position: int) -> None:
        items = self._tree.get_children()
        if not self._anchor or not self._tree.exists(self._anchor):
            self._anchor = self._tree.focus() or items[position]
        low, high = sorted((self._tree.index(self._anchor), position))
        self._tree.selection_set(items[low : high + 1])
        self._go(items[position])

    def _go(self, item: str) -> None:
        self._tree.focus(item)
        self._tree.see(item)

    def toggle(self, position: int) -> None:
        self._tree.selection_toggle(self._tree.get_children()[position])

    def select_all(self) -> None:
        """Select every row."""
        self._tree.selection_set(self._tree.get_children())

    def find_typed(self, typed: str, start: int) -> int | None:
        return find_named(self._names()[: len(self)], typed, start)  # it may still be being filled
