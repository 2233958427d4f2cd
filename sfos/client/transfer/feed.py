"""Feed of a job's lanes: they get their work from it, and it takes work back when a connection is lost."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol

from sfos.client.net.connection import Answer, Connection
from sfos.client.transfer.switch import Switch

FAR_S = 0.04
"""A server that takes longer for a round trip, with the little that it does meanwhile, is far away. On one machine that
is a quarter of it."""


class Exchange(Protocol):
    """A request to be sent, and what its answer means. The same one is sent again when a connection is lost."""

    request_bytes: int
    most_reply_bytes: int
    first_lane_only: bool

    def send(self, connection: Connection) -> None:
        """Send it."""

    def answered(self, answer: Answer) -> Sequence[Exchange]:
        """Take the answer; what is to be sent next. Raises: PASSING errors to be sent again; others end the job."""


class Feed(ABC):
    """Thread-safe. What there is to send, and when it has come to an end, each direction says for itself."""

    def __init__(self, switch: Switch, changed: threading.Condition) -> None:
        """`changed`: notified of whatever may give work to a lane; shared with those who know of it."""
        self._switch = switch
        self._changed = changed
        self._active = 0  # exchanges that a lane holds
        self._handshake_s = 0.0  # of the latest connection

    def wake(self) -> None:
        """Let whoever waits here look again, since the job was cancelled. Pauses are waited for at the switch."""
        with self._changed:
            self._changed.notify_all()

    def wanted(self, lane: int) -> bool:
        """Whether this lane needs a connection: blocks until something is to be sent, or never will be.

        Raises: Cancelled.
        """
        with self._changed:
            while not (wants := self._wants(lane)) and not self._ended():
                self._switch.check()
                self._changed.wait()
            self._switch.check()
            return wants

    def connected(self, connection: Connection) -> None:
        """A lane has this connection from now on."""
        with self._changed:
            self._handshake_s = connection.handshake_s
            self._changed.notify_all()

    def next(self, lane: int, *, block: bool) -> Exchange | None:
        """Next exchange to send; None if there is none now or, with `block`, if there never will be.

        Raises: Cancelled.
        """
        while True:
            if block:
                self._switch.wait_open()  # without the lock: going on is told there, and not to who waits for work
            with self._changed:
                self._switch.check()
                paused = self._switch.paused
                exchange = None if paused else self._pick(lane)
                if exchange is not None:
                    self._active += 1
                    return exchange
                if not block or self._ended():
                    return None
                if not paused:
                    self._changed.wait()

    def answered(self, follow: Sequence[Exchange]) -> None:
        """One exchange was answered; the lane goes on with `follow`."""
        with self._changed:
            self._active += len(follow) - 1
            self._changed.notify_all()

    def give_back(self, exchanges: Sequence[Exchange]) -> None:
        """Take back exchanges that were not answered: somebody has to send them again."""
        with self._changed:
            self._active -= len(exchanges)
            for exchange in reversed(exchanges):
                self._put_back(exchange)
            self._changed.notify_all()

    # ── for those who know what is to be done; called with the lock held ────────────────────────────────────────

    @abstractmethod
    def _wants(self, lane: int) -> bool:
        """Whether there is something for this lane to send, or will be soon: connecting takes its time."""

    @abstractmethod
    def _pick(self, lane: int) -> Exchange | None:
        """Exchange that this lane is to send now, or None."""

    @abstractmethod
    def _put_back(self, exchange: Exchange) -> None:
        """Put back an exchange, to be picked before all others."""

    @abstractmethod
    def _ended(self) -> bool:
        """Whether nothing is to be sent, and nothing will be."""
