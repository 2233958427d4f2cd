"""Chunks and lists that a newer version has packed: nobody here can read them, and nobody takes them for damaged."""

from __future__ import annotations

import base64
import os
import sqlite3
import struct
import zlib
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from sfos.protocol import NewerFormat
from sfos.server.maintenance.gc import collect_garbage
from sfos.server.maintenance.verify import verify_space
from sfos.server.spaces.operations.context import SpaceContext
from sfos.server.vault.sealing import TokenType
from tests.storage.desk import Desk

pytestmark = pytest.mark.allows_errors("a token that cannot be read is logged")

BIG = b"the same line again and again\n" * 3_000  # one chunk, in a file of its own
SMALL = b"short and short and short" * 10
LONG = os.urandom(6_000_000)  # of several chunks, so with a list


def packed_token(context: SpaceContext, kind: TokenType, token_id: bytes, data: bytes) -> bytes:
    """Token as a version that knows codec 1 would store it: the header says so, and the length is that of the plain
    data."""
    header = struct.pack(
        ">4sBBBBI16s32sI", b"SFOS", 1, kind, 1, 0, 1, bytes.fromhex(context.space_id), token_id, len(data)
    )
    return base64.urlsafe_b64decode(Fernet(context.keys.data[1]).encrypt(header + zlib.compress(data)))


def pack_big(desk: Desk, context: SpaceContext) -> None:
    (path,) = (path for path in Path(context.directory / "chunks").rglob("*") if path.is_file())
    ((record, data),) = desk.cut(BIG)
    token = packed_token(context, TokenType.CHUNK, record.chunk_id, bytes(data))
    path.write_bytes(token)
    in_database(context, "catalog.db", "UPDATE chunks SET sealed_len = ?", len(token))


def pack_small(desk: Desk, context: SpaceContext) -> None:
    ((record, data),) = desk.cut(SMALL)
    token = packed_token(context, TokenType.CHUNK, record.chunk_id, bytes(data))
    in_database(context, "small.db", "UPDATE tokens SET token = ?", token)
    in_database(context, "catalog.db", "UPDATE chunks SET sealed_len = ?", len(token))


def in_database(context: SpaceContext, name: str, statement: str, value: object) -> None:
    with closing(sqlite3.connect(context.directory / name)) as database, database:
        assert database.execute(statement, (value,)).rowcount == 1


@pytest.mark.parametrize(("data", "pack"), [(BIG, pack_big), (SMALL, pack_small)], ids=["of its own", "small"])
def test_a_packed_chunk_is_said_to_need_an_update_and_is_not_marked(
    desk: Desk, context: SpaceContext, data: bytes, pack: object
) -> None:
    desk.put("/one", data)
    assert callable(pack)
    pack(desk, context)
    with pytest.raises(NewerFormat, match="update the server"):
        desk.read("/one")
    ids = [record.chunk_id for record, _ in desk.cut(data)]
    assert desk.have(ids) == [True]
    in_database(
        context, "catalog.db", "UPDATE spaces SET bytes_stored = (SELECT SUM(sealed_len) FROM chunks WHERE 1 = ?)", 1
    )
    found = verify_space(context, full=True)
    assert (found.clean, found.packed, found.opened) == (True, 1, 0), found.findings
    assert desk.have(ids) == [True]


def test_a_packed_list_is_said_to_need_an_update_and_is_left_as_it_is(desk: Desk, context: SpaceContext) -> None:
    desk.put("/long", LONG)
    records = [record for record, _ in desk.cut(LONG)]
    content = desk.stat("/long").content
    assert content is not None and len(records) > 1
    token = packed_token(
        context, TokenType.LIST, content, b"".join(bytes(r.chunk_id) + struct.pack(">I", r.length) for r in records)
    )
    in_database(context, "catalog.db", "UPDATE contents SET list = ?", token)
    with pytest.raises(NewerFormat):
        desk.read("/long")
    desk.commit([desk.item("/again", records)], records)  # would heal a damaged one
    with closing(sqlite3.connect(context.directory / "catalog.db")) as database:
        assert database.execute("SELECT list FROM contents").fetchone() == (token,)
    collect_garbage(context, 86_400_000)  # which counts anew: the list is another one than was counted
    found = verify_space(context, full=True)
    assert (found.clean, found.packed) == (True, 1), found.findings


@pytest.mark.leaves_damage
def test_a_token_that_only_claims_to_be_packed_is_damaged(desk: Desk, context: SpaceContext) -> None:
    desk.put("/one", BIG)
    (path,) = (path for path in Path(context.directory / "chunks").rglob("*") if path.is_file())
    path.write_bytes(path.read_bytes()[:-16])
    assert not verify_space(context, full=True).clean
    assert desk.have([record.chunk_id for record, _ in desk.cut(BIG)]) == [False]
