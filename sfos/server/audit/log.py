"""The audit log as the server writes it: one JSON object a line, each bound to the one before (see chain).

A name with a line break in it forges nothing: it is escaped. Values are cut to a length, and secrets never come near:
only the fields named by the callers are written, and what looks like a secret by its field's name is refused.

A line is one write(2). One that a full disk cuts short is taken back; one that a crash left behind is closed at the
next start and the line after it says so, so that it is told apart from one that somebody changed.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import hashlib
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import msgspec

from sfos.config import Logging
from sfos.server.audit.chain import BEGINNING, MARK_FILE, ChainKey, Link, Mark, load_key
from sfos.server.audit.reading import log_files
from sfos.server.disk.reserve import Reserve, through_reserve

_log = logging.getLogger(__name__)

TORN_EVENT = "torn_line"
_MAX_VALUE_CHARS = 256
# Field names that a careless caller might give; the last line of defence, and a test walks the callers.
_SECRET_FIELD = re.compile(r"password|secret|ticket|verifier|proof|token|(?<!public_)key", re.IGNORECASE)
_CHAIN_FIELDS = frozenset({"time", "event", "seq", "prev", "mac"})

AuditValue = str | int | float | bool | None


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
        """Opens the file and goes on where it ends. `reserve`: of the disk. Raises: OSError, KeyUnusable."""
        self._reserve = reserve
        self._clock = clock
        self._path = settings.audit_file
        self._max_bytes, self._backups = settings.max_bytes, settings.backups
        self._mark_path = secrets_dir / MARK_FILE
        self._lock = threading.Lock()
        self._marking, self._saving = threading.Lock(), threading.Lock()
        self._lost = 0
        self._path.parent.mkdir(parents=True, exist_ok=True)
        key = load_key(secrets_dir)
        assert key is not None
        self._key: ChainKey = key
        self._marked = self._load_mark()
        self._file, self._size = self._open()
        try:
            self._last, torn = self._find_end()
            self._first = self._marked.first if self._marked else self._first_kept(log_files(self._path))
            if torn:
                self._close_torn(torn)
        except BaseException:
            os.close(self._file)
            raise

    @property
    def path(self) -> Path:
        """The newest of its files."""
        return self._path

    def write(self, event: str, **fields: AuditValue) -> None:
        """Append `{"time": …, "event": event, …}`. A disk without any room loses the line, not the caller.

        The next line says how many were lost.
        """
        if any(_SECRET_FIELD.search(name) for name in fields):
            raise ValueError("a field of the audit log is named like a secret")
        if not _CHAIN_FIELDS.isdisjoint(fields):
            raise ValueError("a field of the audit log has the name of one that every line has")
        with self._lock:
            if self._lost:
                fields["lost_before"] = self._lost
            try:
                entry = _encode(self._clock(), event, fields)
                through_reserve(self._reserve, lambda: self._append(entry))
            except OSError as error:
                self._lost += 1
                if self._lost == 1:
                    _log.error("the audit log loses lines: %s", error)
            else:
                self._lost = 0

    def mark(self) -> None:
        """Make what was written durable, and note where the log ends. Blocks on the disk. Raises: OSError."""
        with self._marking:
            with self._lock:
                last = self._last
                if last.seq == 0 or (self._marked is not None and self._marked.last == last.seq):
                    return
                copy = os.dup(self._file)
            try:
                os.fsync(copy)  # under no lock of the writers: they go on
            finally:
                os.close(copy)
            self._save_mark(Mark(self._first, last.seq, last.mac))

    def close(self) -> None:
        """Mark the end, and let go of the file."""
        try:
            self.mark()
        except OSError as error:
            _log.error("the end of the audit log cannot be marked: %s", error)
        finally:
            os.close(self._file)

    # --- The file ---

    def _open(self) -> tuple[int, int]:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        os.fchmod(descriptor, 0o600)  # it has user names and addresses
        return descriptor, os.fstat(descriptor).st_size

    def _append(self, entry: bytes) -> None:
        line, link = self._key.bind(entry, self._last)
        data = line + b"\n"
        if self._backups and self._size and self._size + len(data) > self._max_bytes:
            self._rotate()
        try:
            written = os.write(self._file, data)
        except OSError:
            self._take_back()
            raise
        if written != len(data):
            self._take_back()
            # It is written in part where the room ends within it.
            raise OSError(errno.ENOSPC, f"only {written} of {len(data)} bytes could be written", str(self._path))
        self._size += len(data)
        self._last = link

    def _take_back(self) -> None:
        with contextlib.suppress(OSError):  # then it is a line that cannot be read, as verify will say
            os.ftruncate(self._file, self._size)

    def _rotate(self) -> None:
        """Put the file aside and begin another. The mark first: it must not name lines that are being removed."""
        os.fsync(self._file)
        files = log_files(self._path)
        kept = files[-self._backups :]  # with the present one, which becomes the first of those put aside
        if len(kept) < len(files):
            self._first = self._first_kept(kept)
            self._save_mark(Mark(self._first, self._last.seq, self._last.mac))
            for path in files[: -self._backups]:
                path.unlink()
        for number in range(self._backups - 1, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                self._numbered(number).rename(self._numbered(number + 1))
        with contextlib.suppress(FileNotFoundError):  # after a rotation that failed half-way
            self._path.rename(self._numbered(1))
        fresh = self._open()
        os.close(self._file)
        self._file, self._size = fresh

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    # --- Where it begins and ends ---

    def _load_mark(self) -> Mark | None:
        try:
            return self._key.load_mark(self._mark_path)
        except ValueError as error:  # verify names it; the server goes on, for a log is better than none
            _log.warning("the audit log's end cannot be checked: %s", error)
            return None

    def _save_mark(self, mark: Mark) -> None:
        with self._saving:
            before = self._marked
            if before is not None:
                if mark.last < before.last:
                    return  # a rotation has marked a later end meanwhile
                mark = replace(mark, first=max(mark.first, before.first))
            through_reserve(self._reserve, lambda: self._key.save_mark(self._mark_path, mark))
            self._marked = mark

    def _find_end(self) -> tuple[Link, bytes]:
        """The last line that this server wrote, and what lies behind it without a line feed.

        If the log ends before its mark, the mark's line: so the gap stays to be seen for ever.
        """
        torn, last = b"", BEGINNING
        for number, path in enumerate(reversed(log_files(self._path))):
            lines = path.read_bytes().split(b"\n")
            if number == 0 and path == self._path:
                torn = lines[-1]
            found = next(filter(None, map(self._key.link_of, reversed(lines))), None)
            if found is not None:
                last = found
                break
        if self._marked is not None and self._marked.last > last.seq:
            _log.warning("the audit log ends with line %d, but had %d: lines were removed", last.seq, self._marked.last)
            last = self._marked.link
        return last, torn

    def _first_kept(self, files: list[Path]) -> int:
        """The number of the first bound line in `files`, the oldest first."""
        for path in files:
            with path.open("rb") as file:
                found = next(filter(None, (self._key.link_of(line.rstrip(b"\n")) for line in file)), None)
            if found is not None:
                return found.seq
        return self._last.seq + 1

    def _close_torn(self, torn: bytes) -> None:
        os.write(self._file, b"\n")
        self._size += 1
        if self._key.link_of(torn) is not None:
            return  # nothing but its line feed was missing
        _log.warning("the last line of the audit log was torn by a crash; it is kept, and marked as such")
        self.write(TORN_EVENT, bytes=len(torn), digest=hashlib.sha256(torn).hexdigest())


def _encode(now: float, event: str, fields: Mapping[str, AuditValue]) -> bytes:
    stamp = dt.datetime.fromtimestamp(now, dt.UTC).isoformat(timespec="milliseconds")
    entry: dict[str, AuditValue] = {"time": stamp, "event": event}
    for name, value in fields.items():
        if value is not None:
            entry[name] = value[:_MAX_VALUE_CHARS] if isinstance(value, str) else value
    return msgspec.json.encode(entry)
