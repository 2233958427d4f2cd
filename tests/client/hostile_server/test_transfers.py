"""Transfers with a server that breaks its word: nothing is written where it was not told to be, or believed unseen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from sfos.client.errors import LocalDiskFull, LocalNameNotAllowed
from sfos.client.session.session import Session
from sfos.client.transfer import JobState, TransferEngine
from sfos.protocol import (
    BadChunk,
    ChunkRecord,
    CommitRequest,
    DataDamaged,
    Entry,
    GetChunksReply,
    GetChunksRequest,
    HaveReply,
    HaveRequest,
    ListRequest,
    ManifestReply,
    ManifestRequest,
    NameNotAllowed,
    NotFound,
    RemoteProtocolError,
    Request,
    StatReply,
    StatRequest,
    chunk_id,
    content_id,
    pack_lengths,
    pack_records,
)
from tests.client.conftest import Finish
from tests.client.hostile_server.answers import ROOT, answering, file, listing
from tests.client.scripted_server import CHUNK_KEY, Answer, ScriptedServer

# ── downloads ───────────────────────────────────────────────────────────────────────────────────────────────────

EVIL_NAMES = ("../evil", "..", "/etc/evil", "a/b", "a\\..\\b", "evil\0", "\u202eevil", "")


@pytest.mark.parametrize("name", EVIL_NAMES)
def test_a_name_from_the_server_never_leads_out_of_the_destination(
    server: ScriptedServer,
    session: Session,
    engine: TransferEngine,
    tmp_path: Path,
    finish: Finish,
    name: str,
) -> None:
    evil_folder = Entry(node=5, parent=1, name=name, kind="folder", revision="1")
    server.handlers[ListRequest] = answering(listing(file(name), evil_folder, file("fine", node=8)))
    server.handlers[GetChunksRequest] = answering((GetChunksReply(chunks=1), pack_lengths([7]) + b"content"))
    to = tmp_path / "deep/to"
    job = engine.download([ROOT], to)
    assert finish(job) is JobState.FAILED
    assert {type(item.error) for item in job.failed_items()} == {LocalNameNotAllowed}
    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*")) if "pins" not in path.name] == [
        "deep",
        "deep/to",
        "deep/to/fine",
    ]


@pytest.mark.parametrize("name", EVIL_NAMES)
def test_nor_does_a_file_alone_in_a_folder_that_the_download_makes(
    server: ScriptedServer, session: Session, engine: TransferEngine, tmp_path: Path, finish: Finish, name: str
) -> None:
    """The short way, on which the names of a folder are looked at together. What is there would be replaced."""
    outside = tmp_path / "outside"
    outside.write_bytes(b"mine")
    evil = name.replace("/etc/evil", str(outside)).replace("../evil", "../../../outside")
    folder = Entry(node=5, parent=1, name="new", kind="folder", revision="1")
    server.handlers[ListRequest] = answering(listing(file(evil)))
    server.handlers[GetChunksRequest] = answering((GetChunksReply(chunks=1), pack_lengths([7]) + b"content"))
    job = engine.download([folder], tmp_path / "deep/to")
    assert finish(job) is JobState.FAILED
    assert {type(item.error) for item in job.failed_items()} == {LocalNameNotAllowed}
    assert outside.read_bytes() == b"mine"
    found = [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*")) if "pins" not in path.name]
    assert found == ["deep", "deep/to", "deep/to/new", "outside"]


def test_two_names_that_are_one_file_here_are_an_error_of_the_second(
    server: ScriptedServer, session: Session, engine: TransferEngine, tmp_path: Path, finish: Finish
) -> None:
    link = Entry(node=5, parent=1, name="sub", kind="symlink", revision="1")
    folder = Entry(node=6, parent=1, name="sub", kind="folder", revision="1")
    server.handlers[ListRequest] = answering(listing(link, folder))
    job = engine.download([ROOT], tmp_path / "to")
    assert finish(job) is JobState.FAILED
    assert any(isinstance(item.error, NameNotAllowed) for item in job.failed_items())


def test_a_content_that_is_not_what_its_name_says_is_not_written(
    server: ScriptedServer, session: Session, engine: TransferEngine, tmp_path: Path, finish: Finish
) -> None:
    server.handlers[GetChunksRequest] = answering((GetChunksReply(chunks=1), pack_lengths([7]) + b"CONTENT"))
    job = engine.download([file("file")], tmp_path / "to")
    assert finish(job) is JobState.FAILED
    assert isinstance(job.failed_items()[0].error, BadChunk)
    assert list((tmp_path / "to").iterdir()) == []


@pytest.mark.parametrize(
    ("reply", "body"),
    [
        (GetChunksReply(chunks=2), pack_lengths([7, 1]) + b"contentx"),
        (GetChunksReply(chunks=1), pack_lengths([8]) + b"content"),
        (GetChunksReply(chunks=0), b""),
        (GetChunksReply(chunks=-1), b""),
        (GetChunksReply(chunks=1), pack_lengths([2**32 - 1])),
        (GetChunksReply(chunks=2**62), b"x"),
    ],
)
def test_chunks_that_were_not_asked_for_are_not_taken(
    server: ScriptedServer,
    session: Session,
    engine: TransferEngine,
    tmp_path: Path,
    finish: Finish,
    reply: GetChunksReply,
    body: bytes,
) -> None:
    server.handlers[GetChunksRequest] = answering((reply, body))
    job = engine.download([file("file")], tmp_path / "to")
    assert finish(job) is JobState.FAILED
    assert list((tmp_path / "to").iterdir()) == []


def large() -> tuple[Entry, list[ChunkRecord], list[bytes]]:
    pieces = [bytes([number]) * 300_000 for number in range(3)]
    records = [ChunkRecord(chunk_id(CHUNK_KEY, piece), len(piece)) for piece in pieces]
    entry = Entry(
        node=7,
        parent=1,
        name="large",
        kind="file",
        revision="1",
        size=900_000,
        content=content_id(CHUNK_KEY, pack_records(records)),
    )
    return entry, records, pieces


def manifest(entry: Entry, records: list[ChunkRecord], chunks: int | None = None) -> Answer:
    assert entry.content is not None
    reply = ManifestReply(
        node=7, revision="1", content=entry.content, size=entry.size, chunks=len(records) if chunks is None else chunks
    )
    return reply, pack_records(records)


def test_a_list_of_chunks_that_is_not_the_files_is_refused(
    server: ScriptedServer, session: Session, engine: TransferEngine, tmp_path: Path, finish: Finish
) -> None:
    entry, records, _ = large()
    for wrong in (
        manifest(entry, records[::-1]),
        manifest(entry, records[:2]),
        manifest(entry, records, chunks=10**9),
        manifest(entry, [*records, *records]),
        manifest(entry, records[:1], chunks=3),
        manifest(entry, []),
    ):
        server.handlers[ManifestRequest] = answering(wrong)
        job = engine.download([entry], tmp_path / "to")
        assert finish(job) is JobState.FAILED
        with pytest.raises((BadChunk, RemoteProtocolError)):
            session.api.read_range(entry)
    assert GetChunksRequest not in server.requests
    assert server.requests.count(ManifestRequest) == 2 * 6, "a list that dribbles is given up with its first page"
    assert list((tmp_path / "to").iterdir()) == []


def test_what_cannot_fit_is_not_begun_and_both_numbers_are_told(
    server: ScriptedServer, session: Session, engine: TransferEngine, tmp_path: Path, finish: Finish
) -> None:
    job = engine.download([replace(large()[0], size=2**60), file("small")], tmp_path / "to")
    assert finish(job) is JobState.FAILED
    errors = [item.error for item in job.failed_items()]
    assert {type(error) for error in errors} == {LocalDiskFull}
    free = int(str(errors[0]).split("computer has ")[1].split()[0].replace(",", ""))
    assert f"{2**60 + 7:,} bytes are to come" in str(errors[0])
    assert 0 < free < 2**60
    assert {ManifestRequest, GetChunksRequest}.isdisjoint(server.requests)
    assert list((tmp_path / "to").iterdir()) == []


def test_a_large_file_with_one_wrong_chunk_is_never_put_in_place(
    server: ScriptedServer, session: Session, engine: TransferEngine, tmp_path: Path, finish: Finish
) -> None:
    entry, records, pieces = large()
    server.handlers[ManifestRequest] = answering(manifest(entry, records))
    body = pack_lengths([300_000] * 3) + pieces[0] + pieces[1] + pieces[1]
    server.handlers[GetChunksRequest] = answering((GetChunksReply(chunks=3), body))
    job = engine.download([entry], tmp_path / "to")
    assert finish(job) is JobState.FAILED
    assert isinstance(job.failed_items()[0].error, BadChunk)
    assert not (tmp_path / "to/large").exists()
    with pytest.raises(BadChunk):
        session.api.read_range(entry)


@pytest.mark.parametrize("came", [0, 1])
def test_of_a_large_file_that_fails_stays_what_has_come_and_nothing_empty(
    server: ScriptedServer, session: Session, engine: TransferEngine, tmp_path: Path, finish: Finish, came: int
) -> None:
    entry, records, pieces = large()
    server.handlers[ManifestRequest] = answering(manifest(entry, records))
    damaged = DataDamaged().info()
    part = b"".join(pieces[:came])
    reply = GetChunksReply(chunks=came, stopped=damaged)
    server.handlers[GetChunksRequest] = answering((reply, pack_lengths([300_000] * came) + part))
    job = engine.download([entry], tmp_path / "to")
    assert finish(job) is JobState.FAILED
    assert isinstance(job.failed_items()[0].error, DataDamaged)
    left = [path.stat().st_size for path in (tmp_path / "to").iterdir()]
    assert left == [300_000] * came


# ── uploads ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_answer_for_other_chunks_than_were_asked_about_ends_the_upload(
    server: ScriptedServer, session: Session, engine: TransferEngine, tmp_path: Path, finish: Finish
) -> None:
    (tmp_path / "file").write_bytes(b"x")

    def stat(request: Request[Any], body: bytes) -> Answer:
        assert isinstance(request, StatRequest)
        if request.ref.path != "/":
            raise NotFound
        return StatReply(entry=ROOT), b""

    server.handlers[StatRequest] = stat
    server.handlers[HaveRequest] = answering((HaveReply(), b"\1\1\1"))
    job = engine.upload([tmp_path / "file"], "/")
    assert finish(job) is JobState.FAILED
    assert isinstance(job.failed_items()[0].error, RemoteProtocolError)
    assert CommitRequest not in server.requests
