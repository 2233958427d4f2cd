from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from client import local_scan
from client.errors import FileChanged, LocalAccess
from client.session import Session
from client.transfer import (
    Conflict,
    ConflictAnswer,
    ItemFinished,
    ItemState,
    Job,
    JobState,
    OnConflict,
    Progress,
    TransferEngine,
    TransferEvent,
)
from client.transfer.upload_plan import UploadPlanner
from protocol import Entry, IsAFolder, NotAFolder

Finish = Callable[[Job], JobState]
SIZES = (0, 1, 262_143, 262_144, 262_145, 4 * 1024 * 1024, 9_000_001)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.mkdir()
    return path


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def contents(session: Session, folder: str) -> dict[str, bytes]:
    """What is in a folder on the server, read back; links as where they point."""
    found: dict[str, bytes] = {}
    for listing in session.api.walk(folder):
        for entry in listing.entries:
            path = "/".join((*listing.path, entry.name))
            if entry.kind == "file":
                found[path] = session.api.read_range(entry)
            elif entry.kind == "symlink":
                assert entry.attrs is not None
                found[path] = f"-> {entry.attrs.link}".encode()
    return found


def states(job: Job) -> dict[str, ItemState]:
    return {item.local.name: item.state for item in job.items()}


def test_files_of_every_size_arrive_whole(
    session: Session, engine: TransferEngine, folder: str, source: Path, finish: Finish
) -> None:
    expected = {}
    for number, size in enumerate(SIZES):
        expected[f"{size}"] = noise(size, number)
        (source / f"{size}").write_bytes(expected[f"{size}"])
    assert finish(engine.upload(sorted(source.iterdir()), folder)) is JobState.FINISHED
    assert contents(session, folder) == expected


def test_a_tree_arrives_with_its_folders_links_times_and_modes(
    session: Session, engine: TransferEngine, folder: str, source: Path, finish: Finish
) -> None:
    (source / "a/b/empty").mkdir(parents=True)
    (source / "a/b/café.txt").write_text("é")
    (source / "a/run").write_bytes(b"#!")
    (source / "a/run").chmod(0o750)
    os.utime(source / "a/run", ns=(1, 1_500_000_000_123_456_789))
    (source / "link").symlink_to("/etc/passwd")
    job = engine.upload([source], folder)
    assert finish(job) is JobState.FINISHED
    assert contents(session, folder) == {
        "source/a/b/café.txt": "é".encode(),
        "source/a/run": b"#!",
        "source/link": b"-> /etc/passwd",
    }
    run = session.api.stat(f"{folder}/source/a/run")
    assert run.mtime_ns == 1_500_000_000_123_456_789
    assert run.attrs is not None
    assert run.attrs.mode == 0o750
    assert session.api.stat(f"{folder}/source/a/b/empty").kind == "folder"


def test_links_are_followed_on_request_and_loops_end(
    session: Session, engine: TransferEngine, folder: str, source: Path, finish: Finish
) -> None:
    (source / "real").mkdir()
    (source / "real/file").write_bytes(b"x")
    (source / "real/loop").symlink_to(source)
    (source / "link").symlink_to("real/file")
    assert finish(engine.upload([source], folder, follow_symlinks=True)) is JobState.FINISHED
    assert contents(session, folder) == {"source/real/file": b"x", "source/link": b"x"}


def test_many_small_files_arrive(
    session: Session, engine: TransferEngine, folder: str, source: Path, finish: Finish
) -> None:
    expected = {}
    for number in range(2_500):
        expected[f"source/f{number}"] = f"content {number % 2_000}".encode()
        (source / f"f{number}").write_bytes(expected[f"source/f{number}"])
    job = engine.upload([source], folder)
    assert finish(job) is JobState.FINISHED
    assert job.progress.items_done == 2_501
    entries = session.api.list_folder(f"{folder}/source")
    assert len(entries) == 2_500
    for entry in entries[:40]:
        assert session.api.read_range(entry) == expected[f"source/{entry.name}"]


def test_the_destination_is_made_and_one_path_can_be_renamed(
    session: Session, engine: TransferEngine, folder: str, source: Path, finish: Finish
) -> None:
    (source / "file").write_bytes(b"x")
    job = engine.upload([source / "file"], f"{folder}/new/deep", rename_to="other")
    assert finish(job) is JobState.FINISHED
    assert contents(session, folder) == {"new/deep/other": b"x"}


