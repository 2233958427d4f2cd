"""Making the folders on the server that a plan found missing."""

from __future__ import annotations

from collections.abc import Sequence

from sfos.client.api import Api, new_op_id
from sfos.client.transfer.events import ItemState
from sfos.client.transfer.ledger import Ledger
from sfos.client.transfer.switch import Switch
from sfos.client.transfer.up.files import (
    FileToSend,
    FolderToMake,
    Parent,
    PathToMake,
    attributes_of,
    node_of,
    time_to_send_ns,
)
from sfos.protocol import (
    MUST_NOT_EXIST,
    AlreadyExists,
    CommitItem,
    Entry,
    NotAFolder,
    RemoteProtocolError,
    SfosError,
    Target,
    from_info,
    pack_commit,
    unpack_results,
)

_FOLDERS_AT_ONCE = 500


class MadeFolders:
    """Folders that one run of an upload has made, and those that it could not. In the job's own thread."""

    def __init__(self, api: Api, ledger: Ledger, switch: Switch, nodes: dict[FolderToMake | PathToMake, int]) -> None:
        """`nodes`: is told the node of each."""
        self._api = api
        self._ledger = ledger
        self._switch = switch
        self._nodes = nodes
        self._failed: dict[FolderToMake, SfosError] = {}

    def make(self, folders: Sequence[FolderToMake | PathToMake]) -> None:
        """Make them, each after the one that it goes into; one that is there by now will do.

        Raises: Cancelled; what the server says of a path, or of all of them.
        """
        together: dict[Parent, FolderToMake] = {}
        for folder in folders:
            if isinstance(folder, PathToMake):
                self._nodes[folder] = self._api.make_folder(folder.path, parents=True).node
                continue
            if len(together) == _FOLDERS_AT_ONCE or folder.parent in together:
                self._make(list(together.values()))
                together.clear()
            if self._can_be_reached(folder):
                together[folder] = folder
        if together:
            self._make(list(together.values()))

    def reachable(self, files: Sequence[FileToSend]) -> Sequence[FileToSend]:
        """Those that have a folder to go into; the others fail for the reason for which that could not be made."""
        return [file for file in files if self._can_be_reached(file)] if self._failed else files

    def _can_be_reached(self, item: FolderToMake | FileToSend) -> bool:
        parent = item.parent
        error = self._failed.get(parent) if isinstance(parent, FolderToMake) else None
        if error is None:
            return True
        if isinstance(item, FolderToMake):
            self._failed[item] = error
        self._ledger.end(item.row, ItemState.FAILED, error)
        return False

    def _make(self, folders: Sequence[FolderToMake]) -> None:
        self._switch.wait_open()
        items = [
            CommitItem(
                target=Target(parent=node_of(folder.parent, self._nodes), name=folder.local.name),
                kind="folder",
                mtime_ns=time_to_send_ns(self._ledger, folder.row, folder.local.stamp.mtime_ns),
                attrs=attributes_of(folder.local),
                if_revision=MUST_NOT_EXIST,
            )
            for folder in folders
        ]
        request, body = pack_commit(new_op_id(), items, (), space=self._api.naming.asked)
        reply, answer = self._api.caller.call(request, body)
        results, _ = unpack_results(reply, answer)
        if len(results) != len(folders):
            raise RemoteProtocolError("The server answered for another number of folders than were to be made.")
        for folder, result in zip(folders, results, strict=True):
            error = from_info(result.error) if result.error is not None else None
            if isinstance(error, AlreadyExists):
                error = self._take_what_is_there(folder)
            elif error is None:
                assert result.node is not None
                self._nodes[folder] = result.node
            if error is not None:
                self._failed[folder] = error
                self._ledger.end(folder.row, ItemState.FAILED, error)
            else:
                self._ledger.end(folder.row, ItemState.DONE)

    def _take_what_is_there(self, folder: FolderToMake) -> SfosError | None:
        """Somebody made it in this moment: use it, if it is a folder. Returns the reason if it is none."""
        there: Entry = self._api.stat(folder.row.remote)
        if there.kind != "folder":
            return NotAFolder("On the server a file has this name.", subject=folder.row.remote)
        self._nodes[folder] = there.node
        return None
