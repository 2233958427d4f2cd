"""Chores of a server in its store, in a thread of their own: old history goes, then whatever nobody needs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sfos.config import Storage
from sfos.protocol import SfosError
from sfos.server.disk.sqlite import DatabaseError
from sfos.server.disk.storage_faults import StorageFault
from sfos.server.maintenance.expire import expire_history
from sfos.server.maintenance.gc import collect_garbage
from sfos.server.maintenance.lease import HeldOff
from sfos.server.spaces.operations.context import SpaceContext
from sfos.server.spaces.registry import SpaceRegistry

_log = logging.getLogger(__name__)

# A server that is restarted every day still gets to it; one that has just started has better things to do.
_FIRST_AFTER_S = 600.0


@dataclass(frozen=True, slots=True)
class Chore:
    """A chore that is done to each space every so often; 0 is never."""

    name: str
    every_s: float
    do: Callable[[SpaceContext], str]  # what it did, for the log; empty if nothing


class Upkeep:
    """Does the chores from `start` until `stopping` is set; `join` waits for the one that is running."""

    def __init__(self, spaces: SpaceRegistry, chores: Sequence[Chore], stopping: threading.Event) -> None:
        self._spaces = spaces
        self._chores = [chore for chore in chores if chore.every_s > 0]
        self._stopping = stopping
        self._thread = threading.Thread(target=self._run, name="upkeep")

    def start(self) -> None:
        if self._chores:
            self._thread.start()

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait until nothing is done any more; whether that is so. `stopping` has been set: chores end early then."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        now = time.monotonic()
        due = [now + min(chore.every_s, _FIRST_AFTER_S) for chore in self._chores]
        while not self._stopping.wait(max(0.0, min(due) - time.monotonic())):
            for at, chore in enumerate(self._chores):
                if due[at] <= time.monotonic():
                    self._do(chore)
                    due[at] = time.monotonic() + chore.every_s

    def _do(self, chore: Chore) -> None:
        for space_id in self._spaces.space_ids():
            if self._stopping.is_set():
                return
            try:
                with self._spaces.inspect(space_id) as context:
                    done = chore.do(context)
            except HeldOff as error:
                _log.info("%s: no %s now: %s", space_id, chore.name, error)
            except (StorageFault, SfosError, OSError, DatabaseError) as error:
                _log.error("%s: %s failed: %s", space_id, chore.name, error)
            except Exception:  # a fault of ours in one space must not end the upkeep of all
                _log.exception("%s: %s failed", space_id, chore.name)
            else:
                if done:
                    _log.info("%s: %s: %s", space_id, chore.name, done)


def chores_of(settings: Storage, stopping: Callable[[], bool]) -> list[Chore]:
    """Expiry and then garbage collection, as the settings say."""
    return [
        Chore("expiry of history", settings.expire_every_s, lambda context: _expire(context, settings, stopping)),
        Chore("garbage collection", settings.gc_every_s, lambda context: _collect(context, settings, stopping)),
    ]


def _expire(context: SpaceContext, settings: Storage, stopping: Callable[[], bool]) -> str:
    done = expire_history(context, int(settings.history_kept_s * 1_000), stopping)
    return f"{done.states} past states forgotten" if done.states else ""


def _collect(context: SpaceContext, settings: Storage, stopping: Callable[[], bool]) -> str:
    done = collect_garbage(context, int(settings.gc_grace_s * 1_000), stopping)
    if not (done.chunks or done.orphans or done.lists):
        return ""
    return f"{done.chunks} chunks removed ({done.bytes} bytes), {done.orphans} orphans, {done.lists} lists"
