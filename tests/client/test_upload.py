"""Uploads: what arrives, what is not sent again, and what is told meanwhile."""

from __future__ import annotations

import os
import threading
from itertools import pairwise
from pathlib import Path

import pytest

from sfos.client.errors import LeadsBack
from sfos.client.session.session import Session
from sfos.client.transfer import ItemFinished, ItemState, JobState, Progress, TransferEngine, TransferEvent
from tests.client.conftest import Finish
from tests.client.trees import item_states, noise, remote_files

SIZES = (0, 1, 262_143, 262_144, 262_145, 4 * 1024 * 1024, 9_000_001)


def test_files_of_every_size_arrive_whole(
    session: Session, engine: TransferEngine, folder: str, source: Path, finish: Finish
) -> None:
    expected = {}
    for number, size in enumerate(SIZES):
        expected[f"{size}"] = noise(size, number)
        (source / f"{size}").write_bytes(expected[f"{size}"])
    assert finish(engine.upload(sorted(source.iterdir()), folder)) is JobState.FINISHED
    assert remote_files(session, folder) == expected


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
    assert remote_files(session, folder) == {
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
    job = engine.upload([source], folder, follow_symlinks=True)
    assert finish(job) is JobState.FAILED
    assert [(item.local, type(item.error)) for item in job.failed_items()] == [(source / "real/loop", LeadsBack)]
    assert remote_files(session, folder) == {"source/real/file": b"x", "source/link": b"x"}


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
    assert remote_files(session, folder) == {"new/deep/other": b"x"}


def test_what_is_the_same_is_not_sent_again(
    session: Session, engine: TransferEngine, folder: str, source: Path, finish: Finish
) -> None:
    (source / "large").write_bytes(noise(5_000_000))
    (source / "small").write_bytes(b"small")
    assert finish(engine.upload([source], folder)) is JobState.FINISHED
    again = engine.upload([source], folder)
    assert finish(again) is JobState.FINISHED
    assert item_states(again) == {"large": ItemState.UNCHANGED, "small": ItemState.UNCHANGED}
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
        assert remote_files(session, folder)["file"] == path.read_bytes()


def test_what_the_server_has_under_another_name_is_not_sent_again(
    session: Session, engine: TransferEngine, folder: str, source: Path, finish: Finish
) -> None:
    (source / "one").write_bytes(noise(5_000_000, 77))
    assert finish(engine.upload([source / "one"], folder)) is JobState.FINISHED
    (source / "one").rename(source / "two")
    job = engine.upload([source / "two"], folder)
    assert finish(job) is JobState.FINISHED
    assert job.progress.bytes_moved < 10_000
    assert remote_files(session, folder)["two"] == noise(5_000_000, 77)


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
        caplog.at_level("CRITICAL", logger="sfos.client.transfer.engine"),
        TransferEngine(session, listener=listen) as engine,
    ):
        assert finish(engine.upload([source / "file"], folder)) is JobState.FINISHED
    assert remote_files(session, folder) == {"file": b"x"}


def test_hidden_things_in_a_folder_stay_behind_where_that_is_wished_and_what_was_named_does_not(
    session: Session, engine: TransferEngine, folder: str, source: Path, finish: Finish
) -> None:
    for name in ("seen/a", "seen/.git/config", "seen/.env", ".named/b", ".named/.c"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
    paths = [source / "seen", source / ".named"]
    for _ in range(2):  # the second time beside what is there already
        assert finish(engine.upload(paths, folder, hidden=False)) is JobState.FINISHED
        assert set(remote_files(session, folder)) == {"seen/a", ".named/b"}
    assert finish(engine.upload(paths, folder)) is JobState.FINISHED
    assert set(remote_files(session, folder)) == {"seen/a", "seen/.git/config", "seen/.env", ".named/b", ".named/.c"}
