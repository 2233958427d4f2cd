"""What a command will ask of the server first, as far as its words alone say it: it travels with the first flight.

Nothing depends on it being right: what was not foreseen is asked for later, what was foreseen in vain is thrown away.
Only questions, never changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sfos.cli.front.options import (
    CatOptions,
    CopyOptions,
    GetOptions,
    ListOptions,
    MoveOptions,
    PutOptions,
    RemoveOptions,
    SessionsOptions,
    SortBy,
    StatOptions,
    UsageOptions,
)
from sfos.cli.front.paths import RemotePath
from sfos.protocol import (
    MAX_PAGE_ENTRIES,
    ListRequest,
    NameNotAllowed,
    Ref,
    Request,
    SessionsRequest,
    StatRequest,
    UsageRequest,
)

if TYPE_CHECKING:
    from sfos.cli.front.options import CommandOptions

Question = tuple[str, Request]

_MOST = 16
_MOST_CHARACTERS = 2_000  # of all paths: the questions stay far below what may be unanswered (16 KiB)


def questions(command: CommandOptions) -> list[Question]:
    """The first questions of `command`, in the order in which it asks them. Paths that make no sense ask nothing."""
    try:
        return _questions(command)
    except NameNotAllowed:
        return []


def _questions(command: CommandOptions) -> list[Question]:
    match command:
        case ListOptions():
            places = _paths(command.paths)
            if len(places) < len(command.paths):
                return []
            names_only = not command.long and not command.json and command.sort is SortBy.NAME
            folders = tuple(Ref(path=path) for path in places)
            return [("list", ListRequest(folders=folders, limit=MAX_PAGE_ENTRIES, names_only=names_only))]
        case StatOptions() | CatOptions() | RemoveOptions() | MoveOptions() | CopyOptions():
            return _stats(_paths(command.paths))
        case GetOptions():
            return _stats(_paths(command.paths[:-1] or command.paths))
        case PutOptions():
            destination = RemotePath.parse(command.paths[-1] if len(command.paths) > 1 else "/")
            return _stats(_paths(list(dict.fromkeys((destination.path, destination.parent)))))
        case UsageOptions():
            return [("usage", UsageRequest())]
        case SessionsOptions():
            return [("sessions", SessionsRequest())]
        case _:
            return []


def _paths(texts: Sequence[str]) -> list[str]:
    """The first of them, as long as they are few and short."""
    paths: list[str] = []
    for text in texts[:_MOST]:
        paths.append(RemotePath.parse(text).path)
        if sum(map(len, paths)) > _MOST_CHARACTERS:
            return paths[:-1]
    return paths


def _stats(paths: Sequence[str]) -> list[Question]:
    return [("stat", StatRequest(ref=Ref(path=path))) for path in paths]
