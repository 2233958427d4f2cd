"""Conflicts of names: the question travels from a worker thread to the person, and the answer back."""

from __future__ import annotations

import datetime as dt
import threading
from collections import deque
from collections.abc import Callable, Hashable

from sfos.client.transfer import Conflict, ConflictAnswer, Direction, OnConflict
from sfos.gui import wording
from sfos.gui.model import Conflicting, Version
from sfos.gui.nodes import key_of
from sfos.gui.threads.bridge import TaskBridge
from sfos.protocol import printable

_CANCEL = ConflictAnswer(OnConflict.CANCEL)


class _Waiting:
    """One question; the worker that asked waits for `answered`."""

    def __init__(self, conflict: Conflict, questions: Questions) -> None:
        self.conflict = conflict
        self.questions = questions
        self.answered = threading.Event()
        self.answer = _CANCEL


class Questions:
    """The questions of one job. Tried again after a failure, the job is not asked anew about what it was told before.

    `ask` is called in worker threads, of which a job has one at a time that plans; all else in Tk's thread.
    """

    def __init__(self, presenter: ConflictsPresenter) -> None:
        self._presenter = presenter
        self._answers: dict[Hashable, ConflictAnswer] = {}
        self._for_all: ConflictAnswer | None = None
        self.cancelled = False
        self.pending = 0
        self.on_change: Callable[[], None] = lambda: None

    def ask(self, conflict: Conflict) -> ConflictAnswer:
        """Wait for the person's answer; CANCEL once the job is cancelled or the window closes."""
        if self.cancelled:
            return _CANCEL
        if self._for_all is not None:
            return self._for_all
        # The two versions that the person has seen; a newer one of either is another question.
        versions = (key_of(conflict.remote), conflict.remote.revision, conflict.local_size, conflict.local_mtime_ns)
        key = (conflict.remote_path, versions)
        known = self._answers.get(key)
        if known is not None:
            return known
        answer = self._presenter.ask(conflict, self)
        if answer.choice is not OnConflict.CANCEL:
            self._answers[key] = answer
            if answer.for_all:
                self._for_all = answer
        return answer

    def cancel(self) -> None:
        """Take back what is asked now, and ask nothing more: nobody needs the answer."""
        self.cancelled = True
        self._presenter.withdraw(self)


class ConflictsPresenter:
    """Asks one question at a time, in the order they came. `show(question, answer)` opens the dialog, and returns what
    closes it unanswered.
    """

    def __init__(
        self,
        bridge: TaskBridge,
        show: Callable[[Conflicting, Callable[[ConflictAnswer], None]], Callable[[], None]],
        now: Callable[[], dt.datetime] = wording.local_now,
    ) -> None:
        self._bridge, self._show, self._now = bridge, show, now
        self._queue: deque[_Waiting] = deque()
        self._asking: _Waiting | None = None
        self._put_away: Callable[[], None] = lambda: None
        self._closed = False

    def for_job(self) -> Questions:
        """Questions of a new job, which waits for their answers."""
        return Questions(self)

    def ask(self, conflict: Conflict, questions: Questions) -> ConflictAnswer:
        """Wait in a worker thread for the person's answer; CANCEL once the job is cancelled or the window closes."""
        waiting = _Waiting(conflict, questions)
        self._bridge.post(lambda: self._enqueue(waiting))
        waiting.answered.wait()
        return waiting.answer

    def _enqueue(self, waiting: _Waiting) -> None:
        if self._closed or waiting.questions.cancelled:
            waiting.answered.set()
            return
        self._queue.append(waiting)
        self._count(waiting.questions, 1)
        self._next()

    def _count(self, questions: Questions, step: int) -> None:
        questions.pending += step
        questions.on_change()

    def withdraw(self, questions: Questions) -> None:
        """Answer CANCEL to what this job asks."""
        for waiting in [waiting for waiting in self._queue if waiting.questions is questions]:
            self._queue.remove(waiting)
            self._count(questions, -1)
            waiting.answered.set()
        asking = self._asking
        if asking is not None and asking.questions is questions:
            self._asking = None
            self._count(questions, -1)
            asking.answered.set()
            self._put_away()
            self._next()

    def _next(self) -> None:
        if self._asking is not None or not self._queue:
            return
        waiting = self._asking = self._queue.popleft()

        def answered(answer: ConflictAnswer) -> None:
            if self._asking is not waiting:
                return  # taken back in the meantime
            self._asking = None
            waiting.answer = answer
            waiting.answered.set()
            self._count(waiting.questions, -1)
            self._next()

        self._put_away = self._show(question_of(waiting.conflict, self._now()), answered)

    def close(self) -> None:
        """Answer CANCEL to all, now and later: nobody is there to ask."""
        self._closed = True
        for waiting in (self._asking, *self._queue):
            if waiting is not None:
                waiting.answered.set()
        if self._asking is not None:
            self._asking = None
            self._put_away()
        self._queue.clear()


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
