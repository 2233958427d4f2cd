"""Sessions as a person or a script has them: real programs, a real server, no terminal."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from sfos.client.session.session import Session
from sfos.protocol import Buffer, ListRequest, ReplyT, Request
from tests.cli.conftest import Cli

# What a transfer took; its speed is told from one second on, which a busy machine may need for six bytes.
TOOK = r"in [0-9.]+ s(, [0-9]+ B/s)?"


def lines(text: str) -> list[str]:
    return text.splitlines()


# ── looking ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_file_goes_up_is_seen_and_comes_back(cli: Cli) -> None:
    cli.write("a.txt", "hello\n")
    put = cli("put", "a.txt")
    assert (put.code, put.out) == (0, "")
    assert re.fullmatch(rf"Uploaded 1 file \(6 B\) {TOOK}\.\n", put.err)
    assert cli.ok("ls") == "a.txt\n"
    assert cli.ok("cat", "a.txt") == "hello\n"
    (cli.directory / "a.txt").unlink()
    get = cli("get", "a.txt")
    assert get.code == 0
    assert re.fullmatch(rf"Downloaded 1 file \(6 B\) {TOOK}\.\n", get.err)
    assert (cli.directory / "a.txt").read_text() == "hello\n"


def test_what_is_unchanged_is_not_sent_again(cli: Cli) -> None:
    cli.write("a.txt", "hello\n")
    cli.ok("put", "a.txt")
    again = cli("put", "a.txt")
    assert again.code == 0
    assert again.err == "Uploaded 0 files; 1 unchanged.\n"


def test_quiet_says_nothing_and_verbose_names_each_file(cli: Cli) -> None:
    cli.write("a.txt")
    assert cli("put", "-q", "a.txt").err == ""
    cli.write("b.txt")
    assert "/b.txt: done\n" in cli("put", "-v", "b.txt").err


def test_a_long_listing_is_in_columns(cli: Cli) -> None:
    cli.write("big.bin", b"\0" * 1_234_567)
    cli.write("small", "x")
    cli.ok("put", "big.bin", "small", "/")
    cli.ok("mkdir", "Docs")
    time = r"\d{4}-\d\d-\d\d \d\d:\d\d"
    shown = lines(cli.ok("ls", "-l"))
    assert re.fullmatch(rf"-  1\.2 MB  {time}  big\.bin", shown[0])
    assert re.fullmatch(rf"d       —  ({time}|—) +Docs/", shown[1])
    assert re.fullmatch(rf"-     1 B  {time}  small", shown[2])
    assert "  1,234,567  " in cli.ok("ls", "-l", "--bytes", "big.bin")
    assert [line.split()[-1] for line in lines(cli.ok("ls", "-l", "--folders-first"))] == ["Docs/", "big.bin", "small"]


def test_a_recursive_listing_has_a_header_for_each_folder(cli: Cli) -> None:
    cli.write("t/a")
    cli.write("t/sub/b")
    cli.ok("put", "-r", "t")
    assert cli.ok("ls", "-R", "t") == "t:\na\nsub\n\nt/sub:\nb\n"
    assert cli.ok("ls", "-R").startswith("/:\nt\n\n/t:\na\nsub\n")


@pytest.mark.parametrize("options", ["-R", "-lR"])
def test_a_recursive_listing_asks_for_each_folder_once(cli: Cli, monkeypatch: pytest.MonkeyPatch, options: str) -> None:
    cli.ok("mkdir", "-p", "a/below", "b")
    asked: list[str | int | None] = []
    ask = Session.call

    def asking(self: Session, request: Request[ReplyT], *body: Buffer) -> tuple[ReplyT, memoryview]:
        if isinstance(request, ListRequest):
            asked.extend(ref.path or ref.node for ref in request.folders)
        return ask(self, request, *body)

    monkeypatch.setattr(Session, "call", asking)
    said = cli.ok("ls", options, "a", "b")
    assert [line for line in said.splitlines() if line.endswith(":")] == ["a:", "a/below:", "b:"]
    assert asked[:2] == ["/a", "/b"]
    assert len(asked) == 3


def test_several_paths_are_listed_files_first(cli: Cli) -> None:
    cli.write("t/a")
    cli.write("z.txt")
    cli.ok("put", "-r", "t", "z.txt", "/")
    assert cli.ok("ls", "t", "z.txt") == "z.txt\n\nt:\na\n"
    assert cli.ok("ls", "t", "t/") == "t:\na\n\nt/:\na\n"


def test_json_listings_are_one_object_a_line(cli: Cli) -> None:
    cli.write("t/ä b.txt", "hello")
    cli.ok("put", "-r", "t")
    found = [json.loads(line) for line in lines(cli.ok("ls", "-R", "--json"))]
    assert [(entry["path"], entry["kind"], entry["size"]) for entry in found] == [
        ("/t", "folder", 0),
        ("/t/ä b.txt", "file", 5),
    ]
    stat = json.loads(cli.ok("stat", "--json", "t/ä b.txt"))
    assert stat == found[1]
    assert stat["mtime_ns"] == (cli.directory / "t/ä b.txt").stat().st_mtime_ns


def test_stat_and_usage_tell_what_is_known(cli: Cli) -> None:
    cli.write("a.txt", "hello")
    cli.ok("put", "a.txt")
    shown = cli.ok("stat", "a.txt")
    assert shown.startswith("path      /a.txt\nkind      file\nsize      5 bytes\nmodified  ")
    assert "5 B in 1 file" in cli.ok("usage")
    assert json.loads(cli.ok("usage", "--json"))["files_current"] == 1


# ── put and get, as cp ──────────────────────────────────────────────────────────────────────────────────────────


def tree(cli: Cli) -> list[str]:
    """Every path on the server, folders with a “/”."""
    entries = [json.loads(line) for line in lines(cli.ok("ls", "-R", "--json"))]
    return sorted(entry["path"] + ("/" if entry["kind"] == "folder" else "") for entry in entries)


def test_put_follows_the_rules_of_cp(cli: Cli) -> None:
    for name in ("a", "b", "t/x", "t/sub/y"):
        cli.write(name)
    cli.ok("mkdir", "dir")
    cli.ok("put", "a", "b", "dir")
    cli.ok("put", "a", "dir/new")
    cli.ok("put", "-r", "t", "dir")
    cli.ok("put", "-r", "t", "copy/")
    cli.ok("put", "-r", "t/.", "flat")
    assert tree(cli) == [
        "/copy/", "/copy/sub/", "/copy/sub/y", "/copy/x",
        "/dir/", "/dir/a", "/dir/b", "/dir/new", "/dir/t/", "/dir/t/sub/", "/dir/t/sub/y", "/dir/t/x",
        "/flat/", "/flat/sub/", "/flat/sub/y", "/flat/x",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("put", "a", "b", "nowhere"), 4, "sfos: nowhere: There is no such folder"),
        (("put", "a", "nowhere/"), 4, "sfos: nowhere/: There is no such folder"),
        (("put", "a", "no/where"), 4, "sfos: /no: There is no such folder"),
        (("put", "a", "b", "file"), 5, "sfos: file: This is not a folder"),
        (("put", "a", "file/x"), 5, "sfos: /file: This is not a folder."),
        (("put", "a", "/file/x/y/z"), 5, "sfos: /file: This is not a folder."),
        (("put", "-r", "t", "file"), 5, "sfos: file: A folder cannot take the place of a file."),
        (("put", "t"), 5, "sfos: t: This is a folder; put -r takes it"),
        (("put", "missing"), 7, "sfos: missing: No such file or folder on this computer."),
        (("put", "a", "bad\x1bname"), 5, "sfos: bad\\x1bname: A name cannot contain control characters."),
        (("get", "missing"), 4, "sfos: missing: No such file or folder."),
        (("get", "folder"), 5, "sfos: folder: This is a folder; get -r takes it"),
        (("get", "file", "no/where"), 7, "sfos: no: No such folder on this computer."),
        (("cat", "folder"), 5, "sfos: folder: This is a folder, and a file is needed."),
        (("cat", "missing"), 4, "sfos: missing: No such file or folder."),
        (("ls", "missing"), 4, "sfos: missing: No such file or folder."),
        (("ls", "file/"), 5, "sfos: file/: This is not a folder."),
        (("stat", ""), 5, "sfos: A path cannot be empty."),
        (("rm", "folder"), 5, "sfos: folder: This is a folder; rm -r deletes it"),
        (("rm", "missing"), 4, "sfos: missing: No such file or folder."),
        (("rm", "-r", "/"), 5, "sfos: /: Name what is to be deleted"),
        (("rm", "-r", ""), 5, "sfos: A path cannot be empty."),
        (("mkdir", "folder"), 5, "sfos: folder: Something of this name is already there."),
        (("mkdir", "no/where"), 4, "sfos: no/where: The folder in which to make it is not there."),
        (("mv", "missing", "x"), 4, "sfos: missing: No such file or folder."),
        (("mv", "file", "file"), 5, "sfos: file: Source and destination are the same."),
        (("mv", "folder", "file"), 5, "sfos: file: A folder cannot take the place of a file."),
        (("mv", "folder", "folder/below"), 5, "sfos: folder: A folder cannot be put inside itself."),
        (("cp", "folder", "x"), 5, "sfos: folder: This is a folder; cp -r copies it"),
    ],
)
def test_wrong_use_is_one_clear_line_and_an_exit_code(
    cli: Cli, words: tuple[str, ...], code: int, sentence: str
) -> None:
    for name in ("a", "b", "t/x"):
        cli.write(name)
    cli.ok("put", "a", "/file")
    cli.ok("mkdir", "folder")
    before = tree(cli)
    done = cli(*words)
    assert done.err.startswith(sentence), done.err
    assert done.err.count("\n") == 1
    assert (done.code, done.out) == (code, "")
    assert tree(cli) == before


def test_one_bad_source_keeps_none_of_the_others_from_going(cli: Cli) -> None:
    cli.write("a")
    cli.write("b")
    cli.ok("mkdir", "dir")
    done = cli("put", "a", "missing", "b", "dir")
    assert done.code == 7
    assert "sfos: missing: " in done.err
    assert tree(cli) == ["/dir/", "/dir/a", "/dir/b"]
    (cli.directory / "back").mkdir()
    done = cli("get", "dir/a", "dir/missing", "dir/b", "back")
    assert done.code == 4
    assert sorted(path.name for path in (cli.directory / "back").iterdir()) == ["a", "b"]


def test_two_sources_of_one_name_do_not_replace_each_other(cli: Cli) -> None:
    cli.write("one/a", "1")
    cli.write("two/a", "2")
    done = cli("put", "one/a", "two/a", "/")
    assert done.code == 5
    assert "two/a: Another source of this command has that name already." in done.err
    assert cli.ok("cat", "a") == "1"


def test_get_follows_the_rules_of_cp(cli: Cli) -> None:
    for name in ("t/x", "t/sub/y"):
        cli.write(name, name)
    cli.ok("put", "-r", "t")
    there = cli.directory / "there"
    there.mkdir()
    cli.ok("get", "-r", "t", "there")
    cli.ok("get", "t/x", "there/new")
    cli.ok("get", "-r", "t", "there/renamed")
    cli.ok("get", "-r", "t/.", "there/flat")
    cli.ok("get", "-r", "/", "there/all")
    found = sorted(str(path.relative_to(there)) for path in there.rglob("*") if path.is_file())
    assert found == ["all/t/sub/y", "all/t/x", "flat/sub/y", "flat/x", "new", "renamed/sub/y", "renamed/x",
                     "t/sub/y", "t/x"]  # fmt: skip
    assert (there / "renamed/sub/y").read_text() == "t/sub/y"


def test_empty_folders_go_there_and_back(cli: Cli) -> None:
    (cli.directory / "empty").mkdir()
    cli.ok("put", "-r", "empty")
    cli.ok("put", "-r", "empty/.", "other")
    assert tree(cli) == ["/empty/", "/other/"]
    cli.ok("get", "-r", "empty", "back")
    assert list((cli.directory / "back").iterdir()) == []


@pytest.mark.parametrize(
    "name",
    ["with space", "ünï 日本.txt", "-dash", "quo'te\"", "a:b", "aux.c", "trailing.", "*?[glob]", "~tilde", "%41", "'"],
)
def test_unusual_names_go_there_and_back(cli: Cli, name: str) -> None:
    cli.write(name, name)
    cli.ok("put", "--", name, "/")
    assert cli.ok("ls") == name + "\n"
    cli.ok("mv", "--", name, "moved " + name)
    cli.ok("get", "--", "moved " + name, "back")
    assert (cli.directory / "back").read_text() == name
    cli.ok("rm", "--", "moved " + name)
    assert cli.ok("ls") == ""


def test_a_local_name_that_is_no_unicode_fails_alone_and_is_escaped(cli: Cli) -> None:
    cli.write("t/good")
    Path(os.fsdecode(os.fsencode(cli.directory) + b"/t/bad\xff")).write_text("x")
    done = cli("put", "-r", "t")
    assert done.code in (5, 7)
    assert "bad\\xff: " in done.err
    assert tree(cli) == ["/t/", "/t/good"]


def test_a_symbolic_link_stays_one_in_a_folder_and_is_followed_alone(cli: Cli) -> None:
    cli.write("t/real", "real")
    (cli.directory / "t/link").symlink_to("real")
    cli.ok("put", "-r", "t")
    cli.ok("put", "t/link", "/")
    assert cli.ok("cat", "link") == "real"
    assert json.loads(cli.ok("stat", "--json", "t/link"))["link"] == "real"
    assert cli.ok("ls", "-l", "t").splitlines()[0].endswith("link -> real")
    done = cli("cat", "t/link")
    assert (done.code, done.err) == (1, "sfos: t/link: This is a symbolic link; only files have a content.\n")
    cli.ok("put", "-rL", "t", "followed")
    assert cli.ok("cat", "followed/link") == "real"


def test_a_pipe_is_no_file(cli: Cli) -> None:
    os.mkfifo(cli.directory / "pipe")
    done = cli("put", "pipe")
    assert done.code == 7
    assert "sfos: pipe: This is neither a file nor a folder" in done.err


# ── standard input and output ───────────────────────────────────────────────────────────────────────────────────


def test_standard_input_becomes_a_file_and_a_file_standard_output(cli: Cli) -> None:
    cli.ok("put", "-", "/log.txt", stdin="from a pipe\n")
    assert cli.ok("cat", "log.txt") == "from a pipe\n"
    assert cli.ok("get", "log.txt", "-") == "from a pipe\n"
    assert cli.ok("cat", "log.txt", "log.txt") == "from a pipe\n" * 2


def test_standard_input_needs_a_name(cli: Cli) -> None:
    cli.ok("mkdir", "dir")
    for target in ("/", "dir", "dir/"):
        done = cli("put", "-", target, stdin="x")
        assert done.code == 5
        assert "Standard input has no name" in done.err


def test_a_device_is_written_to_and_never_replaced(cli: Cli) -> None:
    cli.write("a", "text")
    cli.ok("put", "a")
    cli.ok("get", "a", "/dev/null")
    assert Path("/dev/null").is_char_device()


# ── what is there already ───────────────────────────────────────────────────────────────────────────────────────


def test_on_the_server_a_file_is_replaced_unless_said_otherwise(cli: Cli) -> None:
    path = cli.write("a", "first")
    cli.ok("put", "a")
    cli.write("a", "second")
    os.utime(path, ns=(0, 10**18))  # 2001: older than what is there
    assert "1 skipped" in cli("put", "--skip", "a").err
    assert "1 skipped" in cli("put", "--newer", "a").err
    assert cli.ok("cat", "a") == "first"
    cli.ok("put", "--keep-both", "a")
    names = lines(cli.ok("ls"))
    assert len(names) == 2
    assert cli.ok("cat", "a") == "first"
    cli.ok("put", "a")
    assert cli.ok("cat", "a") == "second"


def test_on_this_computer_nothing_is_replaced_unless_said_so(cli: Cli) -> None:
    cli.write("a", "server")
    cli.write("b", "server b")
    cli.ok("put", "a", "b", "/")
    cli.write("a", "mine")
    (cli.directory / "b").unlink()
    done = cli("get", "a", "b", ".")
    assert done.code == 5
    assert re.search(r"sfos: \S*a: It is there already, and differs: say --replace, --skip, --newer", done.err)
    assert done.err.endswith("; 1 failed.\n")
    assert (cli.directory / "a").read_text() == "mine"
    assert (cli.directory / "b").read_text() == "server b"
    skipped = cli("get", "--skip", "a")
    assert skipped.code == 0
    assert skipped.err == "Downloaded 0 files; 1 skipped.\n"
    cli.ok("get", "--keep-both", "a")
    assert (cli.directory / "a").read_text() == "mine"
    assert len(list(cli.directory.iterdir())) == 3
    cli.ok("get", "--replace", "a")
    assert (cli.directory / "a").read_text() == "server"
    assert cli("get", "a").code == 0  # equal: nothing to ask


def test_newer_replaces_only_what_is_older(cli: Cli) -> None:
    path = cli.write("a", "server")
    os.utime(path, ns=(0, 1_600_000_000 * 10**9))
    cli.ok("put", "a")
    cli.write("a", "mine")
    os.utime(path, ns=(0, 1_700_000_000 * 10**9))
    assert cli("get", "--newer", "a").code == 0
    assert path.read_text() == "mine"
    os.utime(path, ns=(0, 1_500_000_000 * 10**9))
    cli.ok("get", "--newer", "a")
    assert path.read_text() == "server"


# ── changing ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_mkdir_makes_parents_when_asked(cli: Cli) -> None:
    cli.ok("mkdir", "-p", "a/b/c")
    cli.ok("mkdir", "-p", "a/b/c")
    cli.ok("mkdir", "a/d", "/e")
    assert tree(cli) == ["/a/", "/a/b/", "/a/b/c/", "/a/d/", "/e/"]


def test_mv_renames_moves_and_replaces_files(cli: Cli) -> None:
    for name in ("a", "b", "t/x"):
        cli.write(name, name)
    cli.ok("put", "-r", "a", "b", "t", "/")
    cli.ok("mv", "a", "a2")
    cli.ok("mv", "a2", "t")
    cli.ok("mv", "t", "T")  # the same folder in another spelling: renamed, not put into itself
    assert tree(cli) == ["/T/", "/T/a2", "/T/x", "/b"]
    cli.ok("mv", "-n", "b", "T/x")
    assert cli.ok("cat", "T/x") == "t/x"
    cli.ok("mv", "b", "T/x")
    assert tree(cli) == ["/T/", "/T/a2", "/T/x"]
    assert cli.ok("cat", "T/x") == "b"


def test_mv_and_cp_never_replace_a_folder(cli: Cli) -> None:
    cli.write("t/x")
    cli.write("x", "file")
    cli.ok("put", "-r", "t", "x", "/")
    cli.ok("mkdir", "-p", "dir/t", "dir/x")
    for command in ("mv", "cp"):
        done = cli(command, "t" if command == "mv" else "x", "dir")
        assert done.code == 5
        assert "is a folder that is there already; nothing was replaced." in done.err
    assert tree(cli) == ["/dir/", "/dir/t/", "/dir/x/", "/t/", "/t/x", "/x"]


def test_cp_copies_files_and_folders(cli: Cli) -> None:
    cli.write("t/x", "x")
    cli.ok("put", "-r", "t")
    cli.ok("cp", "t/x", "y")
    cli.ok("cp", "-r", "t", "u")
    cli.ok("cp", "-r", "t", "u")
    assert tree(cli) == ["/t/", "/t/x", "/u/", "/u/t/", "/u/t/x", "/u/x", "/y"]
    assert cli.ok("cat", "u/t/x", "y") == "xx"


def test_rm_says_how_many_it_deleted(cli: Cli) -> None:
    for name in ("a", "b", "t/x", "t/sub/y", "t/sub/z"):
        cli.write(name)
    cli.ok("put", "-r", "a", "b", "t", "/")
    assert cli("rm", "a").err == ""
    done = cli("rm", "-r", "b", "t")
    assert done.err == (
        "Deleted 1 file and 1 folder with 3 files and 1 folder in it; the history keeps what was deleted.\n"
    )
    assert tree(cli) == []


def test_rm_goes_on_past_what_is_not_there_and_force_says_nothing_of_it(cli: Cli) -> None:
    cli.write("a")
    cli.ok("put", "a")
    done = cli("rm", "missing", "a")
    assert (done.code, done.err) == (4, "sfos: missing: No such file or folder.\n")
    assert tree(cli) == []
    done = cli("rm", "-f", "missing")
    assert (done.code, done.err) == (0, "")


def test_mistakes_of_different_kinds_have_the_general_exit_code(cli: Cli) -> None:
    cli.ok("mkdir", "dir")
    assert cli("rm", "missing", "dir").code == 1


def test_of_many_failures_alike_some_are_shown_and_the_rest_counted(cli: Cli) -> None:
    for number in range(23):
        cli.write(f"t/{number:02}", b"x")
    cli.ok("put", "-r", "t")
    for number in range(23):
        (cli.directory / "back" / "t" / f"{number:02}").mkdir(parents=True)
    done = cli("get", "-r", "t", "back")
    assert done.code != 0
    assert "sfos: and 3 more like this: " in done.err
