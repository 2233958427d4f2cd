"""Items that are not taken, or not as they are: named, counted, told by the exit code. Nothing goes without a word."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sfos.cli.files.transferring import answer_of
from sfos.client.local.names import partial_name
from sfos.client.transfer import ConflictAnswer, OnConflict
from sfos.protocol import MAX_DEPTH
from tests.cli.conftest import Cli, Done

IN_MEMORY = Path("/dev/shm")  # a file system that keeps any time, as XFS and Btrfs do
YEAR_2300_NS = 10_413_792_000 * 10**9
YEAR_1600_NS = -11_676_096_000 * 10**9


def nested(folder: Path, depth: int) -> None:
    """Folders named `d` in one another, below `folder`; made from a descriptor, for no path may be as long."""
    descriptor = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=descriptor)
        below = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=descriptor))
    os.close(descriptor)


# ── folders that cannot be taken whole ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("destination", ["/", "/a/b/c"])
def test_folders_nested_deeper_than_the_server_keeps_are_named(cli: Cli, destination: str) -> None:
    (cli.directory / "t").mkdir()
    nested(cli.directory / "t", MAX_DEPTH + 9)
    if destination != "/":
        cli.ok("mkdir", "-p", destination)
    done = cli("put", "-r", "t", destination)
    assert done.code == 5
    left_out = MAX_DEPTH - (0 if destination == "/" else 3)
    assert f"sfos: t{'/d' * left_out}: Folders can be nested 256 deep at the most" in done.err
    assert "; 1 failed." in done.err


def test_a_link_that_leads_back_up_is_named_and_all_else_is_taken(cli: Cli) -> None:
    cli.write("t/sub/file")
    (cli.directory / "t/sub/up").symlink_to("../../t")
    (cli.directory / "t/self").symlink_to(".")
    done = cli("put", "-rL", "t")
    assert done.code == 7
    for link in ("t/self", "t/sub/up"):
        assert f"sfos: {link}: This leads back to a folder that it is in; it was left out" in done.err
    assert "; 2 failed." in done.err
    assert cli.ok("ls", "-R", "t") == "t:\nsub\n\nt/sub:\nfile\n"


def test_a_folder_that_two_links_lead_to_is_taken_twice(cli: Cli) -> None:
    cli.write("shared/file", "shared")
    for name in ("a", "b"):
        (cli.directory / "t" / name).mkdir(parents=True)
        (cli.directory / "t" / name / "link").symlink_to("../../shared")
    cli.ok("put", "-rL", "t")
    assert cli.ok("cat", "t/a/link/file", "t/b/link/file") == "sharedshared"


def test_one_name_twice_in_what_is_in_a_folder_fails_alone(cli: Cli) -> None:
    for name in ("README", "readme", "z"):
        cli.write(f"t/{name}", name)
    done = cli("put", "-r", "t/.", "/")
    assert done.code == 5
    assert "sfos: t/readme: Another source of this command has that name already." in done.err
    assert cli.ok("ls") == "README\nz\n"
    cli.write("u/README", "other")
    cli.write("u/a", "a")
    cli.ok("put", "-r", "t/README", "t/z", "/")
    cli.ok("mkdir", "-p", "one", "two")
    cli.ok("mv", "README", "z", "one")
    cli.ok("put", "-r", "u/.", "two")
    done = cli("get", "-r", "one/.", "two/.", "back")
    (cli.directory / "back").mkdir(exist_ok=True)
    done = cli("get", "-r", "one/.", "two/.", "back")
    assert done.code == 5
    assert "sfos: /two/README: Another source of this command has that name already." in done.err
    assert sorted(path.name for path in (cli.directory / "back").iterdir()) == ["README", "a", "z"]


def test_a_name_that_is_no_text_fails_alone_wherever_it_stands(cli: Cli) -> None:
    cli.write("t/good")
    Path(os.fsdecode(os.fsencode(cli.directory) + b"/t/bad\xff")).write_text("x")
    done = cli("put", "-r", "t/.", "/")
    assert done.code == 5
    assert "t/bad\\xff: A name must be valid Unicode" in done.err  # as a shell writes it: $'t/bad\xff'
    assert cli.ok("ls") == "good\n"


def test_what_skip_leaves_is_counted(cli: Cli) -> None:
    for name in ("a", "b"):
        cli.ok("put", "-", name, stdin="x")
    cli.ok("mkdir", "to")
    cli.ok("cp", "a", "b", "to")
    for command in ("cp", "mv"):
        done = cli(command, "-n", "a", "b", "to")
        assert (done.code, done.err) == (0, "2 files were left as they are.\n")


# ── times ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def strange_times() -> Iterator[Path]:
    """A folder of thirty files, of which two and a folder have times that no 64 bits of nanoseconds hold."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as made:
        yield _strange_times(Path(made) / "t")


