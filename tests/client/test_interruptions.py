"""What happens to transfers when the network or the server goes away, and when the user pauses or cancels."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path

import pytest
from msgspec.structs import replace

from client.address import Address
from client.api import Listing, Place
from client.errors import ConnectionFailed
from client.options import TransferOptions
from client.session import Session
from client.transfer import Conflict, ConflictAnswer, ItemState, Job, JobState, OnConflict, TransferEngine
from client.trust import Trust
from tests.client.conftest import OPTIONS, PASSWORD, USER
from tests.client.cutting_relay import CuttingRelay
from tests.support.server_process import prepare_home, running_server

Finish = Callable[[Job], JobState]
SIZE = 24_000_000
FAST = TransferOptions(retries=5, retry_base_s=0.05)


def noise(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)


@pytest.fixture
def relay(address: Address) -> Iterator[CuttingRelay]:
    with CuttingRelay(address) as relay:
        yield relay


@pytest.fixture
def session(relay: CuttingRelay, trust: Trust) -> Iterator[Session]:
    """A session through the relay."""
    session = Session.sign_in(relay.address, USER, PASSWORD, trust, OPTIONS)
    yield session
    relay.refusing = False
    session.logout()


@pytest.fixture
def engine(session: Session) -> Iterator[TransferEngine]:
    with TransferEngine(session, FAST) as engine:
        yield engine


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A large file and many small ones."""
    path = tmp_path / "source"
    path.mkdir()
    (path / "large").write_bytes(noise(SIZE, random.randrange(10**9)))
    for number in range(300):
        (path / f"s{number}").write_bytes(f"{number}".encode())
    return path


def read_back(session: Session, path: str) -> dict[str, bytes]:
    return {entry.name: session.api.read_range(entry) for entry in session.api.list_folder(path)}


def expected(source: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in source.iterdir()}


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("after", [0, 3_000, 100_000, 5_000_000, 20_000_000])
def test_an_upload_survives_a_cut_anywhere(
    relay: CuttingRelay,
    session: Session,
    engine: TransferEngine,
    folder: str,
    source: Path,
    finish: Finish,
    reset: bool,
    after: int,
) -> None:
    relay.reset = reset
    relay.cut_after(up=after)
    job = engine.upload([source], folder)
    assert finish(job) is JobState.FINISHED, job.failed_items()[:2]
    assert relay.cuts == 1
    assert read_back(session, f"{folder}/source") == expected(source)
    assert job.progress.bytes_done == job.progress.bytes_total


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("after", [0, 3_000, 100_000, 5_000_000, 20_000_000])
def test_a_download_survives_a_cut_anywhere(
    relay: CuttingRelay,
    session: Session,
    engine: TransferEngine,
    folder: str,
    source: Path,
    tmp_path: Path,
    finish: Finish,
    reset: bool,
    after: int,
) -> None:
    assert finish(engine.upload([source], folder)) is JobState.FINISHED
    entry = session.api.stat(f"{folder}/source")
    relay.reset = reset
    relay.cut_after(down=after)
    job = engine.download([entry], tmp_path / "to")
    assert finish(job) is JobState.FINISHED, job.failed_items()[:2]
    assert relay.cuts == 1
    assert expected(tmp_path / "to/source") == expected(source)


def test_a_commit_whose_reply_was_lost_is_applied_once(
    relay: CuttingRelay, session: Session, engine: TransferEngine, folder: str, tmp_path: Path, finish: Finish
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    cursor = session.api.list_folder_at(folder)[1]
    cut = threading.Event()
    send = relay._allow

    def cut_the_reply_to_the_commit(way: str, count: int) -> int:
        if way == "down" and relay.passed["up"] > 0 and session.api is not None and not cut.is_set() and armed.is_set():
            cut.set()
            relay.cuts += 1
            return 0
        return send(way, count)

    armed = threading.Event()
    relay._allow = cut_the_reply_to_the_commit  # type: ignore[method-assign]
    from client.transfer import upload_exchanges

    commit = upload_exchanges.CommitFiles.send

    def commit_and_cut(self: upload_exchanges.CommitFiles, connection: object) -> None:
        armed.set()
        commit(self, connection)  # type: ignore[arg-type]

    upload_exchanges.CommitFiles.send = commit_and_cut  # type: ignore[method-assign, assignment]
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
    relay: CuttingRelay, session: Session, folder: str, source: Path, finish: Finish
) -> None:
    with TransferEngine(session, replace(FAST, retries=1, upload_rate=40_000_000)) as engine:
        job = engine.upload([source / "large"], folder)
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
        assert job.progress.bytes_moved - moved < SIZE - 4_000_000, "what had arrived is not sent again"
    assert read_back(session, folder) == {"large": (source / "large").read_bytes()}


