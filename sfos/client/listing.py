"""Folders of a space, listed and walked: as entries, as columns, or as names alone.

Each list is of one moment. While the caller looks at some folders, the server lists those that come next.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import groupby, zip_longest
from typing import TYPE_CHECKING, TypeVar

import msgspec

from sfos.client.commands import Caller
from sfos.client.nodes import NodeKey, Place, SpaceNaming
from sfos.protocol import (
    MAX_DEPTH,
    MAX_LIST_FOLDERS,
    MAX_PAGE_ENTRIES,
    Cursor,
    Entry,
    FolderEntries,
    FolderNames,
    ListedFolder,
    ListReply,
    ListRequest,
    Ref,
    RemoteProtocolError,
    SfosError,
    TooMuch,
    from_info,
    unpack_entries,
    unpack_names,
)

if TYPE_CHECKING:
    from concurrent.futures import Future

# A server that sends page after page must not fill this computer's memory; five times the largest tested, some 3 GB.
_MOST_ENTRIES = 5_000_000
# Folders listed together: few at first, so that there is soon something to do here beside the server; then ever more.
_LISTED_FIRST = 8
_LEAVING_S = 2.0


def check_count(count: int) -> None:
    """Refuse more than this program takes at once. Raises: TooMuch."""
    if count > _MOST_ENTRIES:
        raise TooMuch(f"There are more than {_MOST_ENTRIES:,} entries, which is more than this program takes at once.")


class Listing(msgspec.Struct, frozen=True):
    """The entries of one folder, or why it could not be listed.

    `path`: names below where the walk began, () for itself. `space`: of the folder, None for the home.
    """

    path: tuple[str, ...]
    node: int | None
    entries: tuple[Entry, ...]
    error: SfosError | None = None
    space: str | None = None


class RawListing(msgspec.Struct, frozen=True):
    """A Listing as it came: no Entry is made but of what is asked for."""

    path: tuple[str, ...]
    node: int | None
    parts: tuple[FolderEntries, ...]
    error: SfosError | None = None
    space: str | None = None


class NameListing(msgspec.Struct, frozen=True):
    """A Listing of names alone. `folders`: the nodes of those that are folders."""

    path: tuple[str, ...]
    node: int | None
    names: Sequence[str]
    folders: dict[str, int]
    error: SfosError | None = None
    space: str | None = None


T = TypeVar("T")
ListingT = TypeVar("ListingT", Listing, NameListing)
PartT = TypeVar("PartT", FolderEntries, FolderNames)


def _asked(reply: ListReply, refs: Sequence[Ref]) -> tuple[ListedFolder, ...]:
    """The folders that the first page of a list speaks of. Raises: RemoteProtocolError."""
    if len(reply.folders) != len(refs):
        raise RemoteProtocolError("The server listed other folders than were asked for.")
    found = {(folder.space, folder.node) for folder in reply.folders if folder.node is not None}
    if len({node for _, node in found}) != len(found):  # the entries name their folder by its node alone
        raise RemoteProtocolError("The server listed folders of two spaces that it does not tell apart.")
    return reply.folders


def _check_page(page: int, size: int, before: int) -> None:
    """`size`: how much is in the page of that number; only the first, 0, may be empty. `before`: how much came before.

    Raises: RemoteProtocolError, TooMuch.
    """
    if page and not size:
        raise RemoteProtocolError("The server's list of a folder has no end.")
    check_count(before + size)


def _check_asked(folders: Sequence[ListedFolder], found: Iterable[int]) -> None:
    """Check that all nodes in `found` are folders that were listed without error. Raises: RemoteProtocolError."""
    if not {folder.node for folder in folders if folder.error is None}.issuperset(found):
        raise RemoteProtocolError("The server listed what is not in the folders that were asked for.")


def _gathered(
    refs: Sequence[Ref], pages: Iterable[tuple[ListReply, list[PartT]]], size_of: Callable[[PartT], int]
) -> tuple[tuple[ListedFolder, ...], dict[int, list[PartT]], Cursor]:
    """The folders, what is in each by its node, and of when that is. Raises: RemoteProtocolError."""
    inside: dict[int, list[PartT]] = {}
    folders: tuple[ListedFolder, ...] = ()
    at = ""
    count = 0
    for page, (reply, parts) in enumerate(pages):
        folders, at = folders or _asked(reply, refs), reply.at
        size = sum(map(size_of, parts))
        _check_page(page, size, count)
        count += size
        for part in parts:
            inside.setdefault(part.folder, []).append(part)
    _check_asked(folders, inside)
    return folders, inside, at


def _name_listing(folder: ListedFolder, inside: dict[int, list[FolderNames]], space: str | None) -> NameListing:
    error = from_info(folder.error) if folder.error is not None else None
    names: list[str] = []
    below: dict[str, int] = {}
    for run in inside.get(folder.node, ()) if folder.node is not None else ():
        below |= {run.names[at]: node for at, node in run.folders.items()}
        names += run.names
    return NameListing((), folder.node, names, below, error, space)


def _listed_ahead(
    refs: Sequence[Place], list_many: Callable[[Sequence[Place]], list[T]], first: T | None = None
) -> Generator[T, None, None]:
    """The listings of these folders, in order. While the caller looks at some, the server lists those that come next.

    `first`: the listing of the first of them, if it has been asked for already. Close it when you end before it does.
    """
    if first is not None:
        yield first
        refs = refs[1:]
    parts: list[Sequence[Place]] = []
    begin, count = 0, _LISTED_FIRST
    while begin < len(refs):
        parts.append(refs[begin : begin + count])
        begin, count = begin + count, min(2 * count, MAX_LIST_FOLDERS)
    coming: Future[list[T]] | None = None
    try:
        for part, following in zip_longest(parts, parts[1:]):
            listings = list_many(part) if coming is None else coming.result()
            coming = _begin_listing(list_many, following) if following is not None else None
            yield from listings
    finally:
        if coming is not None:
            from concurrent.futures import wait

            # Whoever ends here leaves nothing behind that uses the connection, unless the server does not answer.
            wait((coming,), _LEAVING_S)


def _begin_listing(list_many: Callable[[Sequence[Place]], list[T]], refs: Sequence[Place]) -> Future[list[T]] | None:
    """The listings of these, asked for in a thread; None if there are no more threads: it would only save time."""
    try:
        from sfos.client.net.beside import run_beside  # only now: most listings are one request

        return run_beside(partial(list_many, refs), "list-ahead")
    except RuntimeError:
        return None


class Folders:
    """Folders of one space, as the server lists them."""

    def __init__(self, caller: Caller, naming: SpaceNaming) -> None:
        self.caller = caller
        self.naming = naming

    def list_folder(self, place: Place) -> list[Entry]:
        """All entries of a folder, of one moment, in no order. Raises: NotFound, NotAFolder."""
        return self.list_folder_at(place)[0]

    def list_folder_at(self, place: Place) -> tuple[list[Entry], Cursor]:
        """All entries of a folder, in no order, and the cursor of that moment, from which `watch` goes on without a
        gap."""
        folders, inside, at = self._list([self.naming.ref(place)])
        if folders[0].error is not None:
            raise from_info(folders[0].error)
        return [entry for parts in inside.values() for part in parts for entry in part.entries()], at

    def list_folders(self, places: Sequence[Place]) -> list[Listing]:
        """Many folders in few requests, in the order asked; a folder that fails has its error."""
        return [
            Listing(
                one.path,
                one.node,
                tuple([entry for part in one.parts for entry in part.entries()]),
                one.error,
                one.space,
            )
            for one in self._listed(places)
        ]

    def list_raw(self, places: Sequence[Place]) -> list[RawListing]:
        """`list_folders` for who looks closely at few of the entries."""
        return list(self._listed(places))

    def list_raw_ahead(self, places: Sequence[Place]) -> Iterator[RawListing]:
        """`list_raw` folder by folder; what comes next is asked for while the caller looks at what has come."""
        return _listed_ahead(places, self.list_raw)

    def _listed(self, places: Sequence[Place]) -> Iterator[RawListing]:
        for refs in self._requests(places):
            folders, inside, _ = self._list(refs)
            for folder in folders:
                error = from_info(folder.error) if folder.error is not None else None
                parts = tuple(inside.get(folder.node, ())) if folder.node is not None else ()
                yield RawListing((), folder.node, parts, error, self.naming.seen(folder.space, refs[0].space))

    def list_names(self, places: Sequence[Place]) -> list[NameListing]:
        """`list_folders` for who needs no more than names: much less work, here and on the server."""
        listings: list[NameListing] = []
        for refs in self._requests(places):
            pages = ((reply, unpack_names(reply, body)) for reply, body in self._pages(refs, names_only=True))
            folders, inside, _ = _gathered(refs, pages, lambda part: len(part.names))
            asked = refs[0].space
            listings += [_name_listing(folder, inside, self.naming.seen(folder.space, asked)) for folder in folders]
        return listings

    def _requests(self, places: Sequence[Place]) -> Iterator[list[Ref]]:
        """The references for each request, in order: of one space, since a reply tells its folders apart by node."""
        for start in range(0, len(places), MAX_LIST_FOLDERS):
            refs = [self.naming.ref(place) for place in places[start : start + MAX_LIST_FOLDERS]]
            for _, alike in groupby(refs, lambda ref: ref.space):
                yield list(alike)

    def _list(self, refs: Sequence[Ref]) -> tuple[tuple[ListedFolder, ...], dict[int, list[FolderEntries]], Cursor]:
        """The folders, the entries in each by its node, and of when that is."""
        pages = ((reply, unpack_entries(reply, body)) for reply, body in self._pages(refs))
        folders, inside, at = _gathered(refs, pages, len)
        for folder in folders:
            space = self.naming.seen(folder.space, refs[0].space)
            if space is not None and folder.node is not None and folder.node in inside:
                parts = inside[folder.node]
                inside[folder.node] = [msgspec.structs.replace(part, space=space) for part in parts]
        return folders, inside, at

    def _pages(self, refs: Sequence[Ref], *, names_only: bool = False) -> Iterator[tuple[ListReply, memoryview]]:
        """The replies of a list with their bodies, up to the last. Raises: RemoteProtocolError, if it has no end."""
        request = ListRequest(folders=tuple(refs), limit=MAX_PAGE_ENTRIES, names_only=names_only)
        asked_for: set[Cursor] = set()
        while True:
            reply, body = self.caller.call(request)
            yield reply, body
            if reply.next is None:
                return
            if reply.next in asked_for:
                raise RemoteProtocolError("The server's list of a folder has no end.")
            asked_for.add(reply.next)
            request = msgspec.structs.replace(request, cursor=reply.next)

    def walk(
        self, place: Place, *, first: Listing | None = None, follow: Callable[[Entry], bool] | None = None
    ) -> Iterator[Listing]:
        """The folder and all below it, breadth first, up to 256 folders a request. `follow`: which folders to enter.

        `first`: what is in the folder itself, if it has been asked for already. What comes next is asked for while the
        caller looks at what has come.
        Never comes to a folder twice, and to an end, whatever the server says. Raises: TooMuch, RemoteProtocolError.
        """

        def below(listing: Listing) -> tuple[int, Iterable[tuple[str, Ref]]]:
            folders = (entry for entry in listing.entries if entry.kind == "folder")
            return len(listing.entries), (
                (entry.name, self.naming.ref(entry)) for entry in folders if follow is None or follow(entry)
            )

        return self._walk(place, first, self.list_folders, below)

    def walk_names(self, place: Place, *, first: NameListing | None = None) -> Iterator[NameListing]:
        """`walk` for who needs no more than names."""

        def below(listing: NameListing) -> tuple[int, Iterable[tuple[str, Ref]]]:
            space = listing.space or self.naming.home
            return len(listing.names), (
                (name, self.naming.ref(NodeKey(space, node))) for name, node in listing.folders.items()
            )

        return self._walk(place, first, self.list_names, below)

    def _walk(
        self,
        place: Place,
        first: ListingT | None,
        list_many: Callable[[Sequence[Place]], list[ListingT]],
        below: Callable[[ListingT], tuple[int, Iterable[tuple[str, Ref]]]],
    ) -> Iterator[ListingT]:
        """`below`: how much is in a folder, and the folders in it."""
        total = 0
        level: list[tuple[tuple[str, ...], Ref]] = [((), self.naming.ref(place))]
        seen: set[tuple[str | None, int | None]] = set()
        while level:
            deeper: list[tuple[tuple[str, ...], Ref]] = []
            path: tuple[str, ...]
            with closing(_listed_ahead([ref for _, ref in level], list_many, first)) as listed:
                for (path, _), listing in zip(level, listed, strict=True):
                    count, folders = below(listing)
                    total += count
                    check_count(total)
                    yield msgspec.structs.replace(listing, path=path)
                    for name, ref in folders:
                        if (ref.space, ref.node) not in seen:
                            if len(path) >= MAX_DEPTH:
                                raise RemoteProtocolError("The server's folders are nested deeper than any can be.")
                            seen.add((ref.space, ref.node))
                            deeper.append(((*path, name), ref))
            level, first = deeper, None
