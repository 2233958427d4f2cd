"""Transfers as they were asked for, and what the panel knows of each job beyond the job itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sfos.client.retry import Retries
from sfos.client.transfer import Direction, Job, JobState
from sfos.client.transfer.queue_file import Kept, KeptDownload, KeptUpload, spelled
from sfos.gui import wording
from sfos.gui.nodes import HOME, NodeKey, key_of
from sfos.gui.transfers.conflicts import Questions
from sfos.gui.transfers.rows import Snapshot
from sfos.protocol import Entry, printable


@dataclass(frozen=True, slots=True)
class Upload:
    """Put `paths`, folders with all they hold, into `folder`, whose path is `path`.

    `hidden`: what is hidden in them as well. `rename_to`: the name of a single one there. `edited`: the state of the
    file that it is an edited copy of; nothing but that is replaced without a question.
    """

    paths: tuple[Path, ...]
    folder: NodeKey
    path: str
    hidden: bool = True
    rename_to: str | None = None
    edited: Entry | None = None

    @property
    def place(self) -> str:
        """Destination, for people."""
        return printable(self.path)

    @property
    def count(self) -> int:
        """Number of the things to upload."""
        return len(self.paths)

    @property
    def first_name(self) -> str:
        """Name of the first of them."""
        return self.paths[0].name

    @property
    def in_home(self) -> bool:
        """Whether all of it is in the user's own space: what is written down says no other."""
        return self.folder.space == HOME

    def kept(self) -> Kept:
        """Upload as it is written down."""
        return KeptUpload(tuple(map(spelled, self.paths)), self.folder.node, self.path, self.hidden)


@dataclass(frozen=True, slots=True)
class Download:
    """Get `entries` into the local `folder`."""

    entries: tuple[Entry, ...]
    folder: Path

    @property
    def place(self) -> str:
        """Destination, for people: with `~` for their own directory."""
        return printable(wording.with_home(self.folder))

    @property
    def count(self) -> int:
        """Number of the things to download."""
        return len(self.entries)

    @property
    def first_name(self) -> str:
        """Name of the first of them."""
        return self.entries[0].name

    @property
    def in_home(self) -> bool:
        """Whether all of it is in the user's own space."""
        return all(key_of(entry).space == HOME for entry in self.entries)

    def kept(self) -> Kept:
        """Download as it is written down."""
        return KeptDownload(tuple(entry.node for entry in self.entries), spelled(self.folder))


Asked = Upload | Download


@dataclass(slots=True)
class Work:
    """A job, and what was asked for. `retries`: of the job, since the server was last away.

    `sign_ins`: how often one had signed in again when it began, the last time. `remark`: the first of the `remarks`
    about what was taken but for something.
    """

    job: Job
    asked: Asked
    questions: Questions
    retries: Retries
    sign_ins: int = 0
    finished_at: str = ""
    waiting_for: str = ""
    skipped: int = 0
    remarks: int = 0
    remark: str = ""
    then: Callable[[Job], None] | None = None
    """Call for whoever waits for its end, and says what has come of it; in no list afterwards, unless it failed."""

    @property
    def several(self) -> bool:
        """Whether more than one thing was asked for."""
        return self.asked.count != 1

    @property
    def title(self) -> str:
        """Title of the transfer: `report.pdf`, `14 items`."""
        asked = self.asked
        return wording.count(asked.count, "item") if self.several else printable(asked.first_name)

    @property
    def arrived(self) -> Path | None:
        """File or folder on this computer that came of a download of one thing; of several, the folder they are in."""
        if not isinstance(self.asked, Download) or self.job.state is not JobState.FINISHED:
            return None
        if self.several:
            return self.asked.folder
        first = next(iter(self.job.items(0, 1)), None)
        return first.local if first is not None else None

    @property
    def verb(self) -> str:
        """Verb for it, once done."""
        return "uploaded" if self.job.direction is Direction.UPLOAD else "downloaded"

    def snapshot(self, queued: int | None) -> Snapshot:
        """The job as it stands now; `queued`: its place among those that wait."""
        progress = self.job.progress
        title = self.title
        if progress.items_total > 1 and not self.several:
            title = f"{title} ({wording.count(progress.items_total, 'item')})"
        return Snapshot(
            self.job.number,
            self.job.direction,
            title,
            self.asked.place,
            self.job.state,
            progress,
            self.waiting_for,
            self.finished_at,
            self.skipped,
            asks=bool(self.questions.pending),
            queued=queued,
            opens=progress.items_total == 1 and not self.several,
        )
