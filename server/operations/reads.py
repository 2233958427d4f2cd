"""What is there: one thing, or what is in folders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate, takewhile
from typing import NamedTuple, Protocol, TypeVar

import msgspec

from protocol import (
    MAX_BODY,
    ListedFolder,
    ListReply,
    ListRequest,
    NamesIn,
    NotAFolder,
    Ref,
    SfosError,
    StatReply,
    StatRequest,
    encode_array,
    join_path,
    pack_names,
)
from server.catalog.engine import Transaction
from server.catalog.space_row import SpaceRow, read_space_row
from server.catalog.states import Listed, State, StateKind, children_page, listed_page
from server.operations.context import SpaceContext
from server.operations.entries import (
    PagePlace,
    Position,
    check_row,
    encoded_bytes,
    listed_bytes,
    read_page,
    to_entries,
    to_entry,
    write_cursor,
    write_page,
)
from server.operations.places import find_ref, find_way, path_of, subject_of

_MOST_BODY_BYTES = MAX_BODY - 64 * 1024
_FIRST = bytes(16)  # before every name key but the root's


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


def list_folders(context: SpaceContext, request: ListRequest) -> tuple[ListReply, bytes]:
    """A page of the folders' entries, as they were when the first page was made. Raises: ResyncRequired."""
    with context.catalog.read() as tx:
        row = read_space_row(tx)
        place = PagePlace(row.seq, 0, _FIRST) if request.cursor is None else read_page(row, request.cursor)
        folders = [_find_folder(context, tx, ref, place.at) for ref in request.folders[place.folder :]]
        wanted = _Wanted(tx, row, folders, place, request.limit)
        # Names are opened after the transaction: it needs no more than rows.
        if request.names_only:
            listed, rest = _page(wanted, listed_page, listed_bytes)
        else:
            runs, rest = _page(wanted, children_page, encoded_bytes)
    if request.names_only:
        names_at, body = pack_names(_names_in(context, folder, own) for folder, own in listed)
    else:
        names_at, body = (
            0,
            encode_array(to_entries(context, [state for _, own in runs for state in own], brief=request.brief)),
        )
    reply = ListReply(
        at=write_cursor(row.epoch, Position(place.at + 1, 0)),
        folders=tuple(folders) if request.cursor is None else (),
        next=None if rest is None else write_page(row.epoch, rest),
        names_at=names_at,
    )
    return reply, body


def _names_in(context: SpaceContext, folder: int, listed: Sequence[Listed]) -> tuple[NamesIn, list[bytes]]:
    names = context.names.open_names(folder, [name for _, _, _, name in listed])
    folders = tuple((at, node) for at, (_, node, kind, _) in enumerate(listed) if kind == StateKind.FOLDER)
    return NamesIn(folder=folder, count=len(names), folders=folders), names


def _find_folder(context: SpaceContext, tx: Transaction, ref: Ref, at: int) -> ListedFolder:
    try:
        state = find_ref(context, tx, ref, at=at)
        if not state.is_folder:
            raise NotAFolder(subject=subject_of(ref))
    except SfosError as error:
        return ListedFolder(error=error.info())
    return ListedFolder(node=state.node)


class _Wanted(NamedTuple):
    """A page to be read: of `folders`, the first of which has the ordinal `place.folder`, at most `limit` rows."""

    tx: Transaction
    row: SpaceRow
    folders: list[ListedFolder]
    place: PagePlace
    limit: int


RowT = TypeVar("RowT", State, Listed)


class _Fetch(Protocol[RowT]):
    def __call__(self, tx: Transaction, parent: int, *, after: bytes, at: int, limit: int, now: int) -> list[RowT]: ...


def _page(
    wanted: _Wanted, fetch: _Fetch[RowT], sizes_of: Callable[[Sequence[RowT]], list[int]]
) -> tuple[list[tuple[int, list[RowT]]], PagePlace | None]:
    """The rows of a page with their folders, and where the next one goes on."""
    runs: list[tuple[int, list[RowT]]] = []
    place, room, left = wanted.place, _MOST_BODY_BYTES, wanted.limit
    after = place.after
    for ordinal, folder in enumerate(wanted.folders, place.folder):
        if folder.node is None:
            after = _FIRST
            continue
        if not left:
            return runs, PagePlace(place.at, ordinal, _FIRST)
        found = fetch(wanted.tx, folder.node, after=after, at=place.at, limit=left + 1, now=wanted.row.seq)
        sizes = sizes_of(found[:left])
        taken = _fitting(sizes, room, at_least_one=not runs)
        if taken:
            runs.append((folder.node, found[:taken]))
            room -= sum(sizes[:taken])
            left -= taken
            after = _name_key(found[taken - 1])
        if taken < len(found):
            return runs, PagePlace(place.at, ordinal, after)
        after = _FIRST
    return runs, None


def _fitting(sizes: list[int], room: int, *, at_least_one: bool) -> int:
    """How many of them, from the first on, fit into `room`."""
    if sum(sizes) <= room:
        return len(sizes)
    fitting = sum(1 for _ in takewhile(lambda end: end <= room, accumulate(sizes)))
    return max(fitting, 1) if at_least_one else fitting


def _name_key(row: State | Listed) -> bytes:
    return row.name_key if isinstance(row, State) else row[0]
