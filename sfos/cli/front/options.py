"""Options of every command, as plain data. A command's own stand in its file.

Structs, because fifteen dataclasses cost 15 ms of every command's start (measured).
"""

from __future__ import annotations

import argparse
from enum import Enum
from typing import TypeVar

import msgspec

OptionsT = TypeVar("OptionsT", bound=msgspec.Struct)


class SortBy(Enum):
    """The order of a listing."""

    NAME = "name"
    SIZE = "size"
    TIME = "time"


class ConnectionOptions(msgspec.Struct, frozen=True):
    """Options of the connection: where to, as whom, and what to trust. None: as configured or remembered."""

    server: str | None = None
    user: str | None = None
    accept_new_key: bool = False
    pin: str | None = None
    password_file: str | None = None


class SpeechOptions(msgspec.Struct, frozen=True):
    """Options of speech: how much is said."""

    quiet: bool = False
    verbose: bool = False
    debug: bool = False


def taken(kind: type[OptionsT], given: argparse.Namespace) -> OptionsT:
    """The fields of `kind` that were given; the rest keep their defaults."""
    values: dict[str, object] = {}
    for name in kind.__struct_fields__:
        if hasattr(given, name):
            value = getattr(given, name)
            values[name] = tuple(value) if isinstance(value, list) else value
    return kind(**values)
