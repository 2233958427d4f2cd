from __future__ import annotations

import pytest

from sfos.client.errors import LocalNameNotAllowed
from sfos.client.local.names import all_plain, numbered, to_local, to_remote
from sfos.protocol import NameNotAllowed


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "a\\b", "a\0b", "a\nb", "\u202egpj.exe", "\ud800", "x" * 300])
def test_no_name_from_a_server_leaves_its_folder_or_steers_a_terminal(name: str) -> None:
    with pytest.raises(LocalNameNotAllowed):
        to_local(name)


@pytest.mark.parametrize(
    ("name", "local"),
    [
        ("plain.txt", "plain.txt"),
        ("a:b?.txt", "a\uf03ab\uf03f.txt"),
        ("aux.c", "\uf061ux.c"),
        ("NUL", "\uf04eUL"),
        ("com1.log", "\uf063om1.log"),
        ("auxiliary", "auxiliary"),
        ("trailing.", "trailing\uf02e"),
        ("trailing ", "trailing\uf020"),
    ],
)
def test_what_windows_refuses_is_mapped_and_comes_back(name: str, local: str) -> None:
    assert to_local(name, windows=True) == local
    assert to_remote(local, windows=True) == name


def test_elsewhere_those_names_stay() -> None:
    assert to_local("a:b", windows=False) == "a:b"
    assert to_remote("a\uf03ab", windows=False) == "a\uf03ab"


def test_a_local_name_that_is_no_text_is_refused_with_a_reason() -> None:
    with pytest.raises(NameNotAllowed, match="Unicode"):
        to_remote(b"caf\xe9".decode("utf-8", "surrogateescape"))


def test_both_spellings_of_a_name_are_one_on_the_server() -> None:
    assert to_remote("e\u0301") == to_remote("\u00e9")


@pytest.mark.parametrize(
    ("name", "second"),
    [("report.pdf", "report (2).pdf"), ("README", "README (2)"), (".profile", ".profile (2)"), ("a.b.c", "a.b (2).c")],
)
def test_a_second_file_of_a_name_is_numbered_before_its_ending(name: str, second: str) -> None:
    assert numbered(name, 2) == second


@pytest.mark.parametrize(
    ("names", "plain"),
    [
        ((), True),
        (("a.txt", "b.txt", "read me"), True),
        (("a.txt", "A.TXT"), False),
        (("a", ".hidden"), False),
        (("a", "größe"), False),
        (("a", "back\\slash"), False),
        (("a", "line\nbreak"), False),
        (("a", "x" * 255), True),
        (("a", "x" * 256), False),
        (("/etc/evil",), False),
        (("a/b",), False),
        (("a", "b/c"), False),
        (("",), False),
        (("a", ""), False),
        (("..",), False),
    ],
)
def test_names_of_a_folder_are_looked_at_together(names: tuple[str, ...], plain: bool) -> None:
    assert all_plain(names) is plain
    if plain:
        assert [to_remote(name) for name in names] == list(names)
