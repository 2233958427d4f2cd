"""Files to be sent and to be fetched, decided by hand: nothing is planned, all is carried out at a real server."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from sfos.client.errors import LocalChanged
from sfos.client.local.chunking import Stamp
from sfos.client.local.destination import Destination
from sfos.client.local.scan import LocalEntry, look_at
from sfos.client.local.writing import NOTHING
from sfos.client.session.session import Session
from sfos.client.transfer import ItemState
from sfos.client.transfer.down import files as down_files
from sfos.client.transfer.down.fetch import Fetcher
from sfos.client.transfer.down.files import FileToFetch
from sfos.client.transfer.ledger import Ledger
from sfos.client.transfer.limiter import RateLimiter
from sfos.client.transfer.run import Run
from sfos.client.transfer.switch import Switch
from sfos.client.transfer.up import files as up_files
from sfos.client.transfer.up.files import FileToSend
from sfos.client.transfer.up.send import Sender
from sfos.protocol import MUST_NOT_EXIST, AlreadyExists, Entry, NotAFolder, Revision, RevisionConflict, TreeError
from tests.client.conftest import FAST
from tests.client.trees import local_tree, remote_files
from tests.support.server_process import CHECKOUT, ServerProcess, environment

LARGE = 12_000_000
LATER_NS = 1_700_000_000_000_000_000


@pytest.fixture
def run(session: Session) -> Callable[[], Run]:
    """Makes a run of its own, with books of its own."""
    return lambda: run_of(session)


def run_of(session: Session) -> Run:
    return Run(session, FAST, Ledger(1), Switch(), RateLimiter(), FAST.memory_bytes)


def to_send(
    run: Run, path: Path, parent: Entry, if_revision: Revision | None = None, *, if_unchanged: bool = True
) -> FileToSend:
    """A file as it is now, to be put under its own name."""
    local = look_at(path)
    assert isinstance(local, LocalEntry)
    row = run.ledger.add(path, f"{parent.path}/{path.name}", local.kind, local.stamp.size)
    return FileToSend(row, local, parent.node, path.name, if_revision, if_unchanged=if_unchanged)


def send(run: Run, *files: FileToSend) -> None:
    Sender(run, run.session.info.home).send([up_files.Step(files=files)])


def to_fetch(run: Run, entry: Entry, folder: Path, if_stamp: Stamp | None = NOTHING) -> FileToFetch:
    row = run.ledger.add(folder / entry.name, entry.path or entry.name, entry.kind, max(0, entry.size))
    return FileToFetch(row, entry, (), entry.name, if_stamp)


def fetch(run: Run, folder: Path, *files: FileToFetch) -> None:
    with closing(Destination(folder)) as destination:
        Fetcher(run, run.session.info.home, destination).fetch([down_files.Step(files=files)])


def stamp(path: Path) -> Stamp:
    return Stamp.of(path.lstat())


def ends(*files: FileToSend | FileToFetch | up_files.FolderToMake | down_files.FolderToMake) -> list[type | None]:
    """The error of each, or None for what is done."""
    assert all(file.row.state in (ItemState.DONE, ItemState.FAILED) for file in files)
    return [None if file.row.error is None else type(file.row.error) for file in files]


@pytest.fixture
def parent(session: Session, folder: str) -> Entry:
    return session.api.stat(folder)


@pytest.fixture
def files(source: Path) -> list[Path]:
    """One of each kind: small, empty, large, a link."""
    (source / "small").write_bytes(b"small")
    (source / "empty").touch()
    (source / "large").write_bytes(random.randbytes(LARGE))
    (source / "link").symlink_to("small")
    return sorted(source.iterdir())


def entries(session: Session, folder: str) -> list[Entry]:
    return [session.api.stat(f"{folder}/{entry.name}") for entry in session.api.list_folder(folder)]


def test_a_list_made_by_hand_is_sent_and_fetched(
    run: Callable[[], Run], session: Session, parent: Entry, folder: str, files: list[Path], tmp_path: Path
) -> None:
    up = run()
    sent = [to_send(up, path, parent, MUST_NOT_EXIST) for path in files]
    send(up, *sent)
    assert ends(*sent) == [None] * 4
    assert up.ledger.planned
    down = run()
    fetched = [to_fetch(down, entry, tmp_path / "to") for entry in entries(session, folder)]
    fetch(down, tmp_path / "to", *fetched)
    assert ends(*fetched) == [None] * 4
    assert local_tree(tmp_path / "to") == local_tree(tmp_path / "source")


def test_a_content_that_the_server_has_is_not_sent_again(
    run: Callable[[], Run], session: Session, parent: Entry, folder: str, source: Path
) -> None:
    content = random.randbytes(LARGE)
    moved = []
    for name in ("first", "second"):
        (source / name).write_bytes(content)
        up = run()
        send(up, to_send(up, source / name, parent, MUST_NOT_EXIST))
        moved.append(up.ledger.progress().bytes_moved)
    assert moved[1] < 100_000 < LARGE < moved[0]
    assert remote_files(session, folder) == {"first": content, "second": content}


def rewritten(path: Path) -> None:
    """Another content of the same size under the same name, with the time that it had."""
    was = path.stat()
    path.write_bytes(path.read_bytes()[::-1])
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))


@pytest.mark.parametrize("size", [5, LARGE])
@pytest.mark.parametrize(
    "change", [rewritten, lambda path: path.chmod(0o600), Path.unlink], ids=["edit", "mode", "gone"]
)
def test_what_is_no_longer_as_it_was_seen_here_is_not_sent(
    run: Callable[[], Run],
    session: Session,
    parent: Entry,
    folder: str,
    source: Path,
    size: int,
    change: Callable[[Path], None],
) -> None:
    for name in ("changed", "same"):
        (source / name).write_bytes(random.randbytes(size))
        (source / name).chmod(0o644)
    up = run()
    changed, same = (to_send(up, source / name, parent, MUST_NOT_EXIST) for name in ("changed", "same"))
    change(source / "changed")
    send(up, changed, same)
    (error, none) = ends(changed, same)
    assert none is None
    assert error is not None
    if (source / "changed").exists():
        assert error is LocalChanged
    assert list(remote_files(session, folder)) == ["same"]


def test_who_names_no_state_sends_the_file_as_it_is_by_then(
    run: Callable[[], Run], session: Session, parent: Entry, folder: str, source: Path
) -> None:
    (source / "file").write_bytes(b"before")
    up = run()
    file = to_send(up, source / "file", parent, if_unchanged=False)
    (source / "file").write_bytes(b"and after")
    send(up, file)
    assert ends(file) == [None]
    assert remote_files(session, folder) == {"file": b"and after"}


@pytest.mark.parametrize("size", [5, LARGE])
def test_a_revision_that_was_seen_there_is_all_that_is_replaced(
    run: Callable[[], Run], session: Session, parent: Entry, folder: str, source: Path, size: int
) -> None:
    path = source / "file"
    contents = [random.randbytes(size) for _ in range(4)]
    revisions = [MUST_NOT_EXIST]
    for content in contents[:2]:
        path.write_bytes(content)
        up = run()
        file = to_send(up, path, parent, revisions[-1])
        send(up, file)
        assert ends(file) == [None]
        revisions.append(session.api.stat(f"{folder}/file").revision)
    for content, revision, error in zip(contents[2:], revisions, (AlreadyExists, RevisionConflict), strict=False):
        path.write_bytes(content)
        up = run()
        file = to_send(up, path, parent, revision)
        send(up, file)
        assert ends(file) == [error]
    assert remote_files(session, folder) == {"file": contents[1]}
    assert session.api.stat(f"{folder}/file").revision == revisions[-1]


def test_what_stands_there_already_has_been_sent_whoever_did_it(
    run: Callable[[], Run], session: Session, parent: Entry, folder: str, files: list[Path]
) -> None:
    """A program that was killed before it heard of its commit is given the same list again."""
    for _ in range(2):
        up = run()
        sent = [to_send(up, path, parent, MUST_NOT_EXIST) for path in files]
        send(up, *sent)
        assert ends(*sent) == [None] * 4
    before = {entry.name: entry.revision for entry in entries(session, folder)}
    (files[-1]).write_bytes(b"later")
    for _ in range(2):
        up = run()
        file = to_send(up, files[-1], parent, before[files[-1].name])
        send(up, file)
        assert ends(file) == [None]
    after = {entry.name: entry.revision for entry in entries(session, folder)}
    assert [name for name in before if before[name] != after[name]] == [files[-1].name]


def test_another_link_there_is_not_the_one_that_was_to_be_sent(
    run: Callable[[], Run], session: Session, parent: Entry, folder: str, source: Path
) -> None:
    for target in ("one", "other"):
        (source / "link").unlink(missing_ok=True)
        (source / "link").symlink_to(target)
        up = run()
        file = to_send(up, source / "link", parent, MUST_NOT_EXIST)
        send(up, file)
    assert ends(file) == [AlreadyExists]
    assert remote_files(session, folder) == {"link": b"-> one"}


@pytest.fixture
def two_versions(
    run: Callable[[], Run], session: Session, parent: Entry, folder: str, source: Path
) -> Callable[[int], tuple[Entry, bytes]]:
    """Puts a file to the server: its entry and its content."""

    def put(size: int) -> tuple[Entry, bytes]:
        content = random.randbytes(size)
        (source / "file").write_bytes(content)
        up = run()
        send(up, to_send(up, source / "file", parent))
        return session.api.stat(f"{folder}/file"), content

    return put


@pytest.mark.parametrize("size", [5, LARGE])
def test_a_file_that_was_seen_here_is_all_that_is_replaced(
    run: Callable[[], Run], two_versions: Callable[[int], tuple[Entry, bytes]], tmp_path: Path, size: int
) -> None:
    entry, content = two_versions(size)
    to = tmp_path / "to"
    to.mkdir()
    path = to / "file"
    path.write_bytes(b"mine")
    seen = stamp(path)
    rewritten(path)
    for state, error in ((seen, LocalChanged), (NOTHING, AlreadyExists)):
        down = run()
        file = to_fetch(down, entry, to, state)
        fetch(down, to, file)
        assert ends(file) == [error]
        assert local_tree(to) == {"file": b"enim"}
    path.unlink()
    down = run()
    file = to_fetch(down, entry, to, seen)
    fetch(down, to, file)
    assert ends(file) == [LocalChanged], "a deletion is a change too"
    assert local_tree(to) == {}
    path.write_bytes(b"mine")
    for now in (stamp(path), None):
        down = run()
        file = to_fetch(down, entry, to, now)
        fetch(down, to, file)
        assert ends(file) == [None]
        assert local_tree(to) == {"file": content}


def test_what_stands_here_already_has_been_fetched_whoever_did_it(
    run: Callable[[], Run], session: Session, parent: Entry, folder: str, files: list[Path], tmp_path: Path
) -> None:
    up = run()
    send(up, *(to_send(up, path, parent) for path in files))
    to = tmp_path / "to"
    for _ in range(2):
        down = run()
        fetched = [to_fetch(down, entry, to) for entry in entries(session, folder)]
        fetch(down, to, *fetched)
        assert ends(*fetched) == [None] * 4
    assert local_tree(to) == local_tree(tmp_path / "source")


@pytest.mark.parametrize("size", [5, LARGE])
def test_a_content_that_was_changed_there_is_not_fetched_as_another(
    run: Callable[[], Run], two_versions: Callable[[int], tuple[Entry, bytes]], tmp_path: Path, size: int
) -> None:
    """Content that an entry names, or nothing: never what has its name by then."""
    entry, content = two_versions(size)
    two_versions(size)
    down = run()
    file = to_fetch(down, entry, tmp_path / "to")
    fetch(down, tmp_path / "to", file)
    assert ends(file) in ([None], [TreeError])
    assert local_tree(tmp_path / "to") == ({"file": content} if file.row.error is None else {})


def to_make(run: Run, path: Path, parent: up_files.Parent, remote: str) -> up_files.FolderToMake:
    """A folder as it is now, to be made under its own name."""
    local = look_at(path)
    assert isinstance(local, LocalEntry)
    return up_files.FolderToMake(run.ledger.add(path, remote, "folder", 0), local, parent)


def test_folders_are_made_where_the_list_says_and_files_go_into_them(
    run: Callable[[], Run], session: Session, parent: Entry, folder: str, source: Path, tmp_path: Path
) -> None:
    (source / "a/b").mkdir(parents=True)
    (source / "a/b/file").write_bytes(b"deep")
    for _ in range(2):  # the second time all of it is there
        up = run()
        top = up_files.PathToMake(f"{folder}/on/the/way")
        outer = to_make(up, source / "a", top, f"{top.path}/a")
        inner = to_make(up, source / "a/b", outer, f"{top.path}/a/b")
        file = replace(to_send(up, source / "a/b/file", parent), parent=inner)
        Sender(up, session.info.home).send([up_files.Step([top, outer, inner], [file])])
        assert ends(file, outer, inner) == [None] * 3
    assert remote_files(session, folder) == {"on/the/way/a/b/file": b"deep"}
    down = run()
    entries = [session.api.stat(f"{top.path}/{path}") for path in ("a", "a/b", "a/b/file")]
    rows = [down.ledger.add(tmp_path / "to", entry.path or "", entry.kind, max(0, entry.size)) for entry in entries]
    there = [("x",), ("x", "y")]
    folders = [down_files.FolderToMake(*parts) for parts in zip(rows, entries, there, strict=False)]
    fetched = FileToFetch(rows[2], entries[2], ("x", "y"), "z", NOTHING)
    with closing(Destination(tmp_path / "to")) as destination:
        fetcher = Fetcher(down, session.info.home, destination)
        fetcher.fetch([down_files.Step(), down_files.Step(folders, [fetched])])
    assert fetcher.made == folders
    assert ends(fetched, *folders) == [None] * 3
    assert local_tree(tmp_path / "to") == {"x": None, "x/y": None, "x/y/z": b"deep"}


def test_nothing_goes_into_a_folder_that_could_not_be_made(
    run: Callable[[], Run], session: Session, parent: Entry, folder: str, source: Path
) -> None:
    (source / "a/b").mkdir(parents=True)
    (source / "a/b/file").write_bytes(b"x")
    (source / "other").write_bytes(b"in the way")
    up = run()
    send(up, replace(to_send(up, source / "other", parent), name="a"))
    up = run()
    outer = to_make(up, source / "a", parent.node, f"{folder}/a")
    inner = to_make(up, source / "a/b", outer, f"{folder}/a/b")
    inside = replace(to_send(up, source / "a/b/file", parent), parent=inner)
    beside = to_send(up, source / "other", parent)
    Sender(up, session.info.home).send([up_files.Step([outer, inner], [inside, beside])])
    assert ends(outer, inner, inside, beside) == [NotAFolder, NotAFolder, NotAFolder, None]
    assert remote_files(session, folder) == {"a": b"in the way", "other": b"in the way"}


KILLED_PROGRAM = """
import os, signal, sys
from pathlib import Path
from sfos.client.address import Address
from sfos.client.net.trust import ACCEPT_NEW, Trust, TrustStore
from sfos.client.session.session import Session
from sfos.client.transfer.down.arrivals import Arrivals
from sfos.client.transfer.up.exchanges import CommitFiles
from tests.client import test_carrying_out as lists

