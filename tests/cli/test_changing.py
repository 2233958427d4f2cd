"""Copies onto what is there already: as cp does, and nothing of what is there gets lost."""

from __future__ import annotations

from tests.cli.conftest import Cli


def tree(cli: Cli, **files: str) -> None:
    """Put these files (`a__b` is a/b) with their contents."""
    for name, content in files.items():
        path = name.replace("__", "/")
        cli.ok("mkdir", "-p", path.rpartition("/")[0] or "/")
        cli.ok("put", "-", path, stdin=content)


def test_a_folder_copied_onto_itself_again_is_merged_and_what_else_is_there_stays(cli: Cli) -> None:
    tree(cli, a__same="1", a__sub__deep="2", b__a__other="3", b__a__sub__else="4", b__a__same="old")
    cli.ok("cp", "-r", "a", "b")
    assert cli.ok("ls", "-R", "b").split() == "b: a b/a: other same sub b/a/sub: deep else".split()
    assert cli.ok("cat", "b/a/same", "b/a/other", "b/a/sub/deep", "b/a/sub/else") == "1324"
    cli.ok("cp", "-r", "a", "b")
    assert cli.ok("cat", "b/a/same", "a/same") == "11"


def test_what_is_alike_already_is_not_copied_once_more_and_has_no_new_version(cli: Cli) -> None:
    tree(cli, a__same="1", a__sub__deep="2", a__changes="3")
    cli.ok("mkdir", "b")
    cli.ok("cp", "-r", "a", "b")
    before = {name: cli.ok("stat", f"b/a/{name}") for name in ("same", "sub/deep", "changes")}
    cli.ok("put", "-", "a/changes", stdin="4")
    cli.ok("cp", "-r", "a", "b")
    assert {name: cli.ok("stat", f"b/a/{name}") == stat for name, stat in before.items()} == {
        "same": True,
        "sub/deep": True,
        "changes": False,
    }
    assert cli.ok("cat", "b/a/changes") == "4"


def test_skip_leaves_files_in_a_merged_folder_as_they_are(cli: Cli) -> None:
    tree(cli, a__same="new", a__more="more", b__a__same="old")
    done = cli("cp", "-rnv", "a", "b")
    assert done.code == 0
    assert "/b/a/same: left as it is" in done.err
    assert cli.ok("cat", "b/a/same", "b/a/more") == "oldmore"


def test_a_file_in_the_way_of_a_folder_fails_alone(cli: Cli) -> None:
    tree(cli, a__x__deep="1", a__y="2", a__z="3", b__a__x="file", b__a__z__deep="4")
    done = cli("cp", "-r", "a", "b")
    assert done.code == 5
    assert sorted(line.split(": ")[1] for line in done.err.splitlines()) == ["/b/a/x", "/b/a/z"]
    assert cli.ok("cat", "b/a/x", "b/a/y", "b/a/z/deep") == "file24"


def test_a_folder_is_not_copied_into_itself_whatever_is_there(cli: Cli) -> None:
    tree(cli, a__x__a__old="1", a__new="2")
    for destination in ("a/x", "A/X", "a/x/a", "a/missing"):
        done = cli("cp", "-r", "a", destination)
        assert done.code == 5, destination
        assert "inside itself" in done.err
    assert cli.ok("ls", "a/x/a") == "old\n"


def test_a_folder_moved_onto_another_is_refused_and_not_merged(cli: Cli) -> None:
    tree(cli, a__new="1", b__a__old="2")
    done = cli("mv", "a", "b")
    assert done.code == 5
    assert "there already" in done.err
    assert cli.ok("ls", "a", "b/a").split() == ["a:", "new", "b/a:", "old"]
