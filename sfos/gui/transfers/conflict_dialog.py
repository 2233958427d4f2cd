"""The overwrite question: both versions side by side, and what shall happen to them."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from tkinter import ttk

from sfos.client.transfer import ConflictAnswer, OnConflict
from sfos.gui.look import styles
from sfos.gui.look.theme import Theme
from sfos.gui.model import Conflicting, Version
from sfos.gui.widgets.dialogs.base import Dialog

# The first stands outermost and has the keyboard: Return by habit must not replace anything.
_CHOICES = (
    ("Skip", OnConflict.SKIP),
    ("Newer only", OnConflict.NEWER),
    ("Keep both", OnConflict.KEEP_BOTH),
    ("Replace", OnConflict.REPLACE),
)


class ConflictDialog(Dialog):
    """Asks once; Escape and Cancel cancel the whole transfer."""

    def __init__(
        self, parent: tk.Misc, theme: Theme, question: Conflicting, on_answer: Callable[[ConflictAnswer], None]
    ) -> None:
        def cancelled() -> None:
            on_answer(ConflictAnswer(OnConflict.CANCEL))

        super().__init__(parent, theme, "Replace the file?", width=470, modal=False, on_cancel=cancelled)
        self._on_answer = on_answer
        px = theme.px
        room = px(470)
        self.add_label(theme.elide(f"“{question.name}” already exists", room, "SfHeadingFont"), styles.HEADING, below=3)
        self.add_label(f"in {theme.elide(question.place, room - px(20))}", styles.MUTED, below=12)
        pair = ttk.Frame(self.body, style=styles.SURFACE)
        pair.pack(fill="x")
        for column, version in enumerate((question.existing, question.coming)):
            pair.columnconfigure(column, weight=1, uniform="half")
            self._version(pair, version).grid(
                row=0, column=column, sticky="nsew", padx=(0, px(4)) if not column else (px(4), 0)
            )
        self._for_all = tk.BooleanVar(self, value=False)
        ttk.Checkbutton(
            self.body, text="Do this for all other files that already exist", style=styles.CHECK, variable=self._for_all
        ).pack(anchor="w", pady=(px(14), px(4)))
        first: ttk.Button | None = None
        for text, choice in _CHOICES:
            style = styles.PRIMARY if choice is OnConflict.SKIP else styles.BUTTON
            button = self.add_button(text, lambda chosen=choice: self._answer(chosen), style)  # type: ignore[misc]
            first = first or button
        self.add_button("Cancel", self.cancel, side="left")
        self._first = first

    def open(self) -> None:
        """Show it; the keyboard is on the first choice."""
        self.open_over(self._first)

    def _version(self, parent: ttk.Frame, version: Version) -> ttk.Frame:
        frame, strong, plain = (
            (styles.GOOD, styles.GOOD_STRONG, styles.GOOD_TEXT)
            if version.newer
            else (styles.MUTED_BOX, styles.BOX_STRONG, styles.BOX_TEXT)
        )
        px = self._theme.px
        box = ttk.Frame(parent, style=frame, padding=(px(14), px(10)))
        heading = version.heading + (" · newer" if version.newer else "")
        ttk.Label(box, text=heading, style=strong).pack(anchor="w", pady=(0, px(3)))
        for line in version.lines:
            ttk.Label(box, text=self._theme.elide(line, px(200)), style=plain).pack(anchor="w", pady=px(2))
        return box

    def _answer(self, choice: OnConflict) -> None:
        answer = ConflictAnswer(choice, for_all=self._for_all.get())
        on_answer = self._on_answer
        self.close()
        on_answer(answer)
