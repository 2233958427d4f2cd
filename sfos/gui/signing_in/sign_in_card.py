"""Signing in: server, user, password. Errors stand in the form."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from tkinter import ttk
from typing import Literal

from sfos.gui.look import styles
from sfos.gui.look.theme import Theme
from sfos.gui.model import Notice, SignInState
from sfos.gui.signing_in.gate import Card
from sfos.gui.widgets.banner import Banner
from sfos.gui.widgets.tooltip import Tooltip


class SignInCard(Card):
    """The form; what is typed leaves it through `on_submit(server, user, password, keep)`."""

    def __init__(
        self,
        parent: tk.Misc,
        theme: Theme,
        state: SignInState,
        *,
        on_submit: Callable[[str, str, str, bool], None],
        on_cancel: Callable[[], None],
    ) -> None:
        super().__init__(parent, theme)
        self._on_submit, self._on_cancel = on_submit, on_cancel
        self._busy = False
        self._held_up_at: str | None = None
        px = theme.px
        self._notice = Banner(self.body, theme, width=px(self.WIDTH))
        self._logo = ttk.Label(self.body, style=styles.TEXT, anchor="center")
        self._logo.pack(pady=(px(2), px(10)))
        self._title = ttk.Label(self.body, style=styles.TITLE, anchor="center")
        self._title.pack()
        ttk.Label(
            self.body, text="Your files travel and lie encrypted", style=styles.MUTED, anchor="center"
        ).pack(pady=(px(3), px(8)))  # fmt: skip
        self.server = self.entry("Server", state.server)
        self.user = self.entry("User name", state.user)
        self.password = self.entry("Password", secret=True)
        self._keep = tk.BooleanVar(self, value=state.keep)
        self._keep_box = ttk.Checkbutton(
            self.body, text="Keep me signed in (system keyring)", style=styles.CHECK, variable=self._keep
        )
        self._keep_box.pack(anchor="w", pady=(px(10), 0))
        self._keep_why = ttk.Label(self.body, style=styles.SMALL, wraplength=px(self.WIDTH - 26), justify="left")
        self._tip = Tooltip(self._keep_box, theme, "The password is kept by the system's keyring, never in a file.")
        self._problem = ttk.Label(
            self.body, style=styles.ERROR, wraplength=px(self.WIDTH - 26), compound="left", justify="left"
        )
        self.submit = ttk.Button(self.body, text="Sign in", style=styles.PRIMARY, command=self._submitted)
        self.submit.pack(fill="x", pady=(px(12), 0), side="bottom")
        for entry in (self.server, self.user, self.password):
            entry.bind("<Return>", lambda _event: self._submitted())
        self.server.bind("<KeyRelease>", lambda _event: self._server_typed())
        self.bind_all_escape()
        theme.on_change(self._recolour)
        self._recolour()
        self._server_typed()
        self.show(state)

    def bind_all_escape(self) -> None:
        """Escape in any field gives up an attempt that is under way."""
        for widget in (self.server, self.user, self.password, self.submit):
            widget.bind("<Escape>", lambda _event: self._on_cancel())

    def show(self, state: SignInState) -> None:
        """Show an attempt under way, or how it ended. What was typed stays."""
        px = self.theme.px
        self._busy = state.busy
        if state.notice is not None:
            self._notice.pack(fill="x", pady=(0, px(18)), before=self._logo)
            self._notice.show(state.notice)
        else:
            self._notice.pack_forget()
            self._notice.show(None)
        self.submit.configure(text="Cancel" if state.busy else "Sign in")
        self._held_up_at = state.server if state.held_up else None
        self._title_text(busy=state.busy)
        for widget in (self.server, self.user, self.password):
            widget.state(["disabled" if state.busy else "!disabled"])
        refused = state.keep_refused
        self._keep_box.state(["disabled" if refused or state.busy else "!disabled"])
        if refused:
            self._keep.set(False)
            self._keep_why.configure(text=refused)
            self._keep_why.pack(anchor="w", padx=(px(26), 0), after=self._keep_box)
        else:
            self._keep_why.pack_forget()
        # Two lines are kept free for it: the button below must not move away from under the mouse.
        text = state.problem or ""
        self._problem.configure(
            text=f"{text}\n" if 0 < self.theme.measure(text) <= px(self.WIDTH - 50) else text or "\n"
        )
        self._show_problem_icon()
        self._enable_submit()
        self._problem.pack(anchor="w", pady=(px(10), 0), after=self._keep_why if refused else self._keep_box)

    @property
    def notice(self) -> Notice | None:
        """Notice above the form: why one is here again."""
        return self._notice.notice

    def take_focus(self, wrong: Literal["server", "user", "password"] | None = None) -> None:
        """Put the keyboard into the field that is wrong; else into the first that is empty, or the password."""
        if wrong is not None:
            field = {"server": self.server, "user": self.user, "password": self.password}[wrong]
            field.focus_set()
            field.selection_range(0, "end")
            return
        for entry in (self.server, self.user, self.password):
            if not entry.get():
                entry.focus_set()
                return
        self.password.focus_set()
        self.password.selection_range(0, "end")

    def _enable_submit(self) -> None:
        """Enable the button, unless this server lets nobody try for a while; another server may be tried."""
        held_up = self._held_up_at is not None and self.server.get().strip() == self._held_up_at
        self.submit.state(["disabled" if held_up else "!disabled"])

    def _submitted(self) -> str:
        if self._busy:
            self._on_cancel()
        elif self.submit.instate(["!disabled"]):
            self._on_submit(self.server.get().strip(), self.user.get().strip(), self.password.get(), self._keep.get())
        return "break"

    def _server_typed(self) -> None:
        self._title_text(busy=self._busy)
        self._enable_submit()

    def _title_text(self, *, busy: bool) -> None:
        host = self.server.get().strip().rpartition(":")[0] or self.server.get().strip() or "your server"
        verb = "Signing in to" if busy else "Sign in to"
        self._title.configure(text=self.theme.elide(f"{verb} {host}", self.theme.px(self.WIDTH), "SfTitleFont"))

    def _recolour(self) -> None:
        palette = self.theme.palette
        self._logo.configure(image=self.theme.icon("safe2-fill", palette.accent, 40))
        self._show_problem_icon()

    def _show_problem_icon(self) -> None:
        name = "exclamation-circle" if str(self._problem.cget("text")).strip() else ""
        self._problem.configure(image=self.theme.icon(name, self.theme.palette.danger, 15, pad_right=8, pad_y=1))
