"""`admin penalties`: who has to wait after wrong sign-ins."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import msgspec

from sfos.cli.admin.accounts import administration
from sfos.cli.front import output
from sfos.cli.front.command import SessionCommand, Subject
from sfos.cli.front.shell import Shell
from sfos.protocol import PenaltyEntry, printable

if TYPE_CHECKING:
    from sfos.client.session.session import Session


class AdminPenaltiesOptions(msgspec.Struct, frozen=True):
    """`admin penalties`."""

    json: bool = False


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="a JSON object for each")


def penalty_json(penalty: PenaltyEntry) -> dict[str, object]:
    """A penalty for programs."""
    return {
        "kind": penalty.kind,
        "name": penalty.name,
        "address": penalty.address or None,
        "failures": penalty.failures,
        "wait_s": penalty.wait_s,
        "last": output.iso(penalty.last_ms),
    }


def run(session: Session, shell: Shell, options: AdminPenaltiesOptions) -> int:
    """The exit code."""
    reply = administration(session).penalties()
    if options.json:
        for penalty in reply.penalties:
            shell.result(output.json_line(penalty_json(penalty)))
        return 0
    if not reply.penalties:
        shell.note("Nobody has signed in wrongly of late.")
        return 0
    rows = [["of", "name", "wrong sign-ins", "last", "has to wait"]]
    rows += [
        [
            penalty.kind,
            printable(f"{penalty.name} at {penalty.address}" if penalty.address else penalty.name),
            str(penalty.failures),
            output.moment(penalty.last_ms * 1_000_000),
            output.duration(penalty.wait_s) if penalty.wait_s else "",
        ]
        for penalty in reply.penalties
    ]
    for line in output.table(rows):
        shell.result(line)
    if reply.total > len(reply.penalties):
        shell.note(f"… and {output.exact(reply.total - len(reply.penalties))} more.")
    return 0


COMMAND = SessionCommand(
    words="penalties",
    summary="show who has signed in wrongly, and has to wait",
    subject=Subject.SESSIONS,
    options=AdminPenaltiesOptions,
    arguments=_arguments,
    run=run,
)