def test_what_is_the_same_is_not_sent_again(
    session: Session, engine: TransferEngine, folder: str, source: Path, finish: Finish
) -> None:
    (source / "large").write_bytes(noise(5_000_000))
    (source / "small").write_bytes(b"small")
    assert finish(engine.upload([source], folder)) is JobState.FINISHED
    again = engine.upload([source], folder)
    assert finish(again) is JobState.FINISHED
    assert states(again) == {"large": ItemState.UNCHANGED, "small": ItemState.UNCHANGED}
    assert again.progress.bytes_moved == 0
    assert again.progress.bytes_done == again.progress.bytes_total


@pytest.mark.parametrize("size", [0, 1_000, 5_000_000])
def test_contents_alone_decide_what_is_the_same_where_that_is_wished(
    session: Session, engine: TransferEngine, folder: str, source: Path, finish: Finish, size: int
) -> None:
    path = source / "file"
    path.write_bytes(noise(size))
    os.utime(path, ns=(10**18, 10**18))
    assert finish(engine.upload([path], folder)) is JobState.FINISHED
    os.utime(path, ns=(2 * 10**18, 2 * 10**18))
    job = engine.upload([path], folder, checksum=True)
    assert finish(job) is JobState.FINISHED
    assert [item.state for item in job.items()] == [ItemState.UNCHANGED]
    assert job.progress.bytes_moved < 2_000
    if size:
        path.write_bytes(noise(size, 77))
        os.utime(path, ns=(10**18, 10**18))  # a change that size and time do not tell of
        job = engine.upload([path], folder)
        assert finish(job) is JobState.FINISHED
        assert [item.state for item in job.items()] == [ItemState.UNCHANGED]
        job = engine.upload([path], folder, checksum=True)
        assert finish(job) is JobState.FINISHED
        assert [item.state for item in job.items()] == [ItemState.DONE]
        assert contents(session, folder)["file"] == path.read_bytes()


def test_what_the_server_has_under_another_name_is_not_sent_again(
    session: Session, engine: TransferEngine, folder: str, source: Path, finish: Finish
) -> None:
    (source / "one").write_bytes(noise(5_000_000, 77))
    assert finish(engine.upload([source / "one"], folder)) is JobState.FINISHED
    (source / "one").rename(source / "two")
    job = engine.upload([source / "two"], folder)
    assert finish(job) is JobState.FINISHED
    assert job.progress.bytes_moved < 10_000
    assert contents(session, folder)["two"] == noise(5_000_000, 77)


def test_a_changed_part_sends_that_part_alone(
    session: Session, engine: TransferEngine, folder: str, source: Path, finish: Finish
) -> None:
    content = bytearray(noise(30_000_000, 78))
    (source / "file").write_bytes(content)
    assert finish(engine.upload([source / "file"], folder)) is JobState.FINISHED
    content[15_000_000:15_000_010] = b"0123456789"
    (source / "file").write_bytes(content)
    job = engine.upload([source / "file"], folder)
    assert finish(job) is JobState.FINISHED
    assert job.progress.bytes_moved < 9_000_000
    assert session.api.read_range(session.api.stat(f"{folder}/file")) == content


@pytest.fixture
def twice(session: Session, engine: TransferEngine, folder: str, source: Path, finish: Finish) -> Path:
    """A file that is on the server already, and newer here, with another content."""
    path = source / "file.txt"
    path.write_bytes(b"theirs")
    os.utime(path, ns=(1, 10**18))
    assert finish(engine.upload([path], folder)) is JobState.FINISHED
    path.write_bytes(b"mine")
    os.utime(path, ns=(2, 2 * 10**18))
    return path


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (OnConflict.REPLACE, {"file.txt": b"mine"}),
        (OnConflict.NEWER, {"file.txt": b"mine"}),
        (OnConflict.SKIP, {"file.txt": b"theirs"}),
        (OnConflict.KEEP_BOTH, {"file.txt": b"theirs", "file (2).txt": b"mine"}),
    ],
)
def test_what_is_there_already_is_settled_by_the_policy(
    session: Session,
    engine: TransferEngine,
    folder: str,
    twice: Path,
    finish: Finish,
    policy: OnConflict,
    expected: dict[str, bytes],
) -> None:
    assert finish(engine.upload([twice], folder, policy)) is JobState.FINISHED
    assert contents(session, folder) == expected


