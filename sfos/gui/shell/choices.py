"""Choices that the window remembers between two runs: where one was signed in, theme, size, panes. Never a secret."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from sfos.client.errors import LocalFileError
from sfos.client.local.private_files import PrivateJson
from sfos.gui.look.palette import Mode

_log = logging.getLogger(__name__)

_FILE = "window.json"


class Choices(msgspec.Struct, frozen=True, omit_defaults=True):
    """`theme` None: as the system has it. `width`, `height`: of the window, in real pixels; 0: not known yet."""

    server: str = ""
    user: str = ""
    theme: Mode | None = None
    width: Annotated[int, Meta(ge=0, le=20_000)] = 0
    height: Annotated[int, Meta(ge=0, le=20_000)] = 0
    details: bool = True
    limit_bytes_per_s: Annotated[int, Meta(ge=0)] = 0
    text_scale: Annotated[float, Meta(ge=0.7, le=2.0)] = 1.0
    contrast: Literal["normal", "high"] = "normal"


def load(directory: Path) -> Choices:
    """Choices remembered; the usual ones if the file is missing or cannot be read, without complaint."""
    try:
        return PrivateJson(directory / _FILE, Choices).read() or Choices()
    except LocalFileError as error:
        _log.warning("the window's choices cannot be read: %s", error)
        return Choices()


def save(directory: Path, choices: Choices) -> None:
    """Remember `choices`. Blocks on the disk. Raises: SfosError, OSError."""
    PrivateJson(directory / _FILE, Choices).write(choices, pretty=True)
