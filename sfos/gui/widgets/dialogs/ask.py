"""Small questions: a name, yes or no."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable

from sfos.gui.look import styles
from sfos.gui.look.theme import Theme
from sfos.gui.widgets.dialogs.base import Dialog


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