def test_a_download_that_failed_goes_on_from_its_partial_file(
    relay: CuttingRelay, session: Session, folder: str, source: Path, tmp_path: Path, finish: Finish
) -> None:
    with TransferEngine(session, replace(FAST, retries=0)) as engine:
        assert finish(engine.upload([source / "large"], folder)) is JobState.FINISHED
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
        assert job.progress.bytes_moved - before.bytes_moved < SIZE - 4_000_000
        assert expected(to) == {"large": (source / "large").read_bytes()}


def _cut_at_listing(monkeypatch: pytest.MonkeyPatch, session: Session, relay: CuttingRelay, number: int) -> None:
    """The server goes away when folders are about to be listed for the time of that `number`, from 0."""
    list_folders = session.api.list_folders
    times = count()

    def cutting(places: Sequence[Place], **how: bool) -> list[Listing]:
        if next(times) == number:
            relay.refusing = True
            relay.cut_all()
        return list_folders(places, **how)

    monkeypatch.setattr(session.api, "list_folders", cutting)


@pytest.mark.parametrize("direction", ["up", "down"])
@pytest.mark.parametrize("listing", [0, 3])
def test_what_broke_off_while_it_was_planned_is_tried_again_as_a_whole(
    relay: CuttingRelay,
    session: Session,
    engine: TransferEngine,
    folder: str,
    tmp_path: Path,
    finish: Finish,
    monkeypatch: pytest.MonkeyPatch,
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
    session.options = replace(OPTIONS, connection=replace(OPTIONS.connection, retry_for_s=0.0))
    _cut_at_listing(monkeypatch, session, relay, listing)
    to = tmp_path / "to"
    job = engine.upload(roots, folder) if direction == "up" else engine.download(entries, to)
    assert finish(job) is JobState.FAILED
    assert not job.progress.planned
    assert any(isinstance(item.error, ConnectionFailed) for item in job.failed_items())
    relay.refusing = False
    job.retry_failed()
    assert finish(job) is JobState.FINISHED
    progress = job.progress
    assert progress.planned
    assert (progress.items_done, progress.items_failed) == (progress.items_total, 0)
    for root in roots:
        if direction == "up":
            files = _files_of(session, f"{folder}/{root.name}")
        else:
            files = {
                path.relative_to(to / root.name).as_posix(): path.read_bytes()
                for path in (to / root.name).rglob("*")
                if path.is_file()
            }
        assert files == {
            "outer": f"outer {root.name}".encode(),
            "below/inner": f"inner {root.name}".encode(),
            "below/second": f"second {root.name}".encode(),
        }


def test_folders_of_a_download_that_broke_off_have_their_times_then_and_when_it_went_on(
    relay: CuttingRelay,
    session: Session,
    engine: TransferEngine,
    folder: str,
    tmp_path: Path,
    finish: Finish,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    below = tmp_path / "root/below"
    below.mkdir(parents=True)
    (below / "file").write_text("x")
    times = {path: 1_400_000_000_000_000_000 + number for number, path in enumerate(("root/below", "root"))}
    for path, mtime_ns in times.items():
        os.utime(tmp_path / path, ns=(mtime_ns, mtime_ns))
    assert finish(engine.upload([tmp_path / "root"], folder)) is JobState.FINISHED
    entries = session.api.list_folder(folder)
    session.options = replace(OPTIONS, connection=replace(OPTIONS.connection, retry_for_s=0.0))
    _cut_at_listing(monkeypatch, session, relay, 1)
    to = tmp_path / "to"
    job = engine.download(entries, to)
    assert finish(job) is JobState.FAILED
    assert {path: (to / path).stat().st_mtime_ns for path in times} == times
    relay.refusing = False
    job.retry_failed()
    assert finish(job) is JobState.FINISHED
    assert (to / "root/below/file").read_text() == "x"
    assert {path: (to / path).stat().st_mtime_ns for path in times} == times


def test_nobody_is_asked_again_when_what_broke_off_is_started_over(
    relay: CuttingRelay,
    session: Session,
    engine: TransferEngine,
    folder: str,
    tmp_path: Path,
    finish: Finish,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("a", "b"):
        (tmp_path / f"there/{name}").mkdir(parents=True)
        (tmp_path / f"there/{name}/file").write_text("theirs")
    assert finish(engine.upload([tmp_path / "there/a", tmp_path / "there/b"], folder)) is JobState.FINISHED
    entries = sorted(session.api.list_folder(folder), key=lambda entry: entry.name)
    for name in ("a", "b"):
        (tmp_path / f"to/{name}").mkdir(parents=True)
        (tmp_path / f"to/{name}/file").write_text("mine, and longer")
    session.options = replace(OPTIONS, connection=replace(OPTIONS.connection, retry_for_s=0.0))
    _cut_at_listing(monkeypatch, session, relay, 1)
    asked: list[str] = []

    def ask(conflict: Conflict) -> ConflictAnswer:
        asked.append(conflict.local.parent.name)
        return ConflictAnswer(OnConflict.REPLACE)

    job = engine.download(entries, tmp_path / "to", ask)
    assert finish(job) is JobState.FAILED
    assert asked == ["a"]
    relay.refusing = False
    job.retry_failed()
    assert finish(job) is JobState.FINISHED
    assert asked == ["a", "b"], "each once, and the other side's versions are those that were asked about"
    assert (tmp_path / "to/a/file").read_text() == (tmp_path / "to/b/file").read_text() == "theirs"


def test_why_a_job_broke_off_is_said_although_something_else_had_failed_before(
    relay: CuttingRelay,
    session: Session,
    engine: TransferEngine,
    folder: str,
    tmp_path: Path,
    finish: Finish,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there/file").write_bytes(b"x")
    session.options = replace(OPTIONS, connection=replace(OPTIONS.connection, retry_for_s=0.0))
    _cut_at_listing(monkeypatch, session, relay, 0)
    job = engine.upload([tmp_path / "missing", tmp_path / "there"], folder)
    assert finish(job) is JobState.FAILED
    assert [isinstance(item.error, ConnectionFailed) for item in job.failed_items()] == [False, True]
    relay.refusing = False
    job.retry_failed()
    assert finish(job) is JobState.FAILED
    assert [item.local.name for item in job.failed_items()] == ["missing"]
    assert _files_of(session, folder) == {"there/file": b"x"}


def _files_of(session: Session, path: str) -> dict[str, bytes]:
    return {
        "/".join((*listing.path, entry.name)): session.api.read_range(entry)
        for listing in session.api.walk(path)
        for entry in listing.entries
        if entry.kind == "file"
    }


@pytest.mark.parametrize("direction", ["up", "down"])
def test_cancelling_ends_at_once_and_leaves_nothing_half_done(
    session: Session,
    folder: str,
    source: Path,
    tmp_path: Path,
    finish: Finish,
    wait_until: Callable[..., None],
    direction: str,
) -> None:
    to = tmp_path / "to"
    with TransferEngine(session, FAST) as engine:
        if direction == "down":
            assert finish(engine.upload([source / "large"], folder)) is JobState.FINISHED
            entries = session.api.list_folder(folder)
            engine.set_rates(2_000_000, 2_000_000)
            job = engine.download(entries, to)
        else:
            engine.set_rates(2_000_000, 2_000_000)
            job = engine.upload([source / "large"], folder)
        wait_until(lambda: job.progress.bytes_moved > 500_000)
        job.cancel()
        assert job.wait(2)
        assert job.state is JobState.CANCELLED
        assert {item.state for item in job.items()} == {ItemState.CANCELLED}
    if direction == "down":
        assert list(to.iterdir()) == []
    else:
        assert session.api.list_folder(folder) == []


def test_a_pause_stops_the_flow_and_going_on_ends_it(
    session: Session, folder: str, source: Path, finish: Finish, wait_until: Callable[..., None]
) -> None:
    with TransferEngine(session, FAST) as engine:
        engine.set_rates(4_000_000, 0)
        job = engine.upload([source / "large"], folder)
        wait_until(lambda: job.progress.bytes_moved > 500_000)
        job.pause()
        assert job.state is JobState.PAUSED
        wait_until(lambda: job.progress.speed == 0, timeout_s=30)
        held = job.progress.bytes_moved
        assert held < SIZE
        assert not job.wait(0.3)
        assert job.progress.bytes_moved == held
        engine.set_rates(0, 0)
        job.resume()
        assert finish(job) is JobState.FINISHED
    assert read_back(session, folder) == {"large": (source / "large").read_bytes()}


def test_jobs_wait_for_their_turn_and_can_be_cancelled_there(
    session: Session, folder: str, source: Path, finish: Finish
) -> None:
    with TransferEngine(session, replace(FAST, parallel_jobs=1)) as engine:
        engine.set_rates(1_000_000, 0)
        running = engine.upload([source / "large"], folder)
        waiting = engine.upload([source / "s1"], folder)
        assert waiting.state is JobState.WAITING
        waiting.cancel()
        assert waiting.wait(2)
        assert waiting.state is JobState.CANCELLED
        engine.set_rates(0, 0)
        assert finish(running) is JobState.FINISHED
        assert engine.jobs == (running, waiting)
        engine.forget(waiting)
        assert engine.jobs == (running,)


def test_a_paused_job_lets_another_run(
    session: Session, folder: str, source: Path, finish: Finish, wait_until: Callable[..., None]
) -> None:
    with TransferEngine(session, replace(FAST, parallel_jobs=1)) as engine:
        engine.set_rates(4_000_000, 0)
        paused = engine.upload([source / "large"], folder)
        wait_until(lambda: paused.progress.bytes_moved > 500_000)
        never_begun = engine.upload([source / "s1"], folder, rename_to="never begun")
        never_begun.pause()
        waiting = engine.upload([source / "s2"], folder)
        assert waiting.state is JobState.WAITING
        paused.pause()
        assert finish(waiting) is JobState.FINISHED
        assert (paused.state, never_begun.state) == (JobState.PAUSED, JobState.PAUSED)
        engine.set_rates(0, 0)
        paused.resume()
        assert finish(paused) is JobState.FINISHED
        never_begun.resume()
        assert finish(never_begun) is JobState.FINISHED
    assert read_back(session, folder) == {
        name: (source / local).read_bytes()
        for name, local in {"large": "large", "s2": "s2", "never begun": "s1"}.items()
    }


def test_closing_the_engine_ends_everything(session: Session, folder: str, source: Path) -> None:
    engine = TransferEngine(session, FAST)
    engine.set_rates(100_000, 0)
    jobs = [engine.upload([source], f"{folder}/{number}") for number in range(4)]
    assert engine.close()
    assert engine.close()
    assert all(job.state is JobState.CANCELLED for job in jobs)


def test_a_limit_is_kept(session: Session, folder: str, source: Path, finish: Finish) -> None:
    import time

    with TransferEngine(session, FAST) as engine:
        engine.set_rates(12_000_000, 0)
        begun = time.monotonic()
        assert finish(engine.upload([source / "large"], folder)) is JobState.FINISHED
        assert time.monotonic() - begun > SIZE / 12_000_000 * 0.75


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_transfer_survives_a_restart_of_the_server(
    trust: Trust, tmp_path: Path, source: Path, finish: Finish, wait_until: Callable[..., None], direction: str
) -> None:
    home = prepare_home(tmp_path / "home")
    with running_server(home) as server:
        address = Address.parse(server.address)
        session = Session.sign_in(address, USER, PASSWORD, trust, OPTIONS)
        engine = TransferEngine(session, TransferOptions(retries=20, retry_base_s=0.2))
        if direction == "down":
            assert finish(engine.upload([source], "/")) is JobState.FINISHED
            entries = session.api.list_folder("/")
        engine.set_rates(8_000_000, 8_000_000)
        job = engine.download(entries, tmp_path / "to") if direction == "down" else engine.upload([source], "/")
        wait_until(lambda: job.progress.bytes_moved > 6_000_000)
        server.process.kill()
        server.process.wait()
    with running_server(home, port=address.port):
        engine.set_rates(0, 0)
        assert finish(job) is JobState.FINISHED, job.failed_items()[:2]
        engine.close()
        if direction == "down":
            assert expected(tmp_path / "to/source") == expected(source)
        else:
            assert read_back(session, "/source") == expected(source)
        session.logout()
