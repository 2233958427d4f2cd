"""What is there: one thing, or what is in folders."""

from __future__ import annotations

from protocol import (
    MAX_BODY,
    ListedFolder,
    ListReply,
    ListRequest,
    NotAFolder,
    Ref,
    SfosError,
    StatReply,
    StatRequest,
    encode_array,
)
from server.catalog.engine import Transaction
from server.catalog.space_row import SpaceRow, read_space_row
from server.catalog.states import State, children_page
from server.operations.context import SpaceContext
from server.operations.entries import (
    PagePlace,
    Position,
    check_row,
    encoded_bytes,
    read_page,
    to_entry,
    write_cursor,
    write_page,
)
from server.operations.places import find_ref, path_of, subject_of

_MOST_BODY_BYTES = MAX_BODY - 64 * 1024
_FIRST = bytes(16)  # before every name key but the root's


def stat(context: SpaceContext, request: StatRequest) -> StatReply:
    """Raises: NotFound, NotAFolder."""
    with context.catalog.read() as tx:
        state = find_ref(context, tx, request.ref)
        check_row(context, state)
        path = path_of(context, tx, state.node)
    return StatReply(entry=to_entry(context, state, path=path))


def list_folders(context: SpaceContext, request: ListRequest) -> tuple[ListReply, bytes]:
    """A page of the folders' entries, as they were when the first page was made. Raises: ResyncRequired."""
    with context.catalog.read() as tx:
        row = read_space_row(tx)
        place = PagePlace(row.seq, 0, _FIRST) if request.cursor is None else read_page(row, request.cursor)
        folders = [_find_folder(context, tx, ref, place.at) for ref in request.folders[place.folder :]]
        states, rest = _page(tx, row, folders, place, request.limit)
    # Names are opened after the transaction: it needs no more than rows.
    body = encode_array([to_entry(context, state) for state in states])
    reply = ListReply(
        at=write_cursor(row.epoch, Position(place.at + 1, 0)),
        folders=tuple(folders) if request.cursor is None else (),
        next=None if rest is None else write_page(row.epoch, rest),
    )
    return reply, body


def _find_folder(context: SpaceContext, tx: Transaction, ref: Ref, at: int) -> ListedFolder:
    try:
        state = find_ref(context, tx, ref, at=at)
        if not state.is_folder:
            raise NotAFolder(subject=subject_of(ref))
    except SfosError as error:
        return ListedFolder(error=error.info())
    return ListedFolder(node=state.node)


def _page(
    tx: Transaction, row: SpaceRow, folders: list[ListedFolder], place: PagePlace, limit: int
) -> tuple[list[State], PagePlace | None]:
    """The entries of a page, and where the next one goes on."""
    states: list[State] = []
    size = 0
    after = place.after
    for ordinal, folder in enumerate(folders, place.folder):
        if folder.node is None:
            after = _FIRST
            continue
        if len(states) == limit:
            return states, PagePlace(place.at, ordinal, _FIRST)
        wanted = limit - len(states)
        found = children_page(tx, folder.node, after=after, at=place.at, limit=wanted + 1, now=row.seq)
        for count, state in enumerate(found):
            size += encoded_bytes(state)
            if count == wanted or (states and size > _MOST_BODY_BYTES):
                return states, PagePlace(place.at, ordinal, after)
            states.append(state)
            after = state.name_key
        after = _FIRST
    return states, None
