"""Progress of a transfer: numbers that never jump or pass their end, names that fit, and one sentence at the end."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from sfos.cli.files import progress
from sfos.cli.files.transferring import Outage, conflict_lines, summarise
from sfos.cli.front.shell import Shell
from sfos.client.transfer import Conflict, Direction, Item, ItemState, JobState, Progress, Tally
from sfos.client.transfer.ledger import Ledger
from sfos.protocol import Entry


def item(number: int, state: ItemState = ItemState.DONE, *, size: int = 1000, kind: str = "file") -> Item:
    return Item(number, Path("/here"), str(number), f"/there/{number}", kind, size if kind == "file" else 0, 0, state)


def state(**changes: Any) -> Progress:
    start = Progress(
        job=1, planned=True, items_total=40, items_done=12, items_failed=0, bytes_total=10_000_000,
        bytes_done=2_500_000, bytes_moved=2_500_000, speed=1_500_000.0, speed_stable=True, active=(),
    )  # fmt: skip
    return replace(start, **changes)


class Screen(io.StringIO):
    """Takes what a terminal is sent."""

    def isatty(self) -> bool:
        return True


def drawn(value: Progress, columns: int = 100) -> list[str]:
    from rich.console import Console

    screen = io.StringIO()
    console = Console(file=screen, width=columns, highlight=False, emoji=False, markup=False)
    console.print(progress.bars(value, columns))
    return [line.rstrip() for line in screen.getvalue().splitlines()]


def test_the_whole_has_a_row_and_each_file_under_way_another() -> None:
    active = replace(item(3, ItemState.ACTIVE, size=4000), bytes_done=1000, remote="/there/film.mkv")
    whole, file = drawn(state(active=(active,)))
    assert whole.startswith("12 of 40 items")
    assert whole.endswith("25% 2.5 MB of 10 MB, 1.5 MB/s, 5.0 s left")
    assert file.startswith("  film.mkv")
    assert file.endswith("25% 1.0 kB of 4.0 kB")


def test_a_single_file_needs_one_row() -> None:
    active = replace(item(0, ItemState.ACTIVE, size=10_000_000), bytes_done=2_500_000, remote="/there/film.mkv")
    (line,) = drawn(state(items_total=1, items_done=0, active=(active,)))
    assert line.startswith("film.mkv ")
    assert line.endswith("25% 2.5 MB of 10 MB, 1.5 MB/s, 5.0 s left")


@pytest.mark.parametrize("columns", [120, 100, 80, 70, 60, 55])
def test_where_it_is_narrow_figures_stay_and_the_rest_gives_way(columns: int) -> None:
    active = replace(item(3, ItemState.ACTIVE, size=4000), bytes_done=1000, remote="/there/a-rather-long-name.mkv")
    lines = drawn(state(active=(active,)), columns)
    assert [line.endswith(end) for line, end in zip(lines, ("5.0 s left", "1.0 kB of 4.0 kB"), strict=True)]
    assert all(" 25% " in line for line in lines)
    assert max(map(len, lines)) <= columns - 3, "the ^C that is typed has its place"


def test_no_name_under_way_steers_the_terminal_or_breaks_the_line() -> None:
    active = replace(item(3, ItemState.ACTIVE), remote="/there/a\x1b[31m[bold]\n:smile:")
    lines = drawn(state(active=(active,)))
    assert len(lines) == 2
    assert "a\\x1b[31m[bold]\\n:smile:" in lines[1]


def test_time_left_is_told_only_when_it_is_known() -> None:
    assert "left" not in progress.total_figures(state(speed_stable=False))
    assert "left" not in progress.total_figures(state(planned=False))
    assert "left" not in progress.total_figures(state(speed=0.0))
    assert "left" not in progress.total_figures(state(speed=12.0)), "a week, just after the server was away"
    assert "left" not in progress.total_figures(state(bytes_done=10_000_000))


def test_while_files_are_counted_the_total_is_so_far() -> None:
    assert progress.total_label(state(planned=False)) == "12 of 40 items so far"


@pytest.mark.parametrize(
    ("done", "total", "text"), [(0, 0, "100%"), (0, 10, "0%"), (999, 1000, "99%"), (5, 5, "100%"), (9, 5, "100%")]
)
def test_per_cent_never_pass_the_end_nor_reach_it_early(done: int, total: int, text: str) -> None:
    assert progress.percent(done, total) == text


def test_a_long_name_gives_way_in_the_middle() -> None:
    assert progress.shortened("short.txt", 12) == "short.txt"
    assert progress.shortened("a-very-long-name.txt", 12) == "a-very…e.txt"
    assert progress.shortened("日本語の長い名前.txt", 12) == "日本語….txt"


def test_nothing_is_drawn_in_the_first_moments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    now = [0.0]
    screen = Screen()
    view = progress.TerminalProgress(Shell(io.StringIO(), io.StringIO(), screen), lambda: now[0])
    view.show(state())
    view.close()
    assert screen.getvalue() == ""
    now[0] = 1.0
    view.show(state())
    assert "12 of 40 items" in screen.getvalue()
    view.close()


def test_why_nothing_moves_is_told_once_until_it_moves_again() -> None:
    outage = Outage()
    outage.moved(500)
    told = [outage.is_news(why) for why in ("stopping", "no answer", "stopping", "no answer")]
    outage.moved(500)
    assert (told, outage.is_news("no answer")) == ([True, True, False, False], False)
    outage.moved(501)
    assert outage.is_news("no answer")


# ── at the end ──────────────────────────────────────────────────────────────────────────────────────────────────


def tally(*states: ItemState, folders: int = 0) -> Tally:
    """Of folders that are there, and files of 1,000 bytes, each in its state."""
    ledger = Ledger(1)
    for _ in range(folders):
        ledger.end(ledger.add(Path("f"), "/f", "folder", 0), ItemState.DONE)
    for state in states:
        row = ledger.add(Path("f"), "/f", "file", 1000)
        if state is not ItemState.WAITING:
            ledger.end(row, state)
    return ledger.tally()


def test_the_summary_counts_what_happened() -> None:
    done, skipped = ItemState.DONE, ItemState.SKIPPED
    found = tally(done, done, ItemState.UNCHANGED, skipped, skipped, ItemState.FAILED, folders=1)
    said = summarise(found, Direction.UPLOAD, JobState.FAILED, 2.0)
    assert said == "Uploaded 2 files and 1 folder (2.0 kB) in 2.0 s, 1.0 kB/s; 1 unchanged, 2 skipped, 1 failed."


def test_what_was_refused_for_want_of_an_answer_has_failed() -> None:
    said = summarise(tally(ItemState.SKIPPED), Direction.DOWNLOAD, JobState.FINISHED, 0.1, refused=1)
    assert said == "Downloaded 0 files; 1 failed."


def test_a_cancelled_transfer_says_how_far_it_came() -> None:
    found = tally(ItemState.DONE, ItemState.CANCELLED, ItemState.WAITING)
    said = summarise(found, Direction.UPLOAD, JobState.CANCELLED, 0.5)
    assert said == "Cancelled: uploaded 1 file (1.0 kB) in 0.5 s; 2 not finished."


def test_a_conflict_shows_both_files_and_which_is_newer() -> None:
    remote = Entry(node=7, parent=1, name="a", kind="file", revision="r", size=2000, mtime_ns=1_700_000_000 * 10**9)
    conflict = Conflict(Direction.DOWNLOAD, "a\x1b", Path("/here/a"), 5, 1_600_000_000 * 10**9, remote, "/a")
    title, server, here = conflict_lines(conflict)
    assert title == "a\\x1b is there already:"
    assert server.startswith("  server  2.0 kB  2023-11-1")
    assert server.endswith("  /a       newer")
    assert here.startswith("  here    5 B     2020-09-1")
    assert here.endswith("  /here/a")


def test_what_a_job_never_came_to_look_at_is_said_to_be_unknown() -> None:
    found = tally(ItemState.DONE, ItemState.CANCELLED, ItemState.WAITING)
    said = summarise(found, Direction.UPLOAD, JobState.FAILED, 0.5, planned=False)
    assert said == "Uploaded 1 file (1.0 kB) in 0.5 s; 2 not finished, and more that was not looked at yet."
    said = summarise(tally(ItemState.DONE, ItemState.DONE), Direction.UPLOAD, JobState.FAILED, 0.5, planned=False)
    assert said == "Uploaded 2 files (2.0 kB) in 0.5 s; not all was looked at yet."
