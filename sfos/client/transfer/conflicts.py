"""Conflicts of names at the destination: one policy for a whole job, or a person who is asked."""

from __future__ import annotations

from pathlib import Path

from sfos.client.errors import Cancelled
from sfos.client.local.chunking import Cutter, name_whole, nearest_time_ns, open_source
from sfos.client.transfer.events import AskConflict, Conflict, ConflictPolicy, Direction, OnConflict
from sfos.client.transfer.switch import Switch
from sfos.protocol import Entry, Revision, SpaceInfo


class Answers:
    """The policy of a job, and what a person answered: kept when the job is run again, so that nobody is asked twice
    about the same versions. In the job's own thread."""

    def __init__(self, policy: ConflictPolicy) -> None:
        self.policy = policy
        self._given: dict[tuple[Path, int, int, int, Revision], OnConflict] = {}

    def ask(self, conflict: Conflict, ask: AskConflict) -> OnConflict:
        """Answer about these versions of both sides: the one given before, or the person's now. May block."""
        remote = conflict.remote
        versions = (conflict.local, conflict.local_size, conflict.local_mtime_ns, remote.node, remote.revision)
        if versions in self._given:
            return self._given[versions]
        answer = ask(conflict)
        if answer.for_all and answer.choice is not OnConflict.CANCEL:
            self.policy = answer.choice
        elif answer.choice not in (OnConflict.CANCEL, OnConflict.KEEP_BOTH):  # a second copy may be there by then
            self._given[versions] = answer.choice
        return answer.choice


class Conflicts:
    """The conflicts of one run of a job, in its own thread. Sizes in bytes, times in nanoseconds since 1970."""

    def __init__(
        self, direction: Direction, answers: Answers, switch: Switch, space: SpaceInfo, *, checksum: bool
    ) -> None:
        """`checksum`: contents are compared, and times believed nothing."""
        self._checksum = checksum
        self._cutter: Cutter | None = None
        self._direction = direction
        self._answers = answers
        self._switch = switch
        self._space = space

    @property
    def replaces(self) -> bool:
        """Whether whatever is there is replaced, unseen."""
        return self._answers.policy is OnConflict.REPLACE

    @property
    def skips(self) -> bool:
        """Whether whatever is there is left as it is."""
        return self._answers.policy is OnConflict.SKIP

    @property
    def overrides(self) -> bool:
        """Whether what differs in its attributes alone gets those that come: not where it is to stay as it is."""
        return self._answers.policy not in (OnConflict.SKIP, OnConflict.NEWER, OnConflict.KEEP_BOTH)

    def same_file(self, local: Path, size: int, mtime_ns: int, remote: Entry, *, follow_symlinks: bool = False) -> bool:
        """Whether a local file and one on the server need nothing done. May read the file. Raises: LocalAccess."""
        if size != remote.size:
            return False
        if nearest_time_ns(mtime_ns) == remote.mtime_ns and not self._checksum:
            return True
        # Where a person would be asked, or a second copy be made, it is worth reading the file: both may be the same.
        policy = self._answers.policy
        asks = policy is OnConflict.KEEP_BOTH or not isinstance(policy, OnConflict)
        if not asks and not self._checksum:
            return False
        self._cutter = self._cutter or Cutter(self._space.cut_seed)
        with open_source(local, follow_symlinks=follow_symlinks) as source:
            return name_whole(self._space, self._cutter, source)[0] == remote.content

    def settle(
        self, name: str, local: Path, size: int, mtime_ns: int, remote: Entry, remote_path: str
    ) -> tuple[OnConflict, bool]:
        """REPLACE, SKIP or KEEP_BOTH, and whether that holds for just this state of the other side. May ask, and block.

        Raises: Cancelled, if that was the answer.
        """
        policy = self._answers.policy
        if isinstance(policy, OnConflict):
            choice, seen = policy, False
        else:
            conflict = Conflict(self._direction, name, local, size, mtime_ns, remote, remote_path)
            choice, seen = self._answers.ask(conflict, policy), True
            if choice is OnConflict.CANCEL:
                self._switch.cancel()
                raise Cancelled
        if choice is not OnConflict.NEWER:
            return choice, seen
        coming, there = nearest_time_ns(mtime_ns), remote.mtime_ns
        if self._direction is Direction.DOWNLOAD:
            coming, there = there, coming
        return (OnConflict.REPLACE if coming > there else OnConflict.SKIP), True
