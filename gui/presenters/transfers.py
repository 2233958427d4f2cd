"""Uploads and downloads as the panel shows them: a row for each job, a row for each file that failed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from client.transfer import (
    ConflictPolicy,
    Direction,
    Item,
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
from gui.model import Notice, Place, Transfer, TransferBoard, TransferPhase
from gui.tasks import TaskBridge, Timer
from protocol import Entry, Ref, printable

REFRESH_S = 0.1  # the panel is drawn anew at most ten times a second
_FAILED_ROWS = 500  # rows of failed files; more say how many more
_ITEM_KEYS = 1_000_000  # failed items get negative keys: -(job × this + item + 1)

_PHASES: dict[JobState, TransferPhase] = {
    JobState.WAITING: "waiting",
    JobState.RUNNING: "running",
    JobState.PAUSED: "paused",
    JobState.FINISHED: "done",
    JobState.FAILED: "failed",
    JobState.CANCELLED: "cancelled",
}


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
        self._jobs: dict[int, Job] = {}
        self._finished_at: dict[int, str] = {}
        self._waiting_for: dict[int, str] = {}
        self._hidden: set[int] = set()  # failed rows that the person has cleared
        self._told: set[int] = set()
        self._timer: Timer | None = None
        self._limit: int | None = None
        self.board = TransferBoard()

    def use(self, engine: TransferEngine, limit: int | None) -> None:
        """Begin with `engine`, whose listener is `listen`."""
        self._engine = engine
        self._limit = limit

    def forget(self) -> None:
        """Forget everything: the session is over."""
        self._engine = None
        self._jobs.clear()
        self._draw()

    # --- starting --------------------------------------------------------------------------------------------------

    def upload(self, paths: Sequence[Path], place: Place, policy: ConflictPolicy) -> None:
        """Put `paths`, folders with all they hold, into `place`."""
        if self._engine is not None and paths:
            self._add(self._engine.upload(paths, Ref(node=place.node), policy), place.path)

    def download(self, entries: Sequence[Entry], folder: Path, policy: ConflictPolicy) -> None:
        """Get `entries` into the local `folder`."""
        if self._engine is not None and entries:
            self._add(self._engine.download(entries, folder, policy), str(folder))

    def _add(self, job: Job, _place: str) -> None:
        self._jobs[job.number] = job
        self._schedule()

    # --- events, from worker threads -------------------------------------------------------------------------------

    def listen(self, event: TransferEvent) -> None:
        """Take an event from any thread. Of progress only the last between two looks counts."""
        if isinstance(event, Progress):
            self._bridge.post_latest(("progress", event.job), self._schedule)
        else:
            self._bridge.post(lambda: self._happened(event))

    def _happened(self, event: ItemFinished | JobChanged) -> None:
        if isinstance(event, JobChanged):
            if event.waiting_for is not None:
                self._waiting_for[event.job] = wording.explain(event.waiting_for)
            else:
                self._waiting_for.pop(event.job, None)
            if event.state.over:
                self._finished_at[event.job] = f"{self._now():%H:%M}"
                self._tell_end(event)
            else:
                self._told.discard(event.job)
        self._schedule()

    def _tell_end(self, event: JobChanged) -> None:
        job = self._jobs.get(event.job)
        if job is None or event.job in self._told:
            return
        self._told.add(event.job)
        verb = "uploaded" if job.direction is Direction.UPLOAD else "downloaded"
        title = printable(job.title)
        if event.state is JobState.FAILED:
            failed = job.progress.items_failed
            what = f"“{title}” was not {verb}" if job.progress.items_total == 1 else (
                f"{wording.count(failed, 'file')} of “{title}” {'was' if failed == 1 else 'were'} not {verb}"
            )  # fmt: skip
            self._on_notice(Notice(f"{what}. The tab Failed says why.", "error"))
        elif event.state is JobState.FINISHED:
            where = f" to {job.destination}" if job.direction is Direction.DOWNLOAD else ""
            self._on_notice(Notice(f"“{title}” was {verb}{where}.", "success"))

    # --- the person's buttons --------------------------------------------------------------------------------------

    def act(self, key: int, action: str) -> None:
        """Do what a button of the row `key` says."""
        job = self._jobs.get(key if key >= 0 else (-key - 1) // _ITEM_KEYS)
        if job is None:
            return
        if action == "pause":
            job.pause()
        elif action == "resume":
            job.resume()
        elif action == "cancel":
            job.cancel()
        elif action == "retry":
            self._told.discard(job.number)
            self._hidden.difference_update({k for k in self._hidden if (-k - 1) // _ITEM_KEYS == job.number})
            job.retry_failed()
        elif action == "clear":
            self._clear_row(key, job)
        self._schedule()

    def _clear_row(self, key: int, job: Job) -> None:
        if key < 0:
            self._hidden.add(key)
        else:
            self._drop(job)

    def _drop(self, job: Job) -> None:
        self._jobs.pop(job.number, None)
        if self._engine is not None and job.state.over:
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

    @property
    def unfinished(self) -> int:
        """How many jobs are not over."""
        return sum(not job.state.over for job in self._jobs.values())

    # --- drawing ---------------------------------------------------------------------------------------------------

    def _schedule(self) -> None:
        if self._timer is None:
            self._timer = self._bridge.call_later(REFRESH_S, self._draw)

    def _draw(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        active: list[Transfer] = []
        completed: list[Transfer] = []
        failed: list[Transfer] = []
        snapshots: list[tuple[Job, JobState, Progress]] = []
        for job in self._jobs.values():
            state, progress = job.state, job.progress
            if not state.over:
                snapshots.append((job, state, progress))
            if state is JobState.FAILED:
                failed += self._failed_rows(job)
            elif state is JobState.CANCELLED:
                failed.append(self._row(job, state, progress))
            elif state is JobState.FINISHED:
                completed.append(self._row(job, state, progress))
            else:
                active.append(self._row(job, state, progress))
        self.board = self._sum(snapshots, active, completed[::-1], failed[::-1])
        self._on_board(self.board)

    def _sum(
        self,
        running: Sequence[tuple[Job, JobState, Progress]],
        active: Sequence[Transfer],
        completed: Sequence[Transfer],
        failed: Sequence[Transfer],
    ) -> TransferBoard:
        speeds = {Direction.UPLOAD: 0.0, Direction.DOWNLOAD: 0.0}
        done = total = 0
        stable = True
        for job, state, progress in running:
            done += progress.bytes_done
            total += progress.bytes_total
            if state is JobState.RUNNING:
                speeds[job.direction] += progress.speed
                stable = stable and progress.planned and progress.speed_stable
        speed = sum(speeds.values())
        paused = bool(running) and all(state is JobState.PAUSED for _, state, _ in running)
        return TransferBoard(
            active=tuple(active),
            completed=tuple(completed),
            failed=tuple(failed),
            up_bytes_per_s=speeds[Direction.UPLOAD],
            down_bytes_per_s=speeds[Direction.DOWNLOAD],
            done_bytes=done,
            total_bytes=total,
            eta_s=(total - done) / speed if stable and speed >= 1 else None,
            all_paused=paused,
            limit_bytes_per_s=self._limit,
        )

    def _row(self, job: Job, state: JobState, progress: Progress) -> Transfer:
        waiting = self._waiting_for.get(job.number)
        phase = _PHASES[state]
        if phase == "running" and waiting:
            phase = "retrying"
        fraction = progress.bytes_done / progress.bytes_total if progress.bytes_total else None
        if fraction is None and progress.items_total:
            fraction = (progress.items_done + progress.items_failed) / progress.items_total
        stable = state is JobState.RUNNING and progress.planned and progress.speed_stable and progress.speed >= 1
        return Transfer(
            key=job.number,
            direction=_direction(job),
            title=_title(job, progress),
            place=_place(job, progress),
            phase=phase,
            done_bytes=progress.bytes_done,
            total_bytes=progress.bytes_total,
            fraction=fraction if progress.planned or state.over else (fraction and min(fraction, 0.99)),
            bytes_per_s=progress.speed if state is JobState.RUNNING else 0.0,
            eta_s=(progress.bytes_total - progress.bytes_done) / progress.speed if stable else None,
            note=_note(state, progress, waiting),
            finished_at=self._finished_at.get(job.number, ""),
        )

    def _failed_rows(self, job: Job) -> list[Transfer]:
        rows: list[Transfer] = []
        items = job.failed_items()
        for item in items[:_FAILED_ROWS]:
            key = -(job.number * _ITEM_KEYS + item.number + 1)
            if key not in self._hidden:
                rows.append(_failed_row(key, job, item))
        if len(items) > _FAILED_ROWS:
            more = f"{len(items) - _FAILED_ROWS:,} more failed"
            key = -(job.number * _ITEM_KEYS + _ITEM_KEYS)
            direction = _direction(job)
            rows.append(
                Transfer(key, direction, more, printable(job.destination), "failed", note="Try again: all of them")
            )
        return rows


def _direction(job: Job) -> Literal["up", "down"]:
    return "up" if job.direction is Direction.UPLOAD else "down"


def _title(job: Job, progress: Progress) -> str:
    title = printable(job.title)
    if progress.items_total > 1 and "item" not in title:
        return f"{title} ({wording.count(progress.items_total, 'file')})"
    return title


def _place(job: Job, progress: Progress) -> str:
    """Where it goes; of a batch also the file that is under way."""
    place = printable(job.destination)
    current = next((item for item in progress.active if item.state is ItemState.ACTIVE), None)
    if current is not None and progress.items_total > 1:
        return f"{place} · {printable(current.remote.rpartition('/')[2])}"
    return place


def _note(state: JobState, progress: Progress, waiting: str | None) -> str:
    if state is JobState.FINISHED:
        skipped = progress.items_total - progress.items_done - progress.items_failed
        return f"{wording.count(skipped, 'file')} skipped" if skipped > 0 else ""
    if waiting:
        return waiting
    if state is JobState.RUNNING and not progress.planned:
        return f"Counting: {wording.count(progress.items_total, 'file')}"
    return ""


def _failed_row(key: int, job: Job, item: Item) -> Transfer:
    reason = item.error.message if item.error is not None else "It did not say why."
    name = item.remote.rpartition("/")[2] or item.local.name
    return Transfer(
        key,
        _direction(job),
        printable(name),
        printable(job.destination),
        "failed",
        item.bytes_done,
        item.size,
        item.bytes_done / item.size if item.size else 0.0,
        note=reason,
    )
