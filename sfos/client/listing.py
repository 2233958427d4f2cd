"""Folders of a space, listed and walked.

Each list is of one moment. While the caller looks at some folders, the server lists those that come next.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from enum import Enum
from functools import cached_property, partial
from itertools import groupby, zip_longest
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

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
    LocalProtocolError,
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

T = TypeVar("T")

# A server that sends page after page must not fill this computer's memory; five times the largest tested, some 3 GB.
_MOST_ENTRIES = 5_000_000
# Folders listed together: few at first, so that there is soon something to do here beside the server; then ever more.
_LISTED_FIRST = 8
_LEAVING_S = 2.0
_FULL_PAGE = 1_000  # entries, at the least, of a page behind which more may come soon


def check_count(count: int) -> None:
    """Refuse more than this program takes at once. Raises: TooMuch."""
    if count > _MOST_ENTRIES:
        raise TooMuch(f"There are more than {_MOST_ENTRIES:,} entries, which is more than this program takes at once.")


class Detail(Enum):
    """Detail in which a folder is listed: the less, the less work for the server, and the less that travels."""

    ENTRIES = "entries"
    NAMES = "names"  # names alone, and which of them are folders


Parts: TypeAlias = "Sequence[FolderEntries] | Sequence[FolderNames]"


class Listing(msgspec.Struct, frozen=True, dict=True):
    """Content of one folder, in no order, or why it could not be listed.

    `path`: names below where the walk began, () for itself. `parts`: what is in it, as it came. `space`: of the folder,
    None for the home. `at`: the cursor of the moment that it is of.
    """

    path: tuple[str, ...]
    node: int | None
    parts: Parts = ()
    error: SfosError | None = None
    space: str | None = None
    at: Cursor = ""

    @property
    def count(self) -> int:
        """How many entries there are."""
        return sum(map(len, self.parts))

    @property
    def names(self) -> list[str]:
        """All names, as the server sent them."""
        return [name for part in self.parts for name in part.names]

    @cached_property
    def folders(self) -> list[tuple[str, int]]:
        """Name and node of each that is a folder; no Entry is made of them. Raises: MalformedMessage."""
        return [folder for part in self.parts for folder in part.folders()]

    @property
    def columns(self) -> list[FolderEntries]:
        """The entries as they came, for who looks closely at few of them. Raises: LocalProtocolError."""
        columns = [part for part in self.parts if isinstance(part, FolderEntries)]
        if len(columns) < len(self.parts):
            raise LocalProtocolError("names alone were asked for")
        return columns

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """All entries. Raises: MalformedMessage; LocalProtocolError, if names alone were asked for."""
        return tuple([entry for part in self.columns for entry in part.entries()])


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


def _listed_ahead(
    refs: Sequence[Place], list_many: Callable[[Sequence[Place]], list[Listing]], first: Listing | None = None
) -> Generator[Listing, None, None]:
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
    coming: Future[list[Listing]] | None = None
    try:
        for part, following in zip_longest(parts, parts[1:]):
            listings = list_many(part) if coming is None else coming.result()
            coming = _begin(partial(list_many, following)) if following is not None else None
            yield from listings
    finally:
        if coming is not None:
            _end(coming)


def _begin(ask: Callable[[], T]) -> Future[T] | None:
    """Answer that comes next, asked for in a thread; None if there are no more threads: it would only save time."""
    try:
        from sfos.client.net.beside import run_beside  # only now: most listings are one request

        return run_beside(ask, "list-ahead")
    except RuntimeError:
        return None


def _end(coming: Future[Any]) -> None:
    """Leave nothing behind that uses the connection, unless the server does not answer."""
    from concurrent.futures import wait

    wait((coming,), _LEAVING_S)


class Folders:
    """Folders of one space, as the server lists them."""

    def __init__(self, caller: Caller, naming: SpaceNaming) -> None:
        self.caller = caller
        self.naming = naming

    def list_folder(self, place: Place) -> list[Entry]:
        """All entries of a folder, of one moment, in no order. Raises: NotFound, NotAFolder."""
        (listing,) = self.list_folders([place])
        if listing.error is not None:
            raise listing.error
        return list(listing.entries)

    def read_folder(self, place: Place) -> Generator[FolderEntries, None, None]:
        """Entries of a folder, of one moment, page by page: none of them is kept here.

        The server lists the next page while the caller looks at one. Close it when you end before it does.
        Raises: NotFound, NotAFolder, TooMuch, RemoteProtocolError.
        """
        parts = self._read(self.naming.ref(place))
        coming: Future[FolderEntries | None] | None = None
        try:
            part = next(parts, None)
            while part is not None:
                # A short page is the last one, after which nothing is asked for.
                coming = _begin(partial(next, parts, None)) if len(part) >= _FULL_PAGE else None
                yield part
                part = coming.result() if coming is not None else next(parts, None)
        finally:
            if coming is not None:
                _end(coming)

    def _read(self, ref: Ref) -> Iterator[FolderEntries]:
        """Pages of one folder that hold anything."""
        folder: ListedFolder | None = None
        count = 0
        for page, (reply, body) in enumerate(self._pages([ref], Detail.ENTRIES)):
            parts = unpack_entries(reply, body)
            if folder is None:
                (folder,) = _asked(reply, [ref])
                if folder.error is not None:
                    raise from_info(folder.error)
            size = sum(map(len, parts))
            _check_page(page, size, count)
            _check_asked([folder], [part.folder for part in parts])
            count += size
            space = self.naming.seen(folder.space, ref.space)
            yield from parts if space is None else [msgspec.structs.replace(part, space=space) for part in parts]

    def list_folders(self, places: Sequence[Place], detail: Detail = Detail.ENTRIES) -> list[Listing]:
        """Many folders in few requests, in the order asked; a folder that fails has its error."""
        listings: list[Listing] = []
        for start in range(0, len(places), MAX_LIST_FOLDERS):
            refs = [self.naming.ref(place) for place in places[start : start + MAX_LIST_FOLDERS]]
            # Of one space at a time, since a reply tells its folders apart by their nodes.
            for _, alike in groupby(refs, lambda ref: ref.space):
                listings += self._list(list(alike), detail)
        return listings

    def list_ahead(self, places: Sequence[Place], detail: Detail = Detail.ENTRIES) -> Iterator[Listing]:
        """`list_folders` folder by folder; what comes next is asked for while the caller looks at what has come."""
        return _listed_ahead(places, partial(self.list_folders, detail=detail))

    def _list(self, refs: Sequence[Ref], detail: Detail) -> Iterator[Listing]:
        """Folders of one space. Raises: RemoteProtocolError, TooMuch."""
        inside: dict[int, list[Any]] = {}  # of one kind: FolderEntries, or FolderNames
        folders: tuple[ListedFolder, ...] = ()
        at: Cursor = ""
        count = 0
        for page, (reply, body) in enumerate(self._pages(refs, detail)):
            parts: Parts = unpack_names(reply, body) if detail is Detail.NAMES else unpack_entries(reply, body)
            folders, at = folders or _asked(reply, refs), reply.at
            size = sum(map(len, parts))
            _check_page(page, size, count)
            count += size
            for part in parts:
                inside.setdefault(part.folder, []).append(part)
        _check_asked(folders, inside)
        for folder in folders:
            space = self.naming.seen(folder.space, refs[0].space)
            error = from_info(folder.error) if folder.error is not None else None
            own = inside.get(folder.node, []) if folder.node is not None else []
            if space is not None and detail is not Detail.NAMES:
                own = [msgspec.structs.replace(part, space=space) for part in own]
            yield Listing((), folder.node, own, error, space, at)

    def _pages(self, refs: Sequence[Ref], detail: Detail) -> Iterator[tuple[ListReply, memoryview]]:
        """The replies of a list with their bodies, up to the last. Raises: RemoteProtocolError, if it has no end."""
        request = ListRequest(
            folders=tuple(refs),
            limit=MAX_PAGE_ENTRIES,
            names_only=detail is Detail.NAMES,
        )
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
        self,
        place: Place,
        detail: Detail = Detail.ENTRIES,
        *,
        first: Listing | None = None,
        follow: Callable[[int], bool] | None = None,
    ) -> Iterator[Listing]:
        """The folder and all below it, breadth first, up to 256 folders a request.

        `first`: what is in the folder itself, if it has been asked for already. What comes next is asked for while the
        caller looks at what has come. `follow`: whether to enter the folder of that node.
        Never comes to a folder twice, and to an end, whatever the server says. Raises: TooMuch, RemoteProtocolError.
        """
        list_many = partial(self.list_folders, detail=detail)
        total = 0
        level: list[tuple[tuple[str, ...], Ref]] = [((), self.naming.ref(place))]
        seen: set[tuple[str | None, int | None]] = set()
        while level:
            deeper: list[tuple[tuple[str, ...], Ref]] = []
            with closing(_listed_ahead([ref for _, ref in level], list_many, first)) as listed:
                for (path, _), found in zip(level, listed, strict=True):
                    total += found.count
                    check_count(total)
                    listing = msgspec.structs.replace(found, path=path)
                    yield listing
                    for name, node in listing.folders:
                        if follow is not None and not follow(node):
                            continue
                        ref = self.naming.ref(NodeKey(listing.space or self.naming.home, node))
                        if (ref.space, ref.node) not in seen:
                            if len(path) >= MAX_DEPTH:
                                raise RemoteProtocolError("The server's folders are nested deeper than any can be.")
                            seen.add((ref.space, ref.node))
                            deeper.append(((*path, name), ref))
            level, first = deeper, None
