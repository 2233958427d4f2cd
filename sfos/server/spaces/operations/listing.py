"""Lists of folders: a page of their entries, or of their names alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate, chain, takewhile
from typing import NamedTuple, Protocol, TypeVar

from sfos.protocol import (
    KINDS,
    MAX_BODY,
    EntriesIn,
    ListedFolder,
    ListReply,
    ListRequest,
    NamesIn,
    NotAFolder,
    Ref,
    SfosError,
    pack_entries,
    pack_names,
)
from sfos.server.catalog.engine import Transaction
from sfos.server.catalog.space_row import SpaceRow, read_space_row
from sfos.server.catalog.states import Listed, ListedEntry, StateKind, brief_page, entries_page, listed_page
from sfos.server.spaces.operations.context import SpaceContext
from sfos.server.spaces.operations.entries import (
    KIND_NAMES,
    PagePlace,
    Position,
    decode_attrs,
    read_page,
    revision_of,
    write_cursor,
    write_page,
)
from sfos.server.spaces.operations.places import find_ref, subject_of

_MOST_BODY_BYTES = MAX_BODY - 64 * 1024
_FIRST = bytes(16)  # before every name key but the root's
_LISTED_BYTES = 64  # what a name takes beside itself: two numbers, if it is a folder
_ENTRY_BYTES = 160  # what an entry takes beside its name and attributes: its columns and its revision; counted high
_KIND_BYTES = {int(kind): 1 + KINDS.index(name) for kind, name in KIND_NAMES.items()}
# A plain number: looking it up takes longer than all else that is done with the kind of an entry.
_FOLDER = int(StateKind.FOLDER)


def list_folders(context: SpaceContext, request: ListRequest) -> tuple[ListReply, bytes]:
    """A page of the folders' entries, as they were when the first page was made. Raises: ResyncRequired."""
    with context.catalog.read() as tx:
        row = read_space_row(tx)
        place = PagePlace(row.seq, 0, _FIRST) if request.cursor is None else read_page(row, request.cursor)
        folders = [_find_folder(context, tx, ref, place.at) for ref in request.folders[place.folder :]]
        wanted = _Wanted(tx, row, folders, place, request.limit)
        # Names are opened after the transaction: it needs no more than rows.
        if request.names_only:
            listed, rest = _page(wanted, listed_page, _name_bytes)
        else:
            runs, rest = _page(wanted, brief_page if request.brief else entries_page, _entry_bytes)
    if request.names_only:
        head_bytes, body = pack_names(_names_in(context, folder, own) for folder, own in listed)
    else:
        head_bytes, body = _packed(context, runs)
    reply = ListReply(
        at=write_cursor(row.epoch, Position(place.at + 1, 0)),
        folders=tuple(folders) if request.cursor is None else (),
        next=None if rest is None else write_page(row.epoch, rest),
        head_bytes=head_bytes,
    )
    return reply, body


def _names_in(context: SpaceContext, folder: int, listed: Sequence[Listed]) -> tuple[NamesIn, list[bytes]]:
    names = context.names.open_names(folder, [name for _, _, _, name in listed])
    folders = tuple((at, node) for at, (_, node, kind, _) in enumerate(listed) if kind == _FOLDER)
    return NamesIn(folder=folder, count=len(names), folders=folders), names


def _packed(context: SpaceContext, runs: Sequence[tuple[int, Sequence[ListedEntry]]]) -> tuple[int, bytes]:
    """A page of entries: column by column, as so many cost least. Raises: TokenDamaged."""
    names: list[str] = []
    for folder, own in runs:
        names += [name.decode() for name in context.names.open_names(folder, [row[3] for row in own])]
    rows = list(chain.from_iterable(own for _, own in runs))
    columns = zip(*rows, strict=True) if rows else [()] * 9
    _, nodes, kinds, _, seqs, sizes, mtimes_ns, sealed_attrs, contents = columns
    revisions = {seq: at for at, seq in enumerate(dict.fromkeys(seqs))}
    attrs, attrs_of = _attributes(context, nodes, sealed_attrs)
    head = EntriesIn(
        folders=tuple((folder, len(own)) for folder, own in runs),
        names=tuple(names),
        revisions=tuple(revision_of(context, seq) for seq in revisions),
        attrs=tuple(map(decode_attrs, attrs)),
    )
    return pack_entries(
        head,
        nodes=nodes,
        sizes=sizes,
        mtimes_ns=mtimes_ns,
        revisions=map(revisions.__getitem__, seqs),
        attrs=attrs_of,
        kinds=map(_KIND_BYTES.__getitem__, kinds),
        contents=contents,
    )


def _attributes(
    context: SpaceContext, nodes: Sequence[int], sealed: Sequence[bytes | None]
) -> tuple[list[bytes], list[int]]:
    """(Those that occur, each once; for each entry the ordinal of its own among them, plus one, or 0)."""
    wanted = [at for at, one in enumerate(sealed) if one is not None]
    opened = context.names.open_attrs_of([nodes[at] for at in wanted], [sealed[at] or b"" for at in wanted])
    ordinals: dict[bytes, int] = {}
    attrs_of = [0] * len(nodes)
    for at, plain in zip(wanted, opened, strict=True):
        attrs_of[at] = ordinals.setdefault(plain, len(ordinals) + 1)
    return list(ordinals), attrs_of


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


RowT = TypeVar("RowT", ListedEntry, Listed)


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
            after = found[taken - 1][0]
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


def _entry_bytes(rows: Sequence[ListedEntry]) -> list[int]:
    """How much room each takes at the most in a page of entries."""
    return [_ENTRY_BYTES + 2 * len(row[3]) + 2 * len(row[7] or b"") for row in rows]


def _name_bytes(listed: Sequence[Listed]) -> list[int]:
    """How much room each takes at the most in a page of names."""
    return [_LISTED_BYTES + len(name) for _, _, _, name in listed]
