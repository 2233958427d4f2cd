"""Output: sizes, times, tables, names that would steer a terminal, and JSON for programs."""

from __future__ import annotations

import json
import tracemalloc
from datetime import UTC, datetime, timedelta, timezone

import pytest

from sfos.cli.files.long_rows import LongRows
from sfos.cli.front import output
from sfos.cli.front.options import SortBy
from sfos.protocol import (
    AttributesRead,
    Change,
    Entry,
    NotFound,
    TooManyAttempts,
    UsageReply,
)
from tests.support.entry_lists import parts_of

NOON_NS = 1_750_000_000_000_000_000  # 2025-06-15 15:06:40 UTC


def entry(name: str, kind: str = "file", **more: object) -> Entry:
    values: dict[str, object] = {"node": 7, "parent": 1, "revision": "r1", "mtime_ns": NOON_NS, **more}
    return Entry(name=name, kind=kind, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1, "1 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1234, "1.2 kB"),
        (9_949, "9.9 kB"),
        (9_950, "10 kB"),
        (45_400, "45 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (1_500_000_000, "1.5 GB"),
        (2**63 - 1, "9.2 EB"),
        (10**24, "1000000 EB"),
        (-1500, "-1.5 kB"),
    ],
)
def test_sizes_for_people(count: int, text: str) -> None:
    assert output.size(count) == text


def test_exact_sizes_have_every_digit() -> None:
    assert output.exact(1234567) == "1,234,567"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (0.84, "0.8 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1 min"),
     (185, "3 min 05 s"), (1_800, "30 min"), (7_620, "2 h 07 min"), (43_200, "12 h"), (100_000, "27 h 46 min")],
)  # fmt: skip
def test_durations_for_people(seconds: float, text: str) -> None:
    assert output.duration(seconds) == text


def test_times_are_local() -> None:
    assert output.moment(NOON_NS, timezone(timedelta(hours=2))) == "2025-06-15 17:06"


@pytest.mark.parametrize("time_ns", [0, 2**63 - 1, -(2**63) + 1])
def test_a_time_that_no_calendar_holds_is_a_dash(time_ns: int) -> None:
    assert output.moment(time_ns, UTC) in ("—", "2262-04-11 23:47", "1677-09-21 00:12")


def test_wide_and_combining_characters_take_the_cells_they_take() -> None:
    assert output.cell_width("abc") == 3
    assert output.cell_width("日本") == 4
    assert output.cell_width("e\u0301") == 1


def test_a_long_listing_is_aligned() -> None:
    entries = [
        entry("日本.txt", size=5),
        entry("Docs", "folder"),
        entry("big.bin", size=12_345_678),
        entry("link", "symlink", attrs=AttributesRead(link="big.bin")),
    ]
    assert output.long_rows([(e, e.name) for e in entries], zone=UTC) == [
        "-    5 B  2025-06-15 15:06  日本.txt",
        "d      —  2025-06-15 15:06  Docs/",
        "-  12 MB  2025-06-15 15:06  big.bin",
        "l    0 B  2025-06-15 15:06  link -> big.bin",
    ]


def test_a_long_listing_in_bytes_is_exact() -> None:
    lines = output.long_rows([(entry("a", size=12_345_678), "a")], in_bytes=True, zone=UTC)
    assert lines == ["-  12,345,678  2025-06-15 15:06  a"]


def test_an_empty_folder_prints_nothing() -> None:
    assert output.long_rows([]) == []
    assert output.columns([], 80) == []


def test_columns_go_down_and_then_across_and_fit() -> None:
    assert output.columns(["a", "bb", "ccc", "d", "e"], 9) == ["a    d", "bb   e", "ccc"]
    assert output.columns(["a", "bb", "ccc", "d", "e"], 80) == ["a  bb  ccc  d  e"]


def test_a_name_wider_than_the_terminal_still_gets_its_line() -> None:
    assert output.columns(["x" * 100, "y"], 80) == ["x" * 100, "y"]


