"""State of the page for administrators, and what comes of an order. Pure: no Tk; the server is asked in threads."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from msgspec import UnsetType

from sfos.client.administration import Accounts, Administration
from sfos.gui import wording
from sfos.gui.administration.rows import (
    Row,
    Tab,
    account_rows,
    audit_rows,
    matching,
    session_rows,
    wait_key,
    wait_rows,
)
from sfos.gui.model import Notice
from sfos.gui.threads.bridge import CancelToken, TaskBridge
from sfos.protocol import MAX_AUDIT_LINES, AccountEntry, NotFound, PenaltiesReply, Role, SessionEntry

T = TypeVar("T")
AUDIT_LINES = 200  # at first; more on demand, up to what the server gives


@dataclass(frozen=True, slots=True)
class Known:
    """Answers of the server. None: not asked yet."""

    accounts: Accounts | None = None
    sessions: tuple[SessionEntry, ...] | None = None
    waits: PenaltiesReply | None = None
    audit: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class AdminState:
    """State of the page. `rows`: of the tab that is open, those that match `filter`; `selected`: keys of some.

    `problem`: why there are no rows. `more`: whether the server has more audit lines than are here.
    """

    tab: Tab = "accounts"
    rows: tuple[Row, ...] = ()
    total: int = 0
    selected: tuple[str, ...] = ()
    filter: str = ""
    busy: bool = False
    problem: str = ""
    more: bool = False
    known: Known = field(default_factory=Known)
    user: str = ""

    @property
    def account(self) -> AccountEntry | None:
        """The one account that is selected."""
        found = self.known.accounts
        if self.tab != "accounts" or len(self.selected) != 1 or found is None:
            return None
        return next((entry for entry in found.entries if entry.name == self.selected[0]), None)

    @property
    def sessions(self) -> tuple[SessionEntry, ...]:
        """Sessions that are selected, without one's own."""
        if self.tab != "sessions":
            return ()
        return tuple(each for each in self.known.sessions or () if each.id in self.selected and not each.current)


