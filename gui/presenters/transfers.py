"""Uploads and downloads: starting them, the buttons of the panel, and what the panel shows."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from client.errors import ConnectionFailed
from client.transfer import (
    Direction,
    ItemFinished,
    ItemState,
    Job,
    JobChanged,
    JobState,
    Progress,
    TransferEngine,
    TransferEvent,
)
from gui import wording
from gui.model import Notice, Place, Transfer, TransferBoard
from gui.presenters.conflicts import Questions
from gui.presenters.transfer_rows import Snapshot, failed_rows, job_of, snapshot_title, sum_up
from gui.tasks import TaskBridge, Timer
from protocol import Entry, Ref, ServerStopping, printable

REFRESH_S = 0.1  # the panel is drawn anew at most ten times a second
AGAIN_S, ATTEMPTS = 3.0, 3  # of a job that lost its connection to a server that is there


class TransfersPresenter:
    """Owns the jobs of one session's engine. `listen` alone is called from worker threads."""

    def __init__(
        self,
        bridge: TaskBridge,
        *,
        on_board: Callable[[TransferBoard], None],
        on_notice: Callable[[Notice], None],
        now: Callable[[], dt.datetime] = wording.local_now,
    ) -> None:
        self._bridge = bridge
        self._on_board, self._on_notice, self._now = on_board, on_notice, now
        self._engine: TransferEngine | None = None
        self._limit: int | None = None
        self._jobs: dict[int, Job] = {}
        self._places: dict[int, str] = {}
        self._finished_at: dict[int, str] = {}
        self._waiting_for: dict[int, str] = {}
        self._skipped: Counter[int] = Counter()
        self._questions: dict[int, Questions] = {}
        self._attempts: Counter[int] = Counter()  # of a job, since the server was last away
        self._away = False
        self._failed_rows: dict[int, tuple[int, tuple[Transfer, ...]]] = {}
        self._cleared: set[int] = set()  # rows of failed items that the person has cleared
        self._timer: Timer | None = None
        self.board = TransferBoard()

    def use(self, engine: TransferEngine, limit: int | None) -> None:
        """Begin with `engine`, whose listener is `listen`."""
        self._engine = engine
        self._limit = limit
        self.board = TransferBoard(limit_bytes_per_s=limit)

    def forget(self) -> None:
        """Forget everything: the session is over."""
        self._engine = None
        self._jobs.clear()
        self._draw()

    @property
    def unfinished(self) -> int:
        """How many jobs are not over."""
        return sum(not job.state.over for job in self._jobs.values())

    # --- starting --------------------------------------------------------------------------------------------------

    def upload(self, paths: Sequence[Path], place: Place, questions: Questions) -> None:
        """Put `paths`, folders with all they hold, into `place`."""
        if self._engine is not None and paths:
            self._add(self._engine.upload(paths, Ref(node=place.node), questions.ask), place.path, questions)

    def download(self, entries: Sequence[Entry], folder: Path, questions: Questions) -> None:
        """Get `entries` into the local `folder`."""
        if self._engine is not None and entries:
            self._add(self._engine.download(entries, folder, questions.ask), _short(folder), questions)

    def _add(self, job: Job, place: str, questions: Questions) -> None:
        self._jobs[job.number] = job
        self._places[job.number] = printable(place)
        self._questions[job.number] = questions
        questions.on_change = self._schedule
        self._schedule()

    # --- the server goes away and comes back -----------------------------------------------------------------------

    def server_is_away(self) -> None:
        """What fails from now on waits for `server_is_back`."""
        self._away = True

    def server_is_back(self) -> None:
        """Take up again what failed because the server was away."""
        self._away = False
        self._attempts.clear()
        for job in self._jobs.values():
            if job.state is JobState.FAILED and _lost(job):
                self._retry(job)

    def _try_again_soon(self, job: Job) -> None:
        """The connection was lost, though the server is there: a few more attempts, for it may be starting up."""
        self._attempts[job.number] += 1
        self._bridge.call_later(AGAIN_S, lambda: None if self._away else self._retry(job))

    def _retry(self, job: Job) -> None:
        self._cleared = {cleared for cleared in self._cleared if job_of(cleared) != job.number}
        self._failed_rows.pop(job.number, None)
        job.retry_failed()
        self._schedule()

    # --- events ----------------------------------------------------------------------------------------------------

    def listen(self, event: TransferEvent) -> None:
        """Take an event from any thread. Of progress only the last between two looks counts."""
        if isinstance(event, Progress):
            self._bridge.post_latest(("progress", event.job), self._schedule)
        else:
            self._bridge.post(lambda: self._happened(event))

    def _happened(self, event: ItemFinished | JobChanged) -> None:
        if isinstance(event, ItemFinished):
            if event.item.state is ItemState.SKIPPED:
                self._skipped[event.job] += 1
        else:
            if event.waiting_for is not None:
                self._waiting_for[event.job] = wording.reason(event.waiting_for)
            else:
                self._waiting_for.pop(event.job, None)
            if event.state.over:
                self._finished_at[event.job] = f"{self._now():%H:%M}"
                self._tell_end(event)
        self._schedule()

    def _tell_end(self, event: JobChanged) -> None:
        job = self._jobs.get(event.job)
        if job is None:
            return
        verb = "uploaded" if job.direction is Direction.UPLOAD else "downloaded"
        title = f"“{printable(job.title)}”"
        progress = job.progress
        if event.state is JobState.FAILED and _lost(job) and (self._away or self._attempts[job.number] < ATTEMPTS):
            if not self._away:
                self._try_again_soon(job)
            self._on_notice(Notice(f"{title}: the connection was lost. It goes on by itself.", "warning"))
        elif event.state is JobState.FAILED:
            failed = progress.items_failed
            if progress.items_total > 1:
                title = f"{wording.count(failed, 'item')} of {title}"
            were = "was" if failed == 1 or progress.items_total <= 1 else "were"
            self._on_notice(Notice(f"{title} {were} not {verb}. The tab “Failed” says why.", "error"))
        elif event.state is JobState.FINISHED:
            skipped = self._skipped[event.job]
            if skipped and skipped == progress.items_total:
                self._on_notice(Notice(f"{title}: nothing to do, all skipped.", "success"))
            else:
                where = f" to {self._places[event.job]}" if job.direction is Direction.DOWNLOAD else ""
                were = "were" if job.title.endswith(" items") else "was"
                self._on_notice(Notice(f"{title} {were} {verb}{where}.", "success"))

    # --- the person's buttons --------------------------------------------------------------------------------------

    def act(self, key: int, action: str) -> None:
        """Do what a button of the row `key` says."""
        job = self._jobs.get(job_of(key))
        if job is None:
            return
        if action == "pause":
            job.pause()
        elif action == "resume":
            job.resume()
        elif action == "cancel":
            job.cancel()
            self._questions[job.number].cancel()
        elif action == "retry":
            self._retry(job)
        elif action == "clear":
            if key < 0:
                self._cleared.add(key)
            else:
                self._drop(job)
        self._schedule()

    def _drop(self, job: Job) -> None:
        self._jobs.pop(job.number, None)
        self._failed_rows.pop(job.number, None)
        self._questions.pop(job.number, None)
        if self._engine is not None:
            self._engine.forget(job)

    def clear(self, tab: str) -> None:
        """Empty the list of a tab."""
        for job in list(self._jobs.values()):
            failed = job.state in (JobState.FAILED, JobState.CANCELLED)
            if job.state.over and failed == (tab == "failed"):
                self._drop(job)
        self._schedule()

    def pause_all(self, paused: bool) -> None:
        """Pause everything, or go on with everything."""
        for job in self._jobs.values():
            if paused and job.state in (JobState.RUNNING, JobState.WAITING):
                job.pause()
            elif not paused and job.state is JobState.PAUSED:
                job.resume()
        self._schedule()

    def set_limit(self, bytes_per_s: int | None) -> None:
        """Let each direction take no more than this; None: what there is."""
        self._limit = bytes_per_s
        if self._engine is not None:
            self._engine.set_rates(bytes_per_s or 0, bytes_per_s or 0)
        self._schedule()

    # --- drawing ---------------------------------------------------------------------------------------------------

    def _schedule(self) -> None:
        if self._timer is None:
            self._timer = self._bridge.call_later(REFRESH_S, self._draw)

    def _draw(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        shots = [self._snapshot(job) for job in self._jobs.values()]
        failed: list[Transfer] = []
        for shot in reversed(shots):
            if shot.state is JobState.FAILED:
                failed += [row for row in self._rows_of_failed(shot) if row.key not in self._cleared]
        self.board = sum_up(shots, failed, self._limit)
        self._on_board(self.board)
        if any(shot.state is JobState.RUNNING for shot in shots):
            self._schedule()  # speeds fall even when nothing moves

    def _snapshot(self, job: Job) -> Snapshot:
        progress = job.progress
        return Snapshot(
            job.number,
            job.direction,
            snapshot_title(job, progress),
            self._places[job.number],
            job.state,
            progress,
            self._waiting_for.get(job.number, ""),
            self._finished_at.get(job.number, ""),
            self._skipped[job.number],
            asks=bool(self._questions[job.number].pending),
        )

    def _rows_of_failed(self, shot: Snapshot) -> tuple[Transfer, ...]:
        known = self._failed_rows.get(shot.number)
        if known is None or known[0] != shot.progress.items_failed:
            rows = failed_rows(shot, self._jobs[shot.number].failed_items())
            known = self._failed_rows[shot.number] = (shot.progress.items_failed, rows)
        return known[1]


def _lost(job: Job) -> bool:
    """Whether something of `job` failed only for want of the server."""
    return any(isinstance(item.error, (ConnectionFailed, ServerStopping)) for item in job.failed_items())


def _short(folder: Path) -> str:
    """`folder` with `~` for the person's own directory."""
    try:
        return str(Path("~") / folder.relative_to(Path.home()))
    except (ValueError, RuntimeError):
        return str(folder)
