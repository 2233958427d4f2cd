"""The one bridge between worker threads and Tk's loop.

    worker ── post(callback) ──▶ SimpleQueue ──(a byte on a pipe)──▶ Tk's loop ── drain, at most 8 ms ──▶ callback

Everything that a callback touches (widgets, presenters, the model) belongs to Tk's thread alone; workers hand over
frozen values. `TaskBridge` itself knows nothing of Tk, so that presenters are tested without a display; `TkPump` feeds
one from a root window.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import logging
import os
import sys
import threading
import time
import tkinter as tk
from collections.abc import Callable, Hashable
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

_log = logging.getLogger(__name__)

T = TypeVar("T")

DRAIN_S = 0.008  # half a frame at 60 Hz: the window keeps up with the mouse while callbacks pour in
_POLL_MS = 15  # where there is no createfilehandler (Windows)
_JOIN_POLL_MS = 50


class Cancelled(Exception):
    """The work was cancelled; nobody waits for its result any more."""


class CancelToken:
    """Says to one piece of work that its result is no longer wanted. Safe from any thread."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Set `cancelled` from now on; cancelling twice does nothing more."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """Whether somebody cancelled."""
        return self._event.is_set()

    def check(self) -> None:
        """Raises: Cancelled, once somebody cancelled."""
        if self.cancelled:
            raise Cancelled

    def wait(self, timeout_s: float) -> bool:
        """Block until cancelled or for `timeout_s`; whether cancelled. For workers only."""
        return self._event.wait(timeout_s)


class Epoch:
    """Numbers the navigations of a view, so that an answer to an earlier one is dropped. Tk's thread only."""

    def __init__(self) -> None:
        self._now = 0

    def advance(self) -> int:
        """Begin a new epoch; answers that bear an older number are late from here on."""
        self._now += 1
        return self._now

    def is_current(self, number: int) -> bool:
        """Whether `number` is the newest epoch."""
        return number == self._now


class Timer:
    """A call that is due later; see `TaskBridge.call_later`."""

    __slots__ = ("callback", "due")

    def __init__(self, due: float, callback: Callable[[], object]) -> None:
        self.due = due
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        """Forget the call, unless it has been made already."""
        self.callback = None


class _Task:
    """A piece of work and who waits for it.

    The thread holds nothing but this, and `clear` empties it in Tk's thread: so that no widget, variable or image dies
    in a worker because the worker held the last reference to a callback.
    """

    def __init__(
        self,
        work: Callable[[CancelToken], Any],
        done: Callable[[Any], None],
        failed: Callable[[Exception], None],
        token: CancelToken,
        unwanted: Callable[[Any], None] | None,
    ) -> None:
        self.work: Callable[[CancelToken], Any] | None = work
        self.done: Callable[[Any], None] | None = done
        self.failed: Callable[[Exception], None] | None = failed
        self.unwanted = unwanted
        self.token = token
        self.thread: threading.Thread | None = None
        self.result: Any = None
        self.error: Exception | None = None

    def clear(self) -> None:
        """Let go of everything."""
        self.work = self.done = self.failed = self.unwanted = self.result = self.error = None


class TaskBridge:
    """Runs work in threads and brings callbacks back to the thread that drains it.

    `post`, `post_latest` may be called from any thread, all else only from the
    thread that calls `drain`.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        """Seconds that only grow."""
        self._queue: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._latest: dict[Hashable, Callable[[], None]] = {}
        self._latest_lock = threading.Lock()
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._threads: set[threading.Thread] = set()
        self._tokens: dict[threading.Thread, CancelToken] = {}
        self._closed = False
        self.wake: Callable[[], None] = lambda: None
        self.rescheduled: Callable[[], None] = lambda: None
        self.on_error: Callable[[BaseException], None] = _raise

    # --- from any thread -------------------------------------------------------------------------------------------

    def post(self, callback: Callable[[], None]) -> None:
        """Have `callback` called in the draining thread, after all that was posted before it."""
        self._queue.put(callback)
        self.wake()

    def post_latest(self, key: Hashable, callback: Callable[[], None]) -> None:
        """Like `post`, but of several callbacks of one key that still wait, only the last is called.

        For progress: a transfer that reports a thousand times between two drains costs the window one call.
        """
        with self._latest_lock:
            waiting = key in self._latest
            self._latest[key] = callback
        if not waiting:
            self.post(lambda: self._run_latest(key))

    def _run_latest(self, key: Hashable) -> None:
        with self._latest_lock:
            callback = self._latest.pop(key)
        callback()

    # --- work in threads -------------------------------------------------------------------------------------------

    def run_in_thread(
        self,
        work: Callable[[CancelToken], T],
        done: Callable[[T], None],
        failed: Callable[[Exception], None],
        *,
        token: CancelToken | None = None,
        unwanted: Callable[[T], None] | None = None,
        name: str = "gui-work",
    ) -> CancelToken:
        """Run `work(token)` in a thread of its own; then exactly one of `done(result)`, `failed(error)` in this thread.

        Once the token is cancelled neither is called, but `unwanted(result)` where there is one, for what has to be
        ended. Refuses new work after `close` (neither is called then).
        """
        token = token or CancelToken()
        if self._closed:
            token.cancel()
            return token
        task = _Task(work, done, failed, token, unwanted)
        # Daemon: if the person closes the window while the network hangs, the process may still end.
        thread = threading.Thread(target=self._run_task, args=(task,), name=name, daemon=True)
        self._threads.add(thread)
        self._tokens[thread] = token
        task.thread = thread
        thread.start()
        return token

    def _run_task(self, task: _Task) -> None:
        assert task.work is not None
        try:
            task.result = task.work(task.token)
        except Exception as error:  # the top of a thread: whatever went wrong belongs to `failed`
            task.error = error
        self.post(lambda: self._finish(task))

    def _finish(self, task: _Task) -> None:
        assert task.thread is not None
        self._threads.discard(task.thread)
        self._tokens.pop(task.thread, None)
        done, failed, unwanted, result, error = task.done, task.failed, task.unwanted, task.result, task.error
        task.clear()
        if task.token.cancelled:
            if unwanted is not None and error is None:
                unwanted(result)
            return
        if error is not None:
            assert failed is not None
            failed(error)
        else:
            assert done is not None
            done(result)

    # --- time ------------------------------------------------------------------------------------------------------

    def call_later(self, delay_s: float, callback: Callable[[], object]) -> Timer:
        """Call `callback` in this thread once `delay_s` have passed."""
        timer = Timer(self.clock() + delay_s, callback)
        heapq.heappush(self._timers, (timer.due, next(self._order), timer))
        self.rescheduled()
        return timer

    def next_due_s(self) -> float | None:
        """Seconds until the next timer, 0 if one is due; None without any."""
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        return max(0.0, self._timers[0][0] - self.clock()) if self._timers else None

    # --- draining --------------------------------------------------------------------------------------------------

    def drain(self, budget_s: float = DRAIN_S) -> bool:
        """Call what is due, until nothing is left or `budget_s` is spent (at least one); whether something is left.

        A callback that raises does not stop the others: its error goes to `on_error`.
        """
        end = self.clock() + budget_s
        while True:
            callback = self._next()
            if callback is None:
                return False
            try:
                callback()
            except Exception as error:  # the top of a callback from the loop, like Tk's own report_callback_exception
                self.on_error(error)
            if self.clock() >= end:
                return not self._queue.empty() or self.next_due_s() == 0.0

    def _next(self) -> Callable[[], object] | None:
        if self.next_due_s() == 0.0:
            timer = heapq.heappop(self._timers)[2]
            callback, timer.callback = timer.callback, None
            return callback
        try:
            return self._queue.get_nowait()
        except Empty:
            return None

    # --- the end ---------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Refuse new work, cancel what runs, and forget all timers. Draining goes on, so that threads can end."""
        self._closed = True
        self._timers.clear()
        for token in self._tokens.values():
            token.cancel()

    def alive(self) -> list[str]:
        """The names of the threads that still run."""
        return [thread.name for thread in self._threads if thread.is_alive()]


