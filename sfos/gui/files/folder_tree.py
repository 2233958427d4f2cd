"""The tree of folders in the left pane."""

from __future__ import annotations

import sys
import time
import tkinter as tk
from collections.abc import Callable, Sequence
from tkinter import ttk

from sfos.gui.look import styles
from sfos.gui.look.theme import Theme
from sfos.gui.model import Crumb, FolderPath
from sfos.gui.nodes import ROOT, NodeKey, item_of, key_of
from sfos.gui.widgets.focus_ring import FocusRing
from sfos.gui.widgets.scroll import AutoScrollbar, is_inside, scroll_at_edge
from sfos.gui.widgets.tooltip import Tooltip
from sfos.protocol import Entry, printable

_ROOT = item_of(ROOT)
_OPENS_AFTER_S = 0.7
_PENDING = "pending:"  # the child that stands for folders not read yet, so that the branch can be opened


class FolderTree(ttk.Frame):
    """Folders as they become known: a branch asks for its folders when it is first opened."""

    def __init__(
        self,
        parent: tk.Misc,
        theme: Theme,
        *,
        on_go: Callable[[FolderPath], None],
        on_expand: Callable[[NodeKey], None],
        on_menu: Callable[[FolderPath, int, int], None],
    ) -> None:
        super().__init__(parent, style=styles.SIDE)
        self._theme = theme
        self._on_go, self._on_expand, self._on_menu = on_go, on_expand, on_menu
        self._crumbs: dict[str, Crumb] = {}  # by item
        self._shown: str | None = None
        self._to_open: set[str] = set()  # branches on the way to the folder shown, not read yet
        self._known: dict[str, tuple[Entry, ...]] = {}  # folders of branches that are read, some not in the tree yet
        self._refitting: str | None = None
        self._drop_item: str | None = None
        self._held_over = ("", 0.0)  # the branch that something is held over, and since when
        px = theme.px
        self.tree = ttk.Treeview(self, style=styles.FOLDERS, show="tree", selectmode="browse")
        self.ring = FocusRing(self.tree, theme)
        bar = AutoScrollbar(
            self, "vertical", self.tree.yview, styles.SCROLL_SIDE, row=0, column=1, sticky="ns", pady=(px(6), 0)
        )
        self.tree.configure(yscrollcommand=bar.set)
        self.tree.grid(row=0, column=0, sticky="nsew", padx=(px(6), px(4)), pady=(px(6), px(4)))
        self.rowconfigure(0, weight=1)
        self.columnconfigure(0, weight=1)
        self.tree.bind("<<TreeviewSelect>>", self._selected)
        self.tree.bind("<<TreeviewOpen>>", self._opened)
        self.tree.bind("<Configure>", self._configured)
        mac = str(self.tk.call("tk", "windowingsystem")) == "aqua"
        for button in ("<Button-3>", "<Button-2>") if mac else ("<Button-3>",):
            self.tree.bind(button, self._context)
        for keys in ("<Shift-F10>", "<App>" if sys.platform == "win32" else "<Menu>"):
            self.tree.bind(keys, lambda _event: self._context_key())
        Tooltip(self.tree, theme, self._tip_at)
        theme.on_change(self._recolour)
        self.clear()

    # --- the tree --------------------------------------------------------------------------------------------------

    def clear(self) -> None:
        """Know nothing but the root."""
        self.tree.delete(*self.tree.get_children())
        self._crumbs = {_ROOT: FolderPath().crumbs[0]}
        self._known = {}
        theme = self._theme
        self.tree.insert(
            "", "end", iid=_ROOT, text="My files", open=True,
            image=str(theme.icon("house", theme.palette.accent, 16, pad_right=8)),
        )  # fmt: skip

    def set_folders(self, parent: NodeKey, folders: Sequence[Entry]) -> None:
        """Show these folders in `parent`, sorted as they shall stand; deeper branches stay as they are."""
        branch = item_of(parent)
        self._known[branch] = tuple(folders)
        if not self.tree.exists(branch):
            return
        if self.tree.exists(_PENDING + branch):
            self.tree.delete(_PENDING + branch)
        wanted = {item_of(key_of(folder)) for folder in folders}
        for child in self.tree.get_children(branch):
            if child not in wanted:
                self._forget(child)
        depth = self._depth(branch) + 1
        for index, folder in enumerate(folders):
            crumb = Crumb.of(folder)
            item = item_of(crumb.key)
            before, self._crumbs[item] = self._crumbs.get(item), crumb
            if self.tree.exists(item):
                self.tree.move(item, branch, index)
                if before != crumb:
                    self.tree.item(item, text=self._fitted(folder.name, depth))
                continue
            text = self._fitted(folder.name, depth)
            self.tree.insert(branch, index, iid=item, text=text, image=self._folder_icon())
            if item in self._known:
                self.set_folders(crumb.key, self._known[item])
            else:
                self.tree.insert(item, "end", iid=_PENDING + item)
        if branch in self._to_open:
            self._to_open.discard(branch)
            self.tree.item(branch, open=True)
        self._select_shown()

    def _depth(self, item: str) -> int:
        depth = 0
        while item := self.tree.parent(item):
            depth += 1
        return depth

    def _fitted(self, name: str, depth: int) -> str:
        """`name`, shortened if it has no room at this depth."""
        px, width = self._theme.px, self.tree.winfo_width()
        room = width - px(2 + 17 + 16 + 8 + 8) - depth * px(16)
        return self._theme.elide(printable(name), max(px(40), room)) if width > 1 else printable(name)

    def _configured(self, _event: object) -> None:
        if self._refitting is not None:
            self.after_cancel(self._refitting)
        self._refitting = self.after(60, self._refit)

    def _refit(self) -> None:
        self._refitting = None
        for item, crumb in self._crumbs.items():
            if item != _ROOT:
                self.tree.item(item, text=self._fitted(crumb.name, self._depth(item)))

    def _tip_at(self, _x: int, y: int) -> str | None:
        """The whole name, where the tree shows a shortened one."""
        item = self.tree.identify_row(y)
        if not item or item.startswith(_PENDING) or item == _ROOT:
            return None
        name = self._crumbs[item].name
        return printable(name) if self._fitted(name, self._depth(item)) != printable(name) else None

    def _forget(self, item: str) -> None:
        for child in self.tree.get_children(item):
            self._forget(child)
        if not item.startswith(_PENDING):
            self._crumbs.pop(item, None)
        self.tree.delete(item)

    def show_nothing(self) -> None:
        """Select none: something else than a folder is shown."""
        self._shown = None
        self.tree.selection_set(())

    def show_folder(self, folder: FolderPath) -> None:
        """Select the folder that the list shows, opening the branches above it as far as they are known."""
        if item_of(folder.key) != self._shown:
            self._shown = item_of(folder.key)
            self._to_open.clear()
            for crumb in folder.crumbs[:-1]:
                item = item_of(crumb.key)
                if self.tree.exists(item) and not self.tree.exists(_PENDING + item):
                    self.tree.item(item, open=True)
                else:
                    self._to_open.add(item)
        self._select_shown()

    def _select_shown(self) -> None:
        item = self._shown
        if item is not None and self.tree.exists(item):
            if self.tree.selection() != (item,):
                self.tree.selection_set((item,))
                self.tree.focus(item)
            self.tree.see(item)

    def _selected(self, _event: object) -> None:
        chosen = self.tree.selection()
        if not chosen or chosen[0].startswith(_PENDING) or chosen[0] == self._shown:
            return
        self._on_go(self._folder_of(chosen[0]))

    def _folder_of(self, item: str) -> FolderPath:
        way: list[str] = []
        while item:
            way.append(item)
            item = self.tree.parent(item)
        return FolderPath(tuple(self._crumbs[step] for step in reversed(way)))

    def _opened(self, _event: object) -> None:
        item = self.tree.focus()
        if item and self.tree.exists(_PENDING + item):
            self._on_expand(self._crumbs[item].key)

    # --- its menu --------------------------------------------------------------------------------------------------

    def _context(self, event: tk.Event[tk.Misc]) -> None:
        folder = self.folder_at(event.x_root, event.y_root)
        if folder is not None:
            self._on_menu(folder, event.x_root, event.y_root)

    def _context_key(self) -> str:
        item = self.tree.focus()
        box = self.tree.bbox(item) if item and not item.startswith(_PENDING) else ""
        if box:
            x, y = self.tree.winfo_rootx() + box[0] + self._theme.px(40), self.tree.winfo_rooty() + box[1] + box[3]
            self._on_menu(self._folder_of(item), x, y)
        return "break"

    # --- what is held over it --------------------------------------------------------------------------------------

    def folder_at(self, x_root: int, y_root: int) -> FolderPath | None:
        """The folder shown at this place of the screen, if one is."""
        if not is_inside(self.tree, x_root, y_root):
            return None
        item = self.tree.identify_row(y_root - self.tree.winfo_rooty())
        return self._folder_of(item) if item and not item.startswith(_PENDING) else None

    def drop_target_at(self, x: int, y: int) -> FolderPath | None:
        """See `files.dragging.Target`."""
        return self.folder_at(x, y)

    def mark_drop_target(self, folder: FolderPath | None) -> None:
        """See `files.dragging.Target`."""
        wanted = item_of(folder.key) if folder is not None else None
        for item in {self._drop_item, wanted} - {None}:
            if item is not None and self.tree.exists(item):
                self.tree.item(item, tags=("drop",) if item == wanted else ())
        self._drop_item = wanted
        self.tree.tag_configure("drop", background=self._theme.palette.good)

    def hover(self, x: int, y: int, edge: int) -> None:
        """See `files.dragging.Target`. A closed branch opens after a moment."""
        scroll_at_edge(self.tree, x, y, edge)
        folder = self.folder_at(x, y)
        item = item_of(folder.key) if folder is not None else ""
        if item != self._held_over[0]:
            self._held_over = (item, time.monotonic())
        elif item and time.monotonic() - self._held_over[1] >= _OPENS_AFTER_S and not self.tree.item(item, "open"):
            self._open(item)

    def _open(self, item: str) -> None:
        self.tree.item(item, open=True)
        if self.tree.exists(_PENDING + item):
            self._on_expand(self._crumbs[item].key)

    def _folder_icon(self) -> str:
        theme = self._theme
        return str(theme.icon("folder-fill", theme.palette.folder, 16, pad_right=8))

    def _recolour(self) -> None:
        theme = self._theme
        for item in self._crumbs:
            if self.tree.exists(item) and item != _ROOT:
                self.tree.item(item, image=self._folder_icon())
        self.tree.item(_ROOT, image=str(theme.icon("house", theme.palette.accent, 16, pad_right=8)))