def test_an_older_file_does_not_replace_a_newer_one(
    session: Session, engine: TransferEngine, folder: str, twice: Path, finish: Finish
) -> None:
    os.utime(twice, ns=(1, 10**17))
    job = engine.upload([twice], folder, OnConflict.NEWER)
    assert finish(job) is JobState.FINISHED
    assert states(job) == {"file.txt": ItemState.SKIPPED}
    assert contents(session, folder) == {"file.txt": b"theirs"}


def test_who_is_asked_sees_both_versions_and_decides(
    session: Session, engine: TransferEngine, folder: str, twice: Path, finish: Finish
) -> None:
    asked: list[Conflict] = []

    def ask(conflict: Conflict) -> ConflictAnswer:
        asked.append(conflict)
        return ConflictAnswer(OnConflict.REPLACE)

    assert finish(engine.upload([twice], folder, ask)) is JobState.FINISHED
    (conflict,) = asked
    assert (conflict.local_size, conflict.remote.size, conflict.remote_path) == (4, 6, f"{folder}/file.txt")
    assert contents(session, folder) == {"file.txt": b"mine"}


def test_an_answer_for_all_is_asked_once_and_cancel_cancels(
    session: Session, engine: TransferEngine, folder: str, source: Path, finish: Finish
) -> None:
    for name in ("a", "b", "c"):
        (source / name).write_bytes(b"1")
    assert finish(engine.upload([source], folder)) is JobState.FINISHED
    for name in ("a", "b", "c"):
        (source / name).write_bytes(b"22")
    asked: list[str] = []

    def skip_all(conflict: Conflict) -> ConflictAnswer:
        asked.append(conflict.name)
        return ConflictAnswer(OnConflict.SKIP, for_all=True)

    assert finish(engine.upload([source], folder, skip_all)) is JobState.FINISHED
    assert asked == ["a"]
    job = engine.upload([source], folder, lambda conflict: ConflictAnswer(OnConflict.CANCEL))
    assert finish(job) is JobState.CANCELLED
    assert set(contents(session, folder).values()) == {b"1"}


def test_nobody_is_asked_about_a_file_that_is_the_same_but_for_its_time(
    engine: TransferEngine, folder: str, twice: Path, finish: Finish
) -> None:
    twice.write_bytes(b"theirs")

    def ask(conflict: Conflict) -> ConflictAnswer:
        raise AssertionError("asked")

    job = engine.upload([twice], folder, ask)
    assert finish(job) is JobState.FINISHED
    assert states(job) == {"file.txt": ItemState.UNCHANGED}


def test_what_cannot_be_read_fails_with_its_reason_and_the_rest_goes_on(
    session: Session, engine: TransferEngine, folder: str, source: Path, finish: Finish
) -> None:
    (source / "good").write_bytes(b"x")
    (source / os.fsdecode(b"bad\xff")).write_bytes(b"x")
    os.mkfifo(source / "pipe")
    (source / "Good").write_bytes(b"y")
    (source / "folder").mkdir()
    job = engine.upload([source, source / "missing"], folder)
    assert finish(job) is JobState.FAILED
    assert len(job.failed_items()) == 4
    assert all(item.error is not None and item.error.message.endswith(".") for item in job.failed_items())
    assert len(contents(session, folder)) == 1


def test_a_file_does_not_replace_a_folder_nor_a_folder_a_file(
    session: Session, engine: TransferEngine, folder: str, source: Path, finish: Finish
) -> None:
    session.api.make_folder(f"{folder}/x")
    (source / "x").write_bytes(b"")
    job = engine.upload([source / "x"], folder)
    assert finish(job) is JobState.FAILED
    assert isinstance(job.failed_items()[0].error, IsAFolder)
    (source / "y").write_bytes(b"")
    assert finish(engine.upload([source / "y"], folder)) is JobState.FINISHED
    (source / "y").unlink()
    (source / "y").mkdir()
    (source / "y/inside").write_bytes(b"")
    job = engine.upload([source / "y"], folder)
    assert finish(job) is JobState.FAILED
    assert isinstance(job.failed_items()[0].error, NotAFolder)


