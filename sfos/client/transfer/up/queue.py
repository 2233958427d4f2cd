"""Queue of what the lanes of an upload are to send.

    small files    block of up to 4 MiB ─▶ have ─▶ commit, with what is lacking inline
    larger files   block of 8 MiB       ─▶ have ─▶ put_chunks ─▶ … ─▶ commit, when all blocks of a file are there

Lane 0 alone commits and carries small files (one writer on the server, no convoy: measured 20 % faster), unless the
server is far away and each commit costs a wait: then all lanes do. All lanes carry blocks of chunks.
"""

from __future__ import annotations

from collections import deque

from sfos.client.transfer.feed import FAR_S, Exchange, Feed
from sfos.client.transfer.up.block import Block
from sfos.client.transfer.up.exchanges import AskKnown, CommitFiles, first_step
from sfos.client.transfer.up.files import SendingFile
from sfos.client.transfer.up.sending import Sending
from sfos.protocol import MIN_CHUNK_BYTES, Entry

_COMMIT_FILES = 500
_COMMIT_RECORDS = 100_000


class SendQueue(Feed):
    """The feed of an upload's lanes. Thread-safe."""

    def __init__(self, sending: Sending) -> None:
        super().__init__(sending.switch, sending.changed)
        self._sending = sending
        self._files = sending.files
        self._small: deque[Exchange] = deque()
        self._large: deque[Exchange] = deque()
        self._commit: CommitFiles | None = None  # the latest one of large files: one at a time
        self._reading = True
        self._expects_any = self._expects_large = False

    # ── told by the plan and by the reader ──────────────────────────────────────────────────────────────────────

    def expect(self, size: int) -> None:
        """A file of so many bytes will come: time to connect."""
        if self._expects_large or (size <= MIN_CHUNK_BYTES and self._expects_any):
            return  # asked for every file
        with self._changed:
            self._expects_any = True
            self._expects_large = size > MIN_CHUNK_BYTES
            self._changed.notify_all()

    def put(self, block: Block) -> None:
        """Let a full block be sent, but for what the server has anyway. Should it not, its commit will say so."""
        sending = self._sending
        if block.all_known:
            for file, record, _ in block.chunks:
                sending.files.chunks_there(file, record.length)
            sending.block_done(block)
            return
        with self._changed:
            (self._small if block.small else self._large).append(first_step(sending, block))
            self._changed.notify_all()

    def ask_known(self, file: SendingFile, earlier: Entry) -> None:
        """Let the chunks of an earlier version be asked for; `file.known` is of them once the answer has come."""
        with self._changed:
            self._large.append(AskKnown(self._sending, file, earlier))
            self._changed.notify_all()

    def reading_ended(self) -> bool:
        """Nothing more comes unless a file has to be read again; whether that is so. Blocks until it is known."""
        with self._changed:
            self._reading = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._switch.cancelled or self._files.again or self._idle())
            self._switch.check()
            self._reading = bool(self._files.again)
            return self._reading

    # ── for the lanes (Feed) ────────────────────────────────────────────────────────────────────────────────────

    def _wants(self, lane: int) -> bool:
        if self._ended():
            return False
        if lane == 0:
            return self._expects_any or bool(self._files.again)
        return self._expects_large or (self._is_far and bool(self._small))

    @property
    def _is_far(self) -> bool:
        round_trip_s = self._sending.round_trip_s
        return round_trip_s is not None and round_trip_s > FAR_S

    def _pick(self, lane: int) -> Exchange | None:
        if lane == 0 and self._files.ready and (self._commit is None or self._commit.is_over):
            self._commit = self._next_commit()
            return self._commit
        if self._small and (lane == 0 or self._is_far):
            return self._small.popleft()
        return self._large.popleft() if self._large else None

    def _next_commit(self) -> CommitFiles:
        ready = self._files.ready
        files: list[SendingFile] = []
        records = 0
        while ready and len(files) < _COMMIT_FILES:
            records += len(ready[0].records)
            if files and records > _COMMIT_RECORDS:
                break
            files.append(ready.popleft())
        return CommitFiles(self._sending, files)

    def _idle(self) -> bool:
        return not (self._active or self._small or self._large or self._files.ready or self._files.again)

    def _ended(self) -> bool:
        return not self._reading and self._idle()

    def _put_back(self, exchange: Exchange) -> None:
        (self._small if exchange.first_lane_only else self._large).appendleft(exchange)