@pytest.mark.parametrize("width", [1, 10, 33, 80, 200])
def test_columns_never_pass_the_width_and_lose_nothing(width: int) -> None:
    names = [f"name-{number}" * (1 + number % 3) for number in range(57)]
    lines = output.columns(names, width)
    assert sorted(" ".join(lines).split()) == sorted(names)
    assert all(len(line) <= max(width, *map(len, names)) for line in lines)


def test_a_hundred_thousand_names_are_arranged_in_columns_in_a_moment() -> None:
    assert len(output.columns([f"{number:06}" for number in range(100_000)], 80)) == 10_000


def test_entries_are_sorted_by_name_without_regard_to_case() -> None:
    entries = [entry("b"), entry("C", "folder"), entry("a"), entry("Ä")]
    assert [e.name for e in output.arrange(entries)] == ["a", "b", "C", "Ä"]
    assert [e.name for e in output.arrange(entries, folders_first=True)] == ["C", "a", "b", "Ä"]
    assert [e.name for e in output.arrange(entries, reverse=True)] == ["Ä", "C", "b", "a"]


@pytest.mark.parametrize("last", ["d", "Ä"])  # with and without other letters than those of ASCII
@pytest.mark.parametrize("folders_first", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
def test_names_alone_are_sorted_as_entries_are(last: str, folders_first: bool, reverse: bool) -> None:
    kinds = {"b": "file", "C": "folder", "a": "file", "c": "file", "A": "folder", last: "file", "É": "folder"}
    if last == "d":
        del kinds["É"]
    entries = [entry(name, kind) for name, kind in kinds.items()]
    folders = {name for name, kind in kinds.items() if kind == "folder"}
    expected = output.arrange(entries, folders_first=folders_first, reverse=reverse)
    found = output.arrange_names(list(kinds), folders, folders_first=folders_first, reverse=reverse)
    assert found == [one.name for one in expected]


def test_the_largest_and_the_newest_come_first() -> None:
    entries = [entry("a", size=1, mtime_ns=3), entry("b", size=3, mtime_ns=1), entry("c", size=2, mtime_ns=2)]
    assert [e.name for e in output.arrange(entries, SortBy.SIZE)] == ["b", "c", "a"]
    assert [e.name for e in output.arrange(entries, SortBy.TIME)] == ["a", "c", "b"]


HOSTILE = "a\x1b[31mred\nnext\u202egpj.exe\x9b2J"


def test_no_name_from_the_server_steers_the_terminal() -> None:
    nasty = entry(HOSTILE, attrs=AttributesRead(link=HOSTILE))
    texts = [
        output.display_name(nasty),
        *output.long_rows([(nasty, HOSTILE), (entry(HOSTILE, "symlink", attrs=AttributesRead(link=HOSTILE)), HOSTILE)]),
        *output.stat_lines(nasty, "/" + HOSTILE),
        output.change_line(Change(entry=nasty), "/" + HOSTILE, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        output.error_line("sfos", NotFound(HOSTILE, subject=HOSTILE)),
        output.json_line(output.entry_json(nasty, HOSTILE)),
    ]
    for text in texts:
        assert text.isprintable(), text
        assert "\u202e" not in text


def test_stat_tells_what_is_known() -> None:
    some = entry("a.txt", size=1234, attrs=AttributesRead(mode=0o640), content=b"\1" * 32)
    assert output.stat_lines(some, "/docs/a.txt", UTC) == [
        "path      /docs/a.txt",
        "kind      file",
        "size      1,234 bytes (1.2 kB)",
        "modified  2025-06-15 15:06:40",
        "mode      0640",
        "node      7",
        "revision  r1",
        "content   " + "01" * 32,
    ]


def test_usage_with_and_without_a_quota() -> None:
    usage = UsageReply(bytes_current=1500, files_current=1, bytes_stored=2_500_000)
    assert output.usage_lines(usage) == ["files now  1.5 kB in 1 file", "stored     2.5 MB, history included"]
    limited = UsageReply(bytes_current=0, files_current=0, bytes_stored=70, quota_bytes=100)
    assert output.usage_lines(limited, in_bytes=True)[-1] == "quota      100 bytes, of which 30 bytes are left"
    held = UsageReply(
        bytes_current=64_000_000, files_current=3, bytes_stored=3_100_000_000, quota_bytes=3_000_000_000,
        bytes_history=3_030_000_000, history_kept_s=91 * 86_400,
    )  # fmt: skip
    assert output.usage_lines(held) == [
        "files now  64 MB in 3 files",
        "stored     3.1 GB, history included",
        "history    3.0 GB or more: earlier versions, deleted files, unfinished uploads; freed after 91 days",
        "quota      3.0 GB, of which 0 B are left",
    ]
    counted = UsageReply(bytes_current=0, files_current=7, bytes_stored=70, entries_current=9, quota_files=10_000)
    assert output.usage_lines(counted)[-1] == "           10,000 files and folders, of which 9,991 are left"


def test_json_is_one_line_that_reads_back_equal() -> None:
    some = entry("ü\n.txt", size=3, mtime_ns=NOON_NS + 5, content=b"\xff" * 32, attrs=AttributesRead(mode=0o644))
    line = output.json_line(output.entry_json(some, "/ü\n.txt"))
    assert line.isascii()
    assert "\n" not in line
    assert json.loads(line) == {
        "path": "/ü\n.txt",
        "name": "ü\n.txt",
        "kind": "file",
        "size": 3,
        "mtime": "2025-06-15T15:06:40Z",
        "mtime_ns": NOON_NS + 5,
        "node": 7,
        "revision": "r1",
        "content": "ff" * 32,
        "mode": "0644",
    }


def test_an_error_is_program_subject_sentence() -> None:
    assert output.error_line("sfos", NotFound(subject="/a")) == "sfos: /a: No such file or folder."
    assert output.error_line("sfos", NotFound()) == "sfos: No such file or folder."
    waiting = TooManyAttempts(retry_after_s=12.0)
    assert output.error_line("sfos", waiting).endswith("wait a little and try again (12 s).")
    assert output.error_line("sfos", PermissionError(13, "Permission denied", "/x")) == "sfos: /x: Permission denied"
    assert output.error_line("sfos", ZeroDivisionError()) == "sfos: ZeroDivisionError"


@pytest.mark.parametrize("by", list(SortBy))
@pytest.mark.parametrize(("folders_first", "reverse", "in_bytes"), [(False, False, True), (True, True, False)])
def test_the_lines_of_a_huge_folder_are_those_of_a_small_one(
    by: SortBy, folders_first: bool, reverse: bool, in_bytes: bool
) -> None:
    entries = [
        entry("b", size=5),
        entry("C", "folder", mtime_ns=0),
        entry("a", size=12_345_678, mtime_ns=NOON_NS + 10**12),
        entry("日本 ", "symlink", attrs=AttributesRead(link="big\n")),
        entry("A", "new kind", size=999),
        entry("Ä", size=2**62, mtime_ns=-(2**63) + 1),
        *(entry(f"n{number}", size=number) for number in range(12)),
    ]
    arranged = output.arrange(entries, by, folders_first=folders_first, reverse=reverse)
    rows = LongRows()
    for begin in range(0, len(entries), 7):  # as pages of a list have them
        (part,) = parts_of(entries[begin : begin + 7])
        rows.extend(part)
    lines = rows.lines(by, folders_first=folders_first, reverse=reverse, in_bytes=in_bytes)
    assert [line for some in lines for line in some] == output.long_rows(
        [(one, one.name) for one in arranged], in_bytes=in_bytes
    )


def test_an_empty_folder_has_no_long_lines() -> None:
    assert list(LongRows().lines()) == []


def test_of_a_huge_folder_a_line_costs_little_until_it_is_printed() -> None:
    entries = [entry(f"a name as long as many are {number}", node=number + 2) for number in range(20_000)]
    pages = [parts_of(entries[begin : begin + 5_000])[0] for begin in range(0, len(entries), 5_000)]
    del entries
    tracemalloc.start()
    try:
        rows = LongRows()
        while pages:
            rows.extend(pages.pop())
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept / 20_000 < 100
