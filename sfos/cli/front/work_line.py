"""Line on a terminal while the server works on one command for long: what it does, how far it is, what it waits for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from sfos.cli.front.output import exact
from sfos.cli.front.shell import Shell
from sfos.protocol import in_words

if TYPE_CHECKING:
    from sfos.client.session.session import Session
    from sfos.protocol import Working

_APPEARS_AFTER_S = 1.0
_AGAIN_AFTER_S = 0.2


class WorkLine:
    """The line, of one command. `expected`: how many entries that is about; 0 where nobody knows."""

    def __init__(self, shell: Shell, doing: str = "Counting", clock: Callable[[], float] = time.monotonic) -> None:
        """`doing`: what is counted by `count`."""
        self._shell = shell
        self._doing = doing
        self._clock = clock
        self._counted = 0
        self._count_shown_at = clock() + _APPEARS_AFTER_S
        self.expected = 0

    def show(self, command: str, working: Working | None) -> None:
        """Draw what the server says; without it, the line goes. See WorkListener."""
        self._shell.transient("" if working is None else sentence(command, working, self.expected))

    def count(self, entries: int) -> None:
        """Note that so many more have been counted, or brought about one by one."""
        self._counted += entries
        if self._clock() >= self._count_shown_at:
            self._count_shown_at = self._clock() + _AGAIN_AFTER_S
            self._shell.transient(f"{self._doing}: {exact(self._counted)} so far")

    def counted(self, entries: int) -> None:
        """Take `entries` for what the command is about; all has been counted."""
        self.expected = entries
        self.clear()

    def clear(self) -> None:
        """Take the line away."""
        self._shell.transient("")


def show_work(session: Session, shell: Shell) -> WorkLine:
    """The line of the commands of `session`, drawn if somebody looks at standard error."""
    line = WorkLine(shell)
    if shell.shows_progress:
        session.on_working = line.show
    return line


def sentence(command: str, working: Working, expected: int = 0) -> str:
    """`Deleting: 12,000 of 1,000,000`."""
    if working.behind:
        far = f", {exact(working.done)} so far" if working.done else ""
        return f"Waiting for another change of this account to end ({in_words(working.behind)}{far})"
    now = in_words(command).capitalize()
    if not working.done:
        return f"{now}…"
    if working.done <= expected:
        return f"{now}: {exact(working.done)} of {exact(expected)}"
    return f"{now}: {exact(working.done)} so far"
