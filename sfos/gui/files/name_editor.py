"""A name changed in its row: a field over it, and under the field what is wrong with what is typed."""

from __future__ import annotations

from collections.abc import Callable
from tkinter import ttk

from sfos.gui.look import styles
from sfos.gui.look.theme import Theme
from sfos.gui.nodes import NodeKey


class NameEditor:
    """Return takes the name, and so does going elsewhere with the mouse, unless it will not do; Escape leaves it."""

    def __init__(
        self,
        tree: ttk.Treeview,
        theme: Theme,
        key: NodeKey,
        name: str,
        *,
        select_stem: bool,
        check: Callable[[str], str | None],
        on_done: Callable[[str], None],
        on_over: Callable[[bool], None],
    ) -> None:
        """`select_stem`: select the name without its extension. `on_over` is called once, however it ends: with whether
        the keyboard is still here."""
        self.key = key
        self._theme, self._name = theme, name
        self._check, self._on_done, self._on_over = check, on_done, on_over
        self._over = False
        self.field = ttk.Entry(tree, style=styles.ROW_ENTRY, font="TkDefaultFont")
        self.field.insert(0, name)
        stem = name.rfind(".") if select_stem else -1
        self.field.selection_range(0, stem if stem > 0 else "end")
        self.field.icursor(stem if stem > 0 else "end")
        self._problem = ttk.Label(
            tree, style=styles.ALARM_TEXT, padding=(theme.px(8), theme.px(4)), justify="left", wraplength=theme.px(360)
        )
        for keys in ("<Return>", "<KP_Enter>"):
            self.field.bind(keys, lambda _event: self._entered())
        self.field.bind("<Escape>", lambda _event: self.cancel())
        for keys in ("<Tab>", "<Shift-Tab>"):
            self.field.bind(keys, lambda _event: self._entered())
        self.field.bind("<KeyRelease>", lambda _event: self._typed())
        self.field.bind("<FocusOut>", lambda _event: self._left())

    def take_focus(self) -> None:
        """Put the keyboard into the field."""
        self.field.focus_set()

    def place_over(self, box: tuple[int, int, int, int] | None, inset: int) -> None:
        """Lie over the cell `box`, `inset` from its left edge; None: it cannot be seen now."""
        if box is None:
            self.field.place_forget()
            self._problem.place_forget()
            return
        x, y, width, height = box
        needed = self._theme.measure(self.field.get()) + self._theme.px(40)
        room = width - inset - self._theme.px(4)
        self.field.place(x=x + inset, y=y, width=max(self._theme.px(80), min(room, needed)), height=height)
        self.field.lift()
        self._place_problem()

    def _place_problem(self) -> None:
        text = str(self._problem.cget("text"))
        if not text or not self.field.winfo_manager():
            self._problem.place_forget()
            return
        x, y = int(self.field.place_info()["x"]), int(self.field.place_info()["y"])
        below = y + int(self.field.place_info()["height"])
        high = self._problem.winfo_reqheight()
        top = below if below + high <= self.field.master.winfo_height() else y - high
        self._problem.place(x=x, y=top)
        self._problem.lift()

    @property
    def problem(self) -> str:
        """Sentence about what is wrong with what is typed, "" for nothing."""
        return str(self._problem.cget("text"))

    def _judge(self) -> str | None:
        typed = self.field.get().strip()
        if typed == self._name:
            return None
        return self._check(typed) if typed else "Type a name."

    def _typed(self) -> None:
        if not self._over:
            self._show_problem(self._judge() if self.field.get().strip() else None)

    def _show_problem(self, reason: str | None) -> None:
        self._problem.configure(text=reason or "")
        self.field.state(["invalid" if reason else "!invalid"])
        self._place_problem()

    def _entered(self) -> str:
        reason = self._judge()
        if reason is not None:
            self._show_problem(reason)
        else:
            self._take()
        return "break"

    def _left(self) -> None:
        if self._over:
            return
        if self._judge() is None:
            self._take(here=False)
        else:
            self._end(here=False)

    def _take(self, *, here: bool = True) -> None:
        typed = self.field.get().strip()
        self._end(here=here)
        if typed != self._name:
            self._on_done(typed)

    def cancel(self) -> str:
        """Leave the name as it was."""
        self._end()
        return "break"

    def _end(self, *, here: bool = True) -> None:
        if self._over:
            return
        self._over = True
        self._on_over(here)
        self.field.destroy()
        self._problem.destroy()
