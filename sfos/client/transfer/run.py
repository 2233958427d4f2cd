"""What a transfer runs with, and its lanes: threads that begin and end together."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Protocol

import msgspec

from sfos.client.errors import Cancelled
from sfos.client.options import TransferOptions
from sfos.client.session.session import Session
from sfos.client.transfer.feed import Feed
from sfos.client.transfer.lane import Lane
from sfos.client.transfer.ledger import Ledger, Row
from sfos.client.transfer.limiter import RateLimiter
from sfos.client.transfer.switch import Switch
from sfos.protocol import LocalProtocolError, SfosError

_log = logging.getLogger(__name__)


class Run(msgspec.Struct, frozen=True):
    """One run of a job: the first, or another for what failed. `memory_bytes`: its share."""

    session: Session
    options: TransferOptions
    ledger: Ledger
    switch: Switch
    limiter: RateLimiter
    memory_bytes: int

    def moved(self, sent: int, received: int) -> None:
        """Bytes of bodies went over the network: count them, and wait if there is a limit. Raises: Cancelled."""
        self.ledger.moved(sent + received)
        wait = self.limiter.take(sent + received)
        if wait > 0:
            self.switch.sleep(wait)


class Task(Protocol):
    """What a job does: an upload or a download."""

    def first_row(self, ledger: Ledger) -> Row:
        """A new item that stands for the whole, to show what failed when it was no item; nothing is tried by it."""

    def run(self, run: Run, again: list[Row]) -> None:
        """Do it; with `again`, only these, which failed. Raises: Cancelled; an error that concerns all that is left."""

    def clean_up(self) -> None:
        """It was cancelled: leave nothing half-done."""


def run_lanes(run: Run, feed: Feed, count: int, depth: int, body: Callable[[], None]) -> None:
    """Run `body` here beside `count` lanes in their threads, to their end.

    Raises: Cancelled, what `body` raises, or the error by which a lane ended; then all the others have ended too.
    """
    failures: list[SfosError] = []

    def work(number: int) -> None:
        lane = Lane(
            number,
            run.session,
            feed,
            run.switch,
            depth,
            run.options.retry,
            run.moved,
            run.ledger.set_waiting,
        )
        try:
            lane.run()
        except Cancelled:
            pass
        except SfosError as error:
            failures.append(error)
            run.switch.cancel()
        except Exception as error:  # the top of a thread: an unforeseen error must end the job, not hang it
            _log.exception("a transfer connection ended unexpectedly")
            failures.append(LocalProtocolError(f"An unforeseen error: {error}"))
            run.switch.cancel()

    threads = [threading.Thread(target=work, args=(number,), name=f"transfer-lane-{number}") for number in range(count)]
    for thread in threads:
        thread.start()
    try:
        body()
    except BaseException:
        run.switch.cancel()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0] from None
        raise
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    run.switch.check()  # lanes end without a word when they are cancelled
