"""The question before a large upload: how much it is, and whether that was meant."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from tkinter import ttk

from sfos.gui import wording
from sfos.gui.look import styles
from sfos.gui.look.theme import Theme
from sfos.gui.transfers.beforehand import UploadQuestion
from sfos.gui.widgets.dialogs.base import Dialog

_WIDTH = 480


class UploadDialog(Dialog):
    """Shows a count that grows, then the question. The keyboard is on Cancel: Return by habit sends nothing."""

    def __init__(
        self, parent: tk.Misc, theme: Theme, *, on_upload: Callable[[bool], None], on_cancel: Callable[[], None]
    ) -> None:
        super().__init__(parent, theme, "Upload", width=_WIDTH, on_cancel=on_cancel)
        self._on_upload = on_upload
        self._title = self.add_label("Looking through the files…", styles.HEADING, below=6)
        self._text = self.add_label("", styles.MUTED)
        self.upload: ttk.Button | None = None
        self.without_hidden: ttk.Button | None = None
        self.cancel_button = self.add_button("Cancel", self.cancel, default=True)
        self.open_over(self.cancel_button)

    def count(self, files: int) -> None:
        """Show how many there are so far."""
        self._text.configure(text=f"{wording.count(files, 'file')} so far." if files else "")

    def ask(self, question: UploadQuestion) -> None:
        """Show the question."""
        self._title.configure(text=question.title)
        self._text.configure(text="\n".join(question.lines))
        if question.without_hidden:
            self.without_hidden = self.add_button(question.without_hidden, lambda: self._answer(hidden=False))
        self.upload = self.add_button(question.verb, lambda: self._answer(hidden=True), styles.PRIMARY)
        self.fit()

    def _answer(self, *, hidden: bool) -> None:
        self._on_upload(hidden)
