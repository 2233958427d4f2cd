"""The queue of transfers of one session."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from client.options import TransferOptions
from client.session import Session
from client.transfer.events import ConflictPolicy, Listener, OnConflict
from client.transfer.job import Job
from protocol import Entry, Ref


class TransferEngine:
    """Runs uploads and downloads in threads of its own. Methods may be called from any thread and return at once."""

    def __init__(
        self, session: Session, options: TransferOptions | None = None, listener: Listener | None = None
    ) -> None:
        """`listener` is called from worker threads, one call at a time; keep it short. `options`: the session's."""

    def upload(
        self,
        paths: Sequence[Path],
        remote_folder: str | Ref,
        on_conflict: ConflictPolicy = OnConflict.REPLACE,
        *,
        rename_to: str | None = None,
        follow_symlinks: bool = False,
    ) -> Job:
        """Put files and folders (with all that is in them) into a folder, which is made if missing.

        `rename_to`: the name for a single path. Folders are merged with those that are there.
        """

    def download(
        self,
        entries: Sequence[Entry],
        local_folder: Path,
        on_conflict: ConflictPolicy = OnConflict.REPLACE,
        *,
        rename_to: str | None = None,
    ) -> Job:
        """Get files and folders (with all that is in them) into a local folder, which is made if missing."""

    @property
    def jobs(self) -> tuple[Job, ...]:
        """All jobs of this engine, oldest first; `forget` those that are over."""

    def forget(self, job: Job) -> None:
        """Drop a job that is over from `jobs`."""

    def set_rates(self, upload: int, download: int) -> None:
        """Limits in bytes per second for all jobs together, 0 = none; from now on."""

    def close(self, timeout_s: float = 5.0) -> bool:
        """Cancel what runs, end all threads and connections; whether they have ended in time. Idempotent."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
