"""The folders on the server that an upload goes into: found and listed, or to be made, level by level."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from sfos.client.api import Api
from sfos.client.errors import LeadsBack
from sfos.client.local.scan import LocalEntry
from sfos.client.transfer.events import ItemState
from sfos.client.transfer.ledger import Ledger, Row
from sfos.client.transfer.up.files import FolderToMake
from sfos.client.transfer.up.remote_folder import LocalPlaces, RemoteFolder
from sfos.protocol import (
    MAX_DEPTH,
    Entry,
    NameNotAllowed,
    NotAFolder,
    NotFound,
    SfosError,
)

Wanted = tuple[LocalEntry, RemoteFolder, Row | None]  # a local folder, into which remote one, and its row if it has one


class RemoteFolders:
    """Folders on the server, for one job, in its own thread."""

    def __init__(
        self,
        api: Api,
        ledger: Ledger,
        *,
        follow_symlinks: bool,
        found: Callable[[LocalEntry, Entry, str, Row | None], None],
    ) -> None:
        """`found` is told of each local folder and of the remote one that it has, with its path and its row, if any."""
        self._api = api
        self._ledger = ledger
        self._follow = follow_symlinks
        self._found = found
        self._missing: list[Wanted] = []

    def matching(self, level: Sequence[Wanted]) -> Iterator[tuple[LocalEntry, RemoteFolder]]:
        """The remote folder for each local one that has one, listed. The others are `missing` after that."""
        there: list[tuple[LocalEntry, RemoteFolder, Entry]] = []
        for local, parent, row in level:
            error = self._against(local, parent)
            if error is not None:
                self._fail(local, parent, row, error)
                continue
            if row is None and not parent.is_listed:
                (listing,) = self._api.list_folders([parent.path_of(local.name)])
                if listing.error is None and listing.node is not None:
                    path = parent.path_of(local.name)
                    within = self._within(local, parent)
                    there_now = self._api.exists(path)
                    if there_now is not None and there_now.node == listing.node:
                        self._found(local, there_now, path, None)
                    yield local, RemoteFolder(self._api, listing.node, path, listing.columns, within)
                    continue
                entry = None if isinstance(listing.error, NotFound) else parent.find(local.name)
            else:
                entry = parent.find(local.name)
            if entry is None:
                self._missing.append((local, parent, row))
            elif entry.kind == "folder":
                there.append((local, parent, entry))
                self._found(local, entry, parent.path_of(entry.name), row)
            else:
                path = parent.path_of(local.name)
                self._fail(local, parent, row, NotAFolder("On the server a file has this name.", subject=path))
        yield from self._listed(there)

    def missing(self) -> list[tuple[FolderToMake, RemoteFolder]]:
        """The folders that are to be made, for each local one of the level that has none yet, and what they will be."""
        missing, self._missing = self._missing, []
        return [self._to_make(wanted) for wanted in missing]

    def _against(self, local: LocalEntry, parent: RemoteFolder) -> SfosError | None:
        """The reason why a local folder cannot be taken, whatever is on the server."""
        if parent.depth >= MAX_DEPTH:
            return NameNotAllowed(
                f"Folders can be nested {MAX_DEPTH} deep at the most; this one was left out, with all that is in it."
            )
        place, above = _place(local), parent.within
        while above is not None:
            if above[0] == place:
                return LeadsBack(subject=str(local.path))
            above = above[1]
        return None

    def _within(self, local: LocalEntry, parent: RemoteFolder) -> LocalPlaces:
        """The local folders by which this one was reached, and itself; of use only where links can lead back."""
        place = _place(local)
        return (place, parent.within) if self._follow and place is not None else None

    def _fail(self, local: LocalEntry, parent: RemoteFolder, row: Row | None, error: SfosError) -> None:
        row = row or self._ledger.add(local.path, parent.path_of(local.name), "folder", 0)
        self._ledger.end_anew(row, ItemState.FAILED, error)

    def _listed(
        self, there: Sequence[tuple[LocalEntry, RemoteFolder, Entry]]
    ) -> Iterator[tuple[LocalEntry, RemoteFolder]]:
        listings = self._api.list_ahead([entry for _, _, entry in there])
        for (local, parent, entry), listing in zip(there, listings, strict=True):
            path = parent.path_of(entry.name)
            if listing.error is not None:
                self._ledger.end(self._ledger.add(local.path, path, "folder", 0), ItemState.FAILED, listing.error)
            else:
                yield local, RemoteFolder(self._api, entry.node, path, listing.columns, self._within(local, parent))

    def _to_make(self, missing: Wanted) -> tuple[FolderToMake, RemoteFolder]:
        local, parent, row = missing
        path = parent.path_of(local.name)
        if row is None:
            row = self._ledger.add(local.path, path, "folder", 0)
        else:
            self._ledger.again(row, 0)
        folder = FolderToMake(row, local, parent.node)
        return folder, RemoteFolder(self._api, folder, path, (), self._within(local, parent))


def _place(local: LocalEntry) -> tuple[int, int] | None:
    """The folder itself, by whatever path it was reached; None where the system does not tell (Windows)."""
    stamp = local.stamp
    return (stamp.device, stamp.inode) if stamp.inode else None
