"""What programs want of a space: list, walk, look, make, move, copy, delete, read a piece.

Every method blocks for the network, may be called from any thread, and raises what the server reports (`protocol`'s
errors) or ConnectionLost / ServerUnreachable once reconnecting has failed. Each logical change has one op_id that is
kept over its retries. Names in the entries are what the server sent: `protocol.printable` before showing them,
`client.local.writing` before writing them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import zip_longest
from typing import TYPE_CHECKING, TypeVar

import msgspec

from sfos.client.commands import Commands
from sfos.client.contents import read_pieces
from sfos.client.session.ahead import run_beside
from sfos.protocol import (
    MAX_DELETE_ITEMS,
    MAX_DEPTH,
    MAX_LIST_FOLDERS,
    MAX_PAGE_ENTRIES,
    Change,
    ChangesRequest,
    CopyRequest,
    Cursor,
    DeleteItem,
    DeleteRequest,
    EndSessionsRequest,
    Entry,
    FolderEntries,
    FolderNames,
    ItemResult,
    ListedFolder,
    ListReply,
    ListRequest,
    MakeFolderRequest,
    MoveRequest,
    NodeReply,
    NotFound,
    Ref,
    RemoteProtocolError,
    Revision,
    SessionEntry,
    SessionsRequest,
    SfosError,
    SpaceInfo,
    StatRequest,
    Target,
    TooMuch,
    UsageReply,
    UsageRequest,
    decode_changes,
    from_info,
    unpack_entries,
    unpack_names,
    unpack_results,
)

if TYPE_CHECKING:
    from concurrent.futures import Future

Place = Ref | Entry | str  # a str is an absolute path in the home space

OP_ID_BYTES = 16
# A server that sends page after page must not fill this computer's memory; five times the largest tested, some 3 GB.
_MOST_ENTRIES = 5_000_000
# Folders listed together: few at first, so that there is soon something to do here beside the server; then ever more.
_LISTED_FIRST = 8
_LEAVING_S = 2.0


def new_op_id() -> bytes:
    """The name of one logical change, kept over its retries: so it is applied once."""
    return os.urandom(OP_ID_BYTES)  # what `secrets` does, without the modules that it loads


def _check_count(count: int) -> None:
    """Raises: TooMuch."""
    if count > _MOST_ENTRIES:
        raise TooMuch(f"There are more than {_MOST_ENTRIES:,} entries, which is more than this program takes at once.")


def to_ref(place: Place) -> Ref:
    """How the protocol refers to `place`."""
    if isinstance(place, Entry):
        return Ref(node=place.node)
    return Ref(path=place) if isinstance(place, str) else place


def to_target(place: Target | str) -> Target:
    """The same for where something is to be put."""
    return Target(path=place) if isinstance(place, str) else place


class Listing(msgspec.Struct, frozen=True):
    """What is in one folder, or why it could not be listed. `path`: names below where the walk began, () for itself."""

    path: tuple[str, ...]
    node: int | None
    entries: tuple[Entry, ...]
    error: SfosError | None = None


class RawListing(msgspec.Struct, frozen=True):
    """The same without attributes of files and folders, as it came: no Entry is made but of what is asked for."""

    path: tuple[str, ...]
    node: int | None
    parts: tuple[FolderEntries, ...]
    error: SfosError | None = None


class NameListing(msgspec.Struct, frozen=True):
    """The same with names alone. `folders`: the nodes of those that are folders."""

    path: tuple[str, ...]
    node: int | None
    names: Sequence[str]
    folders: dict[str, int]
    error: SfosError | None = None


T = TypeVar("T")
ListingT = TypeVar("ListingT", Listing, NameListing)
PartT = TypeVar("PartT", FolderEntries, FolderNames)


def _asked(reply: ListReply, refs: Sequence[Ref]) -> tuple[ListedFolder, ...]:
    """The folders that the first page of a list speaks of. Raises: RemoteProtocolError."""
    if len(reply.folders) != len(refs):
        raise RemoteProtocolError("The server listed other folders than were asked for.")
    return reply.folders


def _check_page(page: int, size: int, before: int) -> None:
    """`size`: how much is in the page of that number; only the first, 0, may be empty. `before`: how much came before.

    Raises: RemoteProtocolError, TooMuch.
    """
    if page and not size:
        raise RemoteProtocolError("The server's list of a folder has no end.")
    _check_count(before + size)


def _check_asked(folders: Sequence[ListedFolder], found: Iterable[int]) -> None:
    """That what was `found` is in these folders. Raises: RemoteProtocolError."""
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


def _name_listing(folder: ListedFolder, inside: dict[int, list[FolderNames]]) -> NameListing:
    error = from_info(folder.error) if folder.error is not None else None
    names: list[str] = []
    below: dict[str, int] = {}
    for run in inside.get(folder.node, ()) if folder.node is not None else ():
        below |= {run.names[at]: node for at, node in run.folders.items()}
        names += run.names
    return NameListing((), folder.node, names, below, error)


def _listed_ahead(
    refs: Sequence[Place], list_many: Callable[[Sequence[Place]], list[T]], first: T | None = None
) -> Generator[T, None, None]:
    """What is in these folders, in order. While the caller looks at some, the server lists those that come next.

    `first`: what is in the first of them, if it has been asked for already. Close it when you end before it does.
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
    """What is in these folders, asked for in a thread; None if there are no more threads: it would only save time."""
    try:
        return run_beside(partial(list_many, refs), "list-ahead")
    except RuntimeError:
        return None


