"""The parts without a display and without a server: words, kinds, keys, colours, order, scale, choices."""

from __future__ import annotations

import datetime as dt
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfos.gui import choices, wording
from sfos.gui.account.usage import history_share, usage_of, usage_text, used_share
from sfos.gui.choices import Choices
from sfos.gui.commands import readable, sequence
from sfos.gui.files.operations import deletion_text, name_problem, named
from sfos.gui.files.ordering import SortedRows
from sfos.gui.files.sorting import natural
from sfos.gui.look import kinds
from sfos.gui.look.palette import LIGHT, Palette, contrast, palette_for
from sfos.gui.look.scaling import factor_for
from sfos.gui.model import FolderPath, Selection, Sort, Usage
from sfos.gui.nodes import HOME, NodeKey
from sfos.gui.preview.presenter import details_of
from sfos.gui.rows import Rows
from sfos.gui.widgets.list_keys import find_named, walk
from sfos.protocol import AttributesRead, Entry, NotFound, UsageReply

NOW = dt.datetime(2026, 11, 22, 18, 0)  # noqa: DTZ001 - as the clock on the wall shows it


def entry(node: int, name: str, *, kind: str = "file", size: int = 0, mtime_ns: int = 0) -> Entry:
    return Entry(node=node, parent=1, name=name, kind=kind, revision="1", size=size, mtime_ns=mtime_ns)  # type: ignore[arg-type]


# --- Words --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (3_149, "3.1 kB"), (99_949, "99.9 kB"), (99_950, "100 kB"),
        (318_000, "318 kB"), (999_499, "999 kB"), (999_500, "1.0 MB"), (14_200_000, "14.2 MB"),
        (68_200_000_000, "68.2 GB"), (5 * 10**18, "5000 PB"),
    ],
)  # fmt: skip
def test_sizes_take_at_most_four_signs(size_bytes: int, text: str) -> None:
    assert wording.size(size_bytes) == text


def test_a_part_of_a_size_is_told_in_the_unit_of_the_whole() -> None:
    assert wording.size_of(6_500_000, 10_100_000) == "6.5 of 10.1 MB"
    assert wording.size_of(0, 5) == "0 of 5 B"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (41, "41 s"), (59.6, "1 min"), (180, "3 min"), (7_800, "2 h 10 min"), (7_200, "2 h"),
     (200_000, "2 days")],
)  # fmt: skip
def test_times_left_are_no_finer_than_they_can_be_known(seconds: float, text: str) -> None:
    assert wording.duration(seconds) == text


def test_moments_are_told_as_one_says_them() -> None:
    def at(day: int, hour: int) -> int:
        return int(dt.datetime(2026, 11, day, hour).timestamp()) * 10**9  # noqa: DTZ001

    assert wording.moment(at(22, 9), NOW) == "Today 09:00"
    assert wording.moment(at(21, 9), NOW) == "Yesterday 09:00"
    assert wording.moment(at(3, 9), NOW) == "3 Nov 2026 09:00"
    assert wording.moment(0, NOW) == "—"


def test_errors_are_explained_in_their_own_sentence() -> None:
    assert wording.explain(NotFound(subject="a.txt")) == "“a.txt”: No such file or folder."
    assert "no longer there" in wording.explain(FileNotFoundError(2, "x", "/tmp/a"))


@given(st.integers(-(2**63), 2**63 - 1))
def test_no_time_raises(mtime_ns: int) -> None:
    assert wording.stamp(mtime_ns)
    assert wording.moment(mtime_ns, NOW)


# --- Kinds --------------------------------------------------------------------------------------------------------


def test_every_kind_has_an_icon_of_the_font_and_a_colour_of_the_palette() -> None:
    from sfos.gui.look.icons import _code_points

    colours = {field.name for field in fields(Palette)}
    for name in ("a.pdf", "a.PNG", "Makefile", "x.unknownext", "noext", ".hidden", "a.tar.gz", "a.svg"):
        kind = kinds.kind_of_name(name)
        assert kind.icon in _code_points()
        assert kind.colour in colours
    for kind in (*kinds._KINDS.values(), kinds.FOLDER, kinds.LINK):
        assert kind.icon in _code_points(), kind
        assert kind.colour in colours, kind


