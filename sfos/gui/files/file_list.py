"""The list of files: a Treeview filled in slices, with sortable columns. The model is the truth.

The id of a row's item is made of its space and node.

Values are written and never read back: Tcl turns '007' into 7.
"""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable, Iterable, Iterator, Sequence
from tkinter import ttk

from sfos.gui import wording
from sfos.gui.files.name_editor import NameEditor
from sfos.gui.look import kinds, styles
from sfos.gui.look.theme import Theme
from sfos.gui.model import Sort, SortColumn
from sfos.gui.nodes import NodeKey, item_of, key_of
from sfos.gui.widgets.focus_ring import FocusRing
from sfos.gui.widgets.list_keys import ListKeys
from sfos.gui.widgets.scroll import AutoScrollbar, is_inside, scroll_at_edge
from sfos.gui.widgets.slices import Slicer
from sfos.gui.widgets.tooltip import Tooltip
from sfos.protocol import Entry

_COLUMNS: tuple[tuple[SortColumn, str], ...] = (
    ("name", "\u2002Name"),  # above the icons, which stand a little away from the edge
    ("size", "Size\u2003"),  # the space keeps numbers away from the next column
    ("modified", "Modified"),
    ("type", "Type"),
)
_WIDEST = {"size": "999.9 MB\u2003", "modified": "2026-12-28 23:59", "type": "reStructuredText"}
_MIN_NAME = 180
_ICON_GAP = 8
_STEP = 50  # rows between two looks at the clock


def _item(row: Entry) -> str:
    """The id of its item."""
    return item_of(key_of(row))


