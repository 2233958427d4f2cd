"""An upload from its plan to its last commit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sfos.client.transfer.conflicts import Answers
from sfos.client.transfer.events import ConflictPolicy
from sfos.client.transfer.ledger import Ledger, Row
from sfos.client.transfer.run import Run, run_lanes
from sfos.client.transfer.up.exchanges import LARGE_BLOCK_BYTES
from sfos.client.transfer.up.plan import UploadPlanner
from sfos.client.transfer.up.reader import Reader
from sfos.client.transfer.up.source import UploadWork
from sfos.protocol import Entry, Ref

_WINDOW = 4  # blocks under way on a connection: one asked about, one sent, one answered, one to spare


class UploadTask:
    """See `Task`."""

    def __init__(
        self,
        paths: Sequence[Path],
        folder: str | Ref | Entry,
        policy: ConflictPolicy,
        rename_to: str | None,
        follow_symlinks: bool,
        checksum: bool,
    ) -> None:
        self._paths = tuple(paths)
        self._folder = folder
        self._answers = Answers(policy)
        self._rename_to = rename_to
        self._follow = follow_symlinks
        self._checksum = checksum

    def first_row(self, ledger: Ledger) -> Row:
        """See `Task`."""
        path = self._folder if isinstance(self._folder, str) else self._folder.path or "/"
        return ledger.add(self._paths[0] if self._paths else Path(), path, "folder", 0)

    def run(self, run: Run, again: list[Row]) -> None:
        """See `Task`."""
        space = run.session.info.home
        work = UploadWork(
            space,
            run.ledger,
            run.switch,
            blocks=run.memory_bytes // LARGE_BLOCK_BYTES,
            block_bytes=run.options.batch_bytes,
        )
        planner = UploadPlanner(
            run.session.api,
            space,
            run.ledger,
            run.switch,
            self._answers,
            work.expect,
            follow_symlinks=self._follow,
            checksum=self._checksum,
        )
        reader = Reader(work, run.switch, follow_symlinks=self._follow)

        def plan_and_read() -> None:
            if again:
                roots = planner.roots_again(again, self._folder)
            else:
                roots = planner.roots(self._paths, self._folder, self._rename_to)
            for _ in planner.plan(roots):
                reader.read_ahead(planner.files)
            run.ledger.set_planned(True)
            reader.run(planner.files)

        with run.switch.breaking(work.wake):
            run_lanes(run, work, run.options.connections, min(run.options.depth, _WINDOW), plan_and_read)

    def clean_up(self) -> None:
        """Nothing is visible before its commit; chunks without one are collected by the server."""
