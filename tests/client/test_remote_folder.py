"""A folder on the server as it was listed: columns of one page or of several, and entries of what is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pytest

from sfos.client.api import Api
from sfos.client.transfer.up.remote_folder import RemoteFolder
from sfos.protocol import AttributesRead, Entry, FolderEntries
from tests.support.entry_lists import parts_of

FILES = [
    Entry(
        node=10 + n,
        parent=4,
        name=f"File {n}",
        kind="file",
        revision=f"{n}.a",
        size=n,
        mtime_ns=-n,
        content=b"c" * 32,
        attrs=AttributesRead(mode=0o640),
    )
    for n in range(1, 8)
]
LINK = Entry(node=20, parent=4, name="link", kind="symlink", revision="9.a", attrs=AttributesRead(link="x"))
FOLDER = Entry(node=21, parent=4, name="folder", kind="folder", revision="9.a")


def listed(entries: Sequence[Entry], page: int) -> list[FolderEntries]:
    """Folders as pages of so many entries list them."""
    parts: list[FolderEntries] = []
    for start in range(0, len(entries), page):
        parts += parts_of(entries[start : start + page])
    return parts


@pytest.fixture(params=[1, 3, 9, 100])
def folder(request: pytest.FixtureRequest) -> RemoteFolder:
    nobody = cast("Api", None)  # what is listed needs no question
    return RemoteFolder(nobody, 4, "/folder", listed([*FILES, LINK, FOLDER], request.param))


def test_each_entry_is_found_by_its_name_in_any_case(folder: RemoteFolder) -> None:
    for entry in (*FILES, LINK, FOLDER):
        assert folder.find(entry.name) == entry
        assert folder.find(entry.name.upper()) == entry
    assert folder.find("nothing") is None
    assert not folder.is_empty


def test_a_file_is_held_with_its_size_time_and_mode_alone(folder: RemoteFolder) -> None:
    for entry in FILES:
        assert folder.holds(entry.name, entry.size, entry.mtime_ns, 0o640)
        assert not folder.holds(entry.name, entry.size + 1, entry.mtime_ns, 0o640)
        assert not folder.holds(entry.name, entry.size, entry.mtime_ns + 1, 0o640)
        assert not folder.holds(entry.name, entry.size, entry.mtime_ns, 0o600)
        assert not folder.holds(entry.name.upper(), entry.size, entry.mtime_ns, 0o640)
    for other in (LINK, FOLDER):
        assert not folder.holds(other.name, other.size, other.mtime_ns, 0o640)


def test_a_folder_with_nothing_in_it_is_empty_until_a_name_is_given_out() -> None:
    empty = RemoteFolder(cast("Api", None), 4, "/folder", [])
    assert empty.is_empty
    assert empty.is_listed
    assert empty.free_name("a.txt") == "a (2).txt"
    assert not empty.is_empty
    assert empty.find("A (2).txt") is not None
