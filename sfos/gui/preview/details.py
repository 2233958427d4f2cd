"""The right pane: a preview of what is selected, its name, and what is known of it."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from tkinter import ttk

from sfos.gui.look import styles
from sfos.gui.look.theme import Theme
from sfos.gui.preview.area import PreviewArea

_TITLE_LINES = 3
_FLASH_MS = 700


class DetailsPane(ttk.Frame):
    """Draws what it is given: title, subtitle, facts and a preview."""

    def __init__(self, parent: tk.Misc, theme: Theme, *, on_page: Callable[[int], None]) -> None:
        super().__init__(parent, style=styles.SURFACE)
        self._theme = theme
        px = theme.px
        ttk.Frame(self, style=styles.BORDER, width=max(1, px(1))).pack(side="left", fill="y")
        # Packed from below upwards: the preview gets what is left, and never pushes the facts out.
        self._facts = ttk.Frame(self, style=styles.SURFACE, padding=(px(16), 0, px(12), px(14)))
        self._facts.pack(side="bottom", fill="x")
        self._facts.columnconfigure(1, weight=1)
        ttk.Frame(self, style=styles.LINE, height=max(1, px(1))).pack(side="bottom", fill="x", padx=px(14), pady=px(10))
        self._subtitle = ttk.Label(self, style=styles.SMALL, anchor="w", justify="left")
        self._subtitle.pack(side="bottom", fill="x", padx=px(16))
        self._title = ttk.Label(self, style=styles.BOLD, anchor="w", justify="left")
        self._title.pack(side="bottom", fill="x", padx=px(16), pady=(px(10), px(2)))
        self.preview = PreviewArea(self, theme, on_page=on_page)
        self.preview.pack(side="top", fill="both", expand=True)
        self._name = ""
        self._values: list[ttk.Label] = []
        self._flashing: str | None = None
        self.bind("<Configure>", lambda _event: self._wrap())

    def show(self, title: str, subtitle: str, facts: tuple[tuple[str, str], ...]) -> None:
        """Show this beside the preview."""
        self._name = title
        self._subtitle.configure(text=subtitle)
        for widget in self._facts.winfo_children():
            widget.destroy()
        self._values = []
        px = self._theme.px
        for row, (label, value) in enumerate(facts):
            name = ttk.Label(self._facts, text=label, style=styles.SMALL)
            name.grid(row=row, column=0, sticky="nw", padx=(0, px(14)), pady=px(3))
            text = ttk.Label(self._facts, text=value, style=styles.TEXT, anchor="w", justify="left")
            text.grid(row=row, column=1, sticky="ew", pady=px(2))
            self._values.append(text)
        self._wrap()

    def flash(self) -> None:
        """Draw the eye here for a moment: what was asked for is already shown."""
        palette = self._theme.palette
        for label in (self._title, self._subtitle):
            label.configure(background=palette.selection)
        if self._flashing is not None:
            self.after_cancel(self._flashing)
        self._flashing = self.after(_FLASH_MS, self._end_flash)

    def _end_flash(self) -> None:
        self._flashing = None
        for label in (self._title, self._subtitle):
            label.configure(background="")

    def _wrap(self) -> None:
        width = max(self._theme.px(80), self.winfo_width() - self._theme.px(32))
        # The last letter of a line may hang over a little; and a name of 255 letters must leave room for the rest.
        self._title.configure(
            text=self._theme.elide(self._name, width * _TITLE_LINES, "SfBoldFont"), wraplength=width - self._theme.px(8)
        )
        self._subtitle.configure(wraplength=width)
        for value in self._values:
            value.configure(wraplength=max(self._theme.px(60), width - self._theme.px(92)))
