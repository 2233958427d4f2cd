"""Sending files that a plan has decided about.

One thread reads, cuts and names (`reader`); lanes ask what the server lacks, send that, and commit (`queue`). All that
is between them is a fixed number of blocks of memory (`block`).
"""

from __future__ import annotations

from collections.abc import Iterable

from sfos.client.transfer.lane import lanes
from sfos.client.transfer.run import Run
from sfos.client.transfer.up.attributes import send_attributes
from sfos.client.transfer.up.block import LARGE_BLOCK_BYTES
from sfos.client.transfer.up.files import Step
from sfos.client.transfer.up.made_folders import MadeFolders
from sfos.client.transfer.up.queue import SendQueue
from sfos.client.transfer.up.reader import Reader
from sfos.client.transfer.up.sending import Sending
from sfos.protocol import SpaceInfo


class Sender:
    """Sends files into one space, once. What becomes of each is in the books of the run."""

    def __init__(self, run: Run, space: SpaceInfo, *, follow_symlinks: bool = False) -> None:
        self._run = run
        self._space = space
        blocks = run.memory_bytes // LARGE_BLOCK_BYTES
        self._api = run.session.space(space)
        self._sending = Sending(self._api, run.ledger, run.switch, blocks, run.options.batch_bytes)
        self._queue = SendQueue(self._sending)
        self._follow = follow_symlinks

    def send(self, plan: Iterable[Step]) -> None:
        """Make the folders and send the files of all steps of `plan`; of each step all folders, and what can be read at
        once, before the next is asked for.

        A file of which a precondition does not hold fails alone: LocalChanged, RevisionConflict or AlreadyExists. It is
        done, whoever did it, if the very content (or link) that was to be sent stands in its place: so a program that
        was killed after its commit, and is given the same again, has succeeded.
        Blocks. Raises: Cancelled; what `plan` raises; an error that concerns all that is left.
        """
        run = self._run
        reader = Reader(self._sending, self._queue, follow_symlinks=self._follow)
        folders = MadeFolders(self._api, run.ledger, run.switch, self._sending.nodes)
        with lanes(run, self._queue):
            for step in plan:
                self._queue.expect(max([file.local.stamp.size for file in step.files], default=0))
                if step.folders:
                    folders.make(step.folders)
                reader.take(folders.reachable(step.files))
                send_attributes(run, self._space, step.attributes)
            run.ledger.set_planned(True)
            reader.read_all()
