"""Questions that a command will ask the server, as far as its words alone tell: they travel with the first flight.

Nothing depends on it being right: what was not foreseen is asked for later, what was foreseen in vain is thrown away.
Only questions, never changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sfos.cli.front.paths import RemotePath
from sfos.protocol import Ref, Request, StatRequest

Question = Request[Any]

_MOST = 16
_MOST_CHARACTERS = 2_000  # of all paths: the questions stay far below what may be unanswered (16 KiB)


def short_paths(texts: Sequence[str]) -> list[str]:
    """The paths in the first of `texts`, as long as they are few and short. Raises: NameNotAllowed."""
    paths: list[str] = []
    for text in texts[:_MOST]:
        paths.append(RemotePath.parse(text).path)
        if sum(map(len, paths)) > _MOST_CHARACTERS:
            return paths[:-1]
    return paths


def stats(texts: Sequence[str]) -> list[Question]:
    """Ask for the entry at each of the first few paths. Raises: NameNotAllowed."""
    return [StatRequest(ref=Ref(path=path)) for path in short_paths(texts)]