way, address, home, folder, *paths = sys.argv[1:]
trust = Trust(TrustStore(Path(home) / "pins"), ACCEPT_NEW)
session = Session.sign_in(Address.parse(address), "user1", "user123", trust)
run = lists.run_of(session)

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

if way == "send":
    CommitFiles.answered = die  # it is done, and nobody here has heard of it
    parent = session.api.stat(folder)
    lists.send(run, *(lists.to_send(run, Path(path), parent, lists.MUST_NOT_EXIST) for path in paths))
else:
    arrived, count = Arrivals.chunk_arrived, 0

    def arrive(*parts):
        global count
        arrived(*parts)
        count += 1
        if count == 4:
            die()

    Arrivals.chunk_arrived = arrive
    to = Path(paths[0])
    lists.fetch(run, to, *(lists.to_fetch(run, entry, to) for entry in lists.entries(session, folder)))
"""


def run_killed(server: ServerProcess, *arguments: object) -> None:
    program = [sys.executable, "-c", KILLED_PROGRAM, *map(str, arguments)]
    env = environment(server.home, {})
    done = subprocess.run(program, cwd=CHECKOUT, env=env, timeout=120, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.parametrize("name", ["small", "large"])
def test_a_program_that_was_killed_after_its_commit_has_succeeded(
    server: ServerProcess,
    run: Callable[[], Run],
    session: Session,
    parent: Entry,
    folder: str,
    files: list[Path],
    tmp_path: Path,
    name: str,
) -> None:
    path = tmp_path / "source" / name
    run_killed(server, "send", server.address, tmp_path, folder, path)
    (there,) = entries(session, folder)
    up = run()
    file = to_send(up, path, parent, MUST_NOT_EXIST)
    send(up, file)
    assert ends(file) == [None]
    assert entries(session, folder) == [there], "nothing was put there a second time"
    assert up.ledger.progress().bytes_moved < 100_000


def test_a_program_that_was_killed_while_it_fetched_goes_on_where_it_was(
    server: ServerProcess,
    run: Callable[[], Run],
    session: Session,
    parent: Entry,
    folder: str,
    files: list[Path],
    tmp_path: Path,
) -> None:
    up = run()
    send(up, *(to_send(up, path, parent) for path in files))
    to = tmp_path / "to"
    run_killed(server, "fetch", server.address, tmp_path, folder, to)
    assert not (to / "large").exists()
    down = run()
    fetched = [to_fetch(down, entry, to) for entry in entries(session, folder)]
    fetch(down, to, *fetched)
    assert ends(*fetched) == [None] * 4
    assert local_tree(to) == local_tree(tmp_path / "source"), "nothing is left of the first attempt"
    assert down.ledger.progress().bytes_moved < LARGE - 2_000_000
