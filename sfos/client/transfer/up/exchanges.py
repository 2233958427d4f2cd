"""The requests of an upload: have, put_chunks, commit, and manifest; each knows what its answer means."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Protocol

from msgspec.structs import replace

from sfos.client.api import new_op_id
from sfos.client.contents import MANIFEST_PAGE, check_manifest, manifest_page, most_chunks
from sfos.client.net.connection import Answer, Connection
from sfos.client.retry import PASSING
from sfos.client.transfer.feed import Exchange
from sfos.client.transfer.known_chunks import KnownChunks
from sfos.client.transfer.ledger import Ledger, Row
from sfos.client.transfer.up.block import Block, Place
from sfos.client.transfer.up.plan import UploadFile
from sfos.protocol import (
    CHUNK_ID_BYTES,
    MAX_BODY,
    RECORD,
    AccessError,
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
    SfosError,
    SpaceInfo,
    StorageFailed,
    StorageFull,
    from_info,
    pack_commit,
    pack_ids,
    pack_records,
    unpack_results,
)

_log = logging.getLogger(__name__)

# What the body of one put_chunks holds beside its records.
LARGE_BLOCK_BYTES = MAX_BODY - 64 * 1024
# What concerns every file that is still to come: trying them one by one would only repeat it.
_GENERAL = (*PASSING, AccessError, StorageFull, QuotaExceeded, StorageFailed)
_HEADER_BYTES = 256  # about what a request's own JSON takes
_PUT_REPLY_BYTES = 256
_RESULT_BYTES = 4096  # an item's result at the most: its error's sentence and name, escaped
_SHOWN_AT_ONCE = 8


class Work(Protocol):
    """What exchanges tell of their end: `UploadWork`."""

    ledger: Ledger
    space: SpaceInfo

    def block_done(self, block: Block) -> None:
        """Its memory is free again."""

    def chunks_there(self, file: UploadFile, size: int) -> None:
        """So many bytes more of a large file are on the server."""

    def commit_done(self) -> None:
        """Another commit may begin."""

    def took(self, seconds: float) -> None:
        """The server answered a question after so long."""

    def read_again(self, file: UploadFile, error: SfosError) -> None:
        """The server lacks parts of it."""

    def fail(self, file: UploadFile, error: SfosError) -> None:
        """It is given up."""


def _check(error: SfosError | None) -> None:
    if isinstance(error, _GENERAL):
        raise error


def first_step(work: Work, block: Block) -> Exchange:
    """What to send of a block first."""
    return HaveBlock(work, block) if block.chunks else CommitFiles(work, block.files, block)


class HaveBlock:
    """Which chunks of the block does the server lack?"""

    def __init__(self, work: Work, block: Block) -> None:
        self._work = work
        self._block = block
        self.first_lane_only = block.small
        self._ids = block.ids()
        self._sent_at = 0.0
        self.request_bytes = len(self._ids) * CHUNK_ID_BYTES + _HEADER_BYTES
        self.most_reply_bytes = len(self._ids) + _HEADER_BYTES

    def send(self, connection: Connection) -> None:
        """See `Exchange`."""
        self._sent_at = time.monotonic()
        connection.send(HaveRequest(ids=len(self._ids)), pack_ids(self._ids))

    def answered(self, answer: Answer) -> Sequence[Exchange]:
        """Send what is lacking."""
        _check(answer.error)
        self._work.took(time.monotonic() - self._sent_at)
        work, block = self._work, self._block
        if answer.error is not None:
            return _give_up(work, block, answer.error)
        answer.expect(HaveReply)
        if len(answer.body) != len(self._ids):
            raise RemoteProtocolError("The server answered for another number of parts than was asked for.")
        lacking = frozenset(name for name, there in zip(self._ids, answer.body, strict=True) if not there)
        if block.small:
            return [CommitFiles(work, block.files, block, block.places(lacking))]
        for file, record, _ in block.chunks:
            if record.chunk_id not in lacking:
                work.chunks_there(file, record.length)
        if lacking:
            return [PutBlock(work, block, lacking)]
        work.block_done(block)
        return []


def _give_up(work: Work, block: Block, error: SfosError) -> list[Exchange]:
    for file in block.files:
        work.fail(file, error)
    work.block_done(block)
    return []


class AskKnown:
    """Which chunks has the earlier version? They are a guess at those of the file that takes its place, no more: what
    cannot be told in one page, or is no longer as it was, is left."""

    first_lane_only = False

    def __init__(self, work: Work, file: UploadFile, earlier: Entry) -> None:
        self._space = work.space
        self._file = file
        self._earlier = earlier
        self.request_bytes = _HEADER_BYTES
        self.most_reply_bytes = min(most_chunks(earlier.size), MANIFEST_PAGE) * RECORD.size + _HEADER_BYTES

    def send(self, connection: Connection) -> None:
        """See `Exchange`."""
        ref = Ref(space=self._space.space, node=self._earlier.node)
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

    def __init__(self, work: Work, block: Block, lacking: frozenset[bytes]) -> None:
        self._work = work
        self._block = block
        self._lacking = lacking
        self._places = block.places(lacking)
        self.request_bytes = sum(record.length + RECORD.size for record, _ in self._places) + _HEADER_BYTES
        self.most_reply_bytes = _PUT_REPLY_BYTES

    def send(self, connection: Connection) -> None:
        """See `Exchange`."""
        records = pack_records(record for record, _ in self._places)
        pieces = self._block.pieces(self._places)
        connection.send(PutChunksRequest(chunks=len(self._places)), records, *pieces)

    def answered(self, answer: Answer) -> Sequence[Exchange]:
        """The chunks are durable."""
        _check(answer.error)
        work, block = self._work, self._block
        if answer.error is not None:
            return _give_up(work, block, answer.error)
        answer.expect(PutChunksReply)
        for file, record, _ in block.chunks:
            if record.chunk_id in self._lacking:
                work.chunks_there(file, record.length)
        work.block_done(block)
        return []


class CommitFiles:
    """Put files in place. With `block`, small ones whose lacking contents (`inline`) travel in the same request."""

    first_lane_only = True

    def __init__(
        self, work: Work, files: list[UploadFile], block: Block | None = None, inline: Sequence[Place] = ()
    ) -> None:
        self._work = work
        self._files = files
        self._block = block
        self._op_id = new_op_id()
        self._inline = list(inline)
        records = sum([len(file.records) for file in files])
        data = sum([record.length for record, _ in self._inline]) + len(self._inline) * RECORD.size
        self.request_bytes = data + records * RECORD.size + len(files) * _HEADER_BYTES
        self.most_reply_bytes = len(files) * _RESULT_BYTES + records * CHUNK_ID_BYTES

    def send(self, connection: Connection) -> None:
        """The same request each time, under the same op_id: it is applied once."""
        for file in self._files[:_SHOWN_AT_ONCE]:
            self._work.ledger.begin(file.row)
        items = [file.item() for file in self._files]
        request, body = pack_commit(self._op_id, items, [record for file in self._files for record in file.records])
        if self._block is None or not self._inline:
            connection.send(request, body)
            return
        # The contents go out from where they were read to: a copy of them all would cost as much as sealing them.
        request = replace(request, inline=len(self._inline))
        records = pack_records([record for record, _ in self._inline])
        connection.send(request, body, records, *self._block.pieces(self._inline))

    def answered(self, answer: Answer) -> Sequence[Exchange]:
        """Each file is there, or has its reason."""
        _check(answer.error)
        if answer.error is not None:
            for file in self._files:
                self._work.fail(file, answer.error)
        else:
            results, _ = unpack_results(answer.expect(ItemsReply), answer.body)
            if len(results) != len(self._files):
                raise RemoteProtocolError("The server answered for another number of files than were sent.")
            self._settle(results)
        if self._block is not None:
            self._work.block_done(self._block)
        else:
            self._work.commit_done()
        return []

    def _settle(self, results: Sequence[ItemResult]) -> None:
        done: list[Row] = []
        for file, result in zip(self._files, results, strict=True):
            if result.error is None:
                done.append(file.row)
                continue
            error = from_info(result.error)
            if isinstance(error, MissingChunks):
                self._work.read_again(file, error)
            else:
                self._work.fail(file, error)
        self._work.ledger.done_all_of(done)
