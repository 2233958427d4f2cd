"""Watch of a space's changes, as they happen: a connection on which only the server writes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

import msgspec

from sfos.client.net.connection import Connection
from sfos.client.nodes import SpaceNaming
from sfos.client.retry import PASSING, Retries, RetryPolicy
from sfos.protocol import (
    Change,
    Cursor,
    RemoteProtocolError,
    ResyncRequired,
    SfosError,
    WatchEvent,
    WatchReply,
    WatchRequest,
    decode_changes,
)

# A server that is there says so at each heartbeat; two may be late before it is taken for gone.
_SILENCE_HEARTBEATS = 2.5


class Changed(msgspec.Struct, frozen=True):
    """These nodes changed; every `change.entry` is its latest state. `cursor`: how far this goes.

    `more`: others follow that belong to the same moment.
    """

    changes: tuple[Change, ...]
    cursor: Cursor
    more: bool = False


class Resync(msgspec.Struct, frozen=True):
    """Too much was missed (or a backup was restored): read the lists anew. Watching goes on from `cursor`."""

    cursor: Cursor


class WatchInterrupted(msgspec.Struct, frozen=True):
    """The connection was lost; it is tried again, as the client's options say. `error` says what to show."""

    error: SfosError


class WatchResumed(msgspec.Struct, frozen=True):
    """Watching has begun, or goes on; nothing was missed (or `Resync` follows)."""

    cursor: Cursor


WatchNotice = Changed | Resync | WatchInterrupted | WatchResumed


class Watch:
    """An endless iterator of notices, for one thread; `close()` from any thread ends it.

    Blocks until something happens. The first notice is WatchResumed. Raises: SessionEnded and other AccessErrors, and
    TrustErrors, after which it is over; what the network does never raises, it is told as WatchInterrupted.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        since: Cursor | None,
        naming: SpaceNaming,
        heartbeat_s: float,
        retry: RetryPolicy,
        on_close: Callable[[Watch], None],
        on_word: Callable[[], None] = lambda: None,
    ) -> None:
        """Sessions make them, for `Api.watch`. `on_word`: the server has said something, if only that it is there."""
        self._connect = connect
        self.cursor = since
        self._naming = naming
        self._heartbeat_s = heartbeat_s
        self._retries = Retries(retry)
        self._on_close, self._on_word = on_close, on_word
        self._closing = threading.Event()
        self._in_use = threading.Lock()  # held while a thread waits for the next notice
        self._hand_over = threading.Lock()  # guards `_connection` between that thread and `close`
        self._connection: Connection | None = None
        self._request_id = 0
        self._interrupted = False
        self._missed = False  # something was, and that is to be told once watching goes on

    def __iter__(self) -> Iterator[WatchNotice]:
        return self

    def __next__(self) -> WatchNotice:
        with self._in_use:
            try:
                while not self._closing.is_set():
                    notice = self._step()
                    if notice is not None and not self._closing.is_set():
                        return notice
            except BaseException:
                self._release()
                raise
            self._release()
            raise StopIteration

    def close(self) -> None:
        """End the iteration, at once and from any thread."""
        self._closing.set()
        with self._hand_over:
            if self._connection is not None and self._in_use.locked():
                self._connection.abort()
        if self._in_use.acquire(blocking=False):
            try:
                self._release()
            finally:
                self._in_use.release()
        self._on_close(self)

    def _release(self) -> None:
        with self._hand_over:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _step(self) -> WatchNotice | None:
        """Next notice, or None for a heartbeat, for a wait before the next try, or because the next try is without a
        cursor."""
        try:
            if self._connection is None:
                return self._begin()
            return self._next_event()
        except ResyncRequired as error:
            self._release()
            if self._missed:  # it says so even of the cursor of now
                return self._interruption(error)
            self._missed, self.cursor = True, None
            return None
        except (*PASSING, RemoteProtocolError) as error:
            self._release()
            return self._interruption(error)

    def _interruption(self, error: SfosError) -> WatchNotice | None:
        if not self._interrupted:
            self._interrupted = True
            return WatchInterrupted(error)
        wait = self._retries.wait_after(error)
        if wait is None:
            raise error
        self._closing.wait(wait)
        return None

    def _begin(self) -> WatchNotice | None:
        connection = self._connect()
        with self._hand_over:
            self._connection = connection
        if self._closing.is_set():
            return None
        connection.set_timeout(self._heartbeat_s * _SILENCE_HEARTBEATS + 5)
        request = WatchRequest(space=self._naming.asked, since=self.cursor, heartbeat_s=self._heartbeat_s)
        answer = connection.request(request)
        self._request_id = answer.request_id
        self.cursor = answer.expect(WatchReply).cursor
        self._interrupted = False
        self._retries.succeeded()
        missed, self._missed = self._missed, False
        return Resync(self.cursor) if missed else WatchResumed(self.cursor)

    def _next_event(self) -> WatchNotice | None:
        assert self._connection is not None
        event, body = self._connection.receive_event(self._request_id, WatchRequest, WatchEvent)
        self._on_word()
        changes = tuple(map(self._naming.own_change, decode_changes(body)))
        self.cursor = event.cursor
        return Changed(changes, event.cursor, event.more) if changes else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