class AdminPresenter:
    """Tells `on_state` what to show. One order at a time; each reads anew what it may have changed."""

    def __init__(
        self,
        bridge: TaskBridge,
        admin: Administration,
        user: str,
        *,
        on_state: Callable[[AdminState], None],
        on_notice: Callable[[Notice], None],
        now: Callable[[], dt.datetime] = wording.local_now,
    ) -> None:
        """`user`: who is signed in."""
        self._bridge, self._admin, self._now = bridge, admin, now
        self._on_state, self._on_notice = on_state, on_notice
        self._token = CancelToken()
        self._audit_lines = AUDIT_LINES
        self._sessions_of: str | None = None
        self._closed = False
        self.state = AdminState(user=user)

    def close(self) -> None:
        """Let go of everything."""
        self._closed = True
        self._token.cancel()

    # --- looking ---------------------------------------------------------------------------------------------------

    def open(self, tab: Tab, *, filter: str = "") -> None:
        """Show a tab, as things are now."""
        self._arrange(tab=tab, selected=(), filter=filter, problem="")
        self.refresh()

    def set_filter(self, text: str) -> None:
        """Show only rows with these words."""
        self._arrange(filter=text)

    def select(self, keys: tuple[str, ...]) -> None:
        """Take these as selected."""
        if keys != self.state.selected:
            self._show(replace(self.state, selected=keys))

    def more_audit(self) -> None:
        """Read further back in the audit log."""
        self._audit_lines = min(self._audit_lines * 5, MAX_AUDIT_LINES)
        self.refresh()

    def refresh(self) -> None:
        """Ask the server for what is shown."""
        tab = self.state.tab
        self._token.cancel()
        read = self._reader(tab)

        def done(change: Callable[[Known], Known]) -> None:
            self._arrange(busy=False, problem="", known=change(self.state.known))

        def failed(error: Exception) -> None:
            self._arrange(busy=False, problem=wording.explain(error))

        self._show(replace(self.state, busy=True))
        self._token = self._bridge.run_in_thread(lambda _token: read(), done, failed, name="gui-admin")

    def _reader(self, tab: Tab) -> Callable[[], Callable[[Known], Known]]:
        """Function for a thread, which asks the server and gives what that changes."""
        admin, lines = self._admin, self._audit_lines

        def accounts() -> Callable[[Known], Known]:
            found = admin.accounts()
            return lambda known: replace(known, accounts=found)

        def sessions() -> Callable[[Known], Known]:
            found = tuple(admin.sessions())
            return lambda known: replace(known, sessions=found)

        def waits() -> Callable[[Known], Known]:
            found = admin.penalties()
            return lambda known: replace(known, waits=found)

        def audit() -> Callable[[Known], Known]:
            found = tuple(admin.audit_lines(lines))
            return lambda known: replace(known, audit=found)

        return {"accounts": accounts, "sessions": sessions, "waits": waits, "audit": audit}[tab]

    def _arrange(self, **changed: object) -> None:
        state = replace(self.state, **changed)  # type: ignore[arg-type]
        every = self._rows(state)
        rows = matching(every, state.filter)
        keys = {row.key for row in rows}
        more = len(state.known.audit or ()) >= self._audit_lines < MAX_AUDIT_LINES
        selected = tuple(key for key in state.selected if key in keys)
        self._show(replace(state, rows=rows, total=len(every), selected=selected, more=more))

    def _rows(self, state: AdminState) -> tuple[Row, ...]:
        known, now = state.known, self._now()
        match state.tab:
            case "accounts":
                return account_rows(known.accounts, now) if known.accounts is not None else ()
            case "sessions":
                return session_rows(known.sessions or (), now)
            case "waits":
                return wait_rows(known.waits.penalties if known.waits is not None else (), now)
            case "audit":
                return audit_rows(known.audit or (), now)

    # --- orders ----------------------------------------------------------------------------------------------------

    def order(
        self,
        work: Callable[[Administration], T],
        said: Callable[[T], str],
        *,
        done: Callable[[T], None] = lambda _result: None,
        refused: Callable[[str], None] | None = None,
    ) -> None:
        """Do `work` in a thread, say what came of it, and read anew. `refused`: takes the reason, for a dialog that
        stays open; else it is told as a notice.
        """

        def worked(result: T) -> None:
            done(result)
            if self._closed:
                return
            text = said(result)
            if text:
                self._on_notice(Notice(text, "success"))
            self.refresh()

        def failed(error: Exception) -> None:
            reason = wording.explain(error)
            if refused is not None:
                refused(reason)
            elif not self._closed:
                self._on_notice(Notice(reason, "error"))
                self.refresh()

        self._bridge.run_in_thread(lambda _token: work(self._admin), worked, failed, name="gui-admin-order")

    def set_disabled(self, name: str, disabled: bool) -> None:
        """Keep an account from signing in, or let it again."""
        said = "can no longer sign in, and is signed out everywhere" if disabled else "can sign in again"
        self.order(lambda admin: admin.set_disabled(name, disabled), lambda _entry: f"“{name}” {said}.")

    def set_role(self, name: str, role: Role) -> None:
        """Change what an account may do."""
        said = "is an administrator now" if role == "admin" else "is an ordinary user now"
        self.order(
            lambda admin: admin.set_role(name, role), lambda _entry: f"“{name}” {said}, and has to sign in anew."
        )

    def set_limits(
        self,
        name: str,
        quota_bytes: int | UnsetType | None,
        quota_files: int | UnsetType | None,
        *,
        done: Callable[[object], None],
        refused: Callable[[str], None],
    ) -> None:
        """Change how much an account may store."""
        self.order(
            lambda admin: admin.set_quota(name, quota_bytes, quota_files),
            lambda _entry: f"The limits of “{name}” were changed.", done=done, refused=refused,
        )  # fmt: skip

    def remove(self, name: str) -> None:
        """Remove an account; its files stay on the server's disk."""
        self.order(lambda admin: admin.remove(name), lambda _nothing: f"“{name}” was removed.")

    def end_sessions(self, sessions: tuple[SessionEntry, ...]) -> None:
        """Sign these out."""

        def work(admin: Administration) -> int:
            ended = 0
            for each in sessions:
                try:
                    ended += admin.end_sessions(each.user, each.id)
                except NotFound:  # it has ended by itself
                    continue
            return ended

        self.order(work, _ended)

    def end_all_of(self, name: str) -> None:
        """Sign an account out everywhere, but for this window."""
        self.order(lambda admin: admin.end_sessions(name), _ended)

    def lift(self, keys: tuple[str, ...]) -> None:
        """Let those try again at once; without any, all."""
        waits = self.state.known.waits
        chosen = [each for each in waits.penalties if wait_key(each) in keys] if waits is not None else []

        def work(admin: Administration) -> int:
            if not keys:
                return admin.lift()
            return sum(
                admin.lift(address=each.name) if each.kind == "address" else admin.lift(user=each.name)
                for each in chosen
            )

        self.order(work, lambda count: f"{wording.count(count, 'wait')} {'was' if count == 1 else 'were'} lifted.")

    # --- telling ---------------------------------------------------------------------------------------------------

    def _show(self, state: AdminState) -> None:
        if not self._closed:
            self.state = state
            self._on_state(state)


def _ended(count: int) -> str:
    if not count:
        return "Those sessions had already ended."
    return f"{wording.count(count, 'session')} {'was' if count == 1 else 'were'} signed out."


def summary_of(state: AdminState) -> str:
    """Summary for the status bar."""
    noun = {"accounts": "account", "sessions": "session", "waits": "wait", "audit": "line"}[state.tab]
    shown = len(state.rows)
    text = wording.count(state.total, noun)
    if shown != state.total:
        text = f"{shown:,} of {text}"
    if state.tab == "waits" and state.known.waits is not None:
        unseen = state.known.waits.total - len(state.known.waits.penalties)
        if unseen > 0:
            text += f", and {unseen:,} more on the server"
    if state.selected:
        text += f" · {len(state.selected):,} selected"
    return text


def empty_text(state: AdminState) -> str:
    """Words in place of rows."""
    if state.problem:
        return state.problem
    asked = {
        "accounts": state.known.accounts, "sessions": state.known.sessions, "waits": state.known.waits,
        "audit": state.known.audit,
    }[state.tab]  # fmt: skip
    if asked is None:
        return "Asking the server…"
    if state.filter:
        return f"Nothing here has “{state.filter}” in it."
    return {
        "accounts": "There are no accounts.",
        "sessions": "Nobody is signed in.",
        "waits": "Nobody has signed in wrongly of late.",
        "audit": "The audit log is empty.",
    }[state.tab]
