"""Transfers that broke off while they were planned, and are started over."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from sfos.client.errors import ConnectionFailed
from sfos.client.session.session import Session
from sfos.client.transfer import Conflict, ConflictAnswer, JobState, OnConflict, TransferEngine
from tests.client.conftest import OPTIONS, Finish
from tests.client.cutting_relay import CuttingRelay
from tests.client.trees import local_files, remote_files
from tests.support.retrying import for_s


@pytest.fixture
def session(relayed: Session) -> Session:
    return relayed


@dataclass(frozen=True)
class Outage:
    """Of the server, as this session sees it."""

    relay: CuttingRelay
    session: Session
    monkeypatch: pytest.MonkeyPatch

    def begins_at_listing(self, number: int) -> None:
        """When folders are about to be listed for the time of that `number`, from 0."""
        ask = self.session.api._list
        times = count()

        def cutting(*args: Any, **how: Any) -> Any:
            if next(times) == number:
                self.relay.refusing = True
                self.relay.cut_all()
            return ask(*args, **how)

        self.monkeypatch.setattr(self.session.api, "_list", cutting)

    def ends(self) -> None:
        """From now on it can be reached."""
        self.relay.refusing = False


@pytest.fixture
def outage(relay: CuttingRelay, session: Session, monkeypatch: pytest.MonkeyPatch) -> Outage:
    """One that nobody waits for."""
    session.options = replace(OPTIONS, connection=replace(OPTIONS.connection, retry=for_s(0.0)))
    return Outage(relay, session, monkeypatch)


@pytest.mark.parametrize("direction", ["up", "down"])
@pytest.mark.parametrize("listing", [0, 3])
def test_what_broke_off_while_it_was_planned_is_tried_again_as_a_whole(
    session: Session,
    engine: TransferEngine,
    folder: str,
    tmp_path: Path,
    finish: Finish,
    outage: Outage,
    listing: int,
    direction: str,
) -> None:
    roots = [tmp_path / name for name in ("a", "b", "c")]
    for root in roots:
        (root / "below").mkdir(parents=True)
        (root / "below/inner").write_text(f"inner {root.name}")
    assert finish(engine.upload(roots, folder)) is JobState.FINISHED
    for root in roots:  # so that the upload finds some of it there, and has to list it
        (root / "outer").write_text(f"outer {root.name}")
        (root / "below/second").write_text(f"second {root.name}")
    if direction == "down":
        assert finish(engine.upload(roots, folder)) is JobState.FINISHED
    entries = session.api.list_folder(folder)
    outage.begins_at_listing(listing)
    to = tmp_path / "to"
    job = engine.upload(roots, folder) if direction == "up" else engine.download(entries, to)
    assert finish(job) is JobState.FAILED
    assert not job.progress.planned
    assert any(isinstance(item.error, ConnectionFailed) for item in job.failed_items())
    outage.ends()
    job.retry_failed()
    assert finish(job) is JobState.FINISHED
    progress = job.progress
    assert progress.planned
    assert (progress.items_done, progress.items_failed) == (progress.items_total, 0)
    for root in roots:
        files = remote_files(session, f"{folder}/{root.name}") if direction == "up" else local_files(to / root.name)
        assert files == {
            "outer": f"outer {root.name}".encode(),
            "below/inner": f"inner {root.name}".encode(),
            "below/second": f"second {root.name}".encode(),
        }


def test_folders_of_a_download_that_broke_off_have_their_times_then_and_when_it_went_on(
    session: Session, engine: TransferEngine, folder: str, tmp_path: Path, finish: Finish, outage: Outage
) -> None:
    below = tmp_path / "root/below"
    below.mkdir(parents=True)
    (below / "file").write_text("x")
    times = {path: 1_400_000_000_000_000_000 + number for number, path in enumerate(("root/below", "root"))}
    for path, mtime_ns in times.items():
        os.utime(tmp_path / path, ns=(mtime_ns, mtime_ns))
    assert finish(engine.upload([tmp_path / "root"], folder)) is JobState.FINISHED
    entries = session.api.list_folder(folder)
    outage.begins_at_listing(1)
    to = tmp_path / "to"
    job = engine.download(entries, to)
    assert finish(job) is JobState.FAILED
    assert {path: (to / path).stat().st_mtime_ns for path in times} == times
    outage.ends()
    job.retry_failed()
    assert finish(job) is JobState.FINISHED
    assert (to / "root/below/file").read_text() == "x"
    assert {path: (to / path).stat().st_mtime_ns for path in times} == times


def test_nobody_is_asked_again_when_what_broke_off_is_started_over(
    session: Session, engine: TransferEngine, folder: str, tmp_path: Path, finish: Finish, outage: Outage
) -> None:
    for name in ("a", "b"):
        (tmp_path / f"there/{name}").mkdir(parents=True)
        (tmp_path / f"there/{name}/file").write_text("theirs")
    assert finish(engine.upload([tmp_path / "there/a", tmp_path / "there/b"], folder)) is JobState.FINISHED
    entries = sorted(session.api.list_folder(folder), key=lambda entry: entry.name)
    for name in ("a", "b"):
        (tmp_path / f"to/{name}").mkdir(parents=True)
        (tmp_path / f"to/{name}/file").write_text("mine, and longer")
    outage.begins_at_listing(1)
    asked: list[str] = []

    def ask(conflict: Conflict) -> ConflictAnswer:
        asked.append(conflict.local.parent.name)
        return ConflictAnswer(OnConflict.REPLACE)

    job = engine.download(entries, tmp_path / "to", ask)
    assert finish(job) is JobState.FAILED
    assert asked == ["a"]
    outage.ends()
    job.retry_failed()
    assert finish(job) is JobState.FINISHED
    assert asked == ["a", "b"], "each once, and the other side's versions are those that were asked about"
    assert (tmp_path / "to/a/file").read_text() == (tmp_path / "to/b/file").read_text() == "theirs"


def test_why_a_job_broke_off_is_said_although_something_else_had_failed_before(
    session: Session, engine: TransferEngine, folder: str, tmp_path: Path, finish: Finish, outage: Outage
) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there/file").write_bytes(b"x")
    outage.begins_at_listing(0)
    job = engine.upload([tmp_path / "missing", tmp_path / "there"], folder)
    assert finish(job) is JobState.FAILED
    assert [isinstance(item.error, ConnectionFailed) for item in job.failed_items()] == [False, True]
    outage.ends()
    job.retry_failed()
    assert finish(job) is JobState.FAILED
    assert [item.local.name for item in job.failed_items()] == ["missing"]
    assert remote_files(session, folder) == {"there/file": b"x"}
