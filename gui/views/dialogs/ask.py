"""Small questions: a name, yes or no, a new password."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable

from gui import styles
from gui.theme import Theme
from gui.views.dialogs.base import Dialog


def ask_name(
    parent: tk.Misc,
    theme: Theme,
    *,
    title: str,
    label: str,
    value: str,
    verb: str,
    check: Callable[[str], str | None],
    on_done: Callable[[str], None],
    select_stem: bool = False,
) -> Dialog:
    """Ask for a name. `check` says what is wrong with one (None: nothing), while it is typed.

    `select_stem`: select the name without its extension, which is what people mean to change.
    """
    dialog = Dialog(parent, theme, title, width=380)
    dialog.add_label(title, styles.HEADING, below=10)
    entry = dialog.add_entry(label, value)
    problem = dialog.add_label("", styles.ERROR)
    problem.pack_configure(pady=(theme.px(6), 0))

    def submit() -> None:
        name = entry.get().strip()
        reason = check(name) if name else "Type a name."
        if reason is not None:
            problem.configure(text=reason)
            entry.state(["invalid"])
            entry.focus_set()
            return
        dialog.close()
        on_done(name)

    def typed(_event: object) -> None:
        name = entry.get().strip()
        reason = check(name) if name and name != value else None
        problem.configure(text=reason or "")
        entry.state(["invalid" if reason else "!invalid"])

    dialog.add_button(verb, submit, styles.PRIMARY, default=True)
    dialog.add_button("Cancel", dialog.cancel)
    entry.bind("<KeyRelease>", typed)
    stem = value.rfind(".") if select_stem else -1
    entry.selection_range(0, stem if stem > 0 else "end")
    entry.icursor(stem if stem > 0 else "end")
    dialog.open_over(entry)
    return dialog


def confirm(
    parent: tk.Misc,
    theme: Theme,
    *,
    title: str,
    text: str,
    verb: str,
    on_yes: Callable[[], None],
    danger: bool = False,
) -> Dialog:
    """Ask whether to do something that cannot be undone. The keyboard is on Cancel: Return by habit does no harm."""
    dialog = Dialog(parent, theme, title, width=400)
    dialog.add_label(title, styles.HEADING, below=8)
    dialog.add_label(text, styles.MUTED)

    def yes() -> None:
        dialog.close()
        on_yes()

    dialog.add_button(verb, yes, styles.DANGER if danger else styles.PRIMARY)
    cancel = dialog.add_button("Cancel", dialog.cancel, default=True)
    dialog.open_over(cancel)
    return dialog


class PasswordDialog(Dialog):
    """Asks for the old and, twice, the new password; stays open and says why, while the server refuses it."""

    def __init__(
        self,
        parent: tk.Misc,
        theme: Theme,
        *,
        requirements: str,
        on_submit: Callable[[str, str], None],
    ) -> None:
        super().__init__(parent, theme, "Change the password", width=380)
        self.add_label("Change the password", styles.HEADING, below=6)
        self.add_label(requirements, styles.MUTED, below=6)
        self._on_submit = on_submit
        self._old = self.add_entry("Current password")
        self._new = self.add_entry("New password")
        self._again = self.add_entry("New password, once more")
        for entry in (self._old, self._new, self._again):
            entry.configure(show="•")
        self._problem = self.add_label("", styles.ERROR)
        self._problem.pack_configure(pady=(theme.px(8), 0))
        self._submit = self.add_button("Change", self.submit, styles.PRIMARY, default=True)
        self.add_button("Cancel", self.cancel)

    def open(self) -> None:
        """Show it."""
        self.open_over(self._old)

    def submit(self) -> None:
        """Hand over what was typed, if it can be right."""
        if not self._old.get() or not self._new.get():
            self.show_problem("Fill in all three fields.")
        elif self._new.get() != self._again.get():
            self.show_problem("The two new passwords differ.")
        else:
            self._submit.state(["disabled"])
            self._submit.configure(text="Changing…")
            self._problem.configure(text="")
            self._on_submit(self._old.get(), self._new.get())

    def show_problem(self, text: str, *, current: bool = False) -> None:
        """Say why it did not work; it can be tried again. `current`: it is about the current password."""
        self._submit.state(["!disabled"])
        self._submit.configure(text="Change")
        self._problem.configure(text=text)
        self._old.state(["invalid" if current else "!invalid"])
        if current:
            self._old.selection_range(0, "end")
            self._old.focus_set()
