"""The left pane: the tree of folders, and how much is stored."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable, Sequence
from tkinter import ttk

from gui import styles, wording
from gui.model import Place, Usage
from gui.theme import Theme
from gui.views.scroll import AutoScrollbar
from protocol import ROOT_NODE, Entry

_PENDING = "pending:"  # the child that stands for folders not read yet, so that the branch can be opened


class Sidebar(ttk.Frame):
    """Folders as they become known: a branch asks for its folders when it is first opened."""

    def __init__(
        self,
        parent: tk.Misc,
        theme: Theme,
        *,
        on_go: Callable[[Place], None],
        on_expand: Callable[[int], None],
    ) -> None:
        super().__init__(parent, style=styles.SIDE)
        self._theme = theme
        self._on_go, self._on_expand = on_go, on_expand
        self._names: dict[int, str] = {}
        self._shown: int | None = None
        self._to_open: set[int] = set()  # branches on the way to the folder shown, not read yet
        px = theme.px
        self.tree = ttk.Treeview(self, style=styles.FOLDERS, show="tree", selectmode="browse", takefocus=True)
        bar = AutoScrollbar(self, "vertical", self.tree.yview, row=0, column=1, sticky="ns", pady=(px(6), 0))
        self.tree.configure(yscrollcommand=bar.set)
        self.tree.grid(row=0, column=0, sticky="nsew", padx=(px(6), px(4)), pady=(px(6), px(4)))
        self.rowconfigure(0, weight=1)
        self.columnconfigure(0, weight=1)
        self._usage = UsageMeter(self, theme)
        self._usage.grid(row=1, column=0, columnspan=2, sticky="ew", padx=px(12), pady=(px(4), px(8)))
        self.tree.bind("<<TreeviewSelect>>", self._selected)
        self.tree.bind("<<TreeviewOpen>>", self._opened)
        theme.on_change(self._recolour)
        self.clear()

    # --- the tree --------------------------------------------------------------------------------------------------

    def clear(self) -> None:
        """Know nothing but the root."""
        self.tree.delete(*self.tree.get_children())
        self._names = {ROOT_NODE: "My files"}
        theme = self._theme
        self.tree.insert(
            "", "end", iid=str(ROOT_NODE), text="My files", open=True,
            image=str(theme.icon("house", theme.palette.accent, 16, pad_right=8)),
        )  # fmt: skip

    def set_folders(self, parent: int, folders: Sequence[Entry]) -> None:
        """These are the folders in `parent`, sorted as they shall stand; deeper branches stay as they are."""
        branch = str(parent)
        if not self.tree.exists(branch):
            return
        if self.tree.exists(_PENDING + branch):
            self.tree.delete(_PENDING + branch)
        wanted = {str(folder.node) for folder in folders}
        for child in self.tree.get_children(branch):
            if child not in wanted:
                self._forget(child)
        for index, folder in enumerate(folders):
            item = str(folder.node)
            if self.tree.exists(item):
                self.tree.move(item, branch, index)
                if self._names.get(folder.node) != folder.name:
                    self.tree.item(item, text=folder.name)
            else:
                self.tree.insert(branch, index, iid=item, text=folder.name, image=self._folder_icon())
                self.tree.insert(item, "end", iid=_PENDING + item)
            self._names[folder.node] = folder.name
        if parent in self._to_open:
            self._to_open.discard(parent)
            self.tree.item(branch, open=True)
        self._select_shown()

    def _forget(self, item: str) -> None:
        for child in self.tree.get_children(item):
            self._forget(child)
        if not item.startswith(_PENDING):
            self._names.pop(int(item), None)
        self.tree.delete(item)

    def show_place(self, place: Place) -> None:
        """Select the folder that the list shows, opening the branches above it as far as they are known."""
        if place.node != self._shown:
            self._shown = place.node
            self._to_open.clear()
            for crumb in place.crumbs[:-1]:
                item = str(crumb.node)
                if self.tree.exists(item) and not self.tree.exists(_PENDING + item):
                    self.tree.item(item, open=True)
                else:
                    self._to_open.add(crumb.node)
        self._select_shown()

    def _select_shown(self) -> None:
        item = str(self._shown)
        if self._shown is not None and self.tree.exists(item):
            if self.tree.selection() != (item,):
                self.tree.selection_set((item,))
                self.tree.focus(item)
            self.tree.see(item)

    def _selected(self, _event: object) -> None:
        chosen = self.tree.selection()
        if not chosen or chosen[0].startswith(_PENDING) or int(chosen[0]) == self._shown:
            return
        self._on_go(self._place_of(chosen[0]))

    def _place_of(self, item: str) -> Place:
        way: list[str] = []
        while item:
            way.append(item)
            item = self.tree.parent(item)
        place = Place()
        for step in reversed(way[:-1]):
            place = place.child(int(step), self._names[int(step)])
        return place

    def _opened(self, _event: object) -> None:
        item = self.tree.focus()
        if item and self.tree.exists(_PENDING + item):
            self._on_expand(int(item))

    def _folder_icon(self) -> str:
        theme = self._theme
        return str(theme.icon("folder-fill", theme.palette.folder, 16, pad_right=8))

    def _recolour(self) -> None:
        theme = self._theme
        for node in self._names:
            if self.tree.exists(str(node)) and node != ROOT_NODE:
                self.tree.item(str(node), image=self._folder_icon())
        self.tree.item(str(ROOT_NODE), image=str(theme.icon("house", theme.palette.accent, 16, pad_right=8)))

    def show_usage(self, usage: Usage | None) -> None:
        """Show how much is stored; None hides it."""
        self._usage.show(usage)


class UsageMeter(ttk.Frame):
    """A sentence, and where there is a quota a bar."""

    def __init__(self, parent: tk.Misc, theme: Theme) -> None:
        super().__init__(parent, style=styles.SIDE)
        self._theme = theme
        self._state: Usage | None = None
        self._text = ttk.Label(self, style=styles.SIDE_MUTED, anchor="w")
        self._text.pack(fill="x")
        self._bar = tk.Canvas(self, height=theme.px(7), highlightthickness=0, borderwidth=0)
        self._bar.bind("<Configure>", lambda _event: self._draw())
        theme.on_change(self._draw)
        self._draw()

    def show(self, usage: Usage | None) -> None:
        """See `Sidebar.show_usage`."""
        self._state = usage
        self._draw()

    def _draw(self) -> None:
        theme, palette = self._theme, self._theme.palette
        self._bar.configure(background=palette.side)
        self._bar.delete("all")
        usage = self._state
        if usage is None:
            self._text.configure(text="")
            return
        if usage.quota_bytes:
            used, whole = usage.stored_bytes, usage.quota_bytes
            self._text.configure(text=f"{wording.size(used)} of {wording.size(whole)} used")
        else:
            # Without a limit there is nothing that a bar could be full of.
            self._text.configure(text=f"{wording.size(usage.current_bytes)} in {wording.count(usage.files, 'file')}")
            self._bar.pack_forget()
            return
        self._bar.pack(fill="x", pady=(theme.px(6), 0))
        width, thick = self._bar.winfo_width(), theme.px(7)
        theme.bar(self._bar, 0, width, thick // 2, thick, palette.usage_trough)
        if used and whole:
            full = used >= 0.9 * whole and usage.quota_bytes is not None
            colour = palette.danger if full else palette.primary
            theme.bar(self._bar, 0, int(width * min(1.0, used / whole)), thick // 2, thick, colour)