def test_kinds_are_named() -> None:
    assert kinds.kind_of_name("x.md").label == "Markdown"
    assert kinds.kind_of_name("x.zzz").label == "ZZZ file"
    assert kinds.kind_of_name("name").label == "File"
    assert kinds.kind_of(entry(1, "d", kind="folder")).label == "Folder"


# --- Commands -----------------------------------------------------------------------------------------------------


def test_keys_are_written_for_people_and_for_tk() -> None:
    assert sequence("Ctrl+Shift+N") == "<Control-Shift-KeyPress-N>"
    assert sequence("Ctrl+U") == "<Control-KeyPress-u>"
    assert sequence("Alt+Left") == "<Alt-KeyPress-Left>"
    assert readable("Alt+Left") == "Alt+←"
    assert readable("Ctrl+Shift+N", mac=True) == "⌘⇧N"


# --- Colours ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("high", [False, True])
@pytest.mark.parametrize("mode", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(mode: str, high: bool) -> None:
    p = palette_for(mode, high_contrast=high)  # type: ignore[arg-type]
    pairs = [(text, behind) for text in (p.text, p.muted) for behind in (p.surface, p.side, p.header, p.row_alt)]
    pairs += [(p.text, behind) for behind in (p.selection, p.notice, p.alarm, p.good, p.button, p.field, p.hover)]
    pairs += [(colour, p.surface) for colour in (p.accent, p.success, p.warning, p.danger)]
    pairs += [(p.on_primary, p.primary), (p.warning, p.notice), (p.muted, p.good), (p.muted, p.hover)]
    for text, behind in pairs:
        assert contrast(text, behind) >= 4.5, (mode, high, text, behind)


def test_contrast_is_measured_as_the_standard_says() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert LIGHT.mode == "light"


# --- Order --------------------------------------------------------------------------------------------------------


def test_numbers_in_names_are_ordered_by_their_value() -> None:
    names = ["file10", "File2", "file1", "a", "file02b"]
    assert sorted(names, key=natural) == ["a", "file1", "File2", "file02b", "file10"]


def sort_key(entry: Entry, sort: Sort) -> tuple[object, ...]:
    """Key that places `entry` among its like; the node last, so that no two keys are equal."""
    name = natural(entry.name)
    if sort.column == "size" and entry.kind != "folder":
        return entry.size, name, entry.node
    if sort.column == "modified":
        return entry.mtime_ns, name, entry.node
    if sort.column == "type":
        return kinds.kind_of(entry).label, name, entry.node
    return name, entry.node


def rows_by_hand(entries: list[Entry], sort: Sort) -> list[int]:
    folders = sorted(
        (e for e in entries if e.kind == "folder"), key=lambda e: sort_key(e, sort), reverse=sort.descending
    )
    files = sorted((e for e in entries if e.kind != "folder"), key=lambda e: sort_key(e, sort), reverse=sort.descending)
    return [e.node for e in (*folders, *files)]


names = st.text("aB1 2é.", min_size=1, max_size=6)
entries = st.lists(
    st.builds(
        entry,
        st.integers(1, 60),
        names,
        kind=st.sampled_from(["file", "folder"]),
        size=st.integers(0, 3),
        mtime_ns=st.integers(0, 3),
    ),
    max_size=40,
    unique_by=lambda e: e.node,
)
sorts = st.builds(Sort, st.sampled_from(["name", "size", "modified", "type"]), st.booleans())


@given(entries, entries, st.lists(st.integers(1, 60), max_size=10), sorts)
def test_changed_rows_stand_where_sorting_anew_would_put_them(
    first: list[Entry], changed: list[Entry], removed: list[int], sort: Sort
) -> None:
    rows = SortedRows.of(first, sort)
    truth = {e.node: e for e in first}
    for each in changed:
        rows = rows.put(each)
        truth[each.node] = each
    for node in removed:
        key, before = NodeKey(HOME, node), rows
        rows = rows.changed({key: None})
        assert (rows is not before) == (truth.pop(node, None) is not None)
        assert rows.get(key) is None
    assert [e.node for e in rows.rows()] == rows_by_hand(list(truth.values()), sort)
    assert list(rows.rows()) == [truth[e.node] for e in rows.rows()]
    assert len(rows) == len(truth)


def test_many_rows_are_sorted_in_slices_to_the_same_order() -> None:
    many = [entry(n, f"file{(n * 7919) % 10_007}") for n in range(10_007)]
    assert [e.node for e in SortedRows.of(many, Sort()).rows()] == rows_by_hand(many, Sort())


def test_a_filter_ignores_case() -> None:
    rows = SortedRows.of([entry(1, "Straße.txt"), entry(2, "b.txt")], Sort())
    assert [e.node for e in rows.rows("STRASSE")] == [1]


@pytest.mark.parametrize(
    ("typed", "start", "found"),
    [("b", -1, 1), ("be", 1, 2), ("bb", 1, 2), ("b", 2, 1), ("z", 0, None), ("A", 3, 0), ("cherry", 0, 3)],
)
def test_typing_finds_names_and_one_letter_walks_on(typed: str, start: int, found: int | None) -> None:
    names = ["apple", "banana", "Berry", "cherry"]
    beginning, at = walk(typed, start)
    assert find_named(names, beginning, at % len(names)) == found
    rows = Rows.of(entry(n, name) for n, name in enumerate(names, 1))
    assert rows.find_typed(beginning, at % len(names)) == found


# --- Scale --------------------------------------------------------------------------------------------------------


def test_the_scale_comes_from_the_first_source_that_knows() -> None:
    assert factor_for(1.5, 192, "3", 72) == 1.5
    assert factor_for(None, 192, "3", 72) == 2.0
    assert factor_for(None, 120, None, 72) == 1.25
    assert factor_for(None, None, "2", 72) == 2.0
    assert factor_for(None, None, "1.5", 96) == 1.0
    assert factor_for(None, None, None, 192) == 2.0
    assert factor_for(None, None, None, 100) == 1.0
    assert factor_for(None, 9999, None, 96) == 1.0
    assert factor_for(99, None, None, 96) == 4.0


# --- Names and sentences ------------------------------------------------------------------------------------------


def test_names_are_judged_while_they_are_typed() -> None:
    rows = SortedRows.of([entry(1, "old"), entry(2, "caf\u00e9 2")], Sort())
    assert name_problem("new", rows.has_name) is None
    assert name_problem("OLD", rows.has_name) == "Something of this name is already here."
    assert name_problem("Cafe\u0301 2", rows.has_name) == "Something of this name is already here."
    assert name_problem("caf\u00e9 02", rows.has_name) is None, "sorted alike, and yet another name"
    assert name_problem("OLD", rows.has_name, own="old") is None
    assert "“/”" in (name_problem("a/b", rows.has_name) or "")
    assert name_problem("..", rows.has_name) is not None


def test_entries_are_named_in_a_sentence() -> None:
    some = [entry(n, name) for n, name in enumerate("abcde", 1)]
    assert named(some[:1]) == "“a”"
    assert named(some[:2]) == "“a” and “b”"
    assert named(some[:3]) == "“a”, “b” and “c”"
    assert named(some) == "“a”, “b” and 3 more"


def test_the_question_before_a_deletion_does_not_sound_harmless() -> None:
    text = deletion_text([entry(1, "a", kind="folder")])
    assert "everything inside" in text
    assert "no command yet" in text


def test_names_that_would_deceive_the_eye_are_shown_escaped() -> None:
    evil = entry(1, "exe.\u202egpj")
    assert details_of(Selection((evil,)), "/", 1, NOW).title == "exe.\\u202egpj"
    assert "\\u202e" in named([evil])


def test_details_tell_what_is_known() -> None:
    file = Entry(
        node=2,
        parent=1,
        name="a.py",
        kind="file",
        revision="1",
        size=3_100,
        mtime_ns=0,
        attrs=AttributesRead(mode=0o644),
    )
    details = details_of(Selection((file,)), "/src", 4, NOW)
    assert details.subtitle == "Python source · 3.1 kB"
    assert ("Mode", "0644") in details.facts
    folder = details_of(Selection(), "/src", 4, NOW)
    assert (folder.title, folder.subtitle) == ("src", "Folder · 4 items")
    two = details_of(Selection((file, entry(3, "d", kind="folder"))), "/src", 4, NOW)
    assert (two.title, two.subtitle) == ("2 items selected", "1 folder · 1 file")


def test_places_know_their_path_and_what_is_above() -> None:
    place = FolderPath().child(2, "a").child(3, "b")
    assert place.path == "/a/b"
    assert place.parent() == FolderPath().child(2, "a")
    assert FolderPath().parent() is None
    assert FolderPath().path == "/"


# --- Usage --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quota_bytes", "quota_files", "text", "share"),
    [
        (None, None, "3.1 MB in 12 files", None),
        (10_000_000, None, "5.0 MB of 10.0 MB used", 0.5),
        (None, 20, "3.1 MB in 12 files\n15 of 20 items used", 0.75),
        (10_000_000, 20, "5.0 MB of 10.0 MB used\n15 of 20 items used", 0.75),
        (6_250_000, 1_500, "5.0 MB of 6.2 MB used\n15 of 1,500 items used", 0.8),
        (4_000_000, None, "5.0 MB of 4.0 MB used", 1.0),  # lowered below what there is
        (0, 1, "5.0 MB of 0 B used\n15 of 1 item used", 1.0),
    ],
)
def test_each_limit_is_told_and_the_bar_is_of_the_one_that_is_nearest(
    quota_bytes: int | None, quota_files: int | None, text: str, share: float | None
) -> None:
    usage = usage_of(
        UsageReply(
            bytes_current=3_100_000, files_current=12, bytes_stored=5_000_000, quota_bytes=quota_bytes,
            entries_current=15, quota_files=quota_files,
        )
    )  # fmt: skip
    assert (usage_text(usage), used_share(usage)) == (text, share)


