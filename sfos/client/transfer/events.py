"""Events of a transfer: frozen values, made in worker threads, handed to a callback at most some 20 times a second.

Totals only grow, and `bytes_done` never falls, until a job starts over (`Job.retry_failed`): what an item turns out not
to need (unchanged, already on the server) counts as done. Show a time left only while `speed_stable`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from enum import Enum
from pathlib import Path

import msgspec

from sfos.protocol import Entry, SfosError


class Direction(Enum):
    """Direction of the bytes."""

    UPLOAD = "upload"
    DOWNLOAD = "download"


class JobState(Enum):
    """State of a job. FINISHED: every item done or skipped; FAILED: some failed (`Job.retry_failed`)."""

    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def over(self) -> bool:
        """Whether nothing more will happen unless asked."""
        return self in (JobState.FINISHED, JobState.FAILED, JobState.CANCELLED)


class ItemState(Enum):
    """State of one file. UNCHANGED and SKIPPED are no failures. ATTRIBUTES: its mode alone was set."""

    __hash__ = object.__hash__  # Enum's own is written in Python, and every item is looked up by its state

    WAITING = "waiting"
    ACTIVE = "active"
    DONE = "done"
    UNCHANGED = "unchanged"
    ATTRIBUTES = "attributes"
    SKIPPED = "skipped"
    FAILED = "failed"
    CANCELLED = "cancelled"


class OnConflict(Enum):
    """Policy where something of that name is there already."""

    REPLACE = "replace"
    NEWER = "newer"  # replace what is older, skip the rest
    SKIP = "skip"
    KEEP_BOTH = "keep-both"
    CANCEL = "cancel"  # as an answer only: cancels the whole job


class Conflict(msgspec.Struct, frozen=True):
    """A question for the user: `local` or `remote`? Sizes in bytes, times in nanoseconds since 1970."""

    direction: Direction
    name: str
    local: Path
    local_size: int
    local_mtime_ns: int
    remote: Entry
    remote_path: str


class ConflictAnswer(msgspec.Struct, frozen=True):
    """`for_all`: do not ask again in this job."""

    choice: OnConflict
    for_all: bool = False


# Called in a worker thread, may block (pausing this job only).
AskConflict = Callable[[Conflict], ConflictAnswer]
ConflictPolicy = OnConflict | AskConflict


class Item(msgspec.Struct, frozen=True):
    """One file, folder or symlink of a job, as it stands now. `number` is its place in the job, from 0.

    `leaf`: its name in the local `folder`, or "" for the folder itself. Most are never shown, and paths are dear.
    """

    number: int
    folder: Path
    leaf: str
    remote: str
    kind: str
    size: int
    bytes_done: int
    state: ItemState
    error: SfosError | None = None

    @property
    def local(self) -> Path:
        """Path on this computer, where it is or will be."""
        return self.folder / self.leaf


class Tally(msgspec.Struct, frozen=True):
    """Tally of a job's items: how many in each state, and what is DONE."""

    states: Counter[ItemState]
    files_done: int
    folders_done: int
    bytes_done: int


class Progress(msgspec.Struct, frozen=True):
    """Progress of a job. `planned`: whether all is counted; until then the totals still grow. Speed in bytes/s."""

    job: int
    planned: bool
    items_total: int
    items_done: int
    items_failed: int
    bytes_total: int
    bytes_done: int
    bytes_moved: int  # what really went over the network
    speed: float
    speed_stable: bool
    active: tuple[Item, ...]


class ItemFinished(msgspec.Struct, frozen=True):
    """An item came to its end: done, unchanged, skipped, failed or cancelled."""

    job: int
    item: Item


class ItemRemarked(msgspec.Struct, frozen=True):
    """Something was left out or changed about an item that is taken all the same; `sentence` is for people."""

    job: int
    item: Item
    sentence: str


class JobChanged(msgspec.Struct, frozen=True):
    """A job's state changed. `waiting_for`: why it does not move (server unreachable), while it is tried again."""

    job: int
    state: JobState
    waiting_for: SfosError | None = None


TransferEvent = Progress | ItemFinished | ItemRemarked | JobChanged
Listener = Callable[[TransferEvent], None]
