"""What the command line remembers from one command to the next: who signed in where."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from sfos.client.local.directories import state_directory
from sfos.client.local.private_files import write_private
from sfos.config import Client as Settings
from sfos.protocol import decoder_of


class Remembered(msgspec.Struct, frozen=True):
    """The server of the last `login` (`host:port`), and for each server who signed in there last."""

    server: str | None = None
    users: Mapping[str, str] = msgspec.field(default_factory=dict)


def remembered(settings: Settings) -> Remembered:
    """What there is to remember; a file that cannot be read is nothing: whoever names server and user does without."""
    try:
        return decoder_of(Remembered).decode(_file(settings).read_bytes())
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Remembered()


def remember(settings: Settings, what: Remembered) -> None:
    """Keep this instead of what was kept. Raises: LocalAccess."""
    write_private(_file(settings), msgspec.json.encode(what) + b"\n")


def _file(settings: Settings) -> Path:
    return state_directory(settings) / "command-line.json"
