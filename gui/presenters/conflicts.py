"""Something of that name is already there: the question travels from a worker thread to the person and back."""

from __future__ import annotations

import datetime as dt
import threading
from collections import deque
from collections.abc import Callable

from client.transfer import Conflict, ConflictAnswer, Direction, OnConflict
from gui import wording
from gui.model import Conflicting, Version
from gui.tasks import TaskBridge
from protocol import printable

_CANCEL = ConflictAnswer(OnConflict.CANCEL)


class _Waiting:
    """One question; the worker that asked waits for `answered`."""

    def __init__(self, conflict: Conflict) -> None:
        self.conflict = conflict
        self.answered = threading.Event()
        self.answer = _CANCEL


class ConflictsPresenter:
    """Asks one question at a time, in the order they came. `show(question, answer)` opens the dialog."""

    def __init__(
        self,
        bridge: TaskBridge,
        show: Callable[[Conflicting, Callable[[ConflictAnswer], None]], None],
        now: Callable[[], dt.datetime] = wording.local_now,
    ) -> None:
        self._bridge, self._show, self._now = bridge, show, now
        self._queue: deque[_Waiting] = deque()
        self._asking: _Waiting | None = None
        self._closed = False

    def ask(self, conflict: Conflict) -> ConflictAnswer:
        """From a worker thread: wait for the person's answer; CANCEL once the window closes."""
        waiting = _Waiting(conflict)
        self._bridge.post(lambda: self._enqueue(waiting))
        waiting.answered.wait()
        return waiting.answer

    def _enqueue(self, waiting: _Waiting) -> None:
        if self._closed:
            waiting.answered.set()
            return
        self._queue.append(waiting)
        self._next()

    def _next(self) -> None:
        if self._asking is not None or not self._queue:
            return
        waiting = self._asking = self._queue.popleft()

        def answered(answer: ConflictAnswer) -> None:
            waiting.answer = answer
            waiting.answered.set()
            if self._asking is waiting:
                self._asking = None
            self._next()

        self._show(question_of(waiting.conflict, self._now()), answered)

    def close(self) -> None:
        """Answer CANCEL to all, now and later: nobody is there to ask."""
        self._closed = True
        for waiting in (self._asking, *self._queue):
            if waiting is not None:
                waiting.answered.set()
        self._queue.clear()

    def open_again(self) -> None:
        """Ask again, after `close`: somebody has signed in."""
        self._closed = False
        self._asking = None


def question_of(conflict: Conflict, now: dt.datetime) -> Conflicting:
    """The two versions in words; what would be replaced comes first."""
    remote, upload = conflict.remote, conflict.direction is Direction.UPLOAD
    newer_local = conflict.local_mtime_ns > remote.mtime_ns
    newer_remote = remote.mtime_ns > conflict.local_mtime_ns
    here = Version(
        "Your file" if upload else "On this computer",
        (
            wording.size(conflict.local_size),
            wording.moment(conflict.local_mtime_ns, now),
            str(conflict.local.parent),
        ),
        newer_local,
    )
    there = Version(
        "On the server",
        (wording.size(remote.size), wording.moment(remote.mtime_ns, now), printable(_folder(conflict.remote_path))),
        newer_remote,
    )
    place = _folder(conflict.remote_path) if upload else str(conflict.local.parent)
    existing, coming = (there, here) if upload else (here, there)
    return Conflicting(printable(conflict.name), printable(place), existing, coming)


def _folder(path: str) -> str:
    return path.rpartition("/")[0] or "/"
