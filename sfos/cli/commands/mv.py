"""`mv`: another name or folder."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import msgspec

from sfos.cli.files.conflicts import Conflict, add_skip
from sfos.cli.files.relocating import Relocation, check_destination
from sfos.cli.front.command import SessionCommand, Subject
from sfos.cli.front.foreseen import stats
from sfos.cli.front.shell import Shell

if TYPE_CHECKING:
    from sfos.client.session.session import Session


class MoveOptions(msgspec.Struct, frozen=True):
    """`mv`. The last path is the destination."""

    paths: tuple[str, ...]
    conflict: Conflict = Conflict.DEFAULT


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", metavar="PATH", help="what, and at last where to")
    add_skip(parser)


def run(session: Session, shell: Shell, options: MoveOptions) -> int:
    """The exit code."""
    return Relocation(session.api, shell, session.api.move, options.conflict).run(options.paths)


COMMAND = SessionCommand(
    words="mv SOURCE… DESTINATION",
    summary="move or rename",
    subject=Subject.FOLDERS,
    options=MoveOptions,
    arguments=_arguments,
    check=lambda options: check_destination(options.paths),
    questions=lambda options: stats(options.paths),
    run=run,
)
