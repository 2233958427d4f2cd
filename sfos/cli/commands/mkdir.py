"""`mkdir`: new folders."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import msgspec

from sfos.cli.front.command import SessionCommand, Subject
from sfos.cli.front.failures import Failures
from sfos.cli.front.paths import RemotePath
from sfos.cli.front.shell import Shell

if TYPE_CHECKING:
    from sfos.client.session.session import Session


class MakeFolderOptions(msgspec.Struct, frozen=True):
    """`mkdir`."""

    paths: tuple[str, ...]
    parents: bool = False


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", metavar="PATH", help="folders to be made")
    parser.add_argument(
        "-p", "--parents", action="store_true", help="also what is missing above; one that is there is fine"
    )


def run(session: Session, shell: Shell, options: MakeFolderOptions) -> int:
    """The exit code."""
    failures = Failures(shell)
    for text in options.paths:
        with failures.of(text):
            session.api.make_folder(RemotePath.parse(text).path, parents=options.parents)
    return failures.exit_code


COMMAND = SessionCommand(
    words="mkdir PATH…",
    summary="make folders",
    subject=Subject.FOLDERS,
    options=MakeFolderOptions,
    arguments=_arguments,
    run=run,
)
