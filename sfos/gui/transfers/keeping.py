"""Writing down, soon after each change, which transfers have not come to their end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from sfos.client.transfer import queue_file
from sfos.client.transfer.queue_file import Kept
from sfos.gui.threads.bridge import TaskBridge, Timer

_log = logging.getLogger(__name__)

SOON_S = 0.5  # what changes in so short a time is written once
AGAIN_S = 30.0  # after a write that failed: a full disk is not emptied within a moment


class TransferKeeper:
    """Keeps the file at `path` as `wanted()` says: `changed` after each change, `last_words` when the session ends."""

    def __init__(self, bridge: TaskBridge, path: Path, wanted: Callable[[], tuple[Kept, ...]]) -> None:
        self._bridge, self._path, self._wanted = bridge, path, wanted
        self._written: tuple[Kept, ...] | None = ()  # or is being written; None: that failed
        self._loaded = False  # until it is known what is there, nothing is written over it
        self._timer: Timer | None = None
        self._lock = threading.Lock()  # held while a thread writes
        self._newest: tuple[Kept, ...] = ()
        self._last: tuple[Kept, ...] | None = None  # known once the session has ended: the file is the next one's then

    def load(self, then: Callable[[tuple[Kept, ...]], None]) -> None:
        """Read what was kept, in a thread."""

        def done(kept: tuple[Kept, ...]) -> None:
            self._written, self._loaded = kept, True
            then(kept)

        self._bridge.run_in_thread(
            lambda _token: queue_file.load(self._path), done, self._failed, name="gui-transfers-load"
        )

    def changed(self) -> None:
        """Write down soon that something began, ended or changed its place."""
        if self._timer is None and self._last is None:
            self._timer = self._bridge.call_later(SOON_S, self._write)

    def _write(self) -> None:
        self._timer = None
        if not self._loaded:
            self.changed()
            return
        kept = self._wanted()
        if kept != self._written:
            self._written = self._newest = kept
            self._bridge.run_in_thread(
                lambda _token: self._save(), lambda _nothing: None, self._not_written, name="gui-transfers-save"
            )

    def _save(self) -> None:
        with self._lock:
            # A later list may be on its way, or have come first: the newest one is the truth.
            queue_file.save(self._path, self._newest if self._last is None else self._last)

    def _not_written(self, error: Exception) -> None:
        """Doubt what the file holds now: the next change writes it, and if none comes, a later attempt."""
        self._failed(error)
        self._written = None
        self._bridge.call_later(AGAIN_S, self.changed)

    def _failed(self, error: Exception) -> None:
        _log.warning("the unfinished transfers were not written down: %s", error)

    def last_words(self) -> Callable[[], None]:
        """Function to call in a thread, which writes down how things stand now; nothing is written after it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        wanted = self._last = self._wanted()

        def write() -> None:
            try:
                if not self._loaded:
                    self._last = (*wanted, *queue_file.load(self._path))
                self._save()
            except Exception as error:  # the session has to end in any case
                self._failed(error)

        return write
