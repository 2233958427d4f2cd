"""Mistakes of this program and of its disk: the client gets a typed error, the others go on, the log tells."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sfos.protocol import (
    MAX_COMMIT_ITEMS,
    MAX_HEADER,
    ROOT_NODE,
    BadChunk,
    ChunkRecord,
    ChunkWant,
    CommitItem,
    DataDamaged,
    Entry,
    GetChunksRequest,
    IsAFolder,
    ListRequest,
    MalformedMessage,
    ManifestRequest,
    NameNotAllowed,
    NotAFolder,
    PutChunksRequest,
    Ref,
    ServerFault,
    StatRequest,
    StorageFull,
    Target,
    UsageRequest,
    chunk_id,
    pack_commit,
    pack_records,
    pack_wants,
    unpack_results,
)
from sfos.server.spaces.space import Space
from tests.server.conftest import Running, Serve
from tests.support.wire_peer import WirePeer

STAT = StatRequest(ref=Ref(path="/"))
DATA = os.urandom(200_000)


def put_body(key: bytes, data: bytes = DATA) -> bytes:
    return pack_records([ChunkRecord(chunk_id(key, data), len(data))]) + data


def store(server: Running) -> tuple[WirePeer, bytes, int]:
    """Someone who has stored one file, /file; its chunk's id; its node."""
    peer, login = server.login()
    record = ChunkRecord(chunk_id(login.session.home.chunk_key, DATA), len(DATA))
    peer.call(PutChunksRequest(chunks=1), put_body(login.session.home.chunk_key))
    item = CommitItem(target=Target(path="/folder/file"), size=len(DATA), content=record.chunk_id, chunks=1)
    reply, body = peer.call(*pack_commit(os.urandom(16), [item], [record]))
    node = unpack_results(reply, body)[0][0].node
    assert node is not None
    return peer, record.chunk_id, node


def stored_files(server: Running, space: str) -> Iterator[Path]:
    chunks = server.settings.server.storage_dir / space
    files = (path for path in chunks.rglob("*") if path.is_file() and ".db" not in path.name)
    return (path for path in files if path.stat().st_size > len(DATA))


@pytest.mark.allows_errors("a storage that is broken on purpose")
def test_a_mistake_of_this_program_is_logged_under_an_id_that_the_client_gets_and_the_connection_goes_on(
    server: Running, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = server.signed_in()

    def broken(*_: object) -> None:
        raise ZeroDivisionError("a detail that is nobody's business")

    monkeypatch.setattr(Space, "usage", broken)
    with caplog.at_level(logging.ERROR), pytest.raises(ServerFault) as fault:
        peer.call(UsageRequest())
    assert "a detail" not in str(fault.value)
    error_id = str(fault.value).split("finds error ")[1].split()[0]
    assert any(error_id in record.getMessage() and record.exc_info for record in caplog.records)
    assert peer.call(STAT)[0].entry.node


@pytest.mark.allows_errors("a reply that is too long on purpose")
def test_a_reply_too_long_for_a_message_is_answered_with_a_fault_and_the_connection_goes_on(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = server.signed_in()
    path = "/" + "x" * MAX_HEADER
    endless = Entry(node=1, parent=0, name=path, kind="folder", revision="1.a")
    monkeypatch.setattr(Space, "stat", lambda *_: endless)
    with pytest.raises(ServerFault, match="longer than a message"):
        peer.call(STAT)
    assert peer.call(UsageRequest())[0].files_current == 0


def test_a_commit_of_the_most_items_with_the_longest_errors_is_answered_and_so_is_its_repetition(
    server: Running,
) -> None:
    """A character that is shown as ten, in paths of the greatest length: what was applied must not go unanswered."""
    peer, _, _ = store(server)
    longest = "/folder/file/" + "/".join(["\U000e0001" * 63] * 5)
    items = [CommitItem(target=Target(path="/made"), kind="folder")]
    items += [CommitItem(target=Target(path=longest), kind="folder")] * (MAX_COMMIT_ITEMS - 1)
    op_id = os.urandom(16)
    for _ in range(2):
        results, _ = unpack_results(*peer.call(*pack_commit(op_id, items, [])))
        assert results[0].error is None
        assert {found.error.code for found in results[1:] if found.error} == {"not_a_folder"}
        assert max(len(found.error.subject or "") for found in results[1:] if found.error) == 200


@pytest.mark.allows_errors("the server rightly logs damaged data")
def test_a_stored_chunk_that_does_not_decrypt_is_an_error_of_its_own_and_loses_nothing_else(server: Running) -> None:
    peer, content, node = store(server)
    (path,) = stored_files(server, server.accounts.find("alice").user_id)  # type: ignore[union-attr]
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(DataDamaged):
        peer.call(GetChunksRequest(wants=1), pack_wants([ChunkWant(node, content, 0, 1)]))
    assert peer.call(StatRequest(ref=Ref(node=node)))[0].entry.size == len(DATA)


@pytest.mark.allows_errors("the server rightly logs damaged data")
@pytest.mark.parametrize("wrong", ["size = 'abc'", "mtime_ns = 1.5", "content = 'abc'"])
def test_a_value_that_is_met_only_when_a_page_is_packed_is_damage_and_no_mistake_of_the_server(
    server: Running, wrong: str
) -> None:
    peer, _, node = store(server)
    catalog = server.settings.server.storage_dir / server.accounts.find("alice").user_id / "catalog.db"  # type: ignore[union-attr]
    with closing(sqlite3.connect(catalog)) as connection, connection:
        connection.execute(f"UPDATE nodes SET {wrong} WHERE node = {node}")
    with pytest.raises(DataDamaged):
        peer.call(ListRequest(folders=(Ref(path="/folder"),)))
    assert peer.call(ListRequest(folders=(Ref(path="/"),)))[0].folders[0].node == ROOT_NODE


def test_a_chunk_that_arrives_damaged_is_not_stored(server: Running) -> None:
    peer, login = server.login()
    body = bytearray(put_body(login.session.home.chunk_key))
    body[-1] ^= 1
    with pytest.raises(BadChunk):
        peer.call(PutChunksRequest(chunks=1), bytes(body))
    with pytest.raises(MalformedMessage):
        peer.call(PutChunksRequest(chunks=1), bytes(body[:-1]))
    with pytest.raises(MalformedMessage):
        peer.call(PutChunksRequest(chunks=2), bytes(body))


def test_on_a_full_disk_uploads_are_refused_and_the_rest_goes_on(serve: Serve) -> None:
    server = serve({"storage.free_space_floor_bytes": str(2**40)})
    peer, login = server.login()
    with pytest.raises(StorageFull):
        peer.call(PutChunksRequest(chunks=1), put_body(login.session.home.chunk_key))
    assert peer.call(UsageRequest())[0].files_current == 0


def test_a_folder_where_a_file_is_expected_and_the_other_way_round_and_bad_names_have_errors_of_their_own(
    server: Running,
) -> None:
    peer, _, _ = store(server)
    with pytest.raises(IsAFolder):
        peer.call(ManifestRequest(ref=Ref(path="/folder")))
    with pytest.raises(NotAFolder):
        peer.call(StatRequest(ref=Ref(path="/folder/file/below")))
    item = CommitItem(target=Target(path="/folder/\x01"), kind="folder")
    reply, body = peer.call(*pack_commit(os.urandom(16), [item], []))
    error = unpack_results(reply, body)[0][0].error
    assert error is not None
    assert error.code == NameNotAllowed.code
