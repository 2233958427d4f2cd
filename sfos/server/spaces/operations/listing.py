"""Entries: one by its reference; of folders, a page of them, or of their names alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate, chain, takewhile
from typing import NamedTuple, Protocol, TypeVar

import msgspec

from sfos.protocol import (
    KINDS,
    MAX_BODY,
    Cursor,
    EntriesIn,
    Entry,
    ListedFolder,
    NamesIn,
    NotAFolder,
    Ref,
    ResyncRequired,
    SfosError,
    join_path,
)
from sfos.server.catalog.engine import Transaction
from sfos.server.catalog.space_row import SpaceRow, read_space_row
from sfos.server.catalog.states import (
    ENTRY_FIELDS,
    Listed,
    ListedEntry,
    LookBack,
    StateKind,
    brief_page,
    entries_page,
    listed_page,
)
from sfos.server.spaces.operations.context import SpaceContext
from sfos.server.spaces.operations.destinations import RefFinder, find_way, path_of, subject_of
from sfos.server.spaces.operations.entries import (
    KIND_NAMES,
    PagePosition,
    Position,
    check_row,
    decode_attrs,
    read_page,
    revision_of,
    to_entry,
    write_cursor,
    write_page,
)

_MOST_BODY_BYTES = MAX_BODY - 64 * 1024
_FIRST = bytes(16)  # before every name key but the root's
_LISTED_BYTES = 64  # what a name takes beside itself: two numbers, if it is a folder
_ENTRY_BYTES = 160  # what an entry takes beside its name and attributes: its columns and its revision; counted high
_KIND_BYTES = {int(kind): 1 + KINDS.index(name) for kind, name in KIND_NAMES.items()}
# A plain number: looking it up takes longer than all else that is done with the kind of an entry.
_FOLDER = int(StateKind.FOLDER)


class EntryColumns(NamedTuple):
    """Entries of a page, column by column: as so many cost least. `head` has those of their values that recur, once.

    `revisions`: ordinals in `head.revisions`; `attrs`: those in `head.attrs` plus one, or 0; `kinds`: as in KINDS, from
    1 on.
    """

    head: EntriesIn
    nodes: Sequence[int]
    sizes: Sequence[int]
    mtimes_ns: Sequence[int]
    revisions: Sequence[int]
    attrs: Sequence[int]
    kinds: bytes
    contents: Sequence[bytes | None]


class EntriesPage(NamedTuple):
    """A page of entries. `at`: of when; `folders`: those asked for, on the first page; `next`: None, that was all."""

    at: Cursor
    folders: tuple[ListedFolder, ...]
    next: str | None
    columns: EntryColumns


class NamesPage(NamedTuple):
    """A page of names in UTF-8 by their folders; the rest as in EntriesPage."""

    at: Cursor
    folders: tuple[ListedFolder, ...]
    next: str | None
    names: list[tuple[NamesIn, list[bytes]]]


def stat(context: SpaceContext, ref: Ref) -> Entry:
    """See Space.stat."""
    with context.catalog.read(at_once=True) as tx:
        way = find_way(context, tx, ref)
        above = path_of(context, tx, way[0].parent) if ref.node is not None else "/"
    state = way[-1]
    check_row(context, state)
    entry = to_entry(context, state)
    front = [context.names.open_folder_name(folder.parent, folder.name) for folder in way[:-1]]
    path = join_path(*(name for name in (above.removeprefix("/"), *front, entry.name) if name))
    return msgspec.structs.replace(entry, path=path)


def list_entries(
    context: SpaceContext, folders: Sequence[Ref], *, limit: int, cursor: str | None, brief: bool
) -> EntriesPage:
    """See Space.list_entries."""
    with context.catalog.read() as tx:
        wanted = _wanted(context, tx, folders, limit, cursor)
        runs, rest = _page(wanted, brief_page if brief else entries_page, _entry_bytes)
    # Names are opened after the transaction: it needs no more than rows.
    return EntriesPage(*_front(wanted, rest, first=cursor is None), _columns(context, runs))


def list_names(context: SpaceContext, folders: Sequence[Ref], *, limit: int, cursor: str | None) -> NamesPage:
    """See Space.list_names."""
    with context.catalog.read() as tx:
        wanted = _wanted(context, tx, folders, limit, cursor)
        listed, rest = _page(wanted, listed_page, _name_bytes)
    return NamesPage(
        *_front(wanted, rest, first=cursor is None), [_names_in(context, folder, own) for folder, own in listed]
    )


def _front(
    wanted: _Wanted, rest: PagePosition | None, *, first: bool
) -> tuple[Cursor, tuple[ListedFolder, ...], str | None]:
    """The first three fields of a page. `rest`: where the next one begins."""
    epoch = wanted.row.epoch
    return (
        write_cursor(epoch, Position(wanted.begin.at + 1, 0)),
        tuple(wanted.folders) if first else (),
        None if rest is None else write_page(epoch, rest),
    )


def _names_in(context: SpaceContext, folder: int, listed: Sequence[Listed]) -> tuple[NamesIn, list[bytes]]:
    names = context.names.open_names(folder, [name for _, _, _, name in listed])
    folders = tuple((at, node) for at, (_, node, kind, _) in enumerate(listed) if kind == _FOLDER)
    return NamesIn(folder=folder, count=len(names), folders=folders), names


def _columns(context: SpaceContext, runs: Sequence[tuple[int, Sequence[ListedEntry]]]) -> EntryColumns:
    """Raises: TokenDamaged; LookupError for a value that no row of ours holds. Others of these columns are not met."""
    rows = list(chain.from_iterable(own for _, own in runs))
    columns = zip(*rows, strict=True) if rows else [()] * len(ENTRY_FIELDS)
    _, nodes, kinds, sealed_names, seqs, sizes, mtimes_ns, sealed_attrs, contents = columns
    names: list[str] = []
    for folder, own in runs:
        sealed = sealed_names[len(names) : len(names) + len(own)]
        names += [name.decode() for name in context.names.open_names(folder, sealed)]
    revisions = {seq: at for at, seq in enumerate(dict.fromkeys(seqs))}
    attrs, attrs_of = _attributes(context, nodes, sealed_attrs)
    head = EntriesIn(
        folders=tuple((folder, len(own)) for folder, own in runs),
        names=tuple(names),
        revisions=tuple(revision_of(context, seq) for seq in revisions),
        attrs=tuple(map(decode_attrs, attrs)),
    )
    return EntryColumns(
        head,
        nodes=nodes,
        sizes=sizes,
        mtimes_ns=mtimes_ns,
        revisions=[revisions[seq] for seq in seqs],
        attrs=attrs_of,
        kinds=bytes(map(_KIND_BYTES.__getitem__, kinds)),
        contents=contents,
    )


def _attributes(
    context: SpaceContext, nodes: Sequence[int], sealed: Sequence[bytes | None]
) -> tuple[list[bytes], list[int]]:
    """(Those that occur, each once; for each entry the ordinal of its own among them, plus one, or 0)."""
    opened = context.names.open_attrs_of(nodes, sealed)
    known = [plain for plain in dict.fromkeys(opened) if plain is not None]
    ordinals: dict[bytes | None, int] = {plain: at for at, plain in enumerate(known, 1)}
    ordinals[None] = 0
    return known, list(map(ordinals.__getitem__, opened))


def _find_folder(finder: RefFinder, ref: Ref) -> ListedFolder:
    """Raises: ResyncRequired."""
    try:
        state = finder.find(ref)
        if not state.is_folder:
            raise NotAFolder(subject=subject_of(ref))
    except ResyncRequired:
        raise
    except SfosError as error:
        return ListedFolder(error=error.info())
    return ListedFolder(node=state.node)


class _Wanted(NamedTuple):
    """A page to be read: of `folders`, the first of which has the ordinal `begin.folder`, at most `limit` rows."""

    tx: Transaction
    row: SpaceRow
    then: LookBack
    folders: list[ListedFolder]
    begin: PagePosition
    limit: int


def _wanted(context: SpaceContext, tx: Transaction, refs: Sequence[Ref], limit: int, cursor: str | None) -> _Wanted:
    """Raises: ResyncRequired, MalformedMessage."""
    row = read_space_row(tx)
    begin = PagePosition(row.seq, 0, _FIRST) if cursor is None else read_page(row, cursor)
    then = LookBack(begin.at, row.seq)
    finder = RefFinder(context, tx, then)
    folders = [_find_folder(finder, ref) for ref in refs[begin.folder :]]
    return _Wanted(tx, row, then, folders, begin, limit)


RowT = TypeVar("RowT", ListedEntry, Listed)


class _Fetch(Protocol[RowT]):
    def __call__(self, tx: Transaction, parent: int, *, after: bytes, limit: int, then: LookBack) -> list[RowT]: ...


def _page(
    wanted: _Wanted, fetch: _Fetch[RowT], sizes_of: Callable[[Sequence[RowT]], list[int]]
) -> tuple[list[tuple[int, list[RowT]]], PagePosition | None]:
    """The rows of a page with their folders, and where the next one goes on."""
    runs: list[tuple[int, list[RowT]]] = []
    begin, room, left = wanted.begin, _MOST_BODY_BYTES, wanted.limit
    after = begin.after
    for ordinal, folder in enumerate(wanted.folders, begin.folder):
        if folder.node is None:
            after = _FIRST
            continue
        if not left:
            return runs, PagePosition(begin.at, ordinal, _FIRST)
        found = fetch(wanted.tx, folder.node, after=after, limit=left + 1, then=wanted.then)
        sizes = sizes_of(found[:left])
        taken = _fitting(sizes, room, at_least_one=not runs)
        if taken:
            runs.append((folder.node, found[:taken]))
            room -= sum(sizes[:taken])
            left -= taken
            after, *_ = found[taken - 1]
        if taken < len(found):
            return runs, PagePosition(begin.at, ordinal, after)
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
    return [_ENTRY_BYTES + 2 * len(name) + 2 * len(attrs or b"") for _, _, _, name, _, _, _, attrs, _ in rows]


def _name_bytes(listed: Sequence[Listed]) -> list[int]:
    """How much room each takes at the most in a page of names."""
    return [_LISTED_BYTES + len(name) for _, _, _, name in listed]