class Api:
    """Conveniences over `commands`, which has one typed method for each command."""

    def __init__(self, commands: Commands, space: Callable[[], SpaceInfo]) -> None:
        """`space`: the home space and its secrets, as the session knows them now."""
        self.commands = commands
        self._space = space

    # ── looking ─────────────────────────────────────────────────────────────────────────────────────────────────

    def stat(self, place: Place) -> Entry:
        """What is there. `entry.path` is set. Raises: NotFound."""
        return self.commands.stat(StatRequest(ref=to_ref(place))).entry

    def exists(self, place: Place) -> Entry | None:
        """What is there, or None."""
        try:
            return self.stat(place)
        except NotFound:
            return None

    def list_folder(self, place: Place) -> list[Entry]:
        """All entries of a folder, of one moment, in no order. Raises: NotFound, NotAFolder."""
        return self.list_folder_at(place)[0]

    def list_folder_at(self, place: Place) -> tuple[list[Entry], Cursor]:
        """The same, and the cursor of that moment, from which `watch` goes on without a gap."""
        folders, inside, at = self._list([to_ref(place)])
        if folders[0].error is not None:
            raise from_info(folders[0].error)
        return [entry for parts in inside.values() for part in parts for entry in part.entries()], at

    def list_folders(self, places: Sequence[Place]) -> list[Listing]:
        """Many folders in few requests, in the order asked; a folder that fails has its error."""
        return [
            Listing(one.path, one.node, tuple([entry for part in one.parts for entry in part.entries()]), one.error)
            for one in self._listed(places)
        ]

    def list_brief(self, places: Sequence[Place]) -> list[RawListing]:
        """`list_folders` for who needs no attributes of files and folders, and looks closely at few of them."""
        return list(self._listed(places, brief=True))

    def list_brief_ahead(self, places: Sequence[Place]) -> Iterator[RawListing]:
        """`list_brief` folder by folder; what comes next is asked for while the caller looks at what has come."""
        return _listed_ahead(places, self.list_brief)

    def _listed(self, places: Sequence[Place], *, brief: bool = False) -> Iterator[RawListing]:
        for start in range(0, len(places), MAX_LIST_FOLDERS):
            refs = [to_ref(place) for place in places[start : start + MAX_LIST_FOLDERS]]
            folders, inside, _ = self._list(refs, brief=brief)
            for folder in folders:
                error = from_info(folder.error) if folder.error is not None else None
                parts = tuple(inside.get(folder.node, ())) if folder.node is not None else ()
                yield RawListing((), folder.node, parts, error)

    def list_names(self, places: Sequence[Place]) -> list[NameListing]:
        """`list_folders` for who needs no more than names: much less work, here and on the server."""
        listings: list[NameListing] = []
        for start in range(0, len(places), MAX_LIST_FOLDERS):
            refs = [to_ref(place) for place in places[start : start + MAX_LIST_FOLDERS]]
            pages = ((reply, unpack_names(reply, body)) for reply, body in self._pages(refs, names_only=True))
            folders, inside, _ = _gathered(refs, pages, lambda part: len(part.names))
            listings += [_name_listing(folder, inside) for folder in folders]
        return listings

    def _list(
        self, refs: Sequence[Ref], *, brief: bool = False
    ) -> tuple[tuple[ListedFolder, ...], dict[int, list[FolderEntries]], Cursor]:
        """The folders, what is in each by its node, and of when that is."""
        pages = ((reply, unpack_entries(reply, body)) for reply, body in self._pages(refs, brief=brief))
        return _gathered(refs, pages, len)

    def _pages(
        self, refs: Sequence[Ref], *, names_only: bool = False, brief: bool = False
    ) -> Iterator[tuple[ListReply, memoryview]]:
        """The replies of a list with their bodies, up to the last. Raises: RemoteProtocolError, if it has no end."""
        request = ListRequest(folders=tuple(refs), limit=MAX_PAGE_ENTRIES, names_only=names_only, brief=brief)
        asked_for: set[Cursor] = set()
        while True:
            reply, body = self.commands.list(request)
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

        def below(listing: Listing) -> tuple[int, Iterable[tuple[str, int]]]:
            folders = (entry for entry in listing.entries if entry.kind == "folder")
            return len(listing.entries), (
                (entry.name, entry.node) for entry in folders if follow is None or follow(entry)
            )

        return self._walk(place, first, self.list_folders, below)

    def walk_names(self, place: Place, *, first: NameListing | None = None) -> Iterator[NameListing]:
        """`walk` for who needs no more than names."""

        def below(listing: NameListing) -> tuple[int, Iterable[tuple[str, int]]]:
            return len(listing.names), listing.folders.items()

        return self._walk(place, first, self.list_names, below)

    def _walk(
        self,
        place: Place,
        first: ListingT | None,
        list_many: Callable[[Sequence[Place]], list[ListingT]],
        below: Callable[[ListingT], tuple[int, Iterable[tuple[str, int]]]],
    ) -> Iterator[ListingT]:
        """`below`: how much is in a folder, and the folders in it."""
        total = 0
        level: list[tuple[tuple[str, ...], Ref]] = [((), to_ref(place))]
        seen: set[int] = set()
        while level:
            deeper: list[tuple[tuple[str, ...], Ref]] = []
            path: tuple[str, ...]
            with closing(_listed_ahead([ref for _, ref in level], list_many, first)) as listed:
                for (path, _), listing in zip(level, listed, strict=True):
                    count, folders = below(listing)
                    total += count
                    _check_count(total)
                    yield msgspec.structs.replace(listing, path=path)
                    for name, node in folders:
                        if node not in seen:
                            if len(path) >= MAX_DEPTH:
                                raise RemoteProtocolError("The server's folders are nested deeper than any can be.")
                            seen.add(node)
                            deeper.append(((*path, name), Ref(node=node)))
            level, first = deeper, None

    def usage(self) -> UsageReply:
        """Bytes and files of the home space."""
        return self.commands.usage(UsageRequest())

    def changes(self, since: Cursor) -> tuple[list[Change], Cursor]:
        """All that changed since, and the cursor of now. Raises: ResyncRequired."""
        changes: list[Change] = []
        asked_for: set[Cursor] = set()
        while True:
            reply, body = self.commands.changes(ChangesRequest(since=since, limit=MAX_PAGE_ENTRIES))
            page = decode_changes(body)
            changes += page
            if not reply.more:
                return changes, reply.cursor
            asked_for.add(since)
            if reply.cursor in asked_for:
                raise RemoteProtocolError("The server's list of changes has no end.")
            _check_count(len(changes))
            since = reply.cursor

    # ── changing ────────────────────────────────────────────────────────────────────────────────────────────────

    def make_folder(self, place: Target | str, *, parents: bool = False) -> NodeReply:
        """Make a folder. Raises: AlreadyExists, NotFound, NameNotAllowed.

        `parents`: also what is missing above it, and accept that it is there.
        """
        return self.commands.make_folder(MakeFolderRequest(op_id=new_op_id(), target=to_target(place), parents=parents))

    def move(
        self, source: Place, target: Target | str, *, replace: bool = False, if_revision: Revision | None = None
    ) -> NodeReply:
        """Rename or move. Raises: NotFound, AlreadyExists, RevisionConflict, MovedBelowItself, NameNotAllowed."""
        return self.commands.move(
            MoveRequest(
                op_id=new_op_id(),
                source=to_ref(source),
                target=to_target(target),
                replace=replace,
                if_revision=if_revision,
            )
        )

    def copy(
        self, source: Place, target: Target | str, *, replace: bool = False, if_revision: Revision | None = None
    ) -> NodeReply:
        """Copy a file or a whole folder on the server. Raises: as `move`."""
        return self.commands.copy(
            CopyRequest(
                op_id=new_op_id(),
                source=to_ref(source),
                target=to_target(target),
                replace=replace,
                if_revision=if_revision,
            )
        )

    def delete(self, items: Sequence[Place | DeleteItem], *, atomic: bool = False) -> list[ItemResult]:
        """Delete; folders go with all that is in them. One result each, in order (`result.error`).

        `atomic`: all or nothing; then at most 1,000 items. More items go in several requests.
        """
        if atomic and len(items) > MAX_DELETE_ITEMS:
            raise ValueError(f"at most {MAX_DELETE_ITEMS} items can be deleted together or not at all")
        wanted = [item if isinstance(item, DeleteItem) else DeleteItem(ref=to_ref(item)) for item in items]
        results: list[ItemResult] = []
        for start in range(0, len(wanted), MAX_DELETE_ITEMS):
            part = tuple(wanted[start : start + MAX_DELETE_ITEMS])
            reply, body = self.commands.delete(DeleteRequest(op_id=new_op_id(), items=part, atomic=atomic))
            found, _ = unpack_results(reply, body)
            if len(found) != len(part):
                raise RemoteProtocolError("The server answered for another number of items than was asked for.")
            results += found
        return results

    # ── sessions ────────────────────────────────────────────────────────────────────────────────────────────────

    def sessions(self) -> list[SessionEntry]:
        """One's own sessions, this one among them, the one used last first."""
        return list(self.commands.sessions(SessionsRequest()).sessions)

    def end_sessions(self, session_id: str | None = None) -> int:
        """End one of one's own sessions, or all but this one; how many. Their connections are cut. Raises: NotFound.

        This one ends by `Session.logout`, which knows of it.
        """
        return self.commands.end_sessions(EndSessionsRequest(session=session_id)).ended

    # ── contents ────────────────────────────────────────────────────────────────────────────────────────────────

    def read_range(self, entry: Entry, offset: int = 0, length: int | None = None) -> bytes:
        """Bytes of a file, for previews; shorter at its end. Each chunk is verified.

        Raises: IsAFolder, NotFound, DataDamaged, BadChunk; TreeError if the file was changed meanwhile.
        """
        wanted = entry.size if length is None else length
        return b"".join(read_pieces(self.commands, self._space(), entry, offset, wanted))

    def read_stream(self, entry: Entry, offset: int = 0) -> Iterator[memoryview]:
        """The content from `offset` on in pieces of at most 4 MiB, each verified; valid until the next is asked for."""
        return read_pieces(self.commands, self._space(), entry, offset, entry.size)
