"""Looks at single nodes."""

from __future__ import annotations

import msgspec

from sfos.protocol import StatReply, StatRequest, join_path
from sfos.server.spaces.operations.context import SpaceContext
from sfos.server.spaces.operations.entries import check_row, to_entry
from sfos.server.spaces.operations.places import find_way, path_of


def stat(context: SpaceContext, request: StatRequest) -> StatReply:
    """Raises: NotFound, NotAFolder."""
    with context.catalog.read() as tx:
        way = find_way(context, tx, request.ref)
        above = path_of(context, tx, way[0].parent) if request.ref.node is not None else "/"
    state = way[-1]
    check_row(context, state)
    entry = to_entry(context, state)
    front = [context.names.open_folder_name(folder.parent, folder.name) for folder in way[:-1]]
    path = join_path(*(name for name in (above.removeprefix("/"), *front, entry.name) if name))
    return StatReply(entry=msgspec.structs.replace(entry, path=path))
