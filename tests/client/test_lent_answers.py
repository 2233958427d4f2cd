"""Memory of large answers: lent for a block, and used for the next answer again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sfos.client.contents import REPLY_BYTES
from sfos.client.net.connection import Connection
from sfos.client.session.session import Session
from sfos.client.transfer import TransferEngine
from sfos.protocol import (
    ChunkWant,
    Entry,
    GetChunksReply,
    GetChunksRequest,
    LocalProtocolError,
    Ref,
    StatRequest,
    pack_wants,
    unpack_lengths,
)
from tests.client.conftest import Finish


@pytest.fixture
def entry(session: Session, engine: TransferEngine, folder: str, source: Path, finish: Finish) -> Entry:
    (source / "file").write_bytes(b"content")
    finish(engine.upload([source / "file"], folder))
    return session.api.stat(f"{folder}/file")


@pytest.fixture
def connection(session: Session) -> Iterator[Connection]:
    with session.connect_more() as connection:
        yield connection


def ask(connection: Connection, entry: Entry) -> None:
    assert entry.content is not None
    want = pack_wants([ChunkWant(entry.node, entry.content, 0, 1)])
    connection.send(GetChunksRequest(wants=1, max_bytes=REPLY_BYTES), want)


def test_an_answer_is_valid_in_its_block_only(connection: Connection, entry: Entry) -> None:
    bodies = []
    for _ in range(2):
        ask(connection, entry)
        with connection.lent_answer() as answer:
            _, data = unpack_lengths(answer.body, answer.expect(GetChunksReply).chunks)
            assert data == b"content"
            bodies.append(answer.body)
        with pytest.raises(ValueError, match="released"):
            len(bodies[-1])


def test_memory_that_is_lent_is_not_lent_again_before_it_is_back(connection: Connection, entry: Entry) -> None:
    for _ in range(2):
        ask(connection, entry)
    with connection.lent_answer() as answer:
        with pytest.raises(LocalProtocolError), connection.lent_answer():
            raise AssertionError("lent twice")
        assert bytes(answer.body[-7:]) == b"content"
    with connection.lent_answer() as answer:
        assert bytes(answer.body[-7:]) == b"content"


def test_an_answer_without_bytes_can_be_lent_too(connection: Connection, entry: Entry) -> None:
    for _ in range(2):
        connection.send(StatRequest(ref=Ref(node=entry.node)))
        with connection.lent_answer() as answer:
            assert len(answer.body) == 0


def test_an_answer_that_is_not_lent_has_memory_of_its_own(connection: Connection, entry: Entry) -> None:
    for _ in range(3):
        ask(connection, entry)
    first = connection.receive()
    with connection.lent_answer():
        pass
    second = connection.receive()
    assert bytes(first.body[-7:]) == bytes(second.body[-7:]) == b"content"
