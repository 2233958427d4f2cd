"""Connections and answers that a session has before somebody asks for them.

A connection takes three round trips (TCP, TLS, attach) before it can be used. Whoever knows that one will be needed
begins it early, and makes plans meanwhile. And whoever knows what will be asked first sends it with the first flight.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from sfos.client.errors import ConnectionFailed
from sfos.client.net.connection import Answer, Connection
from sfos.protocol import ChangingRequest, Request, ServerBusy, ServerStopping, SfosError

if TYPE_CHECKING:  # where something is done beside, it is imported: most commands need none of it
    from concurrent.futures import Future

_log = logging.getLogger(__name__)


class ConnectionsAhead:
    """Those on their way. All methods may be called from any thread; only `take` blocks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._coming: deque[tuple[str, Future[Connection]]] = deque()
        self._closed = False

    def begin(self, ticket_id: str, connect: Callable[[], Connection]) -> None:
        """Open one in a thread of its own, for the session of that ticket; none if there can be no more threads."""
        with self._lock:
            if self._closed:
                return
            from sfos.client.net.beside import run_beside  # only now: most commands open none

            try:
                future = run_beside(connect, "connect-ahead")
            except RuntimeError as error:  # it would only have saved time
                _log.debug("no connection ahead: %s", error)
                return
            self._coming.append((ticket_id, future))

    def take(self, ticket_id: str) -> Connection | None:
        """Take the connection begun first; None if there is none that came about. Blocks until that is known."""
        while True:
            with self._lock:
                if not self._coming:
                    return None
                begun_for, future = self._coming.popleft()
            if begun_for != ticket_id:  # of a session that has been renewed since
                future.add_done_callback(_close)
                continue
            try:
                connection = future.result()
            except SfosError as error:
                _log.debug("no connection ahead: %s", error)
                continue
            if connection.usable:
                return connection

    def close(self) -> None:
        """Close what nobody has taken: now, or when it comes about. No more are begun."""
        with self._lock:
            self._closed = True
            coming, self._coming = self._coming, deque()
        for _, future in coming:
            future.add_done_callback(_close)


def _close(future: Future[Connection]) -> None:
    if future.exception() is None:
        future.result().close()


class AnswersAhead:
    """Answers to questions that travelled with the first flight: each good for one call, until something is changed."""

    def __init__(self) -> None:
        self._answers: dict[Request[Any], Answer] = {}

    def receive(self, connection: Connection, questions: Sequence[Request[Any]]) -> None:
        """Take the answers as far as they come; what is missing is asked again. Blocks. Raises: RemoteProtocolError."""
        try:
            for question in questions:
                answer = connection.receive()
                if answer.error is None or not answer.error.retryable:
                    self._answers[question] = answer
        except (ConnectionFailed, ServerBusy, ServerStopping) as error:
            _log.debug("answers are missing: %s", error)

    def take(self, request: Request[Any]) -> Answer | None:
        """The answer, if there is one that is still good."""
        if not self._answers:
            return None
        if isinstance(request, ChangingRequest):
            self.forget()
        return self._answers.pop(request, None)

    def forget(self) -> None:
        """Forget all answers: from now on, things may have changed."""
        self._answers.clear()
