"""Sessions as they are shown: from where, with what, since when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

from sfos.cli.front import output
from sfos.cli.front.shell import Shell
from sfos.protocol import NotFound, SessionEntry, TreeError, printable

_SHOWN_DIGITS = 8  # of an id: enough to tell one's sessions apart, and to name one


def show(shell: Shell, sessions: Sequence[SessionEntry], *, as_json: bool, with_user: bool = False) -> None:
    """A line for each session."""
    if as_json:
        for entry in sessions:
            shell.result(output.json_line(session_json(entry)))
        return
    for line in session_lines(sessions, with_user=with_user):
        shell.result(line)


def session_lines(
    sessions: Sequence[SessionEntry], *, with_user: bool = False, zone: tzinfo | None = None
) -> list[str]:
    """A table for people."""
    header = [
        "session",
        *(["user"] if with_user else []),
        "address",
        "program",
        "since",
        "last used",
        "connections",
        "",
    ]
    rows = [
        [
            entry.id[:_SHOWN_DIGITS],
            *([entry.user] if with_user else []),
            entry.address,
            printable(entry.client),
            output.moment(entry.since_ms * 1_000_000, zone),
            output.moment(entry.last_used_ms * 1_000_000, zone),
            str(entry.connections),
            "this one" if entry.current else "",
        ]
        for entry in sessions
    ]
    return output.table([header, *rows])


def session_json(entry: SessionEntry) -> dict[str, object]:
    """A session for programs."""
    return {
        "session": entry.id,
        "user": entry.user,
        "address": entry.address,
        "client": entry.client,
        "since": output.iso(entry.since_ms),
        "last_used": output.iso(entry.last_used_ms),
        "connections": entry.connections,
        "current": entry.current,
    }


def named(sessions: Sequence[SessionEntry], digits: str) -> SessionEntry:
    """The one session whose id begins with `digits`. Raises: NotFound; TreeError, if there are several."""
    found = [entry for entry in sessions if entry.id.startswith(digits.lower())]
    if not found:
        raise NotFound("There is no such session; see: sessions", subject=digits)
    if len(found) > 1:
        raise TreeError("Several sessions begin so; say more of it.", subject=digits)
    return found[0]
