"""Options and rules that `put` and `get` share; transferring is what they do."""

from __future__ import annotations

from collections.abc import Sequence

STANDARD_INPUT = "-"
CHECKSUM = "read what is there to see whether it is equal (otherwise: if size and time are)"


NO_EXCLUDE = "there is no {option}: a folder goes with all that is in it; name the things in it that are to go"
ELSEWHERE = {option: NO_EXCLUDE.format(option=option) for option in ("--exclude", "--include", "--filter")}


def check_sources(paths: Sequence[str]) -> None:
    """Raises: ValueError, where standard input is one of several sources. The last of several paths is none."""
    sources = paths[:-1] or paths
    if STANDARD_INPUT in sources and len(sources) > 1:
        raise ValueError("standard input (“-”) is one source; nothing else can go with it")
