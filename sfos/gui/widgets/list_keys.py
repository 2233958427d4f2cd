"""The keys that a Treeview lacks: Home and End, extending a selection, paging, and finding a name by typing it."""

from __future__ import annotations

import time
import tkinter as tk
from collections.abc import Callable, Sequence
from tkinter import ttk
from typing import Protocol

TYPE_AHEAD_PAUSE_S = 1.0


def find_typed(names: Sequence[str], typed: str, start: int) -> int | None:
    """The index of the next name that begins with `typed`, ignoring case, from `start` on and round the end.

    One letter again and again walks through the names that begin with it.
    """
    wanted = typed.casefold()
    if len(set(wanted)) == 1 and len(wanted) > 1:
        wanted, start = wanted[0], start + 1
    elif len(wanted) == 1:
        start += 1
    for step in range(len(names)):
        index = (start + step) % len(names)
        if names[index].casefold().startswith(wanted):
            return index
    return None


class Named(Protocol):
    """Thing of a list, which bears a name."""

    @property
    def name(self) -> str:
        """Name that it is found by."""


class ListKeys:
    """Binds those keys to a Treeview whose items are the `rows()`, in that order."""

    def __init__(
        self,
        tree: ttk.Treeview,
        rows: Callable[[], Sequence[Named]],
    ) -> None:
        self._tree = tree
        self._rows = rows
        self._typed = ""
        self._typed_at = 0.0
        self.anchor = ""
        for key, step in (("Up", -1), ("Down", 1), ("Prior", None), ("Next", None), ("Home", None), ("End", None)):
            for modifier, extend in (("", False), ("Shift-", True)):
                tree.bind(f"<{modifier}Key-{key}>", self._mover(key, step, extend))
        tree.bind("<Control-Key-space>", self._toggle)
        tree.bind("<Key>", self._type_ahead)
        tree.bind("<ButtonRelease-1>", self._remember_anchor, add="+")
        # Ours replace ttk's own bindings of these keys, which open and close branches.
        for key in ("Left", "Right"):
            tree.bind(f"<Key-{key}>", lambda _event: "break")

    def _mover(self, key: str, step: int | None, extend: bool) -> Callable[[object], str]:
        def move(_event: object) -> str:
            items = self._tree.get_children()
            if not items:
                return "break"
            here = self._tree.focus()
            index = self._tree.index(here) if here else (-1 if step == 1 else 0)
            self._go(items, self._target(key, step, index, len(items)), extend)
            return "break"

        return move

    def _target(self, key: str, step: int | None, index: int, count: int) -> int:
        if key == "Home":
            return 0
        if key == "End":
            return count - 1
        if step is None:
            step = self._page() if key == "Next" else -self._page()
        return min(count - 1, max(0, index + step))

    def _page(self) -> int:
        """Rows that are visible at once, less one so that the eye keeps its place."""
        first, last = self._tree.yview()
        return max(1, round((last - first) * len(self._tree.get_children())) - 1)

    def _go(self, items: tuple[str, ...], index: int, extend: bool) -> None:
        target = items[index]
        if extend and self.anchor and self._tree.exists(self.anchor):
            low, high = sorted((self._tree.index(self.anchor), index))
            self._tree.selection_set(items[low : high + 1])
        else:
            if not extend or not self.anchor:
                self.anchor = target if not extend else (self._tree.focus() or target)
            self._tree.selection_set((target,) if not extend else (self.anchor, target))
        self._tree.focus(target)
        self._tree.see(target)

    def _remember_anchor(self, event: tk.Event[ttk.Treeview]) -> None:
        # With Shift held, the click itself extended the selection from the old anchor.
        if not int(event.state) & 0x1:
            self.anchor = self._tree.focus()

    def _toggle(self, _event: object) -> str:
        item = self._tree.focus()
        if item:
            self._tree.selection_toggle(item)
        return "break"

    def select_all(self) -> None:
        """Select every row."""
        self._tree.selection_set(self._tree.get_children())

    def _type_ahead(self, event: tk.Event[ttk.Treeview]) -> str | None:
        # Bits of Control and Alt (Mod1): a key with them is a command, not a letter.
        if not event.char or not event.char.isprintable() or int(event.state) & (0x4 | 0x8):
            return None
        now = time.monotonic()
        if now - self._typed_at > TYPE_AHEAD_PAUSE_S:
            self._typed = ""
        if event.char == " " and not self._typed:
            return None  # Space alone is the preview
        self._typed, self._typed_at = self._typed + event.char, now
        rows = self._rows()
        here = self._tree.focus()
        start = self._tree.index(here) if here else -1
        found = find_typed([row.name for row in rows], self._typed, start)
        items = self._tree.get_children()
        if found is not None and found < len(items):
            self._go(items, found, extend=False)
        return "break"
