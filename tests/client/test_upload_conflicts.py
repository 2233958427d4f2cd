"""Uploads to where something is already: what is replaced, what is kept, and who is asked."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sfos.client.session.session import Session
from sfos.client.transfer import Conflict, ConflictAnswer, ItemState, JobState, OnConflict, TransferEngine
from sfos.client.transfer.up.remote_folder import RemoteFolder
from sfos.protocol import Entry, IsAFolder, NotAFolder
from tests.client.conftest import Finish
from tests.client.trees import item_states, remote_files
from tests.support.entry_lists import parts_of


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
    assert remote_files(session, folder) == expected


def test_an_older_file_does_not_replace_a_newer_one(
    session: Session, engine: TransferEngine, folder: str, twice: Path, finish: Finish
) -> None:
    os.utime(twice, ns=(1, 10**17))
    job = engine.upload([twice], folder, OnConflict.NEWER)
    assert finish(job) is JobState.FINISHED
    assert item_states(job) == {"file.txt": ItemState.SKIPPED}
    assert remote_files(session, folder) == {"file.txt": b"theirs"}


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
    assert remote_files(session, folder) == {"file.txt": b"mine"}


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
    assert set(remote_files(session, folder).values()) == {b"1"}


def test_nobody_is_asked_about_a_file_that_is_the_same_but_for_its_time(
    engine: TransferEngine, folder: str, twice: Path, finish: Finish
) -> None:
    twice.write_bytes(b"theirs")

    def ask(conflict: Conflict) -> ConflictAnswer:
        raise AssertionError("asked")

    job = engine.upload([twice], folder, ask)
    assert finish(job) is JobState.FINISHED
    assert item_states(job) == {"file.txt": ItemState.UNCHANGED}


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
    assert remote_files(session, folder) == {"file.txt": b"theirs"}


def test_numbers_of_second_files_are_given_once(session: Session, folder: str, tmp_path: Path) -> None:
    known = Entry(node=5, parent=4, name="a.txt", kind="file", revision="1")
    remote = RemoteFolder(session.api, 4, folder, parts_of([known]))
    assert [remote.free_name("a.txt") for _ in range(3)] == ["a (2).txt", "a (3).txt", "a (4).txt"]
