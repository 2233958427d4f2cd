"""Dialogs about one account: a new one, another password for it, and how much it may store."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from dataclasses import dataclass
from tkinter import ttk

from sfos.client import quotas
from sfos.gui import wording
from sfos.gui.administration.rows import ROLES
from sfos.gui.look import styles
from sfos.gui.look.theme import Theme
from sfos.gui.widgets.dialogs.base import Dialog
from sfos.gui.widgets.picking import Segments
from sfos.protocol import AccountEntry, Role, printable

_WIDTH = 440
_AS_ALL = "default"


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account as it was asked for; limits as `sfos.client.quotas` has them."""

    name: str
    password: str
    role: Role
    quota_bytes: int | None
    quota_files: int | None


class _Busy(Dialog):
    """A dialog with one order behind its first button, which can be refused."""

    def __init__(self, parent: tk.Misc, theme: Theme, title: str, verb: str) -> None:
        super().__init__(parent, theme, title, width=_WIDTH)
        self._verb = verb
        self.add_label(title, styles.HEADING, below=6)
        self.problem: ttk.Label
        self.primary: ttk.Button

    def finish(self, submit: Callable[[], None]) -> None:
        """Add what stands at the end: the reason of a refusal, and the buttons."""
        self.problem = self.add_label("", styles.ERROR)
        self.problem.pack_configure(pady=(self._theme.px(8), 0))
        self.primary = self.add_button(self._verb, submit, styles.PRIMARY, default=True)
        self.add_button("Cancel", self.cancel)

    def wait(self) -> None:
        """Show that the server is asked."""
        self.problem.configure(text="")
        self.primary.state(["disabled"])

    def refuse(self, reason: str) -> None:
        """Say why it did not work; it can be tried again."""
        if self.winfo_exists():
            self.primary.state(["!disabled"])
            self.problem.configure(text=reason)
            self.fit()

    def add_password(self, generate: Callable[[], str]) -> ttk.Entry:
        """A field with a password made up, which can be another one."""
        px = self._theme.px
        entry = self.add_entry("First password", generate())
        row = ttk.Frame(self.body, style=styles.SURFACE)
        row.pack(fill="x", pady=(px(4), 0))

        def anew() -> None:
            entry.delete(0, "end")
            entry.insert(0, generate())

        ttk.Button(row, text="Make up another", style=styles.LINK, command=anew).pack(side="right")
        text = "To be changed at the first sign-in."
        ttk.Label(row, text=text, style=styles.MUTED).pack(side="left")
        return entry

    def add_limits(self, own_bytes: int | None, own_files: int | None, defaults: tuple[int, int]) -> LimitFields:
        """Fields for both limits."""
        return LimitFields(self, self._theme, own_bytes, own_files, defaults)


class LimitFields:
    """Two fields; an empty one is as the server allows everybody."""

    def __init__(
        self, dialog: Dialog, theme: Theme, own_bytes: int | None, own_files: int | None, defaults: tuple[int, int]
    ) -> None:
        """`defaults`: of bytes and of files, 0 for no limit."""
        all_bytes = wording.size(defaults[0]) if defaults[0] else "no limit"
        all_files = f"{defaults[1]:,}" if defaults[1] else "no limit"
        self.size = dialog.add_entry(f"Space, earlier versions included (empty: as all, {all_bytes})")
        self.files = dialog.add_entry(f"Files and folders (empty: as all, {all_files})")
        note = ttk.Label(dialog.body, text="Such as 50 GB and 100,000; “none” is no limit.", style=styles.MUTED)
        note.pack(anchor="w", pady=(theme.px(4), 0))
        for entry, own in ((self.size, own_bytes), (self.files, own_files)):
            if own is not None:
                entry.insert(0, ("none" if own == 0 else _size_text(own) if entry is self.size else f"{own:,}"))

    def read(self) -> tuple[int | None, int | None]:
        """Both limits. Raises: ValueError with a sentence."""
        self.size.state(["!invalid"])
        self.files.state(["!invalid"])
        return (
            self._one(self.size, quotas.quota_bytes, "Write a size such as 50 GB or 500 MB, or “none”."),
            self._one(self.files, quotas.quota_files, "Write a number such as 100,000, or “none”."),
        )

    def _one(self, entry: ttk.Entry, reader: Callable[[str], int | None], sentence: str) -> int | None:
        try:
            return reader(entry.get().strip() or _AS_ALL)
        except ValueError:
            entry.state(["invalid"])
            entry.focus_set()
            raise ValueError(sentence) from None


