"""`admin audit`: the end of the audit log."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

import msgspec

from sfos.cli.admin.accounts import administration
from sfos.cli.front.command import SessionCommand, Subject
from sfos.cli.front.shell import Shell
from sfos.protocol import MAX_AUDIT_LINES

if TYPE_CHECKING:
    from sfos.client.session.session import Session


class AdminAuditOptions(msgspec.Struct, frozen=True):
    """`admin audit`."""

    lines: int = 20
    json: bool = False


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-n", "--lines", type=_lines, default=20, metavar="N", help="how many lines (default: 20)")
    parser.add_argument("--json", action="store_true", help="as they stand in the log")


def _lines(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MAX_AUDIT_LINES:
        raise argparse.ArgumentTypeError(f"“{text}” is not a number from 1 to {MAX_AUDIT_LINES}")
    return int(text)


def audit_line(line: str) -> str:
    """A line of the audit log for people: time, event, and the rest as name=value; what binds it is left out."""
    try:
        entry = json.loads(line)
    except ValueError:
        return line
    if not isinstance(entry, dict):
        return line
    for name in ("seq", "prev", "mac"):
        entry.pop(name, None)
    time, event = entry.pop("time", ""), entry.pop("event", "")
    return "  ".join([str(time), str(event), *(f"{name}={value}" for name, value in entry.items())])


def run(session: Session, shell: Shell, options: AdminAuditOptions) -> int:
    """The exit code."""
    for line in administration(session).audit_lines(options.lines):
        shell.result(line if options.json else audit_line(line))
    return 0


COMMAND = SessionCommand(
    words="audit",
    summary="show the end of the audit log",
    subject=Subject.ADMINISTRATION,
    options=AdminAuditOptions,
    arguments=_arguments,
    run=run,
)
