"""One upload or download of any number of files and folders: its state, its items, its switch."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from sfos.client.errors import Cancelled
from sfos.client.options import TransferOptions
from sfos.client.session.session import Session
from sfos.client.transfer.events import Direction, Item, ItemState, JobState, Progress, Tally, TransferEvent
from sfos.client.transfer.ledger import Ledger, Row
from sfos.client.transfer.limiter import RateLimiter
from sfos.client.transfer.run import Run, Transfer
from sfos.client.transfer.switch import Switch
from sfos.protocol import LocalProtocolError, SfosError

_log = logging.getLogger(__name__)


class Job:
    """A running, waiting or finished transfer. All methods may be called from any thread and return at once."""

    def __init__(
        self,
        number: int,
        direction: Direction,
        transfer: Transfer,
        enqueue: Callable[[Job], None],
        switched: Callable[[], None],
        *,
        tell_all: bool = True,
        keep_all: bool = True,
    ) -> None:
        """The engine makes them, and is told by `switched` of a pause and its end. `tell_all`, `keep_all`: see
        `Ledger`."""
        self.number = number
        self.direction = direction
        self._transfer = transfer
        self._enqueue = enqueue
        self._switched = switched
        self._ledger = Ledger(number, tell_all=tell_all, keep_all=keep_all)
        self._lock = threading.Lock()
        self._switch = Switch()
        self._again: list[Row] = []
        self._begun = False
        self._over = threading.Event()

    # ── looking ─────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def state(self) -> JobState:
        """State of the job now."""
        return self._ledger.state

    @property
    def progress(self) -> Progress:
        """Progress of the job now."""
        return self._ledger.progress()

    def items(self, first: int = 0, limit: int | None = None) -> list[Item]:
        """The items from `first` on, as of now."""
        return self._ledger.rows(first, limit)

    def tally(self) -> Tally:
        """Tally of the items now."""
        return self._ledger.tally()

    def failed_items(self) -> list[Item]:
        """Items that failed, each with its error."""
        return [row.view() for row in self._ledger.failed_rows()]

    def wait(self, timeout_s: float | None = None) -> bool:
        """Block until the job is over and its events are told; whether it is. Not on a window's thread."""
        if self._over.is_set() or timeout_s == 0:  # asked for every event: an Event's wait takes 20 µs
            return self._over.is_set()
        return self._over.wait(timeout_s)

    # ── switching ───────────────────────────────────────────────────────────────────────────────────────────────

    def pause(self) -> None:
        """Start nothing new; what is on its way arrives. Another job may run meanwhile."""
        with self._lock:
            if not self.state.over:
                self._switch.pause()
                self._ledger.set_state(JobState.PAUSED)
        self._switched()

    def resume(self) -> None:
        """Go on: at once, if it had begun, even if another job has taken its turn."""
        with self._lock:
            if self.state is JobState.PAUSED:
                self._ledger.set_state(JobState.RUNNING if self._begun else JobState.WAITING)
                self._switch.resume()
        self._switched()

    def cancel(self, *, interrupt: bool = False) -> None:
        """Stop at once. What is complete stays; nothing partial is visible. Partial downloads are removed, unless it is
        but an interruption (`interrupt`)."""
        with self._lock:
            self._switch.cancel(interrupt=interrupt)
            if not self._begun and not self.state.over:  # it waits for its turn, or for its pause to end
                self._ledger.end_all(ItemState.CANCELLED, None)
                self._ledger.set_state(JobState.CANCELLED)

    def retry_failed(self) -> None:
        """Try once more what failed (state FAILED only); the whole, if it was not found out what there is to do."""
        with self._lock:
            if self.state is not JobState.FAILED:
                return
            if self._ledger.planned:
                self._again = self._ledger.failed_rows()
            else:  # what the plan had not come to has no row by which it could be tried again
                self._again = []
                self._ledger.start_over()
            self._switch = Switch()
            self._begun = False
            self._over.clear()
            self._ledger.set_state(JobState.WAITING)
        self._enqueue(self)

    # ── for the engine ──────────────────────────────────────────────────────────────────────────────────────────

    def execute(self, session: Session, options: TransferOptions, limiter: RateLimiter, memory_bytes: int) -> None:
        """Do it, in this thread, to its end. Never raises."""
        with self._lock:
            if self.state.over:
                return
            self._begun = True
            if not self._switch.paused:
                self._ledger.set_state(JobState.RUNNING)
        try:
            self._switch.wait_open()
            self._ledger.set_planned(False)
            run = Run(session, options, self._ledger, self._switch, limiter, memory_bytes)
            self._transfer.execute(run, self._again)
        except Cancelled:
            self._ledger.end_all(ItemState.CANCELLED, None)
            self._ledger.set_state(JobState.CANCELLED)
        except SfosError as error:
            self._fail(error)
        except Exception as error:  # the top of a thread: a mistake of ours must not look like a job that hangs
            _log.exception("job %d ended unexpectedly", self.number)
            self._fail(LocalProtocolError(f"An unforeseen error: {error}"))
        else:
            self._ledger.set_state(JobState.FAILED if self._ledger.has_failures else JobState.FINISHED)

    def _fail(self, error: SfosError) -> None:
        if not self._ledger.end_all(ItemState.FAILED, error):  # else the reason would be said nowhere
            self._ledger.end(self._transfer.first_row(self._ledger), ItemState.FAILED, error)
            self._ledger.set_planned(False)  # nothing can be tried again by that row
        self._ledger.set_state(JobState.FAILED)

    def take_news(self) -> list[TransferEvent]:
        """Events to be told."""
        return self._ledger.take_news()

    def all_told(self) -> None:
        """The events up to now have been told: who waits may go on, if the job is over."""
        if self.state.over:
            self._over.set()
