"""Queue of what the lanes of a download are to ask for.

    small files    get_chunks for many files at once ─▶ temporary file ─▶ renamed
    larger files   manifest ─▶ get_chunks, on all lanes at once ─▶ written at their places ─▶ fsync ─▶ renamed

Very small files come over lane 0 alone: each takes six calls of the system, and two lanes would hand Python's lock to
and fro at every one of them (measured: a tenth more CPU time for both sides together). Unless the server is far away,
for then two connections ask for more in a round trip. Larger contents are fetched by all lanes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from sfos.client.net.connection import Connection
from sfos.client.transfer.down.arrivals import Arrivals
from sfos.client.transfer.down.exchanges import Manifest, Range, SmallFiles
from sfos.client.transfer.down.files import FetchingFile, FileToFetch
from sfos.client.transfer.feed import FAR_S, Exchange, Feed
from sfos.client.transfer.switch import Switch
from sfos.protocol import MAX_CHUNK_BYTES, MIN_CHUNK_BYTES

# Four requests of so many wants are what may be unanswered while their replies are large (64 KiB). Fewer towards the
# end, so that both sides have something to do to the last.
_SMALL_FILES_AT_ONCE = 335
_LEAST_FILES_AT_ONCE = 75
_MOST_WAITING = 20_000  # files, of 1 KB each with all that is known of it
_SMALL_BYTES_AT_ONCE = 4 * 1024 * 1024
_LARGE_FILES_OPEN = 8
_RANGE_BYTES = MAX_CHUNK_BYTES
# On an average; larger ones take longer to receive, check and copy, which two lanes can do at the same time.
_VERY_SMALL_BYTES = 32 * 1024
# What is less is not worth a second connection.
_SMALL_JOB_BYTES = 1024 * 1024
_SMALL_JOB_FILES = 64


class FetchQueue(Feed):
    """The feed of a download's lanes. Thread-safe."""

    def __init__(self, arrivals: Arrivals, switch: Switch) -> None:
        super().__init__(switch, arrivals.changed)
        self._arrivals = arrivals
        self._small: deque[FileToFetch] = deque()
        self._large: deque[FileToFetch] = deque()
        self._planning = True
        self._expected = False
        self._small_files = self._small_bytes = self._large_bytes = 0
        self._returned: deque[Exchange] = deque()

    # ── told by the plan ────────────────────────────────────────────────────────────────────────────────────────

    def expect(self) -> None:
        """Let the lanes connect: something is to be fetched."""
        if not self._expected:
            with self._changed:
                self._expected = True
                self._changed.notify_all()

    def add(self, files: Sequence[FileToFetch]) -> None:
        """Add files to be fetched, and more may come; not links and empty files, which need no server.

        Blocks while very many small ones are waiting, for each of them costs memory. Raises: Cancelled.
        """
        with self._changed:
            self._expected = self._expected or bool(files)
            small = [file for file in files if file.entry.size <= MIN_CHUNK_BYTES]  # `is_small`, and no call for each
            self._small += small
            self._small_files += len(small)
            self._small_bytes += sum([file.entry.size for file in small])
            if len(small) < len(files):
                large = [file for file in files if not file.is_small]
                self._large += large
                self._large_bytes += sum([file.entry.size for file in large])
            self._changed.notify_all()
            if self._planning and len(self._small) > _MOST_WAITING:
                self._changed.wait_for(lambda: self._switch.cancelled or len(self._small) <= _MOST_WAITING)
                self._switch.check()

    def planned(self) -> None:
        """Note that the plan is at its end."""
        with self._changed:
            self._planning = False
            self._changed.notify_all()

    # ── for the lanes (Feed) ────────────────────────────────────────────────────────────────────────────────────

    def connected(self, connection: Connection) -> None:
        """See `Feed`."""
        connection.ask_ahead()
        super().connected(connection)

    def _wants(self, lane: int) -> bool:
        if self._ended():
            return False
        if lane == 0:
            return self._expected
        many = self._small_files > _SMALL_JOB_FILES or self._small_bytes > _SMALL_JOB_BYTES
        return self._large_bytes > _SMALL_JOB_BYTES or (many and self._shares_small)

    @property
    def _shares_small(self) -> bool:
        """Whether all lanes carry small files."""
        return self._handshake_s > FAR_S or self._small_bytes > self._small_files * _VERY_SMALL_BYTES

    def _pick(self, lane: int) -> Exchange | None:
        if self._returned:
            return self._returned.popleft()
        if lane == 0:
            return self._next_small() or self._next_large()
        return self._next_large() or (self._next_small() if self._shares_small else None)

    def _next_small(self) -> Exchange | None:
        files: list[FileToFetch] = []
        total, most = 0, min(max(_LEAST_FILES_AT_ONCE, len(self._small) // 4), _SMALL_FILES_AT_ONCE)
        while self._small and len(files) < most:
            total += self._small[0].entry.size
            if files and total > _SMALL_BYTES_AT_ONCE:
                break
            files.append(self._small.popleft())
        return SmallFiles(self._arrivals, files) if files else None

    def _next_large(self) -> Exchange | None:
        opened = self._arrivals.open_files
        for file in opened:
            if not file.over and file.records and (found := self._next_range(file)) is not None:
                return found
        if self._large and len(opened) < _LARGE_FILES_OPEN:
            file = FetchingFile(self._large.popleft())
            opened.append(file)
            return Manifest(self._arrivals, file)
        return None

    def _next_range(self, file: FetchingFile) -> Range | None:
        """The next run of missing chunks that fits one reply; none while the file is not open yet, or all are asked."""
        ordinal, end = file.next_ordinal, len(file.records)
        if file.descriptor is None:
            return None
        while ordinal < end and file.present[ordinal]:
            ordinal += 1
        first, total = ordinal, 0
        while ordinal < end and not file.present[ordinal]:
            total += file.records[ordinal].length
            if ordinal > first and total > _RANGE_BYTES:
                break
            ordinal += 1
        file.next_ordinal = ordinal
        return Range(self._arrivals, file, first, ordinal - first) if ordinal > first else None

    def _ended(self) -> bool:
        waiting = self._small or self._large or self._returned or self._arrivals.open_files
        return not (self._planning or self._active or waiting)

    def _put_back(self, exchange: Exchange) -> None:
        self._returned.appendleft(exchange)
