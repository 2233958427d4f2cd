"""`cat`: files to standard output."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import msgspec

from sfos.cli.files.content import write_content
from sfos.cli.front.command import SessionCommand, Subject
from sfos.cli.front.failures import Failures
from sfos.cli.front.foreseen import stats
from sfos.cli.front.paths import RemotePath
from sfos.cli.front.shell import Shell

if TYPE_CHECKING:
    from sfos.client.session.session import Session


class CatOptions(msgspec.Struct, frozen=True):
    """`cat`."""

    paths: tuple[str, ...]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", metavar="PATH", help="files")


def run(session: Session, shell: Shell, options: CatOptions) -> int:
    """The files, one after the other, on standard output. Each piece is verified before it is written."""
    failures = Failures(shell)
    for text in options.paths:
        with failures.of(text):
            write_content(session.api, session.api.stat(RemotePath.parse(text).path), shell.raw_output)
    return failures.exit_code


COMMAND = SessionCommand(
    words="cat PATH…",
    summary="write files to standard output",
    subject=Subject.CONTENT,
    options=CatOptions,
    arguments=_arguments,
    questions=lambda options: stats(options.paths),
    run=run,
)
