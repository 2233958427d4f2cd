"""A large file that takes the place of an earlier version: against a real server."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sfos.client.local.chunking import Cutter, SourceFile, name_whole, open_source
from sfos.client.session.session import Session
from sfos.client.transfer import ItemState, Job, JobState, OnConflict, TransferEngine
from sfos.client.transfer.down import local_copy
from sfos.client.transfer.down.local_copy import chunks_in_common
from sfos.protocol import MAX_CHUNK_BYTES, DataDamaged, Entry
from tests.client.cutting_relay import CuttingRelay
from tests.support.server_process import ServerProcess

Finish = Callable[[Job], JobState]
Get = Callable[..., int]
Edit = Callable[[bytes], bytes]

# Beside the chunks themselves: their frames, the list of all chunks, and the greetings of new connections.
OVERHEAD_BYTES = 50_000


@pytest.fixture
def content(request: pytest.FixtureRequest) -> bytes:
    return random.Random(request.node.name).randbytes(24_000_000)


@pytest.fixture
def local(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "large"
    path.write_bytes(content)
    return path


def put(engine: TransferEngine, finish: Finish, local: Path, folder: str) -> Job:
    job = engine.upload([local], folder)
    assert finish(job) is JobState.FINISHED
    return job


def check_there(session: Session, folder: str, local: Path) -> Entry:
    """The server has what is in `local`, in the chunks in which anybody would cut it."""
    entry = session.api.stat(f"{folder}/{local.name}")
    assert session.api.read_range(entry) == local.read_bytes()
    space = session.info.home
    with open_source(local) as source:
        assert entry.content == name_whole(space, Cutter(space.cut_seed), source)[0]
    return entry


def test_what_is_known_is_not_cut_again(
    session: Session,
    engine: TransferEngine,
    folder: str,
    finish: Finish,
    local: Path,
    content: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put(engine, finish, local, folder)
    cut = Cutter.cut_front
    whole: list[int] = []

    def counted(cutter: Cutter, data: memoryview, *, ended: bool, most: int | None = None) -> list[int]:
        lengths = cut(cutter, data, ended=ended, most=most)
        whole.extend(lengths)
        return lengths

    local.write_bytes(b"x" + content * 4)
    put(engine, finish, local, folder)  # the answer comes while the first part is cut
    local.write_bytes(b"y" + content * 4)
    monkeypatch.setattr(Cutter, "cut_front", counted)
    put(engine, finish, local, folder)
    assert sum(whole) < 2 * len(content)
    check_there(session, folder, local)


def test_a_part_that_the_server_finds_damaged_is_sent_again(
    server: ServerProcess,
    session: Session,
    engine: TransferEngine,
    folder: str,
    finish: Finish,
    local: Path,
    content: bytes,
) -> None:
    """The part is taken for present, as the earlier version has it: the commit tells better, and the file is read once
    more."""
    put(engine, finish, local, folder)
    entry = check_there(session, folder, local)
    tokens = sorted((server.home / "server_storage").glob("*/chunks/**/*"), key=lambda path: path.stat().st_mtime_ns)
    harmed = [path for path in tokens if path.is_file() and path.stat().st_size > 1_000_000][-1]
    token = bytearray(harmed.read_bytes())
    token[700_000] ^= 1
    harmed.write_bytes(token)
    with pytest.raises(DataDamaged):
        session.api.read_range(entry)
    local.write_bytes(b"x" + content)
    put(engine, finish, local, folder)
    check_there(session, folder, local)


@pytest.fixture
def get(session: Session, relay: CuttingRelay, relayed: Session, folder: str, finish: Finish) -> Iterator[Get]:
    """Downloads `large` to a folder: how many bytes the server sent for it."""
    with TransferEngine(relayed) as engine:

        def get(to: Path, on_conflict: OnConflict = OnConflict.REPLACE) -> int:
            before = relay.passed["down"]
            job = engine.download([session.api.stat(f"{folder}/large")], to, on_conflict)
            assert finish(job) is JobState.FINISHED
            return relay.passed["down"] - before

        yield get


def new_bytes(session: Session, there: bytes, here: bytes) -> int:
    """Size of the chunks of `there` that `here` has not: each server cuts where its own seed says."""
    cutter = Cutter(session.info.home.cut_seed)
    known = chunks_of(cutter, here)
    return sum(len(chunk) for chunk in chunks_of(cutter, there) - known)


def chunks_of(cutter: Cutter, content: bytes) -> set[bytes]:
    chunks, start = set(), 0
    for length in cutter.cut_front(memoryview(content), ended=True):
        chunks.add(content[start : start + length])
        start += length
    return chunks


def put_later(engine: TransferEngine, finish: Finish, local: Path, folder: str, content: bytes) -> None:
    """Another version of `large` on the server; what is in `local` stays."""
    beside = local.parent / "beside"
    beside.mkdir(exist_ok=True)
    (beside / "large").write_bytes(content)
    put(engine, finish, beside / "large", folder)


@pytest.mark.parametrize(
    "edit",
    [
        lambda content: b"x" + content,
        lambda content: content + b"x",
        lambda content: content[:12_000_000] + b"x" + content[12_000_000:],
        lambda content: content[:10_000_000] + content[15_000_000:],
        lambda content: content[5_000_000:] + content[:5_000_000],
        lambda content: content,
    ],
    ids=["front", "end", "middle", "less", "moved", "same"],
)
def test_of_a_later_version_only_what_is_new_is_fetched(
    session: Session,
    engine: TransferEngine,
    folder: str,
    finish: Finish,
    local: Path,
    content: bytes,
    get: Get,
    edit: Edit,
) -> None:
    put_later(engine, finish, local, folder, edit(content))
    fetched = get(local.parent)
    new = new_bytes(session, edit(content), content)
    assert new <= fetched <= new + OVERHEAD_BYTES
    assert local.read_bytes() == edit(content)
    assert not list(local.parent.glob(".sfos-*")), "a temporary file stayed"


def test_of_something_else_all_is_fetched(
    engine: TransferEngine, folder: str, finish: Finish, local: Path, content: bytes, get: Get
) -> None:
    put_later(engine, finish, local, folder, content)
    local.write_bytes(content[::-1])
    assert get(local.parent) > len(content)
    assert local.read_bytes() == content


def test_a_second_copy_beside_it_is_fetched_whole_and_the_first_stays(
    engine: TransferEngine, folder: str, finish: Finish, local: Path, content: bytes, get: Get
) -> None:
    put_later(engine, finish, local, folder, b"x" + content)
    get(local.parent, OnConflict.KEEP_BOTH)
    assert local.read_bytes() == content
    assert (local.parent / "large (2)").read_bytes() == b"x" + content


def test_what_comes_for_a_part_that_repeats_is_written_everywhere(
    session: Session, engine: TransferEngine, folder: str, finish: Finish, local: Path, content: bytes, get: Get
) -> None:
    coming = bytes(9 * MAX_CHUNK_BYTES) + content + bytes(5 * MAX_CHUNK_BYTES)
    put_later(engine, finish, local, folder, coming)
    local.write_bytes(content + bytes(3 * MAX_CHUNK_BYTES))
    new = new_bytes(session, coming, local.read_bytes())
    assert get(local.parent) <= new + OVERHEAD_BYTES
    assert local.read_bytes() == coming


@pytest.mark.parametrize("kind", ["link", "pipe", "unreadable"])
def test_what_cannot_be_read_in_its_place_is_replaced_unread(
    engine: TransferEngine, folder: str, finish: Finish, local: Path, content: bytes, get: Get, kind: str
) -> None:
    put_later(engine, finish, local, folder, content)
    elsewhere = local.rename(local.parent / "elsewhere")
    if kind == "link":
        local.symlink_to(elsewhere)
    elif kind == "pipe":
        os.mkfifo(local)
    else:
        local.touch(mode=0o000)
    assert get(local.parent) > len(content)
    assert not local.is_symlink()
    assert local.read_bytes() == content
    assert elsewhere.read_bytes() == content


def test_a_file_that_is_written_to_while_it_is_copied_from_spoils_nothing(
    engine: TransferEngine,
    folder: str,
    finish: Finish,
    local: Path,
    content: bytes,
    get: Get,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put_later(engine, finish, local, folder, b"x" + content)
    fill = SourceFile.fill

    def fill_and_write(source: SourceFile, buffer: memoryview) -> tuple[int, bool]:
        found = fill(source, buffer)
        with local.open("r+b") as other:
            other.seek(15_000_000)
            other.write(os.urandom(5_000_000))
            other.truncate(21_000_000)
        return found

    monkeypatch.setattr(SourceFile, "fill", fill_and_write)
    get(local.parent)
    assert local.read_bytes() == b"x" + content


@pytest.mark.parametrize("interrupt", [False, True])
def test_a_download_cancelled_while_it_copies_from_here_leaves_only_what_it_should(
    session: Session,
    engine: TransferEngine,
    folder: str,
    finish: Finish,
    local: Path,
    content: bytes,
    monkeypatch: pytest.MonkeyPatch,
    interrupt: bool,
) -> None:
    put_later(engine, finish, local, folder, b"x" + content)
    jobs: list[Job] = []
    fill, started = SourceFile.fill, threading.Event()

    def fill_and_cancel(source: SourceFile, buffer: memoryview) -> tuple[int, bool]:
        assert started.wait(30)
        jobs[0].cancel(interrupt=interrupt)
        return fill(source, buffer)

    monkeypatch.setattr(SourceFile, "fill", fill_and_cancel)
    jobs.append(engine.download([session.api.stat(f"{folder}/large")], local.parent))
    started.set()
    assert finish(jobs[0]) is JobState.CANCELLED
    assert [item.state for item in jobs[0].items()] != [ItemState.FAILED]
    assert bool(list(local.parent.glob(".sfos-*"))) is interrupt, "a partial file stays for the next time, or goes"
    assert local.read_bytes() == content


def test_what_was_copied_before_an_interruption_does_not_end_the_look(
    local: Path, content: bytes, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_copy, "_TRIED_BYTES", MAX_CHUNK_BYTES)
    space = session.info.home
    with open_source(local) as source:
        records = name_whole(space, Cutter(space.cut_seed), source)[1]
    with open_source(local) as source:
        found = chunks_in_common(space, source, records, {records[-1].chunk_id}, lambda: None)
        assert [name for name, _ in found] == [records[-1].chunk_id]