@pytest.mark.parametrize(("size", "times"), [(1_000, 1), (1_000, 2), (5_000_000, 1)])
def test_a_file_that_changes_while_it_is_read_is_read_again(
    session: Session,
    engine: TransferEngine,
    folder: str,
    source: Path,
    finish: Finish,
    monkeypatch: pytest.MonkeyPatch,
    size: int,
    times: int,
) -> None:
    path = source / "file"
    path.write_bytes(noise(size))
    _change_when_planned(monkeypatch, path, times)
    assert finish(engine.upload([path], folder)) is JobState.FINISHED
    assert contents(session, folder) == {"file": path.read_bytes()}


@pytest.mark.parametrize("size", [1_000, 5_000_000])
def test_a_file_that_keeps_changing_fails_alone(
    session: Session,
    engine: TransferEngine,
    folder: str,
    source: Path,
    finish: Finish,
    monkeypatch: pytest.MonkeyPatch,
    size: int,
) -> None:
    path = source / "file"
    path.write_bytes(noise(size))
    (source / "quiet").write_bytes(b"quiet")
    _change_when_planned(monkeypatch, path, times=99)
    job = engine.upload([path, source / "quiet"], folder)
    assert finish(job) is JobState.FAILED
    (failed,) = job.failed_items()
    assert isinstance(failed.error, FileChanged)
    assert contents(session, folder) == {"quiet": b"quiet"}
    monkeypatch.undo()
    job.retry_failed()
    assert finish(job) is JobState.FINISHED
    assert contents(session, folder)["file"] == path.read_bytes()
    assert job.progress.bytes_done == job.progress.bytes_total


def _change_when_planned(monkeypatch: pytest.MonkeyPatch, path: Path, times: int) -> None:
    """Another program writes to `path` each time that somebody begins to read it, `times` times."""
    from client import chunking

    left = [times]

    def after_a_change(read: Callable[..., Any]) -> Callable[..., Any]:
        def changed(descriptor: int, *rest: Any) -> Any:
            begins = left[0] and os.fstat(descriptor).st_ino == path.stat().st_ino
            if begins and os.lseek(descriptor, 0, os.SEEK_CUR) == 0:
                left[0] -= 1
                with path.open("ab") as file:
                    file.write(b"more")
            return read(descriptor, *rest)

        return changed

    for name in ("read", "readv"):
        monkeypatch.setattr(chunking.os, name, after_a_change(getattr(os, name)))


def test_what_failed_can_be_tried_again(
    session: Session, engine: TransferEngine, folder: str, source: Path, finish: Finish
) -> None:
    (source / "good").write_bytes(b"good")
    (source / "sub").mkdir()
    (source / "sub/bad").symlink_to("x" * 200)
    os.mkfifo(source / "sub/pipe")
    job = engine.upload([source], folder)
    assert finish(job) is JobState.FAILED
    assert isinstance(job.failed_items()[0].error, LocalAccess)
    (source / "sub/pipe").unlink()
    (source / "sub/pipe").write_bytes(b"a file by now")
    job.retry_failed()
    assert finish(job) is JobState.FINISHED
    assert contents(session, folder)["source/sub/pipe"] == b"a file by now"
    assert [item.state for item in job.items()].count(ItemState.DONE) == len(job.items())


@pytest.mark.parametrize("place", ["source", "source/sub"])
def test_a_folder_that_could_not_be_read_goes_to_its_own_place_when_it_is_tried_again(
    session: Session,
    engine: TransferEngine,
    folder: str,
    source: Path,
    finish: Finish,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
) -> None:
    (source / "sub").mkdir()
    (source / "sub/file").write_bytes(b"x")
    scandir = os.scandir
    closed = source.parent / place

    def refuse(path: Path) -> Any:  # by permissions it could not be closed to root
        if path == closed:
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    with monkeypatch.context() as patch:
        patch.setattr(local_scan.os, "scandir", refuse)
        job = engine.upload([source], folder)
        assert finish(job) is JobState.FAILED
    (failed,) = job.failed_items()
    assert (failed.remote, failed.kind, failed.local) == (f"{folder}/{place}", "folder", closed)
    job.retry_failed()
    assert finish(job) is JobState.FINISHED
    assert contents(session, folder) == {"source/sub/file": b"x"}
    assert [entry.name for entry in session.api.list_folder(f"{folder}/source")] == ["sub"]


