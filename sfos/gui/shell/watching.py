"""Being told of changes as they happen, and noticing when the server is away."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence

from sfos.client.errors import ConnectionFailed
from sfos.client.retry import PASSING, Retries, RetryPolicy
from sfos.client.session.session import Session
from sfos.client.watch import Changed, Resync, Watch, WatchInterrupted, WatchResumed
from sfos.gui.threads.bridge import CancelToken, TaskBridge
from sfos.protocol import CapacityError, Change, Cursor, SfosError

# A server that is back after a restart is found at once, a long absence costs little, and seconds can be counted down.
RETRY = RetryPolicy(first_s=1.0, longest_s=15.0, jitter=0.0)


class WatchPresenter:
    """Runs the watch in a thread of its own.

    It keeps the waits between two attempts itself, although a Watch would try again by itself: so the window can
    count down, and "Try now" can cut a wait short.
    """

    def __init__(
        self,
        bridge: TaskBridge,
        session: Session,
        *,
        on_changes: Callable[[Sequence[Change]], None],
        on_missed: Callable[[], None],
        on_online: Callable[[], None],
        on_offline: Callable[[SfosError, int], None],
        on_ended: Callable[[Exception], None],
    ) -> None:
        self._bridge, self._session = bridge, session
        self._on_changes, self._on_missed = on_changes, on_missed
        self._on_online, self._on_offline, self._on_ended = on_online, on_offline, on_ended
        self._token = CancelToken()
        self._lock = threading.Lock()
        self._watch: Watch | None = None
        self._reached: Cursor | None = None  # how far the watch had come when it ended
        self._hurry = threading.Event()

    def start(self, since: Cursor | None) -> None:
        """Begin with what changed after `since`; None: with what is to come, and all is read anew."""
        self._bridge.run_in_thread(
            lambda token: self._run(token, since),
            lambda _nothing: None,
            self._on_ended,
            token=self._token,
            name="gui-watch",
        )

    def go_on(self) -> None:
        """Begin again where it ended with its session, which has been renewed."""
        self.start(self._reached)

    def try_now(self) -> None:
        """Do not wait for the next attempt."""
        self._hurry.set()

    def stop(self) -> None:
        """End; the thread ends soon after."""
        self._token.cancel()
        self._hurry.set()
        with self._lock:
            watch = self._watch
        if watch is not None:
            watch.close()

    # --- in the thread ---------------------------------------------------------------------------------------------

    def _run(self, token: CancelToken, cursor: Cursor | None) -> None:
        retries = Retries(RETRY)
        while not token.cancelled:
            with self._lock:
                watch = self._watch = self._session.watch(cursor)
            try:
                interruption = self._follow(watch, token, missed=cursor is None)
            finally:
                with self._lock:
                    self._watch = None
                self._reached = watch.cursor
                watch.close()
            if interruption is None:
                return
            if watch.cursor != cursor:
                retries.succeeded()
            cursor = watch.cursor
            if not isinstance(interruption.error, PASSING):
                # What the server stumbled over may be what it was asked for: begin anew from how things are then.
                cursor = None
            self._wait(interruption.error, math.ceil(retries.wait_after(interruption.error) or 0.0))

    def _follow(self, watch: Watch, token: CancelToken, *, missed: bool) -> WatchInterrupted | None:
        """Follow the watch until it breaks off: the interruption, or None if it was cancelled. `missed`: the watch
        begins with what is to come, so all before that has to be read anew."""
        try:
            for notice in watch:
                if token.cancelled:
                    return None
                match notice:
                    case Changed(changes=changes):
                        self._post(lambda found=changes: self._on_changes(found))  # type: ignore[misc]
                    case Resync():  # in place of WatchResumed
                        self._post(self._on_online)
                        self._post(self._on_missed)
                        missed = False
                    case WatchResumed():
                        self._post(self._on_online)
                        if missed:  # only now: what was read earlier would lack what changed in between
                            self._post(self._on_missed)
                            missed = False
                    case WatchInterrupted():
                        return notice
        except (CapacityError, ConnectionFailed) as error:
            # The server made a mistake or has no room now, or went away while it said that too much was missed: nobody
            # is signed out for that.
            return WatchInterrupted(error)
        return None

    def _wait(self, error: SfosError, seconds: int) -> None:
        self._hurry.clear()
        for left in range(seconds, 0, -1):
            self._post(lambda now=left: self._on_offline(error, now))  # type: ignore[misc]
            if self._hurry.wait(1.0):
                return

    def _post(self, callback: Callable[[], None]) -> None:
        # A stopped watch has nothing more to say, even if it was already on its way.
        self._bridge.post(lambda: None if self._token.cancelled else callback())
