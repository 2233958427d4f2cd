"""The requests of an upload: have, put_chunks, commit, and manifest; each knows what its answer means."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from msgspec.structs import replace

from sfos.client.api import new_op_id
from sfos.client.contents import MANIFEST_PAGE, check_manifest, manifest_page, most_chunks
from sfos.client.net.connection import Answer, Connection
from sfos.client.retry import PASSING
from sfos.client.transfer.events import ItemState
from sfos.client.transfer.feed import Exchange
from sfos.client.transfer.known_chunks import KnownChunks
from sfos.client.transfer.ledger import Row
from sfos.client.transfer.up.block import Block, ChunkAt
from sfos.client.transfer.up.files import SendingFile, node_of
from sfos.client.transfer.up.sending import Sending
from sfos.protocol import (
    CHUNK_ID_BYTES,
    RECORD,
    AccessError,
    AlreadyExists,
    Entry,
    HaveReply,
    HaveRequest,
    ItemResult,
    ItemsReply,
    ManifestReply,
    ManifestRequest,
    MissingChunks,
    PutChunksReply,
    PutChunksRequest,
    QuotaExceeded,
    Ref,
    RemoteProtocolError,
    RevisionConflict,
    SfosError,
    StatReply,
    StatRequest,
    StorageFailed,
    StorageFull,
    from_info,
    pack_commit,
    pack_ids,
    pack_records,
    unpack_results,
)

_log = logging.getLogger(__name__)

# What concerns every file that is still to come: trying them one by one would only repeat it.
_GENERAL = (*PASSING, AccessError, StorageFull, QuotaExceeded, StorageFailed)
_HEADER_BYTES = 256  # about what a request's own JSON takes
_PUT_REPLY_BYTES = 256
_ENTRY_BYTES = 64 * 1024  # more than any entry with its path
_RESULT_BYTES = 4096  # an item's result at the most: its error's sentence and name, escaped
_SHOWN_AT_ONCE = 8


def _check(error: SfosError | None) -> None:
    if isinstance(error, _GENERAL):
        raise error


def first_step(sending: Sending, block: Block) -> Exchange:
    """First exchange for a block."""
    return HaveBlock(sending, block) if block.chunks else CommitFiles(sending, block.files, block)


class HaveBlock:
    """Ask which chunks of the block the server lacks."""

    def __init__(self, sending: Sending, block: Block) -> None:
        self._sending = sending
        self._block = block
        self.first_lane_only = block.small
        self._ids = block.ids()
        self._sent_at = 0.0
        self.request_bytes = len(self._ids) * CHUNK_ID_BYTES + _HEADER_BYTES
        self.most_reply_bytes = len(self._ids) + _HEADER_BYTES

    def send(self, connection: Connection) -> None:
        """See `Exchange`."""
        self._sent_at = time.monotonic()
        connection.send(HaveRequest(space=self._sending.asked, ids=len(self._ids)), pack_ids(self._ids))

    def answered(self, answer: Answer) -> Sequence[Exchange]:
        """Send what is lacking."""
        _check(answer.error)
        self._sending.took(time.monotonic() - self._sent_at)
        sending, block = self._sending, self._block
        if answer.error is not None:
            return _give_up(sending, block, answer.error)
        answer.expect(HaveReply)
        if len(answer.body) != len(self._ids):
            raise RemoteProtocolError("The server answered for another number of parts than was asked for.")
        lacking = frozenset(name for name, there in zip(self._ids, answer.body, strict=True) if not there)
        if block.small:
            return [CommitFiles(sending, block.files, block, block.places(lacking))]
        for file, record, _ in block.chunks:
            if record.chunk_id not in lacking:
                sending.files.chunks_there(file, record.length)
        if lacking:
            return [PutBlock(sending, block, lacking)]
        sending.block_done(block)
        return []


def _give_up(sending: Sending, block: Block, error: SfosError) -> list[Exchange]:
    for file in block.files:
        sending.files.fail(file, error)
    sending.block_done(block)
    return []


class AskKnown:
    """Ask for the chunks of the earlier version. They are a guess at those of the file that takes its place, no more:
    what cannot be told in one page, or is no longer as it was, is left."""

    first_lane_only = False

    def __init__(self, sending: Sending, file: SendingFile, earlier: Entry) -> None:
        self._space = sending.space
        self._asked = sending.asked
        self._file = file
        self._earlier = earlier
        self.request_bytes = _HEADER_BYTES
        self.most_reply_bytes = min(most_chunks(earlier.size), MANIFEST_PAGE) * RECORD.size + _HEADER_BYTES

    def send(self, connection: Connection) -> None:
        """See `Exchange`."""
        ref = Ref(space=self._asked, node=self._earlier.node)
        connection.send(ManifestRequest(ref=ref, limit=MANIFEST_PAGE))

    def answered(self, answer: Answer) -> Sequence[Exchange]:
        """The reader finds them at the file. Whatever is wrong with them, it can do without."""
        if isinstance(answer.error, PASSING):
            raise answer.error
        try:
            reply = answer.expect(ManifestReply)
            records = manifest_page(self._earlier, reply, 0, answer.body)
            check_manifest(self._space, self._earlier, records)
            known = KnownChunks(records)
        except SfosError as error:
            _log.debug("the chunks of the earlier version are not known: %s", error)
            known = KnownChunks()
        if not (self._file.read or self._file.over):
            self._file.known = known
        return []


class PutBlock:
    """Send the chunks that are lacking."""

    first_lane_only = False

    def __init__(self, sending: Sending, block: Block, lacking: frozenset[bytes]) -> None:
        self._sending = sending
        self._block = block
        self._lacking = lacking
        self._places = block.places(lacking)
        self.request_bytes = sum(record.length + RECORD.size for record, _ in self._places) + _HEADER_BYTES
        self.most_reply_bytes = _PUT_REPLY_BYTES

    def send(self, connection: Connection) -> None:
        """See `Exchange`."""
        records = pack_records(record for record, _ in self._places)
        pieces = self._block.pieces(self._places)
        connection.send(PutChunksRequest(space=self._sending.asked, chunks=len(self._places)), records, *pieces)

    def answered(self, answer: Answer) -> Sequence[Exchange]:
        """The chunks are durable."""
        _check(answer.error)
        sending, block = self._sending, self._block
        if answer.error is not None:
            return _give_up(sending, block, answer.error)
        answer.expect(PutChunksReply)
        for file, record, _ in block.chunks:
            if record.chunk_id in self._lacking:
                sending.files.chunks_there(file, record.length)
        sending.block_done(block)
        return []


class CommitFiles:
    """Put files in place. With `block`, small ones whose lacking contents (`inline`) travel in the same request."""

    first_lane_only = True

    def __init__(
        self, sending: Sending, files: list[SendingFile], block: Block | None = None, inline: Sequence[ChunkAt] = ()
    ) -> None:
        self._sending = sending
        self._files = files
        self._block = block
        self._op_id = new_op_id()
        self.is_over = False
        self._inline = list(inline)
        records = sum([len(file.records) for file in files])
        data = sum([record.length for record, _ in self._inline]) + len(self._inline) * RECORD.size
        self.request_bytes = data + records * RECORD.size + len(files) * _HEADER_BYTES
        self.most_reply_bytes = len(files) * _RESULT_BYTES + records * CHUNK_ID_BYTES

    def send(self, connection: Connection) -> None:
        """Send the commit, each time as the same request under the same op_id: it is applied once."""
        for file in self._files[:_SHOWN_AT_ONCE]:
            self._sending.ledger.begin(file.todo.row)
        nodes = self._sending.nodes
        items = [file.item(nodes) for file in self._files]
        records = [record for file in self._files for record in file.records]
        request, body = pack_commit(self._op_id, items, records, space=self._sending.asked)
        if self._block is None or not self._inline:
            connection.send(request, body)
            return
        # The contents go out from where they were read to: a copy of them all would cost as much as sealing them.
        request = replace(request, inline=len(self._inline))
        packed = pack_records([record for record, _ in self._inline])
        connection.send(request, body, packed, *self._block.pieces(self._inline))

    def answered(self, answer: Answer) -> Sequence[Exchange]:
        """Take the results: each file is there, or has its reason."""
        _check(answer.error)
        follow: list[Exchange] = []
        if answer.error is not None:
            for file in self._files:
                self._sending.files.fail(file, answer.error)
        else:
            results, _ = unpack_results(answer.expect(ItemsReply), answer.body)
            if len(results) != len(self._files):
                raise RemoteProtocolError("The server answered for another number of files than were sent.")
            follow = self._settle(results)
        if self._block is not None:
            self._sending.block_done(self._block)
        self.is_over = True
        return follow

    def _settle(self, results: Sequence[ItemResult]) -> list[Exchange]:
        follow: list[Exchange] = []
        done: list[Row] = []
        for file, result in zip(self._files, results, strict=True):
            if result.error is None:
                done.append(file.todo.row)
                continue
            error = from_info(result.error)
            if isinstance(error, MissingChunks):
                self._sending.files.read_again(file, error)
            elif isinstance(error, RevisionConflict | AlreadyExists):
                follow.append(AskWhetherThere(self._sending, file, error))
            else:
                self._sending.files.fail(file, error)
        self._sending.ledger.done_all_of(done)
        return follow


class AskWhetherThere:
    """Look at what made a commit refuse a file. Is it what was to be sent, the file has arrived: the program that sent
    it was killed before it heard so, or somebody else sent the same."""

    first_lane_only = False
    request_bytes = _HEADER_BYTES
    most_reply_bytes = _ENTRY_BYTES

    def __init__(self, sending: Sending, file: SendingFile, error: SfosError) -> None:
        self._sending = sending
        self._file = file
        self._error = error

    def send(self, connection: Connection) -> None:
        """See `Exchange`."""
        connection.send(StatRequest(ref=Ref(space=self._sending.asked, path=self._file.todo.row.remote)))

    def answered(self, answer: Answer) -> Sequence[Exchange]:
        """The file is done, or fails with the commit's error: whatever else is wrong is not its reason."""
        if isinstance(answer.error, PASSING):
            raise answer.error
        if answer.error is None and self._is_there(answer.expect(StatReply).entry):
            self._sending.ledger.end(self._file.todo.row, ItemState.DONE)
        else:
            self._sending.files.fail(self._file, self._error)
        return []

    def _is_there(self, entry: Entry) -> bool:
        todo, local = self._file.todo, self._file.todo.local
        parent = node_of(todo.parent, self._sending.nodes)
        if (entry.parent, entry.name, entry.kind) != (parent, todo.name, local.kind):
            return False
        if local.kind == "symlink":
            return entry.attrs is not None and entry.attrs.link == local.link
        return entry.content == self._file.content
