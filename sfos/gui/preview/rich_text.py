"""Styled text in a Text widget: one tag for each style name that the decoders use."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Iterator
from tkinter import ttk
from typing import Literal

from sfos.gui.look import styles
from sfos.gui.look.palette import Palette
from sfos.gui.look.theme import Theme
from sfos.gui.preview.blocks import Run, TextBlock
from sfos.gui.widgets.focus_ring import FocusRing
from sfos.gui.widgets.scroll import AutoScrollbar
from sfos.gui.widgets.slices import Slicer

_STEP = 40
SCROLL_KEYS: tuple[tuple[str, int, Literal["units", "pages", "ends", "columns"]], ...] = (
    ("<Key-Up>", -1, "units"), ("<Key-Down>", 1, "units"), ("<Key-Prior>", -1, "pages"), ("<Key-Next>", 1, "pages"),
    ("<Key-Home>", -1, "ends"), ("<Key-End>", 1, "ends"), ("<Control-Home>", -1, "ends"), ("<Control-End>", 1, "ends"),
    ("<Key-Left>", -1, "columns"), ("<Key-Right>", 1, "columns"),
)  # fmt: skip

# style name → (font, name of a colour in the palette)
_PLAIN: dict[str, tuple[str | None, str | None]] = {
    "h1": ("SfTitleFont", "text"),
    "h2": ("SfHeadingFont", "text"),
    "h3": ("SfBoldFont", "text"),
    "bold": ("SfBoldFont", None),
    "italic": ("SfItalicFont", None),
    "code": ("TkFixedFont", None),
    "codeblock": ("TkFixedFont", None),
    "quote": ("SfItalicFont", "muted"),
    "link": (None, "accent"),
    "rule": (None, "line"),
    "marker": (None, "muted"),
    "keyword": (None, "purple"),
    "name": (None, "blue"),
    "type": (None, "teal"),
    "string": (None, "green"),
    "number": (None, "teal"),
    "comment": (None, "muted"),
    "operator": (None, "purple"),
    "tag": (None, "red"),
    "attribute": (None, "amber"),
    "added": (None, "green"),
    "removed": (None, "red"),
}


class RichText(ttk.Frame):
    """Shows a TextBlock, read-only; its text can be selected and copied."""

    def __init__(self, parent: tk.Misc, theme: Theme) -> None:
        super().__init__(parent, style=styles.SURFACE)
        self._theme = theme
        self.text = tk.Text(
            self, wrap="word", state="disabled", cursor="arrow", insertwidth=0, undo=False, takefocus=True,
            width=1, height=1,
        )  # fmt: skip
        self.ring = FocusRing(self.text, theme)
        across = AutoScrollbar(self, "horizontal", self.text.xview, row=1, column=0, sticky="ew")
        down = AutoScrollbar(self, "vertical", self.text.yview, row=0, column=1, sticky="ns")
        self.text.configure(xscrollcommand=across.set, yscrollcommand=down.set)
        self.text.grid(row=0, column=0, sticky="nsew")
        self._note = ttk.Label(self, style=styles.SMALL, padding=(theme.px(12), theme.px(6)), justify="left")
        self._note.grid(row=2, column=0, columnspan=2, sticky="ew")
        self.bind("<Configure>", lambda event: self._note.configure(wraplength=max(1, event.width - theme.px(24))))
        for keys, amount, what in SCROLL_KEYS:
            self.text.bind(keys, lambda _event, by=amount, of=what: self.scroll(by, of))  # type: ignore[misc]
        self.rowconfigure(0, weight=1)
        self.columnconfigure(0, weight=1)
        self._slicer = Slicer(self)
        self._mono = False
        self._colours()
        theme.on_change(self._colours)

    def show(self, block: TextBlock) -> None:
        """Show `block` from its beginning."""
        self._mono = block.mono
        self._colours()
        self.text.configure(state="normal")
        self.text.delete("1.0", "end")
        self.text.configure(state="disabled", wrap="word" if block.wrap else "none")
        self._note.configure(text=block.note)
        (self._note.grid if block.note else self._note.grid_remove)()
        self._slicer.run(self._insert(block))

    def scroll(self, amount: int, what: Literal["units", "pages", "ends", "columns"]) -> str:
        """Scroll by so many lines or pages, to an end, or sideways."""
        if what == "ends":
            self.text.yview_moveto(0.0 if amount < 0 else 1.0)
        elif what == "columns":
            self.text.xview_scroll(amount * 8, "units")
        else:
            self.text.yview_scroll(amount, what)
        return "break"

    def clear(self) -> None:
        """Show nothing, and stop what still fills it."""
        self._slicer.cancel()
        self.text.configure(state="normal")
        self.text.delete("1.0", "end")
        self.text.configure(state="disabled")

    def _insert(self, block: TextBlock) -> Iterator[None]:
        runs = block.runs
        for start in range(0, len(runs), _STEP):
            self._write(runs[start : start + _STEP])
            yield

    def _write(self, runs: tuple[Run, ...]) -> None:
        pieces: list[object] = []
        for run in runs:
            pieces += (run.text, run.styles)
        self.text.configure(state="normal")
        # One call for many pieces; a Text has no "read-only", so its state changes for the moment of writing.
        self.text.tk.call(str(self.text), "insert", "end", *pieces)
        self.text.configure(state="disabled")

    def _colours(self) -> None:
        theme, palette, text = self._theme, self._theme.palette, self.text
        # Frame and padding every time: ttkbootstrap gives each Text its own when the theme changes.
        text.configure(
            relief="flat", borderwidth=0, highlightthickness=0, padx=theme.px(12), pady=theme.px(10),
            background=palette.surface, foreground=palette.text, selectbackground=palette.selection,
            selectforeground=palette.text, inactiveselectbackground=palette.selection,
            font="TkFixedFont" if self._mono else "TkDefaultFont",
        )  # fmt: skip
        for name, (font, colour) in _PLAIN.items():
            text.tag_configure(name, font=font or "", foreground=getattr(palette, colour) if colour else "")
        self._blocks(palette)
        width = theme.measure("0", "TkFixedFont") * 4
        text.configure(tabs=(width,) if self._mono else "")

    def _blocks(self, palette: Palette) -> None:
        text, px = self.text, self._theme.px
        text.tag_configure("code", background=palette.hover, lmargincolor=palette.surface)
        text.tag_configure("codeblock", background=palette.code, lmargin1=px(10), lmargin2=px(10))
        text.tag_configure("link", underline=True)
        text.tag_configure("strike", overstrike=True)
        text.tag_configure("h1", spacing1=px(8), spacing3=px(8))
        text.tag_configure("h2", spacing1=px(12), spacing3=px(4))
        text.tag_configure("h3", spacing1=px(8), spacing3=px(2))
        text.tag_configure("para", spacing1=px(2), spacing3=px(5))
        text.tag_configure("quote", lmargin1=px(14), lmargin2=px(14))
        for level in range(1, 7):
            inset = px(14) * level
            text.tag_configure(f"list{level}", lmargin1=inset - px(4), lmargin2=inset + px(10), spacing3=px(3))
        text.tag_raise("sel")
