"""Choosing a new password: two fields that say while one types what is still wrong; in a card, and in a dialog."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable, Sequence
from tkinter import ttk

from sfos.gui.look import styles
from sfos.gui.look.theme import Theme
from sfos.gui.model import NewPasswordState
from sfos.gui.signing_in.gate import Card
from sfos.gui.signing_in.passwords import Verdict, judge, requirements
from sfos.gui.widgets.dialogs.base import Dialog
from sfos.protocol import PasswordPolicy

_LINES = 3  # kept free for what is wrong: nothing below may jump while one types
_WIDTH = 380


class NewPasswordFields(ttk.Frame):
    """Two fields and the sentences below them. `judged(new, again)` says what is wrong; `on_change` hears of typing."""

    def __init__(
        self,
        parent: tk.Misc,
        theme: Theme,
        width: int,
        *,
        hints: Sequence[str],
        judged: Callable[[str, str], Verdict],
        on_change: Callable[[], None],
    ) -> None:
        super().__init__(parent, style=styles.SURFACE)
        self._theme, self._hints, self._judged, self._on_change = theme, hints, judged, on_change
        self.verdict = Verdict()
        px = theme.px
        self.new = self._field("New password")
        self.again = self._field("New password, once more")
        self._seen = tk.BooleanVar(self, value=False)
        self.see = ttk.Checkbutton(
            self, text="Show what I type", style=styles.CHECK, variable=self._seen, command=self._show_or_hide
        )
        self.see.pack(anchor="w", pady=(px(6), px(4)))
        self._lines = [
            ttk.Label(self, compound="left", justify="left", wraplength=width - px(26)) for _ in range(_LINES)
        ]
        for line in self._lines:
            line.pack(fill="x", anchor="w", pady=px(1))
        theme.on_change(self._draw)
        self._draw()

    def _field(self, label: str) -> ttk.Entry:
        px = self._theme.px
        ttk.Label(self, text=label, style=styles.TEXT).pack(anchor="w", pady=(px(9), px(4)))
        entry = ttk.Entry(self, style=styles.ENTRY, show="•")
        entry.pack(fill="x")
        entry.bind("<KeyRelease>", lambda _event: self.look())
        for pasted in ("<<Paste>>", "<<Cut>>"):
            entry.bind(pasted, lambda _event: self.after_idle(self.look), add="+")
        return entry

    def look(self) -> None:
        """Judge anew what stands in the fields."""
        self.verdict = self._judged(self.new.get(), self.again.get())
        self._draw()
        self._on_change()

    def complain(self, sentence: str) -> None:
        """Say what the server has against it; typing takes that back."""
        self.verdict = Verdict((sentence,)) if sentence else self.verdict
        self._draw()

    def _draw(self) -> None:
        palette = self._theme.palette
        said = [("x-circle", palette.danger, text, styles.ERROR) for text in self.verdict.problems]
        if self.verdict.good:
            said = [("check-circle", palette.success, "This password will do.", styles.TEXT)]
        elif not said and self.new.get():
            said = [("check-circle", palette.success, "Good. Now once more.", styles.MUTED)]
        elif not said:
            said = [("info-circle", palette.muted, hint, styles.MUTED) for hint in self._hints]
        for index, line in enumerate(self._lines):
            icon, colour, text, style = said[index] if index < len(said) else ("", palette.text, "", styles.MUTED)
            line.configure(text=text, style=style, image=self._theme.icon(icon, colour, 15, pad_right=8, pad_y=1))
        for entry, wrong in ((self.new, bool(self.verdict.problems)), (self.again, False)):
            entry.state(["invalid" if wrong else "!invalid"])

    def _show_or_hide(self) -> None:
        for entry in (self.new, self.again):
            entry.configure(show="" if self._seen.get() else "•")

    def enable(self, enabled: bool) -> None:
        """Let it be typed in, or not."""
        for widget in (self.new, self.again, self.see):
            widget.state(["!disabled" if enabled else "disabled"])


class NewPasswordCard(Card):
    """Covers the window after signing in with a password that is not to be kept. `forced`: there is no going on
    without; else it can be put off.
    """

    def __init__(
        self,
        parent: tk.Misc,
        theme: Theme,
        state: NewPasswordState,
        *,
        on_choose: Callable[[str], None],
        on_later: Callable[[], None],
        on_sign_out: Callable[[], None],
    ) -> None:
        super().__init__(parent, theme)
        px, palette = theme.px, theme.palette
        self._on_choose = on_choose
        self._busy = False
        icon = ttk.Label(self.body, style=styles.TEXT, image=theme.icon("key-fill", palette.accent, 34))
        icon.pack(anchor="w", pady=(0, px(10)))
        self.label("Choose a password of your own", styles.TITLE, below=6)
        if state.forced:
            why = f"An administrator has given {state.user} the password you signed in with. Only you should know it."
        else:
            why = f"{state.user} still has its first password, which everyone knows who knows this program."
        self.label(why, styles.MUTED, below=2)
        self.fields = NewPasswordFields(
            self.body, theme, px(self.WIDTH), hints=requirements(state.policy), on_change=self._typed,
            judged=lambda new, again: judge(new, again, user=state.user, policy=state.policy, old=state.old),
        )  # fmt: skip
        self.fields.pack(fill="x")
        row = self.button_row()
        self.choose = ttk.Button(row, text="Set password", style=styles.PRIMARY, command=self.submit)
        self.choose.pack(side="right")
        leave = on_sign_out if state.forced else on_later
        self.other = ttk.Button(row, text="Sign out" if state.forced else "Not now", style=styles.BUTTON, command=leave)
        self.other.pack(side="right", padx=(0, px(8)))
        for widget in (self.fields.new, self.fields.again, self.fields.see, self.choose, self.other):
            widget.bind("<Escape>", lambda _event: None if self._busy else leave())
        for entry in (self.fields.new, self.fields.again):
            entry.bind("<Return>", lambda _event: self.submit())
        self.show(state)
        self.fields.new.focus_set()

    def show(self, state: NewPasswordState) -> None:
        """Show that it is being set, or why it was not. What was typed stays."""
        self._busy = state.busy
        self.fields.enable(not state.busy)
        self.fields.complain(state.problem)
        self.choose.configure(text="Setting…" if state.busy else "Set password")
        self.other.state(["disabled" if state.busy else "!disabled"])
        self._typed()

    def _typed(self) -> None:
        self.choose.state(["!disabled" if self.fields.verdict.good and not self._busy else "disabled"])

    def submit(self) -> None:
        """Hand over what was typed, if it will do; else go where something is missing."""
        self.fields.look()
        if self._busy:
            return
        if self.fields.verdict.good:
            self._on_choose(self.fields.new.get())
        else:
            (self.fields.new if self.fields.verdict.problems else self.fields.again).focus_set()


class PasswordDialog(Dialog):
    """Asks for the old and, twice, the new password; stays open and says why, while the server refuses it."""

    def __init__(
        self,
        parent: tk.Misc,
        theme: Theme,
        *,
        user: str,
        policy: PasswordPolicy,
        on_submit: Callable[[str, str], None],
    ) -> None:
        super().__init__(parent, theme, "Change the password", width=_WIDTH)
        self.add_label("Change the password", styles.HEADING, below=4)
        self.add_label("Your other sessions will end.", styles.MUTED, below=4)
        self._on_submit = on_submit
        self.old = self.add_entry("Current password")
        self.old.configure(show="•")
        self._problem = self.add_label("", styles.ERROR)
        self.fields = NewPasswordFields(
            self.body, theme, self.width, hints=requirements(policy), on_change=self._typed,
            judged=lambda new, again: judge(new, again, user=user, policy=policy, old=self.old.get()),
        )  # fmt: skip
        self.fields.pack(fill="x")
        self._submit = self.add_button("Change", self.submit, styles.PRIMARY, default=True)
        self.add_button("Cancel", self.cancel)

    def open(self) -> None:
        """Show it."""
        self.open_over(self.old)

    def _typed(self) -> None:
        self._problem.configure(text="")
        self.old.state(["!invalid"])

    def submit(self) -> None:
        """Hand over what was typed, if it can be right; else go where something is missing."""
        self.fields.look()
        verdict = self.fields.verdict
        if not self.old.get():
            self.show_problem("Type your current password.", current=True)
        elif not verdict.good:
            (self.fields.again if self.fields.new.get() and not verdict.problems else self.fields.new).focus_set()
        else:
            self._submit.state(["disabled"])
            self._submit.configure(text="Changing…")
            self._on_submit(self.old.get(), self.fields.new.get())

    def show_problem(self, text: str, *, current: bool = False) -> None:
        """Say why it did not work; it can be tried again. `current`: it is about the current password."""
        self._submit.state(["!disabled"])
        self._submit.configure(text="Change")
        if current:
            self._problem.configure(text=text)
            self.old.state(["invalid"])
            self.old.selection_range(0, "end")
            self.old.focus_set()
        else:
            self.fields.complain(text)
