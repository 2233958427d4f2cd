"""The three requests of a download: many small files, the list of a large file's chunks, a run of its chunks."""

from __future__ import annotations

from collections.abc import Sequence

from sfos.client.contents import MANIFEST_PAGE, REPLY_BYTES, check_manifest, manifest_page, most_chunks, unpack_chunks
from sfos.client.errors import Cancelled, LocalDiskFull
from sfos.client.net.connection import Answer, Connection
from sfos.client.retry import PASSING
from sfos.client.transfer.down.arrivals import Arrivals
from sfos.client.transfer.down.files import FetchingFile, FileToFetch
from sfos.client.transfer.feed import Exchange
from sfos.protocol import (
    LENGTH,
    MAX_BODY,
    RECORD,
    WANT,
    AccessError,
    ChunkWant,
    GetChunksReply,
    GetChunksRequest,
    ManifestReply,
    ManifestRequest,
    Ref,
    SfosError,
    TreeError,
    from_info,
    pack_wants,
)

# What concerns every file that is still to come.
_GENERAL = (*PASSING, AccessError, Cancelled, LocalDiskFull)
_HEADER_BYTES = 256


def _check(error: SfosError | None) -> None:
    if isinstance(error, _GENERAL):
        raise error


class SmallFiles:
    """Files of one chunk each, whose content's name is its only chunk's: no list is needed."""

    first_lane_only = False

    def __init__(self, arrivals: Arrivals, files: Sequence[FileToFetch]) -> None:
        self._arrivals = arrivals
        self._files = files
        self.request_bytes = len(files) * WANT.size + _HEADER_BYTES
        data = sum(file.entry.size + LENGTH.size for file in files)
        self.most_reply_bytes = min(data + _HEADER_BYTES, MAX_BODY)

    def send(self, connection: Connection) -> None:
        """See `Exchange`."""
        wants = b"".join([WANT.pack(file.entry.node, file.entry.content or b"", 0, 1) for file in self._files])
        request = GetChunksRequest(space=self._arrivals.asked, wants=len(self._files), max_bytes=REPLY_BYTES)
        connection.send(request, wants)

    def answered(self, answer: Answer) -> Sequence[Exchange]:
        """Write what has come; what did not fit is asked for again."""
        _check(answer.error)
        if answer.error is not None:
            return self._refused(answer.error)
        reply = answer.expect(GetChunksReply)
        if reply.chunks == 0 and reply.stopped is not None:
            return self._without_first(0, from_info(reply.stopped))
        wanted = [(file.entry.content or b"", file.entry.size) for file in self._files]
        contents = unpack_chunks(self._arrivals.space, reply, answer.body, wanted)
        arrived, error = self._arrivals.small_arrived(self._files, contents)
        if error is not None:
            return self._without_first(arrived, error)
        if reply.stopped is not None and arrived < len(self._files):
            return self._without_first(arrived, from_info(reply.stopped))
        return [SmallFiles(self._arrivals, self._files[arrived:])] if arrived < len(self._files) else []

    def _refused(self, error: SfosError) -> list[Exchange]:
        """The whole request failed: each file for itself, so that one does not fail the others."""
        if len(self._files) == 1:
            return self._without_first(0, error)
        return [SmallFiles(self._arrivals, [file]) for file in self._files]

    def _without_first(self, arrived: int, error: SfosError) -> list[Exchange]:
        self._arrivals.fail_small(self._files[arrived], error)
        rest = self._files[arrived + 1 :]
        return [SmallFiles(self._arrivals, rest)] if rest else []


class Manifest:
    """The chunks of a large file."""

    first_lane_only = False
    request_bytes = _HEADER_BYTES

    def __init__(self, arrivals: Arrivals, file: FetchingFile) -> None:
        self._arrivals = arrivals
        self._file = file
        left = most_chunks(file.todo.entry.size) - len(file.records)
        self.most_reply_bytes = min(left, MANIFEST_PAGE) * RECORD.size + _HEADER_BYTES

    def send(self, connection: Connection) -> None:
        """See `Exchange`."""
        file = self._file
        ref = Ref(space=self._arrivals.asked, node=file.todo.entry.node)
        connection.send(ManifestRequest(ref=ref, first=len(file.records), limit=MANIFEST_PAGE))

    def answered(self, answer: Answer) -> Sequence[Exchange]:
        """Ask for its next page, or begin with the file."""
        _check(answer.error)
        file = self._file
        try:
            reply = answer.expect(ManifestReply)
            if reply.content != file.todo.content:
                raise TreeError("The file was changed in the meantime; try again.", subject=file.todo.row.remote)
            file.records += manifest_page(file.todo.entry, reply, len(file.records), answer.body)
            if len(file.records) < reply.chunks:
                return [Manifest(self._arrivals, file)]
            check_manifest(self._arrivals.space, file.todo.entry, file.records)
            self._arrivals.manifest_arrived(file)
        except _GENERAL:
            raise
        except SfosError as error:
            self._arrivals.fail(file, error)
        return []


class Range:
    """Some chunks of a large file, one after the other."""

    first_lane_only = False
    request_bytes = WANT.size + _HEADER_BYTES

    def __init__(self, arrivals: Arrivals, file: FetchingFile, first: int, count: int) -> None:
        self._arrivals = arrivals
        self._file = file
        self._first = first
        self._count = count
        data = sum(record.length + LENGTH.size for record in file.records[first : first + count])
        self.most_reply_bytes = data + _HEADER_BYTES

    def send(self, connection: Connection) -> None:
        """See `Exchange`."""
        want = ChunkWant(self._file.todo.entry.node, self._file.todo.content, self._first, self._count)
        connection.send(
            GetChunksRequest(space=self._arrivals.asked, wants=1, max_bytes=REPLY_BYTES), pack_wants([want])
        )

    def answered(self, answer: Answer) -> Sequence[Exchange]:
        """Write what has come; what did not fit is asked for again."""
        _check(answer.error)
        file = self._file
        arrived = 0
        try:
            reply = answer.expect(GetChunksReply)
            wanted = file.records[self._first : self._first + self._count]
            for data in unpack_chunks(self._arrivals.space, reply, answer.body, wanted):
                if not file.over:
                    self._arrivals.chunk_arrived(file, self._first + arrived, data)
                arrived += 1
            if reply.stopped is not None and arrived < self._count:
                raise from_info(reply.stopped)
        except _GENERAL:
            raise
        except SfosError as error:
            self._arrivals.fail(file, error)
        if arrived < self._count and not file.over:
            return [Range(self._arrivals, file, self._first + arrived, self._count - arrived)]
        return []
