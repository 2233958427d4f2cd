"""Uploads and downloads: starting them, the buttons of the panel, and what the panel shows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from pathlib import Path

from sfos.client.errors import ConnectionFailed
from sfos.client.retry import Retries, RetryPolicy
from sfos.client.transfer import (
    AskConflict,
    Conflict,
    ConflictAnswer,
    Direction,
    ItemFinished,
    ItemRemarked,
    ItemState,
    Job,
    JobChanged,
    JobState,
    OnConflict,
    Progress,
    TransferEngine,
    TransferEvent,
)
from sfos.client.transfer.queue_file import Kept
from sfos.gui import wording
from sfos.gui.applications import NotOpened, is_program, open_file, show_in_folder
from sfos.gui.model import FolderPath, Notice, Say, Transfer, TransferBoard
from sfos.gui.nodes import key_of, ref_to
from sfos.gui.page import EditedFile
from sfos.gui.threads.bridge import TaskBridge, Timer
from sfos.gui.transfers.conflicts import Questions
from sfos.gui.transfers.rows import Limits, Snapshot, failed_rows, job_of, sum_up
from sfos.gui.transfers.work import Asked, Download, Upload, Work
from sfos.protocol import Entry, LoginFailed, LoginRequired, ServerStopping, SessionEnded, SfosError, printable

REFRESH_S = 0.1  # the panel is drawn anew at most ten times a second
# A job that lost its connection to a server that is there: it may be starting up.
RETRY = RetryPolicy(first_s=3.0, longest_s=3.0, jitter=0.0, tries=3)
_AWAY = (ConnectionFailed, ServerStopping)
_SIGNED_OUT = (SessionEnded, LoginRequired, LoginFailed)  # a password changed elsewhere counts as a failed sign-in


class TransfersPresenter:
    """Owns the jobs of one session's engine. `listen` alone is called from worker threads."""

    def __init__(
        self,
        bridge: TaskBridge,
        *,
        for_job: Callable[[], Questions],
        on_board: Callable[[TransferBoard], None],
        on_notice: Say,
        on_queue: Callable[[], None] = lambda: None,
        now: Callable[[], dt.datetime] = wording.local_now,
    ) -> None:
        """`for_job`: what a new job asks through; `on_queue`: what `unfinished_work` says may have changed."""
        self._bridge, self._for_job = bridge, for_job
        self._on_board, self._on_notice, self._on_queue, self._now = on_board, on_notice, on_queue, now
        self._engine: TransferEngine | None = None
        self._limits = Limits()
        self._work: dict[int, Work] = {}
        self._away = False
        self._signed_out = False
        self._sign_ins = 0
        self._failed_rows: dict[int, tuple[int, tuple[Transfer, ...]]] = {}
        self._cleared: set[int] = set()  # rows of failed items that the person has cleared
        self._timer: Timer | None = None
        self.board = TransferBoard()

    def use(self, engine: TransferEngine, limits: Limits | None = None) -> None:
        """Begin with `engine`, whose listener is `listen`."""
        self._engine = engine
        self.set_limits(limits or Limits())
        self.board = TransferBoard(up_limit=self._limits.up, down_limit=self._limits.down)

    def forget(self) -> None:
        """Forget everything: the session is over."""
        self._engine = None
        self._work.clear()
        self._draw()

    @property
    def unfinished(self) -> int:
        """Number of jobs that are not over."""
        return sum(not work.job.state.over for work in self._work.values())

    def unfinished_work(self) -> tuple[Kept, ...]:
        """Transfers that could go on another time, in order: they wait, run, or broke off without the server or the
        session."""
        begun, waiting = self._in_order()
        return tuple(
            work.asked.kept()
            for work in (*begun, *waiting)
            if work.then is None
            and work.asked.in_home
            and (not work.job.state.over or _broken_off_by(work.job, (*_AWAY, *_SIGNED_OUT)))
        )

    # --- starting --------------------------------------------------------------------------------------------------

    def upload(self, paths: Sequence[Path], place: FolderPath, *, hidden: bool = True) -> None:
        """Put `paths`, folders with all they hold (what is `hidden` too), into `place`."""
        if paths:
            self.start(Upload(tuple(paths), place.key, place.path, hidden))

    def download(self, entries: Sequence[Entry], folder: Path) -> None:
        """Get `entries` into the local `folder`."""
        if entries:
            self.start(Download(tuple(entries), folder))

    def fetch(self, entry: Entry, folder: Path, then: Callable[[Job], None]) -> None:
        """Get `entry` into the local `folder` for whoever waits for its end."""
        self.start(Download((entry,), folder), then)

    def put_edited(self, file: EditedFile, then: Callable[[Job], None]) -> None:
        """Put an edited copy in the place of the file that it is of, for whoever waits for its end."""
        self.start(Upload((file.local,), file.folder, file.path, rename_to=file.name, edited=file.entry), then)

    def start(self, asked: Asked, then: Callable[[Job], None] | None = None) -> None:
        """Do what is asked, after what was asked before. `then` is told of its end, and says itself what came of it."""
        engine, questions = self._engine, self._for_job()
        if engine is None:
            return
        if isinstance(asked, Upload):
            policy = _for_edited(asked.edited, questions) if asked.edited is not None else questions.ask
            job = engine.upload(
                asked.paths, ref_to(asked.folder), policy, rename_to=asked.rename_to, hidden=asked.hidden
            )
        else:
            job = engine.download(asked.entries, asked.folder, questions.ask)
        self._work[job.number] = Work(job, asked, questions, Retries(RETRY), self._sign_ins, then=then)
        questions.on_change = self._schedule
        self._queue_changed()

    def _queue_changed(self) -> None:
        self._schedule()
        self._on_queue()

    # --- the server goes away and comes back -----------------------------------------------------------------------

    def server_is_away(self) -> None:
        """Let all that fails from now on wait for `server_is_back`."""
        self._away = True

    def server_is_back(self) -> None:
        """Take up again what failed because the server was away."""
        self._away = False
        for work in self._work.values():
            work.retries.succeeded()
            if _broken_off_by(work.job, _AWAY):  # not what ended with the session: nobody but the person can mend that
                self._retry(work)

    def signed_out(self) -> None:
        """Let all that fails from now on for want of a session wait for `signed_in`."""
        self._signed_out = True

    def signed_in(self) -> None:
        """Take up again what failed because the session had ended."""
        self._signed_out = False
        self._sign_ins += 1
        for work in self._work.values():
            if _broken_off_by(work.job, (*_AWAY, *_SIGNED_OUT)):
                self._retry(work)

    def _retry(self, work: Work) -> None:
        number = work.job.number
        work.sign_ins = self._sign_ins
        self._cleared = {cleared for cleared in self._cleared if job_of(cleared) != number}
        self._failed_rows.pop(number, None)
        if work.job.state is JobState.CANCELLED:  # its end is final: the same is asked for once more
            self._drop(work)
            self.start(work.asked, work.then)
        else:
            if not work.job.progress.planned:  # it begins from the first file on, and what is skipped is told again
                work.skipped = 0
            work.job.retry_failed()
        self._queue_changed()

    # --- events ----------------------------------------------------------------------------------------------------

    def listen(self, event: TransferEvent) -> None:
        """Take an event from any thread. Of progress only the last between two looks counts."""
        if isinstance(event, Progress):
            self._bridge.post_latest(("progress", event.job), self._schedule)
        else:
            self._bridge.post(lambda: self._happened(event))

    def _happened(self, event: ItemFinished | ItemRemarked | JobChanged) -> None:
        work = self._work.get(event.job)
        if work is None:
            return
        if isinstance(event, ItemFinished):
            work.skipped += event.item.state is ItemState.SKIPPED
        elif isinstance(event, ItemRemarked):
            work.remarks += 1
            work.remark = work.remark or f"“{printable(event.item.local.name)}”: {event.sentence}"
        else:
            work.waiting_for = wording.reason(event.waiting_for) if event.waiting_for is not None else ""
            if event.state.over:
                work.finished_at = f"{self._now():%H:%M}"
                self._tell_end(work, event.state)
                self._tell_remarks(work)
                if work.then is not None and work.job.state is event.state:  # else it goes on already
                    work.then(work.job)
                    if event.state is JobState.FINISHED:
                        self._drop(work)
            self._on_queue()
        self._schedule()

    def _tell_remarks(self, work: Work) -> None:
        if work.remarks:
            more = f" So it is with {work.remarks - 1:,} more." if work.remarks > 1 else ""
            self._on_notice(Notice(work.remark + more, "warning"))
        work.remarks, work.remark = 0, ""

    def _tell_end(self, work: Work, state: JobState) -> None:
        progress = work.job.progress
        title = work.title if work.several else f"“{work.title}”"
        if _broken_off_by(work.job, _SIGNED_OUT):
            if self._signed_out:
                return  # the form for signing in says that it goes on
            if work.sign_ins != self._sign_ins:  # a limit, or a slow disk, kept it from hearing of it until now
                self._retry(work)
                return
        lost = _broken_off_by(work.job, _AWAY)
        wait = None if lost is None or self._away else work.retries.wait_after(lost)
        if wait is not None:
            self._bridge.call_later(wait, lambda: None if self._away else self._retry(work))
        if lost is not None and (self._away or wait is not None):
            self._on_notice(Notice(f"{title}: the connection was lost. It goes on by itself.", "warning"))
        elif state is JobState.FAILED:
            failed = progress.items_failed
            if progress.items_total > 1:
                whole = wording.count(progress.items_total, "item")
                title = f"{failed:,} of {whole}" if work.several else f"{wording.count(failed, 'item')} of {title}"
            were = "was" if failed == 1 or progress.items_total <= 1 else "were"
            self._on_notice(Notice(f"{title} {were} not {work.verb}. The tab “Failed” says why.", "error"))
        elif work.then is not None:
            return  # whoever waits for it says so
        elif state is JobState.FINISHED and work.skipped and work.skipped == progress.items_total:
            self._on_notice(Notice(f"{title}: nothing to do, all skipped.", "success"))
        elif state is JobState.FINISHED:
            where = f" to {work.asked.place}" if work.job.direction is Direction.DOWNLOAD else ""
            were = "were" if work.several else "was"
            self._tell_arrived(f"{title} {were} {work.verb}{where}.", work)

    def _tell_arrived(self, text: str, work: Work) -> None:
        arrived = work.arrived
        opens = arrived is not None and work.snapshot(None).opens
        self._on_notice(
            Notice(text, "success", "Show in folder" if arrived else None, "Open" if opens else None),
            act=lambda: self._look_at(work, show_in_folder), other=lambda: self._look_at(work, open_file),
        )  # fmt: skip

    def _look_at(self, work: Work, how: Callable[[Path], None]) -> None:
        """Open what has arrived, or show where it is, in a thread."""
        path = work.arrived
        if path is None:
            return
        if how is open_file and is_program(path.name):
            self._on_notice(Notice(f"“{printable(path.name)}” is a program, which is not run from here.", "warning"))
            return

        def failed(error: Exception) -> None:
            self._on_notice(Notice(str(error) if isinstance(error, NotOpened) else wording.explain(error), "error"))

        self._bridge.run_in_thread(lambda _token: how(path), lambda _nothing: None, failed, name="gui-open")

    # --- the person's buttons --------------------------------------------------------------------------------------

    def act(self, key: int, action: str) -> None:
        """Do what a button of the row `key`, or its menu, says."""
        work = self._work.get(job_of(key))
        if work is None:
            return
        if action == "pause":
            work.job.pause()
        elif action == "resume":
            work.job.resume()
        elif action == "cancel":
            work.job.cancel()
            work.questions.cancel()
        elif action == "retry":
            self._retry(work)
        elif action in ("top", "up", "down"):
            self._move(work.job, action)
        elif action == "open":
            self._look_at(work, open_file)
        elif action == "show":
            self._look_at(work, show_in_folder)
        elif action == "clear" and key < 0:
            self._cleared.add(key)
        elif action == "clear":
            self._drop(work)
        self._queue_changed()

    def _move(self, job: Job, where: str) -> None:
        if self._engine is None:
            return
        waiting = self._engine.waiting
        if job in waiting:
            now = waiting.index(job)
            self._engine.move(job, {"top": 0, "up": now - 1, "down": now + 1}[where])

    def _drop(self, work: Work) -> None:
        self._work.pop(work.job.number, None)
        self._failed_rows.pop(work.job.number, None)
        if self._engine is not None:
            self._engine.forget(work.job)

    def clear(self, tab: str) -> None:
        """Empty the list of a tab."""
        state = {"completed": JobState.FINISHED, "failed": JobState.FAILED, "cancelled": JobState.CANCELLED}[tab]
        for work in list(self._work.values()):
            if work.job.state is state:
                self._drop(work)
        self._queue_changed()

    def pause_all(self, paused: bool) -> None:
        """Pause everything, or go on with everything."""
        for work in self._work.values():
            if paused and work.job.state in (JobState.RUNNING, JobState.WAITING):
                work.job.pause()
            elif not paused and work.job.state is JobState.PAUSED:
                work.job.resume()
        self._schedule()

    def set_limit(self, bytes_per_s: int | None) -> None:
        """Let each direction take no more than this; None: what there is."""
        self.set_limits(Limits(bytes_per_s, bytes_per_s))

    def set_limits(self, limits: Limits) -> None:
        """Let each direction take no more than its own."""
        self._limits = limits
        if self._engine is not None:
            self._engine.set_rates(limits.up or 0, limits.down or 0)
        self._schedule()

    def set_at_once(self, jobs: int) -> None:
        """Let so many run at the same time."""
        if self._engine is not None:
            self._engine.set_parallel_jobs(jobs)
        self._schedule()

    # --- drawing ---------------------------------------------------------------------------------------------------

    def _schedule(self) -> None:
        if self._timer is None:
            self._timer = self._bridge.call_later(REFRESH_S, self._draw)

    def _in_order(self) -> tuple[list[Work], list[Work]]:
        """Transfers begun (or over), and those that wait for their turn, the next one first."""
        queue = [job.number for job in self._engine.waiting] if self._engine is not None else []
        begun = [work for number, work in self._work.items() if number not in queue]
        return begun, [self._work[number] for number in queue if number in self._work]

    def _draw(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        begun, waiting = self._in_order()
        shots = [work.snapshot(None) for work in begun]
        shots += [work.snapshot(queued) for queued, work in enumerate(waiting)]
        failed: list[Transfer] = []
        for shot in reversed(shots):
            if shot.state is JobState.FAILED:
                failed += [row for row in self._rows_of_failed(shot) if row.key not in self._cleared]
        self.board = sum_up(shots, failed, self._limits)
        self._on_board(self.board)
        if any(shot.state is JobState.RUNNING for shot in shots):
            self._schedule()  # speeds fall even when nothing moves

    def _rows_of_failed(self, shot: Snapshot) -> tuple[Transfer, ...]:
        known = self._failed_rows.get(shot.number)
        if known is None or known[0] != shot.progress.items_failed:
            rows = failed_rows(shot, self._work[shot.number].job.failed_items())
            known = self._failed_rows[shot.number] = (shot.progress.items_failed, rows)
        return known[1]


def _broken_off_by(job: Job, reasons: tuple[type[SfosError], ...]) -> SfosError | None:
    """The first of these `reasons` for which something of `job` failed, if it is over and there is one."""
    if job.state is not JobState.FAILED:
        return None
    return next((item.error for item in job.failed_items() if isinstance(item.error, reasons)), None)


def _for_edited(edited: Entry, questions: Questions) -> AskConflict:
    """The policy for an edited copy: the state that it is of is replaced; about any other the person is asked."""

    def ask(conflict: Conflict) -> ConflictAnswer:
        there = conflict.remote
        if key_of(there) == key_of(edited) and there.revision == edited.revision:
            return ConflictAnswer(OnConflict.REPLACE)
        return questions.ask(conflict)

    return ask
