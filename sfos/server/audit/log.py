"""The audit log as the server writes it: one JSON object a line, each bound to the one before (see chain).

A name with a line break in it forges nothing: it is escaped. Values are cut to a length, and secrets never come near:
only the fields named by the callers are written, and what looks like a secret by its field's name is refused.

Nobody can push out what others did. What strangers cause (wrong sign-ins, held-up ones, refused connections) lies in
files of its own beside the log, and what comes too often, of strangers or of one user, is summed up (see sums).
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from sfos.config import Logging
from sfos.server.audit.chain import MARK_FILE, STRANGERS_MARK_FILE, load_key
from sfos.server.audit.chained_file import ChainedFile
from sfos.server.audit.reading import strangers_file
from sfos.server.audit.sums import STRANGERS, USERS, AuditValue, Sums
from sfos.server.disk.reserve import Reserve

# Field names that a careless caller might give; the last line of defence, and a test walks the callers.
_SECRET_FIELD = re.compile(r"password|secret|ticket|verifier|proof|token|(?<!public_)key", re.IGNORECASE)
_CHAIN_FIELDS = frozenset({"time", "event", "seq", "prev", "mac"})


class AuditLog:
    """Log of who did what: sign-ins good and bad, sessions, passwords, refused connections. Thread-safe; one writer at
    a time.

    A server's home lock sees to the latter.
    """

    def __init__(
        self,
        settings: Logging,
        secrets_dir: Path,
        clock: Callable[[], float] = time.time,
        reserve: Reserve | None = None,
    ) -> None:
        """Opens its files and goes on where they end. `reserve`: of the disk. Raises: OSError, KeyUnusable."""
        self._clock = clock
        self._lock = threading.Lock()  # of the sums
        self._of_strangers, self._of_users = Sums(STRANGERS), Sums(USERS)
        key = load_key(secrets_dir)
        assert key is not None
        path, size = settings.audit_file, settings.max_bytes
        self._main = ChainedFile(
            path, secrets_dir / MARK_FILE, key, max_bytes=size, backups=settings.backups, clock=clock, reserve=reserve
        )
        try:
            self._strangers = ChainedFile(
                strangers_file(path),
                secrets_dir / STRANGERS_MARK_FILE,
                key.of_strangers(),
                max_bytes=size,
                backups=max(1, settings.backups),  # or it grew for ever
                clock=clock,
                reserve=reserve,
            )
        except BaseException:
            self._main.close()
            raise

    @property
    def path(self) -> Path:
        """The newest file of the log itself; `strangers_file` says which is theirs."""
        return self._main.path

    def write(self, event: str, **fields: AuditValue) -> None:
        """A line in any case: what the server did, or an administrator."""
        _check(fields)
        self._main.write(event, fields)

    def write_of_user(self, event: str, user: str, *, host: str = "", **fields: AuditValue) -> None:
        """Note what a user did by themselves: a line, or one more in a sum. `host`: where they were, for the sum."""
        _check(fields)
        with self._lock:
            alone = self._of_users.alone(event, user, host, self._clock())
        if alone:
            self._main.write(event, {"user": user, **fields})

    def write_of_stranger(self, event: str, group: str, *, user: str = "", **fields: AuditValue) -> None:
        """Note what somebody did who has not signed in: a line, or one more in a sum. `group`: see `address_group`."""
        _check(fields)
        with self._lock:
            alone = self._of_strangers.alone(event, group, user, self._clock())
        if alone:
            self._strangers.write(event, {"user": user or None, **fields})

    def mark(self) -> None:
        """Write the sums that are due, make all of it durable, and note where the log ends.

        Blocks on the disk. Raises: OSError.
        """
        self._write_sums()
        self._main.mark()
        self._strangers.mark()

    def close(self) -> None:
        """Write what is summed up, mark the end, and let go of the files."""
        self._write_sums(every=True)
        try:
            self._main.close()
        finally:
            self._strangers.close()

    def _write_sums(self, *, every: bool = False) -> None:
        now = self._clock()
        with self._lock:
            due = [
                (file, list(sums.due(now, every=every)))
                for file, sums in ((self._main, self._of_users), (self._strangers, self._of_strangers))
            ]
        for file, lines in due:
            for event, fields in lines:
                file.write(event, fields)


def _check(fields: Mapping[str, AuditValue]) -> None:
    if any(_SECRET_FIELD.search(name) for name in fields):
        raise ValueError("a field of the audit log is named like a secret")
    if not _CHAIN_FIELDS.isdisjoint(fields):
        raise ValueError("a field of the audit log has the name of one that every line has")