class FileList(ttk.Frame):
    """Shows entries in the order given, and reports selection, opening, sorting and the context menu."""

    def __init__(
        self,
        parent: tk.Misc,
        theme: Theme,
        *,
        on_open: Callable[[Entry], None],
        on_select: Callable[[tuple[Entry, ...], Entry | None], None],
        on_sort: Callable[[SortColumn], None],
        on_menu: Callable[[int, int], None],
    ) -> None:
        super().__init__(parent, style=styles.SURFACE)
        self._theme = theme
        self._on_open, self._on_select, self._on_sort, self._on_menu = on_open, on_select, on_sort, on_menu
        self._rows: dict[str, Entry] = {}  # by item, in the order shown
        self._in_tree: set[str] = set()
        self._short: set[str] = set()  # items whose name is shown shortened
        self._cut: frozenset[NodeKey] = frozenset()
        self._drop_item: str | None = None
        self._sort = Sort()
        self._icons: dict[tuple[str, str], str] = {}
        self._slicer = Slicer(self)
        self._name_room = 0
        self._columns_shown = ["size", "modified", "type"]
        self._resized: str | None = None
        self._wanted_selection: tuple[str, ...] = ()
        self._wanted_focus = ""
        self._telling: str | None = None
        self._told: tuple[str, ...] = ()  # what was selected when that was told last
        self._editor: NameEditor | None = None
        self.tree = ttk.Treeview(
            self, style=styles.FILES, columns=("size", "modified", "type"), show="tree headings", selectmode="extended"
        )
        self.ring = FocusRing(self.tree, theme)
        bar = AutoScrollbar(self, "vertical", self.tree.yview, row=0, column=1, sticky="ns")
        self._bar = bar
        self.tree.configure(yscrollcommand=self._scrolled)
        self.tree.grid(row=0, column=0, sticky="nsew")
        self.rowconfigure(0, weight=1)
        self.columnconfigure(0, weight=1)
        self.moves = ListKeys(self.tree, lambda: tuple(self._rows.values()))
        Tooltip(self.tree, theme, self._tip_at)
        self._headings()
        self._tags()
        theme.on_change(self._on_theme)
        self.tree.bind("<<TreeviewSelect>>", self._selection_changed)
        self.tree.bind("<Double-Button-1>", self.double_click)
        for button in ("<Button-3>", "<Button-2>") if self._is_mac() else ("<Button-3>",):
            self.tree.bind(button, self._context)
        self.tree.bind("<Button-1>", self._click)
        self.tree.bind("<Configure>", self._configured)

    def _scrolled(self, first: float | str, last: float | str) -> None:
        self._bar.set(first, last)
        self._place_editor()

    # --- showing ---------------------------------------------------------------------------------------------------

    def show(self, rows: Sequence[Entry], sort: Sort, *, same_place: bool) -> None:
        """Show `rows`. In the same folder selection, focus and scroll position stay where they are."""
        old = self._rows if same_place else {}
        self._rows = {_item(row): row for row in rows}
        in_view = self._focus_in_view() if same_place else ""
        if not same_place:
            self.end_edit()
        if sort != self._sort:
            self._sort = sort
            self._headings()
        if same_place and not self._slicer.busy and self._in_tree:
            self._patch(old)
        else:
            self._refill(keep=same_place)
        if in_view and in_view in self._in_tree:
            self.tree.see(in_view)  # called differently or sorted anew, it may be elsewhere now
        if self._editor is not None:
            self.after_idle(self._place_editor)

    def _focus_in_view(self) -> str:
        """The item under the keyboard, if it can be seen."""
        item = self.tree.focus()
        return item if item and self.tree.bbox(item) else ""

    def _refill(self, *, keep: bool = True) -> None:
        """Fill the list from its beginning; `keep`: what is selected, and what is in view."""
        self._wanted_selection = self.tree.selection() if keep else ()
        self._wanted_focus = self._focus_in_view() if keep else ""
        self._fill()

    def _fill(self) -> None:
        self.tree.selection_set(())  # else Tk tells of each selected row that goes
        self.tree.delete(*self.tree.get_children())
        self._in_tree, self._short = set(), set()
        self._slicer.run(self._insert_all())

    def _insert_all(self) -> Iterator[None]:
        call, path = self.tree.tk.call, str(self.tree)
        wanted = set(self._wanted_selection)
        for index, (item, row) in enumerate(self._rows.items()):
            # Straight to Tcl: the wrapper's formatting of options costs seven times the insertion itself.
            call(path, "insert", "", "end", "-id", item, *self._row_options(item, row, index))
            self._in_tree.add(item)
            if item in wanted:
                self.tree.selection_add(item)
            if item == self._wanted_focus:
                self._wanted_focus = ""
                self.tree.focus(item)
                self.tree.see(item)
            if index % _STEP == _STEP - 1:
                yield
        self._wanted_selection = ()

    def _patch(self, old: dict[str, Entry]) -> None:
        """Change only the rows that differ: relative order of the others is the same."""
        gone = [item for item in self._in_tree if item not in self._rows]
        resorted = len(gone) + len(self._rows) == len(self._in_tree) and self._order_changed(gone)
        changed = {item for item, row in self._rows.items() if resorted or old.get(item) != row}
        if not gone and not changed:
            return
        if len(changed) > 2_000 and len(changed) * 2 > len(self._rows):
            self._refill()
            return
        if gone:
            self.tree.delete(*gone)
            self._in_tree.difference_update(gone)
            self._short.difference_update(gone)
        call, path = self.tree.tk.call, str(self.tree)
        for index, (item, row) in enumerate(self._rows.items()):
            if item not in changed:
                continue
            if item in self._in_tree:
                call(path, "item", item, *self._row_options(item, row, index))
                call(path, "move", item, "", index)
            else:
                call(path, "insert", "", index, "-id", item, *self._row_options(item, row, index))
                self._in_tree.add(item)
        self._slicer.run(self._restripe())

    def _order_changed(self, gone: Iterable[str]) -> bool:
        dropped = set(gone)
        shown = [item for item in self.tree.get_children() if item not in dropped]
        return any(here != wanted for here, wanted in zip(shown, self._rows, strict=False))

    def _restripe(self) -> Iterator[None]:
        call, path = self.tree.tk.call, str(self.tree)
        for index, (item, row) in enumerate(self._rows.items()):
            call(path, "item", item, "-tags", self._row_tags(row, index))
            if index % _STEP == _STEP - 1:
                yield

    def _row_options(self, item: str, row: Entry, index: int) -> tuple[object, ...]:
        kind = kinds.kind_of(row)
        size = ("—" if row.kind == "folder" else wording.size(row.size)) + "\u2003"
        values = (size, wording.stamp(row.mtime_ns), kind.label)
        return (
            "-text", self._shown_name(item, row), "-image", self._row_icon(row, kind), "-values", values,
            "-tags", self._row_tags(row, index),
        )  # fmt: skip

    def _row_icon(self, row: Entry, kind: kinds.FileKind) -> str:
        """Looked up once for each kind: thousands of rows have a few of them. Pale for what was cut."""
        theme, key = self._theme, (kind.icon, "disabled" if key_of(row) in self._cut else kind.colour)
        if key not in self._icons:
            icon = theme.icon(kind.icon, getattr(theme.palette, key[1]), 16, pad_left=4, pad_right=_ICON_GAP)
            self._icons[key] = str(icon)
        return self._icons[key]

    def _shown_name(self, item: str, row: Entry) -> str:
        """The name as there is room for it."""
        shown = self._fitted(row.name)
        (self._short.discard if shown == row.name else self._short.add)(item)
        return shown

    def _row_tags(self, row: Entry, index: int) -> tuple[str, ...]:
        stripe = "odd" if index % 2 else "even"
        return (stripe, "cut") if key_of(row) in self._cut else (stripe,)

    def _fitted(self, name: str) -> str:
        """`name`, shortened if the column is too narrow; names that surely fit are not measured."""
        room = self._name_room
        if room <= 0 or len(name) * self._wide_char <= room:
            return name
        width = self._theme.measure(name)
        return name if width <= room else self._theme.elide(name, room)

    def show_cut(self, nodes: frozenset[NodeKey]) -> None:
        """Show these rows as cut and waiting to be pasted."""
        touched = self._cut | nodes
        self._cut = nodes
        for index, (item, row) in enumerate(self._rows.items()):
            if key_of(row) in touched and item in self._in_tree:
                image = self._row_icon(row, kinds.kind_of(row))
                self.tree.item(item, tags=self._row_tags(row, index), image=image)

    def mark_drop(self, folder: Entry | None) -> None:
        """Show that a drop now would go into `folder`; None ends that."""
        wanted = _item(folder) if folder is not None else None
        if wanted == self._drop_item:
            return
        for item in (self._drop_item, wanted):
            if item is not None and item in self._rows and item in self._in_tree:
                tags = ("drop",) if item == wanted else self._row_tags(self._rows[item], self.tree.index(item))
                self.tree.item(item, tags=tags)
        self._drop_item = wanted

    # --- selection -------------------------------------------------------------------------------------------------

    def selected(self) -> tuple[Entry, ...]:
        """The selected entries in the order of the list."""
        chosen = set(self.tree.selection())
        return tuple(row for item, row in self._rows.items() if item in chosen) if chosen else ()

    def focused(self) -> Entry | None:
        """The entry under the keyboard."""
        item = self.tree.focus()
        return self._rows.get(item) if item else None

    def select(self, nodes: Iterable[NodeKey]) -> None:
        """Select these nodes; rows that are not inserted yet are selected as they come."""
        wanted = tuple(map(item_of, nodes))
        here = [item for item in wanted if item in self._in_tree]
        self._wanted_selection = tuple(item for item in wanted if item not in self._in_tree)
        self.tree.selection_set(here)
        target = wanted[0] if wanted else ""
        if target and self.tree.exists(target):
            self.tree.focus(target)
            self.tree.see(target)
            self.moves.anchor = target

    def take_focus(self) -> None:
        """Put the keyboard into the list, on a row if there is one."""
        self.tree.focus_set()
        if not self.tree.focus():
            first = self.tree.get_children()[:1]
            if first:
                self.tree.focus(first[0])

    def settle_selection(self) -> None:
        """Tell of what is selected now, if Tk has not done so yet: a command may come right behind a click."""
        if self.tree.selection() != self._told:
            self._tell_selection()

    def _selection_changed(self, _event: object) -> None:
        """Tell of it once for many: Tk says so of each selected row that is deleted, thousands of times."""
        if self._telling is None:
            self._telling = self.after_idle(self._tell_selection)

    def _tell_selection(self) -> None:
        if self._telling is not None:
            self.after_cancel(self._telling)
            self._telling = None
        self._told = self.tree.selection()
        self._on_select(self.selected(), self.focused())

    # --- a name in its row -----------------------------------------------------------------------------------------

    def edit_name(self, entry: Entry, check: Callable[[str], str | None], on_done: Callable[[str], None]) -> None:
        """Turn the name of `entry` into a field. `check`: what is wrong with a name; `on_done` is given another one."""
        item = _item(entry)
        self.end_edit()
        if item not in self._in_tree:
            return
        self.tree.see(item)
        self.tree.update_idletasks()
        self._editor = NameEditor(
            self.tree, self._theme, item, entry.name, select_stem=entry.kind != "folder",
            check=check, on_done=on_done, on_over=self._edited,
        )  # fmt: skip
        self._place_editor()
        self._editor.take_focus()

    @property
    def editor(self) -> NameEditor | None:
        """The field in which a name is changed now."""
        return self._editor

    def end_edit(self) -> None:
        """Leave the name that is being changed as it was."""
        if self._editor is not None:
            self._editor.cancel()

    def _edited(self, keyboard_here: bool) -> None:
        self._editor = None
        if keyboard_here:
            self.take_focus()

    def _place_editor(self) -> None:
        """Keep the field over its row, wherever that is by now; a row that is gone takes it along."""
        editor = self._editor
        if editor is None:
            return
        if editor.item not in self._in_tree:
            self.end_edit()
            return
        box = self.tree.bbox(editor.item, "#0")
        editor.place_over(box or None, self._theme.px(8 + 4 + 16 + _ICON_GAP - 9))

    # --- mouse -----------------------------------------------------------------------------------------------------

    def _click(self, event: tk.Event[ttk.Treeview]) -> None:
        # A click below the last row deselects, as in every file list.
        if self.tree.identify_region(event.x, event.y) == "nothing":
            self.tree.selection_set(())
            self.tree.focus_set()

    def double_click(self, event: tk.Event[ttk.Treeview]) -> str:
        """Open the row there."""
        if self.tree.identify_region(event.x, event.y) in ("tree", "cell"):
            item = self.tree.identify_row(event.y)
            if item:
                self._on_open(self._rows[item])
        return "break"

    def _context(self, event: tk.Event[ttk.Treeview]) -> None:
        item = self.tree.identify_row(event.y)
        if item and item not in self.tree.selection():
            self.tree.selection_set(item)
            self.tree.focus(item)
        elif not item:
            self.tree.selection_set(())
        self.tree.focus_set()
        # After Tk has told of the new selection, on which the menu depends.
        self.after_idle(self._on_menu, event.x_root, event.y_root)

    def menu_position(self) -> tuple[int, int]:
        """Where on the screen a menu asked for by the keyboard opens: at the focused row."""
        box = self.tree.bbox(self.tree.focus()) if self.tree.focus() else ""
        x, y = (box[0] + self._theme.px(40), box[1] + box[3]) if box else (self._theme.px(40), self._theme.px(40))
        return self.tree.winfo_rootx() + x, self.tree.winfo_rooty() + y

    def folder_at(self, y_root: int) -> Entry | None:
        """The folder shown at this height of the screen, if one is: where a drop would go."""
        item = self.tree.identify_row(y_root - self.tree.winfo_rooty())
        row = self._rows.get(item) if item else None
        return row if row is not None and row.kind == "folder" else None

    def contains(self, x_root: int, y_root: int) -> bool:
        """Whether this place of the screen is one of the list's own."""
        return is_inside(self.tree, x_root, y_root)

    def scroll_at(self, x_root: int, y_root: int, edge: int) -> None:
        """Scroll by a row, if something is held at the upper or lower edge."""
        scroll_at_edge(self.tree, x_root, y_root, edge)

    # --- columns ---------------------------------------------------------------------------------------------------

    def _headings(self) -> None:
        theme, tree = self._theme, self.tree
        arrow = theme.icon("caret-down-fill" if self._sort.descending else "caret-up-fill", theme.palette.muted, 9)
        for column, label in _COLUMNS:
            identifier = "#0" if column == "name" else column
            tree.heading(
                identifier,
                text=label,
                anchor="e" if column == "size" else "w",
                image=arrow if column == self._sort.column else "",
                command=lambda chosen=column: self._on_sort(chosen),
            )
            if column == "name":
                tree.column("#0", anchor="w", stretch=True, minwidth=theme.px(_MIN_NAME))
            else:
                width = theme.measure(_WIDEST[column]) + theme.px(24)
                tree.column(
                    column, anchor="e" if column == "size" else "w", width=width, minwidth=theme.px(60), stretch=False
                )
        self._wide_char = theme.measure("W")

    def _configured(self, _event: object) -> None:
        """Narrow windows give up columns, least needed first; names are fitted to what is left."""
        if self._resized is not None:
            self.after_cancel(self._resized)
        width = self.tree.winfo_width()
        theme = self._theme
        needed = {name: theme.measure(_WIDEST[name]) + theme.px(24) for name in ("size", "modified", "type")}
        shown = ["size", "modified", "type"]
        while shown and width - sum(needed[name] for name in shown) < theme.px(_MIN_NAME):
            shown.pop()
        if shown != self._columns_shown:
            self._columns_shown = shown
            self.tree.configure(displaycolumns=tuple(shown) or "")
            self.tree.column("#0", width=max(theme.px(_MIN_NAME), width - sum(needed[name] for name in shown)))
        self._resized = self.after(60, self._refit)

    def _refit(self) -> None:
        self._resized = None
        room = self.tree.column("#0", "width") - self._theme.px(8 + 4 + 16 + _ICON_GAP + 10)
        if room == self._name_room or room <= 0:
            return
        self._name_room = room
        if not self._slicer.busy:
            self._slicer.run(self._refit_names())
        else:
            self._refill()
        self._place_editor()

    def _refit_names(self) -> Iterator[None]:
        """Shorten what has no room any more, and show in full what has room again."""
        call, path = self.tree.tk.call, str(self.tree)
        for index, (item, row) in enumerate(self._rows.items()):
            may_lack_room = item in self._short or len(row.name) * self._wide_char > self._name_room
            if may_lack_room and item in self._in_tree:
                call(path, "item", item, "-text", self._shown_name(item, row))
            if index % _STEP == _STEP - 1:
                yield

    def _tip_at(self, x: int, y: int) -> str | None:
        """The whole name, where the list shows a shortened one."""
        item = self.tree.identify_row(y)
        row = self._rows.get(item) if item and self.tree.identify_column(x) == "#0" else None
        return row.name if row is not None and item in self._short else None

    # --- look ------------------------------------------------------------------------------------------------------

    def _tags(self) -> None:
        palette = self._theme.palette
        self.tree.tag_configure("odd", background=palette.row_alt)
        self.tree.tag_configure("even", background=palette.surface)
        self.tree.tag_configure("drop", background=palette.good)
        self.tree.tag_configure("cut", foreground=palette.muted)

    def _on_theme(self) -> None:
        self._icons.clear()
        self._tags()
        self._headings()
        if self._slicer.busy:
            self._refill()
        else:
            self._slicer.run(self._redraw_icons())

    def _redraw_icons(self) -> Iterator[None]:
        """Redraw each icon in its new colour, in place: rows, selection and scroll position stay."""
        call, path = self.tree.tk.call, str(self.tree)
        for index, (item, row) in enumerate(self._rows.items()):
            if item in self._in_tree:
                call(path, "item", item, "-image", self._row_icon(row, kinds.kind_of(row)))
            if index % _STEP == _STEP - 1:
                yield

    def _is_mac(self) -> bool:
        return str(self.tk.call("tk", "windowingsystem")) == "aqua"
