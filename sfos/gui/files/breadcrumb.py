"""Path to the folder shown: each folder on the way from the root is a button; Ctrl+L turns it into a field for a
path."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from tkinter import ttk

from sfos.gui.look import styles
from sfos.gui.look.theme import Theme
from sfos.gui.model import Crumb, FolderPath
from sfos.gui.widgets.menus import Menu, popup
from sfos.gui.widgets.scroll import is_inside
from sfos.gui.widgets.tooltip import Tooltip
from sfos.protocol import printable

_LONGEST = 180  # design pixels of one name, where there is no room for all of them
_TIGHT = 190  # design pixels in all, below which the icon gives its room to the names
_ROOT = "My files"


class Breadcrumb(ttk.Frame):
    """The way to the folder shown; what has no room is behind a `…` that opens as a menu."""

    def __init__(
        self, parent: tk.Misc, theme: Theme, *, on_go: Callable[[FolderPath], None], on_path: Callable[[str], None]
    ) -> None:
        px = theme.px
        super().__init__(parent, style=styles.FIELD_BOX, padding=(px(6), px(2)), width=px(120), height=px(34))
        self._theme = theme
        self._on_go, self._on_path = on_go, on_path
        self._folder = FolderPath()
        self._parts: list[tk.Widget] = []
        self._buttons: list[tuple[ttk.Button, FolderPath]] = []
        self._width = 0
        self._longest: int | None = None  # of one name, in pixels
        self._field: ttk.Entry | None = None
        self._icon = ttk.Label(self, style=styles.FIELD_MUTED)
        self._icon.pack(side="left", padx=(px(6), px(2)))
        self.bind("<Configure>", self._resized)
        self.bind("<Button-1>", lambda _event: self.edit())
        self.pack_propagate(False)
        theme.on_change(self._draw)
        self._draw()

    def show(self, folder: FolderPath) -> None:
        """Show the way to `folder`."""
        if folder != self._folder:
            self._folder = folder
            self._end_edit()
            self._draw()

    def _resized(self, event: tk.Event[tk.Misc]) -> None:
        if event.width != self._width:
            self._width = event.width
            self._draw()

    def _draw(self) -> None:
        for part in self._parts:
            part.destroy()
        self._parts, self._buttons = [], []
        theme = self._theme
        self._icon.configure(image=theme.icon("hdd-network", theme.palette.muted, 15))
        tight = self._width < theme.px(_TIGHT)
        if tight:
            self._icon.pack_forget()
        elif not self._icon.winfo_manager():
            self._icon.pack(side="left", padx=(theme.px(6), theme.px(2)))
        if self._field is not None:
            return
        crumbs = self._folder.crumbs
        shown = self._shown(len(crumbs))
        for position, index in enumerate(shown):
            before = shown[position - 1] if position else -1
            if index > before + 1:
                self._more(crumbs[before + 1 : index], before + 1)
                self._chevron()
            self._button(index, alone=len(shown) == 1 and len(crumbs) > 1)
            if position < len(shown) - 1:
                self._chevron()

    def _shown(self, count: int) -> list[int]:
        """Crumbs that there is room for: the last always, then the root, then from the last one upwards."""
        theme = self._theme
        step = theme.px(10 + 16)
        room = self._width - theme.px(44)
        for self._longest in (None, theme.px(_LONGEST)):  # in full, if there is room for that
            widths = [theme.measure(self._label(index), "SfBoldFont") + step for index in range(count)]
            if sum(widths) <= room:
                break
        if sum(widths) <= room:
            return list(range(count))
        room -= theme.px(48) + widths[-1]
        shown = [count - 1]
        if widths[0] <= room:
            room -= widths[0]
            for index in range(count - 2, 0, -1):
                if widths[index] > room:
                    break
                room -= widths[index]
                shown.insert(0, index)
            shown.insert(0, 0)
        return shown

    def _label(self, index: int) -> str:
        name = printable(self._folder.crumbs[index].name) if index else _ROOT
        return name if self._longest is None else self._theme.elide(name, self._longest, "SfBoldFont")

    def _button(self, index: int, *, alone: bool) -> None:
        here = index == len(self._folder.crumbs) - 1
        folder = FolderPath(self._folder.crumbs[: index + 1])
        text = self._label(index)
        if alone:
            tight = self._width < self._theme.px(_TIGHT)
            room = max(self._theme.px(24), self._width - self._theme.px(90 if tight else 122))
            text = self._theme.elide(text, room, "SfBoldFont")
        button = ttk.Button(
            self,
            text=text,
            style=styles.CRUMB_HERE if here else styles.CRUMB,
            command=self.edit if here else (lambda: self._on_go(folder)),
        )
        full = self._folder.crumbs[index].name
        if index and text != full:
            Tooltip(button, self._theme, full)
        button.pack(side="left")
        self._parts.append(button)
        self._buttons.append((button, folder))

    def _chevron(self) -> None:
        theme = self._theme
        label = ttk.Label(self, image=theme.icon("chevron-right", theme.palette.muted, 10), style=styles.FIELD_MUTED)
        label.pack(side="left", padx=theme.px(2))
        self._parts.append(label)

    def _more(self, hidden: tuple[Crumb, ...], first: int) -> None:
        button = ttk.Button(self, text="…", style=styles.CRUMB)

        def open_menu() -> None:
            menu = Menu(self, self._theme)
            for offset in range(len(hidden)):
                folder = FolderPath(self._folder.crumbs[: first + offset + 1])
                name = printable(hidden[offset].name) or _ROOT
                menu.add_row(name, lambda chosen=folder: self._on_go(chosen), icon="folder")  # type: ignore[misc]
            popup(menu, button.winfo_rootx(), button.winfo_rooty() + button.winfo_height())

        button.configure(command=open_menu)
        button.pack(side="left")
        self._parts.append(button)

    # --- what is held over it --------------------------------------------------------------------------------------

    def drop_target_at(self, x: int, y: int) -> FolderPath | None:
        """See `files.dragging.Target`."""
        for button, folder in self._buttons:
            if is_inside(button, x, y):
                return folder
        return None

    def mark_drop_target(self, folder: FolderPath | None) -> None:
        """See `files.dragging.Target`."""
        for button, own in self._buttons:
            button.state(["active" if own == folder else "!active"])

    def hover(self, x: int, y: int, edge: int) -> None:
        """See `files.dragging.Target`: all of it is in view."""

    # --- typing a path ---------------------------------------------------------------------------------------------

    def edit(self) -> None:
        """Offer the path as text to be changed; Enter goes there, Escape leaves it."""
        if self._field is not None:
            self._field.focus_set()
            return
        self._field = ttk.Entry(self, style=styles.BARE_ENTRY)
        self._field.insert(0, self._folder.path)
        self._draw()
        self._field.pack(side="left", fill="both", expand=True)
        self._field.selection_range(0, "end")
        self._field.focus_set()
        self._field.bind("<Return>", self._entered)
        self._field.bind("<Escape>", lambda _event: self._leave())
        self._field.bind("<FocusOut>", lambda _event: self._end_edit())

    def _entered(self, _event: object) -> str:
        field = self._field
        if field is not None:
            path = field.get()
            self._leave()
            self._on_path(path)
        return "break"

    def _leave(self) -> str:
        self._end_edit()
        self.event_generate("<<PathDone>>")
        return "break"

    def _end_edit(self) -> None:
        if self._field is not None:
            field, self._field = self._field, None
            field.destroy()
            self._draw()
