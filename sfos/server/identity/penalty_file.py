"""Penalties kept over a restart: one small file, written whole now and then, and never for a single attempt.

The server calls `save` every two seconds and when it stops; it writes only if something has changed. So a server that
is killed forgets the attempts of its last two seconds, some hundreds of guesses at the very most, and no guesser gains
by making it write. Ages are by the wall clock: a clock set back makes waits begin anew, one set forward ends them.

Format 2 has counts of an account and an address together; format 1, which had none, is read.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from sfos.server.disk.private_json import FileDamaged, read_private_json, write_private_json
from sfos.server.identity.penalties import Penalties, Penalty, PenaltyState

_log = logging.getLogger(__name__)

PENALTY_FILE = "penalties.json"
FORMAT = 2


class _Stored(msgspec.Struct, frozen=True):
    format: int
    saved_unix_s: float
    state: PenaltyState


class PenaltyFile:
    """The file at `path` for `penalties`. A file that is damaged is left aside: nobody is locked out by it."""

    def __init__(self, path: Path, penalties: Penalties, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._penalties = penalties
        self._clock = clock
        self._saved = penalties.changes
        self._told = 0
        self._saving = threading.Lock()

    def load(self) -> None:
        """Take over what an earlier run has left. Raises: OSError."""
        try:
            stored = read_private_json(self._path, _Stored)
        except FileDamaged as error:
            _log.warning("%s cannot be read, and all wrong sign-ins are forgotten: %s", self._path, error.__cause__)
            return
        if stored is None:
            return
        if stored.format not in (1, FORMAT):
            _log.warning("%s is of another version, and all wrong sign-ins are forgotten", self._path)
            return
        state = _from_format_1(stored.state) if stored.format == 1 else stored.state
        self._penalties.restore(state, max(0.0, self._clock() - stored.saved_unix_s))
        self._saved = self._penalties.changes

    def save(self) -> None:
        """Durable once this returns. Does nothing if nothing has changed. Raises: OSError."""
        with self._saving:
            changes = self._penalties.changes
            if changes == self._saved:
                return
            stored = _Stored(FORMAT, self._clock(), self._penalties.state())
            write_private_json(self._path, stored)
            self._saved = changes
            self._tell_of_let_go()

    def _tell_of_let_go(self) -> None:
        """Say how many counts were too many: at the first, and whenever there are twice as many."""
        let_go = self._penalties.let_go
        if let_go >= max(1, 2 * self._told):
            self._told = let_go
            _log.warning("%d counts of wrong sign-ins were forgotten early, for there were too many", let_go)


def _from_format_1(state: PenaltyState) -> PenaltyState:
    """Format 1 had no counts of an account and an address together; where a user is known, as many as may be meant.

    That is the lesser of the two counts: none too few, so an update lets nobody guess anew.
    """
    addresses = {one.name: one for one in state.failures if one.kind == "address"}
    pairs = [
        Penalty("account", one.name, min(one.failures, there.failures), max(one.age_s, there.age_s), address=group)
        for one in state.failures
        if one.kind == "account"
        for group in state.known.get(one.name, ())
        if (there := addresses.get(group)) is not None
    ]
    return PenaltyState([*state.failures, *pairs], state.known)