def _strange_times(folder: Path) -> Path:
    (folder / "old").mkdir(parents=True)
    for number in range(30):
        (folder / f"{number:02}").write_text(str(number))
    (folder / "old" / "below").write_text("below")
    os.utime(folder / "07", ns=(0, YEAR_2300_NS))
    os.utime(folder / "08", ns=(0, YEAR_1600_NS))
    os.utime(folder / "old", ns=(0, YEAR_1600_NS))
    assert (folder / "07").stat().st_mtime_ns == YEAR_2300_NS
    return folder


def test_a_time_that_cannot_be_kept_concerns_its_item_alone(cli: Cli, strange_times: Path) -> None:
    done = cli("put", "-r", str(strange_times), "/")
    assert done.code == 0
    for name in ("07", "08", "old"):
        assert f"sfos: {strange_times / name}: Its time cannot be kept" in done.err
    assert done.err.count("Its time cannot be kept") == 3
    assert "Uploaded 31 files and 2 folders" in done.err
    assert '"mtime_ns":9223372036854775807' in cli.ok("stat", "--json", "t/07")
    assert '"mtime_ns":-9223372036854775807' in cli.ok("stat", "--json", "t/08")
    assert cli.ok("cat", "t/old/below") == "below"
    again = cli("put", "-r", str(strange_times), "/")
    assert again.err == "Uploaded 0 files; 31 unchanged.\n"
    (strange_times / "08").write_text("it has another time by now")
    back = cli("get", "-r", "--newer", "t", str(strange_times.parent))
    assert back.err == "Downloaded 0 files; 30 unchanged, 1 skipped.\n"


# ── questions ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("typed", "choice", "for_all"),
    [
        ("n", OnConflict.SKIP, False),
        ("N", OnConflict.SKIP, False),
        ("no", OnConflict.SKIP, False),
        ("nn", OnConflict.SKIP, True),
        ("s", OnConflict.SKIP, False),
        ("skip", OnConflict.SKIP, False),
        ("ss", OnConflict.SKIP, True),
        ("r", OnConflict.REPLACE, False),
        ("rr", OnConflict.REPLACE, True),
        ("replace", OnConflict.REPLACE, False),
        ("u", OnConflict.NEWER, False),
        ("uu", OnConflict.NEWER, True),
        ("newer", OnConflict.NEWER, False),
        ("k", OnConflict.KEEP_BOTH, False),
        ("keep-both", OnConflict.KEEP_BOTH, False),
        ("c", OnConflict.CANCEL, False),
    ],
)
def test_n_means_no_and_nothing_else_is_guessed(typed: str, choice: OnConflict, for_all: bool) -> None:
    assert answer_of(typed) == ConflictAnswer(choice, for_all=for_all)


@pytest.mark.parametrize("typed", ["", "y", "yes", "never", "nnn", "rs", "q", "not now", "replac"])
def test_what_is_no_answer_is_asked_again(typed: str) -> None:
    assert answer_of(typed) is None


def test_who_types_n_keeps_the_file(cli: Cli) -> None:
    cli.write("a", "server")
    cli.ok("put", "a")
    cli.write("a", "mine")
    os.utime(cli.directory / "a", ns=(0, 10**18))  # older than the server's
    with cli.terminal("get", "a") as terminal:
        terminal.expect("[u]pdate")
        terminal.line("n")
        assert terminal.end() == 0
    assert (cli.directory / "a").read_text() == "mine"