def _size_text(size_bytes: int) -> str:
    """A size that is read back as the same number of bytes."""
    for power, unit in ((4, "TB"), (3, "GB"), (2, "MB"), (1, "kB")):
        if size_bytes % 1000**power == 0:
            return f"{size_bytes // 1000**power} {unit}"
    return f"{size_bytes} B"


class AddAccountDialog(_Busy):
    """Asks for all that a new account needs."""

    def __init__(
        self,
        parent: tk.Misc,
        theme: Theme,
        *,
        defaults: tuple[int, int],
        generate: Callable[[], str],
        on_submit: Callable[[NewAccount], None],
    ) -> None:
        super().__init__(parent, theme, "Add an account", "Add the account")
        self._on_submit = on_submit
        self.name = self.add_entry("User name (small letters, digits, . _ -)")
        ttk.Label(self.body, text="Role", style=styles.TEXT).pack(anchor="w", pady=(theme.px(4), theme.px(4)))
        self.role: Segments[Role] = Segments(self.body, theme, list(ROLES.items()), "user", lambda _role: None)
        self.role.pack(anchor="w")
        self.password = self.add_password(generate)
        self.limits = self.add_limits(None, None, defaults)
        self.finish(self.submit)

    def open(self) -> None:
        """Show it."""
        self.open_over(self.name)

    def submit(self) -> None:
        """Hand over what was entered, if it can be right."""
        name, password = self.name.get().strip(), self.password.get()
        if not name:
            self.problem.configure(text="Type a user name.")
            self.name.focus_set()
            return
        try:
            quota_bytes, quota_files = self.limits.read()
        except ValueError as error:
            self.refuse(str(error))
            return
        self.wait()
        self._on_submit(NewAccount(name, password, self.role.value, quota_bytes, quota_files))


class ResetPasswordDialog(_Busy):
    """Asks for another password of an account."""

    def __init__(
        self,
        parent: tk.Misc,
        theme: Theme,
        name: str,
        *,
        generate: Callable[[], str],
        on_submit: Callable[[str], None],
    ) -> None:
        super().__init__(parent, theme, f"New password for “{printable(name)}”", "Set the password")
        self.add_label("The old one ends at once, and so do all sessions of this account.", styles.MUTED, below=4)
        self.password = self.add_password(generate)
        self._on_submit = on_submit
        self.finish(self.submit)

    def open(self) -> None:
        """Show it."""
        self.open_over(self.password)

    def submit(self) -> None:
        """Hand over the password."""
        self.wait()
        self._on_submit(self.password.get())


class LimitsDialog(_Busy):
    """Asks how much an account may store."""

    def __init__(
        self,
        parent: tk.Misc,
        theme: Theme,
        account: AccountEntry,
        *,
        defaults: tuple[int, int],
        on_submit: Callable[[int | None, int | None], None],
    ) -> None:
        super().__init__(parent, theme, f"Limits of “{printable(account.name)}”", "Set the limits")
        self.limits = self.add_limits(account.quota_bytes, account.quota_files, defaults)
        self._on_submit = on_submit
        self.finish(self.submit)

    def open(self) -> None:
        """Show it."""
        self.open_over(self.limits.size)

    def submit(self) -> None:
        """Hand over both, if they can be right."""
        try:
            quota_bytes, quota_files = self.limits.read()
        except ValueError as error:
            self.refuse(str(error))
            return
        self.wait()
        self._on_submit(quota_bytes, quota_files)


class PasswordShownDialog(Dialog):
    """Shows a password that was given, this once."""

    def __init__(self, parent: tk.Misc, theme: Theme, name: str, password: str, sentence: str) -> None:
        super().__init__(parent, theme, "First password", width=_WIDTH)
        self.add_label(sentence, styles.HEADING, below=6)
        self.add_label(f"Tell {printable(name)} this password; it is shown only now.", styles.MUTED, below=10)
        box = ttk.Frame(self.body, style=styles.NOTICE, padding=(theme.px(14), theme.px(10)))
        box.pack(fill="x")
        ttk.Label(box, text=printable(password), style=styles.NOTICE_MONO, wraplength=self.width - theme.px(30)).pack(
            anchor="w"
        )
        self._password = password
        self.add_button("Done", self.cancel, styles.PRIMARY, default=True)
        self.copy = self.add_button("Copy", self._copy)

    def open(self) -> None:
        """Show it."""
        self.open_over(self.copy)

    def _copy(self) -> None:
        self.clipboard_clear()
        self.clipboard_append(self._password)
        self.copy.configure(text="Copied")
