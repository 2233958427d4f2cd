"""`stat`: all that is known of files and folders."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import msgspec

from sfos.cli.front import output
from sfos.cli.front.command import SessionCommand, Subject
from sfos.cli.front.failures import Failures
from sfos.cli.front.foreseen import stats
from sfos.cli.front.paths import RemotePath
from sfos.cli.front.shell import Shell

if TYPE_CHECKING:
    from sfos.client.session.session import Session


class StatOptions(msgspec.Struct, frozen=True):
    """`stat`."""

    paths: tuple[str, ...]
    json: bool = False


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", metavar="PATH", help="files and folders")
    parser.add_argument("--json", action="store_true", help="one JSON object per line")


def run(session: Session, shell: Shell, options: StatOptions) -> int:
    """A paragraph for each path. The exit code."""
    failures = Failures(shell)
    first = True
    for text in options.paths:
        with failures.of(text):
            place = RemotePath.parse(text)
            entry = session.api.stat(place.path)
            path = entry.path or place.path
            if options.json:
                shell.result(output.json_line(output.entry_json(entry, path)))
                continue
            if not first:
                shell.result("")
            first = False
            for line in output.stat_lines(entry, path):
                shell.result(line)
    return failures.exit_code


COMMAND = SessionCommand(
    words="stat PATH…",
    summary="show all that is known of files and folders",
    subject=Subject.LOOKING,
    options=StatOptions,
    arguments=_arguments,
    questions=lambda options: stats(options.paths),
    run=run,
)
