"""Whether the audit log is as it was written: what was changed, removed, inserted or put in another order.

Works beside a running server: the mark is read before the files for its last line and after them for its first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from sfos.protocol import decoder_of
from sfos.server.audit.chain import MARK_FILE, STRANGERS_MARK_FILE, ChainKey, Link, Mark, load_key
from sfos.server.audit.chained_file import TORN_EVENT
from sfos.server.audit.reading import log_files, strangers_file

_MOST_FINDINGS = 100
_ATTEMPTS = 20  # a rotation in the middle spoils one; with files of 10 MiB that is rare


@dataclass(frozen=True, slots=True)
class Position:
    """A line of a file, counted from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}"


@dataclass(slots=True)
class AuditVerified:
    """Result of a verification. `findings` are in the order of the log; `notes` are no harm."""

    lines: int = 0
    first: int = 0
    last: int = 0
    findings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not self.findings


@dataclass(frozen=True, slots=True)
class _Line:
    where: Position
    data: bytes
    whole: bool  # ends with a line feed


class _TornRecord(msgspec.Struct, frozen=True):
    event: str
    bytes: int = -1
    digest: str = ""


def verify_audit(newest: Path, secrets_dir: Path) -> AuditVerified:
    """Look at the log `newest` and all that was put aside of it. Raises: OSError, KeyUnusable."""
    return _verify(newest, load_key(secrets_dir, may_create=False), secrets_dir / MARK_FILE)


def verify_strangers(newest: Path, secrets_dir: Path) -> AuditVerified:
    """Look at what strangers caused, which lies beside the log `newest`. Raises: OSError, KeyUnusable."""
    key = load_key(secrets_dir, may_create=False)
    return _verify(strangers_file(newest), key and key.of_strangers(), secrets_dir / STRANGERS_MARK_FILE)


def _verify(newest: Path, key: ChainKey | None, mark_path: Path) -> AuditVerified:
    if key is None:
        found = AuditVerified()
        if any(path.stat().st_size for path in log_files(newest)):
            found.findings.append("the key of the audit log is missing, so nothing of it can be checked")
        else:
            found.notes.append("there is no audit log yet")
        return found
    for _ in range(_ATTEMPTS):
        before = _identities(newest)
        try:
            found = _verify_once(key, newest, mark_path)
        except FileNotFoundError:  # rotated away meanwhile
            continue
        if _identities(newest) == before:
            return found
    return AuditVerified(findings=["the log is put aside faster than it can be read; try again when less happens"])


def _identities(newest: Path) -> list[tuple[str, int]]:
    return [(path.name, path.stat().st_ino) for path in log_files(newest)]


def _verify_once(key: ChainKey, newest: Path, mark_path: Path) -> AuditVerified:
    found = AuditVerified()
    before = _mark(key, mark_path, found)
    walk = _Walk(key, found)
    for line in _lines(newest):
        walk.take(line)
    after = _mark(key, mark_path, AuditVerified())
    walk.finish(before, after)
    return found


def _mark(key: ChainKey, path: Path, found: AuditVerified) -> Mark | None:
    try:
        return key.load_mark(path)
    except ValueError as error:
        found.findings.append(f"where the log begins and ends cannot be checked: {error}")
        return None


def _lines(newest: Path) -> Iterator[_Line]:
    for path in log_files(newest):
        with path.open("rb") as file:
            for number, data in enumerate(file, 1):
                yield _Line(Position(path.name, number), data.rstrip(b"\n"), data.endswith(b"\n"))


class _Walk:
    """One way through the log, from its first line to its last."""

    def __init__(self, key: ChainKey, found: AuditVerified) -> None:
        self._key = key
        self._found = found
        self._last: Link | None = None
        self._first = 0
        self._strange: list[_Line] = []  # lines since the last good one that this server did not write so
        self._gaps: list[tuple[int, range, str]] = []  # (index in findings, the missing numbers, where)
        self._early: set[int] = set()  # numbers that came after later ones

    def take(self, line: _Line) -> None:
        self._found.lines += 1
        link = self._key.link_of(line.data)
        if link is None:
            self._strange.append(line)
        elif self._last is None:
            self._begin(link)
        else:
            self._follow(line, link, self._last)

    def _begin(self, link: Link) -> None:
        if self._strange and link.seq == 1:
            # A log that was begun before its lines were bound; nothing can be said of those.
            self._found.notes.append(f"{len(self._strange)} line(s) are older than the binding, and not checked")
            self._strange.clear()
        self._first = link.seq - len(self._strange)  # a changed line is one that was changed, not one that is missing
        self._report_strange()
        self._last = link

    def _follow(self, line: _Line, link: Link, last: Link) -> None:
        if link.seq <= last.seq:
            self._report_strange()
            self._early.add(link.seq)
            self._say(f"{line.where}: number {link.seq} stands after number {last.seq}: out of its order, or repeated")
            return
        strange = len(self._strange)
        if strange == 1 and link.prev == last.mac and _explains(line.data, self._strange[0].data):
            self._found.notes.append(f"{self._strange[0].where}: torn by a crash, as the next start noted")
            self._strange.clear()
        else:
            self._report_strange()
            missing = range(last.seq + 1 + strange, link.seq)
            if missing:
                where = f"{line.where}: before number {link.seq}"
                self._gaps.append((len(self._found.findings), missing, where))
                self._say("")
            elif link.prev != last.mac and not strange:
                self._say(f"{line.where}: number {link.seq} does not follow the line before it")
        self._last = link

    def _report_strange(self) -> None:
        for line in self._strange:
            self._say(f"{line.where}: was changed, or was not written by this server")
        self._strange.clear()

    def _say(self, finding: str) -> None:
        if len(self._found.findings) < _MOST_FINDINGS:
            self._found.findings.append(finding)

    def finish(self, before: Mark | None, after: Mark | None) -> None:
        """The log's two ends, and what its gaps are now that all of it is known."""
        if self._strange and not self._strange[-1].whole:
            torn = self._strange.pop()
            self._found.notes.append(f"{torn.where}: the last line is torn, by a crash or because it is being written")
        self._report_strange()
        last = self._last.seq if self._last else 0
        for index, missing, where in self._gaps:
            if index < len(self._found.findings):
                removed = [number for number in missing if number not in self._early]
                what = "removed" if removed else "out of their order"
                self._found.findings[index] = f"{where} number(s) {_range(removed or list(missing))} are {what}"
        if after is not None and self._first > after.first:
            numbers = _range(range(after.first, self._first))
            self._found.findings.insert(0, f"the beginning of the log: number(s) {numbers} are removed")
        if before is not None and before.last > last:
            numbers = _range(range(last + 1, before.last + 1))
            self._say(f"the end of the log: number(s) {numbers} are removed")
        elif before is None and after is None and last and not self._found.findings:
            self._found.notes.append("there is no mark of the log's end; lines may be missing there")
        self._found.first, self._found.last = self._first, last
        if after is not None and after.first > 1:
            numbers = _range(range(1, after.first))
            self._found.notes.append(f"number(s) {numbers} were let go, when their files were the oldest")


def _explains(line: bytes, fragment: bytes) -> bool:
    """Whether the bound `line` is the note of a start that found `fragment` without an end."""
    try:
        record = decoder_of(_TornRecord).decode(line)
    except (msgspec.MsgspecError, UnicodeError):
        return False
    return record.event == TORN_EVENT and record.digest == hashlib.sha256(fragment).hexdigest()


def _range(numbers: Sequence[int]) -> str:
    first, last = numbers[0], numbers[-1]
    return f"{first}" if first == last else f"{first} to {last}"
