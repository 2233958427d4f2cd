"""Cover of the window until somebody is signed in: one card in the middle."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from tkinter import ttk

from sfos.gui.look import styles
from sfos.gui.look.theme import Theme


class Gate(ttk.Frame):
    """Covers the window with a card; `lower` uncovers it."""

    def __init__(self, root: tk.Misc, theme: Theme) -> None:
        super().__init__(root, style=styles.SIDE)
        self._theme = theme
        self.card: Card | None = None
        self._half = 0  # of the card's height when it was made
        self.bind("<Configure>", lambda _event: self._place_card())

    def show(self, make: Callable[[Gate, Theme], Card]) -> Card:
        """Cover the window with the card that `make` makes, in place of the one before."""
        if self.card is not None:
            self.card.destroy()
        self.card = make(self, self._theme)
        self.card.update_idletasks()
        self._half = self.card.winfo_reqheight() // 2
        self._place_card()
        self.place(x=0, y=0, relwidth=1, relheight=1)
        tk.Misc.tkraise(self)
        return self.card

    def _place_card(self) -> None:
        """Held by its upper edge: a sentence more makes it longer, and nothing above that jumps."""
        if self.card is not None:
            height, rim = self.winfo_height(), self._theme.px(4)
            top = max(rim, round(0.46 * height) - self._half)
            # Where it is too high for the window, its buttons are needed more than its title.
            top = min(top, height - self.card.winfo_reqheight() - rim)
            self.card.place(relx=0.5, y=top, anchor="n")

    def leave(self) -> None:
        """Uncover the window."""
        self.place_forget()
        if self.card is not None:
            self.card.destroy()
            self.card = None

    @property
    def shown(self) -> bool:
        """Whether the window is covered."""
        return self.card is not None


class Card(ttk.Frame):
    """A bordered area of a fixed width; subclasses fill `body`."""

    WIDTH = 366

    def __init__(self, parent: tk.Misc, theme: Theme) -> None:
        px = theme.px
        super().__init__(parent, style=styles.BORDER, padding=max(1, px(1)))
        self.theme = theme
        self.body = ttk.Frame(self, style=styles.SURFACE, padding=(px(26), px(26)))
        self.body.pack(fill="both", expand=True)
        ttk.Frame(self.body, style=styles.SURFACE, width=px(self.WIDTH), height=1).pack()

    def label(self, text: str, style: str = styles.TEXT, *, above: float = 0, below: float = 0) -> ttk.Label:
        """A paragraph across the card."""
        px = self.theme.px
        label = ttk.Label(self.body, text=text, style=style, wraplength=px(self.WIDTH), justify="left")
        label.pack(fill="x", pady=(px(above), px(below)))
        return label

    def entry(self, label: str, value: str = "", *, secret: bool = False) -> ttk.Entry:
        """A field under its label."""
        px = self.theme.px
        ttk.Label(self.body, text=label, style=styles.TEXT).pack(anchor="w", pady=(px(9), px(4)))
        entry = ttk.Entry(self.body, style=styles.ENTRY, show="•" if secret else "")
        entry.insert(0, value)
        entry.pack(fill="x")
        return entry

    def button_row(self) -> ttk.Frame:
        """A place for buttons at the bottom, right-aligned."""
        row = ttk.Frame(self.body, style=styles.SURFACE)
        row.pack(fill="x", pady=(self.theme.px(18), 0))
        return row
