"""What changes in a space, as it changes: a connection on which only the server writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from protocol import Change, Cursor, SfosError


@dataclass(frozen=True, slots=True)
class Changed:
    """These nodes changed; every `change.entry` is its latest state. `cursor`: how far this goes."""

    changes: tuple[Change, ...]
    cursor: Cursor


@dataclass(frozen=True, slots=True)
class Resync:
    """Too much was missed (or a backup was restored): read the lists anew. Watching goes on from `cursor`."""

    cursor: Cursor


@dataclass(frozen=True, slots=True)
class WatchInterrupted:
    """The connection was lost; it is tried again without an end, with growing waits. `error` says what to show."""

    error: SfosError


@dataclass(frozen=True, slots=True)
class WatchResumed:
    """Watching goes on; nothing was missed (or `Resync` follows)."""

    cursor: Cursor


WatchNotice = Changed | Resync | WatchInterrupted | WatchResumed


class Watch:
    """An endless iterator of notices, for one thread; `close()` from any thread ends it.

    Blocks until something happens. Raises: SessionEnded and other AccessErrors, after which it is over; what the
    network does never raises, it is told as WatchInterrupted.
    """

    cursor: Cursor

    def __iter__(self) -> Iterator[WatchNotice]: ...

    def close(self) -> None:
        """End the iteration, at once and from any thread."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
