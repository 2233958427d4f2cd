"""Transfers when the network or the server goes away."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from sfos.client.address import Address
from sfos.client.errors import ConnectionFailed
from sfos.client.net.trust import Trust
from sfos.client.options import TransferOptions
from sfos.client.session.session import Session
from sfos.client.transfer import JobState, TransferEngine
from tests.client.conftest import FAST, LARGE_BYTES, OPTIONS, PASSWORD, USER, Finish
from tests.client.cutting_relay import CuttingRelay
from tests.client.trees import local_files, remote_files
from tests.support.retrying import times
from tests.support.server_process import prepare_home, running_server


@pytest.fixture
def session(relayed: Session) -> Session:
    return relayed


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("after", [0, 3_000, 100_000, 5_000_000, 20_000_000])
def test_an_upload_survives_a_cut_anywhere(
    relay: CuttingRelay,
    session: Session,
    engine: TransferEngine,
    folder: str,
    large_and_small: Path,
    finish: Finish,
    reset: bool,
    after: int,
) -> None:
    relay.reset = reset
    relay.cut_after(up=after)
    job = engine.upload([large_and_small], folder)
    assert finish(job) is JobState.FINISHED, job.failed_items()[:2]
    assert relay.cuts == 1
    assert remote_files(session, f"{folder}/source") == local_files(large_and_small)
    assert job.progress.bytes_done == job.progress.bytes_total


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("after", [0, 3_000, 100_000, 5_000_000, 20_000_000])
def test_a_download_survives_a_cut_anywhere(
    relay: CuttingRelay,
    session: Session,
    engine: TransferEngine,
    folder: str,
    large_and_small: Path,
    tmp_path: Path,
    finish: Finish,
    reset: bool,
    after: int,
) -> None:
    assert finish(engine.upload([large_and_small], folder)) is JobState.FINISHED
    entry = session.api.stat(f"{folder}/source")
    relay.reset = reset
    relay.cut_after(down=after)
    job = engine.download([entry], tmp_path / "to")
    assert finish(job) is JobState.FINISHED, job.failed_items()[:2]
    assert relay.cuts == 1
    assert local_files(tmp_path / "to/source") == local_files(large_and_small)


def test_a_commit_whose_reply_was_lost_is_applied_once(
    relay: CuttingRelay, session: Session, engine: TransferEngine, folder: str, tmp_path: Path, finish: Finish
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    (listing,) = session.api.list_folders([folder])
    cursor = listing.at
    cut = threading.Event()

    def cut_the_reply_to_the_commit(way: str, count: int) -> int:
        if way == "down" and relay.passed["up"] > 0 and session.api is not None and not cut.is_set() and armed.is_set():
            cut.set()
            relay.cuts += 1
            return 0
        return relay.count(way, count)

    armed = threading.Event()
    relay.allow = cut_the_reply_to_the_commit
    from sfos.client.transfer.up import exchanges as upload_exchanges

    commit = upload_exchanges.CommitFiles.send

    def commit_and_cut(self: upload_exchanges.CommitFiles, connection: object) -> None:
        armed.set()
        commit(self, connection)  # type: ignore[arg-type]

    upload_exchanges.CommitFiles.send = commit_and_cut  # type: ignore[method-assign]
    try:
        assert finish(engine.upload([path], folder)) is JobState.FINISHED
    finally:
        upload_exchanges.CommitFiles.send = commit  # type: ignore[method-assign]
    assert relay.cuts == 1
    changes, _ = session.api.changes(cursor)
    assert [change.entry.name for change in changes] == ["file"]
    (entry,) = session.api.list_folder(folder)
    assert session.api.read_range(entry) == b"x"


def test_a_transfer_that_cannot_go_on_fails_with_the_reason_and_later_sends_only_the_rest(
    relay: CuttingRelay, session: Session, folder: str, large_and_small: Path, finish: Finish
) -> None:
    with TransferEngine(session, replace(FAST, retry=times(1, 0.05), upload_rate=40_000_000)) as engine:
        job = engine.upload([large_and_small / "large"], folder)
        while job.progress.bytes_done < 5_000_000:  # so much the server has answered for
            assert not job.wait(0.01)
        relay.refusing = True
        relay.cut_all()
        assert finish(job) is JobState.FAILED
        (failed,) = job.failed_items()
        assert isinstance(failed.error, ConnectionFailed)
        relay.refusing = False
        assert session.api.list_folder(folder) == [], "nothing is visible before its commit"
        moved = job.progress.bytes_moved
        job.retry_failed()
        assert finish(job) is JobState.FINISHED
        assert job.progress.bytes_moved - moved < LARGE_BYTES - 4_000_000, "what had arrived is not sent again"
    assert remote_files(session, folder) == {"large": (large_and_small / "large").read_bytes()}


def test_a_download_that_failed_goes_on_from_its_partial_file(
    relay: CuttingRelay, session: Session, folder: str, large_and_small: Path, tmp_path: Path, finish: Finish
) -> None:
    with TransferEngine(session, replace(FAST, retry=times(0, 0.05))) as engine:
        assert finish(engine.upload([large_and_small / "large"], folder)) is JobState.FINISHED
        (entry,) = session.api.list_folder(folder)
        relay.cut_after(down=14_000_000)
        to = tmp_path / "to"
        job = engine.download([entry], to)
        assert finish(job) is JobState.FAILED
        assert not (to / "large").exists()
        before = job.progress
        assert before.bytes_done > 4_000_000
        job.retry_failed()
        assert finish(job) is JobState.FINISHED
        assert job.progress.bytes_moved - before.bytes_moved < LARGE_BYTES - 4_000_000
        assert local_files(to) == {"large": (large_and_small / "large").read_bytes()}


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_transfer_survives_a_restart_of_the_server(
    trust: Trust, tmp_path: Path, large_and_small: Path, finish: Finish, wait_until: Callable[..., None], direction: str
) -> None:
    home = prepare_home(tmp_path / "home")
    with running_server(home) as server:
        address = Address.parse(server.address)
        session = Session.sign_in(address, USER, PASSWORD, trust, OPTIONS)
        engine = TransferEngine(session, TransferOptions(retry=times(20, 0.2)))
        if direction == "down":
            assert finish(engine.upload([large_and_small], "/")) is JobState.FINISHED
            entries = session.api.list_folder("/")
        engine.set_rates(8_000_000, 8_000_000)
        job = (
            engine.download(entries, tmp_path / "to") if direction == "down" else engine.upload([large_and_small], "/")
        )
        wait_until(lambda: job.progress.bytes_moved > 6_000_000)
        server.process.kill()
        server.process.wait()
    with running_server(home, port=address.port):
        engine.set_rates(0, 0)
        assert finish(job) is JobState.FINISHED, job.failed_items()[:2]
        engine.close()
        if direction == "down":
            assert local_files(tmp_path / "to/source") == local_files(large_and_small)
        else:
            assert remote_files(session, "/source") == local_files(large_and_small)
        session.logout()