def _raise(error: BaseException) -> None:
    raise error


class TkPump:
    """Drains a bridge from Tk's loop: woken by a byte on a pipe where Tk can watch one, else by polling."""

    def __init__(self, root: tk.Tk, bridge: TaskBridge) -> None:
        self._root = root
        self._bridge = bridge
        self._after: str | None = None
        self._stopped = False
        self._pipe: tuple[int, int] | None = None
        self._pipe_lock = threading.Lock()  # no worker may write to a number that was closed and given to another file
        # Windows' Tk has no file handlers; `createfilehandler` is absent from its _tkinter.
        if sys.platform != "win32":
            self._pipe = os.pipe()
            for end in self._pipe:
                os.set_blocking(end, False)
            root.tk.createfilehandler(self._pipe[0], tk.READABLE, self._readable)
            bridge.wake = self._wake
        bridge.rescheduled = self._schedule
        self._schedule()

    def _wake(self) -> None:
        with self._pipe_lock:
            if self._pipe is not None:
                # A full pipe means that the loop is already being woken.
                with contextlib.suppress(BlockingIOError):
                    os.write(self._pipe[1], b"\0")

    def _readable(self, _file: Any, _mask: int) -> None:
        if self._pipe is None:
            return
        with contextlib.suppress(BlockingIOError):
            os.read(self._pipe[0], 65_536)
        self._tick()

    def _tick(self) -> None:
        if self._stopped:
            return
        if self._bridge.drain():
            # More is waiting: let Tk draw and read the mouse first, then go on.
            self._wake()
        self._schedule()

    def _on_after(self) -> None:
        self._after = None
        self._tick()

    def _schedule(self) -> None:
        """See that Tk calls us when the next timer is due (or soon, where nothing wakes it)."""
        if self._stopped:
            return
        due = self._bridge.next_due_s()
        delay = None if due is None else int(due * 1000) + 1
        if self._pipe is None:
            delay = _POLL_MS if delay is None else min(delay, _POLL_MS)
        if self._after is not None:
            self._root.after_cancel(self._after)
            self._after = None
        if delay is not None:
            self._after = self._root.after(delay, self._on_after)

    def shut_down(self, then: Callable[[], None], *, patience_s: float = 5.0) -> None:
        """Close the bridge, wait (without blocking the loop) until its threads have ended, then stop and call `then`.

        After `patience_s` it goes on without those that hang: they are daemons, and what they do is safe to cut off,
        since the server applies a request whole or not at all.
        """
        self._bridge.close()
        deadline = time.monotonic() + patience_s

        def look() -> None:
            alive = self._bridge.alive()
            if alive and time.monotonic() < deadline:
                self._bridge.drain()
                self._root.after(_JOIN_POLL_MS, look)
                return
            if alive:
                _log.warning("closing without waiting longer for: %s", ", ".join(alive))
            self.stop()
            then()

        look()

    def stop(self) -> None:
        """Stop draining at once and give the pipe back."""
        if self._stopped:
            return
        self._stopped = True
        if self._after is not None:
            self._root.after_cancel(self._after)
        if self._pipe is not None:
            self._bridge.wake = lambda: None
            self._root.tk.deletefilehandler(self._pipe[0])
            with self._pipe_lock:
                ends, self._pipe = self._pipe, None
            for end in ends:
                os.close(end)
