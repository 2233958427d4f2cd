"""Uploads of what cannot be read, or changes meanwhile: what fails, what goes on, and what is tried again."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sfos.client.errors import FileChanged, LocalAccess
from sfos.client.session.session import Session
from sfos.client.transfer import ItemState, JobState, TransferEngine
from tests.client.conftest import Finish
from tests.client.trees import noise, remote_files


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
    assert len(remote_files(session, folder)) == 1


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
    assert remote_files(session, folder) == {"file": path.read_bytes()}


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
    assert remote_files(session, folder) == {"quiet": b"quiet"}
    monkeypatch.undo()
    job.retry_failed()
    assert finish(job) is JobState.FINISHED
    assert remote_files(session, folder)["file"] == path.read_bytes()
    assert job.progress.bytes_done == job.progress.bytes_total


def _change_when_planned(monkeypatch: pytest.MonkeyPatch, path: Path, times: int) -> None:
    """Another program writes to `path` each time that somebody begins to read it, `times` times."""
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
        monkeypatch.setattr(os, name, after_a_change(getattr(os, name)))


def test_a_file_that_grows_without_an_end_while_it_is_read_does_not_spoil_the_next(
    session: Session, engine: TransferEngine, folder: str, source: Path, finish: Finish, monkeypatch: pytest.MonkeyPatch
) -> None:
    (source / "a").write_bytes(noise(20_000_000, 41))
    (source / "b").write_bytes(noise(20_000_000, 42))
    from sfos.client.local import chunking

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
    assert remote_files(session, folder) == {"b": noise(20_000_000, 42)}


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
    assert remote_files(session, folder)["source/sub/pipe"] == b"a file by now"
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
        patch.setattr(os, "scandir", refuse)
        job = engine.upload([source], folder)
        assert finish(job) is JobState.FAILED
    (failed,) = job.failed_items()
    assert (failed.remote, failed.kind, failed.local) == (f"{folder}/{place}", "folder", closed)
    job.retry_failed()
    assert finish(job) is JobState.FINISHED
    assert remote_files(session, folder) == {"source/sub/file": b"x"}
    assert [entry.name for entry in session.api.list_folder(f"{folder}/source")] == ["sub"]
