"""The folders on the server that an upload goes into: found and listed, or to be made, level by level."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sfos.client.api import Api
from sfos.client.listing import Detail
from sfos.client.local.scan import LocalEntry
from sfos.client.transfer.events import ItemState
from sfos.client.transfer.ledger import Ledger, Row
from sfos.client.transfer.up.files import FolderToMake
from sfos.client.transfer.up.remote_folder import RemoteFolder
from sfos.protocol import (
    Entry,
    NotAFolder,
    NotFound,
)

Wanted = tuple[LocalEntry, RemoteFolder, Row | None]  # a local folder, into which remote one, and its row if it has one


class RemoteFolders:
    """Folders on the server, for one job, in its own thread."""

    def __init__(self, api: Api, ledger: Ledger, *, follow_symlinks: bool) -> None:
        self._api = api
        self._ledger = ledger
        self._follow = follow_symlinks
        self._visited: set[tuple[int, int]] = set()
        self._missing: list[Wanted] = []

    def matching(self, level: Sequence[Wanted]) -> Iterator[tuple[LocalEntry, RemoteFolder]]:
        """The remote folder for each local one that has one, listed. The others are `missing` after that."""
        there: list[tuple[LocalEntry, Entry, str]] = []
        for local, parent, row in level:
            if self._been_in(local):
                continue
            if row is None and not parent.is_listed:
                (listing,) = self._api.list_folders([parent.path_of(local.name)], Detail.BRIEF)
                if listing.error is None and listing.node is not None:
                    yield local, RemoteFolder(self._api, listing.node, parent.path_of(local.name), listing.columns)
                    continue
                entry = None if isinstance(listing.error, NotFound) else parent.find(local.name)
            else:
                entry = parent.find(local.name)
            if entry is None:
                self._missing.append((local, parent, row))
            elif entry.kind == "folder":
                there.append((local, entry, parent.path_of(entry.name)))
                if row is not None:
                    self._again_and_done(row)
            else:
                row = row or self._ledger.add(local.path, parent.path_of(local.name), "folder", 0)
                self._ledger.end_anew(
                    row, ItemState.FAILED, NotAFolder("On the server a file has this name.", subject=row.remote)
                )
        yield from self._listed(there)

    def missing(self) -> list[tuple[FolderToMake, RemoteFolder]]:
        """The folders that are to be made, for each local one of the level that has none yet, and what they will be."""
        missing, self._missing = self._missing, []
        return [self._to_make(wanted) for wanted in missing]

    def _again_and_done(self, row: Row) -> None:
        self._ledger.again(row, 0)
        self._ledger.end(row, ItemState.DONE)

    def _been_in(self, local: LocalEntry) -> bool:
        """Whether links lead here a second time (only where they are followed)."""
        place = (local.stamp.device, local.stamp.inode)
        if not self._follow or place == (0, 0) or place[1] == 0:
            return False
        if place in self._visited:
            return True
        self._visited.add(place)
        return False

    def _listed(self, there: Sequence[tuple[LocalEntry, Entry, str]]) -> Iterator[tuple[LocalEntry, RemoteFolder]]:
        listings = self._api.list_ahead([entry for _, entry, _ in there], Detail.BRIEF)
        for (local, entry, path), listing in zip(there, listings, strict=True):
            if listing.error is not None:
                self._ledger.end(self._ledger.add(local.path, path, "folder", 0), ItemState.FAILED, listing.error)
            else:
                yield local, RemoteFolder(self._api, entry.node, path, listing.columns)

    def _to_make(self, missing: Wanted) -> tuple[FolderToMake, RemoteFolder]:
        local, parent, row = missing
        path = parent.path_of(local.name)
        if row is None:
            row = self._ledger.add(local.path, path, "folder", 0)
        else:
            self._ledger.again(row, 0)
        folder = FolderToMake(row, local, parent.node)
        return folder, RemoteFolder(self._api, folder, path, ())
