"""The page for administrators: four tabs over one table, and a row of buttons for what is selected."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Sequence
from dataclasses import dataclass
from tkinter import ttk
from typing import TYPE_CHECKING, get_args

from sfos.gui.administration import commands
from sfos.gui.administration.commands import COMMANDS
from sfos.gui.commands import AnyCommand, MenuName, Offer
from sfos.gui.look import styles
from sfos.gui.page import Desk, Page, Room, Stop
from sfos.gui.widgets.list_keys import ListKeys, TreeRows
from sfos.gui.widgets.menus import below
from sfos.gui.widgets.scroll import AutoScrollbar
from sfos.gui.widgets.slices import Slicer
from sfos.gui.widgets.tabs import Tabs
from sfos.gui.widgets.tooltip import Tooltip

if TYPE_CHECKING:  # loaded by `load`
    from collections.abc import Iterator

    from sfos.client.session.session import Session
    from sfos.gui.administration.orders import AdminOrders
    from sfos.gui.administration.presenter import AdminPresenter, AdminState
    from sfos.gui.administration.rows import Row, Tab

_TABS = (("accounts", "Accounts"), ("sessions", "Sessions"), ("waits", "Waits"), ("audit", "Audit log"))
_BUTTONS: dict[str, tuple[AnyCommand, ...]] = {
    "accounts": (
        commands.ADD_ACCOUNT, commands.NEW_PASSWORD, commands.LIMITS, commands.DISABLE, commands.ENABLE,
        commands.REMOVE, commands.MAKE_ADMIN, commands.MAKE_USER, commands.SIGN_OUT_OF,
    ),
    "sessions": (commands.END_SESSIONS,),
    "waits": (commands.LIFT, commands.LIFT_ALL),
    "audit": (commands.MORE_AUDIT, commands.COPY_LINES),
}  # fmt: skip
_MENUS: dict[str, MenuName] = {"accounts": "selection", "sessions": "session", "waits": "wait", "audit": "line"}
_EXPLAINED = {
    "accounts": "Who may sign in, and how much each may store.",
    "sessions": "Who is signed in now, from where.",
    "waits": "Who signed in wrongly of late, and has to wait before trying again.",
    "audit": "What has happened on the server, the newest first.",
}
_LEAST_STRETCHED = 120


@dataclass(frozen=True, slots=True)
class _Session:
    presenter: AdminPresenter
    orders: AdminOrders


class AdministrationPage(Page):
    """Accounts, sessions, waits, and the audit log."""

    title, icon = "Administration", "shield-lock"

    def __init__(self, room: Room) -> None:
        self._room = room
        self._session: _Session | None = None
        self._drawn: tuple[Row, ...] = ()
        self._columns_of: tuple[str, float] = "", 0.0
        theme, px = room.theme, room.theme.px
        frame = self.widget = ttk.Frame(room.centre, style=styles.SURFACE, padding=(px(14), px(8), px(10), px(10)))
        frame.rowconfigure(3, weight=1)
        frame.columnconfigure(0, weight=1)
        self.tabs = Tabs(frame, theme, _TABS, self._open_tab)
        self.tabs.grid(row=0, column=0, sticky="w")
        bar = self.bar = ttk.Frame(room.bar, style=styles.SURFACE)
        self._filter = tk.StringVar(bar)
        self._filter.trace_add("write", lambda *_: self._filtered())
        self.filter = ttk.Entry(bar, style=styles.ENTRY, textvariable=self._filter, width=30)
        self.filter.pack(side="right", padx=px(8))
        self.filter.bind("<Escape>", lambda _event: self._leave_filter(clear=True))
        self.filter.bind("<Return>", lambda _event: self._leave_filter(clear=False))
        self._hint = ttk.Label(self.filter, text="Find (Ctrl+F)", style=styles.FIELD_MUTED)
        self._hint.bind("<Button-1>", lambda _event: self.filter.focus_set())
        ttk.Frame(frame, style=styles.LINE, height=max(1, px(1))).grid(row=1, column=0, columnspan=2, sticky="ew")
        self._explained = ttk.Label(frame, style=styles.MUTED)
        self._explained.grid(row=2, column=0, columnspan=2, sticky="w", pady=(px(8), px(6)))
        self._build_table(frame)
        self._buttons = ttk.Frame(frame, style=styles.SURFACE)
        self._buttons.grid(row=4, column=0, columnspan=2, sticky="ew", pady=(px(8), 0))
        self._made: dict[AnyCommand, ttk.Button] = {}
        self._buttons.bind("<Configure>", lambda _event: self._place_buttons())
        self.more = ttk.Button(self._buttons, style=styles.TOOL, command=self._open_more)
        Tooltip(self.more, theme, "More (Shift+F10)")
        self._wanted: tuple[AnyCommand, ...] = ()
        self._said = ttk.Label(frame, style=styles.ERROR)
        self._said.grid(row=5, column=0, columnspan=2, sticky="w")
        self.offer = Offer(COMMANDS, self._state, self._orders)
        self._show_hint()
        theme.on_change(self._redraw)

    def _build_table(self, frame: ttk.Frame) -> None:
        px = self._room.theme.px
        box = ttk.Frame(frame, style=styles.BORDER, padding=max(1, px(1)))
        box.grid(row=3, column=0, columnspan=2, sticky="nsew")
        box.rowconfigure(0, weight=1)
        box.columnconfigure(0, weight=1)
        self.table = self.keyboard = ttk.Treeview(box, style=styles.TABLE, selectmode="extended", height=4)
        self.table.grid(row=0, column=0, sticky="nsew")
        down = AutoScrollbar(box, "vertical", self.table.yview, row=0, column=1, sticky="ns")
        across = AutoScrollbar(box, "horizontal", self.table.xview, row=1, column=0, sticky="ew")
        self.table.configure(yscrollcommand=down.set, xscrollcommand=across.set)
        self._slicer = Slicer(self.table)
        rows = TreeRows(self.table, lambda: [row.cells[0] for row in self._drawn])
        ListKeys(self.table, rows)
        self.table.bind("<<TreeviewSelect>>", lambda _event: self._selected())
        self.table.bind("<Control-a>", lambda _event: rows.select_all())
        self.table.bind("<Button-3>" if self._room.root.tk.call("tk", "windowingsystem") != "aqua" else "<Button-2>",
                        self._context_menu)  # fmt: skip
        self._empty = ttk.Label(box, style=styles.MUTED, justify="center", wraplength=px(380))

    # --- the session -----------------------------------------------------------------------------------------------

    def load(self) -> None:
        import sfos.gui.administration.orders  # noqa: F401

    def is_for(self, session: Session) -> bool:
        return session.info.role == "admin"

    def begin(self, desk: Desk) -> None:
        from sfos.client.administration import Administration
        from sfos.gui.administration.orders import AdminOrders
        from sfos.gui.administration.presenter import AdminPresenter

        session = desk.session
        admin = Administration(session.api.caller, session.info.password_policy)
        presenter = AdminPresenter(desk.bridge, admin, session.user, on_state=self._show, on_notice=desk.say)
        self._session = _Session(presenter, AdminOrders(self._room, desk, admin, presenter, self._find))
        self._show(presenter.state)

    def end(self) -> None:
        if self._session is not None:
            self._session.presenter.close()
        self._session = None
        self._slicer.cancel()
        self._drawn = ()
        self.table.delete(*self.table.get_children())

    def back_online(self) -> None:
        if self._session is not None and self.widget.winfo_ismapped():
            self._session.presenter.refresh()

    def _state(self) -> AdminState | None:
        return self._session.presenter.state if self._session is not None else None

    def _orders(self) -> AdminOrders:
        assert self._session is not None  # without one nothing is offered
        return self._session.orders

    # --- being shown -----------------------------------------------------------------------------------------------

    def shown(self) -> None:
        if self._session is not None:
            self._session.presenter.refresh()

    @property
    def summary(self) -> str:
        from sfos.gui.administration.presenter import summary_of

        state = self._state()
        return summary_of(state) if state is not None else ""

    @property
    def menu(self) -> MenuName:
        state = self._state()
        return _MENUS[state.tab] if state is not None and state.selected else "folder"

    def menu_position(self) -> tuple[int, int] | None:
        chosen = self.table.selection()
        box = self.table.bbox(chosen[0]) if chosen else ""
        x, y = (box[0] + 40, box[1] + box[3]) if box else (40, 40)
        return self.table.winfo_rootx() + x, self.table.winfo_rooty() + y

    def stops(self) -> Sequence[Stop]:
        first = self.tabs.buttons[self.tabs.current]
        return (Stop(self.tabs, first.focus_set), Stop(self.table, self.take_focus))

    # --- showing ---------------------------------------------------------------------------------------------------

    def _show(self, state: AdminState) -> None:
        if self.tabs.current != state.tab:
            self.tabs.mark(state.tab)
        if self._filter.get() != state.filter:
            self._filter.set(state.filter)
        self._explained.configure(text=_EXPLAINED[state.tab])
        self._show_columns(state.tab)
        if state.rows != self._drawn:
            self._drawn = state.rows
            self._slicer.run(self._fill(state))
        self._show_empty(state)
        self._show_buttons(state)
        self._room.renew()

    def _show_columns(self, tab: Tab) -> None:
        from sfos.gui.administration.rows import COLUMNS

        theme = self._room.theme
        if self._columns_of == (tab, theme.text_scale):
            return
        self._columns_of = tab, theme.text_scale
        columns = COLUMNS[tab]
        names = [f"c{number}" for number in range(1, len(columns))]
        self.table.configure(columns=names)
        widest = max(range(len(columns)), key=lambda number: columns[number][1])
        for number, (heading, width) in enumerate(columns):
            name = "#0" if number == 0 else names[number - 1]
            self.table.heading(name, text=f" {heading}" if number == 0 else heading, anchor="w")
            self.table.column(
                name, width=theme.px(width * theme.text_scale), anchor="w", stretch=number == widest,
                minwidth=theme.px(min(width, _LEAST_STRETCHED) * theme.text_scale),
            )  # fmt: skip

    def _fill(self, state: AdminState) -> Iterator[None]:
        theme, call, name = self._room.theme, self.table.tk.call, str(self.table)
        focus = self.table.focus()
        self.table.delete(*self.table.get_children())
        palette = theme.palette
        for index, row in enumerate(state.rows):
            colour = palette.muted if row.pale else palette.warning if row.icon.startswith("excl") else palette.accent
            icon = theme.icon(row.icon, colour, 15, pad_right=8)
            tag = "pale" if row.pale else "strong" if row.strong else "plain"
            call(
                name, "insert", "", "end", "-id", str(index), "-text", row.cells[0], "-image", str(icon),
                "-values", row.cells[1:], "-tags", (tag,),
            )  # fmt: skip
            yield
        self.table.tag_configure("pale", foreground=palette.muted)
        self.table.tag_configure("strong", font="SfBoldFont")
        wanted = [str(index) for index, row in enumerate(state.rows) if row.key in state.selected]
        self.table.selection_set(wanted)
        if wanted or self.table.exists(focus):
            self.table.focus(wanted[0] if wanted else focus)

    def _show_empty(self, state: AdminState) -> None:
        from sfos.gui.administration.presenter import empty_text

        if state.rows:
            self._empty.place_forget()
        else:
            self._empty.configure(text=empty_text(state))
            self._empty.place(in_=self.table, relx=0.5, rely=0.5, anchor="center")
            self._empty.lift()
        # What cannot be read anew while old rows are still there.
        problem = state.problem if state.rows else ""
        self._said.configure(text=problem)
        (self._said.grid if problem else self._said.grid_remove)()

    def _show_buttons(self, state: AdminState) -> None:
        wanted = tuple(each for each in _BUTTONS[state.tab] if each.when(state) or not _has_twin(each, state))
        for command in wanted:
            self._button(command).state(["!disabled" if command.when(state) else "disabled"])
        if wanted != self._wanted:
            self._wanted = wanted
            self._place_buttons()

    def _place_buttons(self) -> None:
        """Place as many buttons as there is room for; all of them are in the menu beside them."""
        theme = self._room.theme
        gap = theme.px(8)
        self.more.configure(image=theme.icon("three-dots", None, 15))
        left = self._buttons.winfo_width() - self.more.winfo_reqwidth()
        shown = []
        for command in self._wanted:
            left -= self._made[command].winfo_reqwidth() + gap
            if left < 0:
                break
            shown.append(command)
        for command, button in self._made.items():
            if command not in shown:
                button.grid_remove()
        for column, command in enumerate(shown):
            self._made[command].grid(row=0, column=column, padx=(0, gap))
            self._made[command].lift()  # Tab goes from left to right
        self.more.grid(row=0, column=len(shown))
        self.more.lift()

    def _open_more(self) -> None:
        self._room.menu(self.menu, *below(self.more, self._room.theme))

    def _button(self, command: AnyCommand) -> ttk.Button:
        if command not in self._made:
            danger = command is commands.REMOVE
            primary = command is commands.ADD_ACCOUNT
            style = styles.DANGER if danger else styles.PRIMARY if primary else styles.BUTTON
            self._made[command] = ttk.Button(
                self._buttons, text=command.label, style=style, command=lambda: self._room.run(command)
            )
        return self._made[command]

    def _redraw(self) -> None:
        state = self._state()
        if state is not None:
            self._drawn = ()
            self._show(state)
        self._place_buttons()

    # --- what the person does --------------------------------------------------------------------------------------

    def _open_tab(self, name: str) -> None:
        tab: Tab = next(each for each in _tab_names() if each == name)
        if self._session is not None:
            self._session.presenter.open(tab)

    def _selected(self) -> None:
        filling = len(self.table.get_children()) < len(self._drawn)
        if self._session is not None and not filling:
            keys = tuple(self._drawn[int(item)].key for item in self.table.selection() if int(item) < len(self._drawn))
            self._session.presenter.select(keys)

    def _context_menu(self, event: tk.Event[ttk.Treeview]) -> None:
        item = self.table.identify_row(event.y)
        if item and item not in self.table.selection():
            self.table.selection_set((item,))
            self.table.focus(item)
            self._selected()
        self.table.focus_set()
        self._room.menu(self.menu if item else "folder", event.x_root, event.y_root)

    def _find(self) -> None:
        self.filter.focus_set()
        self.filter.selection_range(0, "end")

    def _filtered(self) -> None:
        self._show_hint()
        if self._session is not None and self._filter.get() != self._session.presenter.state.filter:
            self._session.presenter.set_filter(self._filter.get())

    def _leave_filter(self, *, clear: bool) -> str:
        if clear:
            self._filter.set("")
        self.take_focus()
        return "break"

    def _show_hint(self) -> None:
        if self._filter.get():
            self._hint.place_forget()
        else:
            self._hint.place(x=self._room.theme.px(9), rely=0.5, anchor="w")


def _tab_names() -> tuple[Tab, ...]:
    from sfos.gui.administration import rows

    return get_args(rows.Tab)


def _has_twin(command: AnyCommand, state: AdminState) -> bool:
    """Whether `command` gives its place to its opposite: one of both is enough."""
    account = state.account
    disabled = account is not None and account.disabled
    admin = account is not None and account.role == "admin"
    return command in (
        commands.DISABLE if disabled else commands.ENABLE, commands.MAKE_ADMIN if admin else commands.MAKE_USER,
    )  # fmt: skip
