"""The queue of transfers of one session."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from sfos.client.options import TransferOptions
from sfos.client.session.session import Session
from sfos.client.transfer.events import ConflictPolicy, Direction, JobState, Listener, OnConflict
from sfos.client.transfer.job import Job
from sfos.client.transfer.limiter import RateLimiter
from sfos.client.transfer.run import Transfer
from sfos.protocol import Entry, Ref

_log = logging.getLogger(__name__)

_HELD_PER_PLACE = 2  # jobs that have begun, those that pause among them, for each that may run at the same time


class TransferEngine:
    """Runs uploads and downloads in threads of its own. Methods may be called from any thread and return at once."""

    def __init__(
        self,
        session: Session,
        options: TransferOptions | None = None,
        listener: Listener | None = None,
        *,
        tell_all: bool = True,
    ) -> None:
        """`listener` is called from one thread of the engine, never twice at a time; keep it short. `options`: else
        the session's. `tell_all`: each item's end is told of; otherwise only of those that failed, and items that
        came to a good end are not kept."""
        self._session = session
        self._options = options or session.options.transfer
        self._parallel_jobs = max(1, self._options.parallel_jobs)
        self._listener = listener
        self._tell_all = tell_all and listener is not None
        self._keep_all = tell_all
        self._changed = threading.Condition()
        self._jobs: list[Job] = []
        self._queue: deque[Job] = deque()
        self._running: dict[threading.Thread, Job] = {}
        self._next_number = 1
        self._closing = False
        self._stirred = False  # something began or ended since the reporter looked
        self._reporter: threading.Thread | None = None
        self._limiters = {
            Direction.UPLOAD: RateLimiter(self._options.upload_rate),
            Direction.DOWNLOAD: RateLimiter(self._options.download_rate),
        }

    def upload(
        self,
        paths: Sequence[Path],
        remote_folder: str | Ref | Entry,
        on_conflict: ConflictPolicy = OnConflict.REPLACE,
        *,
        rename_to: str | None = None,
        follow_symlinks: bool = False,
        checksum: bool = False,
        hidden: bool = True,
    ) -> Job:
        """Put files and folders (with all that is in them) into a folder, which is made if missing.

        `remote_folder`: an Entry is a folder that is known to be there. `rename_to`: the name for a single path.
        Folders are merged with those that are there. `checksum`: files are the same if their contents are; otherwise
        if size and time are, and they are not read. `hidden`: hidden things in these folders go along; else they are
        left out.
        """
        if rename_to is not None and len(paths) != 1:
            raise ValueError("rename_to names a single path")
        from sfos.client.transfer.up.upload import Upload  # here and below: a command goes one way only

        transfer = Upload(paths, remote_folder, on_conflict, rename_to, follow_symlinks, checksum, hidden)
        return self._add(Direction.UPLOAD, transfer)

    def download(
        self,
        entries: Sequence[Entry],
        local_folder: Path,
        on_conflict: ConflictPolicy = OnConflict.REPLACE,
        *,
        rename_to: str | None = None,
        checksum: bool = False,
    ) -> Job:
        """Get files and folders (with all that is in them) into a local folder, which is made if missing.

        `checksum`: see `upload`.
        """
        if rename_to is not None and len(entries) != 1:
            raise ValueError("rename_to names a single entry")
        from sfos.client.transfer.down.download import Download

        transfer = Download(entries, local_folder, on_conflict, rename_to, checksum)
        return self._add(Direction.DOWNLOAD, transfer)

    @property
    def jobs(self) -> tuple[Job, ...]:
        """All jobs of this engine, oldest first; `forget` those that are over."""
        with self._changed:
            return tuple(self._jobs)

    @property
    def waiting(self) -> tuple[Job, ...]:
        """The jobs whose turn has not come, the next one first."""
        with self._changed:
            return tuple(job for job in self._queue if not job.state.over)

    def move(self, job: Job, place: int) -> None:
        """Let `job` wait at this `place` of `waiting`, from 0; a job that does not wait stays where it is."""
        with self._changed:
            if job in self._queue:
                others = [other for other in self._queue if other is not job and not other.state.over]
                others.insert(max(0, place), job)
                self._queue = deque(others)

    def forget(self, job: Job) -> None:
        """Drop a job that is over from `jobs`."""
        with self._changed:
            if job.state.over and job in self._jobs:
                self._jobs.remove(job)

    def set_rates(self, upload: int, download: int) -> None:
        """Limits in bytes per second for all jobs together, 0 = none; from now on."""
        self._limiters[Direction.UPLOAD].set_rate(upload)
        self._limiters[Direction.DOWNLOAD].set_rate(download)

    def set_parallel_jobs(self, jobs: int) -> None:
        """Let so many jobs run at the same time, at least one; those that run already go on."""
        with self._changed:
            self._parallel_jobs = max(1, jobs)
        self._start_waiting()

    def close(self, timeout_s: float = 5.0, *, interrupt: bool = False) -> bool:
        """Cancel what runs, end all threads and connections; whether they have ended in time. Idempotent.

        `interrupt`: it is meant to go on another time, so partial downloads stay for that.
        """
        until = time.monotonic() + timeout_s
        with self._changed:
            self._closing = True
            threads = [*self._running, *([self._reporter] if self._reporter else [])]
            self._changed.notify_all()
        for job in self.jobs:
            job.cancel(interrupt=interrupt)
        with self._changed:
            self._changed.notify_all()
        others = [thread for thread in threads if thread is not threading.current_thread()]
        for thread in others:
            thread.join(max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in others)

    # ── running ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _add(self, direction: Direction, transfer: Transfer) -> Job:
        with self._changed:
            number = self._next_number
            job = Job(
                number,
                direction,
                transfer,
                self._enqueue,
                self._start_waiting,
                tell_all=self._tell_all,
                keep_all=self._keep_all,
            )
            self._next_number += 1
            self._jobs.append(job)
            if self._reporter is None and not self._closing:
                self._reporter = threading.Thread(target=self._report, name="transfer-reporter")
                self._reporter.start()
        self._enqueue(job)
        return job

    def _enqueue(self, job: Job) -> None:
        with self._changed:
            self._queue.append(job)
        self._start_waiting()

    def _start_waiting(self) -> None:
        with self._changed:
            while (job := self._next_job()) is not None:
                self._queue.remove(job)
                thread = threading.Thread(target=self._execute, args=(job,), name=f"transfer-job-{job.number}")
                self._running[thread] = job
                thread.start()
            self._stirred = True
            self._changed.notify_all()

    def _next_job(self) -> Job | None:
        """Job that may begin now. Those that pause leave their place to others, but they keep their memory."""
        most = self._parallel_jobs
        moving = [job for job in self._running.values() if job.state is not JobState.PAUSED]
        if self._closing or len(moving) >= most or len(self._running) >= _HELD_PER_PLACE * most:
            return None
        return next((job for job in self._queue if job.state is not JobState.PAUSED), None)

    def _memory_share(self) -> int:
        """Memory of a job that begins now: half of what others get, while some pause and keep theirs."""
        with self._changed:
            share = self._options.memory_bytes // self._parallel_jobs
            return share // 2 if len(self._running) > self._parallel_jobs else share

    def _execute(self, job: Job) -> None:
        job.execute(self._session, self._options, self._limiters[job.direction], self._memory_share())
        with self._changed:
            del self._running[threading.current_thread()]
        self._start_waiting()

    # ── reporting ───────────────────────────────────────────────────────────────────────────────────────────────

    def _report(self) -> None:
        """Tell the listener what happened, `progress_hz` times a second at the most, until the engine is closed."""
        interval_s = 1.0 / self._options.progress_hz
        while True:
            with self._changed:
                idle = not self._running and not self._queue
                if self._closing and not self._running:
                    break
                # Woken by what begins or ends; a running job is looked at in between.
                if not self._stirred:
                    self._changed.wait(None if idle else interval_s)
                self._stirred = False
            self._tell()
        self._tell()

    def _tell(self) -> None:
        for job in self.jobs:
            over = job.state.over
            for event in job.take_news():
                try:
                    if self._listener is not None:
                        self._listener(event)
                except Exception:  # a listener's mistake must not stop the transfers, nor the other events
                    _log.exception("a listener failed")
            if over:
                job.all_told()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
