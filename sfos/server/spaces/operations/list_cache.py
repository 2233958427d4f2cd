"""The sealed lists of chunks that were opened last: a big file is read in many requests."""

from __future__ import annotations

import threading
from collections import OrderedDict

MAX_CACHED_BYTES = 8 * 1024 * 1024  # the list of one file of 230 GiB


class ListCache:
    """Packed records by content. A content never changes, so nothing has to be forgotten but for room."""

    def __init__(self, max_bytes: int = MAX_CACHED_BYTES) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._lists: OrderedDict[bytes, bytes] = OrderedDict()
        self._bytes = 0

    def get(self, content: bytes) -> bytes | None:
        """The records, if they are kept."""
        with self._lock:
            found = self._lists.get(content)
            if found is not None:
                self._lists.move_to_end(content)
            return found

    def put(self, content: bytes, records: bytes) -> None:
        """Keep them, and forget what was longest not asked for."""
        if len(records) > self._max_bytes:
            return
        with self._lock:
            if content not in self._lists:
                self._lists[content] = records
                self._bytes += len(records)
            while self._bytes > self._max_bytes:
                _, forgotten = self._lists.popitem(last=False)
                self._bytes -= len(forgotten)
