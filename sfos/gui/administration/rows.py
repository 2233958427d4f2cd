"""Accounts, sessions, waits and audit lines as rows of words. Pure: the clock is passed in."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from sfos.client.administration import Accounts
from sfos.gui import wording
from sfos.protocol import AccountEntry, PenaltyEntry, Role, SessionEntry, printable

Tab = Literal["accounts", "sessions", "waits", "audit"]

_MS = 1_000_000  # nanoseconds
_BINDING = ("seq", "prev", "mac")  # of an audit line: what binds it to the others, of no interest to people
ROLES: dict[Role, str] = {"user": "User", "admin": "Administrator"}
EVENTS = {
    "login": "Signed in",
    "login_failed": "Wrong sign-in",
    "login_held_up": "Sign-in held up",
    "sessions_ended": "Signed out by an administrator",
    "penalties_lifted": "Waits lifted",
    "audit_read": "Audit log read",
    "session_ended": "Session ended",
    "connection_refused": "Connection refused",
    "server_started": "Server started",
    "server_stopped": "Server stopped",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A row. `key`: what an order names it by; `cells`: as the columns of its tab; `pale`: of less account."""

    key: str
    icon: str
    cells: tuple[str, ...]
    pale: bool = False
    strong: bool = False


COLUMNS: dict[Tab, tuple[tuple[str, int], ...]] = {
    "accounts": (
        ("Account", 150), ("Role", 104), ("State", 150), ("Space", 130), ("Files and folders", 130), ("Sessions", 70),
        ("Made", 130),
    ),
    "sessions": (("Account", 130), ("Program", 200), ("Address", 140), ("Signed in", 124), ("Last used", 124)),
    "waits": (("From or on", 220), ("Wrong sign-ins", 110), ("Last one", 124), ("Has to wait", 110)),
    "audit": (("Time", 144), ("Event", 160), ("Account", 110), ("Address", 120), ("More", 240)),
}  # fmt: skip
"""Heading and width, in design pixels, of each column."""


def account_rows(found: Accounts, now: dt.datetime) -> tuple[Row, ...]:
    """Rows of accounts."""
    return tuple(
        Row(
            entry.name,
            "person-x" if entry.disabled else "shield-lock" if entry.role == "admin" else "person",
            (
                printable(entry.name),
                ROLES.get(entry.role, printable(entry.role)),
                state_of(entry),
                shown_limit(entry.quota_bytes, found.default_quota_bytes, wording.size),
                shown_limit(entry.quota_files, found.default_quota_files, lambda count: f"{count:,}"),
                str(entry.sessions or "–"),
                wording.moment(entry.created_ms * _MS, now),
            ),
            pale=entry.disabled,
        )
        for entry in found.entries
    )


def state_of(entry: AccountEntry) -> str:
    """State of an account."""
    return "Disabled" if entry.disabled else "Has a first password" if entry.must_change else "Enabled"


def shown_limit(own: int | None, default: int, show: Callable[[int], str]) -> str:
    """A limit; and whether it is the one for all."""
    limit = default if own is None else own
    shown = show(limit) if limit else "no limit"
    return f"{shown} (as all)" if own is None else shown


def session_rows(entries: Sequence[SessionEntry], now: dt.datetime) -> tuple[Row, ...]:
    """Rows of sessions."""
    return tuple(
        Row(
            entry.id,
            "pc-display" if entry.current else "terminal" if "command line" in entry.client else "window",
            (
                printable(entry.user),
                (printable(entry.client) or "Unknown program") + (" · this window" if entry.current else ""),
                printable(entry.address),
                wording.moment(entry.since_ms * _MS, now),
                wording.moment(entry.last_used_ms * _MS, now),
            ),
            strong=entry.current,
        )
        for entry in entries
    )


def wait_key(entry: PenaltyEntry) -> str:
    """Key of a wait: an address and an account may be called alike."""
    return f"{entry.kind}:{entry.name}"


def wait_rows(entries: Sequence[PenaltyEntry], now: dt.datetime) -> tuple[Row, ...]:
    """Rows of those who signed in wrongly."""
    return tuple(
        Row(
            wait_key(entry),
            "person" if entry.kind == "account" else "globe",
            (
                ("Account " if entry.kind == "account" else "Address ") + printable(entry.name),
                f"{entry.failures:,}",
                wording.moment(entry.last_ms * _MS, now),
                wording.duration(entry.wait_s) if entry.wait_s else "–",
            ),
            pale=not entry.wait_s,
        )
        for entry in entries
    )


def audit_rows(lines: Sequence[str], now: dt.datetime) -> tuple[Row, ...]:
    """Rows of the audit log, the newest first. A line that makes no sense is shown as it is."""
    return tuple(_audit_row(number, line, now) for number, line in reversed(list(enumerate(lines))))


def _audit_row(number: int, line: str, now: dt.datetime) -> Row:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        entry = None
    if not isinstance(entry, dict):
        return Row(str(number), "question-circle", ("", "", "", "", printable(line)), pale=True)
    for name in _BINDING:
        entry.pop(name, None)
    time, event = _text(entry.pop("time", "")), _text(entry.pop("event", ""))
    user, address = _text(entry.pop("user", "")), _text(entry.pop("address", ""))
    more = " · ".join(f"{printable(str(name))} {_text(value)}" for name, value in entry.items())
    said = EVENTS.get(event, event.replace("_", " ").capitalize())
    alarm = "fail" in event or "refus" in event or "held_up" in event
    return Row(
        str(number), "exclamation-triangle" if alarm else "dot", (_local(time, now), said, user, address, more),
        strong=alarm,
    )  # fmt: skip


def _text(value: object) -> str:
    return printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _local(time: str, now: dt.datetime) -> str:
    """A time of the log on the clock of whoever reads it, to the second."""
    try:
        then = dt.datetime.fromisoformat(time).astimezone()
    except (ValueError, OverflowError, OSError):
        return time
    if then.date() == now.date():
        return f"Today {then:%H:%M:%S}"
    return f"{then.day} {then:%b %Y %H:%M:%S}"


def matching(rows: Sequence[Row], text: str) -> tuple[Row, ...]:
    """Rows in which each word of `text` stands somewhere."""
    words = text.casefold().split()
    return tuple(row for row in rows if all(word in " ".join(row.cells).casefold() for word in words))
