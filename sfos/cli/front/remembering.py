"""Memory of the command line from one command to the next: who signed in where."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from sfos.client.errors import LocalFileError
from sfos.client.local.directories import state_directory
from sfos.client.local.private_files import PrivateJson
from sfos.config import Client as Settings


class Remembered(msgspec.Struct, frozen=True):
    """The server of the last `login` (`host:port`), and for each server who signed in there last."""

    server: str | None = None
    users: Mapping[str, str] = msgspec.field(default_factory=dict)


def remembered(settings: Settings) -> Remembered:
    """Server and user of the last sign-in. Empty if the file cannot be read: whoever names both does without."""
    try:
        return PrivateJson(_file(settings), Remembered).read() or Remembered()
    except LocalFileError:
        return Remembered()


def remember(settings: Settings, what: Remembered) -> None:
    """Keep this instead of what was kept. Raises: LocalAccess."""
    PrivateJson(_file(settings), Remembered).write(what, newline=True)


def _file(settings: Settings) -> Path:
    return state_directory(settings) / "command-line.json"
