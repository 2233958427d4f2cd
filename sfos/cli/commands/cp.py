"""`cp`: copies on the server."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import msgspec

from sfos.cli.files.conflicts import Conflict, add_skip
from sfos.cli.files.relocating import Copying, check_destination
from sfos.cli.front.command import SessionCommand, Subject
from sfos.cli.front.foreseen import stats
from sfos.cli.front.shell import Shell

if TYPE_CHECKING:
    from sfos.client.session.session import Session


class CopyOptions(msgspec.Struct, frozen=True):
    """`cp`. The last path is the destination."""

    paths: tuple[str, ...]
    recursive: bool = False
    conflict: Conflict = Conflict.DEFAULT


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", metavar="PATH", help="what, and at last where to")
    parser.add_argument("-r", "--recursive", action="store_true", help="folders with all that is in them")
    add_skip(parser)


def run(session: Session, shell: Shell, options: CopyOptions) -> int:
    """The exit code."""
    copying = Copying(session.api, shell, session.api.copy, options.conflict, recursive=options.recursive)
    return copying.run(options.paths)


COMMAND = SessionCommand(
    words="cp SOURCE… DESTINATION",
    summary="copy on the server; no content is sent",
    subject=Subject.FOLDERS,
    options=CopyOptions,
    arguments=_arguments,
    check=lambda options: check_destination(options.paths),
    questions=lambda options: stats(options.paths),
    run=run,
)
