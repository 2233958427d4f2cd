"""The audit log: no line is changed, removed, inserted or moved without `verify --audit` naming it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from msgspec import structs

from sfos.config import Logging
from sfos.programs import manage as manage_storage
from sfos.protocol import AccessError
from sfos.server.audit.log import AuditLog
from sfos.server.audit.reading import last_lines, log_files
from sfos.server.audit.verify import AuditVerified, verify_audit, verify_strangers
from tests.server.conftest import Serve, settings
from tests.support.server_process import running_server
from tests.support.wire_peer import WirePeer


@dataclass
class Place:
    """Where a log and its secrets are."""

    logging: Logging
    secrets: Path

    @property
    def file(self) -> Path:
        return self.logging.audit_file

    def open(self) -> AuditLog:
        return AuditLog(self.logging, self.secrets)

    def write(self, count: int, start: int = 1) -> None:
        """A run of a server that notes `count` events."""
        audit = self.open()
        for number in range(start, start + count):
            audit.write("event", number=number, filler="x" * 100)
        audit.close()

    def lines(self) -> list[bytes]:
        return self.file.read_bytes().splitlines(keepends=True)

    def put(self, lines: list[bytes]) -> None:
        self.file.write_bytes(b"".join(lines))

    def verify(self) -> AuditVerified:
        return verify_audit(self.file, self.secrets)


@pytest.fixture
def place(home: Path) -> Place:
    return Place(settings(home, {"logging.max_bytes": "4096", "logging.backups": "3"}).logging, home / "secrets")


def crash(audit: AuditLog) -> None:
    """The process is gone: nothing is marked, nothing is closed in order."""
    for file in (audit._main, audit._strangers):
        os.close(file._file)


def test_a_log_is_clean_over_restarts_and_its_numbers_go_on(place: Place) -> None:
    for run in range(4):
        place.write(2, run * 2 + 1)
    assert [json.loads(line)["seq"] for line in place.lines()] == list(range(1, 9))
    found = place.verify()
    assert (found.clean, found.lines, found.first, found.last, found.notes) == (True, 8, 1, 8, [])


def test_the_chain_goes_on_over_rotation_and_over_a_restart_right_after_one(place: Place) -> None:
    for run in range(12):
        place.write(10, run * 10)
        found = place.verify()
        assert found.clean, (run, found.findings)
    assert [path.name for path in log_files(place.file)] == ["audit.log.3", "audit.log.2", "audit.log.1", "audit.log"]
    let_go = [json.loads(line) for path in log_files(place.file) for line in path.read_bytes().splitlines()]
    let_go = [line for line in let_go if line["event"] == "lines_let_go"]
    assert found.last == 120 + 5, "the first of the newest file says each time how many went with the oldest"
    assert let_go[-1]["in_all"] == found.first - 1
    assert [line["lines"] for line in let_go] == [line["in_all"] - 15 * (n + 1) for n, line in enumerate(let_go)]
    assert let_go[-1]["until"] < let_go[-1]["time"]
    assert found.notes == [f"number(s) 1 to {found.first - 1} were let go, when their files were the oldest"]


def test_a_crash_between_putting_the_file_aside_and_beginning_the_next_is_no_finding(place: Place) -> None:
    place.write(10)
    place.file.rename(place.file.with_name("audit.log.1"))
    assert place.verify().clean
    place.write(2)
    assert place.verify().clean
    assert place.verify().last == 12


def test_only_the_owner_reads_log_key_and_mark(place: Place) -> None:
    previous = os.umask(0)
    try:
        place.write(60)
    finally:
        os.umask(previous)
    for path in (*log_files(place.file), place.secrets / "audit.key", place.secrets / "audit.mark"):
        assert path.stat().st_mode & 0o777 == 0o600, path


@pytest.mark.parametrize("line", [0, 4, 9])
def test_a_changed_line_is_named_with_its_file_and_place(line: int, place: Place) -> None:
    place.write(10)
    lines = place.lines()
    lines[line] = lines[line].replace(b'"number":', b'"numbEr":')
    place.put(lines)
    finding = place.verify().findings[0]
    assert finding == f"audit.log, line {line + 1}: was changed, or was not written by this server"


def test_a_flipped_bit_anywhere_in_a_line_is_found(place: Place) -> None:
    place.write(3)
    lines = place.lines()
    for index in range(0, len(lines[1]) - 1, 5):
        changed = bytearray(lines[1])
        changed[index] ^= 1
        place.put([lines[0], bytes(changed), lines[2]])
        assert not place.verify().clean, index


@pytest.mark.parametrize("line", [1, 5, 8])
def test_a_line_removed_from_within_is_named_by_its_number(line: int, place: Place) -> None:
    place.write(10)
    lines = place.lines()
    del lines[line]
    place.put(lines)
    expected = f"audit.log, line {line + 1}: before number {line + 2} number(s) {line + 1} are removed"
    assert place.verify().findings == [expected]


def test_lines_removed_at_the_beginning_or_at_the_end_are_missed(place: Place) -> None:
    place.write(10)
    lines = place.lines()
    place.put(lines[2:])
    assert place.verify().findings == ["the beginning of the log: number(s) 1 to 2 are removed"]
    place.put(lines[:-3])
    assert place.verify().findings == ["the end of the log: number(s) 8 to 10 are removed"]


def test_a_file_taken_away_is_missed_wherever_it_stood(place: Place) -> None:
    place.write(100)
    for path in log_files(place.file):
        kept = path.read_bytes()
        path.unlink()
        assert not place.verify().clean, path.name
        path.write_bytes(kept)
    assert place.verify().clean


def test_what_was_cut_off_stays_missed_when_the_server_goes_on_writing(place: Place) -> None:
    place.write(10)
    place.put(place.lines()[:6])
    place.write(5)
    assert place.verify().findings[0] == "audit.log, line 7: before number 11 number(s) 7 to 10 are removed"


def test_a_whole_log_that_was_deleted_stays_missed(place: Place) -> None:
    place.write(10)
    place.file.unlink()
    place.write(1)
    assert place.verify().findings == ["the beginning of the log: number(s) 1 to 10 are removed"]


def test_lines_in_another_order_are_named(place: Place) -> None:
    place.write(10)
    lines = place.lines()
    lines[3], lines[4] = lines[4], lines[3]
    place.put(lines)
    findings = place.verify().findings
    assert findings[0] == "audit.log, line 4: before number 5 number(s) 4 are out of their order"
    assert findings[1].startswith("audit.log, line 5: number 4 stands after number 5")


def test_a_line_of_another_server_or_a_repeated_one_is_named(place: Place, tmp_path: Path) -> None:
    place.write(5)
    lines = place.lines()
    place.put([*lines[:3], b'{"time":"2026-01-01T00:00:00.000+00:00","event":"login","user":"eve"}\n', *lines[3:]])
    assert place.verify().findings == ["audit.log, line 4: was changed, or was not written by this server"]
    place.put([*lines, lines[1]])
    assert "line 6: number 2 stands after number 5" in place.verify().findings[0]
    shutil.rmtree(tmp_path / "other", ignore_errors=True)
    (tmp_path / "other").mkdir()
    other = AuditLog(place.logging, tmp_path / "other")  # another key
    other.write("forged")
    other.close()
    assert not place.verify().clean


def test_without_the_key_nothing_passes_for_good(place: Place) -> None:
    place.write(5)
    (place.secrets / "audit.key").unlink()
    assert not place.verify().clean


def test_a_mark_that_somebody_else_wrote_is_a_finding(place: Place) -> None:
    place.write(5)
    mark = place.secrets / "audit.mark"
    mark.write_text(mark.read_text().replace('"last":5', '"last":3'))
    place.put(place.lines()[:3])
    assert "was not written by this server" in place.verify().findings[0]


# --- Crashes ------------------------------------------------------------------------------------------------------


def test_a_crash_within_the_last_line_is_no_finding_and_is_told_as_such(place: Place) -> None:
    place.write(3)
    audit = place.open()
    audit.write("login", user="alice")
    crash(audit)
    whole = place.file.read_bytes()
    mark = (place.secrets / "audit.mark").read_bytes()
    begin = whole.rindex(b"\n", 0, -1) + 1
    # A restart syncs thrice, so not each byte gets one: the ends of the line, and some within.
    for end in (
        *range(begin, begin + 3),
        *range(begin + 3, len(whole) - 3, 23),
        *range(len(whole) - 3, len(whole) + 1),
    ):
        place.file.write_bytes(whole[:end])
        (place.secrets / "audit.mark").write_bytes(mark)
        torn = begin < end < len(whole) - 1
        found = place.verify()
        assert found.clean, (end, found.findings)
        assert any("torn" in note for note in found.notes) == torn
        place.write(2, 10)
        found = place.verify()
        assert found.clean, (end, found.findings)
        assert any("torn by a crash" in note for note in found.notes) == torn
        assert found.last == (5 if end == begin else 6)


def test_a_crash_before_anything_was_marked_is_no_finding(place: Place) -> None:
    audit = place.open()
    for _ in range(60):
        audit.write("event", filler="x" * 100)
    crash(audit)
    assert place.verify().clean
    place.write(3)
    assert place.verify().clean


def test_a_torn_line_in_which_something_else_was_put_is_a_finding(place: Place) -> None:
    place.write(3)
    with place.file.open("ab") as file:
        file.write(b'{"time":"2026')
    place.write(1)
    assert place.verify().clean
    place.file.write_bytes(place.file.read_bytes().replace(b'{"time":"2026\n', b'{"time":"2025\n'))
    assert place.verify().findings == ["audit.log, line 4: was changed, or was not written by this server"]


@pytest.mark.allows_errors("a full disk is logged once")
def test_a_line_that_a_full_disk_cuts_short_is_taken_back_and_counted(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit = place.open()
    audit.write("before")
    real = os.write

    def short(descriptor: int, data: bytes) -> int:
        return real(descriptor, data[: len(data) // 2])

    with monkeypatch.context() as patched:
        patched.setattr("sfos.server.audit.chained_file.os.write", short)
        audit.write("lost")
        audit.write("lost too")
    audit.write("after")
    audit.close()
    assert [json.loads(line)["event"] for line in place.lines()] == ["before", "after"]
    assert json.loads(place.lines()[1])["lost_before"] == 2
    assert place.verify().clean


# --- Beside a running server --------------------------------------------------------------------------------------


def test_many_threads_write_one_chain_while_it_is_marked_and_verified(place: Place) -> None:
    place = Place(structs.replace(place.logging, max_bytes=32 * 1024), place.secrets)  # two rotations or three
    audit = place.open()

    def write() -> None:
        for number in range(100):
            audit.write("event", number=number)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        audit.mark()
        assert place.verify().clean
    for thread in threads:
        thread.join()
    audit.close()
    assert place.verify().clean
    assert place.verify().last == 400


def test_a_log_of_the_time_before_the_binding_is_taken_over(place: Place) -> None:
    place.file.parent.mkdir(exist_ok=True)
    place.file.write_bytes(b'{"time":"2025-01-01T00:00:00.000+00:00","event":"login","user":"alice"}\n' * 3)
    place.write(3)
    found = place.verify()
    assert found.clean
    assert found.notes == ["3 line(s) are older than the binding, and not checked"]
    place.put([place.lines()[0], *place.lines()[2:]])  # nothing held those, and nobody says so
    place.put(place.lines()[3:])
    assert not place.verify().clean


def test_the_last_lines_are_read_over_files(place: Place) -> None:
    place.write(100)
    numbers = [json.loads(line).get("number") for line in last_lines(place.file, 30)]
    assert [number for number in numbers if number] == list(range(101 - 30 + numbers.count(None), 101))
    assert last_lines(place.file, 30, most_bytes=10) == []


def test_the_end_is_marked_while_the_server_runs_and_verify_says_what_was_cut(
    serve: Serve, home: Path, wait_until: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    server = serve()
    server.signed_in()
    mark = home / "secrets" / "audit.mark"
    file = server.settings.logging.audit_file

    def marked() -> bool:
        return mark.exists() and json.loads(mark.read_text())["last"] == len(file.read_bytes().splitlines())

    wait_until(marked)
    assert manage_storage.main(["--home", str(home), "verify", "--audit"]) == 0
    assert "audit log: clean: 2 lines" in capsys.readouterr().out
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(lines[0])
    assert manage_storage.main(["--home", str(home), "verify", "--audit"]) == 1
    assert "the end of the log: number(s) 2 are removed" in capsys.readouterr().out


def test_a_server_that_is_killed_leaves_a_log_that_verifies_and_goes_on(home: Path) -> None:
    for _ in range(2):
        with running_server(home, {"SFOS_LOGGING_MAX_BYTES": "4096"}) as server:
            host, port = server.address.rsplit(":", 1)
            for number in range(20):
                with WirePeer((host, int(port)), source=f"127.0.1.{number + 1}") as peer:
                    peer.hello()
                    with contextlib.suppress(AccessError):  # wrong, each a line of the log
                        peer.login(f"user-{number}", "wrong")
            server.process.kill()
            server.process.wait()
        for verify in (verify_audit, verify_strangers):
            found = verify(home / "logs" / "audit.log", home / "secrets")
            assert found.clean, found.findings
    assert found.last >= 40
