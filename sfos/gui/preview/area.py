"""Shows a preview of any kind: text, a picture, a table, facts, or why there is none."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable, Iterator
from tkinter import ttk
from typing import Literal

from PIL import Image, ImageTk

from sfos.gui.look import styles
from sfos.gui.look.theme import Theme
from sfos.gui.preview.blocks import AnyBlock, FactsBlock, NothingBlock, PictureBlock, TableBlock, TextBlock
from sfos.gui.preview.rich_text import RichText
from sfos.gui.widgets.focus_ring import FocusRing
from sfos.gui.widgets.scroll import AutoScrollbar
from sfos.gui.widgets.slices import Slicer


class PreviewArea(ttk.Frame):
    """One preview at a time, as large as there is room. `on_page` asks for another page of a document."""

    def __init__(self, parent: tk.Misc, theme: Theme, *, on_page: Callable[[int], None]) -> None:
        super().__init__(parent, style=styles.SURFACE)
        self._theme = theme
        self._text = RichText(self, theme)
        self._picture = PictureView(self, theme, on_page=on_page)
        self._table = TableView(self, theme)
        self._message = MessageView(self, theme)
        self.block: AnyBlock | None = None
        self._view: tk.Widget | None = None
        self.show_message("", "")

    def show(self, block: AnyBlock, icon: str, colour: str) -> None:
        """Show `block`; `icon` stands for the file where there is nothing to look at."""
        self.block = block
        if not isinstance(block, TextBlock):
            self._text.clear()
        if isinstance(block, TextBlock):
            self._text.show(block)
            self._raise(self._text)
        elif isinstance(block, PictureBlock):
            self._picture.show(block)
            self._raise(self._picture)
        elif isinstance(block, TableBlock):
            self._table.show(block)
            self._raise(self._table)
        elif isinstance(block, FactsBlock):
            facts = "\n".join(f"{label}: {value}" for label, value in block.facts)
            self.show_message(icon, facts, colour)
            self.block = block
        else:
            assert isinstance(block, NothingBlock)
            self.show_message(icon, block.reason, colour)
            self.block = block

    def show_message(self, icon: str, text: str, colour: str = "muted", *, working: bool = False) -> None:
        """Show an icon and a sentence in place of a preview."""
        self.block = None
        self._message.show(icon, text, colour, working=working)
        self._raise(self._message)

    def _raise(self, view: tk.Widget) -> None:
        """Show `view` alone: Tab must not stop at what is hidden. The keyboard stays where the preview is."""
        before, self._view = self._view, view
        if before is view:
            return
        view.place(relwidth=1, relheight=1)
        if before is not None:
            had_keyboard = str(self.tk.call("focus")).startswith(str(before))
            before.place_forget()
            if had_keyboard:
                self.focus_content()

    def focus_content(self) -> None:
        """Put the keyboard where it scrolls what is shown."""
        if self._view is self._text:
            self._text.text.focus_set()
        elif self._view is self._table:
            self._table.tree.focus_set()
        elif self._view is not None:
            self._view.focus_set()

    def scroll(self, amount: int, what: Literal["units", "pages", "ends"]) -> bool:
        """Scroll what is shown; whether it is of a kind that scrolls."""
        if isinstance(self.block, TextBlock):
            self._text.scroll(amount, what)
        elif isinstance(self.block, TableBlock):
            tree = self._table.tree
            tree.yview_moveto(0.0 if amount < 0 else 1.0) if what == "ends" else tree.yview_scroll(amount, what)
        else:
            return False
        return True

    def turn(self, step: int) -> None:
        """Show the page `step` further on, in a document."""
        self._picture.turn(step)


class MessageView(tk.Canvas):
    """An icon with a sentence under it, in the middle."""

    def __init__(self, parent: tk.Misc, theme: Theme) -> None:
        super().__init__(parent, highlightthickness=0, borderwidth=0, takefocus=True)
        self._theme = theme
        self.ring = FocusRing(self, theme)
        self._icon, self._words, self._colour = "", "", "muted"
        self.bind("<Configure>", lambda _event: self._draw())
        theme.on_change(self._draw)

    def show(self, icon: str, text: str, colour: str, *, working: bool) -> None:
        """Show these."""
        self._icon, self._words, self._colour = icon, text, colour
        if working and not text:
            self._words = "Loading…"
        self._draw()

    def _draw(self) -> None:
        theme, palette = self._theme, self._theme.palette
        self.configure(background=palette.surface)
        self.delete("all")
        width, height = self.winfo_width(), self.winfo_height()
        size = 64 if height > theme.px(180) else 40
        middle = max(theme.px(40), height // 2 - theme.px(24))
        if self._icon:
            colour = getattr(palette, self._colour)
            self.create_image(width // 2, middle, image=theme.icon(self._icon, colour, size))
        self.create_text(
            width // 2, middle + theme.px(size // 2 + 14), text=self._words, fill=palette.muted, font="SfSmallFont",
            width=max(theme.px(80), width - theme.px(32)), anchor="n", justify="center",
        )  # fmt: skip


class PictureView(tk.Canvas):
    """A picture, fitted into the room there is; for documents with the number of the page and keys to turn it."""

    def __init__(self, parent: tk.Misc, theme: Theme, *, on_page: Callable[[int], None]) -> None:
        super().__init__(parent, highlightthickness=0, borderwidth=0, takefocus=True)
        self._theme = theme
        self.ring = FocusRing(self, theme)
        self._on_page = on_page
        self._block: PictureBlock | None = None
        self._image: Image.Image | None = None
        self._shown: ImageTk.PhotoImage | None = None
        self._fit: str | None = None
        self._zones: dict[int, tuple[int, int, int, int]] = {}
        self.bind("<Configure>", self._configured)
        self.bind("<Button-1>", self._click)
        for key, step in (("Prior", -1), ("Next", 1)):
            self.bind(f"<Key-{key}>", lambda _event, by=step: self.turn(by))  # type: ignore[misc]
        theme.on_change(self._draw)

    def show(self, block: PictureBlock) -> None:
        """Show `block`."""
        self._block = block
        self._image = Image.frombytes("RGB", (block.width, block.height), block.pixels)
        self._draw()

    def turn(self, step: int) -> None:
        """Ask for the page `step` further on, if there is one."""
        block = self._block
        if block is not None and 0 <= block.page + step < block.pages:
            self._on_page(block.page + step)

    def _configured(self, _event: object) -> None:
        # While a sash is dragged, the picture is fitted only now and then.
        if self._fit is None:
            self._fit = self.after(40, self._draw)

    def _draw(self) -> None:
        if self._fit is not None:
            self.after_cancel(self._fit)
            self._fit = None
        theme, palette = self._theme, self._theme.palette
        self.configure(background=palette.surface)
        self.delete("all")
        self._zones = {}
        block, image = self._block, self._image
        width, height = self.winfo_width(), self.winfo_height()
        if block is None or image is None or width < 20 or height < 20:
            return
        pager = theme.px(34) if block.pages > 1 else 0
        margin = theme.px(12)
        room = max(16, width - 2 * margin), max(16, height - 2 * margin - pager)
        scale = min(room[0] / image.width, room[1] / image.height, theme.factor)
        size = max(1, int(image.width * scale)), max(1, int(image.height * scale))
        fitted = image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0) if size != image.size else image
        self._shown = ImageTk.PhotoImage(fitted, master=self)
        left, top = (width - size[0]) // 2, margin + (room[1] - size[1]) // 2
        if block.pages:  # a page is white: its edge must show
            self.create_rectangle(left - 1, top - 1, left + size[0], top + size[1], outline=palette.border)
        self.create_image(left, top, image=self._shown, anchor="nw")
        if pager:
            self._pager(block, width // 2, height - pager // 2 - theme.px(4))

    def _pager(self, block: PictureBlock, x: int, y: int) -> None:
        theme, palette = self._theme, self._theme.palette
        text = f"Page {block.page + 1} of {block.pages}"
        half = theme.measure(text, "SfSmallFont") // 2 + theme.px(18)
        self.create_text(x, y, text=text, fill=palette.muted, font="SfSmallFont")
        for step, icon, at, possible in (
            (-1, "chevron-left", x - half, block.page > 0),
            (1, "chevron-right", x + half, block.page + 1 < block.pages),
        ):
            colour = palette.text if possible else palette.disabled
            self.create_image(at, y, image=theme.icon(icon, colour, 14))
            reach = theme.px(14)
            self._zones[step] = (at - reach, y - reach, at + reach, y + reach)

    def _click(self, event: tk.Event[tk.Misc]) -> None:
        self.focus_set()
        for step, (left, top, right, bottom) in self._zones.items():
            if left <= event.x <= right and top <= event.y <= bottom:
                self.turn(step)


class TableView(ttk.Frame):
    """Rows and columns, as text."""

    def __init__(self, parent: tk.Misc, theme: Theme) -> None:
        super().__init__(parent, style=styles.SURFACE)
        self._theme = theme
        self._slicer = Slicer(self)
        self.tree = ttk.Treeview(self, style=styles.TABLE, show="headings", selectmode="browse")
        self.ring = FocusRing(self.tree, theme)
        across = AutoScrollbar(self, "horizontal", self.tree.xview, row=1, column=0, sticky="ew")
        down = AutoScrollbar(self, "vertical", self.tree.yview, row=0, column=1, sticky="ns")
        self.tree.configure(xscrollcommand=across.set, yscrollcommand=down.set)
        self.tree.grid(row=0, column=0, sticky="nsew")
        self._note = ttk.Label(self, style=styles.SMALL, padding=(theme.px(12), theme.px(6)))
        self._note.grid(row=2, column=0, columnspan=2, sticky="ew")
        self.bind("<Configure>", lambda event: self._note.configure(wraplength=max(1, event.width - theme.px(24))))
        self.rowconfigure(0, weight=1)
        self.columnconfigure(0, weight=1)

    def show(self, block: TableBlock) -> None:
        """Show `block`."""
        theme, tree = self._theme, self.tree
        self._slicer.cancel()
        tree.delete(*tree.get_children())
        columns = [str(index) for index in range(len(block.header))]
        tree.configure(columns=columns)
        for index, (column, title) in enumerate(zip(columns, block.header, strict=True)):
            samples = [row[index] for row in block.rows[:40] if index < len(row)]
            numbers = bool(samples) and all(_is_number(sample) for sample in samples if sample)
            widest = max((theme.measure(text[:60]) for text in (title, *samples)), default=0)
            anchor: Literal["e", "w"] = "e" if numbers else "w"
            width = min(theme.px(320), widest + theme.px(24))
            tree.heading(column, text=title, anchor=anchor)
            tree.column(column, width=width, minwidth=theme.px(40), anchor=anchor, stretch=index == len(columns) - 1)
        self._note.configure(text=block.note)
        (self._note.grid if block.note else self._note.grid_remove)()
        self._slicer.run(self._insert(block))

    def _insert(self, block: TableBlock) -> Iterator[None]:
        call, path = self.tree.tk.call, str(self.tree)
        for index, row in enumerate(block.rows):
            call(path, "insert", "", "end", "-values", row)
            if index % 25 == 24:
                yield


def _is_number(text: str) -> bool:
    try:
        float(text.strip().replace(",", "").rstrip("%"))
    except ValueError:
        return False
    return True
