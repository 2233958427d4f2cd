"""The dialog in which files and folders of this computer are chosen: places, a path to type, and a list."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable, Iterator
from tkinter import ttk
from typing import get_args

from sfos.gui import wording
from sfos.gui.choosing.local_folder import Column, LocalRow
from sfos.gui.choosing.presenter import (
    DOWNLOAD,
    ChooserPresenter,
    ChooserState,
    DestinationWords,
    field_text,
    summary_of,
    verb_of,
)
from sfos.gui.choosing.resolving import Mode
from sfos.gui.look import styles
from sfos.gui.look.kinds import FOLDER, kind_of_name
from sfos.gui.look.theme import Theme
from sfos.gui.widgets.dialogs.base import Dialog
from sfos.gui.widgets.list_keys import ListKeys, TreeRows
from sfos.gui.widgets.scroll import AutoScrollbar
from sfos.gui.widgets.slices import Slicer
from sfos.gui.widgets.tooltip import Tooltip
from sfos.protocol import printable

_WIDTH, _LIST_HEIGHT, _PLACES_WIDTH = 780, 320, 168
_SIZE_WIDTH, _TIME_WIDTH, _LABEL_WIDTH = 84, 136, 240
_SETTLE_MS = 120
_GAP = "\u2002"  # between a column on the right and the next one
_EDGE = 32  # kept free of the screen, where that is small
TITLES: dict[Mode, str] = {
    "files": "Upload files",
    "folders": "Upload folders",
    "destination": "Download to…",
}
_HEADINGS: dict[Column, str] = {"name": "Name", "size": "Size", "modified": "Modified"}


class ChooserDialog(Dialog):
    """Draws what `presenter` says, and tells it what the person does."""

    def __init__(
        self,
        parent: tk.Misc,
        theme: Theme,
        presenter: ChooserPresenter,
        *,
        title: str | None = None,
        words: DestinationWords = DOWNLOAD,
    ) -> None:
        mode = presenter.state.mode
        title = title or TITLES[mode]
        super().__init__(parent, theme, title, width=_WIDTH, on_cancel=presenter.close)
        self._presenter, self._words = presenter, words
        self._state = presenter.state
        self._drawn: tuple[LocalRow, ...] | None = None
        self._field_text = ""
        self._slicer = Slicer(self)
        self._shortened_to = 0
        self._settling: str | None = None
        px = theme.px
        self._fit_screen()
        self.add_label(title.rstrip("…"), styles.HEADING, below=10)
        self._add_path_row()
        self._add_lists(several=mode != "destination")
        self._add_foot()
        self.primary = self.add_button("Upload", self._submit, styles.PRIMARY)
        self.add_button("Cancel", self.cancel)
        self.this_folder: ttk.Button | None = None
        if mode == "folders":
            self.this_folder = self.add_button("Upload this folder", presenter.take_this_folder, side="left")
        # On field and list too, to which a part of these keys means something of their own.
        for widget in (self, self.path, self.list):
            _on(widget, "<Alt-Up>", presenter.go_up)
            _on(widget, "<Control-h>", self._toggle_hidden)
            _on(widget, "<Control-l>", self._edit_path)
            _on(widget, "<Control-Return>", self._submit)
        theme.on_change(self._redraw)
        presenter.on_state = self.show
        self.show(presenter.state)
        self._width_least = px(420)

    def _fit_screen(self) -> None:
        """Take no more height than a small screen has."""
        px = self._theme.px
        room = self.winfo_screenheight() - px(_EDGE) - px(300)
        self._list_height = max(px(120), min(px(_LIST_HEIGHT), room))

    # --- parts -----------------------------------------------------------------------------------------------------

    def _add_path_row(self) -> None:
        theme, px = self._theme, self._theme.px
        row = ttk.Frame(self.body, style=styles.SURFACE)
        row.pack(fill="x")
        row.columnconfigure(1, weight=1)
        self._up = ttk.Button(
            row, style=styles.TOOL, command=self._presenter.go_up, image=theme.icon_states("arrow-up", 16)
        )
        self._up.grid(row=0, column=0, padx=(0, px(6)))
        Tooltip(self._up, theme, "The folder above (Alt+↑)")
        self._text = tk.StringVar(self)
        self.path = ttk.Entry(row, style=styles.ENTRY, textvariable=self._text)
        self.path.grid(row=0, column=1, sticky="ew")
        self._text.trace_add("write", lambda *_: self._typed())
        self.path.bind("<Tab>", self._complete)
        _on(self.path, "<Return>", self._submit)
        _on(self.path, "<KP_Enter>", self._submit)
        _on(self.path, "<Down>", self._enter_list)

    def _add_lists(self, *, several: bool) -> None:
        px = self._theme.px
        box = ttk.Frame(self.body, style=styles.BORDER, padding=max(1, px(1)), height=self._list_height)
        box.pack(fill="both", expand=True, pady=(px(10), px(8)))
        box.grid_propagate(False)
        box.rowconfigure(0, weight=1)
        box.columnconfigure(2, weight=1)
        self.places = ttk.Treeview(box, style=styles.FOLDERS, show="tree", selectmode="browse")
        self.places.grid(row=0, column=0, sticky="ns")
        self.places.bind("<<TreeviewSelect>>", self._place_chosen)
        ttk.Frame(box, style=styles.LINE, width=max(1, px(1))).grid(row=0, column=1, sticky="ns")
        columns: tuple[Column, ...] = get_args(Column)
        self.list = ttk.Treeview(
            box, style=styles.FILES, columns=columns[1:], selectmode="extended" if several else "browse"
        )
        for column in columns:
            self.list.heading(
                "#0" if column == "name" else column, anchor="e" if column == "size" else "w",
                command=lambda by=column: self._presenter.sort_by(by),
            )  # fmt: skip
        self.list.column("#0", width=px(200), minwidth=px(120), stretch=True)
        self.list.column("size", anchor="e", stretch=False)
        self.list.column("modified", anchor="w", stretch=False)
        self._measure_columns()
        self.list.grid(row=0, column=2, sticky="nsew")
        bar = AutoScrollbar(box, "vertical", self.list.yview, row=0, column=3, sticky="ns")
        self.list.configure(yscrollcommand=bar.set)
        rows = TreeRows(self.list, lambda: [row.name for row in self._state.rows])
        ListKeys(self.list, rows)
        self.list.bind("<<TreeviewSelect>>", lambda _event: self._selected())
        self.list.bind("<Configure>", self._resized)
        self.list.bind("<Double-1>", self._double_click)
        for keys in ("<Return>", "<KP_Enter>", "<Right>"):
            _on(self.list, keys, self._open_focused)
        for keys in ("<BackSpace>", "<Left>"):
            _on(self.list, keys, self._presenter.go_up)
        if several:
            _on(self.list, "<Control-a>", rows.select_all)
        for name, sign in (("slash", "/"), ("asciitilde", "~")):
            _on(self.list, f"<KeyPress-{name}>", lambda begin=sign: self._edit_path(begin))  # type: ignore[misc]
        self._empty = ttk.Label(box, style=styles.MUTED, justify="center", wraplength=px(320))

    def _measure_columns(self) -> None:
        """Give each column the room of its text, however large that is."""
        theme = self._theme
        scale = theme.text_scale
        self.places.column("#0", width=theme.px(_PLACES_WIDTH * scale), stretch=False)
        self.list.column("size", width=theme.px(_SIZE_WIDTH * scale))
        self.list.column("modified", width=theme.px(_TIME_WIDTH * scale))

    def _add_foot(self) -> None:
        px = self._theme.px
        foot = ttk.Frame(self.body, style=styles.SURFACE)
        foot.pack(fill="x", side="bottom", before=self.list.master)
        self._hidden = tk.BooleanVar(self, value=self._state.show_hidden)
        self.hidden = ttk.Checkbutton(
            foot, text="Show hidden files", style=styles.CHECK, variable=self._hidden,
            command=lambda: self._presenter.set_hidden(self._hidden.get()),
        )  # fmt: skip
        self.hidden.pack(side="right")
        self._said = ttk.Label(foot, style=styles.MUTED, wraplength=self.width - px(200), justify="left")
        self._said.pack(side="left", fill="x")

    def open(self) -> None:
        """Show it, with the keyboard in the path field, whose text the first letter replaces."""
        self.open_over(self.path)
        self.resizable(True, True)
        self.minsize(min(self._width_least, self.winfo_reqwidth()), self.winfo_reqheight() - self._list_height // 2)
        self._mark_path()
        self._presenter.start()

    def close(self) -> None:
        """Close it, and stop filling the list."""
        self._slicer.cancel()
        super().close()

    # --- showing ---------------------------------------------------------------------------------------------------

    def show(self, state: ChooserState) -> None:
        """Show a state."""
        before, self._state = self._state, state
        self._show_path(state)
        self._show_rows(state)
        if state.places != before.places:
            self._show_places(state)
        self._mark_place(state)
        said, wrong = state.said, state.wrong
        self._said.configure(text=said or summary_of(state), style=styles.ERROR if wrong else styles.MUTED)
        self.path.state(["invalid" if wrong and state.typed is not None else "!invalid"])
        label = verb_of(state, self._words)
        self.primary.configure(text=self._theme.elide(label, self._theme.px(_LABEL_WIDTH)))
        self.primary.state(["!disabled" if self._presenter.can_submit else "disabled"])
        if self.this_folder is not None:
            self.this_folder.state(["disabled" if state.phase == "failed" or state.busy else "!disabled"])
        self._up.state(["disabled" if state.folder.parent == state.folder else "!disabled"])
        if self._hidden.get() != state.show_hidden:
            self._hidden.set(state.show_hidden)

    def _show_path(self, state: ChooserState) -> None:
        text = field_text(state)
        if text != self._field_text or text != self._text.get():
            self._field_text = text
            typing = state.typed is not None
            self._text.set(text)
            self.path.icursor("end")
            self.path.xview_moveto(1.0)
            if not typing and self.focus_displayof() is self.path:
                self._mark_path()
            else:
                self.path.selection_clear()

    def _mark_path(self) -> None:
        self.path.selection_range(0, "end")
        self.path.icursor("end")

    def _show_rows(self, state: ChooserState) -> None:
        for column, title in _HEADINGS.items():
            arrow = (" ↓" if state.descending else " ↑") if column == state.column else ""
            gap = _GAP if column == "size" else ""
            self.list.heading("#0" if column == "name" else column, text=title + arrow + gap)
        if state.phase == "reading":
            return  # what was shown stays for a moment
        if state.rows != self._drawn:
            self._drawn = state.rows
            self._slicer.run(self._fill(state.rows))
        if not self._slicer.busy:
            self._show_selection()
        self._show_empty(state)

    def _fill(self, rows: tuple[LocalRow, ...]) -> Iterator[None]:
        theme, call, name = self._theme, self.list.tk.call, str(self.list)
        self.list.delete(*self.list.get_children())
        self.list.yview_moveto(0.0)
        icons: dict[tuple[str, str], str] = {}
        room = self._shortened_to = self._name_room()
        for index, row in enumerate(rows):
            kind = FOLDER if row.is_folder else kind_of_name(row.name)
            look = kind.icon, kind.colour
            if look not in icons:
                icons[look] = str(theme.icon(kind.icon, getattr(theme.palette, kind.colour), 16, pad_right=8))
            size = "" if row.is_folder else wording.size(row.size_bytes) + _GAP
            text, values = theme.elide(printable(row.name), room), (size, wording.stamp(row.mtime_ns))
            call(
                name, "insert", "", "end", "-id", str(index), "-text", text, "-image", icons[look], "-values", values
            )  # fmt: skip
            yield
        self._show_selection()

    def _name_room(self) -> int:
        """Width that a name has."""
        return max(self._theme.px(60), self.list.column("#0", "width") - self._theme.px(40))

    def _resized(self, _event: object) -> None:
        """Shorten names to the width that there is now, once it has settled."""
        if self._settling is not None:
            self.after_cancel(self._settling)
        self._settling = self.after(_SETTLE_MS, self._shorten_anew)

    def _shorten_anew(self) -> None:
        self._settling = None
        if self._drawn is not None and self._name_room() != self._shortened_to:
            self._slicer.run(self._shorten(self._drawn))

    def _shorten(self, rows: tuple[LocalRow, ...]) -> Iterator[None]:
        """Write the names anew, where the rows are: one that is being chosen stays chosen."""
        room = self._shortened_to = self._name_room()
        if len(self.list.get_children()) < len(rows):  # it was still being filled
            yield from self._fill(rows)
            return
        for index, row in enumerate(rows):
            self.list.item(str(index), text=self._theme.elide(printable(row.name), room))
            yield

    def _show_selection(self) -> None:
        wanted = set(self._state.selected)
        items = [str(index) for index, row in enumerate(self._drawn or ()) if row.name in wanted] if wanted else []
        if list(self.list.selection()) != items:
            self.list.selection_set(items)
        if items and not self.list.focus():
            self.list.focus(items[0])

    def _show_empty(self, state: ChooserState) -> None:
        if state.rows:
            self._empty.place_forget()
            return
        if state.phase == "failed":
            text = state.said
        elif state.start:
            text = "Nothing here begins like this."
        elif state.mode != "files" and state.files:
            text = f"No folders in here, only {wording.count(state.files, 'file')}."
        else:
            text = "Only hidden files in here." if state.hidden else "This folder is empty."
        self._empty.configure(text=text)
        self._empty.place(in_=self.list, relx=0.5, rely=0.5, anchor="center")
        self._empty.lift()

    def _show_places(self, state: ChooserState) -> None:
        theme, tree = self._theme, self.places
        tree.delete(*tree.get_children())
        for index, place in enumerate(state.places):
            icon = str(theme.icon(place.icon, theme.palette.accent, 15, pad_right=8))
            tree.insert("", "end", iid=str(index), text=printable(place.name), image=icon)

    def _mark_place(self, state: ChooserState) -> None:
        here = [str(index) for index, place in enumerate(state.places) if place.path == state.folder]
        if list(self.places.selection()) != here:
            self.places.selection_set(here)

    def _redraw(self) -> None:
        """Draw icons in the colours of now."""
        self._drawn = None
        self._measure_columns()
        self._up.configure(image=self._theme.icon_states("arrow-up", 16))
        self._show_places(self._state)
        self.show(self._state)

    # --- what the person does --------------------------------------------------------------------------------------

    def _typed(self) -> None:
        text = self._text.get()
        if text != self._field_text:
            self._field_text = text
            self._presenter.type(text)

    def _submit(self) -> None:
        self._presenter.submit()

    def _complete(self, _event: object) -> str | None:
        return "break" if self._presenter.complete() else None

    def _edit_path(self, text: str = "") -> None:
        self.path.focus_set()
        if text:
            self._text.set(text)
            self.path.icursor("end")
        else:
            self._mark_path()

    def _enter_list(self) -> None:
        self.list.focus_set()
        children = self.list.get_children()
        if children and not self.list.selection():
            self.list.focus(children[0])
            self.list.selection_set((children[0],))

    def _selected(self) -> None:
        rows = self._drawn or ()
        names = tuple(rows[int(item)].name for item in self.list.selection() if int(item) < len(rows))
        filling = len(self.list.get_children()) < len(rows)
        if names != self._state.selected and not filling:
            self._presenter.select(names)

    def _double_click(self, event: tk.Event[ttk.Treeview]) -> str:
        item = self.list.identify_row(event.y)
        if item and self.list.identify_region(event.x, event.y) != "heading":
            self._open(item)
        return "break"

    def _open_focused(self) -> None:
        item = self.list.focus()
        if item:
            self._open(item)

    def _open(self, item: str) -> None:
        rows = self._drawn or ()
        if int(item) < len(rows):
            self._presenter.open(rows[int(item)].name)

    def _place_chosen(self, _event: object) -> None:
        chosen = self.places.selection()
        if chosen and (place := self._state.places[int(chosen[0])]).path != self._state.folder:
            self._presenter.go(place.path)

    def _toggle_hidden(self) -> None:
        self._presenter.set_hidden(not self._state.show_hidden)


def _on(widget: tk.Misc, keys: str, action: Callable[[], object]) -> None:
    """Let `keys` do `action` in `widget`, and nothing else."""

    def pressed(_event: object) -> str:
        action()
        return "break"

    widget.bind(keys, pressed)
