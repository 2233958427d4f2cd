"""Files to be sent: what a plan decides of each, how far each is, and what the threads of an upload tell of them."""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from sfos.client.local.chunking import nearest_time_ns
from sfos.client.local.scan import LocalEntry
from sfos.client.transfer.events import ItemState
from sfos.client.transfer.known_chunks import KnownChunks
from sfos.client.transfer.ledger import Ledger, Row
from sfos.client.transfer.switch import Switch
from sfos.protocol import Attributes, ChunkRecord, CommitItem, Entry, Revision, SfosError, Target


class PathToMake(msgspec.Struct, frozen=True, eq=False):
    """A path on the server that is to lead to a folder: whatever is missing of it is to be made. No item of a job."""

    path: str


class FolderToMake(msgspec.Struct, frozen=True, eq=False):
    """A folder here, which is to be made on the server under its name in `parent`. `row`: see FileToSend."""

    row: Row
    local: LocalEntry
    parent: Parent


Parent = int | FolderToMake | PathToMake
"""A folder on the server: its node, or what is to be made."""


def node_of(parent: Parent, nodes: Mapping[FolderToMake | PathToMake, int]) -> int:
    """Node of a folder that is there by now. `nodes`: of those that have been made."""
    return parent if isinstance(parent, int) else nodes[parent]


class FileToSend(msgspec.Struct, frozen=True):
    """A file or symlink here, and where it is to be put on the server.

    `if_revision`: only in place of that one there (MUST_NOT_EXIST: of nothing); None: in place of whatever is there.
    `if_unchanged`: only in the state in which `local` saw it; else as it is when it is read. `earlier`: what has its
    name, as a guess at most of its content. `row`: its place in the books of the job.
    """

    row: Row
    local: LocalEntry
    parent: Parent
    name: str
    if_revision: Revision | None
    earlier: Entry | None = None
    if_unchanged: bool = False


class AttributesToSend(msgspec.Struct, frozen=True):
    """Mode of what is on the server as it is here, but for that. `row`: see FileToSend."""

    row: Row
    node: int
    revision: Revision
    mode: int


class Step(msgspec.Struct, frozen=True):
    """Work that can be done before the next step is known: the folders are made, then the files are sent, and
    attributes."""

    folders: Sequence[FolderToMake | PathToMake] = ()
    files: Sequence[FileToSend] = ()
    attributes: Sequence[AttributesToSend] = ()


class SendingFile(msgspec.Struct, eq=False):
    """State of the sending of a file. `known`: the chunks of its earlier version, once they have been asked for."""

    todo: FileToSend
    known: KnownChunks | None = None
    records: list[ChunkRecord] = msgspec.field(default_factory=list)
    content: bytes | None = None
    size: int = 0
    mtime_ns: int = 0
    bytes_there: int = 0
    blocks_open: int = 0
    read: bool = False
    over: bool = False
    tries: int = 0

    def afresh(self) -> SendingFile:
        """File to be read from its beginning in place of this one; blocks under way keep this one, which is over."""
        self.over = True
        return SendingFile(self.todo, tries=self.tries + 1)

    def item(self, nodes: Mapping[FolderToMake | PathToMake, int]) -> CommitItem:
        """Item of a commit that puts it in place."""
        todo = self.todo
        return CommitItem(
            target=Target(parent=node_of(todo.parent, nodes), name=todo.name),
            kind=todo.local.kind,
            size=self.size,
            mtime_ns=self.mtime_ns,
            content=self.content,
            chunks=len(self.records),
            attrs=attributes_of(todo.local),
            if_revision=todo.if_revision,
        )


def attributes_of(local: LocalEntry) -> Attributes:
    """More that the server keeps of it: permission bits (where there are such), and where a symlink points."""
    return Attributes(mode=mode_of(local), link=local.link)


def mode_of(local: LocalEntry) -> int | None:
    """The permission bits that the server is to keep; None where there are none, so that those there stay."""
    return local.stamp.mode if sys.platform != "win32" and local.kind != "symlink" else None


def time_to_send_ns(ledger: Ledger, row: Row, mtime_ns: int) -> int:
    """The time that the server is to keep of an item: its own, or the nearest one that can be, and a word about it."""
    nearest = nearest_time_ns(mtime_ns)
    if nearest != mtime_ns:
        ledger.remark(row, "Its time cannot be kept, for times go from 1677 to 2262; it got the nearest one.")
    return nearest


class SentFiles:
    """The books of an upload's threads on its files: told by the reader and by the answers. Thread-safe."""

    def __init__(self, ledger: Ledger, switch: Switch, changed: threading.Condition) -> None:
        """`changed`: of the queue, which takes from `ready` what is to be committed."""
        self._ledger = ledger
        self._switch = switch
        self._changed = changed
        self.ready: deque[SendingFile] = deque()
        self.again: deque[SendingFile] = deque()

    # ── told by the reader ──────────────────────────────────────────────────────────────────────────────────────

    def block_opened(self, file: SendingFile) -> None:
        """Note that another block holds something of a large file, which waits for it."""
        with self._changed:
            file.blocks_open += 1

    def read_to_end(self, file: SendingFile) -> None:
        """A large file has been read to its end; it is committed once its blocks are there."""
        with self._changed:
            file.read = True
            file.known = None
            self._check_ready(file)

    def afresh(self, file: SendingFile) -> SendingFile | None:
        """File to be read from its beginning in place of `file`; None if it has been given up."""
        with self._changed:
            return None if file.over else file.afresh()

    def take_again(self) -> Iterator[SendingFile]:
        """Take files that turned out to lack something on the server after all, to be read anew."""
        with self._changed:
            files, self.again = self.again, deque()
        return iter(files)

    def wait_for_known(self, file: SendingFile, timeout_s: float) -> None:
        """Wait a little for the chunks of the earlier version: where they come at once, nothing need be cut."""
        with self._changed:
            self._changed.wait_for(lambda: self._switch.cancelled or file.known is not None, timeout_s)

    # ── told by the answers ─────────────────────────────────────────────────────────────────────────────────────

    def block_closed(self, files: list[SendingFile]) -> None:
        """Note that all that a block held of these large files is on the server, or given up."""
        with self._changed:
            for file in files:
                file.blocks_open -= 1
                self._check_ready(file)

    def chunks_there(self, file: SendingFile, size: int) -> None:
        """Note so many bytes more of a large file on the server. Two lanes may do so at once."""
        with self._changed:
            file.bytes_there += size
            there = file.bytes_there
        self._ledger.advance(file.todo.row, there)

    def fail(self, file: SendingFile, error: SfosError) -> None:
        """Give up a file, unless it is over: then what failed was an attempt that another has replaced."""
        with self._changed:
            if not file.over:
                file.over = True
                self._ledger.end(file.todo.row, ItemState.FAILED, error)

    def read_again(self, file: SendingFile, error: SfosError) -> None:
        """The server lacks parts of it, which it had before. Once: then it fails."""
        if file.tries:
            self.fail(file, error)
            return
        with self._changed:
            self.again.append(file.afresh())
            self._changed.notify_all()

    def _check_ready(self, file: SendingFile) -> None:
        if file.read and file.blocks_open == 0 and not file.over:
            self.ready.append(file)
            self._changed.notify_all()
