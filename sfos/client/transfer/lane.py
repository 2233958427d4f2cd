"""One connection that works for a job: sends what a feed gives it, pipelined, and hands the answers back.

The rule that keeps both sides from waiting for each other for ever: while the replies under way may hold more than
LARGE_REPLY_BYTES, at most `Connection.unanswered_bytes` of requests are without an answer.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from sfos.client.errors import Cancelled
from sfos.client.net.connection import LARGE_REPLY_BYTES, Connection
from sfos.client.retry import PASSING, Retries
from sfos.client.transfer.feed import Exchange, Feed
from sfos.client.transfer.run import Run
from sfos.protocol import LocalProtocolError, SfosError

_log = logging.getLogger(__name__)

_WINDOW = 4  # requests under way: one asked, one sent, one answered, one to spare; more only fill buffers


class Lane:
    """Works in a thread of its own until the feed ends."""

    def __init__(self, run: Run, feed: Feed, number: int) -> None:
        self._run = run
        self._feed = feed
        self._number = number
        self._switch = run.switch
        self._depth = min(run.options.depth, _WINDOW)
        self._retries = Retries(run.options.retry)
        self._under_way: deque[Exchange] = deque()
        self._answered: Exchange | None = None  # whose answer is being taken
        self._next_steps: deque[Exchange] = deque()

        self.failure: SfosError | None = None
        """The error by which it ended, and the whole run with it."""
        self._thread = threading.Thread(target=self._work, name=f"transfer-lane-{number}")

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def join(self) -> None:
        """Wait until it has ended."""
        self._thread.join()

    def _work(self) -> None:
        try:
            self._serve()
        except Cancelled:
            pass
        except SfosError as error:
            self._fail(error)
        except Exception as error:  # the top of a thread: an unforeseen error must end the job, not hang it
            _log.exception("a transfer connection ended unexpectedly")
            self._fail(LocalProtocolError(f"An unforeseen error: {error}"))

    def _fail(self, error: SfosError) -> None:
        self.failure = error
        self._switch.cancel()

    def _serve(self) -> None:
        """Serve the feed to its end, by as many connections as it takes.

        Raises: Cancelled; what the session or the server will not get over.
        """
        while True:
            try:
                self._serve_by_one_connection()
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
        self._run.ledger.set_waiting(error)
        self._switch.sleep(wait)

    def _serve_by_one_connection(self) -> None:
        if not self._feed.wanted(self._number):
            return
        with self._run.session.connect_more() as connection, self._switch.breaking(connection.abort):
            self._feed.connected(connection)
            connection.on_moved = self._run.moved
            while self._fill(connection, block=True):
                with connection.lent_answer() as answer:
                    self._answered = self._under_way.popleft()
                    self._fill(connection, block=False)  # first: so the server has work while the answer is taken
                    follow = self._answered.answered(answer)
                self._answered = None  # only now: if taking the answer fails, it is given back
                self._next_steps.extend(follow)
                self._feed.answered(follow)
                self._went_well()

    def _went_well(self) -> None:
        self._run.session.note_used()
        if self._retries.failing:
            self._retries.succeeded()
            self._run.ledger.set_waiting(None)

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


@contextmanager
def lanes(run: Run, feed: Feed) -> Iterator[None]:
    """All lanes of a run, beside what is done within the block; its end waits for theirs.

    Raises: Cancelled; the error by which a lane ended, before whatever that let go wrong within the block.
    """
    working = [Lane(run, feed, number) for number in range(run.options.connections)]
    with run.switch.breaking(feed.wake):
        for lane in working:
            lane.start()
        try:
            yield
        except BaseException:
            run.switch.cancel()
            raise
        finally:
            for lane in working:
                lane.join()
            for lane in working:
                if lane.failure is not None:
                    raise lane.failure from None
        run.switch.check()  # lanes end without a word when they are cancelled
