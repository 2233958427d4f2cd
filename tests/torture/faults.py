"""Disks that fail: at every call, once and for ever, below the chunk store and below SQLite."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sfos.protocol import SfosError
from tests.storage import child, crashing
from tests.storage.after_crash import check_work, start_over
from tests.storage.desk import Desk
from tests.storage.failing_files import ERRORS, FailingFiles
from tests.support.leaks import Resources
from tests.torture.kills import begin_from, end_all
from tests.torture.scenario import Context, Figures, Scenario

# What the kernel may answer to each call. `write` and `openat` are also what Python itself does with them.
CALL_ERRORS = {
    "openat": ("EMFILE", "EIO"),
    "pwrite64": ("EIO", "ENOSPC"),
    "fsync": ("EIO", "ENOSPC"),
    "fdatasync": ("EIO", "ENOSPC"),
    "write": ("EIO", "ENOSPC"),
    "ftruncate": ("EIO",),
    "rename": ("EIO", "ENOSPC"),
    "unlink": ("EIO",),
    "mkdir": ("ENOSPC",),
}
ACKNOWLEDGED, REFUSED = b"a", b"r"


@dataclass(frozen=True)
class Fault:
    """The nth call of a kind fails, and every later one if it is `sticky`. `layer`: "files" or "system"."""

    layer: str
    call: str
    n: int
    error: int | str
    sticky: bool

    def __str__(self) -> str:
        error = self.error if isinstance(self.error, str) else errno.errorcode.get(self.error, "short write")
        return f"{self.layer}: {error} at {self.call} number {self.n}{' and later' if self.sticky else ''}"

    @property
    def of_sync(self) -> bool:
        """Whether it makes unknown what is on the disk."""
        return self.call in ("sync", "fsync", "fdatasync") or (
            self.call == "sync_directory" and self.error != errno.EMFILE
        )

    @property
    def of_reading(self) -> bool:
        """Whether it may hit those who only read."""
        return self.call in ("read", "openat")


def run(context: Context) -> Figures:
    """All faults in an order that the seed makes."""
    template = context.workplace / "template"
    start_over(template)
    faults = [*faults_of_files(template, context.workplace), *faults_of_system(template, context.workplace)]
    context.count("faults to be tried", len(faults))
    context.random.shuffle(faults)
    home = context.workplace / "home"
    for fault in faults:
        if not context.going():
            return context.figures()
        try:
            suffer(fault, template, home, context.count)
        except AssertionError as error:
            context.broken(f"{fault}: {error}")
        context.count("faults")
    end_all(context)
    return context.figures()


def faults_of_files(template: Path, workplace: Path) -> Iterator[Fault]:
    """Every fault that the layer below the chunk store can have in a session."""
    home = workplace / "counted"
    begin_from(template, home)
    files = FailingFiles()
    session(home, files, lambda _: None, reading=True)
    for step, errors in ERRORS.items():
        for n in range(1, files.counts[step] + 1):
            yield from (Fault("files", step, n, error, sticky) for error in errors for sticky in (False, True))


def faults_of_system(template: Path, workplace: Path) -> Iterator[Fault]:
    """Every system call of a session's thread, SQLite's among them, with what the kernel may answer."""
    if not child.may_be_traced():
        return
    home = workplace / "counted"
    begin_from(template, home)
    totals = child.count_calls(lambda say: session(home, None, say, reading=True), workplace / "strace.log")
    for call, errors in CALL_ERRORS.items():
        for n in range(1, totals[call] + 1):
            yield from (Fault("system", call, n, error, sticky) for error in errors for sticky in (False, True))


def suffer(fault: Fault, template: Path, home: Path, count: Callable[[str], None] = lambda _: None) -> None:
    """A session with the fault, and what must hold during it and afterwards. Raises: AssertionError."""
    begin_from(template, home)
    if fault.layer == "files":
        assert isinstance(fault.error, int)
        files = FailingFiles(fault.call, fault.n, fault.error, sticky=fault.sticky)
        ended = child.run(lambda say: _with_files(home, files, say, reading=fault.of_reading))
    else:
        inject = f"inject={fault.call}:error={fault.error}:when={fault.n}{'+' if fault.sticky else ''}"
        traced = ["-e", f"trace={fault.call}", "-e", inject]
        ended = child.run(lambda say: session(home, None, say, reading=fault.of_reading), traced)
    assert ended.exit_code == 0, ended.said.decode("utf-8", "replace")
    story = ended.said.partition(b"!")[0]
    count("faults that a client saw" if REFUSED in story else "faults that nobody saw")
    if fault.of_sync:
        after_refusal = story.partition(REFUSED)[2]
        assert ACKNOWLEDGED not in after_refusal, "after a failed fsync it took writes again"
    check_work(home, story.count(ACKNOWLEDGED))


def session(home: Path, files: FailingFiles | None, say: child.Say, *, reading: bool = False) -> None:
    """The steps of `crashing.work` by a client that sends each once more if it is refused, and then gives up.

    `reading`: and that reads everything after each step.
    What is refused is refused by an SfosError: anything else escapes, and is a fault of the program.
    """
    for _ in range(2):
        try:
            registry = crashing.open_registry(home, files=files)
        except OSError:  # at the start of a server: it says so and ends
            say(b"s")
            continue
        with closing(registry):
            try:
                with registry.lease(crashing.SPACE_ID) as space:
                    _all_steps(Desk(space), say, reading=reading)
                    return
            except _Refused:
                return
            except SfosError:
                say(b"o")


class _Refused(Exception):
    """A step was refused twice."""


def _all_steps(desk: Desk, say: child.Say, *, reading: bool) -> None:
    for step in range(crashing.STEPS):
        for _ in range(2):
            try:
                crashing.do(desk, step)
            except SfosError:
                say(REFUSED)
            else:
                say(ACKNOWLEDGED)
                break
        else:
            raise _Refused
        if reading:
            try:
                desk.tree()
            except SfosError:
                say(b"d")


def _with_files(home: Path, files: FailingFiles, say: child.Say, *, reading: bool) -> None:
    before = Resources.now()
    session(home, files, say, reading=reading)
    say(b"!%d" % files.failed)
    assert not files.retried_syncs, "a failed fsync was tried again"
    assert before.left_behind() == []


SCENARIO = Scenario(
    name="failing-disk",
    promise="A disk that fails costs no acknowledged file, and after a failed fsync nothing more is promised.",
    figure="EIO, ENOSPC, EMFILE, short write, failing fsync at every call, once and sticky",
    run=run,
    share=4.0,
)
