"""Transfers of `put` and `get`: run jobs to their end, show them, answer their questions, sum them up.

The engine works in threads of its own; they hand everything to the main thread through one queue, so that only the
main thread writes, asks, and hears Ctrl+C.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Self

import msgspec

from sfos.cli.files import conflicts
from sfos.cli.files.progress import ProgressView, view
from sfos.cli.front import output
from sfos.cli.front.failures import Failures
from sfos.cli.front.shell import Shell
from sfos.client.session.session import Session
from sfos.client.transfer import (
    Conflict,
    ConflictAnswer,
    ConflictPolicy,
    Direction,
    Item,
    ItemFinished,
    ItemRemarked,
    ItemState,
    Job,
    JobState,
    OnConflict,
    Progress,
    Tally,
    TransferEngine,
    TransferEvent,
)
from sfos.protocol import AlreadyExists, SfosError, counted, printable

SAME_AGAIN = "The same command goes on where it stopped."

_LOOK_S = 0.2  # on Windows a wait without an end cannot be interrupted by Ctrl+C
_ALIKE_SHOWN = 20  # lines of one and the same reason; --verbose shows all

_POLICIES = {
    conflicts.Conflict.REPLACE: OnConflict.REPLACE,
    conflicts.Conflict.SKIP: OnConflict.SKIP,
    conflicts.Conflict.NEWER: OnConflict.NEWER,
    conflicts.Conflict.KEEP_BOTH: OnConflict.KEEP_BOTH,
}
# “n” is no, as everywhere: whoever types it does not want the file replaced.
_ANSWERS = {
    "r": OnConflict.REPLACE,
    "s": OnConflict.SKIP,
    "n": OnConflict.SKIP,
    "u": OnConflict.NEWER,
    "k": OnConflict.KEEP_BOTH,
    "c": OnConflict.CANCEL,
}
_WORDS = {"no": OnConflict.SKIP, "update": OnConflict.NEWER, **{choice.value: choice for choice in OnConflict}}
_QUESTION = (
    "[r]eplace, [s]kip, [u]pdate (replace if newer), [k]eep both, [c]ancel; twice the letter for all that follow: "
)


def answer_of(typed: str) -> ConflictAnswer | None:
    """The answer that a person typed: a letter, twice the letter for all, or a word; None for anything else."""
    typed = typed.strip().lower()
    if typed in _WORDS:
        return ConflictAnswer(_WORDS[typed])
    choice = _ANSWERS.get(typed[:1])
    if choice is None or typed not in (typed[0], typed[0] * 2):
        return None
    return ConflictAnswer(choice, for_all=len(typed) == 2)


class _Question(msgspec.Struct):
    """A conflict on its way to the main thread, and the answer on its way back."""

    conflict: Conflict
    answered: threading.Event = msgspec.field(default_factory=threading.Event)
    answer: ConflictAnswer = msgspec.field(default_factory=lambda: ConflictAnswer(OnConflict.CANCEL, for_all=True))


class Outage:
    """Why nothing moves: news once, until bytes move again, for each connection comes with it at each of its tries."""

    def __init__(self) -> None:
        self._moved = 0
        self._told: set[str] = set()

    def moved(self, bytes_moved: int) -> None:
        """Note the bytes that have gone over the network in all."""
        if bytes_moved > self._moved:
            self._moved = bytes_moved
            self._told.clear()

    def is_news(self, why: str) -> bool:
        """Whether to tell it."""
        if why in self._told:
            return False
        self._told.add(why)
        return True


class Transfers:
    """The jobs of one command, each run to its end by `run`; close it by `with`."""

    def __init__(self, session: Session, shell: Shell, failures: Failures) -> None:
        self._shell = shell
        self._failures = failures
        self._inbox: SimpleQueue[TransferEvent | _Question] = SimpleQueue()
        self._view: ProgressView = view(shell)
        self._reasons: Counter[str] = Counter()
        self._remarks: Counter[str] = Counter()
        self._refused = 0
        self._outage = Outage()
        self.engine = TransferEngine(session, session.options.transfer, self._hear, tell_all=shell.verbose)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._view.close()
        self.engine.close(interrupt=True)

    def _hear(self, event: TransferEvent) -> None:
        """Pass an event on to the main thread."""
        self._inbox.put(event)

    # ── conflicts ───────────────────────────────────────────────────────────────────────────────────────────────

    def policy(self, conflict: conflicts.Conflict, default: OnConflict | None = None) -> ConflictPolicy:
        """The engine's form of what the person wants; without `default`, an unsaid wish is asked for or refused."""
        if conflict is not conflicts.Conflict.DEFAULT:
            return _POLICIES[conflict]
        return default or self._ask_main_thread

    def _ask_main_thread(self, conflict: Conflict) -> ConflictAnswer:
        question = _Question(conflict)
        self._inbox.put(question)
        question.answered.wait()
        return question.answer

    def _settle(self, question: _Question) -> None:
        try:
            if self._shell.can_ask:
                self._view.line(lambda: self._ask(question))
            else:
                self._view.line(lambda: self._refuse(question))
        finally:
            question.answered.set()

    def _refuse(self, question: _Question) -> None:
        """Leave the file as it is where nobody can be asked, and report that as an error."""
        error = AlreadyExists("It is there already, and differs: say --replace, --skip, --newer or --keep-both.")
        self._failures.add(error, str(question.conflict.local))
        self._refused += 1
        question.answer = ConflictAnswer(OnConflict.SKIP)

    def _ask(self, question: _Question) -> None:
        for line in conflict_lines(question.conflict):
            self._shell.say(line)
        while True:
            try:
                answer = answer_of(self._shell.ask(_QUESTION))
            except EOFError:
                return
            if answer is not None:
                question.answer = answer
                return

    # ── running ─────────────────────────────────────────────────────────────────────────────────────────────────

    def run(self, job: Job, to_go_on: str = SAME_AGAIN) -> None:
        """Return when the job is over; its failures are reported by then.

        `to_go_on`: what a person who stopped it by Ctrl+C can do to have the rest, for what came of it is kept.
        Raises: KeyboardInterrupt, cancelled.
        """
        began = time.monotonic()
        reported: set[int] = set()
        try:
            self._follow(job, reported)
            if job.state is JobState.CANCELLED:  # as the answer to a question
                raise KeyboardInterrupt
        except KeyboardInterrupt:
            job.cancel(interrupt=True)
            self._cancelled(job)
            self._view.close()
            self._shell.say(f"{self._summary(job, time.monotonic() - began)} {to_go_on}")
            raise
        self._view.close()
        for item in job.failed_items():
            self._report(item, job.direction, reported)
        for reason, count in (*self._reasons.items(), *self._remarks.items()):
            if count > _ALIKE_SHOWN and not self._shell.verbose:
                self._shell.warn(f"and {count - _ALIKE_SHOWN:,} more like this: {reason}")
        if not self._shell.quiet:
            self._shell.note(self._summary(job, time.monotonic() - began))

    def _summary(self, job: Job, seconds: float) -> str:
        tally, planned = job.tally(), job.progress.planned
        return summarise(tally, job.direction, job.state, seconds, refused=self._refused, planned=planned)

    def _follow(self, job: Job, reported: set[int]) -> None:
        while True:
            try:
                event = self._inbox.get(timeout=0 if job.wait(0) else _LOOK_S)
            except Empty:
                if job.wait(0):
                    return
                continue
            if isinstance(event, _Question):
                self._settle(event)
            elif isinstance(event, Progress):
                self._outage.moved(event.bytes_moved)
                self._view.show(event)
            elif isinstance(event, ItemFinished):
                self._finished(event.item, job, reported)
            elif isinstance(event, ItemRemarked):
                self._remarked(event, job.direction)
            elif event.waiting_for is not None:
                self._waits(event.waiting_for)
            elif event.state.over:
                job.wait(_LOOK_S)  # it is, in a moment: so that the next look finds it over and need not wait

    def _waits(self, reason: SfosError) -> None:
        why = output.error_line("", reason)
        if self._outage.is_news(why):
            self._view.line(lambda: self._shell.note(f"{why} Trying again …"))

    def _cancelled(self, job: Job) -> None:
        """Wait for the end of a cancelled job, refusing its questions. A second Ctrl+C leaves at once."""
        while not job.wait(_LOOK_S):
            while True:
                try:
                    event = self._inbox.get_nowait()
                except Empty:
                    break
                if isinstance(event, _Question):
                    event.answered.set()

    def _finished(self, item: Item, job: Job, reported: set[int]) -> None:
        if item.state is ItemState.FAILED:
            self._view.line(lambda: self._report(item, job.direction, reported))
        elif self._shell.verbose and item.state is not ItemState.CANCELLED:
            self._view.line(lambda: self._shell.detail(f"{printable(item.remote)}: {item.state.value}"))

    def _remarked(self, event: ItemRemarked, direction: Direction) -> None:
        self._remarks[event.sentence] += 1
        if self._remarks[event.sentence] <= _ALIKE_SHOWN or self._shell.verbose:
            line = f"{source_of(event.item, direction)}: {event.sentence}"
            self._view.line(lambda: self._shell.warn(line))

    def _report(self, item: Item, direction: Direction, reported: set[int]) -> None:
        if item.number in reported:
            return
        reported.add(item.number)
        error = item.error or SfosError("It failed, and nobody said why.")
        self._reasons[error.message] += 1
        quietly = self._reasons[error.message] > _ALIKE_SHOWN and not self._shell.verbose
        self._failures.add(error, source_of(item, direction), quietly=quietly)


