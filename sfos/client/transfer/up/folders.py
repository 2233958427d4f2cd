"""The folders on the server that an upload goes into: found and listed, or made, level by level."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from sfos.client.api import new_op_id
from sfos.client.local.scan import LocalEntry
from sfos.client.transfer.events import ItemState
from sfos.client.transfer.ledger import Row
from sfos.client.transfer.run import Run
from sfos.client.transfer.up.files import attributes_of
from sfos.client.transfer.up.remote_folder import RemoteFolder
from sfos.protocol import (
    MUST_NOT_EXIST,
    AlreadyExists,
    CommitItem,
    Entry,
    NotAFolder,
    NotFound,
    RemoteProtocolError,
    Target,
    from_info,
    pack_commit,
    unpack_results,
)

_FOLDERS_AT_ONCE = 500

Wanted = tuple[LocalEntry, RemoteFolder, Row | None]  # a local folder, into which remote one, and its row if it has one


class RemoteFolders:
    """Folders on the server, for one job, in its own thread."""

    def __init__(self, run: Run, expect: Callable[[int], None], *, follow_symlinks: bool) -> None:
        """`expect`: see `UploadPlanner`."""
        self._api = run.session.api
        self._ledger = run.ledger
        self._switch = run.switch
        self._expect = expect
        self._follow = follow_symlinks
        self._visited: set[tuple[int, int]] = set()

    def matching(self, level: Sequence[Wanted]) -> Iterator[tuple[LocalEntry, RemoteFolder]]:
        """The remote folder for each local one: found and listed, or made."""
        there: list[tuple[LocalEntry, Entry, str]] = []
        missing: list[Wanted] = []
        for local, parent, row in level:
            if self._been_in(local):
                continue
            if row is None and not parent.is_listed:
                listing = self._api.list_brief([parent.path_of(local.name)])[0]
                if listing.error is None and listing.node is not None:
                    yield local, RemoteFolder(self._api, listing.node, parent.path_of(local.name), listing.parts)
                    continue
                entry = None if isinstance(listing.error, NotFound) else parent.find(local.name)
            else:
                entry = parent.find(local.name)
            if entry is None:
                missing.append((local, parent, row))
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
        yield from self._made(missing)

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
        listings = self._api.list_brief_ahead([entry for _, entry, _ in there])
        for (local, entry, path), listing in zip(there, listings, strict=True):
            if listing.error is not None:
                self._ledger.end(self._ledger.add(local.path, path, "folder", 0), ItemState.FAILED, listing.error)
            else:
                yield local, RemoteFolder(self._api, entry.node, path, listing.parts)

    def _made(self, missing: Sequence[Wanted]) -> list[tuple[LocalEntry, RemoteFolder]]:
        pairs: list[tuple[LocalEntry, RemoteFolder]] = []
        if missing:
            self._expect(0)  # what is in a folder that is not there yet
        for start in range(0, len(missing), _FOLDERS_AT_ONCE):
            self._switch.wait_open()
            part = missing[start : start + _FOLDERS_AT_ONCE]
            items = [
                CommitItem(
                    target=Target(parent=parent.node, name=local.name),
                    kind="folder",
                    mtime_ns=local.stamp.mtime_ns,
                    attrs=attributes_of(local),
                    if_revision=MUST_NOT_EXIST,
                )
                for local, parent, _ in part
            ]
            request, body = pack_commit(new_op_id(), items, ())
            reply, answer = self._api.caller.call(request, body)
            results, _ = unpack_results(reply, answer)
            if len(results) != len(part):
                raise RemoteProtocolError("The server answered for another number of folders than were to be made.")
            for (local, parent, row), result in zip(part, results, strict=True):
                path = parent.path_of(local.name)
                row = row or self._ledger.add(local.path, path, "folder", 0)
                error = from_info(result.error) if result.error is not None else None
                if isinstance(error, AlreadyExists):  # somebody made it in this moment: use it
                    pairs += self._listed([(local, self._api.stat(path), path)])
                elif error is not None:
                    self._ledger.end_anew(row, ItemState.FAILED, error)
                    continue
                else:
                    assert result.node is not None
                    pairs.append((local, RemoteFolder(self._api, result.node, path, ())))
                self._ledger.end_anew(row, ItemState.DONE)
        return pairs
