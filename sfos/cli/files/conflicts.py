"""Choices for a name that is already taken, and how they are given."""

from __future__ import annotations

import argparse
from enum import Enum


class Conflict(Enum):
    """A choice of the person."""

    DEFAULT = "default"  # on the server: replace, its history keeps what was there; on this computer: ask or refuse
    REPLACE = "replace"
    SKIP = "skip"
    NEWER = "newer"
    KEEP_BOTH = "keep-both"


def add_choices(parser: argparse.ArgumentParser, whose: str) -> None:
    """Options for all of them. `whose` is the side that something is there on."""
    group = parser.add_argument_group(f"where {whose} has that name already").add_mutually_exclusive_group()
    for conflict, meaning in (
        (Conflict.REPLACE, "replace it"),
        (Conflict.SKIP, "leave it as it is"),
        (Conflict.NEWER, "replace it if it is older"),
        (Conflict.KEEP_BOTH, "keep it, and give the new one another name"),
    ):
        group.add_argument(f"--{conflict.value}", dest="conflict", action="store_const", const=conflict, help=meaning)
    parser.set_defaults(conflict=Conflict.DEFAULT)


def add_skip(parser: argparse.ArgumentParser) -> None:
    """An option for leaving it, alone."""
    parser.add_argument(
        "-n", "--skip", dest="conflict", action="store_const", const=Conflict.SKIP, default=Conflict.DEFAULT,
        help="leave files that are there already as they are",
    )  # fmt: skip
