"""Survey of what an upload would take: all is counted, what is hidden is told apart, and nobody is held by it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sfos.client.local import survey as survey_module
from sfos.client.local.survey import Survey, survey


def make(folder: Path, *names: str, size: int = 3) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)


def test_files_folders_and_bytes_are_counted_and_what_is_hidden_apart(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    make(photos, "a.jpg", "sub/b.jpg", ".thumbs/c.jpg", ".thumbs/deep/d.jpg", "sub/.nomedia")
    (photos / "link").symlink_to("/etc")
    assert survey([photos], home=tmp_path / "home") == Survey(
        files=6, folders=4, size_bytes=15, hidden_files=3, hidden_folders=2, hidden_names=(".thumbs", ".nomedia")
    )


def test_what_was_named_is_not_hidden_but_what_is_hidden_in_it_is(tmp_path: Path) -> None:
    make(tmp_path, ".config/app", ".config/.lock", ".profile")
    found = survey([tmp_path / ".config", tmp_path / ".profile"], home=tmp_path / "home")
    assert (found.files, found.hidden_files, found.hidden_names) == (3, 1, (".lock",))


@pytest.mark.parametrize(
    ("chosen", "told"), [("home", True), ("", True), ("home/docs", False), ("way/../home", True), ("short", False)]
)
def test_the_home_is_known_and_whatever_holds_it_but_not_a_link_to_it(tmp_path: Path, chosen: str, told: bool) -> None:
    make(tmp_path / "home" / "docs", "a")
    (tmp_path / "way").mkdir()
    (tmp_path / "short").symlink_to(tmp_path / "home")
    found = survey([tmp_path / chosen], home=tmp_path / "home")
    assert bool(found.homes) == told


def test_a_home_behind_a_link_is_still_the_home(tmp_path: Path) -> None:
    make(tmp_path / "disk" / "anna", "a")
    (tmp_path / "home").symlink_to(tmp_path / "disk")
    assert survey([tmp_path / "disk" / "anna"], home=tmp_path / "home" / "anna").homes


def test_what_cannot_be_read_or_is_not_there_does_not_stop_the_count(tmp_path: Path) -> None:
    make(tmp_path / "in", "a", "closed/b", "z/c")
    (tmp_path / "in" / "closed").chmod(0)
    try:
        found = survey([tmp_path / "gone", tmp_path / "in"], home=tmp_path / "home")
    finally:
        (tmp_path / "in" / "closed").chmod(0o700)
    assert found.files == (3 if os.geteuid() == 0 else 2) and found.folders == 3


def test_a_count_tells_how_far_it_is_ends_at_its_bound_and_when_nobody_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey_module, "_TELL_ITEMS", 5)
    monkeypatch.setattr(survey_module, "MOST_ITEMS", 23)
    make(tmp_path / "many", *[f"{number:02}" for number in range(40)])
    told: list[int] = []
    found = survey([tmp_path / "many"], home=tmp_path / "home", told=told.append)
    assert (found.files + found.folders, found.counted_all) == (23, False)
    assert told == [4, 9, 14, 19]

    class NobodyWaits(Exception):
        pass

    def wanted() -> None:
        if told:
            raise NobodyWaits

    told.clear()
    with pytest.raises(NobodyWaits):
        survey([tmp_path / "many"], home=tmp_path / "home", told=told.append, wanted=wanted)
    assert told == [4]