# ── what is said ────────────────────────────────────────────────────────────────────────────────────────────────


def source_of(item: Item, direction: Direction) -> str:
    """The path that an item comes from, as a person finds it."""
    return str(item.local) if direction is Direction.UPLOAD else item.remote


def going_on_with(folder: str) -> str:
    """Advice for the rest of a folder that was to get a new name: once that is there, the same command means to put the
    folder into it."""
    shown = printable(folder.rstrip("/" + os.sep))
    return f"The same command with “{shown}/.” in place of “{shown}” goes on where it stopped."


def conflict_lines(conflict: Conflict) -> list[str]:
    """Both versions, so that one can choose between them."""
    here = ("here", output.size(conflict.local_size), output.moment(conflict.local_mtime_ns), str(conflict.local))
    remote = conflict.remote
    server = ("server", output.size(remote.size), output.moment(remote.mtime_ns), conflict.remote_path)
    rows = [server, here] if conflict.direction is Direction.DOWNLOAD else [here, server]
    newer = max((conflict.local_mtime_ns, "here"), (remote.mtime_ns, "server"))[1]
    marked = [(side, size, time, printable(path), "newer" if side == newer else "") for side, size, time, path in rows]
    return [f"{printable(conflict.name)} is there already:", *("  " + line for line in output.table(marked))]


