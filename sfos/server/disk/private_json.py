"""Small files of JSON that are for the server alone, and that may be found damaged."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from sfos.protocol import decoder_of
from sfos.server.disk.durable_files import write_durably

T = TypeVar("T", bound=msgspec.Struct)


class FileDamaged(ValueError):
    """The file cannot be read as one of its kind."""


def read_private_json(path: Path, kind: type[T]) -> T | None:
    """The value in the file; None if there is none. Raises: FileDamaged, with the file's name; OSError."""
    try:
        return decoder_of(kind).decode(path.read_bytes())
    except FileNotFoundError:
        return None
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise FileDamaged(f"{path} cannot be read: {error}") from error


def write_private_json(path: Path, value: msgspec.Struct) -> None:
    """Put the file in place whole or not at all, mode 0600; durable once this returns. Raises: OSError."""
    write_durably(path, msgspec.json.encode(value) + b"\n", mode=0o600)