# ── streams that were closed before the start ───────────────────────────────────────────────────────────────────


def with_closed(cli: Cli, closed: str, *words: str) -> Done:
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" "$@" {closed}', sys.executable, *cli.words(*words)],
        env=cli.environment(), cwd=cli.directory, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return Done(done.returncode, done.stdout, done.stderr)


def test_a_closed_standard_input_is_no_empty_file(cli: Cli) -> None:
    cli.ok("put", "-", "/log", stdin="what is there")
    done = with_closed(cli, "<&-", "put", "-", "/log")
    assert (done.code, done.err) == (7, "sfos: Standard input is closed.\n")
    assert cli.ok("cat", "log") == "what is there"
    cli.ok("put", "-", "/log", stdin="")  # an empty one is one
    assert cli.ok("cat", "log") == ""


def test_a_password_does_not_come_from_a_closed_standard_input(newcomer: Cli) -> None:
    done = with_closed(newcomer, "<&-", "--password-file", "-", "login")
    assert done.code == 7
    assert done.err == "sfos: -: The password file cannot be read: Standard input is closed.\n"


@pytest.mark.parametrize(
    "words",
    [
        ("ls",),
        ("ls", "-l"),
        ("ls", "--json"),
        ("ls", "-R"),
        ("stat", "a", "a"),
        ("stat", "--json", "a"),
        ("usage",),
        ("cat", "a"),
        ("get", "a", "-"),
        ("sessions",),
        ("--help",),
        ("put", "--help"),
        ("--version",),
    ],
)
def test_a_closed_standard_output_takes_no_results(cli: Cli, words: tuple[str, ...]) -> None:
    cli.ok("put", "-", "/a", stdin="content")
    for closed in (">&-", "<&- >&-"):
        done = with_closed(cli, closed, *words)
        assert (done.code, done.err) == (7, "sfos: Standard output is closed.\n")


def test_who_has_no_results_needs_no_standard_output(cli: Cli) -> None:
    cli.write("file")
    for words in (("mkdir", "a"), ("put", "file", "/b"), ("mv", "b", "a"), ("get", "a/b", "c"), ("rm", "-r", "a")):
        assert with_closed(cli, "<&- >&- 2>&-", *words).code == 0, words
    assert (cli.directory / "c").read_text() == "x"


# ── files that are no plain ones ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", ["/proc/self/status", "/proc/cpuinfo", "/sys/kernel/mm/transparent_hugepage/enabled"])
def test_a_file_whose_size_the_system_does_not_tell_is_told_from_one_that_changes(cli: Cli, path: str) -> None:
    if not Path(path).exists():
        pytest.skip("only on a Linux that has this file")
    done = cli("put", path, "/")
    assert done.code == 7
    assert done.err.startswith(f"sfos: {path}: Its size is not what the system tells")
    assert "sfos put - NAME" in done.err
    assert cli.ok("ls") == ""


@pytest.mark.parametrize("words", [("put", "t/dangling"), ("put", "-rL", "t")])
def test_a_link_to_nothing_says_where_it_points(cli: Cli, words: tuple[str, ...]) -> None:
    cli.write("t/file")
    (cli.directory / "t/dangling").symlink_to("no/where")
    done = cli(*words)
    assert done.code == 7
    assert "sfos: t/dangling: This link points to something that is not there (no/where).\n" in done.err


# ── what interrupted downloads leave ────────────────────────────────────────────────────────────────────────────


