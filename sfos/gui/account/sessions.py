"""One's own sessions: which there are, from where, and an end to them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace

from sfos.client.api import Api
from sfos.gui import wording
from sfos.gui.threads.bridge import CancelToken, TaskBridge
from sfos.protocol import NotFound, SessionEntry, printable

_MS = 1_000_000  # nanoseconds


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session in words. `here`: it is this window's."""

    id: str
    program: str
    address: str
    since: str
    last_used: str
    here: bool


@dataclass(frozen=True, slots=True)
class SessionsState:
    """State of the dialog. `rows` None: not known yet. `said`: what came of the last order, or went wrong."""

    rows: tuple[SessionRow, ...] | None = None
    said: str = ""
    failed: bool = False
    busy: bool = True


class SessionsPresenter:
    """Tells `on_state` what to show, until `close`."""

    def __init__(
        self,
        bridge: TaskBridge,
        api: Api,
        now: Callable[[], dt.datetime] = wording.local_now,
    ) -> None:
        self._bridge, self._api, self._now = bridge, api, now
        self.on_state: Callable[[SessionsState], None] = lambda _state: None
        self._token = CancelToken()
        self.state = SessionsState()

    def load(self) -> None:
        """Ask the server."""
        self._run(lambda: "")

    def end(self, session_id: str) -> None:
        """Sign out one of the others."""

        def work() -> str:
            try:
                self._api.end_sessions(session_id)
            except NotFound:
                return "That session had already ended."
            return "It was signed out. What it was doing has stopped."

        self._run(work)

    def end_others(self) -> None:
        """Sign out all but this window."""

        def work() -> str:
            ended = self._api.end_sessions()
            return f"{wording.count(ended, 'session')} {'was' if ended == 1 else 'were'} signed out."

        self._run(work)

    def close(self) -> None:
        """Close: nobody looks any more."""
        self._token.cancel()

    def _run(self, work: Callable[[], str]) -> None:
        """Do `work` in a thread and read the sessions anew."""
        self._token.cancel()

        def done(found: tuple[str, list[SessionEntry]]) -> None:
            said, entries = found
            now = self._now()
            self._show(SessionsState(tuple(_row(entry, now) for entry in entries), said, busy=False))

        def failed(error: Exception) -> None:
            self._show(replace(self.state, said=wording.explain(error), failed=True, busy=False))

        self._show(replace(self.state, busy=True, said="", failed=False))
        self._token = self._bridge.run_in_thread(
            lambda _token: (work(), self._api.sessions()), done, failed, name="gui-sessions"
        )

    def _show(self, state: SessionsState) -> None:
        self.state = state
        self.on_state(state)


def _row(entry: SessionEntry, now: dt.datetime) -> SessionRow:
    program = printable(entry.client) or "Unknown program"
    return SessionRow(
        entry.id,
        program if entry.connections else f"{program} (not connected)",
        printable(entry.address),
        wording.moment(entry.since_ms * _MS, now),
        wording.moment(entry.last_used_ms * _MS, now),
        entry.current,
    )
