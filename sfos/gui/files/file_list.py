"""The list of files, with sortable columns. The model is the truth: rows are drawn of it as they are seen.

What is selected and where the keyboard is stand in `choice`; rows are named by their positions.
"""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable, Collection, Container, Sequence
from tkinter import ttk

from sfos.gui.files.columns import NAMES, Columns
from sfos.gui.files.name_editor import NameEditor
from sfos.gui.files.row_choice import RowChoice
from sfos.gui.files.row_look import INSET, RowLook
from sfos.gui.files.visible_rows import VisibleRows
from sfos.gui.look import styles
from sfos.gui.look.theme import Theme
from sfos.gui.model import Sort, SortColumn
from sfos.gui.nodes import NodeKey, key_of
from sfos.gui.rows import Rows
from sfos.gui.widgets.focus_ring import FocusRing
from sfos.gui.widgets.list_keys import ListKeys
from sfos.gui.widgets.scroll import AutoScrollbar, is_inside, scroll_at_edge
from sfos.gui.widgets.tooltip import Tooltip
from sfos.protocol import Entry

_SHIFT, _CONTROL = 0x1, 0x4  # bits of an event's state
_RESIZED_MS = 60


class FileList(ttk.Frame):
    """Shows entries in the order given, and reports selection, opening, sorting and the context menu."""

    def __init__(
        self,
        parent: tk.Misc,
        theme: Theme,
        *,
        on_open: Callable[[Entry], None],
        on_select: Callable[[Sequence[Entry], Entry | None], None],
        on_sort: Callable[[SortColumn], None],
        on_menu: Callable[[int, int], None],
    ) -> None:
        super().__init__(parent, style=styles.SURFACE)
        self._theme = theme
        self._on_open, self._on_select, self._on_menu = on_open, on_select, on_menu
        self._look = RowLook(theme)
        self._resized: str | None = None
        self._telling: str | None = None
        self._editor: NameEditor | None = None
        self.choice = RowChoice(self._chosen)
        self.tree = VisibleRows(
            self, self, columns=NAMES, on_press=self._press,
            on_scrolled=self._scrolled,
        )  # fmt: skip
        self.choice.show_with(self.tree)
        self.ring = FocusRing(self.tree, theme)
        self._bar = AutoScrollbar(self, "vertical", self.tree.yview, row=0, column=1, sticky="ns")
        self.tree.grid(row=0, column=0, sticky="nsew")
        self.rowconfigure(0, weight=1)
        self.columnconfigure(0, weight=1)
        ListKeys(self.tree, self.choice)
        Tooltip(self.tree, theme, self._tip_at)
        self._columns = Columns(self.tree, theme, on_sort)
        self._tags()
        theme.on_change(self._on_theme)
        for button in ("<Button-3>", "<Button-2>") if self._is_mac() else ("<Button-3>",):
            self.tree.bind(button, self._context)
        self.tree.bind("<Configure>", self._configured)

    # --- rows that are drawn: see `visible_rows.Drawn` -------------------------------------------------------------

    def options_of(self, position: int) -> tuple[object, ...]:
        return self._look.options_of(self.choice.rows[position], position)

    def is_selected(self, position: int) -> bool:
        return self.choice.is_selected(position)

    @property
    def focus_row(self) -> int | None:
        return self.choice.focus

    def _scrolled(self, first: float, last: float) -> None:
        self._bar.set(first, last)
        self._place_editor()

    # --- showing ---------------------------------------------------------------------------------------------------

    @property
    def rows(self) -> Rows:
        """Rows of the list, seen or not."""
        return self.choice.rows

    def show(self, rows: Rows, sort: Sort, *, same_place: bool) -> None:
        """Show `rows`. In the same folder selection and keyboard stay, and what is seen, unless it is sorted anew."""
        choice, tree = self.choice, self.tree
        if not same_place:
            self.end_edit()
        old, top, focus = choice.rows, tree.top, choice.focus
        before = choice.selected_count
        choice.replace(rows, keep=same_place)
        shown_from = top if self._columns.show_sort(sort) else _same_top(old, rows, top, tree.fitting)
        if not same_place:
            shown_from = 0
        tree.show(len(rows), shown_from)
        now = choice.focus
        if focus is not None and now is not None and top <= focus < top + tree.fitting:
            tree.reveal(now)  # called differently or sorted anew, it may be elsewhere now
        if choice.selected_count != before or (focus is None) != (now is None) or not same_place:
            self._tell_soon()
        if self._editor is not None:
            self.after_idle(self._place_editor)

    def show_cut(self, nodes: Container[NodeKey]) -> None:
        """Show these rows as cut and waiting to be pasted."""
        self._look.cut = nodes
        self.tree.redraw()

    def mark_drop(self, folder: Entry | None) -> None:
        """Show that a drop now would go into `folder`; None ends that."""
        wanted = key_of(folder) if folder is not None else None
        if wanted != self._look.drop:
            self._look.drop = wanted
            self.tree.redraw()

    # --- selection -------------------------------------------------------------------------------------------------

    def selected(self) -> Sequence[Entry]:
        """The selected entries in the order of the list."""
        return self.choice.selected()

    def select(self, nodes: Collection[NodeKey]) -> None:
        """Select these nodes, as far as they are here."""
        self.choice.select_nodes(nodes)

    def take_focus(self) -> None:
        """Put the keyboard into the list, on a row if there is one."""
        self.tree.focus_set()
        if self.choice.focus is None and len(self.choice):
            self.choice.put_focus(0)

    def settle_selection(self) -> None:
        """Tell of what is selected now, if that has not been done yet: a command may come right behind a click."""
        if self._telling is not None:
            self._tell_selection()

    def _chosen(self) -> None:
        self.tree.mark()
        self._tell_soon()

    def _tell_soon(self) -> None:
        """Tell of it once for many changes."""
        if self._telling is None:
            self._telling = self.after_idle(self._tell_selection)

    def _tell_selection(self) -> None:
        if self._telling is not None:
            self.after_cancel(self._telling)
            self._telling = None
        self._on_select(self.choice.selected(), self.choice.focused())

    # --- a name in its row -----------------------------------------------------------------------------------------

    def edit_name(self, entry: Entry, check: Callable[[str], str | None], on_done: Callable[[str], None]) -> None:
        """Turn the name of `entry` into a field. `check`: what is wrong with a name; `on_done` is given another one."""
        self.end_edit()
        position = self.rows.position(key_of(entry))
        if position is None:
            return
        self.tree.reveal(position)
        self.tree.update_idletasks()
        self._editor = NameEditor(
            self.tree, self._theme, key_of(entry), entry.name, select_stem=entry.kind != "folder",
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
        position = self.rows.position(editor.key)
        if position is None:
            self.end_edit()
        else:
            editor.place_over(self.tree.box_of(position, "#0"), self._theme.px(INSET - 9))

    # --- mouse -----------------------------------------------------------------------------------------------------

    def _press(self, event: tk.Event[ttk.Treeview]) -> None:
        self.tree.focus_set()
        position = self.tree.row_at(event.y)
        if position is None:  # a click below the last row deselects, as in every file list
            self.choice.select_none()
        elif int(event.state) & _SHIFT:
            self.choice.extend(position)
        elif int(event.state) & _CONTROL:
            self.choice.toggle(position)
        else:
            self.choice.select(position)

    def double_click(self, event: tk.Event[ttk.Treeview]) -> str | None:
        """Open the row there."""
        position = self.tree.row_at(event.y)
        if position is None:
            return None
        self._on_open(self.rows[position])
        return "break"

    def _context(self, event: tk.Event[ttk.Treeview]) -> None:
        position = self.tree.row_at(event.y)
        if position is None:
            self.choice.select_none()
        elif not self.choice.is_selected(position):
            self.choice.select(position)
        self.tree.focus_set()
        # After the new selection has been told of, on which the menu depends.
        self.after_idle(self._on_menu, event.x_root, event.y_root)

    def menu_position(self) -> tuple[int, int]:
        """Where on the screen a menu asked for by the keyboard opens: at the focused row."""
        focus, aside = self.choice.focus, self._theme.px(40)
        box = self.tree.box_of(focus) if focus is not None else None
        x, y = (box[0] + aside, box[1] + box[3]) if box else (aside, aside)
        return self.tree.winfo_rootx() + x, self.tree.winfo_rooty() + y

    def folder_at(self, y_root: int) -> Entry | None:
        """The folder shown at this height of the screen, if one is: where a drop would go."""
        position = self.tree.row_at(y_root - self.tree.winfo_rooty())
        return self.rows[position] if position is not None and self.rows.is_folder(position) else None

    def contains(self, x_root: int, y_root: int) -> bool:
        """Whether this place of the screen is one of the list's own."""
        return is_inside(self.tree, x_root, y_root)

    def scroll_at(self, x_root: int, y_root: int, edge: int) -> None:
        """Scroll by a row, if something is held at the upper or lower edge."""
        scroll_at_edge(self.tree, x_root, y_root, edge)

    # --- room and colours ------------------------------------------------------------------------------------------

    def _configured(self, _event: object) -> None:
        """Narrow windows give up columns, least needed first; names are fitted to what is left."""
        if self._resized is not None:
            self.after_cancel(self._resized)
        self._columns.fit()
        self._resized = self.after(_RESIZED_MS, self._refit)

    def _refit(self) -> None:
        self._resized = None
        room = self._columns.name_room
        if room != self._look.name_room and room > 0:
            self._look.name_room = room
            self.tree.redraw()

    def _tip_at(self, x: int, y: int) -> str | None:
        """The whole name, where the list shows a shortened one."""
        position = self.tree.row_at(y)
        if position is None or self.tree.identify_column(x) != "#0":
            return None
        name = self.rows.name(position)
        return name if self._look.fitted(name) != name else None

    def _tags(self) -> None:
        palette = self._theme.palette
        self.tree.tag_configure("odd", background=palette.row_alt)
        self.tree.tag_configure("even", background=palette.surface)
        self.tree.tag_configure("drop", background=palette.good)
        self.tree.tag_configure("cut", foreground=palette.muted)

    def _on_theme(self) -> None:
        self._look.renew()
        self._tags()
        self._columns.renew()
        self.tree.redraw()

    def _is_mac(self) -> bool:
        return str(self.tk.call("tk", "windowingsystem")) == "aqua"


def _same_top(old: Rows, new: Rows, top: int, fitting: int) -> int:
    """Where the row is now that was first of what is seen, or the first of them that is still there."""
    if not top or not len(old):
        return 0
    keys = [old.key(position) for position in range(top, min(top + fitting, len(old)))]
    places = new.positions(keys[:1]) or new.positions(keys)
    return next((places[key] - at for at, key in enumerate(keys) if key in places), top)
