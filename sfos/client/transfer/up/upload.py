"""An upload as it was asked for: planned, and sent."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from sfos.client.transfer.conflicts import Answers
from sfos.client.transfer.events import ConflictPolicy
from sfos.client.transfer.ledger import Ledger, Row
from sfos.client.transfer.run import Run
from sfos.client.transfer.up.plan import UploadPlanner
from sfos.protocol import Entry, Ref


class Upload:
    """See `Transfer`."""

    def __init__(
        self,
        paths: Sequence[Path],
        folder: str | Ref | Entry,
        policy: ConflictPolicy,
        rename_to: str | None,
        follow_symlinks: bool,
        checksum: bool,
        hidden: bool = True,
    ) -> None:
        self._paths = tuple(paths)
        self._folder = folder
        self._answers = Answers(policy)
        self._rename_to = rename_to
        self._follow = follow_symlinks
        self._checksum = checksum
        self._hidden = hidden

    def first_row(self, ledger: Ledger) -> Row:
        """See `Transfer`."""
        path = self._folder if isinstance(self._folder, str) else self._folder.path or "/"
        return ledger.add(self._paths[0] if self._paths else Path(), path, "folder", 0)

    def execute(self, run: Run, again: list[Row]) -> None:
        """See `Transfer`. Nothing is visible before its commit; chunks without one are collected by the server."""
        space = run.session.info.home
        planner = UploadPlanner(
            run, space, self._answers,
            follow_symlinks=self._follow, checksum=self._checksum, hidden=self._hidden,
        )  # fmt: skip
        if again:
            steps = planner.plan_again(again, self._folder)
        else:
            steps = planner.plan(self._paths, self._folder, self._rename_to)
        first = next(steps, None)
        if first is None:
            run.switch.check()
            run.ledger.set_planned(True)
            return
        # Not before there is something to send: often all is there already, and then loading this is 3 ms in vain.
        from sfos.client.transfer.up.send import Sender

        Sender(run, space, follow_symlinks=self._follow).send(chain((first,), steps))