def test_events_come_from_one_thread_in_order_and_never_turn_back(
    session: Session, folder: str, source: Path, finish: Finish
) -> None:
    events: list[TransferEvent] = []
    threads: set[int] = set()

    def listen(event: TransferEvent) -> None:
        events.append(event)
        threads.add(threading.get_ident())

    for number in range(50):
        (source / f"s{number}").write_bytes(b"x")
    (source / "large").write_bytes(noise(12_000_000, 3))
    with TransferEngine(session, listener=listen) as engine:
        job = engine.upload([source], folder)
        assert finish(job) is JobState.FINISHED
    progress = [event for event in events if isinstance(event, Progress)]
    assert all(a.bytes_done <= b.bytes_done and a.bytes_total <= b.bytes_total for a, b in pairwise(progress))
    assert progress[-1].planned
    assert progress[-1].bytes_done == progress[-1].bytes_total == 12_000_050
    finished = [event.item for event in events if isinstance(event, ItemFinished)]
    assert len(finished) == 52
    assert len(threads) == 1


def test_a_mistake_of_the_listener_stops_nothing(
    session: Session, folder: str, source: Path, finish: Finish, caplog: pytest.LogCaptureFixture
) -> None:
    (source / "file").write_bytes(b"x")

    def listen(event: TransferEvent) -> None:
        raise RuntimeError("a mistake")

    with (
        caplog.at_level("CRITICAL", logger="client.transfer.engine"),
        TransferEngine(session, listener=listen) as engine,
    ):
        assert finish(engine.upload([source / "file"], folder)) is JobState.FINISHED
    assert contents(session, folder) == {"file": b"x"}


def test_a_file_that_another_client_put_meanwhile_is_not_overwritten_by_who_was_asked(
    session: Session,
    engine: TransferEngine,
    folder: str,
    twice: Path,
    finish: Finish,
) -> None:
    """The user has seen one version and agreed to replace that one."""

    def ask(conflict: Conflict) -> ConflictAnswer:
        session.api.move(conflict.remote_path, f"{folder}/moved")
        session.api.move(f"{folder}/moved", conflict.remote_path)
        return ConflictAnswer(OnConflict.REPLACE)

    job = engine.upload([twice], folder, ask)
    assert finish(job) is JobState.FAILED
    assert contents(session, folder) == {"file.txt": b"theirs"}


def test_numbers_of_second_files_are_given_once(session: Session, folder: str, tmp_path: Path) -> None:
    from client.transfer.upload_plan import RemoteFolder

    known = Entry(node=5, parent=4, name="a.txt", kind="file", revision="1")
    remote = RemoteFolder(session.api, 4, folder, [known])
    assert [remote.free_name("a.txt") for _ in range(3)] == ["a (2).txt", "a (3).txt", "a (4).txt"]
    assert UploadPlanner is not None


def test_a_file_that_grows_without_an_end_while_it_is_read_does_not_spoil_the_next(
    session: Session, engine: TransferEngine, folder: str, source: Path, finish: Finish, monkeypatch: pytest.MonkeyPatch
) -> None:
    (source / "a").write_bytes(noise(20_000_000, 41))
    (source / "b").write_bytes(noise(20_000_000, 42))
    from client import chunking

    read = chunking._read_into
    inode = (source / "a").stat().st_ino

    def growing(descriptor: int, buffer: memoryview) -> int:
        if os.fstat(descriptor).st_ino == inode:
            with (source / "a").open("ab") as file:
                file.write(bytes(4_000_000))
        return read(descriptor, buffer[:4_000_000])

    monkeypatch.setattr(chunking, "_read_into", growing)
    job = engine.upload([source / "a", source / "b"], folder)
    assert finish(job) is JobState.FAILED
    (failed,) = job.failed_items()
    assert isinstance(failed.error, FileChanged)
    assert contents(session, folder) == {"b": noise(20_000_000, 42)}
