"""A large file that takes the place of an earlier version: against a real server."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from client.chunking import Cutter, name_whole, open_source
from client.session import Session
from client.transfer import Job, JobState, TransferEngine
from protocol import DataDamaged, Entry
from tests.support.server_process import ServerProcess

Finish = Callable[[Job], JobState]


@pytest.fixture
def content(request: pytest.FixtureRequest) -> bytes:
    return random.Random(request.node.name).randbytes(40_000_000)


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
    """It is taken for there, as the earlier version has it: the commit tells better, and the file is read once more."""
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