def summarise(
    tally: Tally, direction: Direction, state: JobState, seconds: float, *, refused: int = 0, planned: bool = True
) -> str:
    """One sentence on what a job did: `Uploaded 12 files (3.4 MB) in 0.8 s; 2 unchanged, 1 failed.`

    `refused`: how many were skipped for want of an answer, which is a failure. `planned`: whether the job got to know
    of all that there is; what it did not look at it cannot count.
    """
    files, folders, states = tally.files_done, tally.folders_done, tally.states
    verb = "Uploaded" if direction is Direction.UPLOAD else "Downloaded"
    text = f"Cancelled: {verb.lower()}" if state is JobState.CANCELLED else verb
    text += f" {counted(files, 'file')}"
    if folders:
        text += f" and {counted(folders, 'folder')}"
    if files:
        text += f" ({output.size(tally.bytes_done)}) in {output.duration(seconds)}"
        if seconds >= 1:
            text += f", {output.size(round(tally.bytes_done / seconds))}/s"
    rest = [
        f"{states[state] - minus:,} {word}"
        for state, minus, word in (
            (ItemState.ATTRIBUTES, 0, "with another mode alone"),
            (ItemState.UNCHANGED, 0, "unchanged"),
            (ItemState.SKIPPED, refused, "skipped"),
            (ItemState.FAILED, -refused, "failed"),
        )
        if states[state] - minus > 0
    ]
    unfinished = sum(states[state] for state in (ItemState.WAITING, ItemState.ACTIVE, ItemState.CANCELLED))
    if unfinished:
        rest.append(f"{unfinished:,} not finished")
    if not planned and sum(states.values()) > 1:  # of one alone its error says enough
        rest.append("and more that was not looked at yet" if unfinished else "not all was looked at yet")
    return text + ("; " + ", ".join(rest) if rest else "") + "."
