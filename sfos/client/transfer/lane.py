"""One connection that works for a job: sends what a feed gives it, pipelined, and hands the answers back.

The rule that keeps both sides from waiting for each other for ever: while the replies under way may hold more than
LARGE_REPLY_BYTES, at most `Connection.unanswered_bytes` of requests are without an answer.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable

from sfos.client.net.connection import LARGE_REPLY_BYTES, Connection
from sfos.client.retry import PASSING, Retries, RetryPolicy
from sfos.client.session.session import Session
from sfos.client.transfer.feed import Exchange, Feed
from sfos.client.transfer.switch import Switch
from sfos.protocol import SfosError

_log = logging.getLogger(__name__)


class Lane:
    """Runs in a thread of its own until the feed ends. Raises out of `run` only what ends the whole job."""

    def __init__(
        self,
        number: int,
        session: Session,
        feed: Feed,
        switch: Switch,
        depth: int,
        retry: RetryPolicy,
        on_moved: Callable[[int, int], None],
        on_waiting: Callable[[SfosError | None], None],
    ) -> None:
        self._number = number
        self._session = session
        self._feed = feed
        self._switch = switch
        self._depth = depth
        self._retries = Retries(retry)
        self._on_moved = on_moved
        self._on_waiting = on_waiting
        self._under_way: deque[Exchange] = deque()
        self._answered: Exchange | None = None  # whose answer is being taken
        self._next_steps: deque[Exchange] = deque()

    def run(self) -> None:
        """Work until the feed ends. Raises: Cancelled; what the session or the server will not get over."""
        while True:
            try:
                self._work()
                return
            except PASSING as error:
                answered = [self._answered] if self._answered is not None else []
                self._feed.give_back([*answered, *self._under_way, *self._next_steps])
                self._answered = None
                self._under_way.clear()
                self._next_steps.clear()
                self._switch.check()
                self._wait_after(error)

    def _wait_after(self, error: SfosError) -> None:
        wait = self._retries.wait_after(error)
        if wait is None:
            raise error
        _log.info("transfer connection %d: %s; again in %.1f s", self._number, error, wait)
        self._on_waiting(error)
        self._switch.sleep(wait)

    def _work(self) -> None:
        if not self._feed.wanted(self._number):
            return
        with self._session.connect_more() as connection, self._switch.breaking(connection.abort):
            connection.reuse_bodies()
            self._feed.connected(connection)
            connection.on_moved = self._on_moved
            while self._fill(connection, block=True):
                answer = connection.receive()
                self._answered = self._under_way.popleft()
                self._fill(connection, block=False)  # first: so the server has work while the answer is taken
                follow = self._answered.answered(answer)
                self._answered = None  # only now: if taking the answer fails, it is given back
                self._next_steps.extend(follow)
                self._feed.answered(follow)
                self._went_well()

    def _went_well(self) -> None:
        self._session.note_used()
        if self._retries.failing:
            self._retries.succeeded()
            self._on_waiting(None)

    def _fill(self, connection: Connection, *, block: bool) -> bool:
        """Send what may be sent now; whether an answer is to be waited for.

        With `block`, if there is nothing to wait for, wait for something to send: False means that the feed has ended.
        """
        if self._switch.paused and (self._under_way or not block):
            return True
        self._switch.wait_open()
        while len(self._under_way) + len(self._next_steps) < self._depth:
            idle = block and not self._under_way and not self._next_steps
            exchange = self._feed.next(self._number, block=idle)
            if exchange is None:
                break
            self._next_steps.append(exchange)
        while self._next_steps and self._fits(self._next_steps[0], connection.unanswered_bytes):
            exchange = self._next_steps.popleft()
            self._under_way.append(exchange)  # before sending: if that fails, it is given back
            exchange.send(connection)
        return bool(self._under_way)

    def _fits(self, exchange: Exchange, unanswered_bytes: int) -> bool:
        if len(self._under_way) >= self._depth:
            return False
        replies = sum(other.most_reply_bytes for other in self._under_way)
        if replies <= LARGE_REPLY_BYTES:
            return True
        unanswered = sum(other.request_bytes for other in self._under_way)
        return unanswered + exchange.request_bytes <= unanswered_bytes
