"""A download as it was asked for: planned, fetched, and its folders finished."""

from __future__ import annotations

import logging
import stat
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from sfos.client.errors import LocalFileError
from sfos.client.local.destination import Destination
from sfos.client.transfer.conflicts import Answers
from sfos.client.transfer.down.fetch import Fetcher
from sfos.client.transfer.down.plan import DownloadPlanner
from sfos.client.transfer.down.roots import Root, Roots
from sfos.client.transfer.events import ConflictPolicy
from sfos.client.transfer.ledger import Ledger, Row
from sfos.client.transfer.run import Run
from sfos.protocol import Entry, printable

_log = logging.getLogger(__name__)

_ENTERED = stat.S_IWUSR | stat.S_IXUSR  # what a folder needs for its owner to put something into it


class Download:
    """See `Transfer`."""

    def __init__(
        self, entries: Sequence[Entry], folder: Path, policy: ConflictPolicy, rename_to: str | None, checksum: bool
    ) -> None:
        self._entries = tuple(entries)
        self._folder = folder
        self._answers = Answers(policy)
        self._rename_to = rename_to
        self._checksum = checksum
        self._roots = Roots()
        self._made: dict[tuple[str, ...], Entry] = {}  # folders, outer ones first; over all runs of the job

    def first_row(self, ledger: Ledger) -> Row:
        """See `Transfer`."""
        name = self._entries[0].path or self._entries[0].name if self._entries else ""
        return ledger.add(self._folder, printable(name), "folder", 0)

    def execute(self, run: Run, again: list[Row]) -> None:
        """See `Transfer`."""
        with closing(Destination(self._folder)) as destination:
            self._execute(run, again, destination)

    def _execute(self, run: Run, again: list[Row], destination: Destination) -> None:
        space = run.session.info.home
        if not again:
            self._roots = Roots()
        fetcher = Fetcher(run, space, destination)
        planner = DownloadPlanner(run, space, self._answers, destination, self._roots, checksum=self._checksum)
        complete = False
        try:
            if again:
                fetcher.fetch(planner.plan_again(again))
            else:
                fetcher.fetch(planner.plan([Root(entry, name=self._rename_to) for entry in self._entries]))
            complete = True
        finally:
            self._made.update((folder.names, folder.entry) for folder in fetcher.made)
            self._finish_folders(destination, complete=complete and not run.ledger.has_failures)

    def _finish_folders(self, destination: Destination, *, complete: bool) -> None:
        """Give the folders that this job made their times and modes, however a run of it has ended.

        Unless it is `complete`: none that would keep out what is still to come.
        """
        for names, entry in reversed(self._made.items()):  # inner ones first, for their times to stay
            attrs = entry.attrs
            if not complete and attrs is not None and (attrs.mode or 0) & _ENTERED != _ENTERED:
                attrs = None
            try:
                with destination.folder(names) as folder:
                    folder.set_attributes(attrs, entry.mtime_ns)
            except LocalFileError as error:  # somebody has put something else there
                _log.debug("attributes of %s: %s", names, error)
