"""How far a piece of maintenance has got within a space, for whoever looks on."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, of how much."""


def silent(what: str, done: int, total: int) -> None:
    """Nobody looks on."""
