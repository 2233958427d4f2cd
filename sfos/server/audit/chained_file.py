"""A file of lines that are bound to each other (see chain), over rotation and restarts; one writer at a time.

A line is one write(2). One that a full disk cuts short is taken back; one that a crash left behind is closed at the
next start and the line after it says so, so that it is told apart from one that somebody changed. When the oldest file
goes, the first line of the newest says how many lines that were, and how many in all.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from sfos.server.audit.chain import BEGINNING, ChainKey, Link, Mark
from sfos.server.audit.reading import log_files
from sfos.server.audit.sums import AuditValue, moment
from sfos.server.disk.reserve import Reserve, through_reserve

_log = logging.getLogger(__name__)

TORN_EVENT = "torn_line"
LET_GO_EVENT = "lines_let_go"
_MAX_VALUE_CHARS = 256
_TIME = re.compile(rb'^\{"time":"([^"]{1,40})"')


class ChainedFile:
    """The file at `path` and what is put aside of it. Thread-safe."""

    def __init__(
        self,
        path: Path,
        mark_path: Path,
        key: ChainKey,
        *,
        max_bytes: int,
        backups: int,
        clock: Callable[[], float] = time.time,
        reserve: Reserve | None = None,
    ) -> None:
        """Opens the file and goes on where it ends. `backups` 0: it is never put aside; `reserve`: of the disk.

        Raises: OSError.
        """
        self._reserve = reserve
        self._clock = clock
        self._path, self._mark_path, self._key = path, mark_path, key
        self._max_bytes, self._backups = max_bytes, backups
        self._lock = threading.Lock()
        self._marking, self._saving = threading.Lock(), threading.Lock()
        self._lost = 0
        self._path.parent.mkdir(parents=True, exist_ok=True)
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

    def write(self, event: str, fields: Mapping[str, AuditValue]) -> None:
        """Append `{"time": …, "event": event, …}`. A disk without any room loses the line, not the caller.

        The next line says how many were lost.
        """
        with self._lock:
            if self._lost:
                fields = {**fields, "lost_before": self._lost}
            try:
                entry = self._encode(event, fields)
                through_reserve(self._reserve, lambda: self._append(entry))
            except OSError as error:
                self._lost += 1
                if self._lost == 1:
                    _log.error("the audit log loses lines (%s): %s", self._path.name, error)
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
            _log.error("the end of %s cannot be marked: %s", self._path.name, error)
        finally:
            os.close(self._file)

    # --- The file ---

    def _open(self) -> tuple[int, int]:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        os.fchmod(descriptor, 0o600)  # it has user names and addresses
        return descriptor, os.fstat(descriptor).st_size

    def _append(self, entry: bytes) -> None:
        line, link = self._key.bind(entry, self._last)
        if self._backups and self._size and self._size + len(line) + 1 > self._max_bytes:
            let_go = self._rotate()
            if let_go is not None:
                self._put(*self._key.bind(self._encode(LET_GO_EVENT, let_go), self._last))
                line, link = self._key.bind(entry, self._last)
        self._put(line, link)

    def _put(self, line: bytes, link: Link) -> None:
        data = line + b"\n"
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

    def _rotate(self) -> dict[str, AuditValue] | None:
        """Put the file aside and begin another. What the log says of those that were let go, if any were.

        The mark first: it must not name lines that are being removed.
        """
        os.fsync(self._file)
        files = log_files(self._path)
        kept = files[-self._backups :]  # with the present one, which becomes the first of those put aside
        let_go = self._let_go(files[: -self._backups], kept) if len(kept) < len(files) else None
        for number in range(self._backups - 1, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                self._numbered(number).rename(self._numbered(number + 1))
        with contextlib.suppress(FileNotFoundError):  # after a rotation that failed half-way
            self._path.rename(self._numbered(1))
        fresh = self._open()
        os.close(self._file)
        self._file, self._size = fresh
        return let_go

    def _let_go(self, gone: Sequence[Path], kept: list[Path]) -> dict[str, AuditValue]:
        """Remove the files `gone`; what the log says of that."""
        before, self._first = self._first, self._first_kept(kept)
        until = _last_time(gone[-1])
        self._save_mark(Mark(self._first, self._last.seq, self._last.mac))
        for path in gone:
            path.unlink()
        return {"lines": self._first - before, "until": until, "in_all": self._first - 1}

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
        self.write(TORN_EVENT, {"bytes": len(torn), "digest": hashlib.sha256(torn).hexdigest()})

    def _encode(self, event: str, fields: Mapping[str, AuditValue]) -> bytes:
        entry: dict[str, AuditValue] = {"time": moment(self._clock()), "event": event}
        for name, value in fields.items():
            if value is not None:
                entry[name] = value[:_MAX_VALUE_CHARS] if isinstance(value, str) else value
        return msgspec.json.encode(entry)


def _last_time(path: Path) -> str | None:
    """The time of the last line in the file that has one."""
    with path.open("rb") as file:
        times = [found[1] for line in file if (found := _TIME.match(line))]
    return times[-1].decode("ascii", "replace") if times else None
