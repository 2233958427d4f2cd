"""Where things go: the rules of cp, each as a line of a table."""

from __future__ import annotations

import pytest

from sfos.cli.front.paths import RemotePath, Source, Standing, goes_inside
from sfos.protocol import NameNotAllowed, NotAFolder, NotFound

FILE, FOLDER = Source("a", is_folder=False), Source("tree", is_folder=True)


@pytest.mark.parametrize(
    ("typed", "path", "as_folder", "contents"),
    [
        ("/", "/", True, True),
        (".", "/", True, True),
        ("docs", "/docs", False, False),
        ("/docs", "/docs", False, False),
        ("docs/", "/docs", True, False),
        ("//docs///a.txt", "/docs/a.txt", False, False),
        ("docs/.", "/docs", True, True),
        ("./docs", "/docs", False, False),
        ("docs/../music", "/music", False, False),
        ("docs/..", "/", True, True),
        ("../..", "/", True, True),
        ("with space/ü", "/with space/ü", False, False),
        ("u\u0308", "/ü", False, False),
    ],
)
def test_a_typed_path_is_made_absolute(typed: str, path: str, as_folder: bool, contents: bool) -> None:
    assert RemotePath.parse(typed) == RemotePath(path, as_folder, contents)


@pytest.mark.parametrize("typed", ["", "a\x1b[31m", "a\\b", "x" * 300, "a/\u202egpj.exe"])
def test_a_path_that_cannot_be_is_refused_with_a_reason(typed: str) -> None:
    with pytest.raises(NameNotAllowed) as refused:
        RemotePath.parse(typed)
    assert "\x1b" not in str(refused.value)


def test_the_parts_of_a_path() -> None:
    path = RemotePath.parse("docs/a.txt")
    assert (path.name, path.parent, path.child("b")) == ("a.txt", "/docs", "/docs/a.txt/b")
    top = RemotePath.parse("/top")
    assert (top.name, top.parent) == ("top", "/")
    root = RemotePath.parse("/")
    assert (root.name, root.parent, root.child("b")) == ("", "/", "/b")


@pytest.mark.parametrize(
    ("sources", "standing", "as_folder", "inside"),
    [
        ([FILE], Standing.FOLDER, False, True),
        ([FILE], Standing.FOLDER, True, True),
        ([FILE, FOLDER], Standing.FOLDER, False, True),
        ([FILE], Standing.FILE, False, False),
        ([FILE], Standing.MISSING, False, False),
        ([FOLDER], Standing.FOLDER, False, True),
        ([FOLDER], Standing.MISSING, False, False),
        ([FOLDER], Standing.MISSING, True, False),  # cp -r tree new/
    ],
)
def test_what_goes_where(sources: list[Source], standing: Standing, as_folder: bool, inside: bool) -> None:
    assert goes_inside(sources, "there", standing, as_folder=as_folder) is inside


@pytest.mark.parametrize(
    ("sources", "standing", "as_folder", "error"),
    [
        ([FILE, FILE], Standing.MISSING, False, NotFound),
        ([FILE, FILE], Standing.FILE, False, NotAFolder),
        ([FOLDER], Standing.FILE, False, NotAFolder),
        ([FILE], Standing.FILE, True, NotAFolder),
        ([FILE], Standing.MISSING, True, NotFound),
    ],
)
def test_what_can_go_nowhere_is_refused(
    sources: list[Source], standing: Standing, as_folder: bool, error: type[Exception]
) -> None:
    with pytest.raises(error) as refused:
        goes_inside(sources, "there", standing, as_folder=as_folder)
    assert str(refused.value).startswith("there: ")