def used(stored: int, history: int, quota: int | None = 10_000_000, **files: int) -> Usage:
    return usage_of(UsageReply(
        bytes_current=100_000, files_current=1, bytes_stored=stored, quota_bytes=quota, bytes_history=history, **files
    ))  # fmt: skip


@pytest.mark.parametrize(
    ("usage", "text", "share"),
    [
        (used(5_000_000, 4_000_000), "5.0 MB of 10.0 MB used\n4.0 MB of it history, 5.0 MB left", 0.4),
        (used(12_000_000, 11_000_000), "12.0 MB of 10.0 MB used\n11.0 MB of it history, 0 B left", 0.9),
        (used(5_000_000, 200_000), "5.0 MB of 10.0 MB used", 0.02),  # not worth a line
        (used(5_000_000, 4_000_000, None), "100 kB in 1 file", 0.0),
        (used(1_000, 900, entries_current=9, quota_files=10), None, 0.0),  # the bar is of the files
    ],
)
def test_what_history_holds_is_said_and_has_its_part_of_the_bar(usage: Usage, text: str | None, share: float) -> None:
    assert text is None or usage_text(usage) == text
    assert history_share(usage) == pytest.approx(share)


# --- Choices ------------------------------------------------------------------------------------------------------


def test_choices_come_back_as_they_were_saved(tmp_path: Path) -> None:
    kept = Choices(server="s:1", user="u", theme="dark", width=900, height=600, details=False)
    choices.save(tmp_path, kept)
    assert choices.load(tmp_path) == kept


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"theme": "pink"}', b'{"width": -5}', b"\xff\xfe", b"[]", b'{"x":' + b"[" * 100_000]
)
def test_damaged_choices_are_forgotten(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "window.json").write_bytes(content)
    assert choices.load(tmp_path) == Choices()
    assert choices.load(tmp_path / "nowhere") == Choices()
