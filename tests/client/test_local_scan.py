from __future__ import annotations

import os
from pathlib import Path

import pytest

from sfos.client.local.scan import LocalEntry, LocalProblem, look_at, scan_folder


def scan(folder: Path) -> tuple[dict[str, LocalEntry], dict[str, str]]:
    entries: dict[str, LocalEntry] = {}
    problems: dict[str, str] = {}
    for found in scan_folder(folder):
        if isinstance(found, LocalEntry):
            entries[found.name] = found
        else:
            problems[found.name] = found.error.message if isinstance(found, LocalProblem) else found.reason
    return entries, problems


def test_files_folders_and_links_are_told_apart_and_links_not_followed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    entries, problems = scan(tmp_path)
    assert {name: entry.kind for name, entry in entries.items()} == {
        "file": "file",
        "folder": "folder",
        "link": "symlink",
    }
    assert entries["file"].stamp.size == 5
    assert entries["link"].link == "folder"
    assert not problems


def test_what_cannot_be_taken_is_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    (tmp_path / "good").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / os.fsdecode(b"caf\xe9")).write_bytes(b"")
    (tmp_path / "bell\a").write_bytes(b"")
    entries, problems = scan(tmp_path)
    assert list(entries) == ["good"]
    assert set(problems) == {"pipe", "caf\\xe9", "bell\\x07"}


def test_a_second_name_that_the_server_takes_for_the_same_is_a_problem(tmp_path: Path) -> None:
    for name in ("Readme", "README", "caf\u00e9", "cafe\u0301"):
        (tmp_path / name).write_bytes(b"")
    entries, problems = scan(tmp_path)
    assert len(entries) == 2
    assert len(problems) == 2
    assert all("same name" in reason for reason in problems.values())


def test_two_spellings_of_one_character_are_the_same_name_too(tmp_path: Path) -> None:
    """Python keeps one object for each such name, so comparing objects would take the second for the first."""
    for name in ("\u00e9", "e\u0301"):
        (tmp_path / name).write_bytes(name.encode())
    entries, problems = scan(tmp_path)
    assert list(entries) == ["\u00e9"]
    assert len(problems) == 1


def test_a_folder_that_cannot_be_read_is_one_problem(tmp_path: Path) -> None:
    entries, problems = scan(tmp_path / "missing")
    assert not entries
    assert list(problems) == ["missing"]


def test_a_path_is_looked_at_under_the_name_it_is_to_have(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    found = look_at(tmp_path / "file", name="other")
    assert isinstance(found, LocalEntry)
    assert found.name == "other"
    assert isinstance(look_at(tmp_path / "file", name="a/b"), LocalProblem)
    assert isinstance(look_at(tmp_path / "none"), LocalProblem)


@pytest.mark.parametrize("follow", [False, True])
def test_a_link_is_what_it_points_to_only_when_links_are_followed(tmp_path: Path, follow: bool) -> None:
    (tmp_path / "target").write_bytes(b"12")
    (tmp_path / "link").symlink_to("target")
    found = look_at(tmp_path / "link", follow_symlinks=follow)
    assert isinstance(found, LocalEntry)
    assert found.kind == ("file" if follow else "symlink")
