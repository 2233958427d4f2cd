"""`usage`: how much is kept."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import msgspec

from sfos.cli.front import output
from sfos.cli.front.command import SessionCommand, Subject
from sfos.cli.front.shell import Shell
from sfos.protocol import UsageRequest

if TYPE_CHECKING:
    from sfos.client.session.session import Session


class UsageOptions(msgspec.Struct, frozen=True):
    """`usage`."""

    json: bool = False
    bytes: bool = False


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="a JSON object")
    parser.add_argument("--bytes", action="store_true", help="sizes in bytes, exactly")


def run(session: Session, shell: Shell, options: UsageOptions) -> int:
    """The exit code."""
    usage = session.api.usage()
    if options.json:
        shell.result(output.json_line(output.usage_json(usage)))
    else:
        for line in output.usage_lines(usage, in_bytes=options.bytes):
            shell.result(line)
    return 0


COMMAND = SessionCommand(
    words="usage",
    summary="show how much is kept",
    subject=Subject.LOOKING,
    options=UsageOptions,
    arguments=_arguments,
    questions=lambda _: [UsageRequest()],
    run=run,
)