def test_what_an_interrupted_download_left_is_not_uploaded_and_said_so(cli: Cli) -> None:
    cli.write("t/file")
    left = [partial_name(b"c" * 32, "file"), partial_name(b"", "link"), partial_name(b"c" * 32, "file", "0123abcd")]
    for name in (*left, ".sfos-mine.part"):
        cli.write(f"t/{name}")
    done = cli("put", "-r", "t")
    assert done.code == 0
    for name in left:
        assert f"sfos: t/{name}: What an interrupted download has left; it was left out." in done.err
    assert "; 3 skipped." in done.err
    assert sorted(cli.ok("ls", "t").split()) == [".sfos-mine.part", "file"]
    cli.ok("put", "-r", "t/.", "u/")
    assert sorted(cli.ok("ls", "u").split()) == [".sfos-mine.part", "file"]


@pytest.mark.parametrize(
    "words", [("get", "t/file"), ("get", "-r", "t/.", "."), ("get", "--replace", "t/file", "file")]
)
def test_what_is_left_of_an_earlier_version_goes_when_another_is_fetched(cli: Cli, words: tuple[str, ...]) -> None:
    cli.ok("mkdir", "t")
    cli.ok("put", "-", "t/file", stdin="a later version")
    older = [partial_name(b"older, twelve bytes and more", "file", suffix) for suffix in ("", "0123abcd")]
    others = [partial_name(b"older, twelve bytes and more", "another"), ".sfos-mine.part"]
    for name in (*older, *others):
        cli.write(name)
    cli.ok(*words)
    assert sorted(path.name for path in cli.directory.iterdir()) == sorted([*others, "file"])


# ── the same command again ──────────────────────────────────────────────────────────────────────────────────────


def test_who_gets_a_folder_again_into_what_it_became_is_told_how_to_go_on(cli: Cli) -> None:
    cli.write("t/a")
    cli.ok("put", "-r", "t", "/")
    assert "holds things" not in cli("get", "-r", "t", "back").err
    again = cli("get", "-r", "/t", "back").err
    assert "“back” holds things of “/t” already, and the folder goes into it as “t”" in again
    assert "to bring “back” itself up to date: “/t/.”" in again
    assert cli("get", "-r", "/t/.", "back").err == "Downloaded 0 files; 1 unchanged.\n"
    for destination in (".", "back/", "back"):  # said so, or in there by now
        assert "holds things" not in cli("get", "-r", "t", destination).err
    cli.write("elsewhere/b")
    assert "holds things" not in cli("get", "-r", "t", "elsewhere").err


def test_who_puts_a_folder_again_is_told_where_it_goes_and_how_to_go_on(cli: Cli) -> None:
    cli.write("t/a")
    for destination in ("/", "/other"):
        said = cli("put", "-r", "t", destination).err
        assert re.fullmatch(r"Uploaded 1 file and 1 folder \(1 B\) in [\d.]+ s\.\n", said), said
    assert cli("put", "-r", "t", "/").err == "Uploaded 0 files; 1 unchanged.\n"  # into the root: the same again
    again = cli("put", "-r", "t/", "/other").err
    assert "“/other” holds things of “t” already, and the folder goes into it as “t”" in again
    assert "to bring “/other” itself up to date: “t/.”" in again
    assert cli("put", "-r", "t/.", "/other").err == "Uploaded 0 files; 1 unchanged.\n"
    for destination in ("/", "/other/", "/other"):  # said so, or in there by now
        assert cli("put", "-r", "t", destination).err == "Uploaded 0 files; 1 unchanged.\n"
    cli.ok("mkdir", "/elsewhere")
    assert "holds things" not in cli("put", "-r", "t", "/elsewhere").err


# ── what is empty ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("words", [("get", "t/a", ""), ("get", "-r", "t", "")])
def test_an_empty_destination_is_not_the_working_directory(cli: Cli, words: tuple[str, ...]) -> None:
    cli.write("t/a")
    cli.ok("put", "-r", "t", "/")
    before = sorted(cli.directory.rglob("*"))
    done = cli(*words)
    assert done.code != 0
    assert "A path cannot be empty." in done.err
    assert sorted(cli.directory.rglob("*")) == before


@pytest.mark.parametrize("option", ["--user", "--server", "--pin", "--password-file"])
def test_an_empty_option_is_not_one_that_was_left_out(
    cli: Cli, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli("ls", option, "")
    assert ended.value.code == 2
